"""Many small fits: the sweep, and a loop in Python."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jreg import noise, train

from ..measure import Suite

LEARNING_RATE = 1e-3


def sweep(num_lanes: int, rounds: int) -> Iterator[Suite]:
    """Many small fits: the sweep over all devices, and a Python loop over one compiled fit."""
    x = jax.random.normal(jax.random.key(1), (256, 16))
    y = x[:, :1] * x[:, 1:2]

    def apply(params: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
        return noise.dropout(key, jnp.tanh(x @ params["hidden"]), rate) @ params["head"]

    def loss_fn(params: Any, model_state: Any, key: jax.Array, batch: Any, rate: Any) -> Any:
        return jnp.mean((apply(params, key, batch[0], rate) - batch[1]) ** 2), (model_state, {})

    made = train.make_step(loss_fn, optax.adam(LEARNING_RATE))
    evaluate = train.make_eval(
        lambda params, _, batch, rate: {"loss": jnp.mean((apply(params, None, batch[0], rate) - batch[1]) ** 2)}
    )

    def fit_one(key: jax.Array, rate: Any) -> jax.Array:
        hidden_key, head_key, fit_key = jax.random.split(key, 3)
        params = {
            "hidden": jax.random.normal(hidden_key, (16, 64)) / 4,
            "head": jax.random.normal(head_key, (64, 1)) / 8,
        }
        state = train.init_state(params, optax.adam(LEARNING_RATE))
        return train.fit(made, evaluate, state, fit_key, (x, y), (x, y), rate, batch_size=32, epochs=10).best_value

    keys = jax.random.split(jax.random.key(0), num_lanes // 2)
    rates = jnp.array([0.0, 0.5])
    compiled = jax.jit(fit_one)
    cases = {
        "train.sweep": lambda: train.sweep(fit_one, keys, rates),
        "a loop over jit(fit)": lambda: [compiled(key, rate) for rate in rates for key in keys],
    }
    yield Suite(f"{num_lanes} fits of 80 steps on {len(jax.devices())} devices", cases)
