"""Three pictures of the results: ratios to the copy, the roofline, and models per second against lanes."""

import re
from pathlib import Path
from typing import Any

from . import machine

Record = dict[str, Any]
COPY = "x * c"
BARS = 40
"""The longest list of bars that stays legible."""


def draw(records: list[Record], folder: Path) -> list[Path]:
    """Draw what the results hold; a picture without data is left out."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn = {"ratios": bars, "roofline": roofline, "lanes": lanes}
    return [folder / f"{name}.png" for name, picture in drawn.items() if picture(records, folder / f"{name}.png")]


def bars(records: list[Record], path: Path) -> bool:
    """Bars of the ratio to the copy, a colour per machine."""
    from matplotlib import pyplot as plt

    copied = [
        {f"{row['family']}: {row['case']}": row["fastest_ratio"] for row in record["rows"] if is_copied(record, row)}
        for record in records
    ]
    cases = list(dict.fromkeys(case for found in copied for case in found))[:BARS]
    if not cases:
        return False
    figure, axes = plt.subplots(figsize=(8, 1 + 0.11 * len(cases) * (1 + len(records))), layout="constrained")
    height = 0.8 / len(records)
    for index, (record, found) in enumerate(zip(records, copied, strict=True)):
        places = [position + index * height for position in range(len(cases))]
        values = [found.get(case, 0.0) for case in cases]
        drawn = axes.barh(places, values, height, label=machine.label(record["machine"]))
        axes.bar_label(drawn, [f"{value:.2f}" if value else "" for value in values], padding=3, fontsize=7)
    axes.set_yticks([position + 0.4 - height / 2 for position in range(len(cases))], cases, fontsize=7)
    axes.margins(x=0.1, y=0.01)
    axes.invert_yaxis()
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("time, as a ratio to x * c on the same array (fastest runs)")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True


def is_copied(record: Record, row: dict[str, Any]) -> bool:
    """Whether the row is of a forward pass that is held against a copy."""
    reference = next(other["case"] for other in record["rows"] if other["suite"] == row["suite"])
    return reference == COPY and "forward, float32" in row["suite"] and row["case"] != COPY


def roofline(records: list[Record], path: Path) -> bool:
    """Every compiled case of the first machine by its operations per byte, under the machine's measured ceilings."""
    import numpy as np
    from matplotlib import pyplot as plt

    record = records[0]
    rows = [row for row in record["rows"] if row["flops"] and row["bytes"]]
    if not rows:
        return False
    ceilings = record["ceilings"]
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    intensity = np.array([row["flops"] / row["bytes"] for row in rows])
    speed = np.array([row["flops"] / (row["fastest_ms"] / 1e3) for row in rows])
    span = np.geomspace(intensity.min() / 2, intensity.max() * 2, 200)
    roof = np.minimum(span * ceilings["bytes_per_second"], ceilings["flops_per_second"])
    axes.plot(span, roof / 1e9, color="black", linewidth=1, label="measured copy and matrix product")
    colours = plt.get_cmap("tab20")
    for number, family in enumerate(dict.fromkeys(row["family"] for row in rows)):
        chosen = np.array([row["family"] == family for row in rows])
        colour = colours(number % colours.N)
        axes.scatter(intensity[chosen], speed[chosen] / 1e9, s=18, color=colour, label=family)
    axes.set(xscale="log", yscale="log", xlabel="operations per byte read and written", ylabel="GFLOP/s")
    axes.set_title(machine.label(record["machine"]))
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return True


def lanes(records: list[Record], path: Path) -> bool:
    """Models trained per second against the number of lanes of one sweep."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for record in records:
        for case in dict.fromkeys(row["case"] for row in record["rows"] if row["unit"] == "models"):
            points = sorted(
                (int(found.group(1)), row["per_second"])
                for row in record["rows"]
                if row["case"] == case
                and row["per_second"]
                and (found := re.match(r"(\d+) (?:fits|models)", row["suite"]))
            )
            axes.plot(*zip(*points, strict=True), "o-", label=f"{case}, {machine.label(record['machine'])}")
    is_drawn = bool(axes.lines)
    axes.set(xscale="log", yscale="log", xlabel="lanes of one sweep", ylabel="models per second")
    if is_drawn:
        axes.legend(fontsize=8)
        figure.savefig(path, dpi=120)
    plt.close(figure)
    return is_drawn
