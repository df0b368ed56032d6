"""The study, run as a user runs it, on digits, on tables of both kinds, and on bad files."""

import csv
import gzip
import json
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets

from examples.compare import data, recipes, report, study
from examples.compare.__main__ import main

ROOT = Path(__file__).parents[2]
QUICK = ("--quick", "--seeds", "2", "--epochs", "2")


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "examples.compare", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def table(path: Path, bunch, names=None) -> str:
    target = bunch.target if names is None else [names[i] for i in bunch.target]
    rows = [[*row, value] for row, value in zip(bunch.data.tolist(), list(target), strict=True)]
    return write_csv(path, [*map(str, bunch.feature_names), "target"], rows)


def test_the_quick_study_of_digits_tells_what_its_numbers_say(tmp_path):
    done = run("--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "compare.json").read_text())
    for picture in ("compare.png", "gains.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    by_name = {found["recipe"]: found for found in record["recipes"]}
    assert set(by_name) == {recipe.name for recipe in recipes.RECIPES}
    for name, found in by_name.items():
        assert name in done.stdout
        assert f"{np.mean(found['test']):.3f} ± {found['test_interval']:.3f}" in done.stdout
        assert len(found["test"]) == record["settings"]["num_seeds"]
        np.testing.assert_allclose(found["gap_mean"], np.mean(found["train"]) - np.mean(found["test"]), atol=1e-6)
    assert record["verdict"] in done.stdout
    assert by_name["none"]["test_mean"] > 0.8
    assert by_name["L1 (proximal)"]["exact_zeros"] > 0 == by_name["none"]["exact_zeros"]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_table_of_the_user_is_studied_too(tmp_path, monkeypatch, kind):
    """With three recipes, since each compiles its sweep; the study of digits runs them all."""
    few = [recipe for recipe in recipes.RECIPES if recipe.name in ("none", "dropout", "label smoothing")]
    monkeypatch.setattr(study, "RECIPES", few)
    if kind == "classification":
        bunch = datasets.load_breast_cancer()
        path = table(tmp_path / "table.csv", bunch, bunch.target_names)
    else:
        path = table(tmp_path / "table.csv", datasets.load_diabetes())
    with jax.numpy_dtype_promotion("standard"):
        assert main(["--data", path, "--target", "target", *QUICK, "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "compare.json").read_text())
    assert record["score"] == ("accuracy" if kind == "classification" else "R²")
    smoothed = [found for found in record["recipes"] if found["strength"]["smoothing"]]
    assert bool(smoothed) == (kind == "classification")


def test_an_npz_file_is_read_as_its_arrays(tmp_path):
    x, y = datasets.load_wine(return_X_y=True)
    np.savez(tmp_path / "wine.npz", x=x, y=y)
    found = data.load(str(tmp_path / "wine.npz"), None)
    assert found.is_classification
    assert len(found.pool_x) + len(found.test_x) == len(x)
    np.testing.assert_allclose(sorted(np.r_[found.pool_x, found.test_x][:, 0]), sorted(x[:, 0].astype(np.float32)))


GOOD = [[1.0, 2.0, "a"], [2.0, 1.0, "b"], [3.0, 0.0, "a"]] * 40
BAD_CSV = {
    "text": (
        [*GOOD[:4], ["red", 1.0, "a"], *GOOD],
        "x1",
        "t.csv, column 'x1': must hold numbers, or text; it holds numbers, and 'red' in row 6",
    ),
    "twice": (GOOD, "x2", "t.csv: two columns are called 'x2'"),
    "inf": ([[1.0, "inf", "a"], *GOOD], "x1", "t.csv, column 'x2', row 2: must be a finite number; got 'inf'"),
    "ragged": ([[1.0, "a"], *GOOD], "x1", "t.csv, row 2: has 2 values for 3 columns"),
    "one class": ([[1.0, 2.0, "a"]] * 90, "x1", "t.csv: the target has one value only, 'a'"),
    "three rows": (GOOD[:3], "x1", "t.csv: must have at least 20 rows with a 'target'; it has 3"),
    "few rows": (GOOD[:30], "x1", "t.csv: has 30 rows, of which 12 would be for training: fewer than a batch of 32"),
    "all different": (
        [[1.0, 2.0, f"name {i}"] for i in range(90)],
        "x1",
        "t.csv: the target is text with 90 different",
    ),
    "no rows": ([], "x1", "t.csv: must have a line of column names and rows below it"),
}


@pytest.mark.parametrize("case", BAD_CSV)
def test_a_bad_table_is_refused_in_one_line(tmp_path, capsys, case):
    rows, first, message = BAD_CSV[case]
    path = write_csv(tmp_path / "t.csv", [first, "x2", "target"], rows)
    assert main(["--data", path, "--target", "target", "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_all_that_is_wrong_with_a_file_is_told_at_once(tmp_path, capsys):
    rows = [[1.0, "inf", "a"], *GOOD[:40], ["red", 1.0, "a"], *GOOD]
    path = write_csv(tmp_path / "t.csv", ["x1", "x2", "target"], rows)
    assert main(["--data", path, "--target", "target", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"compare: {path}: 2 problems",
        "  column 'x1': must hold numbers, or text; it holds numbers, and 'red' in row 43",
        "  column 'x2', row 2: must be a finite number; got 'inf'",
    ]
    path = write_csv(tmp_path / "t.csv", ["x1", "x2", "target"], [[1.0], *GOOD, *[[1.0, 2.0]] * 8])
    assert main(["--data", path, "--target", "target", "--out", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    assert lines[1] == "  row 2: has 1 values for 3 columns"
    assert lines[-1] == "  so have 4 rows more"


def same(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found[3:7], expected[3:7])


def test_separators_encodings_and_endings_make_no_difference(tmp_path):
    header, rows = ["höhe", "x2", "target"], [[1.5 + i % 7, i, "äb"[i % 2]] for i in range(60)]
    expected = data.load(write_csv(tmp_path / "t.csv", header, rows), "target")
    text = (tmp_path / "t.csv").read_text()
    files = {
        "semicolon.csv": text.replace(",", ";").encode(),
        "decimal.csv": text.replace(",", ";").replace(".", ",").encode(),
        "tabs.tsv": text.replace(",", "\t").encode(),
        "pipes.csv": text.replace(",", "|").encode("utf-16"),
        "windows.csv": text.encode("cp1252"),
        "mark.csv": text.encode("utf-8-sig"),
        "packed.csv.gz": gzip.compress(text.encode()),
    }
    notes = {}
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
        found = data.load(str(tmp_path / name), "target")
        same(found, expected)
        notes[name] = found.notes
    assert notes["semicolon.csv"] == ("the separator is ';'",)
    assert notes["windows.csv"] == ("the file is no UTF-8 and was read as Windows-1252",)
    assert notes["mark.csv"] == ()


def test_parquet_is_read_where_pandas_is(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    expected = data.load(write_csv(tmp_path / "t.csv", ["x1", "x2", "target"], GOOD), "target")
    pandas.DataFrame(GOOD, columns=["x1", "x2", "target"]).to_parquet(tmp_path / "t.parquet")
    same(data.load(str(tmp_path / "t.parquet"), "target"), expected)


def test_text_becomes_columns_and_gaps_are_filled_and_marked(tmp_path):
    colours = ["red", "green", "red", "blue"]
    rows = [
        [i, colours[i % 4], "NA" if i % 10 == 3 else i % 5, f"name {i}", "", "yes" if i % 2 else "no"]
        for i in range(100)
    ]
    rows.append([100, "red", 1, "name 100", "", "?"])
    path = write_csv(tmp_path / "t.csv", ["x", "colour", "gaps", "name", "empty", "target"], rows)
    found = data.load(path, "target")
    assert found.notes == (
        "1 rows without a 'target' are left out",
        "'colour' is text: a column for each of 3 values",
        "'gaps' lacks 10 numbers: their place has the median, and a column tells where",
        "'name' is text with 100 different values and left out",
        "'empty' is empty and left out",
    )
    x = np.concatenate([found.pool_x, found.test_x])
    x = x[np.argsort(x[:, 0])]
    np.testing.assert_array_equal(x[:, 0], np.arange(100))
    np.testing.assert_array_equal(x[:, 1:4].argmax(1), np.tile([0, 2, 0, 1], 25))
    np.testing.assert_array_equal(x[:, 1:4].sum(1), np.ones(100))
    np.testing.assert_array_equal(x[:, 5], np.arange(100) % 10 == 3)
    in_pool = ~np.isin(np.arange(100), found.test_x[:, 0]) & (np.arange(100) % 10 != 3)
    np.testing.assert_array_equal(x[x[:, 5] == 1, 4], np.full(10, np.median((np.arange(100) % 5)[in_pool])))


def test_a_large_table_is_cut_and_says_so(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.random.default_rng(0).normal(size=(100_000, 2)), y=np.arange(100_000) % 3)
    found = data.load(str(tmp_path / "t.npz"), None)
    assert (len(found.pool_x), len(found.test_x)) == (data.MOST_POOL_ROWS, data.MOST_TEST_ROWS)
    assert found.notes == ("of 100000 rows 20000 are there to learn from and 10000 to test on",)


def test_uneven_classes_are_scored_by_balanced_accuracy():
    from sklearn.metrics import balanced_accuracy_score

    generator = np.random.default_rng(0)
    labels, logits = generator.choice(4, 200, p=[0.9, 0.06, 0.04, 0.0]), generator.normal(size=(200, 4))
    logits[np.arange(200), labels] += 1.0
    found = study.balanced_accuracy(jnp.asarray(logits), jnp.asarray(np.eye(4)[labels]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(found, balanced_accuracy_score(labels, logits.argmax(1)), rtol=1e-6)
    uneven = data.split_off_test("t", True, False, np.zeros((200, 1)), np.eye(4)[labels])
    assert report.score_name(uneven) == "balanced accuracy"
    assert "the largest class alone would have 0.250 (plain accuracy 0.8" in report.floor(uneven)
    even = data.digits()
    assert report.score_name(even) == "accuracy"


def test_missing_files_and_columns_are_named(tmp_path, capsys):
    path = write_csv(tmp_path / "t.csv", ["x1", "x2", "target"], GOOD)
    (tmp_path / "t.txt").write_text("")
    (tmp_path / "bad.npz").write_text("not an archive")
    (tmp_path / "bad.csv").write_bytes(b"a,b\n\x00,1\n")
    (tmp_path / "bad.csv.gz").write_bytes(b"a,b\n")
    np.savez(tmp_path / "no_y.npz", x=np.ones((9, 2)))
    np.savez(tmp_path / "shapes.npz", x=np.ones((9, 2)), y=np.ones(8))
    np.savez(tmp_path / "nan.npz", x=np.full((90, 1), np.nan), y=np.arange(90))
    np.savez(tmp_path / "objects.npz", x=np.array([[{}]], object), y=np.ones(1))
    messages = {
        (str(tmp_path / "none.csv"), "target"): "none.csv: no such file",
        (path, "price"): "t.csv: no column 'price'; the columns are x1, x2, target",
        (path, None): "t.csv: name the column to predict with --target; the columns are x1, x2, target",
        (str(tmp_path / "t.txt"), None): "t.txt: must end in .npz, .csv, .tsv, .csv.gz, .tsv.gz, .parquet",
        (str(tmp_path / "bad.csv.gz"), None): "bad.csv.gz: cannot be read",
        (str(tmp_path / "bad.npz"), None): "bad.npz: ",
        (str(tmp_path / "bad.csv"), "a"): "bad.csv: is no text",
        (str(tmp_path / "no_y.npz"), None): "no_y.npz: no array 'y'; it must hold x and y",
        (str(tmp_path / "shapes.npz"), None): "shapes.npz: x must have shape (rows, columns) and y (rows,)",
        (str(tmp_path / "nan.npz"), None): "nan.npz, column x[:, 0], row 0: must be a finite number; got nan",
        (str(tmp_path / "objects.npz"), None): "objects.npz: x and y must hold numbers",
    }
    for (file, target), message in messages.items():
        assert main(["--data", file, "--out", str(tmp_path), *(["--target", target] if target else [])]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_a_bad_file_leaves_no_traceback_and_status_2():
    done = run("--data", "missing.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "compare: missing.csv: no such file\n"


def outcome(test, valid=None):
    test = np.asarray(test)
    zeros = np.zeros_like(test)
    curve = np.zeros((len(test), 3))
    return study.Outcome(zeros if valid is None else np.asarray(valid), zeros + 1, test, zeros, zeros, curve, curve)


def row(name, test):
    recipe = next(recipe for recipe in recipes.RECIPES if recipe.name == name)
    return study.Row(recipe, recipe.settings[0], outcome(test), 0.1)


def test_only_differences_beyond_their_interval_count():
    noise = np.array([0.01, -0.01, 0.02, -0.02, 0.0])
    rows = [
        row("none", 0.9 + noise),
        row("dropout", 0.95 + noise),
        row("mixup", 0.901 - noise),
        row("DropConnect", 0.8 + noise),
    ]
    found = report.compared(rows)
    assert [found[name][0] for name in ("dropout", "mixup", "DropConnect")] == ["better", "no different", "worse"]
    np.testing.assert_allclose(found["dropout"][1], 0.05)


def test_the_strength_is_chosen_on_validation_and_not_on_test_rows():
    recipe = next(recipe for recipe in recipes.RECIPES if recipe.name == "dropout")
    valid = np.array([[0.5, 0.6], [0.9, 0.8], [0.1, 0.2], [0.3, 0.3]])
    many = study.Outcome(*(np.zeros((4, 2)) for _ in range(5)), *(np.zeros((4, 2, 3)) for _ in range(2)))
    assert study.chosen(recipe, many._replace(valid=valid, test=1 - valid), 0.1).setting == recipe.settings[1]


def test_the_interval_is_that_of_student():
    from scipy import stats

    values = np.array([0.1, 0.4, 0.2, 0.5])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    np.testing.assert_allclose(study.interval(values), (high - low) / 2)


def test_the_test_rows_are_the_same_for_every_run_and_never_in_the_pool():
    first, second = data.digits(), data.digits()
    np.testing.assert_array_equal(first.test_x, second.test_x)
    pool = {row.tobytes() for row in first.pool_x}
    assert not pool & {row.tobytes() for row in first.test_x}


def test_columns_are_scaled_by_the_training_rows_alone():
    parts = {
        "train": (jnp.array([[1.0, 5.0], [3.0, 5.0]]), jnp.eye(2)),
        "test": (jnp.array([[5.0, 6.0]]), jnp.eye(2)[:1]),
    }
    scaled = study.standardized(parts, is_classification=True)
    np.testing.assert_allclose(scaled["train"][0], [[-1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(scaled["test"][0], [[3.0, 1.0]])
