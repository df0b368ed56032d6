"""BatchNorm beside flax's own: outputs, variables, masks, dtypes, axes, and where it differs on purpose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as flax_nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jreg import nnx, norm

RNGS = flax_nnx.Rngs(0)
X = jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, (10, 5)), jnp.float32)


def both(*args, **options):
    return [make(*args, rngs=flax_nnx.Rngs(0), **options) for make in (nnx.BatchNorm, flax_nnx.BatchNorm)]


def assert_same_state(mine, theirs, rtol=1e-5):
    pairs = [flax_nnx.to_pure_dict(flax_nnx.state(layer)) for layer in (mine, theirs)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol), *pairs)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9, "epsilon": 1e-3, "use_bias": False},
        {"use_scale": False, "use_fast_variance": False, "dtype": jnp.float16, "param_dtype": jnp.float16},
    ],
)
def test_flax_agrees_over_training_and_evaluation(options):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        mine, theirs = both(5, **options)
        tolerance = {"rtol": 1e-2, "atol": 1e-2} if "dtype" in options else {"rtol": 1e-4, "atol": 1e-5}
        for x in (X, 2.0 * X):
            y, expected = mine(x), theirs(x)
            assert y.dtype == expected.dtype
            np.testing.assert_allclose(y, expected, **tolerance)
        assert_same_state(mine, theirs, rtol=1e-3)
        for layer in (mine, theirs):
            layer.eval()
        np.testing.assert_allclose(mine(X), theirs(X), **tolerance)
        assert_same_state(mine, theirs, rtol=1e-3)


@pytest.mark.parametrize(
    "mask", [np.arange(10)[:, None] < 6, np.array([True, False, True, False, True])], ids=["rows", "features"]
)
def test_flax_agrees_about_masks(mask):
    mine, theirs = both(5)
    with jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(mine(X, mask=mask), theirs(X, mask=mask), rtol=1e-4, atol=1e-5)
    assert_same_state(mine, theirs)


def test_the_features_may_be_on_another_axis():
    x = X.reshape(2, 5, 5)
    mine, theirs = both(5, axis=1)
    with jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(mine(x), theirs(x), rtol=1e-4, atol=1e-5)
    assert_same_state(mine, theirs)


def test_the_state_of_flax_loads():
    mine, theirs = both(5)
    theirs(X)
    flax_nnx.update(mine, flax_nnx.state(theirs))
    np.testing.assert_allclose(
        mine(X, use_running_average=True), theirs(X, use_running_average=True), rtol=1e-5, atol=1e-6
    )
    assert isinstance(mine, flax_nnx.BatchNorm)


def test_a_large_mean_does_not_cancel_the_variance():  # flax#1491
    x = jnp.asarray(1e4 + np.random.default_rng(0).normal(size=(4096, 5)), jnp.float32)
    mine, theirs = both(5)
    np.testing.assert_allclose(np.std(mine(x), 0), 1.0, rtol=1e-2)
    assert np.std(theirs(x)) > 10.0


def test_ghost_batches_are_those_of_the_function():
    layer = nnx.BatchNorm(5, ghost_size=2, momentum=0.9, rngs=RNGS)
    y, stats = norm.batch_norm(*norm.init_batch_norm(5), X, decay=0.9, ghost_size=2)
    np.testing.assert_allclose(layer(X), y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.mean[...], stats.mean, rtol=1e-6)
    np.testing.assert_allclose(layer.var[...], stats.variance, rtol=1e-6)


def test_the_mode_is_chosen_as_in_flax():
    layer = nnx.BatchNorm(5, use_running_average=None, rngs=RNGS)
    with pytest.raises(ValueError, match="No `use_running_average` argument was provided to BatchNorm"):
        layer(X)
    before = layer.mean[...]
    np.testing.assert_allclose(flax_nnx.view(layer, use_running_average=True)(X), X, rtol=1e-4)
    layer.eval()
    layer(X)
    np.testing.assert_array_equal(layer.mean[...], before)
    layer(X, use_running_average=False)
    assert not np.array_equal(layer.mean[...], before)


@pytest.mark.parametrize("mask", [None, np.arange(10)[:, None] < 1])
def test_one_value_per_feature_is_taken_as_in_flax(mask):
    x = X[:1] if mask is None else X
    mine, theirs = both(5)
    with jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(mine(x, mask=mask), theirs(x, mask=mask), rtol=1e-4, atol=1e-4)
    assert_same_state(mine, theirs)


def test_an_empty_batch_is_evaluated_and_refused_in_training():
    layer = nnx.BatchNorm(5, rngs=RNGS)
    assert layer(X[:0], use_running_average=True).shape == (0, 5)
    with pytest.raises(ValueError, match="batch_norm: x must have one value or more per feature in training"):
        layer(X[:0])


def test_a_model_is_tabulated_with_a_single_example():
    class Model(flax_nnx.Module):
        def __init__(self, rngs):
            self.norm, self.drop = nnx.BatchNorm(5, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return self.drop(self.norm(x))

    shown = flax_nnx.tabulate(Model(flax_nnx.Rngs(0)), jnp.ones((1, 5)))
    assert "BatchNorm" in shown
    assert "Dropout" in shown


def test_statistics_that_were_cast_to_16_bits_move_in_float32():
    layer = nnx.BatchNorm(5, momentum=0.999, rngs=RNGS)
    flax_nnx.update(layer, jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), flax_nnx.state(layer)))
    apply = flax_nnx.jit(lambda layer, x: layer(x))
    stats = norm.init_batch_norm(5)
    for _ in range(20):
        with jax.numpy_dtype_promotion("standard"):
            apply(layer, X.astype(jnp.bfloat16))
        stats = stats[0], norm.batch_norm(*stats, X.astype(jnp.bfloat16), decay=0.999)[1]
    assert layer.mean[...].dtype == layer.var[...].dtype == jnp.float32
    np.testing.assert_allclose(layer.mean[...], stats[1].mean, rtol=1e-4)
    np.testing.assert_allclose(layer.var[...], stats[1].variance, rtol=1e-4)


def test_the_statistics_stay_float32_in_x64_mode_as_in_flax():
    with jax.enable_x64(True):
        mine = nnx.BatchNorm(5, dtype=jnp.float64, rngs=RNGS)
        assert mine(X.astype(jnp.float64)).dtype == jnp.float64
        assert mine.mean[...].dtype == mine.var[...].dtype == jnp.float32


@pytest.mark.parametrize("epsilon", [np.float32(1e-3), 1, 0.0])
def test_epsilon_is_taken_as_in_flax(epsilon):
    mine, theirs = both(5, epsilon=epsilon)
    for mode in (False, True):
        with jax.numpy_rank_promotion("allow"):
            found, expected = (layer(X, use_running_average=mode) for layer in (mine, theirs))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_meshes_with_explicit_axes_shard_the_features():
    mesh = jax.make_mesh((2,), ("b",), axis_types=(AxisType.Explicit,))
    x = X[:, :4]
    expected = nnx.BatchNorm(4, rngs=RNGS)(x)
    with jax.set_mesh(mesh):
        layer = nnx.BatchNorm(4, rngs=flax_nnx.Rngs(0))
        y = layer(jax.device_put(x, NamedSharding(mesh, PartitionSpec(None, "b"))))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    assert not any(jax.typeof(layer.mean[...]).sharding.spec)


def test_the_momentum_may_be_a_variable():
    layer = nnx.BatchNorm(5, momentum=flax_nnx.Variable(jnp.float32(0.9)), rngs=RNGS)
    apply = flax_nnx.jit(lambda layer, x: layer(x))
    layer.momentum[...] = norm.debiased_decay(0.9, 0)
    apply(layer, X)
    np.testing.assert_allclose(layer.mean[...], X.mean(0), rtol=1e-5)


def test_statistics_are_synchronous_over_a_named_axis():
    layer, whole = both(5)
    layer.axis_name = "shards"
    y = flax_nnx.vmap(lambda layer, x: layer(x), in_axes=(None, 0), axis_name="shards")(layer, X.reshape(2, 5, 5))
    np.testing.assert_allclose(y.reshape(10, 5), whole(X), rtol=1e-4, atol=1e-5)
    assert_same_state(layer, whole)
