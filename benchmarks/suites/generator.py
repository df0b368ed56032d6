"""The bits: ours, and those of jax's own generators."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp

from jreg import random

from ..measure import Plan, Suite


def bits(plan: Plan) -> Iterator[Suite]:
    """Uniform uint32 words, written out, against writing a constant."""
    shape = (plan.size * 256, 1024)
    key, fast = jax.random.key(0), jax.random.key(0, impl=random.hash_prng)
    generators = {
        "jreg.random.hash_bits": lambda key: random.hash_bits(key, shape),
        "jax.random.bits, threefry": lambda key: jax.random.bits(key, shape),
    }
    cases = {
        "a constant written": partial(jax.jit(lambda c: jnp.broadcast_to(c, shape)), jnp.uint32(7)),
        **{name: partial(jax.jit(draw), key) for name, draw in generators.items()},
        "jax.random.bits, hash_prng": partial(jax.jit(generators["jax.random.bits, threefry"]), fast),
        "jax.random.bits, rbg": partial(
            jax.jit(generators["jax.random.bits, threefry"]), jax.random.key(0, impl="rbg")
        ),
    }
    yield Suite(f"random words, {plan.size} MB", cases)
