"""A claim as it was measured: a JSON file with versions, seeds, every lane's score, and each case's statistics."""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .arms import Hyper
from .contrasts import TRAIN, Arms, Found
from .effects import effect
from .ledger import Case, Claim, Measured

FOLDER = Path(__file__).parent / "records"
VERSIONS = ("jax", "jaxlib", "optax", "numpy", "scikit-learn")


def record(claim_id: str, claim: Claim, found: dict[str, Measured], seconds: float) -> dict[str, Any]:
    return {
        "id": claim_id,
        "statement": claim.statement,
        "contrast": claim.contrast.text,
        "least": claim.least,
        "unit": claim.unit,
        "command": f"python -m examples.claims {claim_id}",
        "versions": {name: version(name) for name in VERSIONS} | {"python": platform.python_version()},
        "machine": machine(),
        "seconds": round(seconds, 1),
        "cases": {name: _case(claim, claim.cases[name], measured) for name, measured in found.items()},
    }


def machine() -> str:
    """The system and the processor: another one may round otherwise."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.system()} {platform.machine()} {model}".strip()


def _case(claim: Claim, case: Case, measured: Measured) -> dict[str, Any]:
    shown = sorted({*claim.contrast.metrics, claim.choose_by, TRAIN})
    return {
        "task": case.task,
        "seeds": len(measured.values),
        "values": np.asarray(measured.values, np.float64).tolist(),
        "effect": effect(measured.values, claim.least)._asdict(),
        "arms": {name: _arm(found, shown) for name, found in measured.arms.items()},
    }


def _arm(found: Found, shown: list[str]) -> dict[str, Any]:
    program = found.arm.program
    return {
        "program": {name: value for name, value in program._asdict().items() if value != program._field_defaults[name]},
        "settings": [describe(setting) for setting in found.arm.settings],
        "chosen": found.chosen,
        "scores": {
            name: [[_short(v) for v in row] for row in found.scores[name]] for name in shown if name in found.scores
        },
    }


def describe(setting: Hyper) -> dict[str, float]:
    """The learning rate, and the strengths that are not the default."""
    default = Hyper()._asdict()
    return {name: value for name, value in setting._asdict().items() if name == "rate" or value != default[name]}


def _short(value: Any) -> float:
    """The shortest decimal that is this float32."""
    return float(str(np.float32(value)))


def arms_of(case: Case, stored: dict[str, Any]) -> Arms:
    """The arms of a case with the scores of its record, to measure its contrast again without training."""
    return {
        name: Found(
            case.arms[name],
            {metric: np.array(rows, np.float32) for metric, rows in arm["scores"].items()},
            arm["chosen"],
        )
        for name, arm in stored["arms"].items()
    }


def write(stored: dict[str, Any], folder: Path = FOLDER) -> Path:
    """One line for each setting's scores, so that a record is small and its changes can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stored['id']}.json"
    text = json.dumps(stored, indent=1, allow_nan=False)
    path.write_text(_rows_on_lines(text) + "\n")
    return path


def _rows_on_lines(text: str) -> str:
    """Lists and objects that hold numbers alone, on one line each."""
    number, name = r"-?\d[-+\d.e]*", r'"[^"]*": '
    for inside, (left, right) in ((number, "[]"), (name + number, "{}")):
        pattern = rf"\{left}\s*({inside}(?:,\s*{inside})*)\s*\{right}"
        text = re.sub(
            pattern, lambda found, ends=(left, right): ends[0] + re.sub(r",\s+", ", ", found[1]) + ends[1], text
        )
    return text


def read_all(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """All records, by number and letter of the claim."""
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    return dict(sorted(found.items(), key=lambda item: order(item[0])))


def order(claim_id: str) -> tuple[int, str]:
    digits = "".join(filter(str.isdigit, claim_id))
    return int(digits), claim_id.removeprefix(digits)
