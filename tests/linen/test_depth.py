"""The residual wrapper: what it drops, what it skips, and what the block inside stores."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import linen

X = jax.random.normal(jax.random.key(0), (8, 6))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = linen.BatchNorm(use_running_average=False)(nn.Dense(6)(x))
        return linen.Dropout(0.1, deterministic=False)(x)


@pytest.mark.parametrize("skip", ["mask", "subset", "cond"])
def test_rows_are_dropped_or_scaled_and_the_block_keeps_its_state(skip):
    layer = linen.Residual(Block(), 0.5, skip=skip, deterministic=False)
    variables = layer.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, X)
    apply = jax.jit(lambda key: layer.apply(variables, X, rngs={"dropout": key}, mutable=["batch_stats"]))
    shares, moved = [], []
    for key in jax.random.split(jax.random.key(2), 8):
        y, updated = apply(key)
        shares.append(float(np.mean(np.asarray(y == X).all(1))))
        moved.append(bool(jnp.any(updated["batch_stats"]["block"]["BatchNorm_0"]["mean"] != 0.0)))
    assert {"mask": len(set(shares)) > 1, "subset": set(shares) == {0.5}, "cond": set(shares) == {0.0, 1.0}}[skip]
    np.testing.assert_array_equal(moved, np.array(shares) < 1.0 if skip == "cond" else True)


def test_a_quiet_wrapper_is_the_sum():
    block = nn.Dense(6)
    layer = linen.Residual(block, 0.5, skip="cond")
    variables = layer.init(jax.random.key(0), X)
    expected = X + block.apply({"params": variables["params"]["block"]}, X)
    np.testing.assert_allclose(layer.apply(variables, X, deterministic=True), expected, rtol=1e-6)
