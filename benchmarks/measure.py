"""Interleaved timing, so that a slow phase of the machine meets every case alike.

Each round times every case once, in a new order: what ran just before leaves its mark on caches and on the allocator.
A compiled case takes its arrays from a rotation of copies, so that none is still in cache from the round before.

What counts are ratios within one run. The ratio of the fastest runs says what the code can do, the ratio of the medians
what it did. The interval is that of the median of the rounds' own ratios (95 %, by the sign test): a case whose
interval holds 1 has not been told apart from the reference.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Call = Callable[[], Any]

ROTATED_BYTES = 2**20
"""Arguments of at least this size are rotated."""
COPIES = 2


class Suite(NamedTuple):
    """Cases to time against each other; the first is the reference of the ratios.

    A case that is `partial(jitted, *arguments)` is compiled ahead of time, and its compilation, memory and traffic
    are reported too; any other callable is only timed.
    """

    name: str
    cases: Mapping[str, Call]
    budgets: Mapping[str, float] = {}
    missing: tuple[str, ...] = ()
    measured: Mapping[str, list[float]] = {}
    """Seconds of cases that ran elsewhere."""
    work: Mapping[str, float] = {}
    """How many of `unit` one call of a case gets done."""
    unit: str = ""


class Prepared(NamedTuple):
    """A case that is ready to be timed, and what its compilation told."""

    calls: tuple[Call, ...]
    facts: Mapping[str, float]


def prepare(cases: Mapping[str, Call]) -> dict[str, Prepared]:
    """Compile what can be compiled ahead of time, and call every case once."""
    copies: dict[int, tuple[Any, ...]] = {}
    prepared = {name: _compiled(call, copies) for name, call in cases.items()}
    for case in prepared.values():
        jax.block_until_ready(case.calls[0]())
    return prepared


def sample(prepared: Mapping[str, Prepared], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, by case. Freeing a result is not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in prepared}
    order = np.random.default_rng(0)
    for turn in range(rounds):
        for name in order.permutation(list(prepared)):
            calls = prepared[name].calls
            call = calls[turn % len(calls)]
            start = time.perf_counter()
            result = jax.block_until_ready(call())
            seconds[name].append(time.perf_counter() - start)
            del result
    return seconds


def summarize(
    suite: Suite, seconds: Mapping[str, list[float]], facts: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Per case every sample, the fastest and the median time, their ratios to the reference, and other facts."""
    seconds = {**seconds, **suite.measured}
    reference = next(iter(seconds.values()))
    return [
        {
            "suite": suite.name,
            "case": name,
            "seconds": samples,
            "fastest_ms": 1e3 * min(samples),
            "median_ms": 1e3 * float(np.median(samples)),
            "fastest_ratio": min(samples) / min(reference),
            "median_ratio": float(np.median(samples) / np.median(reference)),
            "interval": interval(samples, reference),
            "budget": suite.budgets.get(name),
            "temporary_mib": facts.get(name, {}).get("temporary_mib"),
            "compile_s": facts.get(name, {}).get("compile_s"),
            "bytes": facts.get(name, {}).get("bytes"),
            "flops": facts.get(name, {}).get("flops"),
            "per_second": suite.work[name] / min(samples) if name in suite.work else None,
            "unit": suite.unit or None,
        }
        for name, samples in seconds.items()
    ]


def interval(samples: list[float], reference: list[float]) -> list[float] | None:
    """Bounds of the median ratio, by the order statistics of the sign test; None where there are too few rounds.

    Samples that were measured elsewhere are in no order with the reference: each then counts against its median.
    """
    base = reference if len(samples) == len(reference) else [float(np.median(reference))] * len(samples)
    ratios = np.sort(np.array(samples) / np.array(base))
    rank = int(np.floor((len(ratios) - 1.96 * np.sqrt(len(ratios))) / 2))
    return [float(ratios[rank]), float(ratios[-1 - rank])] if rank >= 0 else None


def is_told_apart(row: Mapping[str, Any]) -> bool:
    """Whether a case differs from its reference beyond the noise of the run."""
    bounds = row["interval"]
    return bounds is not None and not bounds[0] <= 1.0 <= bounds[1]


def _compiled(call: Call, copies: dict[int, tuple[Any, ...]]) -> Prepared:
    if not isinstance(call, partial) or call.keywords or not hasattr(call.func, "lower"):
        return Prepared((call,), {})
    start = time.perf_counter()
    compiled = call.func.lower(*call.args).compile()
    seconds = time.perf_counter() - start
    rotations = tuple(_rotations(call.args, copies))
    return Prepared(tuple(partial(compiled, *arguments) for arguments in rotations), _facts(compiled, seconds))


def _rotations(arguments: tuple[Any, ...], copies: dict[int, tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The arguments, and copies of them. Cases that share an array share its copies, so memory is taken once."""
    leaves, treedef = jax.tree.flatten(arguments)
    for turn in range(COPIES):
        yield jax.tree.unflatten(treedef, [_copies(leaf, copies)[turn] for leaf in leaves])


def _copies(leaf: Any, copies: dict[int, tuple[Any, ...]]) -> tuple[Any, ...]:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    if is_key or not isinstance(leaf, jax.Array) or leaf.nbytes < ROTATED_BYTES:
        return (leaf,) * COPIES
    if id(leaf) not in copies:
        copies[id(leaf)] = (leaf, *(jnp.copy(leaf) for _ in range(COPIES - 1)))
    return copies[id(leaf)]


def _facts(compiled: Any, seconds: float) -> dict[str, float]:
    """What the compiler knows: temporary memory, the bytes that must be read and written, floating-point operations."""
    facts = {"compile_s": seconds}
    memory = compiled.memory_analysis()
    if memory:
        facts["temporary_mib"] = memory.temp_size_in_bytes / 2**20
        facts["bytes"] = float(memory.argument_size_in_bytes + memory.output_size_in_bytes)
    cost = compiled.cost_analysis()
    if cost and cost.get("flops", 0.0) > 0.0:
        facts["flops"] = float(cost["flops"])
    return facts
