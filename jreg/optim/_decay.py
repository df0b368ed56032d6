"""Decoupled weight decay, as a wrapper: it cannot be put in the wrong place in a chain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from .._core import checks, leaves, trees
from .._core.checks import Checks
from .._core.types import Mask, Number, Strength, Tree
from ._leafwise import leafwise, required


def with_decoupled_decay(
    inner: optax.GradientTransformation,
    weight_decay: Strength,
    *,
    learning_rate: Strength | None = None,
    peak_learning_rate: Number | None = None,
    mask: Mask = leaves.kernels,
    cautious: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Shrink the weights in addition to the step of `inner`, without its preconditioner.

        w <- w + inner's step - learning_rate * weight_decay * w      with a learning rate, as in torch and optax
        w <- w + inner's step - weight_decay * w                      without, as in the paper

    `inner` is a whole optimizer, including its learning rate. The two forms differ by that factor: 0.01 in torch's
    AdamW at learning rate 1e-3 is 1e-5 in the paper's form, which does not change when the learning rate is tuned. Pass
    a schedule of the learning rate both to `inner` and here. Both forms refuse a share of 1 or more, which would flip
    the sign of the weights or let them grow.

    The weights of a layer before a norm settle where decay and gradient balance, at a ratio of gradient to weight that
    goes with the square root of weight_decay / learning_rate: under a falling rate their gradients grow. With the peak
    of the rate, the decay falls along and that ratio stays:

        w <- w + inner's step - learning_rate^2 / peak_learning_rate * weight_decay * w

    Its paper leaves out the last layer, which no norm follows: `mask=kernels & ~matching("head")` there, and a
    decay of its own.

    Args:
      weight_decay: at least 0, and below 1 in the paper's form; a number, traced or not, a schedule of the step count,
        or a tree (or prefix) of these, one per leaf.
      learning_rate: None for the paper's form; otherwise what `inner` was given, a number or a schedule.
      peak_learning_rate: the largest rate of the schedule, above 0, to correct the decay for it; None does not.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.
      cautious: decay a weight only where the step moves it towards zero or not at all.

    Raises:
      ValueError: a concrete strength below 0 or share of 1 or more (traced ones give NaN), a peak without a rate, a
        mask that selects nothing, updates that do not have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optim.with_decoupled_decay(optax.sgd(0.1), 0.01)
    >>> w = jnp.array([0.8])
    >>> updates, _ = optimizer.update(jnp.array([0.5]), optimizer.init(w), w)
    >>> f"{optax.apply_updates(w, updates)[0]:.4f}"
    '0.7420'

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019; for `cautious` Chen et al., Cautious Weight
    Decay, 2025; for `peak_learning_rate` Defazio, Why Gradients Rapidly Increase Near the End of Training, 2025.
    """
    check = Checks("with_decoupled_decay")
    cautious = check.flag("cautious", cautious)
    inner = check.transformation("inner", inner)

    correction = _correction(check, learning_rate, peak_learning_rate)

    def shrink(update: Array, w: Array, *shares: Array) -> Array:
        share = math.prod(shares) * correction(shares[-1])
        decayed = update - jnp.where(jnp.real(share) < 1.0, share, jnp.nan) * w
        return jnp.where(jnp.real(update * jnp.conj(w)) <= 0.0, decayed, update) if cautious else decayed

    decay = leafwise(check, shrink, mask, _factors(learning_rate, weight_decay=weight_decay))
    _refuse_whole_shares(check, learning_rate, weight_decay)
    both = optax.with_extra_args_support(optax.chain(inner, decay))

    def update(updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Any]:
        # Gradients of another shape must not reach `inner`, which might broadcast them.
        trees.same_structure(check, "updates", updates, required(check, params))
        return both.update(updates, state, params, **extra)

    return optax.GradientTransformationExtraArgs(both.init, update)


def _correction(check: Checks, learning_rate: Any, peak: Number | None) -> Callable[[Array], Array | float]:
    """The factor by which the decay falls along with the learning rate; 1 without a peak."""
    if peak is None:
        return lambda rate: 1.0
    if learning_rate is None:
        raise ValueError(f"{check}: peak_learning_rate must come with the learning_rate that it is the peak of")
    check.valid_scalar("peak_learning_rate", peak, 0.0, ends="()")

    def correction(rate: Array) -> Array:
        return rate / check.scalar("peak_learning_rate", peak, 0.0, ends="()").astype(rate.dtype)

    return correction


def decay_towards(
    reference: Tree, strength: Strength, *, learning_rate: Strength | None = None, mask: Mask = leaves.kernels
) -> optax.GradientTransformation:
    """Pull the weights towards a reference, such as the pretrained ones: w <- w + step - strength * (w - reference).

    Put it last in the chain, after the learning rate. It is decoupled decay with another origin; the coupled form is
    `loss + strength * penalty.l2_sp(params, reference)`. A share of 1 reaches the reference, a larger one goes past it.
    Updates of 16-bit weights come out in float32, so that `optax.apply_updates` rounds only the new weights.

    Args:
      reference: a tree with the structure and shapes of params.
      strength: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one
        per leaf.
      learning_rate: None if the strength is the whole share; otherwise what the optimizer was given, and the share is
        the product of both.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, a reference or
        updates that do not have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.decay_towards(jnp.array([1.0]), 0.5))
    >>> w = jnp.array([3.0])
    >>> updates, _ = optimizer.update(jnp.array([0.0]), optimizer.init(w), w)
    >>> optax.apply_updates(w, updates).tolist()
    [2.0]

    Li, Grandvalet and Davoine, Explicit Inductive Bias for Transfer Learning with Convolutional Networks, ICML 2018.
    """
    check = Checks("decay_towards")

    def pull(update: Array, w: Array, origin: Array, *shares: Array) -> Array:
        return update - math.prod(shares) * (w - origin)

    def origins(params: Tree) -> Tree:
        visible = _visible(reference, params)
        trees.same_structure(check, "reference", visible, params)
        return visible

    factors = _factors(learning_rate, strength=strength)
    return leafwise(check, pull, mask, factors, beside=origins, replaces=True)


def _visible(reference: Tree, params: Tree) -> Tree:
    """The reference without the leaves that `optax.masked` and `optax.partition` hide in the params."""
    if not any(map(_is_hidden, jax.tree.leaves(params, is_leaf=_is_hidden))):
        return reference
    return jax.tree.map(
        lambda node, origin: node if _is_hidden(node) else origin, params, reference, is_leaf=_is_hidden
    )


def _is_hidden(node: Any) -> bool:
    return isinstance(node, optax.MaskedNode)


def _refuse_whole_shares(check: Checks, learning_rate: Any, weight_decay: Strength) -> None:
    """Raise if a step is known to remove a whole weight or more, as torch's number does in the paper's form."""
    rate = 1.0 if learning_rate is None else learning_rate
    for decay in jax.tree.leaves(weight_decay):
        if not (_is_known(rate) and _is_known(decay)) or float(rate) * float(decay) < 1.0:
            continue
        share = "it is the share of each weight that a step removes"
        if learning_rate is not None:
            raise ValueError(
                f"{check}: learning_rate * weight_decay must be below 1, as {share}; got {rate!r} * {decay!r}"
            )
        raise ValueError(
            f"{check}: weight_decay must be below 1 without a learning_rate, as {share}; got {decay!r}. "
            f"Write {check}(inner, {decay!r}, learning_rate=rate) for torch's form, which takes "
            f"rate * {decay!r} of it, or {check}(inner, share) for the paper's"
        )


def _is_known(strength: Any) -> bool:
    return checks.is_real(strength) and not checks.is_traced(strength)


def _factors(learning_rate: Strength | None, **strengths: Strength) -> dict[str, Strength]:
    """The factors whose product is the share of a step."""
    return strengths if learning_rate is None else strengths | {"learning_rate": learning_rate}
