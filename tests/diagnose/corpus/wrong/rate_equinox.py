"""And in equinox."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "rate-high"


def loss(model, key, x, y):
    keys = jax.random.split(key, len(x))
    return jnp.mean((jax.vmap(lambda x, key: eqx.nn.Dropout(0.9)(model(x), key=key))(x, keys) - y) ** 2)


def program():
    model = eqx.filter_eval_shape(lambda key: eqx.nn.MLP(8, 2, 16, 1, key=key), jax.random.key(0))
    return eqx.filter_grad(loss), model, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
