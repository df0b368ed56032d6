"""Pictures of learning curves: what is drawn, where the legend is, and what is refused."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot

from jreg import diagnose

from .drawing import assert_legend_covers_nothing, brightness, half_in_gray

EPOCHS = np.arange(30)
TRAIN = (0.1 + np.exp(-EPOCHS / 3)).astype(np.float32)
VALID = (TRAIN + 0.02 * np.maximum(EPOCHS - 20, 0)).astype(np.float32)


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_curves_best_and_onset_are_drawn_where_they_are_found():
    axes, found = diagnose.plot_curves(TRAIN, VALID), diagnose.curves(TRAIN, VALID)
    assert labels(axes) == ["training", "validation", "best", "onset"]
    training, validation, best, onset = axes.lines
    np.testing.assert_allclose(training.get_ydata(), TRAIN, rtol=1e-6)
    np.testing.assert_allclose(validation.get_ydata(), VALID, rtol=1e-6)
    assert float(best.get_xdata()[0]) == int(found.best_step)
    assert float(onset.get_xdata()[0]) == int(found.onset)
    assert training.get_linestyle() != validation.get_linestyle()
    half_in_gray(axes)
    assert_legend_covers_nothing(axes)


def test_seeds_get_a_band_and_an_early_stop_its_line():
    stack = [np.stack([curve + shift for shift in (0.0, 0.02, 0.04)]) for curve in (TRAIN, VALID)]
    for curve in stack:
        curve[:, 25:] = np.nan
        curve[1, 15:] = np.nan
    axes = diagnose.plot_curves(*stack, baseline=2.3)
    assert len(axes.collections) == 2
    assert labels(axes)[-2:] == ["stop", "baseline"]
    stop = axes.lines[labels(axes).index("stop")]
    assert float(stop.get_xdata()[0]) == 24
    upper = axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert axes.lines[0].get_ydata()[-1] == pytest.approx((stack[0][0, 24] + stack[0][1, 14] + stack[0][2, 24]) / 3)
    mean, deviation = stack[0][:, 0].mean(), stack[0][:, 0].std(ddof=1)
    assert upper == pytest.approx(mean + 4.3027 * deviation / 3**0.5, rel=1e-3)


def test_a_second_run_on_the_axes_of_the_caller_looks_different_in_gray():
    _, (left, right) = pyplot.subplots(1, 2, layout="constrained")
    assert diagnose.plot_curves(TRAIN, VALID, label="none", axes=left) is left
    diagnose.plot_curves(TRAIN, TRAIN, label="decay", axes=left)
    assert not right.lines
    first, second = (line for line in left.lines if line.get_label().endswith("training"))
    assert abs(brightness(first.get_color()) - brightness(second.get_color())) > 0.2
    assert labels(left)[0] == "none: training"
    assert_legend_covers_nothing(left)


def test_histories_are_drawn_by_their_metric():
    axes = diagnose.plot_curves({"accuracy": 1 - TRAIN}, {"accuracy": 1 - VALID}, metric="accuracy", mode="max")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "accuracy")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"^plot_curves: train must be of one setting, \(steps,\) or \(seeds, steps\)"):
        diagnose.plot_curves(jnp.ones((2, 3, 4)), jnp.ones((2, 3, 4)))
    with pytest.raises(TypeError, match=r"^plot_curves: axes must be axes of matplotlib; got 3"):
        diagnose.plot_curves(TRAIN, VALID, axes=3)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"^plot_curves: needs matplotlib, which pip install 'jreg\[plot\]'"):
        diagnose.plot_curves(TRAIN, VALID)
