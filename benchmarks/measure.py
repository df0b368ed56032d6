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
Watch = Callable[[Mapping[str, list[float]]], None]

ROTATED_BYTES = 2**20
"""Arguments of at least this size are rotated."""
COPIES = 2
FACTS = ("temporary_mib", "peak_mib", "compile_s", "bytes", "flops")
"""What a compiled case tells beside its times."""


class Plan(NamedTuple):
    """What a suite is made for."""

    size: int
    is_quick: bool
    """Ask only whether everything runs."""
    peers: tuple[str, ...]


class Remote(NamedTuple):
    """A case of another process: `run` runs it there once and returns its seconds."""

    run: Callable[[], float]
    compile_s: float | None


class Step(NamedTuple):
    """A step of training: each run takes the state that the one before left, in its place."""

    function: Callable[..., Any]
    """Of the state and the rest; it returns the next state."""
    state: Any
    rest: tuple[Any, ...]


class Suite(NamedTuple):
    """Cases to time against each other; the first is the reference of the ratios.

    A case that is `partial(jitted, *arguments)` or a `Step` is compiled ahead of time, and its compilation, memory and
    traffic are reported too; any other callable is only timed.
    """

    name: str
    cases: Mapping[str, Call | Remote | Step]
    budgets: Mapping[str, float] = {}
    missing: tuple[str, ...] = ()
    measured: Mapping[str, list[float]] = {}
    """Seconds of cases that cannot take their turn in a round."""
    work: Mapping[str, float] = {}
    """How many of `unit` one call of a case gets done."""
    unit: str = ""


class Prepared(NamedTuple):
    """A case that is ready to be timed, and what its compilation told."""

    runs: tuple[Callable[[], float], ...]
    """Each runs the case once, on one of the copies of its arrays, and returns the seconds."""
    facts: Mapping[str, float | None]


def prepare(cases: Mapping[str, Call | Remote | Step]) -> dict[str, Prepared]:
    """Compile what can be compiled ahead of time, and run every case once."""
    copies: dict[int, tuple[Any, ...]] = {}
    prepared = {name: _prepared(case, copies) for name, case in cases.items()}
    for case in prepared.values():
        case.runs[0]()
    return prepared


def sample(prepared: Mapping[str, Prepared], rounds: int, watch: Watch | None = None) -> dict[str, list[float]]:
    """Seconds of each run, by case; `watch` sees them after every round."""
    seconds: dict[str, list[float]] = {name: [] for name in prepared}
    order = np.random.default_rng(0)
    for turn in range(rounds):
        for name in order.permutation(list(prepared)):
            runs = prepared[name].runs
            seconds[name].append(runs[turn % len(runs)]())
        if watch:
            watch(seconds)
    return seconds


def seconds_of(call: Call) -> float:
    """How long the call takes until its result is there. Freeing the result is not timed."""
    start = time.perf_counter()
    result = jax.block_until_ready(call())
    seconds = time.perf_counter() - start
    del result
    return seconds


def summarize(
    suite: Suite, seconds: Mapping[str, list[float]], facts: Mapping[str, Mapping[str, float | None]]
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
            **{fact: facts.get(name, {}).get(fact) for fact in FACTS},
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


def ceiling_share(row: Mapping[str, Any], ceilings: Mapping[str, float]) -> float | None:
    """The share that the fastest run reached of what the machine can do in bytes or in operations, the larger one."""
    reached = [
        row[work] / (row["fastest_ms"] / 1e3) / ceilings[f"{work}_per_second"]
        for work in ("bytes", "flops")
        if row[work]
    ]
    return max(reached, default=None)


def _prepared(case: Call | Remote | Step, copies: dict[int, tuple[Any, ...]]) -> Prepared:
    if isinstance(case, Remote):
        return Prepared((case.run,), {"compile_s": case.compile_s})
    if isinstance(case, Step):
        compiled, facts = _compiled(jax.jit(case.function, donate_argnums=0), case.state, *case.rest)
        return Prepared((partial(seconds_of, _loop(compiled, case)),), facts)
    if not isinstance(case, partial) or case.keywords or not hasattr(case.func, "lower"):
        return Prepared((partial(seconds_of, case),), {})
    compiled, facts = _compiled(case.func, *case.args)
    calls = (partial(compiled, *arguments) for arguments in _rotations(case.args, copies))
    return Prepared(tuple(partial(seconds_of, call) for call in calls), facts)


def _loop(compiled: Callable[..., Any], case: Step) -> Call:
    """A call that goes on from the state where the last one ended."""
    # The step takes its state away from others that may share it.
    state = jax.tree.map(jnp.copy, case.state)

    def call() -> Any:
        nonlocal state
        state = compiled(state, *case.rest)
        return state

    return call


def _compiled(jitted: Any, *arguments: Any) -> tuple[Callable[..., Any], dict[str, float | None]]:
    start = time.perf_counter()
    compiled = jitted.lower(*arguments).compile()
    return compiled, _facts(compiled, time.perf_counter() - start)


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


def _facts(compiled: Any, seconds: float) -> dict[str, float | None]:
    """What the compiler knows: temporary memory, the bytes that must be read and written, floating-point operations."""
    facts: dict[str, float | None] = {"compile_s": seconds}
    memory = compiled.memory_analysis()
    if memory:
        facts["temporary_mib"] = memory.temp_size_in_bytes / 2**20
        facts["bytes"] = float(memory.argument_size_in_bytes + memory.output_size_in_bytes)
        held = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
        facts["peak_mib"] = (held - memory.alias_size_in_bytes) / 2**20
    cost = compiled.cost_analysis()
    if cost and cost.get("flops", 0.0) > 0.0:
        facts["flops"] = float(cost["flops"])
    return facts
