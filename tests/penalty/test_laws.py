"""What holds for every penalty on weights: gradients at zero, sums in 16 bits, complex numbers, trees of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jreg import optim, penalty

from .table import PENALTIES, SMOOTH, every_elementwise, every_penalty, tree

pytestmark = pytest.mark.sampled(3)


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_gradient_at_zero_is_zero(measure, dtype):  # jax#37820, jax#3058, mlpack#3545
    w = jnp.array([[0.0, -0.0], [2.0, 0.0]], dtype)
    gradient = jax.grad(measure)(w)
    np.testing.assert_array_equal(gradient.at[1, 0].set(0.0), jnp.zeros_like(w))
    assert gradient[1, 0] > 0
    np.testing.assert_allclose(jax.jit(jax.grad(measure))(w), gradient, rtol=1e-2)


@every_penalty
def test_all_zeros_are_a_stationary_point_for_derivatives_of_every_kind(measure):
    zeros = jnp.array([[0.0, -0.0], [0.0, 0.0], [-0.0, 0.0]])
    np.testing.assert_array_equal(jax.grad(measure)(zeros), jnp.zeros((3, 2)))
    value, tangent = jax.jvp(measure, (zeros,), (jnp.ones((3, 2)),))
    assert jnp.isfinite(value)
    assert tangent == 0
    assert jnp.isfinite(jax.jit(jax.hessian(measure))(zeros)).all()


@every_penalty
def test_gradients_are_the_limits_of_differences(measure):
    order = 2 if measure in [PENALTIES[name] for name in SMOOTH] else 1
    with jax.enable_x64(True):
        w = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)))
        check_grads(jax.jit(measure), (w,), order=order, eps=1e-5, rtol=1e-5, atol=1e-5)


@every_penalty
def test_gradients_of_what_is_not_selected_are_zero(measure):
    gradient = jax.grad(measure)(tree())
    np.testing.assert_array_equal(gradient["body"]["bias"], jnp.zeros(3))
    assert (gradient["body"]["kernel"] != 0).all()
    assert gradient["head"][1] is None


@every_penalty
def test_leaves_are_selected_by_a_function_a_tree_or_a_pattern_of_their_path(measure):
    expected = measure(tree()["head"][0])
    for mask in (
        {"body": False, "head": True},
        {"body": {"kernel": False, "bias": False}, "head": [True, None]},
        optim.matching("head/0"),
        lambda params: {"body": False, "head": [params["head"][0].ndim == 2, None]},
    ):
        assert measure(tree(), mask=mask) == expected
    with_body = expected + measure(tree()["body"]["kernel"])
    np.testing.assert_allclose(measure(tree()), with_body, rtol=1e-6)


@every_penalty
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_weights_are_summed_in_float32(measure, dtype):  # maxtext#5143
    w = jnp.full((2000, 3), 1e-2, dtype) + jnp.eye(2000, 3, dtype=dtype)
    np.testing.assert_allclose(measure(w), measure(w.astype(jnp.float32)), rtol=1e-6)


@every_penalty
def test_squares_too_large_for_float16_do_not_overflow(measure):
    value, gradient = jax.value_and_grad(measure)(jnp.full((1000, 2), 300.0, jnp.float16))
    assert jnp.isfinite(value)
    assert value > 0
    if measure is not PENALTIES["orthogonality"]:  # its gradient, 2e11, is no float16
        assert jnp.isfinite(gradient).all()


@every_penalty
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_value_is_float32_and_gradients_keep_their_dtype(measure, dtype):
    value, gradient = jax.value_and_grad(measure)(tree(dtype))
    assert (value.shape, value.dtype) == ((), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype(dtype)}


@every_penalty
def test_mixed_dtypes_add_up_in_the_widest(measure):
    narrow, wide = jnp.full((2, 2), 2.0, jnp.bfloat16), jnp.full((2, 2), 2.0, jnp.float32)
    assert measure([narrow, wide]).dtype == jnp.float32
    with jax.enable_x64(True):
        single, double = jnp.full((2, 2), 2.0, jnp.float32), jnp.full((2, 2), 2.0, jnp.float64)
        value = measure([single, double * (1.0 + 1e-12)])
        assert value.dtype == jnp.float64
        assert value > measure([single, double])
        assert measure(single).dtype == jnp.float32


@every_penalty
def test_complex_weights_count_by_their_modulus(measure):
    w = tree()["body"]["kernel"]
    phase = np.exp(np.complex64(0.7j))
    value, gradient = jax.value_and_grad(measure)(jnp.asarray(np.asarray(w) * phase))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, measure(w), rtol=1e-5)
    # JAX's gradient of a real function of complex numbers is the conjugate of the direction of ascent.
    expected = np.asarray(jax.grad(measure)(w)) * phase
    np.testing.assert_allclose(jnp.conj(gradient), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(jax.grad(measure)(jnp.zeros((2, 2), jnp.complex64)), jnp.zeros((2, 2)))


@every_penalty
@pytest.mark.parametrize("empty", [{}, [], None, {"a": None}, jnp.zeros((0, 3)), jnp.zeros((3, 0))])
def test_empty_trees_give_zero(measure, empty):
    assert float(measure(empty)) == 0.0


@every_penalty
def test_arrays_without_elements_give_zero(measure):
    assert float(measure({"a": jnp.zeros((0, 3))}, mask=None)) == 0.0


@every_penalty
def test_none_leaves_are_skipped(measure):
    with_none, without = {"a": jnp.ones((2, 2)), "b": None}, {"a": jnp.ones((2, 2))}
    assert measure(with_none) == measure(without)


@every_penalty
def test_integers_and_bools_are_not_penalized(measure):
    w = {"w": jnp.full((2, 2), 3.0)}
    rest = {"steps": jnp.full((2, 2), 7), "mask": jnp.ones((2, 2), bool), "n": 5, "flag": True}
    assert measure({**w, **rest}, mask=None) == measure(w, mask=None)


@every_penalty
@pytest.mark.parametrize("leaf", ["x", jnp.sin, jax.random.key(0), object()], ids=["text", "function", "key", "object"])
def test_leaves_that_are_no_arrays_are_named(measure, leaf):
    with pytest.raises(TypeError, match="at layer/1 it has"):
        measure({"layer": [jnp.ones((2, 2)), leaf]})


@every_elementwise
def test_python_and_numpy_floats_are_leaves(measure):
    expected = measure(jnp.array(-1.5))
    assert expected > 0
    assert measure({"a": -1.5}, mask=None) == expected
    assert measure({"a": np.float32(-1.5)}, mask=None) == expected
    assert measure({"a": np.array([[-1.5]], np.float32)}, mask=None) == expected


@every_penalty
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_what_is_not_finite_stays_visible(measure, bad):
    assert not jnp.isfinite(measure(jnp.array([[1.0, bad], [2.0, 0.5]])))


@every_penalty
def test_mask_selecting_nothing_raises(measure):
    with pytest.raises(ValueError, match="mask must select at least one leaf"):
        measure({"bias": jnp.ones(3)})
    with pytest.raises(ValueError, match="mask must select at least one leaf"):
        measure(tree(), mask=False)


@every_penalty
def test_models_can_be_mapped_over_and_strengths_traced(measure):
    stacked = jax.random.normal(jax.random.key(1), (3, 4, 3))
    mapped = jax.jit(jax.vmap(lambda s, w: s * measure({"kernel": w})))(jnp.arange(3.0), stacked)
    np.testing.assert_allclose(mapped, [s * measure({"kernel": w}) for s, w in enumerate(stacked)], rtol=1e-5)


@pytest.mark.parametrize("measure", [penalty.orthogonality, penalty.spectral])
def test_vectors_are_no_kernels(measure):
    with pytest.raises(ValueError, match=r"must hold kernels of 2 axes or more; at a/0 it has shape \(3,\)"):
        measure({"a": [jnp.ones(3)]}, mask=None)
    with pytest.raises(ValueError, match=r"at its root it has shape \(3,\)"):
        measure(jnp.ones(3))
