"""`python -m jreg.diagnose`: what it says of a file, the chart, the picture, and one line for a bad file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jreg.diagnose.__main__ import main
from jreg.diagnose._text_chart import draw

ROOT = Path(__file__).parents[2]
EPOCHS = np.arange(30)
TRAIN = 0.1 + np.exp(-EPOCHS / 3)
VALID = TRAIN + 0.02 * np.maximum(EPOCHS - 20, 0)


def written(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def history(path: Path, first: int = 0) -> str:
    rows = (f"{epoch + first},{t},{v}" for epoch, t, v in zip(EPOCHS, TRAIN, VALID, strict=True))
    return written(path, "epoch,train,valid", *rows)


def test_the_command_says_since_when_by_the_files_own_epochs_and_draws(tmp_path):
    command = [sys.executable, "-m", "jreg.diagnose", history(tmp_path / "history.csv", first=1)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said, *chart = done.stdout.splitlines()
    assert said.startswith("Mild over-fitting since epoch 20: validation then lost 0.168")
    assert chart[-1] == "t training, v validation, * both, : onset"
    assert chart[-2].split() == ["1", "30"]


@pytest.mark.thorough
def test_a_picture_is_written_where_it_is_asked_for(tmp_path, capsys):
    out = tmp_path / "curves.png"
    assert main([history(tmp_path / "history.csv"), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert f"Wrote {out}." in capsys.readouterr().out


def test_columns_of_other_names_blank_cells_and_several_seeds(tmp_path, capsys):
    """As loggers write them: training and validation in rows of their own."""
    rows = []
    for seed in range(3):
        for epoch, t, v in zip(EPOCHS, TRAIN, VALID, strict=True):
            rows += [f"{epoch},{seed},{1 - t + seed / 100},", f"{epoch},{seed},,{1 - v + seed / 100}"]
    path = written(tmp_path / "log.csv", "epoch,seed,accuracy,val_accuracy", *rows)
    assert main([path, "--train", "accuracy", "--valid", "val_accuracy", "--mode", "max"]) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said.startswith("Mild over-fitting since epoch 19")
    assert said.endswith("(Means over 3 runs.)")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["epoch,train,valid"], "must have a line of column names and rows below it; it has 1 lines"),
        (["epoch,train", "0,1"], "no column 'valid'; the columns are epoch, train"),
        (["epoch,train,valid", "0,1"], ", row 2: has 2 values for 3 columns"),
        (["epoch,train,valid", "0,1,low"], ", column 'valid', row 2: must be a number; got 'low'"),
        (["epoch,train,valid", "0.5,1,1"], ", column 'epoch', row 2: must be a whole number; got '0.5'"),
        (["epoch,train,valid", "nan,1,1"], ", column 'epoch', row 2: must be a whole number; got 'nan'"),
        (["epoch,train,valid", "0,1,1", "9999999,1,1"], ", column 'epoch': must span fewer than 1000000"),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path, capsys, lines, said):
    path = written(tmp_path / "bad.csv", *lines)
    assert main([path]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"diagnose: {path}")
    assert said in error
    assert error.count("\n") == 1


def test_no_file_and_no_text_get_one_line_too(tmp_path, capsys):
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    for path, said in ((tmp_path / "none.csv", "No such file"), (tmp_path / "picture.csv", "is no UTF-8 CSV file")):
        assert main([str(path)]) == 2
        assert said in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_chart_puts_each_curve_where_its_values_are():
    lines = draw(np.array([1.0, 0.5, 0.0]), np.array([1.0, 0.5, np.nan]), 1).splitlines()
    assert lines[0] == "1 |*:"
    assert lines[13] == "0 | :t"
    assert "*" in lines[6] + lines[7]
    assert draw(np.array([np.nan]), np.array([np.nan]), -1) == "(no finite value to draw)"
    assert len(draw(np.arange(1000.0), np.arange(1000.0), 500).splitlines()[14]) < 80
