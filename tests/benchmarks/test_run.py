"""The command runs and stores what it measured. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.measure import Suite

ROOT = Path(__file__).parents[2]


def test_a_quick_run_stores_its_figures(tmp_path):
    """Of a few suites, since compiling all takes two minutes: `python -m benchmarks --quick` runs them."""
    stored, suites = tmp_path / "figures.json", ["spatial", "traces"]
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--rounds",
        "1",
        "--json",
        str(stored),
        "--suite",
        *suites,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads(stored.read_text())
    assert record["settings"]["quick"]
    assert record["settings"]["suites"] == suites
    assert {"jax", "flax", "optax"} <= set(record["machine"]["versions"])
    assert min(record["ceilings"].values()) > 0
    assert {"jreg.noise.spatial_dropout", "flax.linen", "flax.nnx"} <= {row["case"] for row in record["rows"]}
    for row in record["rows"]:
        assert row["case"].split()[0] in done.stdout
        assert 0 < row["fastest_ms"] <= row["median_ms"]
        assert len(row["seconds"]) >= 1


def test_peers_that_are_not_asked_for_are_left_out():
    suite = Suite("suite", {"flax.linen": int, "jreg": int, "equinox": int, "haiku": int}, missing=("haiku", "torch"))
    (found,) = run.chosen([suite], ["haiku"])
    assert list(found.cases) == ["flax.linen", "jreg", "haiku"], "the reference stays"
    assert found.missing == ("haiku",)


@pytest.mark.parametrize("arguments", [["--suite", "absent"], ["--device", "abacus"], ["--peers", "nobody"]])
def test_unknown_names_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        run.main(arguments)
    assert "invalid choice" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_refused(capsys):
    with pytest.raises(SystemExit):
        run.main(["--device", "tpu"])
    assert "--device tpu: jax finds only a cpu here" in capsys.readouterr().err
