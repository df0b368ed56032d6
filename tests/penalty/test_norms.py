"""Penalties on weights: closed forms, gradients at zero, sums in 16 bits, trees of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import penalty

PENALTIES = {
    "l1": penalty.l1,
    "l2": penalty.l2,
    "elastic_net": lambda tree, **options: penalty.elastic_net(tree, 0.3, **options),
}
every_penalty = pytest.mark.parametrize("measure", PENALTIES.values(), ids=PENALTIES)


def tree(dtype=jnp.float32):
    rng = np.random.default_rng(0)
    kernel, bias, head = (jnp.asarray(rng.normal(size=shape), dtype) for shape in [(4, 3), (3,), (3, 2)])
    return {"body": {"kernel": kernel, "bias": bias}, "head": [head, None]}


def kernel_values(params) -> np.ndarray:
    return np.concatenate([np.ravel(params["body"]["kernel"]), np.ravel(params["head"][0])]).astype(np.float64)


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
    np.testing.assert_allclose(penalty.l1(tree(), where=None) - penalty.l1(tree()), np.abs(bias).sum(), rtol=1e-5)


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_gradient_at_zero_is_zero(measure, dtype):  # jax#37820, jax#3058, mlpack#3545
    w = jnp.array([0.0, -0.0, 2.0], dtype)
    gradient = jax.grad(measure)(w)
    np.testing.assert_array_equal(gradient[:2], jnp.zeros(2, dtype))
    assert gradient[2] > 0
    np.testing.assert_array_equal(jax.jit(jax.grad(measure))(w), gradient)


def test_the_gradients_are_sign_and_weight():
    w = tree()["body"]["kernel"]
    np.testing.assert_array_equal(jax.grad(penalty.l1)(w), jnp.sign(w))
    np.testing.assert_array_equal(jax.grad(penalty.l2)(w), w)


@every_penalty
def test_gradients_of_what_is_not_selected_are_zero(measure):
    gradient = jax.grad(measure)(tree())
    np.testing.assert_array_equal(gradient["body"]["bias"], jnp.zeros(3))
    assert (gradient["body"]["kernel"] != 0).all()
    assert gradient["head"][1] is None


@every_penalty
def test_forward_mode_and_second_derivatives_work(measure):
    w = jnp.array([0.0, -3.0, 2.0])
    _, tangent = jax.jvp(jax.jit(measure), (w,), (w,))
    np.testing.assert_allclose(tangent, jax.grad(measure)(w) @ w, rtol=1e-6)
    curvature = {"l1": 0.0, "l2": 1.0}
    for name, value in curvature.items():
        np.testing.assert_array_equal(jax.jit(jax.hessian(PENALTIES[name]))(w), value * jnp.eye(3))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sums_of_small_16_bit_terms_are_exact_to_float32(dtype):  # maxtext#5143
    w = jnp.full(100_000, 1e-2, dtype)
    value = float(w[0])
    np.testing.assert_allclose(penalty.l1(w), 1e5 * value, rtol=1e-5)
    np.testing.assert_allclose(penalty.l2(w), 0.5e5 * value**2, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(penalty.l2)(w), 0.5e5 * value**2, rtol=1e-5)


def test_squares_too_large_for_float16_do_not_overflow():
    np.testing.assert_allclose(penalty.l2(jnp.full(1000, 300.0, jnp.float16)), 4.5e7, rtol=1e-6)


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_value_is_float32_and_gradients_keep_their_dtype(measure, dtype):
    value, gradient = jax.value_and_grad(measure)(tree(dtype))
    assert (value.shape, value.dtype) == ((), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype(dtype)}


@every_penalty
def test_mixed_dtypes_add_up_in_the_widest(measure):
    narrow, wide = jnp.ones(4, jnp.bfloat16), jnp.ones(4, jnp.float32)
    assert measure([narrow, wide], where=None).dtype == jnp.float32
    with jax.enable_x64(True):
        single, double = jnp.ones(4, jnp.float32), jnp.ones(4, jnp.float64)
        value = measure([single, double * (1.0 + 1e-12)], where=None)
        assert value.dtype == jnp.float64
        assert value > measure([single, double], where=None)
        assert measure(single).dtype == jnp.float32


def test_complex_weights_count_by_their_modulus():
    w = jnp.array([3.0 + 4.0j, 0.0j])
    assert float(penalty.l1(w)) == 5.0
    assert float(penalty.l2(w)) == 12.5
    assert penalty.l1(w).dtype == jnp.float32
    # JAX's gradient of a real function of complex numbers is the conjugate of the direction of ascent.
    np.testing.assert_allclose(jnp.conj(jax.grad(penalty.l1)(w)), [0.6 + 0.8j, 0.0], rtol=1e-6)
    np.testing.assert_allclose(jnp.conj(jax.grad(penalty.l2)(w)), w, rtol=1e-6)


@every_penalty
@pytest.mark.parametrize("empty", [{}, [], None, {"a": None}, jnp.zeros(0), jnp.zeros((0, 3))])
def test_empty_trees_give_zero(measure, empty):
    assert float(measure(empty)) == 0.0


@every_penalty
def test_arrays_without_elements_give_zero(measure):
    assert float(measure({"a": jnp.zeros((0, 3))}, where=None)) == 0.0


@every_penalty
def test_none_leaves_are_skipped(measure):
    with_none, without = {"a": jnp.ones((2, 2)), "b": None}, {"a": jnp.ones((2, 2))}
    assert measure(with_none) == measure(without)


@every_penalty
def test_integers_and_bools_are_not_penalized(measure):
    w = {"w": jnp.full((2, 2), 3.0)}
    rest = {"steps": jnp.full((2, 2), 7), "mask": jnp.ones((2, 2), bool), "n": 5, "flag": True}
    assert measure({**w, **rest}, where=None) == measure(w, where=None)


@every_penalty
@pytest.mark.parametrize("leaf", ["x", jnp.sin, jax.random.key(0), object()], ids=["text", "function", "key", "object"])
def test_leaves_that_are_no_arrays_are_named(measure, leaf):
    with pytest.raises(TypeError, match="at layer/1 it has"):
        measure({"layer": [jnp.ones((2, 2)), leaf]})


@every_penalty
def test_python_and_numpy_floats_are_leaves(measure):
    expected = measure(jnp.array(-1.5))
    assert measure({"a": -1.5}, where=None) == expected
    assert measure({"a": np.float32(-1.5)}, where=None) == expected
    assert measure({"a": np.array([[-1.5]], np.float32)}, where=None) == expected


@every_penalty
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_what_is_not_finite_stays_visible(measure, bad):
    assert not jnp.isfinite(measure(jnp.array([1.0, bad])))


@every_penalty
def test_where_selecting_nothing_raises(measure):
    with pytest.raises(ValueError, match="where must select at least one leaf"):
        measure({"bias": jnp.ones(3)})
    with pytest.raises(ValueError, match="where must select at least one leaf"):
        measure(tree(), where=False)


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


@every_penalty
def test_models_can_be_mapped_over(measure):
    stacked = jax.random.normal(jax.random.key(1), (5, 4, 3))
    mapped = jax.vmap(lambda w: measure({"kernel": w}))(stacked)
    np.testing.assert_allclose(mapped, [measure({"kernel": w}) for w in stacked], rtol=1e-6)


@every_penalty
def test_strengths_are_traced(measure):
    gradient = jax.jit(jax.grad(lambda s: s * measure(tree())))(0.1)
    np.testing.assert_allclose(gradient, measure(tree()), rtol=1e-6)
