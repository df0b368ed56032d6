"""The bits: ours, and those of jax's own generators."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp

from jreg import random

from ..measure import Plan, Suite
from . import peers


def bits(plan: Plan) -> Iterator[Suite]:
    """Uniform uint32 words, written out, against writing a constant."""
    shape = (plan.size * 256, 1024)
    draws = {"jreg.random.hash_bits": (random.hash_bits, None)} | {
        f"jax.random.bits, {name}": (jax.random.bits, impl)
        for name, impl in {
            "threefry": None,
            "hash_prng": random.hash_prng,
            "rbg": "rbg",
            **{name: name for name in peers.FUSING},
        }.items()
    }
    cases = {"a constant written": partial(jax.jit(lambda c: jnp.broadcast_to(c, shape)), jnp.uint32(7))} | {
        name: partial(jax.jit(partial(draw, shape=shape)), jax.random.key(0, impl=impl))
        for name, (draw, impl) in draws.items()
    }
    yield Suite(f"random words, {plan.size} MB", cases)
