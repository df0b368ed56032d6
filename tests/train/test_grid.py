"""Every combination once, and found again under its name."""

import itertools

import jax
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
    names, coordinates, values = train.reshape_to_grid(
        AXES, {"score": jnp.asarray(scores), "curve": jnp.zeros((12, 5, 7))}
    )
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
    with pytest.raises(
        ValueError, match=r"^reshape_to_grid: results must hold arrays \(12 settings, seeds, ...\); got shape"
    ):
        train.reshape_to_grid(AXES, jnp.zeros(shape))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([2**40 + 3, 1], r"n must hold numbers that fit into int32; got 1099511627779$"),
        ([2**63], r"n must hold numbers that fit into uint32; got 9223372036854775808$"),
        ([0.5, 1e39], r"n must hold numbers that fit into float32; got 1e\+39$"),
        ([0.5, float("nan")], r"n must hold no NaN; got array\(\[0.5, nan\]\)$"),
    ],
)
def test_numbers_that_would_not_run_as_written_are_refused(values, message):
    for call in (train.grid, lambda axes: train.reshape_to_grid(axes, jnp.ones((len(values), 1)))):
        with pytest.raises(ValueError, match=r"^(grid|reshape_to_grid): " + message):
            call({"n": values})


def test_x64_mode_holds_what_float32_does_not():
    with jax.enable_x64(True):
        found = train.grid({"n": [2**40 + 3, 1], "rate": [0.1, 1e39]})
        assert found["n"].tolist() == [2**40 + 3, 2**40 + 3, 1, 1]
        assert found["rate"].tolist() == [0.1, 1e39] * 2
        shares = train.sweep(lambda key, hyper: hyper["n"], jax.random.split(jax.random.key(0), 1), found)
        assert shares[0, 0] == 2**40 + 3


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (None, r"^grid: axes must be a dict of lists of numbers by name; got None$"),
        ("rate", r"^grid: axes must be a dict of lists of numbers by name; got 'rate'$"),
        ({"rate": ["a"]}, r"^grid: axes must hold real numbers; rate has \['a'\]$"),
        ({"rate": [0.1, None]}, r"^grid: axes must hold real numbers; rate has \[0.1, None\]$"),
        ({"n": [10**400]}, r"^grid: axes must hold real numbers; n has \[1000"),
        ({"n": np.ma.array([1.0], mask=[1])}, r"^grid: axes must hold real numbers; n has masked_array"),
        ({"n": np.ones(2, "m8[s]")}, r"^grid: axes must hold real numbers; n has array"),
    ],
)
def test_axes_that_hold_no_numbers_are_named(axes, message):
    with pytest.raises(TypeError, match=message):
        train.grid(axes)


def test_results_without_a_leaf_are_refused():
    with pytest.raises(
        ValueError, match=r"^reshape_to_grid: results must hold arrays \(2 settings, seeds, ...\); got none$"
    ):
        train.reshape_to_grid({"rate": [0.0, 0.5]}, {})


def test_a_paired_sweep_has_the_axes_of_its_grid_alone():
    settings = train.grid(AXES)
    keys = jax.random.split(jax.random.key(0), 2)[np.searchsorted([2, 4], settings["width"])]
    found = train.sweep(
        lambda key, hyper: {"rate": hyper["rate"], "bits": jax.random.bits(key)}, keys, settings, paired=True
    )
    names, coordinates, values = train.reshape_to_grid(AXES, found, paired=True)
    assert names == tuple(coordinates) == ("rate", "width", "decay")
    assert values["rate"].shape == (3, 2, 2)
    np.testing.assert_array_equal(values["rate"][:, 0, 0], coordinates["rate"])
    assert (values["bits"] == values["bits"][:1, :, :1]).all()
    assert (values["bits"][:, 0] != values["bits"][:, 1]).all()
    with pytest.raises(ValueError, match=r"reshape_to_grid: results must hold arrays \(12 settings, \.\.\.\)"):
        train.reshape_to_grid(AXES, jnp.zeros(5), paired=True)
