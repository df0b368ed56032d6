"""What the record of the study says over all its tables: pure functions of it."""

from typing import Any

import numpy as np
from scipy.stats import rankdata

from ..intervals import interval
from .report import BAGS, BASE, Scores, scores_of
from .space import SPACE, lanes

BOOSTING = "gradient boosting"


def means(record: dict[str, Any]) -> Scores:
    """The mean test score of every method by table."""
    by_table = [scores_of(found) for found in record["tables"].values()]
    return {name: [float(np.mean(scores[name])) for scores in by_table] for name in by_table[0]}


def mean_ranks(scores: Scores) -> dict[str, float]:
    """1 is best; equals share their ranks."""
    ranks = rankdata(-np.array(list(scores.values())), axis=0).mean(1)
    return dict(zip(scores, ranks.tolist(), strict=True))


def paired(scores: Scores, name: str, base: str) -> tuple[float, float, int]:
    """The mean difference over tables in points, half its 95 % interval, and on how many tables it is above 0."""
    found = 100.0 * np.subtract(scores[name], scores[base])
    return float(found.mean()), interval(found), int((found > 1e-6).sum())


def by_lanes(record: dict[str, Any]) -> dict[int, tuple[float, float]]:
    """What cocktails, bagged, gain on bagging alone, by the lanes of their search, on the tables that tried fewer."""
    tried = [found for found in record["tables"].values() if "lanes" in found]
    gains: dict[int, list[float]] = {}
    for found in tried:
        base = np.mean([part["bagged"] for part in found["arms"]["none"]])
        curve = {int(number): parts for number, parts in found["lanes"].items()}
        for number, parts in (curve | {record["size"]["lanes"]: found["arms"]["cocktail"]}).items():
            gains.setdefault(number, []).append(100.0 * float(np.mean([part["bagged"] for part in parts]) - base))
    return {number: (float(np.mean(values)), interval(values)) for number, values in gains.items() if len(tried) > 1}


def shares(record: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """How many of the lanes of cocktails have each ingredient, and how many of the winners."""
    drawn = lanes("cocktail", record["size"]["lanes"], record["seed"])
    won = [part["setting"] for found in record["tables"].values() for part in found["arms"]["cocktail"]]
    share = lambda name, settings: float(np.mean([setting.get(name, 0.0) > 0.0 for setting in settings]))  # noqa: E731
    return {name: (share(name, drawn), share(name, won)) for name in SPACE}


def seconds(found: dict[str, Any], kind: str = "seconds") -> tuple[float, float]:
    """What the networks and the rivals of one table took."""
    networks, rivals = ([part[kind] for parts in found[of].values() for part in parts] for of in ("arms", "rivals"))
    return sum(networks), sum(rivals)


def verdict(record: dict[str, Any]) -> str:
    """Two sentences, by rule: a difference counts where its interval does not hold 0."""
    scores, cocktail = means(record), BAGS["cocktail"]
    clauses = []
    for base in (BASE, BOOSTING):
        gain, half, wins = paired(scores, cocktail, base)
        sure = "better" if gain > half else "worse" if -gain > half else "no different for sure"
        clauses.append(f"{sure} than {base!r}" if sure != "no different for sure" else f"{sure} from {base!r}")
        clauses[-1] += f" ({gain:+.1f} ± {half:.1f} points, above it on {wins} of {len(record['tables'])} tables)"
    ranks = mean_ranks(scores)
    best = min(ranks, key=lambda name: ranks[name])
    return f"Cocktails, bagged, are {clauses[0]}, and {clauses[1]}. The best mean rank has {best!r}, {ranks[best]:.1f}."
