"""What batch norm is given: features on any axis, scale or offset left out, how many values there must be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import norm
from tests.norm.test_batch_norm import FEATURES, data, learned, state


def test_features_lie_on_any_axis_or_on_several():
    x = data((8, 5, FEATURES))
    expected, stats = norm.batch_norm(learned(), state(), x)
    for axis in (1, -2, (1,)):
        y, running = norm.batch_norm(learned(), state(), jnp.moveaxis(x, -1, 1), axis=axis)
        np.testing.assert_array_equal(jnp.moveaxis(y, 1, -1), expected)
        jax.tree.map(np.testing.assert_array_equal, running, stats)
    inferred = norm.batch_norm_inference(learned(), stats, jnp.moveaxis(x, -1, 0), axis=0)
    np.testing.assert_array_equal(jnp.moveaxis(inferred, 0, -1), norm.batch_norm_inference(learned(), stats, x))
    wide = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (5, FEATURES)), (learned(), state()))
    y, running = norm.batch_norm(*wide, x, axis=(1, 2))
    np.testing.assert_allclose(y[:, 3], norm.batch_norm(learned(), state(), x[:, 3])[0], rtol=1e-6, atol=1e-6)
    assert running.mean.shape == (5, FEATURES)


def test_the_mask_and_the_ghosts_go_along_with_the_axis():
    x, where = data((8, 5, FEATURES)), jnp.arange(8)[:, None, None] < 6
    expected, stats = norm.batch_norm(learned(), state(), x, where=where, ghost_size=4)
    y, running = norm.batch_norm(learned(), state(), jnp.moveaxis(x, -1, 1), where=where, ghost_size=4, axis=1)
    np.testing.assert_array_equal(jnp.moveaxis(y, 1, -1), expected)
    jax.tree.map(np.testing.assert_array_equal, running, stats)


def test_a_scale_or_an_offset_of_none_is_left_out():
    ones, zeros = jnp.ones(FEATURES), jnp.zeros(FEATURES)
    for bare, full in (
        ((None, None), (ones, zeros)),
        ((2 * ones, None), (2 * ones, zeros)),
        ((None, ones), (ones, ones)),
    ):
        expected, stats = norm.batch_norm(norm.BatchNormParams(*full), state(), data())
        y, running = norm.batch_norm(norm.BatchNormParams(*bare), state(), data())
        np.testing.assert_array_equal(y, expected)
        jax.tree.map(np.testing.assert_array_equal, running, stats)


def test_a_single_value_is_taken_where_it_is_asked_for():
    y, running = norm.batch_norm(learned(), state(), data((1, FEATURES)), min_values=1)
    np.testing.assert_array_equal(y, learned().offset[None])
    np.testing.assert_allclose(running.variance, 0.99 * state().variance, rtol=1e-6)
    with pytest.raises(ValueError, match=r"^batch_norm: x must have two values or more per feature"):
        norm.batch_norm(learned(), state(), data((1, FEATURES)))
    with pytest.raises(
        ValueError, match=r"^batch_norm: x must have 5 values or more per feature in training; got shape"
    ):
        norm.batch_norm(learned(), state(), data((4, FEATURES)), min_values=5)
    masked, _ = norm.batch_norm(learned(), state(), data((4, FEATURES)), min_values=3, where=jnp.arange(4)[:, None] < 2)
    assert jnp.isnan(masked).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 3}, "axis must name axes of a 3-dimensional array; got 3"),
        ({"axis": (1, 1)}, "axis must name each axis once"),
        ({"axis": 1}, r"scale must have shape \(5,\) for x \(8, 5, 3\); got \(3,\)"),
        ({"min_values": 0}, "min_values must be at least 1; got 0"),
    ],
)
def test_bad_axes_and_counts_raise(options, message):
    with pytest.raises(ValueError, match=f"^batch_norm: {message}"):
        norm.batch_norm(learned(), state(), data(), **options)
