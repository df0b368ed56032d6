"""The heat map of two strengths: every mean in its cell, the best framed, its ties marked."""

import numpy as np
import pytest
from matplotlib import pyplot

from jreg import diagnose, train

from .drawing import half_in_gray

AXES = {"rate": [0.5, 0.0], "decay": [0.1, 1.0, 10.0]}
SETTINGS = train.grid(AXES)
MEANS = np.array([0.5, 0.6, 0.7, 0.7, 0.9, 0.8])
SCORES = MEANS[:, None] + 0.02 * np.random.default_rng(0).normal(size=(6, 5))


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_every_mean_stands_in_the_cell_of_its_strengths():
    table = train.tabulate(SETTINGS, {"valid": SCORES}, by="valid")
    axes = diagnose.plot_sweep(table, "valid")
    shown = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(shown, table.means["valid"].reshape(2, 3)[::-1])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "0.5"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "1", "10"]
    frame = axes.patches[-1]
    assert (frame.get_x() + 0.46, frame.get_y() + 0.46) == pytest.approx((1, 0))
    half_in_gray(axes)


def test_ties_of_the_best_are_marked():
    scores = SCORES.copy()
    scores[5] = scores[4] - 0.01 * np.array([1, -1, 1, -1, 0.5])
    axes = diagnose.plot_sweep(train.tabulate(SETTINGS, {"valid": scores}, by="valid"), "valid")
    assert [text.get_text().endswith("~") for text in axes.texts] == [False] * 5 + [True]


def test_a_grid_with_holes_and_one_too_fine_for_numbers_are_drawn():
    holes = train.tabulate({name: values[:5] for name, values in SETTINGS.items()}, {"s": SCORES[:5]}, by="s")
    half_in_gray(diagnose.plot_sweep(holes, "s"))
    fine = train.grid({"a": np.linspace(0, 1, 13), "b": np.linspace(0, 1, 13)})
    table = train.tabulate(fine, {"s": np.arange(338.0).reshape(169, 2)}, by="s")
    assert not diagnose.plot_sweep(table, "s").texts


def test_other_tables_are_refused():
    with pytest.raises(ValueError, match=r"^plot_sweep: table must have two hyperparameters; got \['rate'\]"):
        diagnose.plot_sweep(train.tabulate({"rate": np.arange(6.0)}, {"s": SCORES}, by="s"), "s")
    twice = {name: np.zeros(6) for name in "ab"}
    with pytest.raises(ValueError, match=r"^plot_sweep: table must have each pair of strengths once"):
        diagnose.plot_sweep(train.tabulate(twice, {"s": SCORES}, by="s"), "s")
    with pytest.raises(ValueError, match=r"^plot_sweep: score must be one of \['valid'\]; got 'test'"):
        diagnose.plot_sweep(train.tabulate(SETTINGS, {"valid": SCORES}, by="valid"), "test")
    with pytest.raises(TypeError, match=r"^plot_sweep: table must be a Table, from train.tabulate; got \[\]"):
        diagnose.plot_sweep([], "valid")
