"""What a run has finished, on disk: a run that was killed goes on behind it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Ledger:
    """Results by name, a line of JSON each. Those of another table or other options are thrown away."""

    def __init__(self, path: Path, run: dict[str, Any]) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.is_file() else []
        found = [line for line in map(_parsed, lines) if line is not None]
        if not found or found[0] != {"run": run}:
            found = [{"run": run}]
        self.results = {line["name"]: line["result"] for line in found[1:]}
        path.write_text("".join(json.dumps(line) + "\n" for line in found))

    def __contains__(self, name: str) -> bool:
        return name in self.results

    def get(self, name: str, compute: Callable[[], Any]) -> Any:
        """The result of that name; computed, and written at once, if it is not there."""
        if name not in self.results:
            line = json.dumps({"name": name, "result": compute()})
            with self.path.open("a") as file:
                file.write(line + "\n")
            self.results[name] = json.loads(line)["result"]
        return self.results[name]


def _parsed(line: str) -> Any:
    """A line, or None if a kill cut it short."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
