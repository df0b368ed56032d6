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
    "scores", [SCORES[:2], SCORES[0], SCORES[:, :0], SCORES[:, :, None]], ids=lambda a: str(a.shape)
)
def test_scores_of_another_shape_are_refused(scores):
    with pytest.raises(ValueError, match=r"^tabulate: scores must all have shape \(settings, seeds\)"):
        train.tabulate(SETTINGS, {"valid": scores}, by="valid")
    with pytest.raises(ValueError, match=r"^tabulate: scores must all have shape"):
        train.tabulate(SETTINGS, {"valid": SCORES, "test": SCORES[:, :3]}, by="valid")
