"""Mixing of hidden features."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ..._core.checks import Checks
from ..._core.types import Key, Number, Transform, Tree
from ...random import hash_bits, split
from .._compose import callables, chain
from .._examples import batch_size
from ._mix import beta, check_floats, check_pair, mix, reordered


def manifold_mixup(
    key: Key | None, batch: tuple[Tree, Tree], alpha: Number, *, layers: Sequence[Transform]
) -> tuple[Tree, Tree]:
    """Run inputs through layers and mix the examples before one of them, drawn anew at each call.

        h_k' = w h_k + (1 - w) h_k[permutation],   w ~ Beta(alpha, alpha),   k uniform on the layers

    Before the first layer the inputs themselves are mixed. The targets mix by the same weight, whichever layer it is.

    Args:
      key: one key, or None for no mixing; the layers get keys of their own, or None.
      batch: (inputs, targets), pytrees with the batch on the first axis; targets of floats, as distributions.
      alpha: at least 0, which mixes nothing.
      layers: functions `(key, x) -> x`, as `chain` takes them, that keep the batch axis; x holds floats.

    Returns:
      (what the last layer returned, the mixed targets).

    Raises:
      TypeError: a leaf of integers, such as class ids.
      ValueError: a concrete alpha below 0 (a traced one gives NaN), or no layers.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> x, y = jnp.arange(4.0)[:, None], jax.nn.one_hot(jnp.array([0, 1, 0, 1]), 2)
    >>> layers = [lambda key, x: jnp.tanh(x), lambda key, x: 2.0 * x]
    >>> hidden, mixed = augment.manifold_mixup(jax.random.key(0), (x, y), 1.0, layers=layers)
    >>> hidden.shape, mixed.shape
    ((4, 1), (4, 2))

    Verma et al., Manifold Mixup: Better Representations by Interpolating Hidden States, ICML 2019.
    """
    check = Checks("manifold_mixup")
    alpha = check.scalar("alpha", alpha, 0.0)
    if not isinstance(layers, tuple | list):
        raise TypeError(f"manifold_mixup: layers must be a tuple or list of functions of (key, x); got {layers!r}")
    if not layers:
        raise ValueError("manifold_mixup: layers must hold at least one function of (key, x); got none")
    callables(check, tuple(layers))
    x, targets = check_floats(check, check_pair(check, batch))
    size = batch_size(check, "batch", batch)
    if key is None:
        return chain(*layers)(None, x), targets
    weight_key, order_key, place_key, layers_key = split(check.key(key), 4)
    weight = beta(weight_key, alpha, ())
    order = jax.random.permutation(order_key, size)
    place = (hash_bits(place_key, ()) % len(layers)).astype(jnp.int32)

    def mixed(tree: Tree) -> Tree:
        return mix(tree, reordered(tree, order), weight)

    for index, (layer, key_of_layer) in enumerate(zip(layers, split(layers_key, len(layers)), strict=True)):
        x = lax.cond(place == index, mixed, lambda tree: tree, x)
        x = layer(key_of_layer, x)
    return x, mixed(targets)
