"""The path of weights over strengths, scikit-learn's Lasso among them."""

import numpy as np
import pytest
from matplotlib import pyplot
from sklearn import datasets, linear_model

from jreg import diagnose

from .drawing import half_in_gray

STRENGTHS = np.array([0.1, 0.01, 1.0])
WEIGHTS = np.array([[0.5, 0.0], [1.0, -0.5], [0.0, 0.0]])
VALID = np.array([[0.2, 0.3], [0.4, 0.5], [0.9, 0.8]])


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_strengths_are_sorted_and_the_best_is_marked_in_both():
    top, bottom = diagnose.plot_path(STRENGTHS, WEIGHTS, VALID)
    np.testing.assert_allclose(top.lines[0].get_ydata(), [1.0, 0.5, 0.0])
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), [0.45, 0.25, 0.85])
    assert top.lines[-1].get_xdata()[0] == bottom.lines[-1].get_xdata()[0] == 0.1
    assert top.get_title() == "weights that are not 0, of 2: 2 at the weakest, 1 at the best, 0 at the last"
    half_in_gray(top)


def test_scores_have_their_best_at_the_top_and_a_strength_of_0_is_drawn():
    pair = pyplot.subplots(2)[1]
    top, bottom = diagnose.plot_path(np.array([0.0, 0.1, 1.0]), WEIGHTS, VALID[:, 0], mode="max", axes=pair)
    assert (top, bottom) == tuple(pair)
    assert bottom.get_xscale() == "symlog"
    assert bottom.lines[-1].get_xdata()[0] == 1.0
    half_in_gray(top)


def test_the_lasso_loses_its_weights_along_the_path():
    x, y = datasets.load_diabetes(return_X_y=True)
    strengths = np.geomspace(0.01, 10, 8)
    models = [linear_model.Lasso(strength).fit(x[:300], y[:300]) for strength in strengths]
    weights = np.stack([model.coef_ for model in models])
    valid = np.array([np.mean((model.predict(x[300:]) - y[300:]) ** 2) for model in models])
    top, _ = diagnose.plot_path(strengths, weights, valid)
    counts = (weights != 0).sum(1)
    assert top.get_title().endswith(f"{counts[valid.argmin()]} at the best, {counts[-1]} at the last")


@pytest.mark.parametrize(
    ("strengths", "weights", "valid", "said"),
    [
        (np.array([-1.0, 0.1, 1.0]), WEIGHTS, VALID, r"strengths must be numbers of at least 0, each once"),
        (np.array([0.1, 0.1, 1.0]), WEIGHTS, VALID, r"strengths must be numbers of at least 0, each once"),
        (STRENGTHS, WEIGHTS[:2], VALID, r"weights must be \(3 strengths, weights\)"),
        (STRENGTHS, WEIGHTS, VALID[:2], r"weights must be \(3 strengths, weights\)"),
    ],
)
def test_arrays_that_do_not_match_are_refused(strengths, weights, valid, said):
    with pytest.raises(ValueError, match=f"^plot_path: {said}"):
        diagnose.plot_path(strengths, weights, valid)
