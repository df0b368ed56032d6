"""haiku's state is dropped."""

import haiku as hk
import jax
import jax.numpy as jnp

CODE = "batch-norm-stats-lost"


def network(x):
    return hk.Linear(2)(jax.nn.relu(hk.BatchNorm(True, True, 0.9)(hk.Linear(16)(x), True)))


MODEL = hk.without_apply_rng(hk.transform_with_state(network))


def loss(params, state, x, y):
    return jnp.mean((MODEL.apply(params, state, x)[0] - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    params, state = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), x))
    return jax.grad(loss), params, state, x, jnp.ones((16, 2))
