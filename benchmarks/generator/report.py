"""Put what was measured, and what dieharder wrote, into `benchmarks/results/generator.md`."""

import json
import platform
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import jax
import numpy as np

from . import battery, crosskey, differences, related, speed, windows
from .mixers import CHOSEN, MIXERS

RESULTS = Path(__file__).parents[1] / "results"
EVIDENCE = RESULTS / "generator"

_HEAD = """# The generator: speed and evidence

Written by `python -m benchmarks.generator` and `python -m benchmarks.generator --battery`; the raw outputs are in
`generator/`. The chosen mixer is "{chosen}", `_mix` in `jreg/random/_hash.py`.

Key t has the data (0, t). Every |z| below is the largest of very many that are standard normal if the words are
independent, beside the bound that the largest of so many exceeds by chance in one report of a hundred (Bonferroni).
"""

_SPEED = """## Speed

Dropout at rate {rate}, and its ratio to the copy `x * c` measured in turns with it. In cache: processor time of all
threads on float32[512, 512], the arithmetic alone. The mixers stand in `noise.dropout`, in place of its own words;
"bernoulli" is dropout by `jax.random.bernoulli` under each of jax's own generators. On {machine}.
"""

_LARGE = """### On 64 MB

Ratios to `x * c` of the fastest runs and, after the comma, of the medians, on float32[4096, 4096] or bfloat16[4096,
4096].
"""

_DIFFERENCES = """## Every difference of two positions

The decisions of one key, correlated with themselves at every xor of the index and at every cyclic shift, all at once,
by Walsh-Hadamard and Fourier transforms: {statistics} statistics.
"""

_WINDOWS = """## Every window of 16 bits

Chi-squared of the 65536 values of each of the 17 windows, as z: standard normal if the words are independent.
"""

_RELATED = """## Related keys, over every xor and every shift

Masks at rate 0.5 of {size} elements, by every pair of 8 keys. In the first rows the prepared words themselves are
chosen, as no key can choose them: one pair of keys in 2**32 has a given word in common, and one in 2**62 two of
them, where something shows.
"""

_QUALITY = """## Many more kinds of keys, over a few shifts and xors

Decisions at rate 0.5, {keys} or 32 keys of each kind, 2**18 positions: all pairs of keys, at index shifts
{shifts} and index xors {xors}, with each key's mean and its correlation with itself at the shifts. A legacy key has
the data of the typed one. The bound is what the largest of so many standard normal numbers exceeds in one report of a
hundred (Bonferroni).
"""

_MIXERS = """### Every mixer over the same kinds of keys

*Worst* is the largest |z| of {count} statistics, whose bound is {bound:.2f}. *Repeats* is z of the number of words that
occur again among the first 2**24 of one key: a permutation of the counter repeats none, where random words would.
"""

_BATTERY = """## dieharder {version}

Each stream is read raw (`-g 200`). *counter*: all 2**32 words of key t, then of key t + 1. *runs*: 64 words of key t,
then of key t + 1. *transposed*: word i of 65536 neighbouring keys, then word i + 1. *children*: 64 words of
`jax.random.bits` of each child of a split `hash_prng` key. *-mask*: decisions at rate 0.5, 32 packed to a word.
*control*: `os.urandom`, for what dieharder says of bits that have no flaw. 114 statistics are all of `-a`, which the
first three run unless `--tests` chooses; fewer are the tests {short},
of single bits and of bits in sequence. Each test reads on where the one before it stopped, so no two see the same
words. How much each read stands in its output.

dieharder says WEAK of a p-value outside [0.005, 0.995], by its own account one in a hundred. Some of its statistics
come from the same words, and so are WEAK together.
"""

_AGAIN = """### Every statistic that did not pass, and its test run again on another key until decided

`-Y 1`: samples are added until the p-value is either in (0.005, 0.995) or beyond all doubt.
"""


def save(name: str, found: Any) -> None:
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    (EVIDENCE / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def write() -> Path:
    """Assemble the page from the evidence that there is."""
    head = _HEAD.format(chosen=CHOSEN)
    sections = [head, _speed(), _differences(), _windows(), _related(), _cross_key(), _battery()]
    page = RESULTS / "generator.md"
    page.write_text("\n".join(section for section in sections if section))
    return page


def machine() -> str:
    device = jax.devices()[0]
    versions = f"jax {jax.__version__}, numpy {np.__version__}, {platform.python_implementation()}"
    return f"{jax.device_count()} {device.device_kind}, {versions} {platform.python_version()}, {date.today()}"


def _speed() -> str:
    found = _load("speed")
    if not found:
        return ""
    in_cache = [speed.Timing(*row) for row in found["cache"][speed.CACHE.name]]
    rows = [
        (t.name, f"{t.nanoseconds:.3f}", *_ratios(t), MIXERS[t.name].note if t.name in MIXERS else "") for t in in_cache
    ]
    columns = ("dropout with", "in cache: ns per element", "fastest", "median", "note")
    head = _SPEED.format(rate=speed.RATE, machine=found["machine"])
    return f"{head}\n{_table(columns, rows)}\n{_LARGE}\n{_large(found)}"


def _large(found: dict[str, Any]) -> str:
    settings = [(pages, setting.name) for setting in speed.MEMORY for pages in ("4 KiB pages", "huge pages")]
    timings = [[speed.Timing(*row) for row in found[pages][name]] for pages, name in settings]
    rows = [
        (same[0].name, *(", ".join(_ratios(timing)) for timing in same), f"{max(t.temporary_bytes for t in same):,}")
        for same in zip(*timings, strict=True)
    ]
    return _table(("dropout with", *(f"{name}, {pages}" for pages, name in settings), "temporary bytes"), rows)


def _ratios(timing: speed.Timing) -> tuple[str, str]:
    return f"{timing.ratio_of_fastest:.2f}", f"{timing.ratio_of_medians:.2f}"


def _differences() -> str:
    found = _load("differences")
    if not found:
        return ""
    by_size = {size: [differences.Worst(*row) for row in rows] for size, rows in found["found"].items()}
    total = sum(worst.count for rows in by_size.values() for worst in rows)
    rows = [_group_row(size, decision, rows) for size, group in by_size.items() for decision, rows in _groups(group)]
    columns = ("elements", "decision", "keys", "worst xor", "z", "worst shift", "z", "bound")
    by_mixer = {name: [differences.Worst(*row) for row in rows] for name, rows in found["mixers"].items()}
    mixers = [(name, *_extremes(rows)) for name, rows in by_mixer.items()]
    tried = _table(("mixer", "worst xor", "z", "worst shift", "z", "bound"), mixers)
    note = "The same for every mixer, at rate 0.5 and 2**24 elements of 4 keys:"
    head = f"{_DIFFERENCES.format(statistics=f'{total:,}')}\n{_table(columns, rows)}\n{_follow_up(found)}"
    return f"{head}\n{note}\n\n{tried}"


def _follow_up(found: dict[str, Any]) -> str:
    """What became of the largest z in longer masks, and what the same test says of the mixer before."""
    worst = differences.Worst(*found["worst"])
    fading = ", ".join(f"{z:.2f} at 2**{size}" for size, z in found["followed"])
    before = differences.Worst(*max(found["before"], key=lambda row: abs(row[4])))
    return (
        f"The largest xor of a mask at rate 0.5 and 2**26 elements, {worst.difference:#x} of key {worst.key}, in\n"
        f"longer masks, where chance fades and a flaw grows: z = {fading}. The mixer before, at 2**26 elements\n"
        f"of 2 keys, has z = {before.z:.1f} at {before.kind} {before.difference:#x}.\n"
    )


def _groups(rows: list[differences.Worst]) -> list[tuple[str, list[differences.Worst]]]:
    return [
        (decision, [row for row in rows if row.decision == decision])
        for decision in dict.fromkeys(r.decision for r in rows)
    ]


def _group_row(size: str, decision: str, rows: list[differences.Worst]) -> tuple[str, ...]:
    return f"2**{size}", decision, str(len({row.key for row in rows})), *_extremes(rows)


def _extremes(rows: list[differences.Worst]) -> tuple[str, ...]:
    shown = []
    for kind in ("xor", "shift"):
        worst = max((row for row in rows if row.kind == kind), key=lambda row: abs(row.z))
        shown += [f"{worst.difference:#x} (key {worst.key})", f"{worst.z:.2f}"]
    return *shown, f"{differences.bound(sum(row.count for row in rows)):.2f}"


def _windows() -> str:
    found = _load("windows")
    if not found:
        return ""
    rows = []
    for size, keys in found["found"].items():
        for key in keys:
            z = [windows.Window(*row) for row in key]
            rows.append(
                (f"2**{size}", str(z[0].key), ", ".join(f"{w.z:.1f}" for w in z), f"{max(abs(w.z) for w in z):.1f}")
            )
    table = _table(("words", "key", "z of the windows from bit 0, 1, ... 16 on", "largest abs z"), rows)
    mixers = [
        (name, f"{max((windows.Window(*row).z for row in rows), key=abs):.1f}")
        for name, rows in found["mixers"].items()
    ]
    note = "The worst window of every mixer, in 2**28 words of key 1:"
    return f"{_WINDOWS}\n{table}\n{note}\n\n{_table(('mixer', 'z'), mixers)}"


def _related() -> str:
    found = _load("related")
    if not found:
        return ""
    by_mixer = {name: [related.Related(*row) for row in rows] for name, rows in found["mixers"].items()}
    rows = [
        (
            same[0].family,
            f"{same[0].count:,}",
            *(f"{one.worst:.2f}" for one in same),
            f"{differences.bound(same[0].count):.2f}",
        )
        for same in zip(*by_mixer.values(), strict=True)
    ]
    columns = ("keys", "statistics", *(f"largest abs z: {name}" for name in by_mixer), "bound")
    return f"{_RELATED.format(size=f'{related.SIZE:,}')}\n{_table(columns, rows)}"


def _cross_key() -> str:
    found = _load("cross_key")
    if not found:
        return ""
    by_mixer = {name: [crosskey.Finding(*row) for row in rows] for name, rows in found["findings"].items()}
    moves = {"shifts": _listed(crosskey.SHIFTS), "xors": _listed(crosskey.XORS), "keys": crosskey.NUM_KEYS}
    rows = [(f.family, str(f.count), f"{f.worst:.2f}", f"{f.bound:.2f}") for f in by_mixer[CHOSEN]]
    raw = crosskey.Finding(*found["unprepared"])
    rows.append((f"for contrast, {raw.family}", str(raw.count), f"{raw.worst:.2f}", f"{raw.bound:.2f}"))
    table = _table(("keys", "statistics", "largest abs z", "bound"), rows)
    return f"{_QUALITY.format(**moves)}\n{table}\n{_mixers(by_mixer, found['repeats'])}"


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _mixers(by_mixer: dict[str, list[crosskey.Finding]], repeats: dict[str, float]) -> str:
    total = crosskey.Finding("all", sum(found.count for found in next(iter(by_mixer.values()))), 0.0)
    head = _MIXERS.format(count=total.count, bound=total.bound)
    rows = [(name, f"{max(f.worst for f in by_mixer[name]):.2f}", f"{repeats[name]:.1f}") for name in by_mixer]
    return f"{head}\n{_table(('mixer', 'worst', 'repeats'), rows)}"


def _battery() -> str:
    outputs = sorted(path for path in EVIDENCE.glob("*.txt") if not path.stem.endswith("-again"))
    outcomes = [battery.read(path) for path in outputs]
    if not outcomes:
        return ""
    shown = ", ".join(map(str, battery.SHORT_TESTS))
    table = _table(
        (
            "stream",
            "statistics",
            "PASSED",
            "WEAK",
            "FAILED",
            "WEAK expected",
            "mean p",
            "read, GB",
            "longest test, GB",
            "seconds",
        ),
        [_outcome_row(outcome) for outcome in outcomes],
    )
    suspects = [row for outcome in outcomes for row in _suspect_rows(outcome)]
    again = (
        f"\n{_AGAIN}\n{_table(('stream', 'test', 'p', 'said', 'again: samples', 'p', 'said'), suspects)}"
        if suspects
        else ""
    )
    return f"{_BATTERY.format(version=battery.version(), short=shown)}\n{table}{again}"


def _outcome_row(outcome: battery.Outcome) -> tuple[str, ...]:
    said = Counter(found.assessment for found in outcome.statistics)
    num = len(outcome.statistics)
    mean = np.mean([found.p_value for found in outcome.statistics])
    name = outcome.stream if outcome.is_complete else f"{outcome.stream} (not finished)"
    counts = (str(said[verdict]) for verdict in ("PASSED", "WEAK", "FAILED"))
    read = {(found.test, found.ntuple): found.num_bytes / 1e9 for found in outcome.statistics}
    longest = max(read, key=read.__getitem__)
    shown = f"{read[longest]:.1f} ({longest[0]} {longest[1]})"
    return (
        name,
        str(num),
        *counts,
        f"{num / 100:.1f}",
        f"{mean:.2f}",
        f"{outcome.num_bytes / 1e9:.0f}",
        shown,
        str(outcome.seconds),
    )


def _suspect_rows(outcome: battery.Outcome) -> list[tuple[str, ...]]:
    return [
        (
            outcome.stream,
            f"{found.test} {found.ntuple}",
            f"{found.p_value:.6f}",
            found.assessment,
            *_again(found, outcome),
        )
        for found in outcome.statistics
        if found.assessment != "PASSED"
    ]


def _again(found: battery.Statistic, outcome: battery.Outcome) -> tuple[str, str, str]:
    """Samples, p-values and verdicts of the last stage; some tests have two statistics of one name."""
    same = [other for other in outcome.confirmations if other[:2] == found[:2]]
    samples = max((other.samples for other in same), default=0)
    last = [other for other in same if other.samples == samples]
    return str(samples), ", ".join(f"{other.p_value:.4f}" for other in last), ", ".join({o.assessment: 0 for o in last})


def _load(name: str) -> Any:
    path = EVIDENCE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
