"""The record: what was asked, and one entry for each cell, written as soon as it is known."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

NAME = "limited_data.json"


def opened(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """The record of a folder, empty or with the cells that an earlier call left there.

    Raises:
      ValueError: a record of something else is there.
    """
    asked, path = json.loads(json.dumps(asked)), folder / NAME
    if not path.exists():
        return {"asked": asked, "cells": {}}
    record = read(folder)
    if different := [name for name in asked if record["asked"].get(name) != asked[name]]:
        raise ValueError(f"{path} is the record of another study: {', '.join(different)} differ; choose another --out")
    return record


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / NAME).read_text())


def write(folder: Path, record: dict[str, Any]) -> None:
    """Replace the file in one move: whoever reads it finds a whole record, also after a kill."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
        file.write(as_text(record))
    os.chmod(file.name, 0o644)
    os.replace(file.name, folder / NAME)


def as_text(record: dict[str, Any]) -> str:
    """JSON with a line for each cell."""
    head = {name: value for name, value in record.items() if name != "cells"}
    cells = ",\n".join(f"  {json.dumps(name)}: {json.dumps(cell)}" for name, cell in record["cells"].items())
    return json.dumps(head, indent=1)[:-2] + ',\n "cells": {\n' + cells + "\n }\n}\n"
