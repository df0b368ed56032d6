"""Put what was measured, and what dieharder wrote, into `benchmarks/results/generator.md`."""

import json
import platform
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import jax
import numpy as np

from . import battery, crosskey, speed
from .mixers import MIXERS

RESULTS = Path(__file__).parents[1] / "results"
EVIDENCE = RESULTS / "generator"

_HEAD = """# The generator: speed and evidence

Written by `python -m benchmarks.generator`; the raw outputs are in `generator/`. The chosen mixer is "three words and
sum", `_mix` in `jreg/random/_hash.py`.
"""

_SPEED = """## Speed

Dropout at rate {rate}, fused, and its ratio to the copy `x * c` measured in turns with it: of the fastest runs, and of
the medians. *Memory*: wall time on float32[{memory}]. *Cache*: processor time of all threads on float32[{cache}], which
stays in L2: the arithmetic alone. On {machine}.
"""

_QUALITY = """## Cross-key tests

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
*control*: `os.urandom`, for what dieharder says of bits that have no flaw. The first three run all of `-a`, 114
statistics in a fixed order, which a time limit may cut; the others run the tests {short}.

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
    sections = [_HEAD, _speed(), _cross_key(), _battery()]
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
    shapes = {name: ", ".join(map(str, setting.shape)) for name, setting in speed.SETTINGS.items()}
    head = _SPEED.format(rate=speed.RATE, machine=found["machine"], **shapes)
    memory, cache = ([speed.Timing(*row) for row in found[name]] for name in speed.SETTINGS)
    rows = [_speed_row(in_memory, in_cache) for in_memory, in_cache in zip(memory, cache, strict=True)]
    columns = (
        "dropout with",
        "memory: ns per element",
        "fastest",
        "median",
        "cache: ns per element",
        "fastest",
        "median",
    )
    return f"{head}\n{_table((*columns, 'temporary bytes', 'loop in HLO', 'note'), rows)}"


def _speed_row(memory: speed.Timing, cache: speed.Timing) -> tuple[str, ...]:
    note = MIXERS[memory.name].note if memory.name in MIXERS else ""
    loop = "yes" if memory.has_loop else "no"
    return memory.name, *_times(memory), *_times(cache), f"{memory.temporary_bytes:,}", loop, note


def _times(row: speed.Timing) -> tuple[str, ...]:
    return f"{row.nanoseconds:.3f}", f"{row.ratio_of_fastest:.2f}", f"{row.ratio_of_medians:.2f}"


def _cross_key() -> str:
    found = _load("cross_key")
    if not found:
        return ""
    by_mixer = {name: [crosskey.Finding(*row) for row in rows] for name, rows in found["findings"].items()}
    chosen = next(iter(MIXERS))
    moves = {"shifts": _listed(crosskey.SHIFTS), "xors": _listed(crosskey.XORS), "keys": crosskey.NUM_KEYS}
    rows = [(f.family, str(f.count), f"{f.worst:.2f}", f"{f.bound:.2f}") for f in by_mixer[chosen]]
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
        ("stream", "statistics", "PASSED", "WEAK", "FAILED", "WEAK expected", "mean p", "seconds"),
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
    return name, str(num), *counts, f"{num / 100:.1f}", f"{mean:.2f}", str(outcome.seconds)


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
