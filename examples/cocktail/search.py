"""The search of one arm on the training rows of one split, and the test score of what it chose."""

import time
from typing import Any, NamedTuple

import jax
import numpy as np

from jreg import train

from .network import Data, make_fit_on, make_predict
from .prepare import MOST_BATCH, NUM_FOLDS, NUM_SPLITS, Rows, Table, batch_size, scaled_without
from .space import Setting, ingredients

KEEP = 1 / 4
ALL = 0.999
CHUNK = 2
"""Lanes of one call. All searches are multiples of it, so that two programs, one for each rung, serve them all."""


FEWEST_LANES, MOST_LANES = 16, 64
PASSES, FEWEST_STEPS, MOST_STEPS = 10, 240, 600
STEPS_PER_SECOND, SECONDS_BEFORE, RIVALS_SHARE = 2000.0, 45.0, 0.5
"""Of two free cores: steps of the search, seconds to compile, and the share of the rest that the rivals take."""


class Size(NamedTuple):
    """How much a run tries: `lanes` settings of every method, of which `finalists` meet on all five folds."""

    lanes: int = 32
    finalists: int = 2
    epochs: int = 20
    steps_per_epoch: int = 15

    @property
    def rungs(self) -> tuple[int, int]:
        """A quarter of a run, and all of it."""
        return self.epochs // 4, self.epochs


QUICK = Size(lanes=4, finalists=1, epochs=4, steps_per_epoch=4)


def size_for(minutes: float, num_rows: int) -> Size:
    """As much as the minutes allow, by the speed of two free cores; the same on every machine."""
    steps = min(MOST_STEPS, max(FEWEST_STEPS, PASSES * (num_rows * 16 // 25) // MOST_BATCH))
    seconds = max(0.0, (60.0 * minutes - SECONDS_BEFORE) * (1.0 - RIVALS_SHARE))
    num_runs = seconds * STEPS_PER_SECOND / steps - 6 * NUM_SPLITS * NUM_FOLDS
    per_lane, of_finalists = (1.0 + 3.0 * KEEP) / 4.0, 4.0 * Size().finalists
    lanes = int((num_runs / 15 - of_finalists) / per_lane) // FEWEST_LANES * FEWEST_LANES
    return Size(lanes=min(MOST_LANES, max(FEWEST_LANES, lanes)), steps_per_epoch=steps // Size().epochs)


class Searcher:
    """The networks of one table."""

    def __init__(self, table: Table, rows: Rows, size: Size, seed: int) -> None:
        x = np.stack([scaled_without(table.x, test) for test in rows.test])
        y = np.eye(len(table.classes), dtype=np.float32)[table.labels]
        weights = table.weights.astype(np.float32)
        data = Data(x, y, weights, rows.seen, rows.unseen, batch_size(rows.seen), size.steps_per_epoch)
        self.table, self.rows, self.size = table, rows, size
        self.keys = jax.random.key(seed)[None]
        self.fit_on, self.predict = make_fit_on(data), make_predict(data)

    def arm(self, split: int, settings: list[Setting]) -> dict[str, Any]:
        """Halve the settings on the first fold, let the best meet on all folds, and test the winner."""
        start = now()
        found = train.halving(
            self.fit_on, self.keys, as_arrays(settings, split, 0),
            rungs=self.size.rungs, keep=KEEP, mode="max", chunk_size=CHUNK,
        )  # fmt: skip
        first, last = found.rungs
        # The host's arrays: picking from them compiles nothing.
        result = jax.device_get(found.result)
        ranked = np.argsort(-last.values[:, 0], kind="stable")[: self.size.finalists]  # NaN sorts last
        finalists = [settings[number] for number in last.settings[ranked]]
        others = self.runs([(setting, split, fold) for setting in finalists for fold in range(1, NUM_FOLDS)])
        others = jax.tree.map(lambda leaf: leaf.reshape(len(finalists), NUM_FOLDS - 1, *leaf.shape[1:]), others)
        joined = jax.tree.map(
            lambda one, rest: np.concatenate([one[ranked], rest], 1),
            (result.best, result.best_value), (others.best, others.best_value),
        )  # fmt: skip
        states, merits = joined
        best = int(np.argmax(np.nan_to_num(np.asarray(merits, np.float64).mean(1), nan=-np.inf)))
        tested = self.tested(split, finalists[best], jax.tree.map(lambda leaf: leaf[best], states))
        return {
            "setting": finalists[best],
            "validation": float(np.mean(np.asarray(merits, np.float64)[best])),
            **tested,
            "quarter": first.values[:, 0].tolist(),
            "full": dict(zip(map(str, last.settings.tolist()), last.values[:, 0].tolist(), strict=True)),
            **since(start),
        }

    def tested(self, split: int, setting: Setting, states: train.TrainState) -> dict[str, float]:
        """Test scores of the networks of five folds: their mean, and that of the mean of what they say."""
        hypers = as_arrays([setting] * NUM_FOLDS, split, 0)
        said = np.asarray(self.predict(states, hypers, split))
        test = self.rows.test[split]
        singles = [score(self.table, test, one.argmax(1)) for one in said]
        return {"single": float(np.mean(singles)), "bagged": score(self.table, test, said.mean(0).argmax(1))}

    def everywhere(self, setting: Setting) -> list[dict[str, float]]:
        """The test scores of one setting on every split."""
        places = [(setting, split, fold) for split in range(NUM_SPLITS) for fold in range(NUM_FOLDS)]
        best = self.runs(places).best
        best = jax.tree.map(lambda leaf: leaf.reshape(NUM_SPLITS, NUM_FOLDS, *leaf.shape[1:]), best)
        return [
            self.tested(split, setting, jax.tree.map(lambda leaf, split=split: leaf[split], best))
            for split in range(NUM_SPLITS)
        ]

    def validated(self, settings: list[Setting]) -> list[float]:
        """The mean merit of each setting on the first fold of every split."""
        places = [(setting, split, 0) for setting in settings for split in range(NUM_SPLITS)]
        merits = np.asarray(self.runs(places).best_value, np.float64)
        return merits.reshape(len(settings), NUM_SPLITS).mean(1).tolist()

    def runs(self, places: list[tuple[Setting, int, int]]) -> train.FitResult:
        """Full runs of (setting, split, fold), in that order.

        Halving that keeps every run has the programs of the search, where a sweep would compile one more.
        """
        padded = places + places[:1] * (-len(places) % CHUNK)
        settings, splits, folds = zip(*padded, strict=True)
        found = train.halving(
            self.fit_on, self.keys, as_arrays(settings, splits, folds),
            rungs=self.size.rungs, keep=ALL, mode="max", chunk_size=CHUNK,
        )  # fmt: skip
        order = np.argsort(found.rungs[-1].settings)[: len(places)]
        return jax.tree.map(lambda leaf: leaf[order, 0], jax.device_get(found.result))


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> dict[str, float]:
    """Seconds on the clock, and those of all cores together, which tell more on a busy machine."""
    return {"seconds": time.perf_counter() - start[0], "cpu_seconds": time.process_time() - start[1]}


def as_arrays(settings: Any, splits: Any, folds: Any) -> dict[str, np.ndarray]:
    """Settings as the axis of lanes, each with its split and fold."""
    hypers = {name: np.array([setting[name] for setting in settings], np.float32) for name in settings[0]}
    places = {"split": splits, "fold": folds}
    return hypers | {name: np.broadcast_to(np.asarray(at, np.int32), len(settings)) for name, at in places.items()}


def score(table: Table, rows: np.ndarray, predictions: np.ndarray) -> float:
    """The weighted share of rows that are right. Predictions are for all rows of the table."""
    is_right = predictions[rows] == table.labels[rows]
    return float(np.average(is_right, weights=table.weights[rows]))


def described(setting: Setting) -> dict[str, float]:
    """What a setting turns on, and its learning rate."""
    return {name: setting[name] for name in ("learning_rate", *ingredients(setting))}
