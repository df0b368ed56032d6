"""haiku: dropout on the input of a network whose first layer is normalized."""

import haiku as hk
import jax
import jax.numpy as jnp

CODE = "dropout-before-batch-norm"


def network(x, is_training):
    x = hk.dropout(hk.next_rng_key(), 0.3, x)
    x = jax.nn.relu(hk.BatchNorm(True, True, 0.9)(hk.Linear(16)(x), is_training))
    return hk.Linear(2)(x)


MODEL = hk.transform_with_state(network)


def loss(params, state, key, x, y):
    out, state = MODEL.apply(params, state, key, x, True)
    return jnp.mean((out - y) ** 2), state


def program():
    x = jnp.ones((16, 8))
    params, state = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), x, True))
    return jax.grad(loss, has_aux=True), params, state, jax.random.key(0), x, jnp.ones((16, 2))
