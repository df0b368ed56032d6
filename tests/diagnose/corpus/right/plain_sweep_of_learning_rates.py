"""A vmap over learning rates: all runs see the same masks, so that they differ in the rate alone."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def loss(params, key, x, y):
    return jnp.mean((noise.dropout(key, jnp.tanh(x @ params["first"]), 0.5) @ params["second"] - y) ** 2)


def train(key, rates, x, y):
    init_key, train_key = random.split(key)

    def run(rate):
        params = {"first": jax.random.normal(init_key, (8, 16)), "second": jnp.zeros((16, 2))}

        def step(params, key):
            gradients = jax.grad(loss)(params, key, x, y)
            return jax.tree.map(lambda w, g: w - rate * g, params, gradients), None

        return loss(jax.lax.scan(step, params, random.split_array(train_key, 10))[0], None, x, y)

    return jax.vmap(run)(rates)


def program():
    return train, jax.random.key(0), jnp.linspace(0.01, 0.1, 5), jnp.ones((16, 8)), jnp.ones((16, 2))
