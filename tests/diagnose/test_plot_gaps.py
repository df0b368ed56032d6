"""The forest plot: paired differences as the table has them."""

import numpy as np
import pytest
from matplotlib import pyplot

from jreg import diagnose, train

from .drawing import half_in_gray

LUCK = np.random.default_rng(0).normal(size=(1, 8))
NOISE = np.random.default_rng(1).normal(size=(3, 8))
GAPS = np.array([[0.2], [0.1], [0.2]]) + 0.2 * LUCK + 0.01 * NOISE
NAMES = {"recipe": np.array(["none", "decay", "noise"])}
TABLE = train.tabulate(NAMES, {"gap": GAPS}, by="gap", mode="min", baseline=0)


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_points_and_intervals_are_the_paired_differences():
    axes = diagnose.plot_gaps(TABLE, "gap")
    points = [container.lines[0] for container in axes.containers]
    np.testing.assert_allclose([float(p.get_xdata()[0]) for p in points], (GAPS - GAPS[0]).mean(1), atol=1e-12)
    for container, half in zip(axes.containers[1:], TABLE.difference_intervals["gap"][1:], strict=True):
        ends = container.lines[2][0].get_segments()[0][:, 0]
        assert (ends[1] - ends[0]) / 2 == pytest.approx(half)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["none", "decay", "noise"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first row stands at the top"
    assert axes.get_legend() is None
    half_in_gray(axes)


def test_what_is_told_apart_from_0_is_filled_although_the_unpaired_intervals_overlap():
    means, halves = TABLE.means["gap"], TABLE.intervals["gap"]
    assert means[1] + halves[1] > means[0] - halves[0]
    _, decay, noise = (container.lines[0] for container in diagnose.plot_gaps(TABLE, "gap").containers)
    assert decay.get_markerfacecolor() != "white"
    assert noise.get_markerfacecolor() == "white"


def test_one_seed_has_points_and_no_intervals():
    single = train.tabulate(NAMES, {"gap": GAPS[:, :1]}, by="gap", mode="min", baseline=1)
    half_in_gray(diagnose.plot_gaps(single, "gap"))


def test_tables_that_have_no_differences_are_refused():
    with pytest.raises(TypeError, match=r"^plot_gaps: table must be a Table, from train.tabulate; got 3"):
        diagnose.plot_gaps(3, "gap")
    with pytest.raises(ValueError, match=r"^plot_gaps: table must have differences; give train.tabulate a baseline"):
        diagnose.plot_gaps(train.tabulate(NAMES, {"gap": GAPS}, by="gap"), "gap")
    with pytest.raises(ValueError, match=r"^plot_gaps: score must be one of \['gap'\]; got 'loss'"):
        diagnose.plot_gaps(TABLE, "loss")
