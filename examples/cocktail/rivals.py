"""scikit-learn's methods under the same search: as many settings, the same rungs, folds and test rows."""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from .prepare import NUM_FOLDS, Rows, Table, scaled_without
from .search import KEEP, Size, now, score, since

NUM_TREES = 100
Values = dict[str, float]


class Rival(NamedTuple):
    """A method: what it is called with by default, the ranges of what is tuned, and whether a rung shortens it."""

    make: Callable[[Values, int], Any]
    default: Values
    ranges: dict[str, tuple[float, float]]
    has_trees: bool = False


def boosting(values: Values, num_trees: int) -> Any:
    options: Any = {"learning_rate": values["learning_rate"], "l2_regularization": values["l2"], "max_bins": 63}
    leaves: Any = {"max_leaf_nodes": round(values["leaves"]), "min_samples_leaf": round(values["rows_per_leaf"])}
    return HistGradientBoostingClassifier(**options, **leaves, max_iter=num_trees, random_state=0)


def forest(values: Values, num_trees: int) -> Any:
    options: Any = {"max_features": values["share_of_columns"] or "sqrt"}
    leaf = round(values["rows_per_leaf"])
    return RandomForestClassifier(num_trees, min_samples_leaf=leaf, **options, random_state=0)


def machine(values: Values, num_trees: int) -> Any:
    gamma: Any = values["gamma"] or "scale"
    return SVC(C=values["c"], gamma=gamma)


def linear(values: Values, num_trees: int) -> Any:
    return LogisticRegression(C=values["c"], max_iter=300)


RIVALS = {
    "gradient boosting": Rival(
        boosting,
        {"learning_rate": 0.1, "leaves": 15.0, "rows_per_leaf": 10.0, "l2": 0.0},
        {"learning_rate": (0.03, 0.3), "leaves": (3, 24), "rows_per_leaf": (2, 30), "l2": (0.001, 10)},
        has_trees=True,
    ),
    "random forest": Rival(
        forest,
        {"share_of_columns": 0.0, "rows_per_leaf": 1.0},
        {"share_of_columns": (0.05, 0.9), "rows_per_leaf": (1, 8)},
        has_trees=True,
    ),
    "SVM": Rival(machine, {"c": 1.0, "gamma": 0.0}, {"c": (0.1, 300), "gamma": (0.0005, 0.5)}),
    "linear model": Rival(linear, {"c": 1.0}, {"c": (0.003, 100)}),
}
TREES = ("gradient boosting", "random forest")


def settings_of(name: str, number: int, seed: int) -> list[Values]:
    """The default, and draws from the ranges, log-uniform."""
    rival, rng = RIVALS[name], np.random.default_rng([seed, 100 + list(RIVALS).index(name)])
    drawn = [
        {key: float(np.exp(rng.uniform(*np.log(ends))).round(5)) for key, ends in rival.ranges.items()}
        for _ in range(number - 1)
    ]
    return [rival.default, *drawn]


def search(name: str, table: Table, rows: Rows, split: int, size: Size, seed: int) -> dict[str, Any]:
    """Halve the settings on the first fold, let the best meet on all folds, and test the winner.

    The winner is fitted again to all training rows of the split, as these methods need no validation rows.
    """
    start, rival = now(), RIVALS[name]
    x, labels = scaled_without(table.x, rows.test[split]), table.labels
    settings = settings_of(name, size.lanes, seed)

    def fitted(setting: Values, seen: np.ndarray, num_trees: int = NUM_TREES) -> np.ndarray:
        return rival.make(setting, num_trees).fit(x[seen], labels[seen]).predict(x)

    def validated(setting: Values, fold: int = 0, num_trees: int = NUM_TREES) -> float:
        return score(table, rows.unseen[split, fold], fitted(setting, rows.seen[split, fold], num_trees))

    # Threads within one fit of a small table only wait for each other: each fit has one, and fits run side by side.
    with warnings.catch_warnings(), threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore", ConvergenceWarning)
        quarter = list(pool.map(lambda setting: validated(setting, num_trees=NUM_TREES // 4), settings))
        survivors = best_of(quarter, max(1, int(np.ceil(len(settings) * KEEP))))
        full = list(pool.map(lambda at: validated(settings[at]) if rival.has_trees else quarter[at], survivors))
        finalists = [survivors[place] for place in best_of(full, size.finalists)]
        meetings = [(settings[at], fold) for at in finalists for fold in range(1, NUM_FOLDS)]
        others = np.reshape(list(pool.map(lambda meeting: validated(*meeting), meetings)), (len(finalists), -1))
        first = dict(zip(survivors, full, strict=True))
        means = [np.mean([first[at], *rest]) for at, rest in zip(finalists, others, strict=True)]
        chosen = settings[finalists[int(np.argmax(means))]]
        predictions = fitted(chosen, np.setdiff1d(np.arange(len(labels)), rows.test[split]))
    return {
        "setting": chosen,
        "validation": float(max(means)),
        "test": score(table, rows.test[split], predictions),
        **since(start),
    }


def best_of(values: list[float], number: int) -> list[int]:
    return np.argsort(-np.array(values), kind="stable")[:number].tolist()
