"""Weight noise: Gaussian noise on the weights of a network."""

from __future__ import annotations

import jax

from .._core import leaves, trees
from .._core.checks import Checks
from .._core.types import Key, Mask, Number, Tree
from ..random import split_like
from ._gaussian import add_normal


def weight_noise(key: Key | None, weights: Tree, std: Number, *, mask: Mask = leaves.kernels) -> Tree:
    """Add Gaussian noise to each selected weight, to train for flat minima.

        w' = w + std * n,   n ~ N(0, 1)

    The given weights are not modified: take the gradient through this call and apply it to the clean weights.
    `weight_noise(None, weights, std)` returns `weights`.

    Args:
      key: one key, or None for no noise. Every leaf draws from its own child key.
      weights: an array or a pytree of arrays.
      std: standard deviation in the units of the weights, at least 0.
      mask: which leaves: a function of `weights`, a pytree (or prefix) of bools, or None for all; by default the
        kernels, not biases or norm scales.

    Raises:
      ValueError: a concrete `std` below 0 or infinite (a traced one gives NaN), or `mask` selects nothing.
      TypeError: a leaf that is not an array, named by its path.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> params = {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}
    >>> noisy = noise.weight_noise(jax.random.key(0), params, 0.1)
    >>> noisy["bias"].tolist(), bool((noisy["kernel"] != 1).all())
    ([1.0, 1.0, 1.0], True)

    Graves, Practical Variational Inference for Neural Networks, NIPS 2011.
    """
    check = Checks("weight_noise")
    std = check.scalar("std", std, 0.0, ends="[)")
    taken = trees.selection(check, mask, weights)
    if key is None:
        return weights
    keys = split_like(check.key(key), weights)

    def perturb(weight: jax.Array, leaf_key: Key, is_taken: bool) -> jax.Array:
        return add_normal(leaf_key, weight, std, check=check) if is_taken else weight

    return jax.tree.map(perturb, weights, keys, taken)
