"""The networks of the ledger as pure functions, with a place for every kind of noise.

`init(key, task, program)` and `apply(params, stats, key, x, hyper, program, on) -> (logits, stats)`. A key of None
means inference. `on` names the strengths that the arm sets; the places of the others are not compiled at all.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from jreg import noise, norm, random

from ..compare.models import dense, init_dense
from .arms import Hyper, Program
from .data import Task

Key = jax.Array
NUM_BLOCKS, BLOCK_WIDTH = 12, 64
MAPS, NUM_HIDDEN = (16, 32), 64


def init(key: Key, task: Task, program: Program) -> tuple[Any, Any]:
    num_inputs, num_classes = task.pool[0].shape[1], task.pool[1].shape[1]
    if program.network == "cnn":
        return _init_cnn(key, task, num_classes, program)
    if program.network == "residual":
        stem_key, head_key, *block_keys = random.split(key, 2 + NUM_BLOCKS)
        blocks = [init_dense(block_key, BLOCK_WIDTH, BLOCK_WIDTH) for block_key in block_keys]
        ends = {
            "stem": init_dense(stem_key, num_inputs, BLOCK_WIDTH),
            "head": init_dense(head_key, BLOCK_WIDTH, num_classes),
        }
        return {**ends, "blocks": jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)}, ()
    widths = (num_inputs, *task.widths, num_classes)
    keys = random.split(key, len(widths) - 1)
    layers = [init_dense(k, a, b) for k, (a, b) in zip(keys, pairwise(widths), strict=True)]
    return _with_norms({"hidden": layers[:-1], "head": layers[-1]}, task.widths, program)


def _init_cnn(key: Key, task: Task, num_classes: int, program: Program) -> tuple[Any, Any]:
    assert task.image is not None, f"{task.name} holds no images"
    first, second, hidden, head = random.split(key, 4)
    size = prod(side // 2 // 2 for side in task.image) * MAPS[1]
    convs = [init_dense(first, 9, MAPS[0]), init_dense(second, 9 * MAPS[0], MAPS[1])]
    ends = {"dense": init_dense(hidden, size, NUM_HIDDEN), "head": init_dense(head, NUM_HIDDEN, num_classes)}
    return _with_norms({"hidden": convs, **ends}, MAPS, program)


def _with_norms(params: Any, widths: Sequence[int], program: Program) -> tuple[Any, Any]:
    if not program.norm:
        return params, ()
    norms, stats = zip(*map(norm.init_batch_norm, widths), strict=True)
    return {**params, "norms": norms}, stats


def apply(
    params: Any, stats: Any, key: Key | None, x: jax.Array, hyper: Hyper, program: Program, on: frozenset[str]
) -> tuple[jax.Array, Any]:
    body = {"mlp": _mlp, "residual": _residual, "cnn": _cnn}[program.network]
    inputs_key, body_key, outputs_key = random.split(key, 3)
    x = _noisy(on, "inputs", noise.dropout, inputs_key, x, hyper)
    logits, stats = body(params, stats, body_key, x, hyper, program, on)
    return _noisy(on, "outputs", noise.dropout, outputs_key, logits, hyper), stats


def _noisy(on: frozenset[str], name: str, noise_of: Callable, key: Key | None, x: Any, hyper: Hyper) -> Any:
    return noise_of(key, x, getattr(hyper, name)) if name in on else x


def _mlp(
    params: Any, stats: Any, key: Key | None, x: jax.Array, hyper: Hyper, program: Program, on: frozenset[str]
) -> tuple[jax.Array, Any]:
    connect_key, *keys = random.split(key, 1 + len(params["hidden"]))
    hidden = _noisy(on, "dropconnect", noise.dropconnect, connect_key, params["hidden"], hyper)
    moved = []
    for place, (layer, layer_key) in enumerate(zip(hidden, keys, strict=True)):
        before_key, after_key, gaussian_key = random.split(layer_key, 3)
        x = _noisy(on, "before", noise.dropout, before_key, dense(layer, x), hyper)
        x, new = _normed(params, stats, place, key, x, program)
        x, moved = jax.nn.relu(x), [*moved, new]
        x = _noisy(on, "dropout", noise.dropout, after_key, x, hyper)
        x = _noisy(on, "gaussian", noise.gaussian_dropout, gaussian_key, x, hyper)
        if place == len(hidden) - 1:
            x = _noisy(on, "late", noise.dropout, after_key, x, hyper)
        if place == 0:
            x = _noisy(on, "early", noise.dropout, after_key, x, hyper)
    return dense(params["head"], x), tuple(moved) if program.norm else stats


def _normed(
    params: Any, stats: Any, place: int, key: Key | None, x: jax.Array, program: Program
) -> tuple[jax.Array, Any]:
    if not program.norm:
        return x, None
    learned, own = params["norms"][place], stats[place]
    if key is None:
        return norm.batch_norm_inference(learned, own, x), own
    return norm.batch_norm(learned, own, x, decay=0.9, ghost_size=program.ghost)


def _residual(
    params: Any, stats: Any, key: Key | None, x: jax.Array, hyper: Hyper, program: Program, on: frozenset[str]
) -> tuple[jax.Array, Any]:
    x = jax.nn.relu(dense(params["stem"], x))
    rates = noise.depth_rates(hyper.depth, NUM_BLOCKS) + hyper.flat
    keys = None if key is None else jnp.stack(random.split(key, NUM_BLOCKS))

    def block(x: jax.Array, own: Any) -> tuple[jax.Array, None]:
        layer, rate, block_key = own
        branch = noise.stochastic_depth(block_key, jax.nn.relu(dense(layer, x)), rate)
        return x + branch * NUM_BLOCKS**-0.5, None

    x, _ = jax.lax.scan(block, x, (params["blocks"], rates, keys))
    return dense(params["head"], x), stats


def _cnn(
    params: Any, stats: Any, key: Key | None, x: jax.Array, hyper: Hyper, program: Program, on: frozenset[str]
) -> tuple[jax.Array, Any]:
    """Two convolutions of 3x3 with a maximum over 2x2 behind each, and a hidden layer."""
    side = round(x.shape[1] ** 0.5)
    x = x.reshape(-1, side, side, 1)
    *keys, drop_key = random.split(key, 1 + len(params["hidden"]))
    moved = []
    blocks = partial(noise.dropblock, block_size=3)
    for place, (layer, layer_key) in enumerate(zip(params["hidden"], keys, strict=True)):
        x = neighbours(x) @ layer["kernel"] + layer["bias"][None, None, None]
        x, new = _normed(params, stats, place, key, x, program)
        x, moved = jax.nn.relu(x), [*moved, new]
        for name, noise_of in (("pixels", noise.dropout), ("maps", noise.spatial_dropout), ("blocks", blocks)):
            x = _noisy(on, name, noise_of, layer_key, x, hyper)
        x = pooled(x)
    x = jax.nn.relu(dense(params["dense"], x.reshape(len(x), -1)))
    x = _noisy(on, "dropout", noise.dropout, drop_key, x, hyper)
    return dense(params["head"], x), tuple(moved) if program.norm else stats


def neighbours(x: jax.Array) -> jax.Array:
    """The nine neighbours of each pixel along the last axis: a convolution is then a product, as fast under `vmap`."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    return jnp.concatenate([padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], axis=-1)


def pooled(x: jax.Array) -> jax.Array:
    height, width = x.shape[1] // 2, x.shape[2] // 2
    cells = x[:, : 2 * height, : 2 * width].reshape(-1, height, 2, width, 2, x.shape[3])
    return cells.max((2, 4))
