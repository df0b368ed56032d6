"""haiku's batch norm, whose state is returned."""

import haiku as hk
import jax
import jax.numpy as jnp


def network(x, is_training):
    for channels in (8, 8):
        y = hk.Conv2D(channels, 3, with_bias=False)(x)
        y = hk.BatchNorm(True, True, 0.9)(y, is_training)
        x = jax.nn.relu(y if y.shape != x.shape else x + y)
    return hk.Linear(2)(x.mean((1, 2)))


MODEL = hk.without_apply_rng(hk.transform_with_state(network))


def loss(params, state, x, y):
    out, state = MODEL.apply(params, state, x, True)
    return jnp.mean((out - y) ** 2), state


def program():
    x = jnp.ones((8, 8, 8, 3))
    params, state = jax.eval_shape(lambda: MODEL.init(jax.random.PRNGKey(0), x, True))
    return jax.value_and_grad(loss, has_aux=True), params, state, x, jnp.ones((8, 2))
