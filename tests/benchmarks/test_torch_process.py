"""PyTorch runs in a process of its own, or is named as missing."""

import importlib.util

from benchmarks.measure import Plan
from benchmarks.suites import torch_process

QUICK = Plan(1, True, ("torch",))


def test_a_case_takes_seconds_or_is_missing():
    with torch_process.started(QUICK, "dropout", rows=2, dtype="float32", backward=True) as found:
        if importlib.util.find_spec("torch"):
            assert [found.cases["torch eager"].run() > 0 for _ in range(2)] == [True, True]
            assert not found.missing
        else:
            assert found == ({}, ("torch eager",))


def test_a_task_that_fails_is_missing():
    with torch_process.started(QUICK, "dropout", rows=-1, dtype="float32", backward=False) as found:
        assert found == ({}, ("torch eager",))


def test_who_is_not_asked_for_is_neither_run_nor_missing():
    with torch_process.started(Plan(1, True, ("flax",)), "dropout") as found:
        assert found == ({}, ())
