"""The benchmarks run, and what they store is what they measured. No time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks import measure

ROOT = Path(__file__).parents[2]


def test_the_quick_run_of_every_suite_stores_its_figures(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(tmp_path / "figures.json")]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "figures.json").read_text())
    assert record["quick"]
    assert {"jreg.noise.dropout", "flax.linen", "equinox", "haiku"} <= {row["case"] for row in record["rows"]}
    for row in record["rows"]:
        assert row["case"].split()[0] in done.stdout
        assert row["fastest_ms"] > 0
        assert row["fastest_ms"] <= row["median_ms"]


def test_ratios_are_to_the_first_case():
    suite = measure.Suite("suite", {"first": lambda: None, "second": lambda: None}, {"second": 1.5})
    first, second = measure.summarize(suite, {"first": [1.0, 2.0, 4.0], "second": [3.0, 4.0, 9.0]})
    assert (first["fastest_ratio"], first["median_ratio"], first["budget"]) == (1.0, 1.0, None)
    assert (second["fastest_ratio"], second["median_ratio"], second["budget"]) == (3.0, 2.0, 1.5)


def test_every_round_calls_every_case_once():
    calls = []
    cases = {name: (lambda name=name: calls.append(name)) for name in ("a", "b", "c")}
    seconds = measure.sample(cases, rounds=5)
    assert {name: len(samples) for name, samples in seconds.items()} == {"a": 5, "b": 5, "c": 5}
    rounds = np.array(calls[3:]).reshape(5, 3)
    assert all(sorted(row) == ["a", "b", "c"] for row in rounds)
