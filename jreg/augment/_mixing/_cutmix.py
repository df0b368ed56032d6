"""CutMix: a box of one example in the place of another's, and the switch between it and mixup."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Real

from ..._core import trees
from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Number, Tree
from ...random import keep_mask, split
from .._draws import integers
from .._examples import batch_size
from .._places import whole_corners
from ._mix import Per, beta, check_floats, check_pair, mix, reordered, weight_shape

Pair = tuple[Tree, Tree]
"""Inputs, into which boxes are pasted, and targets, which are blended."""


def paste_box(
    batch: Pair,
    partner: Pair,
    start: Real[Array, "*batch axes"],
    stop: Real[Array, "*batch axes"],
    *,
    spatial_axes: int | Sequence[int] = (1, 2),
) -> Pair:
    """Paste the box of pixels `start` <= i < `stop` of the partners' inputs, and blend the targets by its exact share.

    Args:
      batch, partner: pairs (inputs, targets) of pytrees with the batch on the first axis. Every leaf of the inputs,
        such as an image and its mask, has the spatial axes; targets are floats, as distributions.
      start, stop: corners in pixels; one box for all, (axes,), or one for each, (batch, axes); cut at the border.
        Fractions round up, for the pixels and for their share alike.
      spatial_axes: the axes of the inputs that the box spans; one for sequences, three for volumes.

    Raises:
      TypeError: targets of integers, such as class ids.
      ValueError: a concrete corner that is NaN (a traced one spoils its example, as `jreg.augment` says), or leaves of
        different sizes.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> zeros, ones = (jnp.zeros((1, 2, 5, 1)), jnp.zeros(1)), (jnp.ones((1, 2, 5, 1)), jnp.ones(1))
    >>> image, target = augment.paste_box(zeros, ones, jnp.array([0, 1]), jnp.array([1, 3]))
    >>> image[0, :, :, 0].tolist(), target.round(3).tolist() == [jnp.float32(0.2)]
    ([[0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]], True)
    """
    check = Checks("paste_box")
    axes, sizes = _spatial(check, batch, spatial_axes)
    trees.same_structure(check, "partner", partner, batch, "batch")
    check_floats(check, batch[1])
    size = batch_size(check, "batch", batch)
    (start, spoiled_start), (stop, spoiled_stop) = (
        whole_corners(check, name, corner, (size,), sizes) for name, corner in {"start": start, "stop": stop}.items()
    )
    start, stop = jnp.broadcast_arrays(start, stop)
    made = _boxed(batch, partner, start, stop, axes, sizes)
    return jax.tree.map(lambda leaf: spoiled(leaf, *spoiled_start, *spoiled_stop), made)


def cutmix(
    key: Key | None, batch: Pair, alpha: Number, *, spatial_axes: int | Sequence[int] = (1, 2), per: Per = "batch"
) -> Pair:
    """Paste a box of another example of the batch into each one, and blend the targets by the exact share of pixels.

        w ~ Beta(alpha, alpha);   each side of the box is (1 - w) ** (1 / axes) of the image's, in whole pixels

    The box lies inside the image, each place equally likely, so the share that is left follows the law of w up to the
    rounding to pixels. (Where the border cuts the box, as in the authors' code, less is pasted: at alpha 1 a third
    instead of a half.) The key None and alpha 0 return the batch; so does a batch of one.

    Args:
      key: one key, or None.
      batch: a pair (inputs, targets) of pytrees with the batch on the first axis. Every leaf of the inputs, of any
        dtype, such as an image and its mask, has the spatial axes; targets are floats, as distributions.
      alpha: at least 0; 1 in the paper.
      spatial_axes: the axes of the inputs that the box spans; one for sequences, three for volumes.
      per: one box for the whole "batch", or one for each "example".

    Raises:
      TypeError: targets of integers, such as class ids.
      ValueError: a concrete alpha below 0 (a traced one spoils the batch, as `jreg.augment` says), or leaves of
        different sizes.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> images = jnp.arange(4.0)[:, None, None, None] * jnp.ones((4, 8, 12, 3))
    >>> mixed, targets = jax.jit(augment.cutmix)(jax.random.key(0), (images, jnp.arange(4.0)), 1.0)
    >>> bool(jnp.allclose(mixed.mean((1, 2, 3)), targets, atol=1e-6))
    True

    Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019.
    """
    check = Checks("cutmix")
    alpha = check.scalar("alpha", alpha, 0.0)
    axes, sizes = _spatial(check, batch, spatial_axes)
    size = batch_size(check, "batch", batch)
    shape = weight_shape(check, per, size)
    check_floats(check, batch[1])
    if key is None or size == 1:
        return batch
    weight_key, order_key, box_key = split(check.key(key), 3)
    weight, partner = beta(weight_key, alpha, shape), reordered(batch, jax.random.permutation(order_key, size))
    mixed = _boxed(batch, partner, *_box(box_key, weight, sizes), axes, sizes)
    return jax.tree.map(lambda leaf: spoiled(leaf, alpha), mixed)


def mixup_or_cutmix(
    key: Key | None,
    batch: Pair,
    mixup_alpha: Number,
    cutmix_alpha: Number,
    cutmix_prob: Number,
    *,
    spatial_axes: int | Sequence[int] = (1, 2),
    per: Per = "batch",
) -> Pair:
    """Apply `cutmix` with probability `cutmix_prob`, and `mixup` otherwise; the key None returns the batch.

    Args:
      key: one key, or None.
      batch: a pair (inputs, targets) of pytrees of floats, as `cutmix` takes it.
      mixup_alpha, cutmix_alpha: at least 0; 0.8 and 1 are common for vision transformers.
      cutmix_prob: in [0, 1]; 0.5 is common.
      spatial_axes: the axes of the inputs that the box spans.
      per: one draw of everything for the whole "batch", or one for each "example".

    Raises:
      TypeError: a leaf of integers, such as class ids.
      ValueError: a concrete number outside. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> batch = jnp.ones((4, 8, 8, 3)), jnp.eye(4)
    >>> images, targets = jax.jit(augment.mixup_or_cutmix)(jax.random.key(0), batch, 0.8, 1.0, 0.5)
    >>> bool(jnp.allclose(targets.sum(1), 1.0))
    True

    Touvron et al., Training Data-efficient Image Transformers & Distillation through Attention, ICML 2021.
    """
    check = Checks("mixup_or_cutmix")
    alphas = [
        check.scalar("mixup_alpha", mixup_alpha, 0.0),
        check.scalar("cutmix_alpha", cutmix_alpha, 0.0),
    ]
    prob = check.scalar("cutmix_prob", cutmix_prob, 0.0, 1.0)
    (axes, sizes), size = _spatial(check, batch, spatial_axes), batch_size(check, "batch", batch)
    shape = weight_shape(check, per, size)
    check_floats(check, batch)
    if key is None or size == 1:
        return batch
    gate_key, weight_key, order_key, box_key = split(check.key(key), 4)
    is_cut = ~keep_mask(gate_key, shape, prob)
    weight = beta(weight_key, jnp.where(is_cut, alphas[1], alphas[0]), shape)
    partner = reordered(batch, jax.random.permutation(order_key, size))
    was_cut = _boxed(batch, partner, *_box(box_key, weight, sizes), axes, sizes)
    was_blended = mix(batch, partner, weight)

    def chosen(cut_leaf: Array, blended_leaf: Array) -> Array:
        gate = is_cut.reshape(shape + (1,) * (cut_leaf.ndim - len(shape)))
        return spoiled(jnp.where(gate, cut_leaf, blended_leaf), *alphas, prob)

    return jax.tree.map(chosen, was_cut, was_blended)


def _boxed(
    batch: Pair, partner: Pair, start: Array, stop: Array, axes: tuple[int, ...], sizes: tuple[int, ...]
) -> Pair:
    """`paste_box` at corners inside the inputs."""
    inputs, targets = batch
    pasted = jax.tree.map(lambda leaf, other: _pasted(leaf, other, start, stop, axes), inputs, partner[0])
    return pasted, mix(targets, partner[1], _own_share(start, stop, sizes))


def _box(key: Key, weight: Array, sizes: tuple[int, ...]) -> tuple[Array, Array]:
    """Corners of boxes that leave a share `weight` of an image, inside it, each place equally likely."""
    side = (1.0 - jnp.where(jnp.isnan(weight), 1.0, weight)) ** (1.0 / len(sizes))
    extents = [jnp.round(side * size).astype(jnp.int32) for size in sizes]
    keys = split(key, len(sizes))
    starts = [integers(keys[i], weight.shape, size - extents[i] + 1) for i, size in enumerate(sizes)]
    stops = [start + extent for start, extent in zip(starts, extents, strict=True)]
    return jnp.stack(starts, -1), jnp.stack(stops, -1)


def _own_share(
    start: Int[Array, "*batch axes"], stop: Int[Array, "*batch axes"], sizes: tuple[int, ...]
) -> Float[Array, "..."]:
    """The share of pixels outside the box, exact but for one rounding."""
    pixels = jnp.prod(jnp.maximum(stop - start, 0), -1)
    return (prod(sizes) - pixels).astype(jnp.float32) / np.float32(prod(sizes))


def _pasted(leaf: Array, other: Array, start: Array, stop: Array, axes: tuple[int, ...]) -> Array:
    is_inside: Array | bool = True
    for i, axis in enumerate(axes):
        place = lax.broadcasted_iota(
            jnp.int32, (1,) * axis + leaf.shape[axis : axis + 1] + (1,) * (leaf.ndim - axis - 1), axis
        )
        lead = start.shape[:-1] + (1,) * (leaf.ndim - start.ndim + 1)
        is_inside = is_inside & (place >= start[..., i].reshape(lead)) & (place < stop[..., i].reshape(lead))
    return jnp.where(is_inside, other, leaf)


def _spatial(check: Checks, batch: Pair, spatial_axes: int | Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The spatial axes, and their sizes, which all inputs share."""
    inputs, _ = check_pair(check, batch)
    axes = _distinct(check, spatial_axes)
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(inputs)]
    if any(len(shape) <= max(axes) for shape in shapes):
        raise ValueError(f"{check}: inputs must have the axes {axes}; got shapes {shapes}")
    sizes = {tuple(shape[axis] for axis in axes) for shape in shapes}
    if len(sizes) != 1:
        raise ValueError(f"{check}: inputs must share the sizes of the axes {axes}; got shapes {shapes}")
    return axes, sizes.pop()


def _distinct(check: Checks, axes: int | Sequence[int]) -> tuple[int, ...]:
    """Axes after that of the batch, in the order of the corners' entries."""
    given = check.integers("spatial_axes", axes)
    if not given or min(given) < 1:
        raise ValueError(f"{check}: spatial_axes must be positive, since axis 0 is the batch; got {axes}")
    if len(set(given)) < len(given):
        raise ValueError(f"{check}: spatial_axes must name each axis once; got {axes}")
    return given
