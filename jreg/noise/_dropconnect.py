"""DropConnect: zero individual weights."""

from __future__ import annotations

from typing import Any

import jax

from .._core import leaves, trees
from .._core.checks import Checks
from .._core.types import Key, Mask, Number, Tree
from ..random import hash_bits, split_like
from ._drop import drop


def dropconnect(key: Key | None, weights: Tree, rate: Number, *, mask: Mask = leaves.kernels) -> Tree:
    """Zero each selected weight with probability `rate` and divide the others by 1 - rate.

        w' = m * w / (1 - rate),   m ~ Bernoulli(1 - rate)

    The whole batch that uses w' shares one mask, so the products cost the same as without noise. The given weights are
    not modified; `dropconnect(None, weights, rate)` returns `weights`.

    Args:
      key: one key, or None for no noise. Every leaf draws from its own child key.
      weights: an array or a pytree of arrays.
      rate: probability of dropping, in [0, 1]. Its gradient is zero.
      mask: which leaves: a function of `weights`, a pytree (or prefix) of bools, or None for all; by default the
        kernels, not biases or norm scales.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or `mask` selects nothing.
      TypeError: a leaf that is not an array, named by its path.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> params = {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}
    >>> noisy = noise.dropconnect(jax.random.key(0), params, 0.5)
    >>> noisy["bias"].tolist()
    [1.0, 1.0, 1.0]

    Wan et al., Regularization of Neural Networks using DropConnect, ICML 2013.
    """
    check = Checks("dropconnect")
    rate = check.scalar("rate", rate, 0.0, 1.0)
    taken = trees.selection(check, mask, weights)
    jax.tree_util.tree_map_with_path(_array_if_taken, weights, taken)
    if key is None:
        return weights
    keys = split_like(check.key(key), weights)

    def drop_leaf(weight: jax.Array, leaf_key: Key, is_taken: bool) -> jax.Array:
        if not is_taken:
            return weight
        return drop(leaf_key, weight, rate, check=check, mask_shape=weight.shape, bits=hash_bits)

    return jax.tree.map(drop_leaf, weights, keys, taken)


def _array_if_taken(path: Any, leaf: Any, is_taken: bool) -> None:
    if is_taken and not hasattr(leaf, "shape"):
        raise TypeError(f"dropconnect: weights must hold arrays; at {trees.path_name(path)} it has {leaf!r}")
    if is_taken:
        Checks("dropconnect").inexact("weights", leaf)
