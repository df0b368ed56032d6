"""The page, the forest plot and the table of regularizers, all generated from the records."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import effects, records
from .effects import DEPENDS, FAILS, HOLDS, NOT_SHOWN, Effect, Judged
from .ledger import Claim
from .unmeasured import UNMEASURED

ARTICLES = {
    "000": ("A", "Regularization for deep networks"),
    "001": ("B", "What Is Dropout and Regularization?"),
    "002": ("C", "Dropout & Regularisation in Neural Networks: The Deep Guide"),
    "003": ("D", "Regularization Techniques for Deep Learning"),
}
MARKS = {HOLDS: "**holds**", FAILS: "**fails**", DEPENDS: "**depends**", NOT_SHOWN: "not shown"}
COLOURS = {HOLDS: "#2f7d4f", FAILS: "#c0504d", NOT_SHOWN: "#8a94a0"}


class Entry(NamedTuple):
    """A claim, its record, the effect in each case, and the verdicts."""

    id: str
    claim: Claim
    record: dict[str, Any]
    effects: dict[str, Effect]
    judged: Judged


def entries(found: Mapping[str, dict[str, Any]], claims: Mapping[str, Claim]) -> list[Entry]:
    """The whole ledger, judged together: Holm's correction counts every case of every record."""
    ids = [claim_id for claim_id in found if claim_id in claims]
    measured = [{name: Effect(**case["effect"]) for name, case in found[i]["cases"].items()} for i in ids]
    degrees = [min(case["seeds"] for case in found[i]["cases"].values()) - 1 for i in ids]
    judged = effects.judge_all([list(e.values()) for e in measured], [claims[i].least for i in ids], degrees)
    return [Entry(i, claims[i], found[i], e, j) for i, e, j in zip(ids, measured, judged, strict=True)]


def write(folder: Path, claims: Mapping[str, Claim]) -> None:
    ledger = entries(records.read_all(folder / "records"), claims)
    if ledger:
        (folder / "README.md").write_text(page(ledger, claims))
        (folder / "which.md").write_text(which(ledger))
        draw(ledger, folder / "forest.png")


def page(ledger: list[Entry], claims: Mapping[str, Claim]) -> str:
    waiting = [
        f"{claim_id} ({claims[claim_id].title})" for claim_id in claims if claim_id not in {e.id for e in ledger}
    ]
    counts = Counter(entry.judged.overall for entry in ledger)
    num_cases = sum(len(entry.effects) for entry in ledger)
    num_claims = len({entry.claim.number for entry in ledger})
    num_lanes = sum(lanes(case) for entry in ledger for case in entry.record["cases"].values())
    versions = ledger[0].record["versions"]
    said = ", ".join(f"{name} {versions[name]}" for name in ("jax", "optax", "numpy", "python"))
    lines = [
        "# What is said of regularization, measured",
        "",
        f"Four articles make some eighty claims; practitioners repeat them. Here are {len(ledger)} statements of "
        f"{num_claims} of these claims, each on the tasks that fit: **{counts[HOLDS]} hold, {counts[FAILS]} fail, "
        f"{counts[DEPENDS]} depend on the task, {counts[NOT_SHOWN]} are not shown either way**. "
        f"`python -m examples.claims --page` wrote this page from the records in [records](records); "
        f"`python -m examples.claims 8` measures claim 8 again.",
        "",
        "![The effect of each claim in each case, with its interval](forest.png)",
        "",
        "| | claim | verdict | effect ± 95 % | so |",
        "|--|--|--|--|--|",
        *(_row(entry) for entry in ledger),
        "",
        "## How to read it",
        "",
        "- Small networks on small data: digits (200 rows, 64-128-128-10), the articles' synthetic rows (1400 rows, "
        "10 of 50 columns matter, 50-128-64-4), the same with 40 % wrong labels among training and validation rows, "
        "and for convolutions digits at 8x8 (100 rows) and Fashion-MNIST at 14x14 (200 rows). What holds here need not "
        "hold at scale, and what fails here may hold there.",
        "- Every number is a mean over seeds (16; 8 on Fashion-MNIST, where a lane takes seconds) of differences "
        "paired by seed: both sides meet the same rows, initial weights and order. A seed draws its own training and "
        "validation rows; the test rows are the same for all.",
        "- Both sides of a tuned comparison have as many settings, and learning rates of the same range. Validation "
        "accuracy, as a mean over seeds, chooses; the test rows only report. Budgets of epochs are equal, and the last "
        "epoch counts unless a claim is about stopping.",
        "- The rule was fixed before the runs: " + _rule() + f" Here m is {num_cases} cases.",
        "- " + _ends(ledger),
        f"- The records hold the score of every lane, {num_lanes} of them, with the settings and versions ({said}). "
        "Arms that claims share are trained once.",
        "",
        "## Where it is said",
        "",
        *(f"- {letter}: *{title}*" for letter, title in ARTICLES.values()),
        "",
        "| | statement | said as | by | functions |",
        "|--|--|--|--|--|",
        *(_source_row(entry) for entry in ledger),
        "",
        "## Not measured here",
        "",
        "| | claim | why |",
        "|--|--|--|",
        *(f"| {number} | {claim} | {why} |" for number, (claim, why) in sorted(UNMEASURED.items())),
        "",
        *([f"Declared, and waiting for a run: {', '.join(waiting)}.", ""] if waiting else []),
    ]
    return "\n".join(lines)


def _rule() -> str:
    return (
        "each claim is put as a number that should be above 0, with the least size that would matter. A case *fails* "
        "if the number is below that least size, *holds* if it is above 0, and is *not shown* otherwise; both by "
        "Student's t at 5 %, two-sided, after Holm's correction over all m cases of the ledger. If the cases of a "
        "claim differ by more than chance (Cochran's Q at 5 %), it *depends*; if by no more, the rule judges their "
        "mean."
    )


def _ends(ledger: list[Entry]) -> str:
    """The tuned arms whose strongest setting was chosen: their grids end too soon."""
    found = {}
    for entry in ledger:
        for name, case in entry.record["cases"].items():
            for arm_name, arm in case["arms"].items():
                for strength in at_the_end(arm):
                    found.setdefault(f"{arm_name} ({strength}) on {name}", []).append(entry.id)
    if not found:
        return "In no tuned arm did validation choose the strongest setting of the grid."
    listed = "; ".join(f"{what} in {', '.join(ids)}" for what, ids in sorted(found.items()))
    return f"A stronger setting than the grid has might do better where validation chose the strongest: {listed}."


def at_the_end(arm: dict[str, Any]) -> list[str]:
    """The strengths of a tuned arm of which the largest was chosen."""
    settings, chosen = arm["settings"], arm["settings"][arm["chosen"]]
    names = [name for name in chosen if name != "rate" and len({s.get(name, 0.0) for s in settings}) > 1]
    is_tuned = len({setting["rate"] for setting in settings}) > 1
    return [name for name in names if is_tuned and chosen[name] == max(s.get(name, 0.0) for s in settings)]


def lanes(case: dict[str, Any]) -> int:
    return sum(len(arm["settings"]) * case["seeds"] for arm in case["arms"].values())


def _row(entry: Entry) -> str:
    cells = []
    for (name, found), verdict in zip(entry.effects.items(), entry.judged.by_case, strict=True):
        cells.append(f"{name}: {number(found)} {'' if verdict == entry.judged.overall else f'({verdict})'}".strip())
    what = f"{entry.claim.statement} <sub>{entry.record['contrast']}; least {entry.claim.least:g}</sub>"
    advice = entry.claim.advice[entry.judged.overall]
    return f"| {entry.id} | {what} | {MARKS[entry.judged.overall]} | {'<br>'.join(cells)} | {advice} |"


def number(found: Effect) -> str:
    """With digits down to the second of the interval."""
    places = 4 if found.half < 0.1 else 2
    return f"{found.mean:+.{places}f} ± {found.half:.{places}f}"


def _source_row(entry: Entry) -> str:
    functions = ", ".join(f"`{name}`" for name in entry.claim.functions)
    return f"| {entry.id} | {entry.claim.title} | {entry.claim.quote} | {source(entry.claim.source)} | {functions} |"


def source(text: str) -> str:
    """`000:58` as the article's letter and line."""
    return re.sub(r"(\d{3}):(\d+)", lambda found: f"{ARTICLES[found[1]][0]} {found[2]}", text)


def which(ledger: list[Entry]) -> str:
    """The claims that a regularizer helps, as a table of regularizers and situations."""
    rows: dict[str, list[Entry]] = {}
    for entry in ledger:
        if entry.claim.regularizer:
            rows.setdefault(entry.claim.regularizer, []).append(entry)
    situations = list(dict.fromkeys(name for row in rows.values() for entry in row for name in entry.effects))
    lines = [f"| regularizer | {' | '.join(situations)} | function |", "|--" * (len(situations) + 2) + "|"]
    for name, row in rows.items():
        cells = ["".join(_gain(entry, situation) for entry in row) for situation in situations]
        lines.append(f"| {name} | {' | '.join(cells)} | `{row[0].claim.functions[0]}` |")
    lines += [
        "",
        "Points of test accuracy over none, ± 95 %, both sides tuned on equal grids by validation, paired by seed; "
        "bold where it holds or fails by [the ledger's rule](README.md).",
        "",
    ]
    return "\n".join(lines)


def _gain(entry: Entry, name: str) -> str:
    if name not in entry.effects:
        return ""
    found, verdict = entry.effects[name], entry.judged.by_case[list(entry.effects).index(name)]
    text = f"{100 * found.mean:+.1f} ± {100 * found.half:.1f}"
    return f"**{text}**" if verdict == HOLDS or (verdict == FAILS and found.mean + found.half < 0.0) else text


def draw(ledger: list[Entry], path: Path) -> None:
    """The effects in points of accuracy; those in other units as multiples of half their interval."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import lines, pyplot

    in_points = [entry for entry in ledger if entry.claim.unit == "accuracy"]
    others = [entry for entry in ledger if entry.claim.unit != "accuracy"]
    heights = [sum(len(entry.effects) for entry in part) for part in (in_points, others)]
    figure, panels = pyplot.subplots(
        1, 2, figsize=(17, 2.0 + 0.17 * max(heights)), layout="constrained", width_ratios=(3, 2)
    )
    for panel, part, is_scaled in zip(panels, (in_points, others), (False, True), strict=True):
        _forest(panel, part, is_scaled)
    panels[0].set_xlabel("points of test accuracy in favour of the claim, 95 % interval")
    panels[1].set_xlabel("other units: effect as a multiple of half its 95 % interval; dotted: ±1")
    panels[1].set_xscale("symlog", linthresh=2.0)
    for place in (-1.0, 1.0):
        panels[1].axvline(place, color="0.6", linestyle=":", linewidth=1)
    handles = [lines.Line2D([], [], color=colour, marker="o", ls="none", label=n) for n, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, title="verdict of the case")
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _forest(panel: Any, part: list[Entry], is_scaled: bool) -> None:
    labels, row = [], 0
    for entry in part:
        for name, verdict in zip(entry.effects, entry.judged.by_case, strict=True):
            found = entry.effects[name]
            scale = 1.0 / max(found.half, 1e-9) if is_scaled else 100.0
            mean = max(min(found.mean * scale, 1e3), -1e3) if is_scaled else found.mean * scale
            style = {"color": COLOURS[verdict], "marker": "o", "markersize": 3.5, "capsize": 2, "linewidth": 1.2}
            panel.errorbar(mean, -row, xerr=None if is_scaled else found.half * scale, **style)
            is_first = name == next(iter(entry.effects))
            labels.append((-row, f"{entry.claim.title}   {entry.id}   {name}" if is_first else name))
            row += 1
    panel.axvline(0.0, color="0.4", linewidth=1)
    panel.set_yticks([at for at, _ in labels], [label for _, label in labels], fontsize=7)
    panel.set_ylim(-row, 1)
    panel.grid(axis="x", color="0.92")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
