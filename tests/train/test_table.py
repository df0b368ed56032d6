"""Means, intervals and the best setting, against SciPy."""

from math import nan

import numpy as np
import pytest
from scipy import stats

from jreg import train

SETTINGS = {"rate": np.array([0.0, 0.2, 0.5]), "matrix": np.zeros((3, 2))}
SCORES = np.random.default_rng(0).normal(size=(3, 8))


def test_the_interval_is_that_of_student():
    table = train.tabulate(SETTINGS, {"valid": SCORES}, by="valid")
    for row, scores in enumerate(SCORES):
        low, high = stats.t.interval(0.95, 7, loc=scores.mean(), scale=stats.sem(scores))
        np.testing.assert_allclose(table.means["valid"][row], scores.mean())
        np.testing.assert_allclose(table.intervals["valid"][row], (high - low) / 2)
    assert (table.num_seeds, list(table.settings)) == (8, ["rate"])


@pytest.mark.parametrize(
    ("means", "mode", "best"),
    [
        ([0.1, 0.9, 0.5], "max", 1),
        ([0.1, 0.9, 0.5], "min", 0),
        ([nan, 0.2, 0.5], "max", 2),
        ([nan, 0.2, 0.5], "min", 1),
        ([nan, nan, nan], "max", -1),
    ],
)
def test_nan_is_never_best(means, mode, best):
    """ray-project/ray#23862."""
    table = train.tabulate(SETTINGS, {"valid": np.array(means)[:, None], "test": SCORES[:, :1]}, by="valid", mode=mode)
    assert table.best == best
    assert np.isnan(table.intervals["valid"]).all()
    assert [line.endswith("best") for line in str(table).splitlines()[1:-1]] == [row == best for row in range(3)]


def test_the_deciding_score_alone_decides():
    table = train.tabulate(SETTINGS, {"test": -SCORES, "valid": SCORES}, by="valid")
    assert table.best == int(SCORES.mean(axis=1).argmax())


def test_settings_may_have_names():
    table = train.tabulate({"recipe": np.array(["none", "dropout", "decay"])}, {"valid": SCORES}, by="valid")
    assert str(table).splitlines()[2].split()[0] == "dropout"


def test_an_unknown_score_is_refused():
    with pytest.raises(ValueError, match=r"tabulate: by must be one of the scores \['valid'\]; got 'test'"):
        train.tabulate(SETTINGS, {"valid": SCORES}, by="test")


@pytest.mark.parametrize(
    "scores", [SCORES[:2], SCORES[0], SCORES[:2, 0], SCORES[:, :0], SCORES[:, :, None]], ids=lambda a: str(a.shape)
)
def test_scores_of_another_shape_are_refused(scores):
    with pytest.raises(ValueError, match=r"^tabulate: scores must all have shape \(settings, seeds\)"):
        train.tabulate(SETTINGS, {"valid": scores}, by="valid")
    with pytest.raises(ValueError, match=r"^tabulate: scores must all have shape"):
        train.tabulate(SETTINGS, {"valid": SCORES, "test": SCORES[:, :3]}, by="valid")


def test_settings_keep_the_order_of_the_grid():
    settings = train.grid({"rate": [0.0, 0.5], "decay": [1.0, 2.0], "alpha": [3.0]})
    table = train.tabulate(settings, {"valid": SCORES[[0, 1, 2, 0]]}, by="valid")
    assert list(table.settings) == ["rate", "decay", "alpha"]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_differences_are_paired_and_the_best_ties_with_what_it_does_not_beat(mode):
    generator = np.random.default_rng(1)
    seeds, noise = generator.normal(size=10), 0.01 * generator.normal(size=(4, 10))
    sign = 1.0 if mode == "max" else -1.0
    scores = sign * (np.array([0.0, 1.0, 1.0005, 0.5])[:, None] + noise) + 10.0 * seeds
    table = train.tabulate({"rate": np.arange(4.0)}, {"valid": scores}, by="valid", mode=mode, baseline=0)
    for row in range(4):
        paired = stats.ttest_rel(scores[row], scores[0])
        low, high = paired.confidence_interval(0.95)
        np.testing.assert_allclose(table.differences["valid"][row], scores[row].mean() - scores[0].mean())
        if row:
            np.testing.assert_allclose(table.difference_intervals["valid"][row], (high - low) / 2)
        tie = stats.ttest_rel(scores[table.best], scores[row]).pvalue
        assert table.is_tied[row] == (row == table.best or tie >= 0.05)
    assert table.best in (1, 2)
    assert table.is_tied.tolist() == [False, True, True, False]
    assert str(table).splitlines()[-1].endswith("~ is not beaten by the best")
    assert "valid - baseline" in str(table)
    assert (table.intervals["valid"] > 1.0).all(), "unpaired, nothing could be told apart"


@pytest.mark.parametrize("baseline", [3, -1, True, 0.5, "none"])
def test_a_baseline_that_is_no_setting_is_refused(baseline):
    with pytest.raises(ValueError, match="tabulate: baseline must be the number of one of the 3 settings; got "):
        train.tabulate(SETTINGS, {"valid": SCORES}, by="valid", baseline=baseline)


FOLDS = {"fold": np.tile([0, 1], 6), "rate": np.repeat([0.0, 0.2, 0.5], 4), "split": np.tile([3, 3, 7, 7], 3)}
"""Three rates, two folds, two splits."""
FOLD_SCORES = np.random.default_rng(1).normal(size=(12, 5))


def test_what_repeats_an_experiment_counts_as_its_seeds():
    table = train.tabulate(FOLDS, {"valid": FOLD_SCORES}, by="valid", over=["fold", "split"], baseline=0)
    plain = train.tabulate(SETTINGS, {"valid": FOLD_SCORES.reshape(3, 20)}, by="valid", baseline=0)
    assert str(table) == str(plain)
    one = train.tabulate(FOLDS, {"valid": FOLD_SCORES}, by="valid", over="fold")
    assert list(one.settings) == ["rate", "split"]
    assert (one.num_seeds, len(one.means["valid"])) == (10, 6)


def test_pairs_are_the_same_in_every_row_however_the_settings_are_ordered():
    mixed = np.random.default_rng(2).permutation(12)
    shuffled = {name: values[mixed] for name, values in FOLDS.items()}
    options = {"by": "valid", "over": ["split", "fold"]}
    table = train.tabulate(shuffled, {"valid": FOLD_SCORES[mixed]}, **options)
    expected = train.tabulate(FOLDS, {"valid": FOLD_SCORES}, baseline=1, **options)
    baseline = table.settings["rate"].tolist().index(0.2)
    table = train.tabulate(shuffled, {"valid": FOLD_SCORES[mixed]}, baseline=baseline, **options)
    order = np.argsort(table.settings["rate"])
    np.testing.assert_allclose(table.differences["valid"][order], expected.differences["valid"], atol=1e-12)
    np.testing.assert_allclose(table.difference_intervals["valid"][order], expected.difference_intervals["valid"])


def test_a_paired_sweep_has_one_score_per_setting():
    table = train.tabulate(FOLDS, {"valid": FOLD_SCORES[:, 0]}, by="valid", over=["fold", "split"])
    expected = train.tabulate(SETTINGS, {"valid": FOLD_SCORES[:, 0].reshape(3, 4)}, by="valid")
    np.testing.assert_allclose(table.means["valid"], expected.means["valid"])


def test_repetitions_that_are_not_everywhere_are_refused():
    with pytest.raises(ValueError, match=r"tabulate: over must name settings, of \['rate'\]; got \['fold'\]"):
        train.tabulate(SETTINGS, {"valid": SCORES}, by="valid", over="fold")
    rows = {name: values[:-1] for name, values in FOLDS.items()}
    with pytest.raises(ValueError, match="tabulate: over must take the same values, each once, in every row"):
        train.tabulate(rows, {"valid": FOLD_SCORES[:-1]}, by="valid", over=["fold", "split"])
