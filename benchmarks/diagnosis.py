"""How often does `diagnose.curves` name the right state? Thousands of constructed curves with known answers, and noise.

    python -m benchmarks.diagnosis [--out benchmarks/results/diagnosis.json]

Curves fall exponentially or by a power law; what happens then is the answer. The noise is white, or correlated between
neighbours, or shrinks with the loss, or is that of an accuracy on a few hundred rows. All lanes are diagnosed in one
call, padded with NaN to one length.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LENGTHS = (12, 20, 30, 50, 100, 200)
LEVELS = (0.0, 0.002, 0.005, 0.01, 0.02)
NOISES = ("white", "correlated", "shrinking", "of an accuracy")
ROWS = 300
ALARMS = ("over-fitting", "under-fitting", "diverged")
CALM = ("healthy", "still improving", "undecided")


class Lane(NamedTuple):
    """A run with a known answer: losses (seeds, steps) that start near 1, and what is true of them."""

    kind: str
    state: str
    onset: int
    train: np.ndarray
    valid: np.ndarray


class Trial(NamedTuple):
    """What the lanes of one call share. Scores are 1 - 0.9 * loss; 0.1 is what a guess reaches."""

    metric: str = "loss"
    has_baseline: bool = True
    levels: tuple[float, ...] = LEVELS
    num_seeds: int = 1


TRIALS = {
    "losses and a baseline": Trial(),
    "scores and no baseline": Trial(metric="score", has_baseline=False),
    "five times the noise": Trial(levels=(0.05, 0.1)),
    "five times the noise, five seeds": Trial(levels=(0.05, 0.1), num_seeds=5),
}
Shape = tuple[str, int, np.ndarray, np.ndarray]
"""A state, its onset (-1 for none), and the two curves without noise."""


def falling(generator: np.random.Generator, steps: int, speed: float) -> np.ndarray:
    """From 1 to 0: `speed` time constants, or a power law that is about as far."""
    time = np.linspace(0.0, 1.0, steps) * speed
    return np.exp(-time) if generator.random() < 0.5 else (1.0 + time / 3.0) ** -4.0


Range = tuple[float, float]


def pair(
    generator: np.random.Generator, steps: int, *, speeds: Range, floors: Range, gaps: Range
) -> tuple[np.ndarray, np.ndarray]:
    """Two curves that fall alike, to places a gap apart."""
    fall = falling(generator, steps, generator.uniform(*speeds))
    floor, gap = generator.uniform(*floors), generator.uniform(*gaps)
    return floor + (1 - floor) * fall, floor + gap + (1 - floor - gap) * fall


def healthy(generator: np.random.Generator, steps: int) -> Shape:
    return "healthy", -1, *pair(generator, steps, speeds=(12, 40), floors=(0.05, 0.5), gaps=(0.0, 0.02))


def improving(generator: np.random.Generator, steps: int) -> Shape:
    return "still improving", -1, *pair(generator, steps, speeds=(0.7, 2.0), floors=(0.05, 0.3), gaps=(0.0, 0.02))


def rising(generator: np.random.Generator, steps: int) -> Shape:
    """Validation turns at its onset and rises to the end, straight or ever less."""
    _, _, train, _ = healthy(generator, steps)
    floor, rise = generator.uniform(0.1, 0.4), generator.uniform(0.08, 0.5)
    onset = int(generator.uniform(0.2, 0.6) * steps)
    fall = falling(generator, steps, generator.uniform(4, 8) * steps / onset)
    since = np.clip((np.arange(steps) - onset) / (steps - 1 - onset), 0, 1) ** generator.choice([0.6, 1.0])
    return "over-fitting", onset, train * np.linspace(1, 0.5, steps), floor + (1 - floor) * fall + rise * since


def stalling(generator: np.random.Generator, steps: int) -> Shape:
    """Validation comes to rest, by its onset within 2 % of where it ends, and training goes on straight down."""
    floor, gain = generator.uniform(0.3, 0.6), generator.uniform(0.12, 0.3)
    onset = int(generator.uniform(0.15, 0.4) * steps)
    fall = falling(generator, steps, generator.uniform(6, 10) * steps / onset)
    since = np.clip((np.arange(steps) - onset) / (steps - 1 - onset), 0, 1)
    both = floor + (1 - floor) * fall
    return "over-fitting", int(np.argmax(both <= both[-1] + 0.02)), both - gain * since, both


def gaping(generator: np.random.Generator, steps: int) -> Shape:
    return "over-fitting", -1, *pair(generator, steps, speeds=(12, 40), floors=(0.0, 0.2), gaps=(0.1, 0.5))


def learning_nothing(generator: np.random.Generator, steps: int) -> Shape:
    fall, learned = falling(generator, steps, generator.uniform(12, 40)), generator.uniform(0, 0.02)
    train = 1.0 - learned * (1 - fall)
    return "under-fitting", -1, train, train + generator.uniform(0, 0.01)


def diverging(generator: np.random.Generator, steps: int) -> Shape:
    """Both curves lose all from some step on, a little later than they fell."""
    _, _, train, valid = healthy(generator, steps)
    start, height = int(generator.uniform(0.3, 0.8) * steps), generator.uniform(1.0, 10.0)
    since = np.clip((np.arange(steps) - start) / (steps - 1 - start), 0, 1)
    return "diverged", -1, train + height * since, valid + height * since


KINDS: dict[str, Callable[[np.random.Generator, int], Shape]] = {
    "healthy": healthy,
    "still improving": improving,
    "rises": rising,
    "stalls": stalling,
    "gap": gaping,
    "learned nothing": learning_nothing,
    "diverged": diverging,
    "noise alone": healthy,
}


def make(generator: np.random.Generator, kind: str, trial: Trial) -> Lane:
    steps = int(generator.choice(LENGTHS))
    state, onset, *curves = KINDS[kind](generator, steps)
    noise, level = str(generator.choice(NOISES)), float(generator.choice(trial.levels))
    if kind == "noise alone":
        state, level, noise = "undecided", generator.uniform(0.3, 0.6) * trial.num_seeds**0.5, "white"
    if kind == "learned nothing" and not trial.has_baseline:
        state = "undecided"
    train, valid = (
        np.stack([noisy(generator, curve, noise, level) for _ in range(trial.num_seeds)]) for curve in curves
    )
    return Lane(kind, state, onset, train, valid)


def noisy(generator: np.random.Generator, curve: np.ndarray, noise: str, level: float) -> np.ndarray:
    if noise == "of an accuracy" and level and np.all(curve <= 1.0):
        return 1.0 - generator.binomial(ROWS, np.clip(1.0 - curve, 0.0, 1.0)) / ROWS
    draws = generator.standard_normal(curve.size)
    if noise == "correlated":
        for place in range(1, draws.size):
            draws[place] = 0.5 * draws[place - 1] + 0.75**0.5 * draws[place]
    return curve + level * draws * (curve if noise == "shrinking" else 1.0)


def lanes(seed: int, number: int, trial: Trial) -> list[Lane]:
    """As many of each kind, by turns."""
    generator = np.random.default_rng(seed)
    return [make(generator, kind, trial) for _ in range(number // len(KINDS)) for kind in KINDS]


def diagnosed(found: list[Lane], trial: Trial) -> Any:
    """The diagnoses of all lanes by one call, each padded with NaN to the same length."""
    from jreg import diagnose

    room = np.full((2, len(found), trial.num_seeds, max(LENGTHS)), np.nan, np.float32)
    for place, lane in enumerate(found):
        room[:, place, :, : lane.train.shape[-1]] = lane.train, lane.valid
    if trial.metric == "loss":
        return diagnose.curves(*room, baseline=1.0 if trial.has_baseline else None)
    return diagnose.curves(*(1.0 - 0.9 * room), baseline=0.1 if trial.has_baseline else None, mode="max")


def measured(found: list[Lane], diagnosis: Any) -> dict[str, Any]:
    """Recall by kind, false alarms among runs that need none, the precision of alarms, and errors of the onset."""
    names = np.asarray(diagnosis.name)
    truths = np.array([lane.state for lane in found])
    kinds = np.array([lane.kind for lane in found])
    is_alarm, is_calm = np.isin(names, ALARMS), np.isin(truths, CALM)
    errors = [
        (int(onset) - lane.onset) / lane.train.shape[-1]
        for lane, onset in zip(found, np.asarray(diagnosis.onset), strict=True)
        if lane.onset >= 0 and onset >= 0
    ]
    return {
        "lanes": len(found),
        "named": {kind: _counts(names[kinds == kind]) for kind in KINDS},
        "recall": {kind: float(np.mean(names[kinds == kind] == truths[kinds == kind])) for kind in KINDS},
        "false_alarms": float(np.mean(is_alarm[is_calm])),
        "precision": float(np.mean(names[is_alarm] == truths[is_alarm])),
        "onset_error_quantiles": dict(
            zip(("5 %", "50 %", "95 %"), np.quantile(errors, (0.05, 0.5, 0.95)), strict=True)
        ),
    }


def _counts(names: np.ndarray) -> dict[str, int]:
    return {str(name): int(count) for name, count in zip(*np.unique(names, return_counts=True), strict=True)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis", description=__doc__)
    parser.add_argument("--number", type=int, default=4000, help="lanes of each trial")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a .json file to write the record to")
    options = parser.parse_args(arguments)
    record = {}
    for name, trial in TRIALS.items():
        found = lanes(options.seed, options.number, trial)
        record[name] = measured(found, diagnosed(found, trial))
        print(report(name, record[name]))
    if options.out:
        options.out.write_text(json.dumps({"seed": options.seed, "trials": record}, indent=1) + "\n")
    return 0


def report(name: str, found: dict[str, Any]) -> str:
    onset = ", ".join(f"{value:+.2f}" for value in found["onset_error_quantiles"].values())
    lines = [
        f"{name}: {found['lanes']} lanes, false alarms {found['false_alarms']:.1%}, precision of alarms "
        f"{found['precision']:.1%}, error of the onset as a share of the run, 5, 50 and 95 %: {onset}"
    ]
    for kind, recall in found["recall"].items():
        named = sorted(found["named"][kind].items(), key=lambda pair: -pair[1])
        lines.append(f"  {kind:16} {recall:6.1%}  " + ", ".join(f"{state} {count}" for state, count in named))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
