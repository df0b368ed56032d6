"""The reliability diagram: what is drawn, that nothing covers it, and that matplotlib is imported only for it."""

import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest
from matplotlib import pyplot

from jreg import diagnose
from jreg.diagnose import Reliability

BEFORE = Reliability(
    np.float32([0.3, np.nan, 0.7, 0.95]), np.float32([0.0, np.nan, 0.5, 0.8]), np.array([2, 0, 40, 60])
)
AFTER = Reliability(np.float32([0.2, 0.4, 0.6, 0.9]), np.float32([0.25, 0.35, 0.65, 0.9]), np.array([20, 20, 20, 42]))


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def curves(axes):
    return [line for line in axes.lines if "ECE" in line.get_label()]


def test_it_draws_the_bins_that_hold_rows_and_names_the_error(tmp_path):
    axes = diagnose.plot_calibration({"before": BEFORE, "after": AFTER})
    before, after = curves(axes)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(before.get_xydata(), np.float32([[0.3, 0.0], [0.7, 0.5], [0.95, 0.8]]))
    assert len(after.get_xdata()) == 4
    error = (2 * 0.3 + 40 * 0.2 + 60 * 0.15) / 102
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[0] == f"before: ECE {error:.3f}"
    axes.figure.savefig(tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").stat().st_size > 5000


def test_the_legend_covers_nothing_and_the_curves_differ_without_colour():
    axes = diagnose.plot_calibration({"before": BEFORE, "after": AFTER, "third": AFTER, "fourth": BEFORE})
    axes.figure.canvas.draw()
    legend, inside = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert legend.y0 >= inside.y1
    assert legend.y1 <= axes.figure.bbox.y1
    for style in ("get_marker", "get_linestyle", "get_color"):
        assert len({getattr(line, style)() for line in curves(axes)}) == 4


def test_it_draws_on_the_axes_given_and_makes_no_figure():
    _, (left, right) = pyplot.subplots(1, 2)
    assert diagnose.plot_calibration(BEFORE, axes=right) is right
    assert not left.lines
    assert len(pyplot.get_fignums()) == 1
    assert right.get_legend().get_texts()[0].get_text().startswith("ECE 0.")


def test_the_bars_are_wilsons_interval():
    """Its ends are where the observed share is z standard errors away, by its definition."""
    axes = diagnose.plot_calibration(AFTER)
    segments = axes.collections[0].get_segments()
    for (low, high), share, count in zip(np.array(segments)[..., 1], AFTER.accuracy, AFTER.count, strict=True):
        for end in (low, high):
            distance = abs(share - end) / np.sqrt(end * (1 - end) / count)
            np.testing.assert_allclose(distance, NormalDist().inv_cdf(0.975), rtol=1e-3)


def test_bad_arguments_raise_and_no_rows_draw_no_points():
    with pytest.raises(TypeError, match="plot_calibration: found must be a dict of Reliability by name; got 3"):
        diagnose.plot_calibration(3)
    with pytest.raises(TypeError, match="plot_calibration: axes must be axes of matplotlib; got 'axes'"):
        diagnose.plot_calibration(BEFORE, axes="axes")
    empty = Reliability(np.full(2, np.nan), np.full(2, np.nan), np.zeros(2, int))
    assert not len(curves(diagnose.plot_calibration(empty))[0].get_xdata())


def test_without_matplotlib_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import numpy as np; from jreg import diagnose\n"
        "one = np.ones(1, np.float32)\n"
        "try: diagnose.plot_calibration(diagnose.Reliability(one, one, one))\n"
        "except ImportError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said == "plot_calibration: needs matplotlib, which pip install 'jreg[plot]' brings\n"
