"""Ghost batches and masked statistics, against batch norm of each part alone."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import norm

FEATURES = 3
PARAMS = norm.BatchNormParams(jnp.array([1.0, 2.0, -0.5]), jnp.array([0.0, 1.0, -3.0]))
STATS = norm.init_batch_norm(FEATURES)[1]
compiled = jax.jit(norm.batch_norm, static_argnames=("ghost_size", "axis_name", "ddof"))


def data(shape=(8, 5, FEATURES), seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(2.0, 3.0, shape), jnp.float32)


def close(actual, desired):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), actual, desired)


@pytest.mark.parametrize("ghost_size", [1, 2, 4])
def test_each_ghost_batch_is_normalized_as_if_alone(ghost_size):
    x = data()
    y, running = compiled(PARAMS, STATS, x, ghost_size=ghost_size)
    parts = [compiled(PARAMS, STATS, part)[0] for part in jnp.split(x, 8 // ghost_size)]
    close(y, jnp.concatenate(parts))
    close(running, compiled(PARAMS, STATS, x)[1])


def test_one_ghost_batch_is_the_batch():
    close(compiled(PARAMS, STATS, data(), ghost_size=8), compiled(PARAMS, STATS, data()))


def test_the_gradient_of_ghost_batches_is_that_of_the_parts():
    x, weights = data((8, FEATURES)), data((8, FEATURES), 1)

    def loss(x, weights, ghost_size):
        return jnp.sum(weights * norm.batch_norm(PARAMS, STATS, x, ghost_size=ghost_size)[0])

    whole = jax.jit(jax.grad(loss), static_argnums=2)(x, weights, 4)
    parts = [jax.grad(loss)(x[rows], weights[rows], None) for rows in (slice(0, 4), slice(4, 8))]
    np.testing.assert_allclose(whole, jnp.concatenate(parts), rtol=1e-3, atol=1e-5)


def test_a_large_mean_does_not_cancel_the_variance_of_ghost_batches():  # flax#1491
    x = jnp.asarray(1e4 + np.random.default_rng(0).normal(size=(4096, FEATURES)), jnp.float32)
    y, running = compiled(*norm.init_batch_norm(FEATURES), x, ghost_size=64, decay=0.0)
    np.testing.assert_allclose(np.std(y, 0), 1.0, rtol=1e-2)
    np.testing.assert_allclose(running.variance, np.var(np.asarray(x, np.float64), 0), rtol=1e-3)


def test_smaller_ghost_batches_make_stronger_noise():
    """The mean of g normals has variance 1/g: the output of one example varies by that over the others in its batch."""
    others = jax.random.normal(jax.random.key(0), (2000, 64, FEATURES))
    x = others.at[:, 0].set(1.0)
    params, stats = norm.init_batch_norm(FEATURES)
    noise = []
    for ghost_size in (8, 16, 64):
        apply = partial(norm.batch_norm, params, stats, ghost_size=ghost_size)
        noise.append(float(jax.jit(jax.vmap(lambda x, apply=apply: apply(x)[0][0]))(x).std(0).mean()))
    assert noise[0] > noise[1] > noise[2]
    np.testing.assert_allclose(noise[2], (1.5 / 64) ** 0.5, rtol=0.1)


def test_ghost_batches_stay_on_their_shard_and_the_running_statistics_do_not():
    x = data((4, 8, FEATURES)) + 10.0 * jnp.arange(4.0)[:, None, None]
    sync = partial(norm.batch_norm, PARAMS, STATS, axis_name="shards", ghost_size=4)
    y, running = jax.jit(jax.vmap(sync, axis_name="shards"))(x)
    whole, expected = compiled(PARAMS, STATS, x.reshape(32, FEATURES), ghost_size=4)
    close(y.reshape(32, FEATURES), whole)
    close(jax.tree.map(lambda leaf: leaf[1], running), expected)


@pytest.mark.parametrize(
    ("shape", "ghost_size", "message"),
    [
        ((8, FEATURES), 3, "ghost_size must divide the first axis"),
        ((8, FEATURES), 16, "ghost_size must divide the first axis"),
        ((8, FEATURES), 1, "ghost_size must leave two values or more per feature"),
        ((8, FEATURES), 0, "ghost_size must be at least 1"),
    ],
)
def test_a_bad_ghost_size_raises(shape, ghost_size, message):
    with pytest.raises(ValueError, match=f"batch_norm: {message}"):
        norm.batch_norm(PARAMS, STATS, jnp.ones(shape), ghost_size=ghost_size)
    with pytest.raises(TypeError, match="batch_norm: ghost_size must be a Python int"):
        norm.batch_norm(PARAMS, STATS, jnp.ones(shape), ghost_size=2.0)


@pytest.mark.parametrize("ddof", [0, 1])
def test_padding_does_not_count(ddof):  # keras#3228, tensorflow#30161
    x, weights = data((6, FEATURES)), data((6, FEATURES), 1)
    padded = jnp.concatenate([x, jnp.full((3, FEATURES), 1e6)])
    where = (jnp.arange(9) < 6)[:, None]
    y, running = compiled(PARAMS, STATS, padded, where=where, ddof=ddof)
    expected, unpadded = compiled(PARAMS, STATS, x, ddof=ddof)
    close(y[:6], expected)
    close(running, unpadded)
    gradient = jax.grad(lambda x: jnp.sum(weights * compiled(PARAMS, STATS, x, where=where)[0][:6]))(padded)
    alone = jax.grad(lambda x: jnp.sum(weights * compiled(PARAMS, STATS, x)[0]))(x)
    np.testing.assert_allclose(gradient[:6], alone, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(gradient[6:], jnp.zeros((3, FEATURES)))


def test_flax_agrees_about_masks():
    x, where = data((8, 5, FEATURES)), jax.random.bernoulli(jax.random.key(0), 0.6, (8, 5, 1))
    module = nn.BatchNorm(use_running_average=False, use_fast_variance=False)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        variables = {
            "params": {"scale": PARAMS.scale, "bias": PARAMS.offset},
            "batch_stats": {"mean": STATS.mean, "var": STATS.variance},
        }
        expected, updated = module.apply(variables, x, mask=where, mutable=["batch_stats"])
    y, running = compiled(PARAMS, STATS, x, where=where)
    close(y, expected)
    close((running.mean, running.variance), (updated["batch_stats"]["mean"], updated["batch_stats"]["var"]))


def test_shards_that_count_differently_are_weighted_by_their_counts():
    x = data((4, 8, FEATURES)) + 10.0 * jnp.arange(4.0)[:, None, None]
    where = jnp.arange(8)[None, :] < jnp.array([8, 3, 1, 0])[:, None]
    sync = jax.vmap(lambda x, w: norm.batch_norm(PARAMS, STATS, x, where=w, axis_name="shards"), axis_name="shards")
    y, running = jax.jit(sync)(x, where[..., None])
    kept = x[np.asarray(where)]
    expected, alone = compiled(PARAMS, STATS, kept)
    close(y[np.asarray(where)], expected)
    close(jax.tree.map(lambda leaf: leaf[2], running), alone)


def test_fewer_than_two_that_count_give_nan():
    for count in (0, 1):
        y, running = compiled(PARAMS, STATS, data((8, FEATURES)), where=(jnp.arange(8) < count)[:, None])
        assert jnp.isnan(y).all()
        assert jnp.isnan(jnp.stack(running)).all()
    where = jnp.ones((8, FEATURES), bool).at[:, 1].set(False)
    y, running = compiled(PARAMS, STATS, data((8, FEATURES)), where=where)
    np.testing.assert_array_equal(jnp.isnan(running.mean), [False, True, False])
    np.testing.assert_array_equal(jnp.isnan(y).all(0), [False, True, False])


def test_a_ghost_batch_of_padding_takes_the_statistics_of_the_batch():
    x, where = data((8, FEATURES)), (jnp.arange(8) < 5)[:, None]
    y, running = compiled(PARAMS, STATS, x, where=where, ghost_size=4)
    whole, expected = compiled(PARAMS, STATS, x, where=where)
    close(running, expected)
    close(y[:4], compiled(PARAMS, STATS, x[:4])[0])
    close(y[4:], whole[4:])
    gradient = jax.grad(lambda x: jnp.sum(compiled(PARAMS, STATS, x, where=where, ghost_size=4)[0][:5] ** 2))(x)
    assert jnp.isfinite(gradient).all()


def test_a_bad_mask_raises():
    with pytest.raises(TypeError, match="batch_norm: where must be an array of bools"):
        norm.batch_norm(PARAMS, STATS, data(), where=jnp.ones((8, 5, 1)))
    with pytest.raises(ValueError, match="batch_norm: where must be a scalar or broadcast against shape"):
        norm.batch_norm(PARAMS, STATS, data(), where=jnp.ones((8, 5), bool))
