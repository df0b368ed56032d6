"""The smoothed loss, against optax with smoothed rows of targets and against optax without smoothing."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import optax

from jreg import targets

from ..measure import Plan, Suite
from . import torch_process

NUM_CLASSES = 50_000
SMOOTHING = 0.1


def cross_entropy(plan: Plan) -> Iterator[Suite]:
    """The gradient of the mean loss in the logits, float32[batch, 50000], from class ids."""
    batch = plan.size
    logits = jax.random.normal(jax.random.key(0), (batch, NUM_CLASSES))
    ids = jax.random.randint(jax.random.key(1), (batch,), 0, NUM_CLASSES)

    def unsmoothed(logits: jax.Array, ids: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(logits, ids).mean()

    def smoothed_rows(logits: jax.Array, ids: jax.Array) -> jax.Array:
        rows = optax.smooth_labels(jax.nn.one_hot(ids, NUM_CLASSES), SMOOTHING)
        return optax.softmax_cross_entropy(logits, rows).mean()

    def closed_form(logits: jax.Array, ids: jax.Array, smoothing: jax.Array) -> jax.Array:
        return targets.smoothed_cross_entropy(logits, ids, smoothing)

    cases = {
        "no smoothing, by optax": partial(jax.jit(jax.grad(unsmoothed)), logits, ids),
        "optax, smoothed rows": partial(jax.jit(jax.grad(smoothed_rows)), logits, ids),
        "jreg.targets": partial(jax.jit(jax.grad(closed_form)), logits, ids, jnp.float32(SMOOTHING)),
    }
    shape = {"batch": batch, "num_classes": NUM_CLASSES}
    with torch_process.started(plan, "cross_entropy", **shape, smoothing=SMOOTHING) as torch:
        name = f"cross-entropy gradient, {batch} x {NUM_CLASSES}"
        yield Suite(name, {**cases, **torch.cases}, missing=torch.missing)
