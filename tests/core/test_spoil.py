"""What a bad traced number makes of data of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg._core.spoil import spoiled

NAN = jnp.float32(jnp.nan)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "complex64"])
def test_floats_become_nan(dtype):
    y = jax.jit(spoiled)(jnp.ones((2, 3), dtype), NAN)
    assert y.dtype == dtype
    assert jnp.isnan(y).all()


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "uint32"])
def test_integers_become_the_largest_of_their_type(dtype):
    y = jax.jit(spoiled)(jnp.ones((2, 3), dtype), NAN)
    assert y.dtype == dtype
    assert (y == jnp.asarray(jnp.iinfo(dtype).max, dtype)).all()


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8"])
def test_spoiled_ids_are_embedded_as_nan(dtype):
    ids = spoiled(jnp.ones(3, dtype), NAN)
    assert jnp.isnan(jnp.take(jnp.ones((100, 2)), ids, axis=0)).all()


def test_bools_become_true_and_keys_stay():
    assert spoiled(jnp.zeros(3, bool), NAN).all()
    keys = jax.random.split(jax.random.key(0), 2)
    assert (spoiled(keys, NAN) == keys).all()


def test_numbers_have_the_leading_axes_and_good_ones_change_no_bit():
    y = jnp.arange(6, dtype=jnp.uint8).reshape(3, 2)
    found = spoiled(y, jnp.array([0.0, jnp.nan, 1.0]), jnp.float32(2.0))
    np.testing.assert_array_equal(found, [[0, 1], [255, 255], [4, 5]])
    np.testing.assert_array_equal(spoiled(y), y)
