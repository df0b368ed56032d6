"""Every combination once, and found again under its name."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jreg import train

AXES = {"rate": [0.0, 0.1, 0.5], "width": [2, 4], "decay": [1e-3, 1e-2]}


def test_a_grid_is_the_product_of_its_axes():
    settings = train.grid(AXES)
    expected = list(itertools.product(*AXES.values()))
    np.testing.assert_allclose(np.stack(list(settings.values()), axis=1), expected, rtol=1e-6)
    assert {name: values.dtype for name, values in settings.items()} == {
        "rate": np.float32, "width": np.int64, "decay": np.float32,
    }  # fmt: skip


def test_results_are_found_under_the_names_of_their_setting():
    settings = train.grid(AXES)
    scores = np.stack([settings["rate"] + 10 * settings["width"]] * 5, axis=1)
    names, coordinates, values = train.unstack(AXES, {"score": jnp.asarray(scores), "curve": jnp.zeros((12, 5, 7))})
    assert names == ("rate", "width", "decay", "seed")
    assert values["curve"].shape == (3, 2, 2, 5, 7)
    assert [len(coordinates[name]) for name in names] == [3, 2, 2, 5]
    at = values["score"][coordinates["rate"] == np.float32(0.1)][0, 1]
    np.testing.assert_allclose(at, np.full((2, 5), 40.1), rtol=1e-6)


@pytest.mark.parametrize("axes", [{}, {"seed": [1]}, {"rate": []}, {"rate": 0.5}, {"rate": [[0.5]]}], ids=str)
def test_axes_that_make_no_grid_are_refused(axes):
    with pytest.raises(ValueError, match=r"^grid: axes must hold"):
        train.grid(axes)


@pytest.mark.parametrize("values", [["a"], [True], [1j], [None]], ids=str)
def test_settings_that_are_no_numbers_are_refused(values):
    with pytest.raises(TypeError, match=r"^grid: axes must hold real numbers; rate has"):
        train.grid({"rate": values})


@pytest.mark.parametrize("shape", [(), (12,), (6, 3)])
def test_results_of_another_grid_are_refused(shape):
    with pytest.raises(ValueError, match=r"^unstack: results must hold arrays \(12 settings, seeds, ...\); got shape"):
        train.unstack(AXES, jnp.zeros(shape))
