"""The command: time the suites, print a table for each, and store every figure with --json."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
from rich.console import Console

from .measure import Suite, sample, summarize, table
from .suites import losses, modules, noise, norm, optim, penalty, seeds, train

ROUNDS, QUICK_ROUNDS = 30, 2
# Each with its size, and its size with --quick: megabytes, images, features or lanes.
SUITES: dict[str, tuple[Callable[[int, int], Iterator[Suite]], int, int]] = {
    "dropout": (noise.dropout, 64, 1),
    "prng": (noise.prng, 64, 1),
    "noise": (noise.family, 64, 1),
    "dropblock": (noise.dropblock, 64, 1),
    "dropconnect": (noise.dropconnect, 1024, 64),
    "residual": (noise.residual, 512, 32),
    "transformer": (noise.transformer, 4, 1),
    "penalties": (penalty.family, 64, 1),
    "nnx transformer": (modules.transformer, 6, 1),
    "nnx resnet": (modules.resnet, 4, 1),
    "batch norm": (norm.batch_norm, 64, 1),
    "optimizer": (optim.update, 1024, 32),
    "losses": (losses.cross_entropy, 512, 16),
    "sweep": (train.sweep, 200, 4),
    "seeds": (seeds.table, 32, 2),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=list(SUITES))
    parser.add_argument("--quick", action="store_true", help="small arrays and few rounds: does it run?")
    parser.add_argument("--json", type=Path, help="where to store the figures")
    options = parser.parse_args(arguments)
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    console, rows = report_console(), []
    for name in options.suite:
        make, size, quick_size = SUITES[name]
        for suite in make(quick_size if options.quick else size, rounds):
            found = summarize(suite, sample(suite.cases, rounds))
            console.print(table(suite, found))
            rows += found
    if options.json:
        record = {"machine": machine(), "quick": options.quick, "rows": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


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
