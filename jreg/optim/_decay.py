"""Decoupled weight decay, as a wrapper: it cannot be put in the wrong place of a chain."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from .._core import trees
from .._core.types import Strength, Tree, Where
from ._leafwise import CountState, change_selected, check_strength, init_count, next_count, required, strength_at


class DecayState(NamedTuple):
    """The wrapped optimizer's state, and the number of updates made."""

    inner: Any
    count: CountState


def with_decoupled_decay(
    inner: optax.GradientTransformation,
    weight_decay: Strength,
    *,
    learning_rate: Strength | None = None,
    mask: Where = trees.kernels,
    cautious: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Shrink the weights beside the step of `inner`, untouched by its preconditioner.

        w <- w + inner's step - learning_rate * weight_decay * w      with a learning rate, as in torch and optax
        w <- w + inner's step - weight_decay * w                      without, as in the paper

    `inner` is a whole optimizer, its learning rate included. The two conventions differ by that factor: 0.01 in torch's
    AdamW at learning rate 1e-3 is 1e-5 in the paper's form, which does not change when the learning rate is tuned. A
    schedule of the learning rate goes to both, `inner` and here.

    Args:
      weight_decay: at least 0; a number, traced or not, or a schedule of the step count.
      learning_rate: None for the paper's form; else what `inner` was given, a number or a schedule.
      mask: which leaves; by default the kernels, so neither biases nor scales of norms. None takes all.
      cautious: decay only where the step already moves the weight towards zero, or leaves it.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optim.with_decoupled_decay(optax.sgd(0.1), 0.01)
    >>> w = jnp.array([0.8])
    >>> updates, _ = optimizer.update(jnp.array([0.5]), optimizer.init(w), w)
    >>> f"{optax.apply_updates(w, updates)[0]:.4f}"
    '0.7420'

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019; for `cautious` Chen et al., Cautious Weight
    Decay, 2025.
    """
    name = "with_decoupled_decay"
    check_strength(name, "weight_decay", weight_decay)
    if learning_rate is not None:
        check_strength(name, "learning_rate", learning_rate)
    inner = optax.with_extra_args_support(inner)

    def shrink(update: Array, param: Array, share: Array) -> Array:
        decayed = update - share * param
        return jnp.where(jnp.real(update * jnp.conj(param)) <= 0.0, decayed, update) if cautious else decayed

    def share(count: CountState) -> Float[Array, ""]:
        decay = strength_at(name, "weight_decay", weight_decay, count)
        return decay if learning_rate is None else decay * strength_at(name, "learning_rate", learning_rate, count)

    def init(params: Tree) -> DecayState:
        trees.selection(name, mask, params, "mask")
        return DecayState(inner.init(params), init_count())

    def update(updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, DecayState]:
        params = required(name, params)
        trees.same_structure(name, "updates", updates, params)
        updates, inner_state = inner.update(updates, state.inner, params, **extra)
        updates = change_selected(name, shrink, updates, params, share(state.count), mask)
        return updates, DecayState(inner_state, next_count(state.count))

    return optax.GradientTransformationExtraArgs(init, update)
