"""The tool for tables: splits that share no row, a search that goes on after a kill, a recipe that runs."""

import ast
import csv
import json
import runpy
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.metrics import balanced_accuracy_score

from examples.cocktail import page, prepare, recipe, report, rivals, search, space, study, summary, tool
from examples.cocktail.__main__ import main
from examples.cocktail.ledger import Ledger

ROOT = Path(__file__).parents[2]
FULL = {"learning_rate": 0.004, **{name: ingredient.low for name, ingredient in space.SPACE.items()}}


@pytest.fixture(autouse=True)
def _standard_promotion():
    # optax.adam relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def wine(tmp_path):
    x, y = load_wine(return_X_y=True)
    np.savez(tmp_path / "wine.npz", x=x, y=y)
    return str(tmp_path / "wine.npz")


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "target"], *rows])
    return str(path)


def test_no_test_row_is_trained_or_validated_on_and_all_rows_are_tested_once(wine):
    table = prepare.load(wine, None, 3000)
    rows = prepare.rows_of(table.labels, 0)
    assert sorted(np.concatenate(rows.test)) == list(range(len(table.x)))
    for split, test in enumerate(rows.test):
        for seen, unseen in zip(rows.seen[split], rows.unseen[split], strict=True):
            assert len({*test, *seen, *unseen}) == len(test) + len(seen) + len(unseen)
            counts = np.bincount(table.labels[unseen])
            assert np.abs(counts / counts.sum() - np.bincount(table.labels) / len(table.x)).max() < 0.08


def test_columns_are_scaled_without_the_test_rows():
    x = np.array([[1.0], [3.0], [np.nan], [100.0]])
    found = prepare.scaled_without(x, np.array([3]))
    np.testing.assert_allclose(found[:, 0], [-(1.5**0.5), 1.5**0.5, 0.0, prepare.FAR], atol=1e-6)


def test_where_classes_are_uneven_the_score_is_balanced_accuracy():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    table = prepare.Table("t", np.zeros((100, 1)), labels, ("a", "b", "c"), ())
    predictions = np.random.default_rng(1).integers(0, 3, 100)
    assert table.is_uneven
    found = search.score(table, np.arange(100), predictions)
    np.testing.assert_allclose(found, balanced_accuracy_score(labels, predictions))


def test_every_arm_has_the_same_learning_rates_and_begins_with_none():
    none, single, cocktail = (space.lanes(arm, 24, 3) for arm in space.ARMS)
    rates = [[setting["learning_rate"] for setting in arm] for arm in (none, single, cocktail)]
    assert rates[0] == rates[1] == rates[2]
    assert none[0] == single[0] == cocktail[0] == space.none()
    assert {len(space.ingredients(setting)) for setting in single[1:]} == {1}
    assert {name for setting in single for name in space.ingredients(setting)} == set(space.SPACE)
    assert space.lanes("cocktail", 8, 3) == cocktail[:8]
    for setting in cocktail[1:]:
        for name in space.ingredients(setting):
            assert space.SPACE[name].low - 1e-5 <= setting[name] <= space.SPACE[name].high + 1e-5


@pytest.mark.parametrize("names", [(), ("batch_norm", "mixup"), ("decay", "averaging", "depth"), tuple(space.SPACE)])
def test_a_script_has_at_most_80_lines_and_names_only_what_it_uses(names):
    setting = {name: FULL[name] for name in ("learning_rate", *names)}
    source = recipe.script(setting, "wine.csv", 28, search.Size())
    assert len(source.splitlines()) <= 80
    assert max(map(len, source.splitlines())) <= 120
    tree = ast.parse(source)
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} >= set(imported)
    unused = {"prox_l1", "dropout(", "mixup(", "confidence_penalty"} if not names else set()
    assert not any(word in source for word in unused)


def test_the_script_with_every_ingredient_trains_and_predicts(wine, tmp_path, capsys):
    table = prepare.load(wine, None, 3000)
    recipe.write(tmp_path, FULL, table, search.Size(epochs=3, steps_per_epoch=12), seed=0)
    found = runpy.run_path(str(tmp_path / "recipe.py"))
    assert capsys.readouterr().out.startswith("score of each network on the rows of its fold: [")
    said = np.asarray(found["predict"](table.x))
    np.testing.assert_allclose(said.sum(1), 1.0, atol=1e-5)
    assert np.mean(said.argmax(1) == table.labels) > 0.8


def test_a_ledger_goes_on_behind_a_line_that_was_cut_short_but_not_with_another_table(tmp_path):
    path = tmp_path / "parts.jsonl"
    first = Ledger(path, {"table": "a"})
    assert first.get("one", lambda: 1 / 3) == 1 / 3
    path.write_text(path.read_text() + '{"name": "two", "resu')
    again = Ledger(path, {"table": "a"})
    assert "two" not in again
    assert again.get("one", lambda: pytest.fail("it is there")) == 1 / 3
    assert again.get("two", lambda: 2) == 2
    assert set(Ledger(path, {"table": "a"}).results) == {"one", "two"}
    assert not Ledger(path, {"table": "b"}).results


class Stub(search.Searcher):
    """Networks that train nothing: scores that follow from the setting."""

    def __init__(self, table, rows, size, seed):
        pass

    def arm(self, split, settings):
        counts = [len(space.ingredients(setting)) for setting in settings]
        best = settings[int(np.argmax(counts))]
        value = 0.5 + 0.05 * len(space.ingredients(best)) + 0.01 * split
        return {"setting": best, "single": value - 0.1, "bagged": value, "seconds": 1.0, "quarter": counts, "full": {}}

    def validated(self, settings):
        return [setting["learning_rate"] for setting in settings]

    def everywhere(self, setting):
        return [{"single": 0.5, "bagged": 0.5 + 0.05 * len(space.ingredients(setting)) + 0.01 * at} for at in range(5)]


def test_a_run_that_was_killed_gives_the_same_record(wine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "Searcher", Stub)
    monkeypatch.setattr(rivals, "NUM_TREES", 4)
    command = ["--data", wine, "--quick", "--out"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    printed = capsys.readouterr().out
    fit, calls = rivals.search, []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return fit(*arguments)

    monkeypatch.setattr(tool, "search_rival", killed)
    with pytest.raises(KeyboardInterrupt):
        main([*command, str(tmp_path / "killed")])
    assert main([*command, str(tmp_path / "killed")]) == 0
    assert len(calls) == 7 + 20 - 6
    assert "21 parts are done already" in capsys.readouterr().out
    whole, resumed = (json.loads((tmp_path / name / "cocktail.json").read_text()) for name in ("whole", "killed"))
    for record in (whole, resumed):
        for parts in (*record["arms"].values(), *record["rivals"].values()):
            for part in parts:
                part.pop("seconds"), part.pop("cpu_seconds", None)
    assert whole == resumed
    assert whole["verdict"] in printed
    assert whole["verdict"] == report.verdict(report.scores_of(whole))
    for name in (*report.scores_of(whole), *(space.SPACE[name].label for name in whole["recipe"]["effects"])):
        assert name in printed
    for values in whole["recipe"]["effects"].values():
        np.testing.assert_allclose(values, 0.05, atol=1e-9)
    assert (tmp_path / "whole" / "cocktail.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "killed" / "recipe.py").is_file()
    assert not (tmp_path / "whole" / "cocktail.partial.jsonl").exists()


def test_the_study_goes_on_table_by_table_and_its_page_follows_from_its_record(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "Searcher", Stub)
    monkeypatch.setattr(tool, "search_rival", lambda *arguments: {"setting": {}, "test": 0.7, "seconds": 1.0})
    monkeypatch.setattr(study, "SIZE", search.QUICK._replace(lanes=8))
    monkeypatch.setattr(study, "FEWER", (4,))
    x, y = load_wine(return_X_y=True)
    for number, name in enumerate(("wine", "Glass")):
        write_csv(
            tmp_path / f"{name}.csv",
            [[*row, label] for row, label in zip(x[number::2, 3:5], y[number::2], strict=True)],
        )
    command = ["--tables", str(tmp_path), "--work", str(tmp_path), "--out", str(tmp_path)]
    assert study.main([*command, "--only", "wine"]) == 0
    assert study.main([*command, "--only", "wine", "Glass"]) == 0
    assert study.main([*command, "--publish"]) == 0
    record = json.loads((tmp_path / "study.json").read_text())
    check_study(record, (tmp_path / "README.md").read_text())
    bare = {name: {key: found[key] for key in found if key != "lanes"} for name, found in record["tables"].items()}
    page.draw({**record, "tables": bare}, tmp_path / "without_lanes.png")
    assert list(record["tables"]) == ["wine", "Glass"]
    assert set(summary.by_lanes(record)) == {4, 8}
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_is_that_of_the_stored_record():
    folder = Path(page.__file__).parent
    text, stored = (folder / "README.md").read_text(), folder / "study.json"
    if stored.is_file():
        check_study(json.loads(stored.read_text()), text)
    else:
        assert text == page.INTRODUCTION


def check_study(record, text):
    """The page is that of the record, and its verdict and ranks follow from its scores."""
    assert text == page.page(record)
    scores = summary.means(record)
    assert summary.verdict(record) in text
    gain, half, wins = summary.paired(scores, "cocktail, bagged", "none, bagged")
    differences = 100.0 * np.subtract(scores["cocktail, bagged"], scores["none, bagged"])
    np.testing.assert_allclose([gain, wins], [differences.mean(), (differences > 1e-6).sum()])
    said = "better" if gain > half else "worse" if -gain > half else "no different for sure"
    assert summary.verdict(record).startswith(f"Cocktails, bagged, are {said}")
    ranks = summary.mean_ranks(scores)
    np.testing.assert_allclose(sum(ranks.values()), len(ranks) * (len(ranks) + 1) / 2)
    for found in record["tables"].values():
        assert {len(parts) for parts in (*found["arms"].values(), *found["rivals"].values())} == {5}


VERDICTS = {
    "Trees win on your table by 10.0 ±": {"random forest": 0.9},
    "An SVM wins on your table by 10.0 ±": {"SVM": 0.9},
    "Networks win on your table by 10.0 ±": {"cocktail, bagged": 0.9, "linear model": 0.8, "cocktail": 0.9},
    "Nothing wins for sure on your table: none, bagged is 0.0 ±": {},
}


@pytest.mark.parametrize("start", VERDICTS)
def test_the_sentence_says_who_is_ahead_by_more_than_the_interval(start):
    rng = np.random.default_rng(0)
    names = (*report.ONES.values(), *report.BAGS.values(), *rivals.RIVALS)
    scores = {name: (VERDICTS[start].get(name, 0.8) + np.zeros(5)).tolist() for name in names}
    noise = rng.normal(size=5) * 0.001
    scores |= {name: (np.array(scores[name]) + noise - noise.mean()).tolist() for name in rivals.RIVALS}
    said = report.verdict(scores)
    assert said.startswith(start)
    assert said.count(". ") == 0
    assert ("adds 10.0" in said) == ("cocktail, bagged" in VERDICTS[start])


def test_the_interval_counts_that_splits_share_training_rows():
    values = [0.1, 0.3, 0.2, 0.5, 0.4]
    expected = 2.7764451 * np.std(values, ddof=1) * (1 / 5 + 1 / 4) ** 0.5
    np.testing.assert_allclose(report.half_width(values), expected, rtol=1e-6)


def test_more_minutes_buy_more_lanes():
    lanes = [search.size_for(minutes, 3000).lanes for minutes in (0.1, 5.0, 60.0)]
    assert lanes[0] == 16 < lanes[1] <= lanes[2] == 64


GOOD = [[i % 7, i % 5, "xy"[i % 2]] for i in range(80)]
BAD = {
    "numbers": ([[i, i, i + 0.5] for i in range(80)], "t.csv: the target 'target' holds numbers, and cocktails are"),
    "few rows": (GOOD[:30], "t.csv: must have at least 60 rows with a target; it has 30"),
    "one class": ([[1, i, "x"] for i in range(80)], "t.csv: the target has one value only, 'x'"),
    "a word": ([*GOOD, ["red", 1, "x"]], "t.csv, column 'a': must hold numbers, or text"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_refused_in_one_line(tmp_path, capsys, case):
    rows, message = BAD[case]
    path = write_csv(tmp_path / "t.csv", rows)
    assert main(["--data", path, "--target", "target", "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.startswith("cocktail: ")
    assert printed.err.count("\n") == 1


def test_a_regression_a_missing_file_and_another_ending_are_refused(tmp_path, capsys):
    x, y = load_diabetes(return_X_y=True)
    np.savez(tmp_path / "d.npz", x=x, y=y + 0.5)
    (tmp_path / "t.xlsx").write_text("")
    for path, message in (("d.npz", "'y' holds numbers"), ("no.csv", "no such file"), ("t.xlsx", "must end in")):
        assert main(["--data", str(tmp_path / path), "--out", str(tmp_path)]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--rows", "59"), ("--minutes", "0"), ("--minutes", "nan")])
def test_a_number_that_makes_no_run_is_refused(option, capsys):
    with pytest.raises(SystemExit):
        main(["--data", "t.csv", *option])
    assert f"argument {option[0]}: must be" in capsys.readouterr().err


def test_gaps_text_and_rare_classes_are_told(tmp_path):
    rows = [[i if i % 9 else "", "uvw"[i % 3], "x" if i < 60 else "y" if i < 97 else "z"] for i in range(100)]
    table = prepare.load(write_csv(tmp_path / "t.csv", rows), "target", 90)
    assert table.x.shape == (90, 5)
    assert np.isnan(table.x).sum() == table.x[:, 1].sum() > 0
    told = " ".join(table.notes)
    for words in ("'b' is text", "of 100 rows 90 are used", "fewer than 10 rows have the class z"):
        assert words in told


@pytest.mark.thorough
def test_a_winner_that_trains_again_tests_as_in_its_search(wine):
    table, size = prepare.load(wine, None, 3000), search.QUICK._replace(finalists=2, lanes=8)
    searcher = search.Searcher(table, prepare.rows_of(table.labels, 0), size, seed=0)
    found = searcher.arm(1, space.lanes("cocktail", 8, 0))
    assert searcher.everywhere(found["setting"])[1] == {name: found[name] for name in ("single", "bagged")}
    merits = searcher.validated([found["setting"], space.none()])
    assert all(0.3 < merit < 1.0 for merit in merits)


@pytest.mark.thorough
def test_the_tool_trains_and_its_script_runs(wine, tmp_path):
    run = lambda *command: subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: E731
    done = run(sys.executable, "-m", "examples.cocktail", "--data", wine, "--quick", "--out", str(tmp_path))
    record = json.loads((tmp_path / "cocktail.json").read_text())
    assert record["verdict"] in done.stdout
    assert min(np.mean(scores) for scores in report.scores_of(record).values()) > 0.6
    assert "score of each network" in run(sys.executable, str(tmp_path / "recipe.py")).stdout
