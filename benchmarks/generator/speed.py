"""Time per element of fused dropout under each mixer and each of jax's own generators, against the copy `x * c`.

Processor time on an array that stays in L2 shows the arithmetic alone, which other work on the machine disturbs little.
Wall time on 64 MB is what a user waits for: forward, and forward with backward, in float32 and bfloat16. On a CPU a
fresh array of 64 MB is mostly page faults, so it is timed with pages of 4 KiB and with huge pages, in two processes.

`python -m benchmarks.generator.speed` prints one process's part as JSON.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jreg import noise, random
from jreg._core.checks import Checks
from jreg.random._block import block_of, positions
from jreg.random._hash import _key_words

from .mixers import BEFORE, CHOSEN, MIXERS, Mixer

RATE = 0.1
COPY = "x * c"
HUGE_PAGES = "glibc.malloc.hugetlb=1"
GENERATORS = {
    "hash_prng": random.hash_prng, "philox2x32": "philox2x32", "philox4x32": "philox4x32", "threefry": "threefry2x32",
    "rbg": "rbg",
}  # fmt: skip


class Setting(NamedTuple):
    name: str
    shape: tuple[int, ...]
    dtype: str
    backward: bool
    clock: Callable[[], float]
    phases: int
    runs: int
    calls: int


CACHE = Setting("in cache", (512, 512), "float32", False, time.process_time, phases=60, runs=1, calls=20)
MEMORY = [
    Setting(f"{dtype}, {what}", (4096, 4096), dtype, what != "forward", time.perf_counter, phases=8, runs=3, calls=1)
    for dtype in ("float32", "bfloat16")
    for what in ("forward", "forward and backward")
]


class Timing(NamedTuple):
    name: str
    nanoseconds: float
    ratio_of_fastest: float
    ratio_of_medians: float
    temporary_bytes: int


def measure_all() -> dict[str, dict[str, list[Timing]]]:
    """Every setting, the large ones in a process with each kind of pages."""
    pages = {"4 KiB pages": "", "huge pages": HUGE_PAGES}
    return {"cache": {CACHE.name: measure(CACHE)}} | {name: _in_process(tunables) for name, tunables in pages.items()}


def _in_process(tunables: str) -> dict[str, list[Timing]]:
    environment = {**os.environ, "GLIBC_TUNABLES": tunables}
    command = [sys.executable, "-m", "benchmarks.generator.speed"]
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {name: [Timing(*row) for row in rows] for name, rows in json.loads(printed).items()}


def measure(setting: Setting) -> list[Timing]:
    """Time every function in turns, so that a slow phase of the machine slows them all."""
    x = jax.random.normal(jax.random.key(1), setting.shape).astype(setting.dtype)
    compiled = {
        name: jax.jit(_with_backward(function) if setting.backward else function).lower(key, x).compile()
        for name, (function, key) in _functions(setting is CACHE).items()
    }
    calls = {name: partial(compiled[name], key, x) for name, (_, key) in _functions(setting is CACHE).items()}
    seconds = {name: [] for name in calls}
    for _ in range(setting.phases):
        for name, call in calls.items():
            seconds[name] += _time(call, setting)
    return [_timing(name, seconds[name], seconds[COPY], x.size, compiled[name]) for name in calls]


def _functions(is_complete: bool) -> dict[str, tuple[Callable, jax.Array]]:
    """`noise.dropout`, the same with other mixers, and `jax.random.bernoulli` under every kind of key."""
    key = jax.random.key(0)
    mixers = {name: mixer for name, mixer in MIXERS.items() if is_complete or name == BEFORE}
    bernoulli = {
        f"bernoulli, {name} key": (_bernoulli_dropout, jax.random.key(0, impl=impl))
        for name, impl in GENERATORS.items()
    }
    return {
        COPY: (lambda key, x: x * (1 / (1 - RATE)), key),
        "jreg.noise.dropout": (lambda key, x: noise.dropout(key, x, RATE), key),
        **{name: (partial(_dropout, mixer), key) for name, mixer in mixers.items() if name != CHOSEN},
        **bernoulli,
    }


def _dropout(mixer: Mixer, key: jax.Array, x: jax.Array) -> jax.Array:
    """`noise.dropout` with other words."""
    return noise.dropout(key, x, RATE, bits=partial(_bits, mixer))


def _bits(mixer: Mixer, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return mixer.mix(_key_words(key), positions(block_of(Checks("dropout"), shape, None, None), range(len(shape))))


def _with_backward(function: Callable) -> Callable:
    return jax.grad(lambda key, x: jnp.sum(jnp.square(function(key, x).astype(jnp.float32))), argnums=1)


def _bernoulli_dropout(key: jax.Array, x: jax.Array) -> jax.Array:
    kept = jax.random.bernoulli(key, 1 - RATE, x.shape)
    return jnp.where(kept, x * np.asarray(1 / (1 - RATE), x.dtype), np.zeros((), x.dtype))


def _time(call: Callable[[], jax.Array], setting: Setting) -> list[float]:
    jax.block_until_ready(call())
    return [_time_once(call, setting) for _ in range(setting.runs)]


def _time_once(call: Callable[[], jax.Array], setting: Setting) -> float:
    start = setting.clock()
    for _ in range(setting.calls):
        call().block_until_ready()  # one result alive at a time, so that the allocator hands out the same memory
    return (setting.clock() - start) / setting.calls


def _timing(name: str, seconds: list[float], copy: list[float], size: int, compiled: Any) -> Timing:
    return Timing(
        name,
        min(seconds) / size * 1e9,
        min(seconds) / min(copy),
        float(np.median(seconds) / np.median(copy)),
        compiled.memory_analysis().temp_size_in_bytes,
    )


if __name__ == "__main__":
    print(json.dumps({setting.name: measure(setting) for setting in MEMORY}))
