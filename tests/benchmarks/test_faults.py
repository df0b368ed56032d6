"""The short form of the trials of faults: nothing is lost, nothing is silently wrong."""

import json
import shutil

import pytest

from benchmarks.faults.__main__ import QUICK, main
from benchmarks.faults.outcome import examined, state
from jreg import train


@pytest.mark.thorough
def test_nothing_is_lost_and_nothing_silently_wrong(tmp_path):
    assert main(["--quick", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "faults.json").read_text())["rows"]
    assert len(rows) == len(QUICK)
    for row in rows:
        assert row["recovered"] == row["tried"], row
        assert row["tried"] >= 5 or "no C compiler" in row["detail"]
    assert (tmp_path / "faults.md").read_text().count("\n| ") == len(rows) + 1


@pytest.mark.parametrize(("saved", "found"), [(9, "wrong"), (2, "recovered: old"), (None, "lost")])
def test_the_trials_notice_what_is_wrong(tmp_path, saved, found):
    checkpoints = train.Checkpoints(tmp_path)
    checkpoints.save(state(2 if saved is None else saved), 2, {})
    if saved is None:
        shutil.rmtree(tmp_path / "step_00000002")
    assert examined(tmp_path, 2, 3) == found
