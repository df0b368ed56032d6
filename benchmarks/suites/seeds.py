"""The seed table: all networks of `examples.seed_table` in one program, against loops in PyTorch on the same device."""

import time
from collections.abc import Iterator

import jax

from examples import seed_table

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
