"""README.md and the picture of the study, made from its record alone."""

from pathlib import Path
from typing import Any

import numpy as np

from .report import BASE, Scores, dots
from .space import SPACE
from .summary import BOOSTING, by_lanes, mean_ranks, means, paired, seconds, shares, verdict

INTRODUCTION = """# Cocktails of regularizers on your table

    python -m examples.cocktail --data FILE --target COLUMN [--minutes 3] [--out DIR]

reads a table of classes (CSV, TSV, .gz, .parquet, .npz; text columns and gaps are fine), and asks how much
regularizers gain on it. A residual network of 96 x 3 has twelve ingredients whose strengths are arguments, so one
compiled program trains every mixture. Three arms get as many lanes and the same learning rates: no regularizer, a
single one, a cocktail; lane 0 of each is none. `train.halving` trains all lanes for a quarter of a run and the best
quarter to the end; the best of these meet on five folds, and the winner's five networks are averaged ("bagged").
scikit-learn's boosting, forest, SVM and linear model search as many settings on the same rungs and folds.

All of this happens within five outer splits: no test row has a say in what is tested on it. Differences are paired
by split, and their intervals count that splits share training rows. It writes `cocktail.json`, a picture, and
`recipe.py`, a script of at most 80 lines that trains the recipe with jreg and needs no search (it reads `table.npz`
beside it). A run that was killed goes on where it was. It does classes, not regressions.
"""
FOUND = """
## What it found on {num} tables

{verdict}

| method | mean rank | mean test score | minus "{base}", points | minus "{boosting}", points |
| --- | --- | --- | --- | --- |
{methods}

Ranks are among {num_methods} methods; scores are accuracies, balanced where classes are uneven. Intervals are of
95 % over tables. {lanes} settings of every method and table, runs of {steps} steps, {finalists} finalist, at most
{most_rows} rows; for 3000 rows `--minutes 3` tries {default} lanes.

![Differences by table, lanes and ingredients]({picture})

| table | rows | inputs | classes | {base} | cocktail, bagged | {boosting} | best of all | s, networks + others |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{tables}

The seconds are on two cores that other programs shared.{curve}

| ingredient | in the lanes | in the winners |
| --- | --- | --- |
{ingredients}

The tables are scikit-learn's and those of Debian's packages of weka and R's mlbench. `examples/cocktail/fetch.py`
says how to get them; then `python -m examples.cocktail.study --tables DIR --work DIR` runs what is missing, and
`--publish` writes this page. Record: [study.json](study.json).
"""


def write(record: dict[str, Any], folder: Path) -> None:
    draw(record, folder / "study.png")
    (folder / "README.md").write_text(page(record))


def page(record: dict[str, Any]) -> str:
    scores, size = means(record), record["size"]
    return INTRODUCTION + FOUND.format(
        num=len(record["tables"]),
        verdict=verdict(record),
        base=BASE,
        boosting=BOOSTING,
        methods="\n".join(method_row(scores, name) for name in scores),
        num_methods=len(scores),
        lanes=size["lanes"],
        steps=size["epochs"] * size["steps_per_epoch"],
        finalists=size["finalists"],
        most_rows=record["most_rows"],
        default=record["default_lanes"],
        picture="study.png",
        tables="\n".join(table_row(scores, name, at, record) for at, name in enumerate(record["tables"])),
        curve=curve(record),
        ingredients="\n".join(
            f"| {SPACE[name].label} | {drawn:.0%} | {won:.0%} |" for name, (drawn, won) in shares(record).items()
        ),
    )


def method_row(scores: Scores, name: str) -> str:
    versus = [
        "" if name == base else "{:+.1f} ± {:.1f}, above on {}".format(*paired(scores, name, base))
        for base in (BASE, BOOSTING)
    ]
    return f"| {name} | {mean_ranks(scores)[name]:.1f} | {np.mean(scores[name]):.3f} | {versus[0]} | {versus[1]} |"


def table_row(scores: Scores, name: str, at: int, record: dict[str, Any]) -> str:
    found = record["tables"][name]
    best = max(scores, key=lambda method: scores[method][at])
    shown = " | ".join(f"{scores[method][at]:.3f}" for method in (BASE, "cocktail, bagged", BOOSTING))
    networks, rivals = seconds(found)
    profile = found["profile"]
    size = f"{profile['rows']} | {profile['inputs']} | {len(profile['classes'])}"
    return f"| {name} | {size} | {shown} | {best} {scores[best][at]:.3f} | {networks:.0f} + {rivals:.0f} |"


def curve(record: dict[str, Any]) -> str:
    found = by_lanes(record)
    if not found:
        return ""
    shown = ", ".join(f"{gain:+.1f} ± {half:.1f} points with {number} lanes" for number, (gain, half) in found.items())
    return f' What cocktails, bagged, gain on "{BASE}" by the lanes of their search: {shown}.'


def draw(record: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    scores = means(record)
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(16, 5), layout="constrained", width_ratios=(3, 2, 2))
    names = [name for name in scores if name != BASE]
    dots(left, names, [paired(scores, name, BASE)[:2] for name in names])
    left.set(title=f"Test score minus {BASE!r}, {len(record['tables'])} tables", xlabel="points, mean ± 95 %")
    found = by_lanes(record)
    if found:
        gains, halves = zip(*found.values(), strict=True)
        middle.errorbar(list(found), gains, halves, marker="o", capsize=3, color="#2f6f9f")
        middle.axhline(0.0, color="black", linewidth=0.8, linestyle=":")
        middle.set_xscale("log", base=2)
        middle.set_xticks(list(found), [str(number) for number in found])
    middle.set(title=f"Cocktails, bagged, minus {BASE!r}", xlabel="lanes of the search", ylabel="points, mean ± 95 %")
    drawn, won = (np.array(column) for column in zip(*shares(record).values(), strict=True))
    places = np.arange(len(SPACE))[::-1]
    right.barh(places + 0.2, drawn, 0.4, color="#bbbbbb", label="lanes")
    right.barh(places - 0.2, won, 0.4, color="#2f6f9f", label="winners")
    right.set_yticks(places, [ingredient.label for ingredient in SPACE.values()])
    right.set(title="Share with each ingredient")
    right.legend(frameon=False)
    for axis in (middle, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
