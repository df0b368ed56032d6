"""The seed table: all networks of `examples.seed_table` in one program, against loops in PyTorch on the same device."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from examples import seed_table
from jreg import targets, train

from ..measure import Plan, Suite
from . import torch_process, torch_seeds

ROUNDS = 3


def table(plan: Plan) -> Iterator[Suite]:
    """Seconds for one network, the mean over the recipes; full size has 32 seeds and 60 epochs.

    In every round the program trains all networks, each loop one of each recipe. The compilation counts in a row of its
    own. PyTorch is timed with one thread and with two, since which is faster depends on the machine.
    """
    num_seeds, rounds = plan.size, 1 if plan.is_quick else ROUNDS
    recipes, epochs = (seed_table.RECIPES[:1], 1) if plan.is_quick else (seed_table.RECIPES, seed_table.EPOCHS)
    keys = jax.random.split(jax.random.key(0), num_seeds)
    num_models = len(recipes) * num_seeds
    start = time.perf_counter()
    program = seed_table.make_program(epochs, recipes).lower(keys).compile()
    compiling = (time.perf_counter() - start) / num_models
    loops = torch_seeds.loops(recipes, epochs, torch_process.device()) if "torch" in plan.peers else {}
    measured: dict[str, list[float]] = {name: [] for name in ("jreg, one program", *loops)}
    for _ in range(rounds):
        start = time.perf_counter()
        jax.block_until_ready(program(keys))
        measured["jreg, one program"].append((time.perf_counter() - start) / num_models)
        for name, train_each in loops.items():
            start = time.perf_counter()
            train_each()
            measured[name].append((time.perf_counter() - start) / len(recipes))
    measured["jreg, compilation included"] = [seconds + compiling for seconds in measured["jreg, one program"]]
    missing = () if loops or "torch" not in plan.peers else ("torch",)
    yield Suite(f"one of {num_models} networks of {epochs} epochs", {}, missing=missing, measured=measured)


def step(plan: Plan) -> Iterator[Suite]:
    """A step of the seed table's network, piece by piece: each case makes the same number of steps."""
    key, hyper, epochs = jax.random.key(0), {"rate": jnp.float32(0.0), "decay": jnp.float32(1e-3)}, plan.size
    layer, (x, y) = seed_table.RECIPES[0].layer, map(jnp.asarray, seed_table.load())
    params, stats = seed_table.init(key, layer)
    state = train.init_state(params, seed_table.optimizer(hyper), stats)
    num_steps = len(x) // seed_table.BATCH_SIZE * epochs
    batch = x[: seed_table.BATCH_SIZE], y[: seed_table.BATCH_SIZE]

    def loss_fn(params: Any, stats: Any, key: Any, batch: Any, hyper: Any) -> Any:
        logits, stats = seed_table.apply(layer, params, stats, key, batch[0], hyper)
        return targets.smoothed_cross_entropy(logits, batch[1], 0.0), (stats, {})

    one_step = train.make_step(loss_fn, seed_table.optimizer)
    nothing = train.make_eval(lambda params, stats, batch, hyper: {"loss": jnp.zeros(())})

    def products(kernels: Any) -> Any:
        """The products of a step alone, those of the backward pass included."""
        first, second, head = kernels
        one = batch[0] @ first
        two = one @ second
        top = two @ head
        below_two = top @ head.T
        changes = batch[0].T @ (below_two @ second.T), one.T @ below_two, two.T @ top
        return jax.tree.map(lambda kernel, change: kernel + 1e-9 * change, kernels, changes)

    def gradient(params: Any) -> Any:
        changes = jax.grad(lambda params: loss_fn(params, stats, None, batch, hyper)[0])(params)
        return jax.tree.map(lambda leaf, change: leaf - 1e-9 * change, params, changes)

    def repeated(fn: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return jax.jit(lambda start: lax.fori_loop(0, num_steps, lambda _, now: fn(now), start))

    def fit(state: train.TrainState) -> train.TrainState:
        run = partial(train.fit, batch_size=seed_table.BATCH_SIZE, epochs=epochs)
        return run(one_step, nothing, state, key, (x, y), (), hyper).last

    cases = {
        "its products": partial(repeated(products), tuple(dense["kernel"] for dense in params["dense"])),
        "its gradient": partial(repeated(gradient), params),
        "its gradient and AdamW": partial(repeated(lambda now: one_step(now, key, batch, hyper)[0]), state),
        "train.fit": partial(jax.jit(fit), state),
    }
    yield Suite(f"{num_steps} steps of 64 rows", cases, budgets={"train.fit": 1.25})
