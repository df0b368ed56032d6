"""Stochastic depth at rates that rise with depth, in three forms."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def loss(params, key, x, y):
    keys = random.split(key, 3)
    rates = noise.depth_rates(0.3, 3)
    x = x + noise.stochastic_depth(keys[0], jax.nn.relu(x @ params["blocks"][0]), rates[0])
    x = noise.residual(lambda key, x: noise.dropout(key, x @ params["blocks"][1], 0.1), keys[1], x, 0.2, skip="subset")
    x = noise.residual(
        lambda key, x: noise.dropout(key, x @ params["blocks"][2], 0.1), keys[2], x, rates[2], skip="cond"
    )
    return jnp.mean((x @ params["head"] - y) ** 2)


def program():
    params = {"blocks": [jnp.ones((8, 8))] * 3, "head": jnp.ones((8, 2))}
    return jax.value_and_grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
