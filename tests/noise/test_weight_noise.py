"""Weight noise: which leaves, how much, and clean weights kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jreg import noise

KEY = jax.random.key(10)
PARAMS = {
    "dense": {"kernel": jnp.ones((300, 200)), "bias": jnp.ones(200)},
    "head": {"kernel": jnp.ones((300, 200))},
    "steps": jnp.int32(3),
}


def test_kernels_alone_are_perturbed_by_default():
    noisy = noise.weight_noise(KEY, PARAMS, 0.1)
    assert (noisy["dense"]["kernel"] != 1).mean() > 0.999
    assert noisy["dense"]["bias"] is PARAMS["dense"]["bias"]
    assert noisy["steps"] is PARAMS["steps"]


def test_the_noise_is_normal_and_differs_between_leaves():
    noisy = noise.weight_noise(KEY, PARAMS, 0.1)
    first, second = (np.asarray(noisy[name]["kernel"] - 1, np.float64).ravel() for name in ("dense", "head"))
    assert stats.kstest(first, stats.norm(0, 0.1).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / first.size**0.5


def test_the_given_weights_stay_and_no_key_returns_them():
    before = jax.tree.map(lambda leaf: leaf + 0, PARAMS)
    noise.weight_noise(KEY, PARAMS, 0.1)
    jax.tree.map(np.testing.assert_array_equal, PARAMS, before)
    assert noise.weight_noise(None, PARAMS, 0.1) is PARAMS


def test_mask_selects():
    noisy = noise.weight_noise(KEY, PARAMS, 0.1, mask={"dense": False, "head": True, "steps": False})
    assert noisy["dense"]["kernel"] is PARAMS["dense"]["kernel"]
    assert (noisy["head"]["kernel"] != 1).any()
    with pytest.raises(ValueError, match="weight_noise: mask must select at least one leaf"):
        noise.weight_noise(KEY, {"bias": jnp.ones(3)}, 0.1)


def test_the_gradient_passes_through_the_noise_unchanged():
    weights = jnp.ones((3, 2))
    gradient = jax.grad(lambda weights: jnp.sum(noise.weight_noise(KEY, weights, 0.1) ** 2))(weights)
    np.testing.assert_allclose(gradient, 2 * noise.weight_noise(KEY, weights, 0.1), rtol=1e-6)


def test_std_is_one_number():
    with pytest.raises(ValueError, match="weight_noise: std must be a scalar"):
        noise.weight_noise(KEY, jnp.ones((3, 2)), jnp.ones((3, 1)))
