"""The same in haiku, over an unroll whose state of norms is carried."""

import haiku as hk
import jax
import jax.numpy as jnp

CODE = "batch-norm-in-recurrence"


def network(inputs):
    linear, norm = hk.Linear(16), hk.BatchNorm(True, True, 0.9)

    def step(state, x):
        state = jnp.tanh(norm(linear(jnp.concatenate([x, state], -1)), is_training=True))
        return state, None

    if hk.running_init():
        return hk.Linear(2)(step(jnp.zeros((inputs.shape[1], 16)), inputs[0])[0])
    return hk.Linear(2)(hk.scan(step, jnp.zeros((inputs.shape[1], 16)), inputs)[0])


MODEL = hk.without_apply_rng(hk.transform_with_state(network))


def loss(params, state, inputs, y):
    out, state = MODEL.apply(params, state, inputs)
    return jnp.mean((out - y) ** 2), state


def program():
    inputs = jnp.ones((12, 32, 4))
    params, state = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), inputs))
    return jax.grad(loss, has_aux=True), params, state, inputs, jnp.ones((32, 2))
