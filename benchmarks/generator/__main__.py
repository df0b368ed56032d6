"""`python -m benchmarks.generator --speed --cross-key --battery`: minutes, minutes, and hours in the background."""

import argparse
import os

from . import battery, crosskey, report, speed
from .mixers import MIXERS

STREAMS = ["counter-mask", "runs-mask", "transposed-mask", "children", "control", "counter", "runs", "transposed"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description=__doc__)
    parser.add_argument("--speed", action="store_true", help="time fused dropout with every mixer")
    parser.add_argument("--cross-key", action="store_true", help="correlate the decisions of related keys")
    parser.add_argument("--battery", action="store_true", help="run dieharder (apt-get install dieharder)")
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=STREAMS, help="which streams dieharder reads")
    parser.add_argument("--tests", nargs="+", type=int, default=(), help="dieharder's test numbers; default: all")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for one stream")
    options = parser.parse_args()
    if options.speed:
        timings = {name: speed.measure(setting) for name, setting in speed.SETTINGS.items()}
        report.save("speed", {"machine": report.machine(), **timings})
    if options.cross_key:
        report.save("cross_key", cross_key())
    if options.battery:
        os.nice(19)
        for stream in options.streams:
            battery.run_battery(report.EVIDENCE, stream, options.limit, tuple(options.tests))
            report.write()
    print(report.write().read_text())


def cross_key() -> dict[str, object]:
    chosen = next(iter(MIXERS.values()))
    return {
        "findings": {name: crosskey.measure(mixer) for name, mixer in MIXERS.items()},
        "unprepared": crosskey.unprepared(chosen),
        "repeats": {name: crosskey.repeats(mixer) for name, mixer in MIXERS.items()},
    }


if __name__ == "__main__":
    main()
