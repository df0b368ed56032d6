"""What the records and the tests say of each public symbol: its cost, and the laws that it obeys."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "cpu.json"
Cost = tuple[str, ...]
CASES = {
    "DropConnect": {"per=": "noise.dropconnect_dense"},
    "residual blocks": {"skip=": "noise.residual"},
    "batch norm": {"jreg, ghost batches": "norm.batch_norm"},
    "cross-entropy": {"jreg.targets": "targets.smoothed_cross_entropy"},
    "random words": {"jax.random.bits, hash_prng": "random.hash_prng"},
    "10 rates": {"jreg, rates traced": "noise.dropout"},
}
"""By the beginnings of suite and case, what cases measure that do not name it."""
FAMILIES = {
    "noise": "noise", "dropblock": "noise", "dropconnect": "noise", "stochastic-depth": "noise", "penalties": "penalty",
    "optimizer": "optim", "sweep": "train", "fit": "train",
}  # fmt: skip
"""The namespace of the bare names in a family of suites."""
LAWS = {
    "tests/test_laws.py": "noise",
    "tests/optim/test_laws.py": "optim",
    "tests/penalty/test_laws.py": "penalty",
    "tests/augment/test_laws.py": "augment",
}
"""The files of laws whose cases are bare names of one namespace."""
EVERYWHERE = ("tests/test_modes.py", "tests/test_fuzz.py")


def costs(public: Iterable[str]) -> dict[str, list[Cost]]:
    """By name after `jreg.`, the rows that measure it: suite, case, both ratios and what they are held against.

    Where ours is what a suite holds others against, the rows are theirs.
    """
    rows, public = json.loads(RECORD.read_text())["rows"], set(public)
    references = {row["suite"]: row for row in reversed(rows)}
    found: dict[str, list[Cost]] = {}
    for row in rows:
        reference = references[row["suite"]]
        name = measured(row, public) or measured(reference, public)
        if name and row is not reference:
            ratios = (f"{row[kind]:.2f}" for kind in ("fastest_ratio", "median_ratio"))
            cells = row["suite"], f"``{row['case']}``", *ratios, f"``{reference['case']}``"
            found.setdefault(name, []).append(cells)
    return found


def measured(row: Mapping[str, Any], public: set[str]) -> str | None:
    """What a row of the record measures, if that is ours."""
    case = row["case"]
    for suite, cases in CASES.items():
        for beginning, name in cases.items():
            if row["suite"].startswith(suite) and case.startswith(beginning):
                return name
    word = case.split(",")[0].split(" + ")[-1]
    plain = word.removeprefix("jreg.")
    for name in (plain, f"{FAMILIES.get(row['family'])}.{plain}"):
        if name in public:
            return name
    return None


def laws(public: Iterable[str]) -> dict[str, list[str]]:
    """By name after `jreg.`, the laws and modes that the tests hold it to, read off the list of their cases."""
    found: dict[str, dict[str, list[str]]] = {name: {} for name in public}
    for line in collected():
        match = re.fullmatch(r"(tests/\S+\.py)::test_(\w+)\[(.+)\]", line)
        if not match:
            continue
        file, test, case = match.groups()
        namespace = LAWS.get(file)
        words = re.split(r"-(?=[a-z_]+$)|-(?=[a-z_0-9, ]+$)", case) if namespace else [case]
        for word in words if namespace else [case.partition("-")[0]]:
            name = word.split(",")[0]
            name = f"{namespace}.{name}" if namespace else name
            if name in found:
                mode = case.partition("-")[2] if file == "tests/test_modes.py" else ""
                kept = found[name].setdefault(test, [])
                if mode and mode not in kept:
                    kept.append(mode)
    return {name: [said(test, modes) for test, modes in tests.items()] for name, tests in found.items()}


def modes(public: Iterable[str]) -> dict[str, set[str]]:
    """By name after `jreg.`, the modes of JAX that the tests run it in."""
    found: dict[str, set[str]] = {name: set() for name in public}
    for line in collected():
        match = re.fullmatch(r"tests/test_modes\.py::test_\w+\[([\w.]+)[^-]*-(.+)\]", line)
        if match and match[1] in found:
            found[match[1]].add(match[2])
    return found


def said(test: str, modes: list[str]) -> str:
    """The name of a test as a sentence, with the modes in which it is run."""
    text = test.replace("_", " ")
    return f"{text}: {', '.join(modes)}" if modes else text


def collected() -> list[str]:
    """The cases of the laws, kept until a test changes."""
    kept = ROOT / "docs" / "_build" / "laws.txt"
    files = [*LAWS, *EVERYWHERE]
    newest = max(path.stat().st_mtime for path in (ROOT / "tests").rglob("*.py"))
    if not kept.exists() or kept.stat().st_mtime < newest:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--numprocesses=0", *files]
        environment = {**os.environ, "EVERY_CASE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(done.stdout)
    return kept.read_text().splitlines()
