"""The README's code runs as it stands, and its figures are those of the committed records."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def section(name: str) -> str:
    return README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_code_runs_as_it_stands(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    accuracy = re.search(r"accuracy on unseen digits ([\d.]+)%", done.stdout).group(1)
    assert float(accuracy) > 85


def test_the_table_is_the_one_of_the_record():
    record = json.loads((ROOT / "examples" / "compare" / "digits.json").read_text())
    table = section("demo")
    for found in record["recipes"]:
        line = next(line for line in table.splitlines() if re.search(rf"│ {re.escape(found['recipe'])} +│", line))
        assert f"{np.mean(found['test']):.3f} ± {found['test_interval']:.3f}" in line
        assert f"{np.mean(found['train']):.3f}" in line
        assert f"{found['gap_mean']:.3f}" in line
    assert record["verdict"] in " ".join(table.split())


def test_the_speeds_are_those_of_the_record():
    rows = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text())["rows"]
    listed = re.findall(r"^\| (.+?) \| `?(.+?)`? \| ([\d.]+) \|", section("bench"), re.MULTILINE)
    assert listed
    for suite, case, ratio in listed:
        found = next(row for row in rows if (row["suite"], row["case"]) == (suite, case))
        assert f"{found['fastest_ratio']:.2f}" == ratio


def test_every_namespace_is_listed():
    import jreg

    for name in vars(jreg):
        if not name.startswith("_"):
            assert f"`jreg.{name}`" in README
