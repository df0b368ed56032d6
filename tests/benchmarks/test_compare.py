"""What counts as a change between two result files."""

import json

import pytest

from benchmarks import compare


def row(case, ratio, bounds):
    return {"suite": "suite", "case": case, "median_ratio": ratio, "interval": bounds}


def stored(path, rows):
    path.write_text(json.dumps({"machine": {"devices": ["cpu"]}, "rows": rows}))
    return str(path)


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [([1.0, 1.1], [1.2, 1.3], True), ([1.0, 1.1], [1.05, 1.3], False), ([1.2, 1.3], [1.0, 1.1], True),
     (None, [1.0, 1.1], False), ([1.0, 1.1], None, False)],
)  # fmt: skip
def test_intervals_that_meet_are_no_change(old, new, moved):
    assert compare.is_moved(old, new) is moved


def test_the_status_tells_a_regression_and_names_it(tmp_path, capsys):
    old = stored(
        tmp_path / "old.json", [row("same", 1.0, [0.9, 1.1]), row("slow", 1.0, [0.9, 1.1]), row("gone", 1, None)]
    )
    new = stored(tmp_path / "new.json", [row("same", 1.0, [0.9, 1.1]), row("slow", 2.0, [1.9, 2.1])])
    assert compare.main([old, new]) == 1
    shown = capsys.readouterr().out
    assert "slow" in shown
    assert "slower" in shown
    assert "same" not in shown
    assert "only in the old file: suite: gone" in shown


def test_a_case_that_became_faster_is_no_regression(tmp_path, capsys):
    old, new = (stored(tmp_path / name, [row("case", r, [r, r])]) for name, r in (("old.json", 2.0), ("new.json", 1.0)))
    assert compare.main([old, new]) == 0
    assert "faster" in capsys.readouterr().out
    assert compare.main([old, old]) == 0
