"""Smoothed targets: of classes, against optax, and of binary labels."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import targets


def ids(shape=(6,), num_classes=5):
    return jnp.asarray(np.random.default_rng(1).integers(num_classes, size=shape), jnp.int32)


def distributions(shape=(6, 5)):
    return jnp.asarray(np.random.default_rng(2).dirichlet(np.ones(shape[-1]), shape[:-1]), jnp.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("num_classes", [2, 3, 1000])
def test_rows_sum_to_one_and_the_other_classes_get_smoothing_over_k(smoothing, num_classes):  # ConvE#55
    labels = ids((7,), num_classes)
    q = np.asarray(targets.smooth_labels(labels, smoothing, num_classes=num_classes))
    np.testing.assert_allclose(q.sum(-1), 1.0, rtol=1e-5)
    is_label = np.arange(num_classes) == np.asarray(labels)[:, None]
    np.testing.assert_allclose(q[~is_label], smoothing / num_classes, rtol=1e-6)
    np.testing.assert_allclose(q[is_label], 1.0 - smoothing + smoothing / num_classes, rtol=1e-6)


def test_ids_and_their_one_hot_rows_smooth_alike():
    one_hot = jax.nn.one_hot(ids(), 5)
    np.testing.assert_array_equal(targets.smooth_labels(one_hot, 0.2), targets.smooth_labels(ids(), 0.2, num_classes=5))


def test_smoothing_then_mixing_is_mixing_then_smoothing():  # keras-cv#69
    a, b = distributions(), distributions()[::-1]
    mixed_last = 0.3 * targets.smooth_labels(a, 0.1) + 0.7 * targets.smooth_labels(b, 0.1)
    np.testing.assert_allclose(mixed_last, targets.smooth_labels(0.3 * a + 0.7 * b, 0.1), rtol=1e-5)


def test_distributions_smooth_as_in_optax():
    for smoothing in (0.0, 0.1, 1.0):
        expected = optax.smooth_labels(distributions(), smoothing)
        np.testing.assert_allclose(targets.smooth_labels(distributions(), smoothing), expected, rtol=1e-6)


def test_the_class_axis_may_be_anywhere():  # optax#1486
    labels, p = ids((2, 3)), distributions((2, 3, 5))
    last = targets.smooth_labels(labels, 0.1, num_classes=5)
    for axis in (0, 1, 2, -3):
        moved = targets.smooth_labels(labels, 0.1, num_classes=5, axis=axis)
        np.testing.assert_array_equal(moved, jnp.moveaxis(last, -1, axis))
        moved = targets.smooth_labels(jnp.moveaxis(p, -1, axis), 0.1, axis=axis)
        np.testing.assert_array_equal(moved, jnp.moveaxis(targets.smooth_labels(p, 0.1), -1, axis))
    with pytest.raises(ValueError, match=r"smooth_labels: axis must name axes of a 3-dimensional array; got 3"):
        targets.smooth_labels(labels, 0.1, num_classes=5, axis=3)
    with pytest.raises(ValueError, match=r"smooth_labels: labels must have two classes or more on axis 0; got shape"):
        targets.smooth_labels(p[:1], 0.1, axis=0)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "float16", "float32"])
def test_binary_labels_are_pulled_towards_one_half(dtype):
    """Towards 1/2 and not 1/K, however many labels there are."""
    labels = jnp.array([[0, 1, 1, 0, 1]]).astype(dtype)
    q = targets.smooth_binary_labels(labels, 0.1)
    np.testing.assert_allclose(q, [[0.05, 0.95, 0.95, 0.05, 0.95]], rtol=1e-3)
    assert q.dtype == (dtype if "float" in dtype else "float32")
    np.testing.assert_array_equal(targets.smooth_binary_labels(labels, 0.0), np.float32(labels))
    np.testing.assert_array_equal(targets.smooth_binary_labels(labels, 1.0), np.full((1, 5), 0.5))


def test_the_smoothed_binary_loss_is_the_two_class_loss():
    """A logit z against a smoothed label is the pair (0, z) against the smoothed pair."""
    z, labels = jnp.array([2.0, -1.0, 0.5]), jnp.array([1, 0, 0])
    binary = optax.sigmoid_binary_cross_entropy(z, targets.smooth_binary_labels(labels, 0.3)).mean()
    pairs = targets.smoothed_cross_entropy(jnp.stack([jnp.zeros(3), z], axis=1), labels, 0.3)
    np.testing.assert_allclose(binary, pairs, rtol=1e-6)


def test_bad_binary_labels_raise_when_concrete_and_give_nan_when_traced():
    smooth = jax.jit(targets.smooth_binary_labels)
    for bad in (jnp.array([0, 2]), jnp.array([0.0, -0.1]), jnp.array([0.0, jnp.nan])):
        with pytest.raises(ValueError, match=r"smooth_binary_labels: labels must be in \[0, 1\]; got"):
            targets.smooth_binary_labels(bad, 0.1)
        np.testing.assert_array_equal(jnp.isnan(smooth(bad, 0.1)), [False, True])
    with pytest.raises(ValueError, match=r"smooth_binary_labels: smoothing must be in \[0, 1\]; got 1.5"):
        targets.smooth_binary_labels(jnp.array([0, 1]), 1.5)
    assert jnp.isnan(smooth(jnp.array([0, 1]), 1.5)).all()
    with pytest.raises(TypeError, match=r"smooth_binary_labels: labels must be an array; got list"):
        targets.smooth_binary_labels([0, 1], 0.1)
