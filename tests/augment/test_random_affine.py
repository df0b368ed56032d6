"""The laws of random affine maps, read off where points go."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from jreg import augment

KEY = jax.random.key(7)
# The centre of an image of 21 x 21, and a point five pixels to the right of it, as boxes without area.
POINTS = jnp.array([[10.5, 10.5, 10.5, 10.5], [10.5, 15.5, 10.5, 15.5]])


def moved_points(transform) -> np.ndarray:
    """(down, right) of both points from the centre, for 2000 images."""
    parts = {"image": jnp.zeros((2000, 21, 21, 1)), "boxes": jnp.tile(POINTS, (2000, 1, 1))}
    return np.asarray(jax.jit(transform)(KEY, parts)["boxes"][..., :2], np.float64) - 10.5


def is_uniform(draws: np.ndarray, limit: float) -> bool:
    return bool(scipy.stats.kstest(draws, scipy.stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-3)


def test_angles_are_uniform_and_the_centre_stays():
    points = moved_points(lambda key, x: augment.random_rotate(key, x, 30.0))
    np.testing.assert_allclose(points[:, 0], 0.0, atol=1e-3)
    assert is_uniform(np.degrees(np.arctan2(-points[:, 1, 0], points[:, 1, 1])), 30.0)
    np.testing.assert_allclose(np.hypot(*points[:, 1].T), 5.0, atol=1e-3)


def test_shifts_are_uniform_and_independent():
    points = moved_points(lambda key, x: augment.random_translate(key, x, 0.2))
    down, right = points[:, 0].T
    assert is_uniform(down, 4.2)
    assert is_uniform(right, 4.2)
    assert abs(np.corrcoef(down, right)[0, 1]) < 5 / 2000**0.5


def test_scales_are_log_uniform():
    points = moved_points(lambda key, x: augment.random_affine(key, x, scale=(0.5, 2.0)))
    assert is_uniform(np.log(points[:, 1, 1] / 5), np.log(2))
    np.testing.assert_allclose(points[:, 1, 0], 0.0, atol=1e-3)


def test_a_larger_number_moves_further():
    """kornia#4491: the meaning of an argument was inverted."""
    far, near = (moved_points(lambda key, x, n=n: augment.random_shear(key, x, n)) for n in (30.0, 5.0))
    assert abs(far[:, 1, 0]).mean() > 3 * abs(near[:, 1, 0]).mean()
