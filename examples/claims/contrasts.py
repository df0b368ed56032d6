"""What a claim says of its arms as one number per seed, above 0 if the claim is true there."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .arms import Arm, Hyper

TEST, VALID, TRAIN, GAP = "test accuracy", "valid accuracy", "train accuracy", "gap"


class Found(NamedTuple):
    """The scores of an arm, and the setting that validation chose: its mean over seeds is best."""

    arm: Arm
    scores: dict[str, np.ndarray]
    """Arrays (setting, seed)."""
    chosen: int

    @property
    def setting(self) -> Hyper:
        return self.arm.settings[self.chosen]

    def __getitem__(self, metric: str) -> np.ndarray:
        """The scores of the chosen setting, one per seed."""
        return self.scores[metric][self.chosen]

    def by(self, name: str) -> np.ndarray:
        """A strength of all settings."""
        return np.array([getattr(setting, name) for setting in self.arm.settings], np.float64)


def choose(arm: Arm, scores: dict[str, np.ndarray], by: str) -> Found:
    means = scores[by].astype(np.float64).mean(axis=1)
    return Found(arm, scores, int(means.argmin() if "loss" in by else means.argmax()))


Arms = dict[str, Found]


class Contrast(NamedTuple):
    """A number per seed, and the metrics that it reads."""

    measure: Callable[[Arms], np.ndarray]
    metrics: tuple[str, ...]
    text: str


def more(first: str, second: str, metric: str = TEST) -> Contrast:
    """The first arm has more than the second, each at its chosen setting."""
    return Contrast(
        lambda arms: _64(arms[first][metric]) - _64(arms[second][metric]),
        (metric,),
        f"{metric}: {first} minus {second}",
    )


def less(first: str, second: str, metric: str) -> Contrast:
    """The first arm has less than the second."""
    return Contrast(more(second, first, metric).measure, (metric,), f"{metric}: {second} minus {first}")


def best_of(first: tuple[str, ...], second: tuple[str, ...], metric: str = TEST) -> Contrast:
    """Of each side the arm that validation prefers."""

    def best(arms: Arms, names: tuple[str, ...]) -> Found:
        return max((arms[name] for name in names), key=lambda found: float(_64(found[VALID]).mean()))

    text = f"{metric}: best of {', '.join(first)} minus best of {', '.join(second)}"
    return Contrast(
        lambda arms: _64(best(arms, first)[metric]) - _64(best(arms, second)[metric]), (metric, VALID), text
    )


def above(name: str, metric: str, bound: float) -> Contrast:
    return Contrast(lambda arms: _64(arms[name][metric]) - bound, (metric,), f"{metric} of {name} minus {bound:g}")


def below(name: str, metric: str, bound: float) -> Contrast:
    return Contrast(lambda arms: bound - _64(arms[name][metric]), (metric,), f"{bound:g} minus {metric} of {name}")


def greater_gain(first: tuple[str, str], second: tuple[str, str], metric: str = TEST) -> Contrast:
    """What the first pair gains, (with, without), minus what the second pair gains."""

    def gain(arms: Arms, pair: tuple[str, str]) -> np.ndarray:
        return _64(arms[pair[0]][metric]) - _64(arms[pair[1]][metric])

    text = f"{metric}: ({first[0]} minus {first[1]}) minus ({second[0]} minus {second[1]})"
    return Contrast(lambda arms: gain(arms, first) - gain(arms, second), (metric,), text)


def rising(name: str, metric: str, by: str, factor: float = 1.0) -> Contrast:
    """The slope of a score over the ranks of a strength, by least squares in each seed, times their range."""

    def slope(arms: Arms) -> np.ndarray:
        found = arms[name]
        strengths = found.by(by)
        ranks = np.unique(strengths, return_inverse=True)[1].astype(np.float64)
        centred = ranks - ranks.mean()
        return factor * np.ptp(ranks) * (centred @ _64(found.scores[metric])) / (centred @ centred)

    word = "rise" if factor > 0 else "fall"
    return Contrast(slope, (metric,), f"{word} of {metric} over the range of {by} in {name}")


def falling(name: str, metric: str, by: str) -> Contrast:
    return rising(name, metric, by, -1.0)


def _64(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64)
