"""Penalties on activations: per-example sums, averaged over the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jreg import penalty

X = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
CLOSED_FORMS = {
    "activity_l1": (penalty.activity_l1, lambda x: np.abs(x).sum() / len(x)),
    "activity_l2": (penalty.activity_l2, lambda x: 0.5 * (np.abs(x) ** 2).sum() / len(x)),
}
every_activity = pytest.mark.parametrize(("measure", "closed_form"), CLOSED_FORMS.values(), ids=CLOSED_FORMS)


@every_activity
def test_it_is_the_mean_over_the_batch_of_the_sum_over_an_example(measure, closed_form):
    np.testing.assert_allclose(measure(jnp.asarray(X)), closed_form(X.astype(np.float64)), rtol=1e-6)
    turned = X * np.exp(np.complex64(0.7j))
    np.testing.assert_allclose(measure(turned), closed_form(X.astype(np.float64)), rtol=1e-5)


@every_activity
def test_the_size_of_the_batch_does_not_matter(measure, closed_form):
    np.testing.assert_allclose(measure(np.concatenate([X] * 7)), measure(X), rtol=1e-6)
    np.testing.assert_allclose(np.mean([measure(x[None]) for x in X]), measure(X), rtol=1e-6)


@pytest.mark.sampled(2)
@every_activity
def test_the_gradient_is_right_and_zero_at_zero(measure, closed_form):
    zeros = jnp.array([[0.0, -0.0], [2.0, 0.0]])
    gradient = jax.grad(measure)(zeros)
    np.testing.assert_array_equal(gradient.at[1, 0].set(0.0), jnp.zeros((2, 2)))
    assert gradient[1, 0] > 0
    with jax.enable_x64(True):
        check_grads(measure, (jnp.asarray(X, jnp.float64),), order=2, eps=1e-4)


@every_activity
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_activations_are_summed_in_float32(measure, closed_form, dtype):
    x = jnp.full((2, 50_000), 1e-2, dtype)
    value, gradient = jax.value_and_grad(measure)(x)
    np.testing.assert_allclose(value, closed_form(np.asarray(x, np.float64)), rtol=1e-5)
    assert (value.dtype, gradient.dtype) == (jnp.float32, x.dtype)
    assert jnp.isfinite(measure(jnp.full((2, 1000), 300.0, dtype)))


@every_activity
def test_batches_without_elements_give_zero(measure, closed_form):
    assert measure(jnp.zeros((0, 3))) == 0
    assert measure(jnp.zeros((3, 0))) == 0


@every_activity
def test_jit_and_vmap_change_nothing(measure, closed_form):
    mapped = jax.jit(jax.vmap(measure))(X)
    np.testing.assert_allclose(mapped, [measure(x) for x in X], rtol=1e-6)


@every_activity
def test_what_has_no_batch_or_no_floats_raises(measure, closed_form):
    with pytest.raises(ValueError, match=r"activity_l\d: x must have a batch axis; got shape \(\)"):
        measure(jnp.float32(1.0))
    with pytest.raises(TypeError, match=r"activity_l\d: x must be an array of floats; got dtype int32"):
        measure(jnp.arange(3))
    with pytest.raises(TypeError, match=r"activity_l\d: x must be an array; got str"):
        measure("text")
