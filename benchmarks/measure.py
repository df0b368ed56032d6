"""Interleaved timing, so that a slow phase of the machine meets every case alike.

Each round times every case once, in a new order: what ran just before leaves its mark on caches and on the allocator.

What counts are ratios within one run. The ratio of the fastest runs says what the code can do, the ratio of the medians
what it did; where they differ by much, the machine was busy.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.table import Table


class Suite(NamedTuple):
    """Cases to time against each other; the first is the reference of the ratios."""

    name: str
    cases: Mapping[str, Callable[[], Any]]
    budgets: Mapping[str, float] = {}
    missing: tuple[str, ...] = ()
    measured: Mapping[str, list[float]] = {}
    """Seconds of cases that ran elsewhere."""
    memory: Mapping[str, float] = {}
    """Temporary MiB of the compiled cases."""


def sample(cases: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, by case, after one call of each to compile and warm up. Freeing a result is not timed."""
    for call in cases.values():
        jax.block_until_ready(call())
    seconds = {name: [] for name in cases}
    order = np.random.default_rng(0)
    for _ in range(rounds):
        for name in order.permutation(list(cases)):
            start = time.perf_counter()
            result = jax.block_until_ready(cases[name]())
            seconds[name].append(time.perf_counter() - start)
            del result
    return seconds


def summarize(suite: Suite, seconds: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """Per case the fastest and the median time, and their ratios to the reference."""
    seconds = {**seconds, **suite.measured}
    reference = next(iter(seconds.values()))
    return [
        {
            "suite": suite.name,
            "case": name,
            "fastest_ms": 1e3 * min(samples),
            "median_ms": 1e3 * float(np.median(samples)),
            "fastest_ratio": min(samples) / min(reference),
            "median_ratio": float(np.median(samples) / np.median(reference)),
            "budget": suite.budgets.get(name),
            "temporary_mib": suite.memory.get(name),
        }
        for name, samples in seconds.items()
    ]


def table(suite: Suite, rows: list[dict[str, Any]]) -> Table:
    caption = f"not installed: {', '.join(suite.missing)}" if suite.missing else None
    grid = Table(title=suite.name, caption=caption)
    grid.add_column("case")
    columns = {
        "fastest ms": "fastest_ms",
        "ratio of fastest": "fastest_ratio",
        "ratio of medians": "median_ratio",
        "budget": "budget",
        **({"temporary MiB": "temporary_mib"} if suite.memory else {}),
    }
    for column in columns:
        grid.add_column(column, justify="right")
    for row in rows:
        grid.add_row(row["case"], *("" if row[field] is None else f"{row[field]:.2f}" for field in columns.values()))
    return grid
