"""The variance shift of dropout before batch norm, against its closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import diagnose, noise, norm, random

X = 1.0 + 2.0 * jax.random.normal(jax.random.key(0), (4000, 3))


def dropped(rate):
    return lambda key, x: noise.dropout(key, x, rate)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_ratio_is_that_of_the_closed_form(rate):
    """Var[m x / (1 - p)] = E[x^2] / (1 - p) - E[x]^2."""
    shift = diagnose.variance_shift(dropped(rate), jax.random.key(1), X)
    variance = np.var(X, 0)
    expected = np.mean(X**2, 0) / (1 - rate) - np.mean(X, 0) ** 2
    np.testing.assert_allclose(shift.inference, variance, rtol=1e-5)
    np.testing.assert_allclose(shift.training, expected, rtol=0.02)
    np.testing.assert_allclose(shift.ratio, variance / expected, rtol=0.02)
    assert "Variance shift: inference has" in shift.describe()


def test_without_noise_there_is_no_shift():
    for fn, key in ((dropped(0.0), jax.random.key(1)), (dropped(0.5), None), (lambda key, x: x, jax.random.key(1))):
        shift = diagnose.variance_shift(fn, key, X)
        np.testing.assert_allclose(shift.ratio, 1.0, rtol=1e-5)
        assert shift.describe().startswith("No variance shift")


def test_the_standard_deviation_that_it_predicts_is_that_of_batch_norm_at_inference():
    params, stats = norm.init_batch_norm(3)
    for key in random.split(jax.random.key(2), 20):
        _, stats = norm.batch_norm(params, stats, noise.dropout(key, X, 0.5), decay=0.5)
    shift = diagnose.variance_shift(dropped(0.5), jax.random.key(1), X)
    found = jnp.std(norm.batch_norm_inference(params, stats, X), 0)
    np.testing.assert_allclose(found, jnp.sqrt(shift.ratio), rtol=0.03)


def test_it_is_traceable_and_takes_any_batch():
    batch = {"x": X.reshape(400, 10, 3)}
    shift = jax.jit(lambda key: diagnose.variance_shift(lambda k, b: dropped(0.5)(k, b["x"]), key, batch))(
        jax.random.key(1)
    )
    assert shift.ratio.shape == (3,)


def test_bad_arguments_raise():
    with pytest.raises(ValueError, match="variance_shift: num_samples must be at least 1; got 0"):
        diagnose.variance_shift(dropped(0.5), jax.random.key(1), X, num_samples=0)
    with pytest.raises(ValueError, match=r"variance_shift: fn\(key, x\) must have shape \(..., features\); got"):
        diagnose.variance_shift(dropped(0.5), jax.random.key(1), X[0])
