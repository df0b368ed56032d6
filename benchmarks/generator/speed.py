"""Time per element of fused dropout under each mixer, against the copy `x * c`, and what XLA makes of it.

Two measurements: wall time on an array far beyond the caches, which is what a user waits for, and processor time on one
that stays in L2, which shows the arithmetic alone and which the machine's other work disturbs little.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jreg import noise, random
from jreg.random._hash import _key_words, _positions

from .mixers import MIXERS, Mixer

RATE = 0.1
COPY = "x * c"


class Setting(NamedTuple):
    shape: tuple[int, ...]
    clock: Callable[[], float]
    phases: int
    runs: int
    calls: int


SETTINGS = {
    "memory": Setting((4096, 4096), time.perf_counter, phases=10, runs=6, calls=1),
    "cache": Setting((512, 512), time.process_time, phases=60, runs=1, calls=20),
}


class Timing(NamedTuple):
    name: str
    nanoseconds: float
    ratio_of_fastest: float
    ratio_of_medians: float
    temporary_bytes: int
    has_loop: bool


def measure(setting: Setting) -> list[Timing]:
    """Time every function in turns, so that a slow phase of the machine slows them all."""
    x = jax.random.normal(jax.random.key(1), setting.shape)
    compiled = {name: jax.jit(function).lower(key, x).compile() for name, (function, key) in _functions().items()}
    calls = {name: partial(compiled[name], key, x) for name, (_, key) in _functions().items()}
    seconds = {name: [] for name in calls}
    for _ in range(setting.phases):
        for name, call in calls.items():
            seconds[name] += _time(call, setting)
    return [_timing(name, seconds[name], seconds[COPY], x.size, compiled[name]) for name in calls]


def _functions() -> dict[str, tuple[Callable, jax.Array]]:
    """Every mixer, the product's own function, and `jax.random.bernoulli` under three kinds of keys."""
    key = jax.random.key(0)
    mixers = {name: (partial(_dropout, mixer), key) for name, mixer in MIXERS.items()}
    return (
        {COPY: (lambda key, x: x * (1 / (1 - RATE)), key)}
        | mixers
        | {
            "jreg.noise.dropout": (lambda key, x: noise.dropout(key, x, RATE), key),
            "bernoulli, hash_prng key": (_bernoulli_dropout, jax.random.key(0, impl=random.hash_prng)),
            "bernoulli, philox2x32 key": (_bernoulli_dropout, jax.random.key(0, impl="philox2x32")),
            "bernoulli, default key": (_bernoulli_dropout, key),
        }
    )


def _dropout(mixer: Mixer, key: jax.Array, x: jax.Array) -> jax.Array:
    words = mixer.mix(_key_words(key), _positions(x.shape, range(x.ndim)))
    return jnp.where(words >= np.uint32(RATE * 2**32), x * (1 / (1 - RATE)), 0.0)


def _bernoulli_dropout(key: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.where(jax.random.bernoulli(key, 1 - RATE, x.shape), x * (1 / (1 - RATE)), 0.0)


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
        " while(" in compiled.as_text(),
    )
