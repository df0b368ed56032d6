"""Which leaves of a pytree a regularizer applies to: `kernels`, `matching`, and combinations by `&`, `|` and `~`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import jax
import jax.numpy as jnp

from . import trees
from .checks import Checks
from .trees import path_name
from .types import Mask, Tree

NAMES_OF_NO_KERNEL = frozenset({"b", "beta", "bias", "gamma", "offset", "scale"})
NAMES_OF_KERNELS = frozenset({"kernel", "w", "weight"})
WRAPPER_NAMES = frozenset({"raw_value", "value"})
POSITIONS = re.compile(r"(^|_)pos(ition(al)?)?(_?(emb|enc|table)|$)|^wpe$")


class LeafMask:
    """A function of a tree that gives a bool for each leaf; masks compose with `&`, `|` and `~`.

    The other operand of `&` and `|` may be any mask: a function, a tree (or prefix) of bools, or None for all.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> mask = optim.kernels & ~optim.matching("embed")
    >>> mask
    kernels & ~matching('embed')
    >>> mask({"embed": {"kernel": jnp.ones((5, 2))}, "head": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}})
    {'embed': {'kernel': False}, 'head': {'bias': False, 'kernel': True}}
    """

    def __init__(self, choose: Callable[[Tree], Tree], name: str = ""):
        self._choose = choose
        update_wrapper(self, choose)
        self._name = name or choose.__name__

    def __call__(self, params: Tree) -> Tree:
        return self._choose(params)

    def __and__(self, other: Mask) -> LeafMask:
        return _made(f"{_operand(self)} & {_operand(other)}", operator.and_, self, other)

    def __or__(self, other: Mask) -> LeafMask:
        return _made(f"{_operand(self)} | {_operand(other)}", operator.or_, self, other)

    def __invert__(self) -> LeafMask:
        return _made(f"~{_operand(self)}", _negated, self)

    def __rand__(self, other: Mask) -> LeafMask:
        return _made(f"{_operand(other)} & {_operand(self)}", operator.and_, other, self)

    def __ror__(self, other: Mask) -> LeafMask:
        return _made(f"{_operand(other)} | {_operand(self)}", operator.or_, other, self)

    def __repr__(self) -> str:
        return self._name


def _made(name: str, combine: Callable[..., Any], *masks: Mask) -> LeafMask:
    """The mask that combines the choices of other masks for each leaf."""

    def choose(params: Tree) -> Tree:
        return jax.tree.map(combine, *(trees.resolved(Checks(name), mask, params, elementwise=True) for mask in masks))

    return LeafMask(choose, name)


def _operand(mask: Mask) -> str:
    return f"({mask!r})" if " " in repr(mask) else repr(mask)


def _negated(choice: Any) -> Any:
    return not choice if isinstance(choice, bool) else ~choice


@LeafMask
def kernels(params: Tree) -> Tree:
    """Select the weights that a penalty is meant for: not biases, norm scales or position embeddings.

    It selects arrays of floats with two or more axes longer than one, and those with two or more axes that are named
    `kernel`, `weight` or `w`, such as the kernel of a single output. It leaves out arrays whose name, or the name of
    the module that holds them, marks them as a bias, part of a norm or a position embedding (`pos_embed`,
    `position_embeddings`, `wpe`): pulling positions to zero makes them alike. It selects token embeddings; leave them
    out with `kernels & ~matching("embed")`. It always selects a bare array. It works on dicts and on the trees of flax,
    equinox and haiku.

    Args:
      params: a pytree of arrays.

    Returns:
      a pytree of bools in the structure of `params`.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> optim.kernels({"dense": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}})
    {'dense': {'bias': False, 'kernel': True}}
    """
    if isinstance(params, jax.Array) and jnp.issubdtype(params.dtype, jnp.integer):
        raise TypeError(
            "kernels: params must hold weights; got a step count. "
            'optax.inject_hyperparams calls every function that it is given: pass static_args="mask"'
        )
    return jax.tree_util.tree_map_with_path(lambda path, leaf: not path or _is_kernel(path, leaf), params)


def matching(pattern: str) -> LeafMask:
    """Select the leaves whose path, joined by slashes, contains a match of a regular expression.

    Args:
      pattern: the expression, searched in paths such as `head/kernel`.

    Raises:
      ValueError: a pattern that is not a regular expression.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> optim.matching("head/.*kernel")({"head": {"kernel": jnp.ones(2)}, "body": {"kernel": jnp.ones(2)}})
    {'body': {'kernel': False}, 'head': {'kernel': True}}
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError, ValueError) as error:
        reason = f" ({error})" if isinstance(pattern, str) else ""
        raise ValueError(f"matching: pattern must be a regular expression; got {pattern!r}{reason}") from error

    def matches(params: Tree) -> Tree:
        return jax.tree_util.tree_map_with_path(lambda path, _: compiled.search(path_name(path)) is not None, params)

    return LeafMask(matches, f"matching({pattern!r})")


def _is_kernel(path: Any, leaf: Any) -> bool:
    names = [name for name in path_name(path).split("/") if name not in WRAPPER_NAMES]
    name, holder = ["", "", *names][-1], ["", "", *names][-2]
    is_norm_weight = name == "weight" and re.search("norm|^ln", holder.lower()) is not None
    is_position = any(POSITIONS.search(each.lower()) for each in (name, holder))
    is_float = jnp.issubdtype(getattr(leaf, "dtype", bool), jnp.inexact)
    is_named = name in NAMES_OF_KERNELS and len(getattr(leaf, "shape", ())) >= 2
    is_wide = is_named or (is_float and sum(size > 1 for size in leaf.shape) >= 2)
    return is_float and is_wide and not (is_norm_weight or is_position or name in NAMES_OF_NO_KERNEL)
