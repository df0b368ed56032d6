"""The residual wrapper: what it drops, what it skips, and what the block inside stores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as flax_nnx

from jreg import nnx

X = jax.random.normal(jax.random.key(0), (8, 6))


def block():
    rngs = flax_nnx.Rngs(0)
    return flax_nnx.Sequential(
        flax_nnx.Linear(6, 6, rngs=rngs), nnx.BatchNorm(6, rngs=rngs), nnx.Dropout(0.1, rngs=rngs)
    )


@pytest.mark.parametrize("skip", ["mask", "subset", "cond"])
def test_rows_are_dropped_or_scaled_and_the_block_keeps_its_state(skip):
    layer = nnx.Residual(block(), 0.5, skip=skip, rngs=flax_nnx.Rngs(3))
    apply = flax_nnx.jit(lambda layer, x: layer(x))
    shares, means = [], []
    for _ in range(8):
        y = apply(layer, X)
        shares.append(float(np.mean(np.asarray(y == X).all(1))))
        means.append(float(jnp.abs(layer.block.layers[1].mean[...]).sum()))
    assert {"mask": len(set(shares)) > 1, "subset": set(shares) == {0.5}, "cond": set(shares) == {0.0, 1.0}}[skip]
    moved = np.diff([0.0, *means]) != 0
    np.testing.assert_array_equal(moved, np.array(shares) < 1.0 if skip == "cond" else True)
    layer.eval()
    np.testing.assert_allclose(layer(X), X + layer.block(X), rtol=1e-6)


def test_the_gradient_passes_through_a_block_that_may_be_skipped():
    layer = nnx.Residual(flax_nnx.Linear(6, 6, rngs=flax_nnx.Rngs(0)), 0.5, skip="cond", rngs=flax_nnx.Rngs(3))
    gradient_of = flax_nnx.jit(flax_nnx.grad(lambda layer, x: jnp.sum(layer(x) ** 2)))
    norms = [float(jnp.abs(gradient_of(layer, X)["block"]["kernel"][...]).sum()) for _ in range(6)]
    assert min(norms) == 0.0 < max(norms)


def test_depth_takes_the_modes_of_its_function():
    y = nnx.StochasticDepth(0.5, per="batch", rescale="inference", rngs=flax_nnx.Rngs(0))(X)
    assert np.array_equal(y, X) or np.array_equal(y, jnp.zeros_like(X))
    layer = nnx.StochasticDepth(0.5, rescale="inference", deterministic=True)
    np.testing.assert_allclose(layer(X), 0.5 * X)
