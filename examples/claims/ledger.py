"""What a claim is, the list of all of them, and how one is measured."""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from . import statements
from .arms import Arm
from .contrasts import VALID, Arms, Contrast, choose

SEEDS = 16


class Case(NamedTuple):
    """Where a claim is measured: a task, and the arms that run on it."""

    task: str
    arms: dict[str, Arm]
    num_seeds: int = SEEDS


class Claim(NamedTuple):
    """One claim, declared before it is measured."""

    number: int
    """That of the list of claims."""
    title: str
    statement: str
    quote: str
    source: str
    """Article and line."""
    cases: dict[str, Case]
    contrast: Contrast
    least: float
    """The least size of the contrast that the claim must have to matter."""
    advice: dict[str, str]
    """What to do, by verdict."""
    functions: tuple[str, ...]
    unit: str = "accuracy"
    regularizer: str = ""
    """Its name, if the claim is that it helps: a row of the table of regularizers."""
    choose_by: str = VALID
    derive: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None
    """Further scores of each lane from those that it returned, such as from its history."""


class Measured(NamedTuple):
    arms: Arms
    values: np.ndarray


def on(
    tasks: str | Sequence[str], arms: dict[str, Arm], num_seeds: Mapping[str, int] = MappingProxyType({})
) -> dict[str, Case]:
    """The same arms on several tasks."""
    names = [tasks] if isinstance(tasks, str) else tasks
    return {name: Case(name, arms, num_seeds.get(name, SEEDS)) for name in names}


def under(label: str, task: str, arms: dict[str, Arm], **changes: Any) -> dict[str, Case]:
    """The same arms on one task with other programs, such as `wrong=0.4`."""
    changed = {name: arm._replace(program=arm.program._replace(**changes)) for name, arm in arms.items()}
    return {f"{task}, {label}": Case(task, changed)}


def measure(claim: Claim, case: Case, quick: bool = False, stored: Path | None = None) -> Measured:
    from . import lanes

    num_seeds = 2 if quick else case.num_seeds
    arms = {}
    for name, arm in case.arms.items():
        arm = arm._replace(settings=arm.settings[:2]) if quick else arm
        scores = lanes.run(case.task, arm, num_seeds, quick, stored)
        scores = scores | claim.derive(scores) if claim.derive else scores
        arms[name] = choose(arm, scores, claim.choose_by)
    return Measured(arms, claim.contrast.measure(arms))


@cache
def claims() -> dict[str, Claim]:
    """All declared claims by their identifiers: the number, and a letter where a claim has several parts."""
    names = sorted(module.name for module in pkgutil.iter_modules(statements.__path__))
    modules: dict[str, Any] = {name: import_module(f"{statements.__name__}.{name}") for name in names}
    return {name.removeprefix("c").partition("_")[0].lstrip("0"): module.CLAIM for name, module in modules.items()}
