"""Monte Carlo predictions: jreg's in batches of samples, against all samples at once and against a loop in Python."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import entr

from jreg import diagnose, noise

from ..measure import Plan, Suite

BATCH = 256
RATE = 0.5


def predictions(plan: Plan) -> Iterator[Suite]:
    """`size` passes of an MLP with few classes, and of one with so many that its outputs are what takes the memory."""
    num_samples, key = plan.size, jax.random.key(0)
    for width, classes in ((32, 10),) if plan.is_quick else ((512, 10), (512, 1024)):
        sizes = (width, width, classes)
        params = [
            jax.random.normal(jax.random.key(place), (width, size)) / width**0.5 for place, size in enumerate(sizes)
        ]
        x = jax.random.normal(jax.random.key(9), (BATCH, width))

        def ours(params: Any, key: jax.Array, x: jax.Array, batch_size: int | None) -> Any:
            return diagnose.mc_predict(
                lambda key, x: probabilities(params, key, x), key, x, num_samples=num_samples, batch_size=batch_size
            )

        def stacked(params: Any, key: jax.Array, x: jax.Array) -> Any:
            return of_samples(
                jax.vmap(partial(probabilities, params), (0, None))(jax.random.split(key, num_samples), x)
            )

        one, reduce = jax.jit(probabilities), jax.jit(of_samples)

        def loop(one: Any = one, reduce: Any = reduce, params: Any = params, x: jax.Array = x) -> Any:
            return reduce(jnp.stack([one(params, own, x) for own in jax.random.split(key, num_samples)]))

        cases = {
            "vmap over all samples": partial(jax.jit(stacked), params, key, x),
            "jreg, batch_size=None": partial(jax.jit(partial(ours, batch_size=None)), params, key, x),
            **{
                f"jreg, batch_size={size}": partial(jax.jit(partial(ours, batch_size=size)), params, key, x)
                for size in (1, 4, 16)
            },
            "loop in Python": loop,
        }
        name = f"mc_predict, {num_samples} samples, B {BATCH}, d {width}, {classes} classes"
        yield Suite(name, cases, work=dict.fromkeys(cases, float(num_samples)), unit="samples")


def probabilities(params: Any, key: jax.Array, x: jax.Array) -> jax.Array:
    *hidden, head = params
    for layer, own in zip(hidden, jax.random.split(key, len(hidden)), strict=True):
        x = noise.dropout(own, jax.nn.relu(x @ layer), RATE)
    return jax.nn.softmax(x @ head)


def of_samples(p: jax.Array) -> Any:
    """What `mc_predict` returns, from all samples."""
    mean = jnp.mean(p, axis=0)
    total, expected = jnp.sum(entr(mean), axis=-1), jnp.mean(jnp.sum(entr(p), axis=-1), axis=0)
    votes = jnp.sum(jnp.argmax(p, axis=-1)[..., None] == jnp.arange(p.shape[-1]), axis=0)
    return mean, jnp.var(p, axis=0), total, expected, total - expected, 1.0 - jnp.max(votes, axis=-1) / len(p)
