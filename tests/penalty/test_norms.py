"""L1, L2 and the elastic net: closed forms, ratios, gradients that are exactly sign and weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import penalty

from .table import kernel_values, tree


def test_l1_is_the_sum_of_absolute_values_of_the_kernels():
    np.testing.assert_allclose(penalty.l1(tree()), np.abs(kernel_values(tree())).sum(), rtol=1e-6)


def test_l2_is_half_the_sum_of_squares_of_the_kernels():
    np.testing.assert_allclose(penalty.l2(tree()), 0.5 * (kernel_values(tree()) ** 2).sum(), rtol=1e-6)


def test_elastic_net_blends_as_scikit_learn_does():
    w = kernel_values(tree())
    expected = 0.3 * np.abs(w).sum() + 0.7 * 0.5 * (w**2).sum()
    np.testing.assert_allclose(penalty.elastic_net(tree(), 0.3), expected, rtol=1e-6)


def test_the_ends_of_elastic_net_are_l1_and_l2():
    for ratio in (1, 1.0, jnp.float32(1.0)):
        np.testing.assert_allclose(penalty.elastic_net(tree(), ratio), penalty.l1(tree()), rtol=1e-6)
    np.testing.assert_allclose(penalty.elastic_net(tree(), 0.0), penalty.l2(tree()), rtol=1e-6)


def test_none_takes_the_biases_too():
    bias = np.asarray(tree()["body"]["bias"])
    np.testing.assert_allclose(penalty.l1(tree(), mask=None) - penalty.l1(tree()), np.abs(bias).sum(), rtol=1e-5)


def test_the_gradients_are_sign_and_weight():
    w = tree()["body"]["kernel"]
    np.testing.assert_array_equal(jax.grad(penalty.l1)(w), jnp.sign(w))
    np.testing.assert_array_equal(jax.grad(penalty.l2)(w), w)


def test_second_derivatives_are_zero_and_one():
    w = jnp.array([0.0, -3.0, 2.0])
    np.testing.assert_array_equal(jax.jit(jax.hessian(penalty.l1))(w), jnp.zeros((3, 3)))
    np.testing.assert_array_equal(jax.jit(jax.hessian(penalty.l2))(w), jnp.eye(3))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sums_of_small_16_bit_terms_are_exact_to_float32(dtype):  # maxtext#5143
    w = jnp.full(100_000, 1e-2, dtype)
    value = float(w[0])
    np.testing.assert_allclose(penalty.l1(w), 1e5 * value, rtol=1e-5)
    np.testing.assert_allclose(penalty.l2(w), 0.5e5 * value**2, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(penalty.l2)(w), 0.5e5 * value**2, rtol=1e-5)


def test_squares_too_large_for_float16_do_not_overflow():
    np.testing.assert_allclose(penalty.l2(jnp.full(1000, 300.0, jnp.float16)), 4.5e7, rtol=1e-6)


def test_complex_weights_count_by_their_modulus():
    w = jnp.array([3.0 + 4.0j, 0.0j])
    assert float(penalty.l1(w)) == 5.0
    assert float(penalty.l2(w)) == 12.5
    # JAX's gradient of a real function of complex numbers is the conjugate of the direction of ascent.
    np.testing.assert_allclose(jnp.conj(jax.grad(penalty.l1)(w)), [0.6 + 0.8j, 0.0], rtol=1e-6)
    np.testing.assert_allclose(jnp.conj(jax.grad(penalty.l2)(w)), w, rtol=1e-6)


@pytest.mark.parametrize("ratio", [-0.1, 1.5, float("nan")])
def test_a_bad_ratio_raises_when_concrete_and_gives_nan_when_traced(ratio):
    with pytest.raises(ValueError, match=r"elastic_net: l1_ratio must be in \[0, 1\]; got"):
        penalty.elastic_net(tree(), ratio)
    assert jnp.isnan(jax.jit(penalty.elastic_net)(tree(), ratio))


@pytest.mark.parametrize("ratio", [None, "0.5", True, 1j])
def test_a_ratio_that_is_no_number_raises(ratio):
    with pytest.raises(TypeError, match="elastic_net: l1_ratio must be a real number"):
        penalty.elastic_net(tree(), ratio)


def test_ratios_are_traced_mapped_and_differentiated():
    traces = 0

    @jax.jit
    def measure(ratio):
        nonlocal traces
        traces += 1
        return penalty.elastic_net(tree(), ratio)

    ratios = jnp.array([0.0, 0.3, 1.0])
    values = jnp.stack([measure(ratio) for ratio in ratios])
    assert traces == 1
    np.testing.assert_allclose(jax.vmap(measure)(ratios), values, rtol=1e-6)
    slope = jax.grad(measure)(0.3)
    np.testing.assert_allclose(slope, penalty.l1(tree()) - penalty.l2(tree()), rtol=1e-5)
