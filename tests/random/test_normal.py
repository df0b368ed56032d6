"""Continuous draws: distribution, symmetry, ends, reproducibility."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jreg import random
from jreg.random import _normal

KEY = jax.random.key(3)
SIZE = 2**20


def test_signed_uniform_and_normal_have_their_distributions():
    uniform = np.asarray(random.signed_uniform(KEY, (SIZE,)), np.float64)
    normal = np.asarray(random.normal(KEY, (SIZE,), 1.0), np.float64)
    assert stats.kstest(uniform, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        powers = normal**power
        assert abs(powers.mean() - moment) < 5 * powers.std() / SIZE**0.5


def test_tails_hold_what_the_normal_distribution_puts_there():
    magnitude = np.abs(random.normal(KEY, (2**22,), 1.0))
    for limit in (3.0, 4.0, 4.5):
        expected = 2 * stats.norm.sf(limit) * magnitude.size
        assert abs((magnitude > limit).sum() - expected) < 5 * expected**0.5


def test_the_grid_is_symmetric_and_reaches_neither_end(monkeypatch):
    words = jnp.array([0, 255, 2**31 - 1, 2**31, 2**32 - 256, 2**32 - 1], jnp.uint32)
    monkeypatch.setattr(_normal, "hash_bits", lambda key, shape: words)
    uniform = random.signed_uniform(KEY, words.shape)
    np.testing.assert_array_equal(uniform, -uniform[::-1])
    np.testing.assert_array_equal(uniform[:3], [2.0**-24 - 1, 2.0**-24 - 1, -(2.0**-24)])
    normal = np.asarray(random.normal(KEY, words.shape, 1.0))
    np.testing.assert_array_equal(normal, -normal[::-1])
    np.testing.assert_allclose(normal[0], stats.norm.ppf(2.0**-25), rtol=1e-5)


def test_normal_is_the_inverse_distribution_function_of_the_uniform():
    uniform = np.asarray(random.signed_uniform(KEY, (SIZE,)), np.float64)
    exact = special.erfinv(uniform) * 2**0.5
    np.testing.assert_allclose(random.normal(KEY, (SIZE,), 1.0), exact, rtol=1e-5)


def test_std_scales_and_its_bad_values_are_found():
    std = jnp.array([[1.0], [2.0], [0.0]])
    draws = random.normal(KEY, (3, 5), std)
    np.testing.assert_allclose(draws, std * random.normal(KEY, (3, 5), 1.0), rtol=1e-6)
    with pytest.raises(ValueError, match=r"normal: std must be finite and at least 0; got -1"):
        random.normal(KEY, (3,), -1)
    assert jnp.isnan(jax.jit(lambda std: random.normal(KEY, (3,), std))(-1.0)).all()


@pytest.mark.parametrize("draw", [random.signed_uniform, partial(random.normal, std=1.0)], ids=["uniform", "normal"])
def test_draws_depend_on_key_and_shape_alone(draw):
    eager = np.asarray(draw(KEY, (5, 7)))
    np.testing.assert_array_equal(eager, jax.jit(draw, static_argnums=1)(KEY, (5, 7)))
    with jax.enable_x64(True):
        wide = draw(jax.random.key(3), (5, 7))
        assert wide.dtype == jnp.float32
        np.testing.assert_array_equal(eager, wide)
    with pytest.raises(TypeError, match="key must be a PRNG key"):
        draw(None, (2,))
