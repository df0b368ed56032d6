"""Two real processes on this machine find what one process finds."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from examples import multiprocess

ROOT = Path(__file__).parents[2]


@pytest.mark.thorough
def test_two_processes_train_and_sweep_as_one(tmp_path):
    path = tmp_path / "found.json"
    command = [sys.executable, "-m", "examples.multiprocess", "--local", "2", "--json", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        with jax.numpy_rank_promotion("allow"):
            alone = multiprocess.train_together(Mesh(np.array(jax.devices()[:1]), ("data",)))
            scores, table = multiprocess.sweep_together()
        printed, _ = run.communicate(timeout=120)
    assert run.returncode == 0, printed
    found = json.loads(path.read_text())
    assert found["processes"] == 2
    np.testing.assert_allclose(found["losses"], alone["losses"], rtol=1e-4)
    np.testing.assert_allclose(found["accuracy"], alone["accuracy"], atol=0.01)
    np.testing.assert_allclose(found["sweep"], scores, atol=0.01)
    assert "2 processes with 4 devices" in printed
    assert str(table).splitlines()[0] in printed
    assert alone["losses"][-1] < alone["losses"][0] / 4


def test_a_process_that_fails_ends_the_others():
    """Otherwise they wait for it: openxla/xla#44429."""
    codes = "import time; time.sleep(600)", "raise SystemExit(3)"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
    assert multiprocess.wait_for(processes) == 3
    assert processes[0].returncode < 0
    assert multiprocess.wait_for([subprocess.Popen([sys.executable, "-c", ""])]) == 0
