"""`python -m benchmarks.generator`: all but the battery, some 20 minutes; `--battery` takes hours in the background."""

import argparse
import os
from typing import Any

from . import battery, crosskey, differences, related, report, speed, windows
from .mixers import BEFORE, CHOSEN, MIXERS

STREAMS = ["counter-mask", "runs-mask", "transposed-mask", "children", "control", "counter", "runs", "transposed"]
PARTS = ("speed", "differences", "windows", "related", "cross_key")
KEYS = range(1, 9)
RATES = (0.5, 0.3, 0.1)
DIFFERENCES = {24: (0, 1, 7, 8, 15, 16, 23, 30), 26: (0, 8, 16)}
"""The logarithm of the mask's size, and the single bits that are looked at beside the masks at RATES."""
WINDOWS = {28: KEYS, 30: KEYS[:4]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure; default: all")
    parser.add_argument("--battery", action="store_true", help="run dieharder instead (apt-get install dieharder)")
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=STREAMS, help="which streams dieharder reads")
    parser.add_argument("--tests", nargs="+", type=int, default=(), help="dieharder's test numbers; default: all")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for one stream")
    options = parser.parse_args()
    if options.battery:
        os.nice(19)
        for stream in options.streams:
            battery.run_battery(report.EVIDENCE, stream, options.limit, tuple(options.tests))
            report.write()
    else:
        for part in options.parts:
            report.save(part, {"machine": report.machine(), **globals()[f"measure_{part}"]()})
    print(report.write().read_text())


def measure_speed() -> dict[str, Any]:
    return speed.measure_all()


def measure_differences() -> dict[str, Any]:
    chosen, before = MIXERS[CHOSEN], MIXERS[BEFORE]
    sizes = DIFFERENCES.items()
    found = {size: list(differences.measure(chosen, 2**size, KEYS, RATES, bits)) for size, bits in sizes}
    masks = [row for row in found[26] if (row.decision, row.kind) == ("rate 0.5", "xor")]
    worst = max(masks, key=lambda row: abs(row.z))
    return {
        "found": found,
        "worst": worst,
        "followed": differences.followed(chosen, worst, range(26, 30)),
        "before": list(differences.measure(before, 2**26, KEYS[:2], RATES[:1], ())),
        "mixers": {n: list(differences.measure(mixer, 2**24, KEYS[:4], RATES[:1], ())) for n, mixer in MIXERS.items()},
    }


def measure_windows() -> dict[str, Any]:
    found = {size: [list(windows.measure(MIXERS[CHOSEN], size, key)) for key in keys] for size, keys in WINDOWS.items()}
    return {"found": found, "mixers": {name: list(windows.measure(mixer, 28, 1)) for name, mixer in MIXERS.items()}}


def measure_related() -> dict[str, Any]:
    return {"mixers": {name: related.measure(mixer) for name, mixer in MIXERS.items() if name in RELATED}}


RELATED = (CHOSEN, "no first product", BEFORE)


def measure_cross_key() -> dict[str, Any]:
    return {
        "findings": {name: crosskey.measure(mixer) for name, mixer in MIXERS.items()},
        "unprepared": crosskey.unprepared(MIXERS[CHOSEN]),
        "repeats": {name: crosskey.repeats(mixer) for name, mixer in MIXERS.items()},
    }


if __name__ == "__main__":
    main()
