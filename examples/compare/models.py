"""Three small networks as pure functions, with every kind of noise in its place.

Each is a pair: `init(key) -> (params, model_state)` and `apply(params, model_state, key, x, hyper) -> (outputs,
model_state)`. A key means training; None means that every layer is deterministic and batch norm uses its running
statistics.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jreg import noise, norm, random

from .recipes import Hyper

WIDTH = 128
NUM_BLOCKS = 3
Key = jax.Array


class Model(NamedTuple):
    init: Callable[[Key], tuple[Any, Any]]
    apply: Callable[[Any, Any, Key | None, jax.Array, Hyper], tuple[jax.Array, Any]]


def make_model(architecture: str, num_inputs: int, num_outputs: int) -> Model:
    init, apply = {
        "mlp": (init_mlp, apply_mlp),
        "residual": (init_residual, apply_residual),
        "batch norm": (init_batch_norm_mlp, apply_batch_norm_mlp),
    }[architecture]
    return Model(partial(init, num_inputs=num_inputs, num_outputs=num_outputs), apply)


def init_mlp(key: Key, num_inputs: int, num_outputs: int) -> tuple[Any, Any]:
    first_key, second_key, head_key = random.split(key, 3)
    hidden = [init_dense(first_key, num_inputs, WIDTH), init_dense(second_key, WIDTH, WIDTH)]
    return {"hidden": hidden, "head": init_dense(head_key, WIDTH, num_outputs)}, ()


def apply_mlp(params: Any, model_state: Any, key: Key | None, x: jax.Array, hyper: Hyper) -> tuple[jax.Array, Any]:
    """DropConnect on the hidden kernels, dropout after each activation, and none on the outputs."""
    connect_key, drop_key = random.split(key)
    hidden = noise.dropconnect(connect_key, params["hidden"], hyper.dropconnect)
    for layer, layer_key in zip(hidden, random.split(drop_key, len(hidden)), strict=True):
        x = noise.dropout(layer_key, jax.nn.relu(dense(layer, x)), hyper.dropout)
    return dense(params["head"], x), model_state


def init_residual(key: Key, num_inputs: int, num_outputs: int) -> tuple[Any, Any]:
    stem_key, head_key, *block_keys = random.split(key, 2 + NUM_BLOCKS)
    blocks = [init_dense(block_key, WIDTH, WIDTH) for block_key in block_keys]
    stem, head = init_dense(stem_key, num_inputs, WIDTH), init_dense(head_key, WIDTH, num_outputs)
    return {"stem": stem, "blocks": blocks, "head": head}, ()


def apply_residual(params: Any, model_state: Any, key: Key | None, x: jax.Array, hyper: Hyper) -> tuple[jax.Array, Any]:
    """Residual blocks, dropped at rates that rise with depth."""
    x = jax.nn.relu(dense(params["stem"], x))
    rates = noise.depth_rates(hyper.depth, NUM_BLOCKS)
    for block, block_key, rate in zip(params["blocks"], random.split(key, NUM_BLOCKS), rates, strict=True):
        x = x + noise.stochastic_depth(block_key, jax.nn.relu(dense(block, x)), rate)
    return dense(params["head"], x), model_state


def init_batch_norm_mlp(key: Key, num_inputs: int, num_outputs: int) -> tuple[Any, Any]:
    params, _ = init_mlp(key, num_inputs, num_outputs)
    norms, stats = zip(*(norm.init_batch_norm(WIDTH) for _ in params["hidden"]), strict=True)
    return {**params, "norms": norms}, stats


def apply_batch_norm_mlp(
    params: Any, model_state: Any, key: Key | None, x: jax.Array, hyper: Hyper
) -> tuple[jax.Array, Any]:
    """Dense, batch norm, activation. No dropout beside batch norm: it would shift the variance."""
    new_state = []
    for layer, norm_params, stats in zip(params["hidden"], params["norms"], model_state, strict=True):
        x = dense(layer, x)
        if key is None:
            x = norm.batch_norm_inference(norm_params, stats, x)
        else:
            x, stats = norm.batch_norm(norm_params, stats, x, decay=0.9)
        x = jax.nn.relu(x)
        new_state.append(stats)
    return dense(params["head"], x), tuple(new_state)


def init_dense(key: Key, num_inputs: int, num_outputs: int) -> dict[str, jax.Array]:
    kernel = jax.random.normal(key, (num_inputs, num_outputs)) * jnp.sqrt(2.0 / num_inputs)
    return {"kernel": kernel, "bias": jnp.zeros(num_outputs)}


def dense(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return x @ layer["kernel"] + layer["bias"][None]
