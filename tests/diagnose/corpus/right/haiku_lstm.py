"""An LSTM whose inputs are dropped with one mask per sequence."""

import haiku as hk
import jax
import jax.numpy as jnp


def network(xs):
    mask = jax.random.bernoulli(hk.next_rng_key(), 0.8, (1, *xs.shape[1:]))
    core = hk.LSTM(8)
    out, _ = hk.dynamic_unroll(core, xs * mask / 0.8, core.initial_state(xs.shape[1]))
    return hk.Linear(2)(hk.dropout(hk.next_rng_key(), 0.3, out[-1]))


MODEL = hk.transform(network)


def loss(params, key, xs, y):
    return jnp.mean((MODEL.apply(params, key, xs) - y) ** 2)


def program():
    xs = jnp.ones((12, 16, 4))
    params = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), xs))
    return jax.value_and_grad(loss), params, jax.random.key(0), xs, jnp.ones((16, 2))
