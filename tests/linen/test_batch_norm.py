"""BatchNorm beside flax's own: outputs, collections, masks, dtypes, axes, and where it differs on purpose."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


def test_init_takes_a_single_example_and_needs_no_named_axis():
    layer = linen.BatchNorm(use_running_average=False, axis_name="shards", ghost_size=2)
    variables = layer.init(KEY, jnp.ones((1, 2)))
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], jnp.zeros(2))
    with pytest.raises(ValueError, match="two values or more per feature"):
        linen.BatchNorm(use_running_average=False).apply(variables, jnp.ones((1, 2)), mutable=["batch_stats"])
    x = X.reshape(2, 6, 2)
    sync = jax.vmap(lambda x: layer.apply(variables, x, mutable=["batch_stats"]), axis_name="shards")
    y, updated = jax.jit(sync)(x)
    expected, stats = norm.batch_norm(*norm.init_batch_norm(2), x.reshape(12, 2), ghost_size=2)
    np.testing.assert_allclose(y.reshape(12, 2), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(updated["batch_stats"]["var"][0], stats.variance, rtol=1e-5)


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
