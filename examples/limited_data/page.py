"""The page, written from the record alone."""

import textwrap
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from .cells import KINDS, LEVERS, NAMES, Grid, Setting, counted, num_cells
from .choice import best_of, best_with, settings_of
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
from .figures import NAMES as FIGURES
from .text import LONGEST_SHARED

PAGE = "README.md"
USUAL_DECAY = 0.1


def write_page(record: dict[str, Any], folder: Path) -> Path:
    (folder / PAGE).write_text(page_of(record), encoding="utf-8")
    return folder / PAGE


def page_of(record: dict[str, Any]) -> str:
    parts = [heading, summary, best_section, levers_section, decay_section, ensembles_section, limits_section]
    if not ensembles_at(record):
        parts.remove(ensembles_section)
    return "\n\n".join(part(record) for part in parts) + "\n"


def heading(record: dict[str, Any]) -> str:
    asked, spent = record["asked"], record["spent"]
    text, shape = asked["text"], asked["shape"]
    return wrapped(f"""\
# A language model that sees its text many times

Which regularizer pays when text is short and compute is not? `{record["command"]}` wrote this page from
`limited_data.json`, which holds every number below by seed.{unfinished(record)}

**Every run costs the same**: {spent["steps"]} steps of {asked["budget"]["rows_per_step"]} rows of {shape["context"]}
bytes, {spent["tokens"]:,} bytes in all. At 1 pass these are as many different bytes; at 16 passes they are a sixteenth
of that text, seen 16 times. The network is a causal transformer of {spent["params"]:,} parameters (d = {shape["d"]},
{shape["layers"]} layers) with embeddings of each byte and the two before it. Adam trains it at a peak rate of
{asked["budget"]["learning_rate"]:g} with a cosine. The text is "{text["text"]}": {text["bytes"]:,} bytes in
{text["documents"]} documents (sha256 `{text["sha256"][:16]}...`). Each of {asked["grid"]["num_seeds"]} seeds draws its
own documents for training, validation and test; no two documents share {LONGEST_SHARED} bytes in a row.

Validation chooses strengths, by the mean over seeds, and the epoch of each run, at {asked["budget"]["checks"]} checks;
test bytes only measure. "None" has its epoch chosen too, so a regularizer must beat early stopping. Differences are
paired by seed, in bits per byte, with 95 % intervals; less is better. A setting pays or hurts if the interval lies on
one side of 0.""")


def unfinished(record: dict[str, Any]) -> str:
    num_all = num_cells(Grid(**record["asked"]["grid"]))
    if len(record["cells"]) == num_all:
        return ""
    return (
        f" It holds {len(record['cells'])} of {num_all} cells so far; the same command with its `--out` runs the rest."
    )


def summary(record: dict[str, Any]) -> str:
    """What the intervals say, in sentences that the numbers choose."""
    cells, passes = record["cells"], passes_in(record)
    lines = []
    for p in passes:
        best = best_of(cells, p)
        gain = against_none(cells, p, best)
        lines.append(f"At {counted(p)}, {best.name} {gain.verdict_in_words}: {gain.signed}.")
    chosen = [best_with(cells, p, ("decay",)).decay for p in passes]
    times = max(chosen) / USUAL_DECAY
    edge = "" if max(chosen) < max(record["asked"]["grid"]["decay"]) else ", the largest that was tried"
    lines.append(
        f"The decay that validation chooses is {joined(chosen, passes)}: up to {times:g} times the usual "
        f"{USUAL_DECAY:g}{edge}."
    )
    lines += [strongest_line(record, lever) for lever in ("decay", "dropout")]
    for p in ensembles_at(record):
        lines.append(ensemble_line(cells, p))
    return "## What it shows\n\n" + "\n".join(f"- {line}" for line in lines)


def strongest_line(record: dict[str, Any], lever: str) -> str:
    """The same strength at every number of passes."""
    setting = Setting()._replace(**{lever: max(record["asked"]["grid"][lever])})
    gains = {p: against_none(record["cells"], p, setting) for p in passes_in(record)}
    found = ", ".join(f"{gain.signed} at {counted(p)} ({gain.verdict})" for p, gain in gains.items())
    name = setting.name
    return f"{name[0].upper()}{name[1:]} against none: {found}."


def joined(values: list[float], passes: Sequence[int]) -> str:
    return ", ".join(f"{value:g} at {counted(p)}" for value, p in zip(values, passes, strict=True))


def ensemble_line(cells: dict[str, Any], passes: int) -> str:
    """What members are worth without a regularizer and with the best, each against one network of its own kind."""
    texts = []
    for kind, name in zip(KINDS, ("unregularized networks", "regularized ones"), strict=True):
        sizes = members_bits(cells, passes, kind)
        largest = max(sizes)
        texts.append(f"{largest} {name} against one, {difference(sizes[largest], sizes[min(sizes)]).signed}")
    return f"At {counted(passes)}, {', and '.join(texts)}."


def best_section(record: dict[str, Any]) -> str:
    cells, passes = record["cells"], passes_in(record)
    rows = []
    for p in passes:
        best = best_of(cells, p)
        gain = against_none(cells, p, best)
        none, last = (estimate(scores_of(cells, p, Setting(), at)) for at in ("test", "test_last"))
        text = f"{record['spent']['tokens'] // p:,}"
        rows.append([str(p), text, f"{last.mean:.3f}", f"{none.mean:.3f}", best.name, gain.signed, gain.verdict])
    columns = ["passes", "bytes", "none, last epoch", "none, best epoch", "best setting", "minus none", "so it"]
    return f"## The best regularizer against none\n\n{table(columns, rows)}\n\n![passes]({FIGURES[0]})"


def levers_section(record: dict[str, Any]) -> str:
    cells, passes = record["cells"], passes_in(record)
    levers = [(lever,) for lever in LEVERS] + list(combinations(LEVERS, 2))
    rows = [
        [" + ".join(NAMES[lever] for lever in some), *(lever_text(cells, p, some) for p in passes)] for some in levers
    ]
    return f"""\
## Every lever, and their pairs

Each at the strength that validation chose for it alone, minus none:

{table(["", *map(counted, passes)], rows)}"""


def lever_text(cells: dict[str, Any], passes: int, levers: tuple[str, ...]) -> str:
    """The best setting of some levers against none; a dash if no such cell has been run."""
    if not any(setting.levers == levers for setting in settings_of(cells, passes)):
        return "-"
    setting = best_with(cells, passes, levers)
    strengths = ", ".join(f"{getattr(setting, lever):g}" for lever in levers)
    return f"{against_none(cells, passes, setting).signed} ({strengths})"


def decay_section(record: dict[str, Any]) -> str:
    cells, passes = record["cells"], passes_in(record)
    strengths = record["asked"]["grid"]["decay"]
    rows = [
        [f"{s:g}", f"{s * record['spent']['sum_of_rates']:.2g}"]
        + [against_none(cells, p, Setting(decay=s)).signed for p in passes]
        for s in strengths
    ]
    chosen = joined([best_with(cells, p, ("decay",)).decay for p in passes], passes)
    explained = wrapped(f"""\
Strengths are torch's and optax's: a step takes `learning rate * decay` of each kernel. What acts is decay times the sum
of the learning rates, here {record["spent"]["sum_of_rates"]:.3g}: a kernel that gets no gradient shrinks to
exp(-decay * sum) of itself. A longer run, or a larger rate, needs proportionally less. Validation chooses {chosen}; the
usual decay is {USUAL_DECAY:g}. Minus none, the best epoch of each:""")
    return f"""\
## How much decay

{explained}

{table(["decay", "times the sum", *map(counted, passes)], rows)}

![decay]({FIGURES[1]})"""


def ensembles_section(record: dict[str, Any]) -> str:
    cells, passes = record["cells"], ensembles_at(record)
    sizes = list(map(str, record["asked"]["grid"]["members"]))
    rows, notes = [], []
    for p in passes:
        one = scores_of(cells, p, Setting())
        for kind in KINDS:
            found = [difference(scores, one) for scores in members_bits(cells, p, kind).values()]
            name = "none" if kind == KINDS[0] else best_of(cells, p).name
            rows.append([str(p), name, *(each.signed for each in found)])
        setting, student = student_bits(cells, p, KINDS[-1])
        regularized = scores_of(cells, p, best_of(cells, p))
        ensemble = members_bits(cells, p, KINDS[-1])[max(map(int, sizes))]
        rows.append([str(p), f"one student, {setting.name}", difference(student, one).signed, *[""] * (len(sizes) - 1)])
        notes.append(
            student_note(p, difference(student, regularized), difference(student, ensemble), max(map(int, sizes)))
        )
    return f"""\
## Ensembles and one student

Networks that differ in their first weights, order and noise alone; their probabilities are averaged. An ensemble of k
spends k times the compute of one run. The student is one network that learns from the probabilities of the largest
regularized ensemble in place of the text, on the same rows and for as many bytes. Minus one network without a
regularizer:

{table(["passes", "networks", *sizes], rows)}

{chr(10).join(notes)}

![ensembles]({FIGURES[2]})"""


def student_note(passes: int, gain: Estimate, loss: Estimate, size: int) -> str:
    return (
        f"- At {counted(passes)}, the student minus one network with the best setting is {gain.signed}: "
        f"learning from the ensemble {gain.verdict_in_words}. Minus the ensemble of {size} it is {loss.signed}."
    )


def limits_section(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in record["versions"].items())
    minutes = sum(cell["seconds"] for cell in record["cells"].values()) / 60
    return wrapped(f"""\
## What it does not say

The network and the text are tiny, the learning rate is the same for all, and a larger network or text moves the best
strengths. Runs are short, so that two cores make the record; a network that is still far from its best at 1 pass may
like a little decay there. The best of many settings is a little lucky on validation, not on test. `--text`, `--d`,
`--layers`, `--context` and `--tokens` run the same study on other text and at other sizes.

{len(record["cells"])} cells took {minutes:.0f} minutes of a shared machine: {versions}.""")


def wrapped(text: str) -> str:
    """The paragraphs of a text in lines of one width."""
    options: Any = {"width": 120, "break_long_words": False, "break_on_hyphens": False}
    return "\n\n".join(textwrap.fill(paragraph, **options) for paragraph in text.split("\n\n"))


def table(columns: list[str], rows: Iterable[list[str]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
