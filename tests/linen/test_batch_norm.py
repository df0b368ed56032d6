"""BatchNorm beside flax's own: outputs, collections, masks, dtypes, axes, and where it differs on purpose."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jreg import linen, norm

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, (4, 3, 2)), jnp.float32)


def trained(make, x, mask=None, **options):
    """Output of init, output of training twice, of evaluation, and the variables after it."""
    layer = make(**options)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        first, variables = layer.init_with_output(KEY, x, use_running_average=False, mask=mask)
        outputs = [first]
        for scale in (1.0, 2.0):
            y, updated = layer.apply(
                variables, scale * x, use_running_average=False, mask=mask, mutable=["batch_stats"]
            )
            variables = {**variables, **updated}
            outputs.append(y)
        return [*outputs, layer.apply(variables, x, use_running_average=True)], variables


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({"momentum": 0.9, "use_bias": False}, "float32"),
        ({"axis": (1, 2), "epsilon": 1e-3}, "float32"),
        ({"axis": 0, "use_scale": False, "use_fast_variance": False}, "float32"),
        ({"param_dtype": jnp.float16, "dtype": jnp.float16}, "float32"),
        ({}, "bfloat16"),
        ({"dtype": jnp.complex64, "momentum": 0.9}, "complex64"),
    ],
)
def test_flax_agrees_over_init_training_and_evaluation(options, dtype):
    x = jax.lax.complex(X, X[::-1]) if dtype == "complex64" else X.astype(dtype)
    mine, theirs = (trained(make, x, **options) for make in (linen.BatchNorm, nn.BatchNorm))
    assert jax.tree.structure(mine) == jax.tree.structure(theirs)
    tolerance = 2e-2 if jnp.dtype(options.get("dtype", "float32")).itemsize == 2 else 1e-4
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(*(np.asarray(leaf, np.complex64) for leaf in (a, b)), rtol=tolerance, atol=tolerance)


def test_flax_agrees_about_masks():
    for mask in (np.arange(4)[:, None, None] < 3, np.array([True, False])):
        mine, theirs = (trained(make, X, mask) for make in (linen.BatchNorm, nn.BatchNorm))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), mine, theirs)


def test_the_mode_is_given_once_as_in_flax():
    with pytest.raises(ValueError, match="use_running_average"):
        linen.BatchNorm().init(KEY, X)
    with pytest.raises(ValueError, match="use_running_average"):
        linen.BatchNorm(use_running_average=True).init(KEY, X, use_running_average=False)


def test_init_needs_no_named_axis():
    layer = linen.BatchNorm(use_running_average=False, axis_name="shards", ghost_size=2)
    variables = layer.init(KEY, jnp.ones((1, 2)))
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], jnp.zeros(2))
    x = X.reshape(2, 6, 2)
    sync = jax.vmap(lambda x: layer.apply(variables, x, mutable=["batch_stats"]), axis_name="shards")
    y, updated = jax.jit(sync)(x)
    expected, stats = norm.batch_norm(*norm.init_batch_norm(2), x.reshape(12, 2), ghost_size=2)
    np.testing.assert_allclose(y.reshape(12, 2), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(updated["batch_stats"]["var"][0], stats.variance, rtol=1e-5)


def assert_flax_agrees(x, *, variables=None, mask=None, atol=1e-4, **options):
    """In the outputs of training and evaluation, and in values, shapes and dtypes of the statistics."""
    found = []
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for make in (linen.BatchNorm, nn.BatchNorm):
            layer = make(momentum=0.9, **options)
            start = variables or layer.init(KEY, x, use_running_average=False)
            evaluated = layer.apply(start, x, use_running_average=True)
            trained = None
            if x.size:
                trained = layer.apply(start, x, use_running_average=False, mask=mask, mutable=["batch_stats"])
            found.append((evaluated, trained))
    assert jax.tree.structure(found[0]) == jax.tree.structure(found[1])
    for a, b in zip(*map(jax.tree.leaves, found), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(np.asarray(a, np.float64), np.asarray(b, np.float64), rtol=1e-2, atol=atol)


@pytest.mark.parametrize("shape", [(1, 2), (2,), (0, 2), (0, 3, 2)])
def test_one_value_per_feature_or_none_is_taken_as_in_flax(shape):
    assert_flax_agrees(jnp.full(shape, 3.0))


def test_an_empty_batch_is_refused_in_training():
    layer = linen.BatchNorm(use_running_average=False)
    variables = layer.init(KEY, jnp.ones((0, 2)))
    with pytest.raises(ValueError, match="batch_norm: x must have one value or more per feature in training"):
        layer.apply(variables, jnp.ones((0, 2)), mutable=["batch_stats"])


@pytest.mark.parametrize("valid", [0, 1])
def test_a_mask_that_leaves_one_row_or_none_is_taken_as_in_flax(valid):
    assert_flax_agrees(X[:, 0], mask=np.arange(4)[:, None] < valid)


def test_a_stored_variance_a_rounding_below_zero_is_taken_as_in_flax():
    variables = nn.BatchNorm().init(KEY, X, use_running_average=False)
    for variance in (-1e-9, -1.0):
        stats = {"mean": jnp.zeros(2), "var": jnp.full(2, variance)}
        assert_flax_agrees(X, variables={**variables, "batch_stats": stats})


@pytest.mark.parametrize("epsilon", [np.float32(1e-5), jnp.float32(1e-5), 1, 0.0])
def test_epsilon_is_taken_as_in_flax(epsilon):
    assert_flax_agrees(X, epsilon=epsilon)


def test_epsilon_may_be_traced_and_is_checked():
    variables = linen.BatchNorm().init(KEY, X, use_running_average=True)

    def apply(epsilon):
        return linen.BatchNorm(epsilon=epsilon).apply(variables, X, use_running_average=True)

    np.testing.assert_allclose(jax.jit(apply)(1e-3), apply(1e-3), rtol=1e-6)
    with pytest.raises(ValueError, match="batch_norm_inference: eps must be finite and at least 0; got -1"):
        apply(-1.0)


@pytest.mark.parametrize("axis", [(1, 1), (1, -1), [1], ()])
def test_axes_are_named_as_in_flax(axis):
    assert_flax_agrees(X[:, 0], axis=axis)


def test_an_axis_out_of_range_raises():
    for axis in (2, -3, (0, 5)):
        with pytest.raises(ValueError, match="BatchNorm: axis must name axes of a 2-dimensional array; got"):
            linen.BatchNorm(axis=axis).init(KEY, X[:, 0], use_running_average=True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"dtype": jnp.float32}, {"param_dtype": jnp.float16}])
def test_statistics_have_the_dtype_of_flax_in_x64_mode(dtype, options):
    with jax.enable_x64(True):
        assert_flax_agrees(X.astype(dtype), **options)


def test_narrow_statistics_that_were_asked_for_stay_narrow_as_in_flax():
    options = {"force_float32_reductions": False, "param_dtype": jnp.bfloat16}
    assert_flax_agrees(X.astype(jnp.bfloat16), atol=1e-2, **options)


@pytest.mark.parametrize("decay", [0.999, 0.99])
def test_variables_that_were_cast_to_16_bits_move_as_in_flax(decay):
    x = jnp.asarray(np.random.default_rng(0).normal(5.0, 2.0, (64, 2)), jnp.bfloat16)
    variables = nn.BatchNorm().init(KEY, X, use_running_average=False)
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    found = []
    for make in (linen.BatchNorm, nn.BatchNorm):
        layer = make(momentum=decay, use_running_average=False)

        def step(stats, layer=layer):
            given = {"params": variables["params"], "batch_stats": stats}
            return layer.apply(given, x, mutable=["batch_stats"])[1]["batch_stats"]

        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            start = step(variables["batch_stats"])
            many = jax.jit(lambda start, step=step: jax.lax.fori_loop(0, 3999, lambda _, stats: step(stats), start))
            found.append(many(start))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3), *found)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype(jnp.float32)}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
@pytest.mark.parametrize("spec", [("a", None, None), (None, "b", None), (None, None, "b")])
def test_meshes_with_explicit_axes_shard_any_axis(axis, spec):
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(AxisType.Explicit,) * 2)
    x = jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, (4, 2, 6)), jnp.float32)
    layer = linen.BatchNorm(axis=axis)
    expected = layer.init_with_output(KEY, x, use_running_average=False)
    with jax.set_mesh(mesh):
        placed = jax.device_put(x, NamedSharding(mesh, PartitionSpec(*spec)))
        variables = layer.init(KEY, placed, use_running_average=False)
        y, updated = layer.apply(variables, placed, use_running_average=False, mutable=["batch_stats"])
        evaluated = layer.apply(variables, placed, use_running_average=True)
    assert jax.typeof(y).sharding.spec == jax.typeof(evaluated).sharding.spec == PartitionSpec(*spec)
    assert jax.tree.map(jax.typeof, updated["batch_stats"]) == jax.tree.map(jax.typeof, variables["batch_stats"])
    np.testing.assert_allclose(y, expected[0], rtol=1e-4, atol=1e-5)


def test_one_layer_may_be_called_twice():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x):
            layer = linen.BatchNorm(use_running_average=False)
            x = layer(x)
            return x, layer(x)

    (first, second), variables = Twice().init_with_output(KEY, X)
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)
    assert set(variables["params"]) == {"BatchNorm_0"}


def test_a_large_mean_does_not_cancel_the_variance():  # flax#1491
    x = jnp.asarray(1e4 + np.random.default_rng(0).normal(size=(4096, 3)), jnp.float32)
    y, _ = linen.BatchNorm(use_running_average=False).init_with_output(KEY, x)
    np.testing.assert_allclose(np.std(y, 0), 1.0, rtol=1e-2)
