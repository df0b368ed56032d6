"""A residual network in which every ingredient has its place and its strength is an argument, and one run of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import augment, noise, norm, optim, random, targets, train

from .space import none

WIDTH, NUM_BLOCKS = 96, 3
LOSS_WEIGHT = 0.05
"""What a nat of the loss counts against errors in what validation compares: it breaks the ties of few rows."""
NO_LIMIT = 1e6
"""A norm that no row of a kernel has."""
Hyper = Any


class Data(NamedTuple):
    """The rows of every run: those of fold f of split s are `seen[s, f]` and `unseen[s, f]` of `x[s]`."""

    x: np.ndarray
    y: np.ndarray
    class_weights: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    batch_size: int
    steps_per_epoch: int


def init(key: jax.Array, num_inputs: int, num_outputs: int) -> tuple[Any, Any]:
    stem_key, head_key, *block_keys = random.split(key, 2 + NUM_BLOCKS)
    blocks, stats = [], []
    for block_key in block_keys:
        norm_params, block_stats = norm.init_batch_norm(WIDTH)
        blocks.append({"dense": init_dense(block_key, WIDTH, WIDTH), "norm": norm_params})
        stats.append(block_stats)
    stem, head = init_dense(stem_key, num_inputs, WIDTH), init_dense(head_key, WIDTH, num_outputs)
    return {"stem": stem, "blocks": blocks, "head": head}, stats


def init_dense(key: jax.Array, num_inputs: int, num_outputs: int) -> dict[str, jax.Array]:
    kernel = jax.random.normal(key, (num_inputs, num_outputs)) * jnp.sqrt(2.0 / num_inputs)
    return {"kernel": kernel, "bias": jnp.zeros(num_outputs)}


def dense(layer: Any, x: jax.Array) -> jax.Array:
    return x @ layer["kernel"] + layer["bias"][None]


def logits(params: Any, stats: Any, key: jax.Array | None, x: jax.Array, hyper: Hyper) -> tuple[jax.Array, Any]:
    """A key means training: noise, and batch norm by the batch. None means that nothing is random."""
    depth_key, drop_key = random.split(key)
    rates = noise.depth_rates(hyper["depth"], NUM_BLOCKS)
    x, new_stats = jax.nn.relu(dense(params["stem"], x)), []
    keys = zip(random.split(depth_key, NUM_BLOCKS), random.split(drop_key, NUM_BLOCKS), strict=True)
    for block, block_stats, (survive_key, unit_key), rate in zip(params["blocks"], stats, keys, rates, strict=True):
        hidden = dense(block["dense"], x)
        if key is None:
            normal = norm.batch_norm_inference(block["norm"], block_stats, hidden)
        else:
            normal, block_stats = norm.batch_norm(block["norm"], block_stats, hidden, decay=0.9)
        new_stats.append(block_stats)
        hidden = jax.nn.relu(jnp.where(hyper["batch_norm"] > 0.0, normal, hidden))
        x = x + noise.stochastic_depth(survive_key, noise.dropout(unit_key, hidden, hyper["dropout"]), rate)
    return dense(params["head"], x), new_stats


def optimizer(hyper: Hyper) -> optax.GradientTransformation:
    rate = hyper["learning_rate"]
    return optax.chain(
        optim.with_decoupled_decay(optax.adam(rate), hyper["decay"], learning_rate=rate),
        optim.prox_l1(hyper["l1"], rate),
        optim.constrain_max_norm(jnp.where(hyper["max_norm"] > 0.0, hyper["max_norm"], NO_LIMIT)),
        optim.average_params(hyper["averaging"]),
    )


def averaged(state: train.TrainState) -> train.TrainState:
    """What is validated and kept; where nothing is averaged, the average is the last step."""
    return state._replace(params=optim.averaged_params(state.opt_state))


def loss_fn(params: Any, stats: Any, key: jax.Array, batch: Any, hyper: Hyper) -> Any:
    swap_key, mix_key, input_key, model_key = random.split(key, 4)
    x, y = batch
    x = augment.swap_noise(swap_key, x, hyper["swap_noise"])
    x, y = augment.mixup(mix_key, (x, y), hyper["mixup"])
    x = noise.gaussian_noise(input_key, x, hyper["input_noise"])
    outputs, stats = logits(params, stats, model_key, x, hyper)
    penalty = hyper["confidence"] * targets.confidence_penalty(outputs)
    return targets.smoothed_cross_entropy(outputs, y, hyper["smoothing"]) + penalty, (stats, {})


def metrics(params: Any, stats: Any, rows: Any, hyper: Hyper) -> dict[str, jax.Array]:
    """`rows` are (x, y, weights): the score is the weighted share of rows that are right."""
    x, y, weights = rows
    outputs, _ = logits(params, stats, None, x, hyper)
    is_right = (outputs.argmax(1) == y.argmax(1)).astype(jnp.float32)
    score = jnp.sum(weights * is_right) / jnp.sum(weights)
    loss = jnp.mean(optax.softmax_cross_entropy(outputs, y))
    return {"score": score, "loss": loss, "merit": score - LOSS_WEIGHT * loss}


def make_fit_on(data: Data) -> Callable[..., train.FitResult]:
    """Make `fit_on(key, hyper, so_far, epochs)` for `train.halving`; a setting also says its split and fold."""
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)

    def fit_on(key: jax.Array, hyper: Hyper, so_far: train.FitResult | None, epochs: int) -> train.FitResult:
        # Behind the barrier XLA does not begin to compute with the data while it compiles.
        held = Data(*jax.lax.optimization_barrier(jax.tree.map(jnp.asarray, data)))
        split, fold = hyper["split"], hyper["fold"]
        init_key, fit_key = random.split(random.fold_in(random.fold_in(key, split), fold))
        seen, unseen = held.seen[split, fold], held.unseen[split, fold]
        if so_far is None:
            params, stats = init(init_key, data.x.shape[2], data.y.shape[1])
            state = train.init_state(params, optimizer(none()), stats)
        else:
            state = so_far
        x, y = held.x[split], held.y
        return train.fit(
            step, evaluate, state, fit_key, (x[seen], y[seen]), (x[unseen], y[unseen], held.class_weights[unseen]),
            hyper, batch_size=data.batch_size, steps_per_epoch=data.steps_per_epoch, epochs=epochs,
            monitor="merit", mode="max", validated=averaged,
        )  # fmt: skip

    return fit_on


def make_predict(data: Data) -> Callable[..., jax.Array]:
    """Make `predict(states, hypers, split)`: what each of many networks says of every row of the table."""

    @jax.jit
    def predict(states: train.TrainState, hypers: Hyper, split: Any) -> jax.Array:
        def of_one(state: train.TrainState, hyper: Hyper) -> jax.Array:
            return jax.nn.softmax(logits(state.params, state.model_state, None, jnp.asarray(data.x)[split], hyper)[0])

        return jax.vmap(of_one)(states, hypers)

    return predict
