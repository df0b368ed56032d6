"""The command: time the suites, print a table for each, and store every figure with --json."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
from rich.console import Console

from . import suites
from .measure import Suite, sample, summarize, table

NAMES = ("dropout", "dropconnect", "optimizer", "sweep")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--suite", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--quick", action="store_true", help="small arrays and few rounds: does it run?")
    parser.add_argument("--json", type=Path, help="where to store the figures")
    options = parser.parse_args(arguments)
    console, rows = report_console(), []
    for suite in chosen(options.suite, options.quick):
        found = summarize(suite, sample(suite.cases, rounds=3 if options.quick else 30))
        console.print(table(suite, found))
        rows += found
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine(), "quick": options.quick, "rows": rows}, indent=1) + "\n"
        )
    return 0


def chosen(names: tuple[str, ...], is_quick: bool) -> Iterator[Suite]:
    for name in names:
        if name == "dropout":
            yield from suites.dropout(1 if is_quick else 64)
        elif name == "dropconnect":
            yield from suites.dropconnect(64 if is_quick else 1024)
        elif name == "optimizer":
            yield from suites.optimizer(*((2, 32) if is_quick else (4, 1024)))
        else:
            yield from suites.sweep(*((2, 2) if is_quick else (10, 20)))


def report_console() -> Console:
    """Names in full also where the output is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=110)


def machine() -> dict[str, object]:
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "devices": [device.device_kind for device in jax.devices()],
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def processor() -> str:
    """The processor's name where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
