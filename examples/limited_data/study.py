"""The study: cell after cell, those that the record does not have yet."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jreg import random, train

from .cells import KINDS, LEVERS, Grid, Setting, alone, cell_name, ensemble_name, pairs
from .choice import best_of, chosen_alone
from .model import Shape
from .text import Split, Text, rows_of, split
from .training import Budget, bits_of_ensemble, make_fit

AT_ONCE = 2
"""Settings per call of the program, each with all seeds: always as many, so that one program serves all."""

DIGITS = 5


class Plan(NamedTuple):
    """All that decides the numbers."""

    grid: Grid = Grid()
    budget: Budget = Budget()
    shape: Shape = Shape()
    num_valid: int = 3072
    num_test: int = 8192


class Lane(NamedTuple):
    """One run: its setting, its seed, and which member of an ensemble it is; those of the grid are member 0."""

    setting: Setting
    seed: int
    member: int = 0


def run_missing(plan: Plan, text: Text, cells: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the name and the entry of every cell that `cells` lacks; whoever takes them puts them there."""
    data = {passes: rows_of_seeds(plan, text, passes) for passes in plan.grid.passes}
    for passes in plan.grid.passes:
        yield from run_settings(plan, data[passes], passes, alone(plan.grid), cells)
    # What says most comes first: ensembles, and many passes.
    for passes in sorted(plan.grid.passes, key=lambda passes: (passes not in plan.grid.ensemble_passes, -passes)):
        yield from run_settings(plan, data[passes], passes, pairs(chosen_alone(cells, passes)), cells)
        for kind in KINDS if passes in plan.grid.ensemble_passes else ():
            if (name := ensemble_name(passes, kind)) not in cells:
                setting = Setting() if kind == KINDS[0] else best_of(cells, passes)
                cell = ensemble_cell(plan, data[passes], setting, with_students=kind == KINDS[-1])
                yield name, {"passes": passes} | cell


def rows_of_seeds(plan: Plan, text: Text, passes: int) -> dict[str, np.ndarray]:
    """Rows of every seed by part, (seeds, rows, context + 1); fewer passes train on more of the same documents."""
    context, num_train = plan.shape.context, num_tokens(plan) // passes
    splits = [
        split(text, seed, num_train + 1, plan.num_valid + 1, plan.num_test + 1) for seed in range(plan.grid.num_seeds)
    ]
    return {part: np.stack([rows_of(getattr(found, part), context) for found in splits]) for part in Split._fields}


def num_tokens(plan: Plan) -> int:
    """The tokens that every run spends."""
    return plan.budget.steps(plan.shape) * plan.budget.rows_per_step * plan.shape.context


def run_settings(
    plan: Plan, data: Any, passes: int, settings: list[Setting], cells: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The cells of settings that `cells` lacks, a few settings in each call."""
    missing = [setting for setting in settings if cell_name(passes, setting) not in cells]
    seeds = range(plan.grid.num_seeds)
    for first in range(0, len(missing), AT_ONCE):
        start, some = time.perf_counter(), missing[first : first + AT_ONCE]
        filled = (some * AT_ONCE)[:AT_ONCE]
        found = run_lanes(plan, data, [Lane(setting, seed) for setting in filled for seed in seeds])
        seconds = round((time.perf_counter() - start) / len(some), 1)
        for setting, rows in zip(some, each_setting(some, seeds), strict=True):
            cell = entry(found, rows, setting)
            yield cell_name(passes, setting), {"passes": passes} | cell | {"seconds": seconds}


def each_setting(settings: Sequence[Setting], seeds: range) -> list[slice]:
    """The lanes of each setting, in the order (setting, seed)."""
    return [slice(number * len(seeds), (number + 1) * len(seeds)) for number in range(len(settings))]


def entry(found: dict[str, Any], rows: slice, setting: Setting) -> dict[str, Any]:
    """What the record keeps of the runs of one setting, by seed."""
    numbers = {name: listed(value[rows]) for name, value in found.items() if name != "state"}
    return {"setting": setting._asdict(), **numbers}


def run_lanes(plan: Plan, data: Any, lanes: list[Lane], teacher: train.TrainState | None = None) -> dict[str, Any]:
    """The results of runs in one call; a teacher has the axes (seed, member)."""
    seeds = np.array([lane.seed for lane in lanes])
    hypers = {lever: np.array([getattr(lane.setting, lever) for lane in lanes], np.float32) for lever in LEVERS}
    hypers |= {"data": {part: rows[seeds] for part, rows in data.items()}}
    if teacher is not None:
        hypers |= {"teacher": jax.tree.map(lambda leaf: leaf[seeds], teacher)}
    fit_one = make_fit(plan.budget, plan.shape, teacher is not None)
    keys = jnp.stack([random.fold_in(jax.random.key(lane.seed), lane.member) for lane in lanes])
    return jax.device_get(train.sweep(fit_one, keys, hypers, paired=True))


def ensemble_cell(plan: Plan, data: Any, setting: Setting, with_students: bool) -> dict[str, Any]:
    """Test bits by the number of members and seed; and those of students of all members."""
    start, seeds, num_members = time.perf_counter(), range(plan.grid.num_seeds), max(plan.grid.members)
    parts = []
    for first in range(0, num_members, AT_ONCE):
        numbers = [member % num_members for member in range(first, first + AT_ONCE)]
        parts.append(
            run_lanes(plan, data, [Lane(setting, seed, number) for number in numbers for seed in seeds])["state"]
        )
    members = jax.tree.map(lambda *leaves: by_seed(np.concatenate(leaves), len(seeds))[:, :num_members], *parts)
    sizes = {
        size: tested(jax.tree.map(lambda leaf, size=size: leaf[:, :size], members), data["test"], plan.shape)
        for size in plan.grid.members
    }
    cell = {"setting": setting._asdict(), "test": {str(size): listed(found) for size, found in sizes.items()}}
    if with_students:
        cell["students"] = students(plan, data, setting, members)
    return cell | {"seconds": round(time.perf_counter() - start, 1)}


def students(plan: Plan, data: Any, setting: Setting, teacher: train.TrainState) -> dict[str, Any]:
    """Networks that learn what the teacher says of the training rows, with its regularizers and without."""
    seeds = range(plan.grid.num_seeds)
    settings = (setting, Setting())
    # No student is a member of its own teacher.
    lanes = [Lane(each, seed, max(plan.grid.members)) for each in settings for seed in seeds]
    found = run_lanes(plan, data, lanes, teacher)
    rows = each_setting(settings, seeds)
    return {each.name: entry(found, some, each) for each, some in zip(settings, rows, strict=True)}


def by_seed(leaf: np.ndarray, num_seeds: int) -> np.ndarray:
    """From lanes in the order (member, seed) to the axes (seed, member)."""
    return leaf.reshape(-1, num_seeds, *leaf.shape[1:]).swapaxes(0, 1)


@partial(jax.jit, static_argnames="shape")
def tested(states: train.TrainState, rows: jax.Array, shape: Shape) -> jax.Array:
    """Bits per byte of the ensemble of each seed."""
    return jax.lax.map(lambda seed: bits_of_ensemble(seed[0], seed[1], shape), (states, rows))


def listed(values: Any) -> Any:
    return np.asarray(values, np.float64).round(DIGITS).tolist()
