"""Steps of Adam in a fori_loop, all with the key of the first."""

import haiku as hk
import jax
import jax.numpy as jnp
import optax

CODE = "key-shared-by-loop"
OPTIMIZER = optax.adam(1e-3)


def loss(params, key, x, y):
    return jnp.mean((hk.dropout(key, 0.5, jnp.tanh(x @ params["first"])) @ params["second"] - y) ** 2)


def train(params, key, x, y):
    def step(_, carry):
        params, state = carry
        updates, state = OPTIMIZER.update(jax.grad(loss)(params, key, x, y), state, params)
        return optax.apply_updates(params, updates), state

    return jax.lax.fori_loop(0, 5, step, (params, OPTIMIZER.init(params)))[0]


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return train, params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
