"""What a run prints, draws and stores: scores with paired intervals, ingredients, and one sentence."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ..intervals import interval
from .rivals import RIVALS
from .space import SPACE

BAGS = {"none": "none, bagged", "single": "best single, bagged", "cocktail": "cocktail, bagged"}
ONES = {"none": "none", "single": "best single", "cocktail": "cocktail"}
BASE = BAGS["none"]
WINS = {
    "gradient boosting": "Trees win",
    "random forest": "Trees win",
    "SVM": "An SVM wins",
    "linear model": "A linear model wins",
}
Scores = dict[str, list[float]]


def scores_of(record: dict[str, Any]) -> Scores:
    """The test score of every method by split: of one network, of five together, of the rivals."""
    networks = {
        names[arm]: [found[kind] for found in record["arms"][arm]]
        for arm in ONES
        for names, kind in ((ONES, "single"), (BAGS, "bagged"))
    }
    return networks | {name: [found["test"] for found in record["rivals"][name]] for name in RIVALS}


def half_width(values: Any) -> float:
    """Half the 95 % interval of a mean over splits, whose training rows overlap.

    Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 2003: the variance 1/n becomes
    1/n + test rows / training rows.
    """
    num = len(values)
    return interval(values) * (1.0 + num / (num - 1.0)) ** 0.5


def difference(scores: Scores, name: str, base: str) -> tuple[float, float]:
    """The mean paired difference in points, and half its interval."""
    paired = 100.0 * np.subtract(scores[name], scores[base])
    return float(paired.mean()), half_width(paired)


def best_of(scores: Scores, names: Any) -> str:
    return max(names, key=lambda name: np.mean(scores[name]))


def verdict(scores: Scores) -> str:
    """One sentence, from the scores alone: who wins, and what the cocktail adds to bagging."""
    network, rival = best_of(scores, BAGS.values()), best_of(scores, RIVALS)
    lead, half = difference(scores, network, rival)
    if lead > half:
        first = f"Networks win on your table by {lead:.1f} ± {half:.1f} points ({network}, before {rival})"
    elif -lead > half:
        first = f"{WINS[rival]} on your table by {-lead:.1f} ± {half:.1f} points ({rival}, before {network})"
    else:
        side = "ahead of" if lead >= 0.0 else "behind"
        first = f"Nothing wins for sure on your table: {network} is {abs(lead):.1f} ± {half:.1f} points {side} {rival}"
    gain, error = difference(scores, BAGS["cocktail"], BASE)
    if abs(gain) > error:
        second = f"the cocktail {'adds' if gain > 0.0 else 'costs'} {abs(gain):.1f} ± {error:.1f} points"
    else:
        second = f"the cocktail adds nothing that is sure ({gain:+.1f} ± {error:.1f} points)"
    return f"{first}, and {second} to five networks without regularizers."


def score_table(record: dict[str, Any]) -> Table:
    scores, profile = scores_of(record), record["profile"]
    shown = Table(
        title=f"{profile['name']}: test {profile['score']}, nested, {len(scores[BASE])} splits",
        caption=f"the largest class alone would have {profile['floor']:.3f}",
    )
    for column in ("method", "test ± 95 %", f"minus {BASE} ± 95 %", "s"):
        shown.add_column(column, justify="left" if column == "method" else "right")
    seconds = {BAGS[arm]: found for arm, found in record["arms"].items()} | record["rivals"]
    for name, values in scores.items():
        gain, error = difference(scores, name, BASE)
        shown.add_row(
            name,
            f"{np.mean(values):.3f} ± {half_width(values):.3f}",
            "" if name == BASE else f"{gain / 100.0:+.3f} ± {error / 100.0:.3f}",
            f"{sum(part['seconds'] for part in seconds[name]):.0f}" if name in seconds else "",
        )
    return shown


def ingredient_table(record: dict[str, Any]) -> Table:
    recipe = record["recipe"]
    shown = Table(
        title=f"the recipe, of the arm {recipe['arm']!r}; learning rate {recipe['setting']['learning_rate']:g}",
        caption="what the recipe, bagged, loses without each; test rows of all splits",
    )
    for column in ("ingredient", "strength", "effect ± 95 %", "chosen in"):
        shown.add_column(column, justify="left" if column == "ingredient" else "right")
    for name, values in recipe["effects"].items():
        strength = "on" if name == "batch_norm" else f"{recipe['setting'][name]:.3g}"
        effect = f"{np.mean(values):+.3f} ± {half_width(values):.3f}"
        shown.add_row(SPACE[name].label, strength, effect, f"{recipe['chosen'][name]} of {len(values)}")
    return shown


def draw(record: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    scores, effects = scores_of(record), record["recipe"]["effects"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained", width_ratios=(3, 2))
    rest = [name for name in scores if name != BASE]
    dots(left, rest, [difference(scores, name, BASE) for name in rest])
    left.set(title=f"{record['profile']['name']}: test score minus {BASE!r}", xlabel="points, ± 95 %")
    points = [(100.0 * float(np.mean(values)), 100.0 * half_width(values)) for values in effects.values()]
    dots(right, [SPACE[name].label for name in effects], points)
    right.set(title="What each ingredient adds to the recipe", xlabel="points, ± 95 %")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def dots(axis: Any, names: list[str], points: list[tuple[float, float]]) -> None:
    """A dot with its interval for each name, the first on top."""
    places = np.arange(len(names))[::-1]
    for place, name, (mean, half) in zip(places, names, points, strict=True):
        colour = "#c08030" if name in RIVALS else "#2f6f9f"
        axis.errorbar(mean, place, xerr=half, marker="o", capsize=3, color=colour)
    axis.axvline(0.0, color="black", linewidth=0.8, linestyle=":")
    axis.set_yticks(places, names)
    axis.spines[["top", "right"]].set_visible(False)
