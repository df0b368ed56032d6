"""Running statistics without bias from their initial values, or recomputed for weights they were not trained with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .._core.checks import Checks
from .._core.placement import settled
from .._core.types import Number, Tree


def debiased_decay(decay: Number, step: Number) -> Float[Array, ""]:
    """Compute the decay at a step that keeps the initial values out of the running statistics.

        decay * (1 - decay**step) / (1 - decay**(step + 1)),   step = 0, 1, ...

    With it the running statistics are the average of the batches so far, with weights that fall by `decay` per step, as
    in Adam's debiased moments. The first batch replaces the initial values, whereas a constant 0.99 would retain mean 0
    and variance 1 for hundreds of steps. Pass it as the `decay` of `batch_norm`, and keep the step beside the
    statistics. It is float32, or float64 in x64 mode, whatever its arguments are; `batch_norm` takes either with any
    statistics.

    Args:
      decay: in [0, 1]; at 1 the running statistics are the plain average of all batches.
      step: how many batches the statistics have seen, at least 0.

    Raises:
      ValueError: a concrete decay outside [0, 1], or a step below 0. Traced ones give NaN.

    >>> from jreg import norm
    >>> [round(float(norm.debiased_decay(0.9, step)), 3) for step in (0, 1, 2, 100)]
    [0.0, 0.474, 0.631, 0.9]

    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 3.
    """
    check = Checks("debiased_decay")
    decay = check.scalar("decay", decay, 0.0, 1.0)
    step = check.scalar("step", step, 0.0)
    # Near 1 both powers round to 1, so the differences are computed by expm1. Decays of 0 and 1 are handled separately.
    is_zero, is_one = decay == 0.0, decay == 1.0
    log = jnp.log(jnp.where(is_zero | is_one, 0.5, decay))
    share = decay * jnp.expm1(step * log) / jnp.expm1((step + 1.0) * log)
    return jnp.where(is_one, step / (step + 1.0), jnp.where(is_zero, 0.0 * step, share))


def recalibrate(fn: Callable[[Any, Any, Any], Any], stats: Tree, batches: Tree) -> Tree:
    """Recompute the statistics of batch norm as a plain average over data, for weights that were not trained with them.

        stats = fn(stats, batches[i], i / (i + 1)),   i = 0, 1, ...

    Averaging, merging, pruning or quantizing the weights changes every activation, so the running statistics of
    training no longer fit: measure them for the weights that `optim.averaged_params` and `optim.merge_params` return.
    None of the old statistics remain, not even a NaN. Use the batch size of training: an average of the batches'
    variances leaves out how their means differ.

    Args:
      fn: `fn(stats, batch, decay)` runs the model in training mode, passes `decay` to every `batch_norm`, and returns
        the new statistics.
      stats: the statistics of all layers, in the structure that `fn` takes and returns.
      batches: a pytree of arrays whose first axis counts the batches; one epoch or less is enough.

    Raises:
      ValueError: arrays of different lengths, or of length 0.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> def fn(stats, batch, decay):
    ...     return norm.batch_norm(params, stats, batch, decay=decay)[1]
    >>> norm.recalibrate(fn, stats, jnp.array([[[0.0], [2.0]], [[4.0], [6.0]]])).mean.tolist()
    [3.0]

    Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018.
    """
    check = Checks("recalibrate")
    check.called("fn", fn, "fn(stats, batch, decay) that returns stats")
    for argument, tree in (("stats", stats), ("batches", batches)):
        for leaf in jax.tree.leaves(tree):
            check.array(argument, leaf)
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(batches)]
    lengths = {shape[:1] for shape in shapes}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        raise ValueError(f"recalibrate: batches must hold arrays of one length, at least 1; got shapes {shapes}")
    counts = jnp.arange(lengths.pop()[0], dtype=jnp.float32)

    def step(stats: Tree, batch: Any) -> tuple[Tree, None]:
        count, data = batch
        return fn(stats, data, count / (count + 1.0)), None

    first = counts[0], jax.tree.map(lambda leaf: leaf[0], batches)
    start = settled(lambda stats: step(stats, first)[0], stats, batches)
    return lax.scan(step, start, (counts, batches))[0]
