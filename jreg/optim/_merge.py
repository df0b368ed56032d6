"""Several models with the same tree made one, by a weighted mean of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._core import checks, dtypes, trees
from .._core.checks import Checks
from .._core.placement import gathered
from .._core.types import Number, Tree


def merge_params(trees: Sequence[Tree], weights: Float[ArrayLike, " trees"] | Sequence[Number]) -> Tree:
    """Merge models leaf by leaf: sum_i weights[i] * trees[i] / sum_i weights[i].

    It makes sense for models in one basin: checkpoints of one run, fine-tunings of one model. With batch norm,
    measure the running statistics of the merged model with `norm.recalibrate`: those of the parts do not fit it, nor
    does their mean. `merge_weights` gives the weights that stand for a decay of the learning rate.

    Args:
      trees: the models, at least one, of one structure.
      weights: a number for each, traced or not, of any sign. A model whose weight is 0 leaves no trace, not even a NaN.

    Returns:
      the model, in the dtypes of the first one. The sums are in float32 or wider. Integers are those of the last one.

    Raises:
      ValueError: no model, not as many weights as models, concrete weights that sum to 0 (traced ones give NaN), or
        trees that differ in structure or shapes.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> optim.merge_params([{"w": jnp.zeros(2)}, {"w": jnp.ones(2)}], [1.0, 3.0])["w"].tolist()
    [0.75, 0.75]

    Wortsman et al., Model Soups, ICML 2022; for checkpoints of one run Utans, Weight Averaging for Neural Networks and
    Local Resampling Schemes, 1996.
    """
    check = Checks("merge_params")
    models = as_models(check, trees)
    shares = _as_shares(check, weights, len(models))
    return jax.tree.map(partial(_mixed, shares), *models)


def merge_weights(decay: Float[ArrayLike, " steps"] | Sequence[Number]) -> Float[Array, " checkpoints"]:
    """Compute the weights with which `merge_params` makes of checkpoints what a decay of the learning rate would.

        weights = (1 - decay[0], decay[0] - decay[1], ..., decay[-2] - decay[-1], decay[-1])

    The run keeps its learning rate; the merged weights are those of a run whose updates between checkpoints i and i + 1
    were multiplied by decay[i], as long as the gradients are the same. So the decay can be chosen after the run, and
    the run can go on from its last checkpoint. k intervals have k + 1 checkpoints.

    Args:
      decay: the multiplier of the rate in each interval, in [0, 1], never rising: `1 - jnp.arange(1, k + 1) / (k + 1)`
        is a linear decay, and the merge then the plain mean; `1 - jnp.sqrt(jnp.arange(1, k + 1) / (k + 1))` keeps
        more of the first checkpoints.

    Raises:
      ValueError: concrete multipliers outside [0, 1] or that rise (traced ones give NaN), or none.

    >>> from jreg import optim
    >>> [f"{weight:.2f}" for weight in optim.merge_weights([0.75, 0.5, 0.25])]
    ['0.25', '0.25', '0.25', '0.25']

    Tian et al., WSM: Decay-Free Learning Rate Schedule via Checkpoint Merging for LLM Pre-training, ICLR 2026.
    """
    check = Checks("merge_weights")
    shares = _as_vector(check, "decay", decay, 0.0, 1.0)
    one = jnp.ones(1, shares.dtype)
    weights = jnp.concatenate([one, shares]) - jnp.concatenate([shares, jnp.zeros_like(one)])
    is_rising = jnp.any(weights < 0.0)
    if not checks.is_traced(is_rising) and is_rising:
        raise ValueError(f"{check}: decay must never rise; got {checks.shown(decay)}")
    return jnp.where(is_rising, jnp.nan, weights)


def as_models(check: Checks, models: Any) -> Sequence[Tree]:
    """The models, if they are a sequence of trees of one structure."""
    if not isinstance(models, list | tuple) or hasattr(models, "_fields"):
        raise TypeError(f"{check}: trees must be a list of models; got {checks.shown(models)}")
    if not models:
        raise ValueError(f"{check}: trees must hold at least one model; got none")
    trees.check_leaves(check, "trees[0]", models[0])
    for number, model in enumerate(models[1:], 1):
        trees.same_structure(check, f"trees[{number}]", model, models[0], model="trees[0]")
    return models


def _as_shares(check: Checks, weights: Any, num: int) -> Float[Array, " trees"]:
    shares = _as_vector(check, "weights", weights)
    if len(shares) != num:
        raise ValueError(f"{check}: weights must be as many as the trees, {num}; got {len(shares)}")
    total = jnp.sum(shares)
    if not checks.is_traced(total) and (total == 0.0 or not jnp.isfinite(total)):
        raise ValueError(f"{check}: weights must have a finite sum other than 0; got {checks.shown(weights)}")
    return shares / total


def _as_vector(check: Checks, argument: str, values: Any, *ends: float) -> Float[Array, " values"]:
    if isinstance(values, list | tuple):
        values = [check.scalar(argument, value, *ends) for value in values]
        values = jnp.stack(values) if values else jnp.zeros(0)
    vector = gathered(check.number(argument, values, *ends))
    if vector.ndim != 1 or not vector.size:
        raise ValueError(f"{check}: {argument} must be a list of numbers, at least one; got shape {vector.shape}")
    return vector


def _mixed(shares: Float[Array, " trees"], *leaves: Any) -> Array:
    arrays = [jnp.asarray(leaf) for leaf in leaves]
    if not jnp.issubdtype(arrays[0].dtype, jnp.inexact):
        return arrays[-1]
    wide = dtypes.widened(arrays[0].dtype)
    terms = (
        jnp.where(share == 0.0, 0.0, share.astype(wide) * leaf.astype(wide))
        for share, leaf in zip(shares, arrays, strict=True)
    )
    return sum(terms, start=jnp.zeros((), wide)).astype(arrays[0].dtype)
