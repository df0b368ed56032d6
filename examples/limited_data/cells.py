"""The grid: how often the text is seen, which levers are pulled and how far."""

from itertools import combinations
from typing import NamedTuple

LEVERS = ("decay", "dropout", "depth", "ema")
NAMES = {"decay": "decay", "dropout": "dropout", "depth": "stochastic depth", "ema": "EMA"}


class Setting(NamedTuple):
    """The strengths of all levers; those at 0 do nothing."""

    decay: float = 0.0
    dropout: float = 0.0
    depth: float = 0.0
    ema: float = 0.0

    @property
    def levers(self) -> tuple[str, ...]:
        return tuple(lever for lever in LEVERS if getattr(self, lever))

    @property
    def name(self) -> str:
        return " + ".join(f"{NAMES[lever]} {getattr(self, lever):g}" for lever in self.levers) or "none"


class Grid(NamedTuple):
    """What the study runs: passes, the strengths of each lever alone, seeds, and which ensembles."""

    passes: tuple[int, ...] = (1, 4, 16, 64)
    decay: tuple[float, ...] = (0.01, 0.1, 1.0, 3.0, 10.0)
    dropout: tuple[float, ...] = (0.1, 0.2)
    depth: tuple[float, ...] = (0.1,)
    ema: tuple[float, ...] = (0.97,)
    num_seeds: int = 5
    ensemble_passes: tuple[int, ...] = (1, 16)
    members: tuple[int, ...] = (1, 2, 4)


def alone(grid: Grid) -> list[Setting]:
    """No regularizer, and every lever by itself."""
    return [Setting(), *(Setting()._replace(**{lever: s}) for lever in LEVERS for s in getattr(grid, lever))]


def pairs(chosen: dict[str, Setting]) -> list[Setting]:
    """Every two levers, each at the strength that was chosen for it alone."""
    return [
        Setting()._replace(**{lever: getattr(chosen[lever], lever) for lever in both})
        for both in combinations(LEVERS, 2)
    ]


def cell_name(passes: int, setting: Setting) -> str:
    return f"{counted(passes)}, {setting.name}"


def ensemble_name(passes: int, kind: str) -> str:
    return f"{counted(passes)}, ensemble, {kind}"


def counted(passes: int) -> str:
    return "1 pass" if passes == 1 else f"{passes} passes"


def num_cells(grid: Grid) -> int:
    each = len(alone(grid)) + len(list(combinations(LEVERS, 2)))
    return each * len(grid.passes) + len(KINDS) * len(grid.ensemble_passes)


KINDS = ("unregularized", "best")
"""An ensemble is of networks without a regularizer or with the best setting."""
