"""Penalties on slopes: closed forms of linear and quadratic functions, jax's own Jacobians, NumPy's differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jreg import penalty

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(6, 4)), jnp.float32)
W = jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32)
IMAGES = RNG.normal(size=(3, 5, 4, 2)).astype(np.float32)


def network(w, x):
    return jnp.tanh(x @ w)


def exact_squares(x=X):
    """The squared norm of each example's Jacobian, one example at a time."""
    jacobians = [jax.jacobian(lambda one: network(W, one[None])[0])(one) for one in x]
    return np.array([np.sum(np.square(one)) for one in jacobians])


def test_the_input_gradient_of_a_quadratic_is_its_closed_form():
    value = penalty.input_gradient(lambda x: jnp.sum(x**2, axis=1), X)
    np.testing.assert_allclose(value, np.mean(0.5 * np.sum((2.0 * X) ** 2, axis=1)), rtol=1e-6)


def test_the_input_gradient_does_not_depend_on_the_size_of_the_batch():
    def losses(x):
        return jnp.sum(network(W, x), axis=1)

    once, thrice = penalty.input_gradient(losses, X), penalty.input_gradient(losses, jnp.concatenate([X] * 3))
    np.testing.assert_allclose(thrice, once, rtol=1e-6)


def test_a_batch_may_be_a_tree():
    batch = {"a": X, "b": [X[:, :2], None]}
    value = penalty.input_gradient(lambda batch: batch["a"] @ W[:, 0] + 2.0 * batch["b"][0] @ W[:2, 1], batch)
    expected = 0.5 * np.sum(W[:, 0] ** 2) + 0.5 * np.sum((2.0 * W[:2, 1]) ** 2)
    np.testing.assert_allclose(value, expected, rtol=1e-6)

    def outputs(batch):
        return batch["a"] @ W + batch["b"][0] @ W[:2]

    expected = 0.5 * np.sum(W**2) + 0.5 * np.sum(W[:2] ** 2)
    np.testing.assert_allclose(penalty.jacobian(outputs, None, batch), expected, rtol=1e-6)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "measure",
    [
        lambda w: penalty.input_gradient(lambda x: jnp.sum(network(w, x), axis=1), X.astype(w.dtype)),
        lambda w: penalty.jacobian(lambda x: network(w, x), None, X.astype(w.dtype)),
        lambda w: penalty.jacobian(lambda x: network(w, x), KEY, X.astype(w.dtype), num_probes=2),
    ],
    ids=["input_gradient", "jacobian", "jacobian, probes"],
)
def test_double_backpropagation_reaches_the_weights(measure):
    with jax.enable_x64(True):
        check_grads(jax.jit(measure), (W.astype(jnp.float64),), order=1, eps=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(jax.grad(measure)(jnp.zeros((4, 3))), jnp.zeros((4, 3)))


def test_the_jacobian_is_exact_without_a_key_or_with_all_its_rows():
    expected = 0.5 * exact_squares().mean()

    def fn(x):
        return network(W, x)

    np.testing.assert_allclose(penalty.jacobian(fn, None, X), expected, rtol=1e-5)
    np.testing.assert_allclose(penalty.jacobian(fn, None, X, num_probes=5), expected, rtol=1e-5)

    def shaped(x):
        return network(W, x).reshape(len(x), 3, 1)

    np.testing.assert_allclose(penalty.jacobian(shaped, None, X), expected, rtol=1e-5)


def test_the_mean_over_keys_is_the_exact_value_within_five_sigma():
    estimate = jax.jit(jax.vmap(lambda key: penalty.jacobian(lambda x: network(W, x), key, X[:1])))
    draws = np.asarray(estimate(jax.random.split(KEY, 4000)), np.float64)
    error = draws.mean() - 0.5 * exact_squares(X[:1]).mean()
    assert abs(error) < 5.0 * draws.std() / len(draws) ** 0.5
    assert draws.std() > 0.1 * draws.mean()


@pytest.mark.thorough
def test_more_probes_and_more_examples_come_closer():
    def fn(x):
        return network(W, x)

    np.testing.assert_allclose(penalty.jacobian(fn, KEY, X, num_probes=3000), 0.5 * exact_squares().mean(), rtol=0.05)
    same = jnp.broadcast_to(X[:1], (3000, 4))
    np.testing.assert_allclose(penalty.jacobian(fn, KEY, same), 0.5 * exact_squares(X[:1]).mean(), rtol=0.05)


def test_one_probe_is_exact_for_one_output():
    def fn(x):
        return network(W, x)[:, 0]

    np.testing.assert_allclose(penalty.jacobian(fn, KEY, X), penalty.jacobian(fn, None, X), rtol=1e-6)


def test_the_jacobian_of_no_examples_is_zero():
    def fn(x):
        return network(W, x)

    assert penalty.jacobian(fn, KEY, X[:0]) == 0
    assert penalty.jacobian(fn, None, X[:0]) == 0
    assert penalty.input_gradient(lambda x: x[:, 0], X[:0]) == 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_slopes_in_16_bits_are_squared_in_float32(dtype):
    x, w = jnp.zeros((2, 1000), dtype), jnp.full((1000, 1), 300.0, dtype)
    for value in (
        penalty.input_gradient(lambda x: (x @ w)[:, 0], x),
        penalty.jacobian(lambda x: x @ w, None, x),
        penalty.jacobian(lambda x: x @ w, KEY, x),
    ):
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, 4.5e7, rtol=1e-5)


@pytest.mark.parametrize("count", [0, -2])
def test_the_number_of_probes_is_checked(count):
    with pytest.raises(ValueError, match=f"jacobian: num_probes must be at least .*; got {count}"):
        penalty.jacobian(lambda x: x, KEY, X, num_probes=count)


def test_a_function_that_reduces_over_the_batch_is_refused():
    with pytest.raises(ValueError, match=r"input_gradient: fn must return one row per example.*got shape \(\)"):
        penalty.input_gradient(jnp.sum, X)
    with pytest.raises(ValueError, match=r"input_gradient: fn must return one number per example; got shape \(6, 3\)"):
        penalty.input_gradient(lambda x: x @ W, X)
    with pytest.raises(
        ValueError, match=r"jacobian: fn must return one row per example.*\(4,\) for x of shape \(6, 4\)"
    ):
        penalty.jacobian(lambda x: jnp.sum(x, axis=0), None, X)
    with pytest.raises(TypeError, match="jacobian: what fn returns must be an array; got tuple"):
        penalty.jacobian(lambda x: (x,), None, X)
    with pytest.raises(TypeError, match="jacobian: x must be an array of floats; got dtype int32"):
        penalty.jacobian(lambda x: x, None, jnp.arange(3))
    with pytest.raises(TypeError, match="jacobian: key must be a PRNG key"):
        penalty.jacobian(lambda x: x, 0, X)


def differences(images):
    """The formula in the documentation of tf.image.total_variation, one sum per image."""
    images = images.astype(np.float64)
    down, right = np.abs(images[:, 1:] - images[:, :-1]), np.abs(images[:, :, 1:] - images[:, :, :-1])
    return down.sum(axis=(1, 2, 3)) + right.sum(axis=(1, 2, 3))


def test_total_variation_is_tensorflow_s_averaged_over_the_batch():
    np.testing.assert_allclose(penalty.total_variation(IMAGES), differences(IMAGES).mean(), rtol=1e-6)
    np.testing.assert_allclose(
        jax.jit(penalty.total_variation)(np.concatenate([IMAGES] * 4)), differences(IMAGES).mean(), rtol=1e-6
    )


def test_channels_first_and_single_images_name_their_axes():
    expected = differences(IMAGES)
    first = np.moveaxis(IMAGES, -1, 1)
    np.testing.assert_allclose(penalty.total_variation(first, spatial_axes=(2, 3)), expected.mean(), rtol=1e-6)

    def single(image):
        return penalty.total_variation(image, spatial_axes=(0, -2))

    np.testing.assert_allclose(jax.vmap(single)(jnp.asarray(IMAGES)), expected, rtol=1e-6)


def test_signals_and_volumes_have_one_and_three_axes_of_space():
    signal = IMAGES[:, :, 0]
    expected = np.abs(np.diff(signal, axis=1)).sum() / 3
    np.testing.assert_allclose(penalty.total_variation(signal), expected, rtol=1e-6)
    volume = IMAGES[..., None]
    expected = sum(np.abs(np.diff(volume, axis=axis)).sum() for axis in (1, 2, 3)) / 3
    np.testing.assert_allclose(penalty.total_variation(volume), expected, rtol=1e-6)


@pytest.mark.thorough
def test_the_gradient_of_total_variation_is_zero_at_ties():
    np.testing.assert_array_equal(jax.grad(penalty.total_variation)(jnp.ones((2, 4, 4, 1))), jnp.zeros((2, 4, 4, 1)))
    step = jnp.array([0.0, 0.0, 1.0, 1.0])[None, :, None]
    np.testing.assert_array_equal(jax.grad(penalty.total_variation)(step)[0, :, 0], [0.0, -1.0, 1.0, 0.0])
    with jax.enable_x64(True):
        check_grads(penalty.total_variation, (jnp.asarray(IMAGES, jnp.float64),), order=1, eps=1e-6, rtol=1e-5)


def test_total_variation_of_nothing_is_zero_and_16_bits_and_complex_numbers_are_summed_by_modulus():
    for shape in ((0, 4, 4, 1), (2, 0, 4, 1), (2, 1, 1, 1)):
        assert penalty.total_variation(jnp.zeros(shape)) == 0
    ramp = jnp.asarray(np.arange(20_000) % 2, jnp.bfloat16)[None, :, None]
    np.testing.assert_allclose(penalty.total_variation(ramp), 19_999.0, rtol=1e-6)
    turned = IMAGES * np.exp(np.complex64(0.7j))
    np.testing.assert_allclose(penalty.total_variation(turned), differences(IMAGES).mean(), rtol=1e-5)


def test_total_variation_needs_space():
    with pytest.raises(ValueError, match=r"total_variation: x must be \(batch, \*space, channels\)"):
        penalty.total_variation(X)
    with pytest.raises(ValueError, match="total_variation: spatial_axes must name axes of a 2-dim"):
        penalty.total_variation(X, spatial_axes=2)
