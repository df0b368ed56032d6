"""The three figures, from the record alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cells import KINDS, Setting, counted
from .choice import best_of, settings_of
from .differences import (
    Estimate,
    against_none,
    difference,
    ensembles_at,
    estimate,
    members_bits,
    passes_in,
    scores_of,
    student_bits,
)

NAMES = ("passes.png", "decay.png", "ensembles.png")
BLUE, ORANGE, GREEN, GREY = "#2f6f9f", "#c08030", "#3a8f4d", "#8a8a8a"


def draw_all(record: dict[str, Any], folder: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    draws = dict(zip(NAMES, (draw_passes, draw_decay, draw_ensembles), strict=True))
    if not ensembles_at(record):
        del draws[NAMES[-1]]
    for name, draw in draws.items():
        figure = draw(record, pyplot)
        for axis in figure.axes:
            axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(folder / name, dpi=110)
        pyplot.close(figure)


def draw_passes(record: dict[str, Any], pyplot: Any) -> Any:
    """Levels on the left, paired differences on the right."""
    cells, passes = record["cells"], passes_in(record)
    figure, (levels, gains) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    lines = {
        "none, last epoch": (GREY, lambda p: scores_of(cells, p, Setting(), "test_last")),
        "none, best epoch": (BLUE, lambda p: scores_of(cells, p, Setting())),
        "best regularized, best epoch": (GREEN, lambda p: scores_of(cells, p, best_of(cells, p))),
    }
    for label, (colour, scores) in lines.items():
        levels.plot(passes, [estimate(scores(p)).mean for p in passes], marker="o", color=colour, label=label)
    bars(
        gains, passes, [against_none(cells, p, best_of(cells, p)) for p in passes], GREEN, "best regularized minus none"
    )
    gains.axhline(0.0, color="black", linewidth=0.8, linestyle=":")
    for axis, label in ((levels, "test bits per byte"), (gains, "difference in bits per byte, by seed")):
        on_passes(axis, passes)
        axis.set_ylabel(label)
        axis.legend(frameon=False, fontsize="small")
    figure.suptitle("Equal compute: what the best regularizer saves", x=0.01, ha="left")
    return figure


def draw_decay(record: dict[str, Any], pyplot: Any) -> Any:
    """Levels, with the intervals of the paired differences to none: seeds differ more in their texts."""
    cells, passes = record["cells"], passes_in(record)
    figure, axes = pyplot.subplots(
        1, len(passes), figsize=(3.3 * len(passes), 4.2), layout="constrained", squeeze=False
    )
    for axis, p in zip(axes[0], passes, strict=True):
        settings = sorted(s for s in settings_of(cells, p) if s.levers == ("decay",))
        for at, colour, label in (("test_last", GREY, "last epoch"), ("test", GREEN, "best epoch")):
            none = scores_of(cells, p, Setting(), at)
            scores = [scores_of(cells, p, setting, at) for setting in settings]
            found = [Estimate(estimate(each).mean, difference(each, none).half) for each in scores]
            bars(axis, [setting.decay for setting in settings], found, colour, label)
            axis.axhline(estimate(none).mean, color=colour, linestyle=":", label=f"none, {label}")
        axis.set_xscale("log")
        axis.set_title(counted(p), loc="left")
        axis.set_xlabel("decay")
    axes[0][0].set_ylabel("test bits per byte")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_ensembles(record: dict[str, Any], pyplot: Any) -> Any:
    """Each ensemble against one network without a regularizer."""
    cells, passes = record["cells"], ensembles_at(record)
    figure, axes = pyplot.subplots(1, len(passes), figsize=(5 * len(passes), 4.2), layout="constrained", squeeze=False)
    for axis, p in zip(axes[0], passes, strict=True):
        one = scores_of(cells, p, Setting())
        for kind, colour in zip(KINDS, (BLUE, GREEN), strict=True):
            sizes = members_bits(cells, p, kind)
            label = "no regularizer" if kind == KINDS[0] else best_of(cells, p).name
            bars(axis, list(sizes), [difference(scores, one) for scores in sizes.values()], colour, label)
        student = difference(student_bits(cells, p, KINDS[-1])[1], one)
        axis.axhline(student.mean, color=ORANGE, label=f"one student of the {max(sizes)}")
        axis.axhspan(student.mean - student.half, student.mean + student.half, color=ORANGE, alpha=0.1)
        axis.axhline(0.0, color="black", linewidth=0.8, linestyle=":")
        axis.set_xscale("log", base=2)
        axis.set_xticks(list(sizes), [str(size) for size in sizes])
        axis.set_title(counted(p), loc="left")
        axis.set_xlabel("networks in the ensemble")
        axis.legend(frameon=False, fontsize="small")
    axes[0][0].set_ylabel("test bits per byte minus one network's")
    return figure


def bars(axis: Any, places: Any, found: list[Estimate], colour: str, label: str) -> None:
    means, halves = zip(*found, strict=True)
    axis.errorbar(places, means, halves, marker="o", capsize=3, color=colour, label=label)


def on_passes(axis: Any, passes: Sequence[int]) -> None:
    axis.set_xscale("log", base=4)
    axis.set_xticks(passes, [str(p) for p in passes])
    axis.set_xlabel("passes over the text")
