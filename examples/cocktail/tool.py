"""The parts of a run in order, each stored when it is done, and the record that they make."""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .ledger import Ledger
from .prepare import NUM_SPLITS, Rows, Table, rows_of
from .rivals import RIVALS
from .rivals import search as search_rival
from .search import Searcher, Size, described
from .space import ARMS, ingredients, lanes, without

Progress = Callable[[str, float, float], None]
"""Told what comes next, the work done, and all of it."""


class Run:
    """One table: what the arms and the rivals reach on test rows, and a recipe."""

    def __init__(self, table: Table, size: Size, seed: int, ledger: Ledger, progress: Progress) -> None:
        self.table, self.size, self.seed, self.ledger, self.progress = table, size, seed, ledger, progress
        self.rows: Rows = rows_of(table.labels, seed)
        self.searcher = Searcher(table, self.rows, size, seed)
        self.done, self.total = 0.0, 0.0

    def scores(self) -> dict[str, Any]:
        """Every method on every split: nested, so that no test row has a say in what is tested on it."""
        self.total += NUM_SPLITS * (len(ARMS) + len(RIVALS)) * self._cost()
        arms = {arm: [self.arm(arm, split) for split in range(NUM_SPLITS)] for arm in ARMS}
        rivals = {name: [self.rival(name, split) for split in range(NUM_SPLITS)] for name in RIVALS}
        return {"arms": arms, "rivals": rivals}

    def arm(self, arm: str, split: int, number: int | None = None) -> dict[str, Any]:
        """One arm on one split, with the first so many of its lanes."""
        settings = lanes(arm, self.size.lanes, self.seed)[:number]
        name = f"{arm}, split {split}" + (f", {number} lanes" if number else "")
        return self._part(name, self._cost(len(settings)), lambda: self.searcher.arm(split, settings))

    def rival(self, name: str, split: int) -> dict[str, Any]:
        search = lambda: search_rival(name, self.table, self.rows, split, self.size, self.seed)  # noqa: E731
        return self._part(f"{name}, split {split}", self._cost(), search)

    def recipe(self, arms: dict[str, Any]) -> dict[str, Any]:
        """Of the arm that tests best when bagged, the winner that validates best over all splits; and each ingredient.

        The effect of an ingredient is the test score of the recipe minus that without it, by split.
        """
        arm = best_arm(arms)
        winners = [found["setting"] for found in arms[arm]]
        self.total += 3.0 * NUM_SPLITS**2
        merits = self._part("the recipe", NUM_SPLITS**2, lambda: self.searcher.validated(winners))
        setting = winners[int(np.argmax(np.nan_to_num(np.array(merits), nan=-np.inf)))]
        self.total += (len(ingredients(setting)) - 1.0) * NUM_SPLITS**2
        whole = self._everywhere("recipe", setting)
        less = {name: self._everywhere(f"without {name}", without(setting, name)) for name in ingredients(setting)}
        effects = {name: np.subtract(whole, scores).tolist() for name, scores in less.items()}
        chosen = {name: sum(found["setting"][name] > 0.0 for found in arms[arm]) for name in ingredients(setting)}
        return {"arm": arm, "setting": described(setting), "test": whole, "effects": effects, "chosen": chosen}

    def _everywhere(self, name: str, setting: dict[str, float]) -> list[float]:
        found = self._part(name, NUM_SPLITS**2, lambda: self.searcher.everywhere(setting))
        return [scores["bagged"] for scores in found]

    def _part(self, name: str, cost: float, compute: Callable[[], Any]) -> Any:
        self.progress(name, self.done, self.total)
        result = self.ledger.get(name, compute)
        self.done += cost
        self.progress(name, self.done, self.total)
        return result

    def _cost(self, num_lanes: int | None = None) -> float:
        """What a search costs, in full runs."""
        return 0.5 * (num_lanes or self.size.lanes) + 4.0 * self.size.finalists


def configure() -> None:
    """Every core is a device; programs compile in two thirds of the time, and run no slower at these sizes."""
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")
    jax.config.update("jax_num_cpu_devices", os.cpu_count())


def best_arm(arms: dict[str, Any]) -> str:
    """The arm whose bags test best; the simplest of equals."""
    means = {arm: np.mean([found["bagged"] for found in splits]) for arm, splits in arms.items()}
    return max(means, key=lambda arm: means[arm])
