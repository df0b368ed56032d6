"""The ingredients, from how much of each a cocktail may draw, and the lanes of each arm of a search."""

from typing import NamedTuple

import numpy as np

LEARNING_RATES = 5e-4, 1e-2
DEFAULT_RATE = 2e-3
ARMS = ("none", "single", "cocktail")


class Ingredient(NamedTuple):
    """A regularizer that 0 turns off: in `share` of the cocktails, at a strength drawn log-uniformly."""

    label: str
    low: float
    high: float
    share: float = 0.35


SPACE = {
    "batch_norm": Ingredient("batch norm", 1.0, 1.0, 0.6),
    "dropout": Ingredient("dropout", 0.05, 0.35),
    "depth": Ingredient("stochastic depth", 0.05, 0.3, 0.25),
    "decay": Ingredient("weight decay", 0.03, 0.5),
    "l1": Ingredient("L1 (share of the step)", 0.003, 0.05),
    "max_norm": Ingredient("max norm", 1.0, 3.0, 0.25),
    "averaging": Ingredient("weight averaging", 0.8, 0.97),
    "smoothing": Ingredient("label smoothing", 0.05, 0.3),
    "confidence": Ingredient("confidence penalty", 0.02, 0.3, 0.25),
    "mixup": Ingredient("mixup", 0.08, 0.8),
    "swap_noise": Ingredient("swap noise", 0.02, 0.18),
    "input_noise": Ingredient("noise on inputs", 0.03, 0.3),
}
Setting = dict[str, float]


def none(learning_rate: float = DEFAULT_RATE) -> Setting:
    return {"learning_rate": learning_rate, **dict.fromkeys(SPACE, 0.0)}


def lanes(arm: str, number: int, seed: int) -> list[Setting]:
    """What an arm tries. Lane 0 of every arm is none, and lane i of all arms has the same learning rate."""
    rates = _log_uniform(np.random.default_rng([seed, 0]), *LEARNING_RATES, number)
    rng = np.random.default_rng([seed, 1 + ARMS.index(arm)])
    settings = [none()]
    for rate in rates[1:].tolist():
        setting = none(rate)
        for name in _drawn(arm, rng, len(settings) - 1):
            setting[name] = float(_log_uniform(rng, SPACE[name].low, SPACE[name].high))
        settings.append(setting)
    return settings


def ingredients(setting: Setting) -> list[str]:
    """The names of what a setting turns on."""
    return [name for name in SPACE if setting[name] > 0.0]


def without(setting: Setting, name: str) -> Setting:
    return {**setting, name: 0.0}


def _drawn(arm: str, rng: np.random.Generator, number: int) -> list[str]:
    if arm == "none":
        return []
    if arm == "single":
        return [list(SPACE)[number % len(SPACE)]]
    return [name for name, ingredient in SPACE.items() if rng.random() < ingredient.share]


def _log_uniform(rng: np.random.Generator, low: float, high: float, size: int | None = None) -> np.ndarray:
    return np.exp(rng.uniform(np.log(low), np.log(high), size)).round(5)
