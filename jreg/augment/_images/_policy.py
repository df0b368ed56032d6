"""Policies: short chains of operations, drawn for each image from one table.

Every image of a batch draws its own operations, under jit too. The parts of a mapping move together.
"""

from __future__ import annotations

from math import prod

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Number, Numbers
from ...random import split
from .._draws import integers, uniform
from . import _operations
from ._operations import Reach, Step
from ._parts import Parts, X, as_floats, as_stored, number_per_image, parts_of, with_parts

_RAND_AUGMENT = Reach(shear=0.3, translation=150 / 331, degrees=30.0, enhancement=0.9, bits=4.0)
_TRIVIAL_AUGMENT = Reach(shear=0.99, translation=32 / 224, degrees=135.0, enhancement=0.99, bits=6.0)
_AUGMIX = Reach(shear=0.3, translation=1 / 3, degrees=30.0, enhancement=0.0, bits=4.0)


def rand_augment(key: Key | None, x: X, magnitude: Numbers, *, num_ops: int = 2) -> X:
    """Apply `num_ops` of fourteen operations to each image, all at one magnitude; the key None applies none.

    The operations are identity, shear and translation along each axis, rotation, brightness, saturation, contrast,
    sharpness, posterize, solarize, autocontrast and equalize, each equally likely, with a random
    sign where it has one.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      magnitude: in [0, 1]; one for all, or one per image. 0.3 is the paper's M = 9 of 30.
      num_ops: operations for each image.

    Raises:
      ValueError: a concrete magnitude outside [0, 1]. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.rand_augment)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 0.3).shape
    (2, 8, 8, 3)

    Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, 2019.
    """
    check = Checks("rand_augment")
    num_ops = check.integer("num_ops", num_ops)
    parts = parts_of(check, x, (1, 3))
    magnitude = number_per_image(check, "magnitude", magnitude, parts, 0.0, 1.0)
    if key is None:
        return x
    levels = jnp.broadcast_to(magnitude.reshape(1, -1), (num_ops, _num_images(parts)))
    return with_parts(x, _policy(check.key(key), parts, levels, _RAND_AUGMENT))


def trivial_augment(key: Key | None, x: X) -> X:
    """Apply one of fourteen operations to each image, at a magnitude uniform on [0, 1]; the key None applies none.

    The operations are those of `rand_augment` with a wider reach: the paper's variant "Wide".

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.trivial_augment)(jax.random.key(0), jnp.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)

    Müller and Hutter, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation, ICCV 2021.
    """
    check = Checks("trivial_augment")
    parts = parts_of(check, x, (1, 3))
    if key is None:
        return x
    level_key, policy_key = split(check.key(key))
    levels = uniform(level_key, (1, _num_images(parts)), 0.0, 1.0)
    return with_parts(x, _policy(policy_key, parts, levels, _TRIVIAL_AUGMENT))


def augmix(key: Key | None, x: X, magnitude: Numbers, *, width: int = 3, depth: int = 3, alpha: Number = 1.0) -> X:
    """Mix each image with a mixture of `width` chains of one to `depth` operations; the key None leaves it.

        y = m x + (1 - m) sum_i w_i chain_i(x),   m ~ Beta(alpha, alpha),   w ~ Dirichlet(alpha, ..., alpha)

    Only the image changes, since masks and boxes do not mix. Each operation's magnitude is uniform on (0, magnitude).

    Args:
      key: one key, or None.
      x: images, or a mapping with "image".
      magnitude: in [0, 1]; one for all, or one per image. 0.3 is the paper's severity 3 of 10.
      width, depth: number of chains, and of operations in the longest.
      alpha: above 0; one for all images, traced or not.

    Raises:
      ValueError: a concrete number outside. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.augmix)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 0.3).shape
    (2, 8, 8, 3)

    Hendrycks et al., AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty, ICLR 2020.
    """
    check = Checks("augmix")
    width, depth = check.integer("width", width), check.integer("depth", depth)
    parts = parts_of(check, x, (1, 3))
    image = parts["image"]
    magnitude = number_per_image(check, "magnitude", magnitude, parts, 0.0, 1.0)
    alpha = check.scalar("alpha", alpha, 0.0, ends="()").astype(jnp.float32)
    if key is None:
        return x
    share_key, weight_key, depth_key, level_key, op_key, sign_key = split(check.key(key), 6)
    num = _num_images(parts)
    shares = jax.random.beta(share_key, alpha, alpha, (num,), jnp.float32)
    weights = jax.random.dirichlet(weight_key, jnp.broadcast_to(alpha, (width,)), (num,), jnp.float32)
    levels = uniform(level_key, (width, depth, num), 0.0, magnitude.reshape(1, 1, -1))
    steps = _operations.draw(op_key, sign_key, levels, _operations.AUGMIX)
    lengths = integers(depth_key, (width, 1, num), depth) + 1
    is_idle = lax.broadcasted_iota(jnp.int32, levels.shape, 1) >= lengths
    steps = steps._replace(branch=jnp.where(is_idle, _operations.IDENTITY, steps.branch))
    mixed = _mixture(as_floats(image).reshape(num, *image.shape[-3:]), shares, weights, steps)
    return with_parts(x, {"image": spoiled(as_stored(mixed.reshape(image.shape), image.dtype), magnitude, alpha)})


def _mixture(images: Array, shares: Array, weights: Array, steps: Step) -> Array:
    """AugMix of a batch with one leading axis; the steps have axes (width, depth, batch)."""

    def add_chain(total: Array, chain: tuple[Array, Step]) -> tuple[Array, None]:
        weight, steps = chain
        changed = _operations.apply({"image": images}, steps, _AUGMIX)["image"]
        return total + weight[:, None, None, None].astype(images.dtype) * changed, None

    mixture, _ = lax.scan(add_chain, jnp.zeros_like(images), (weights.T, steps))
    kept = shares[:, None, None, None].astype(images.dtype)
    return jnp.clip(kept * images + (1.0 - kept) * mixture, 0.0, 1.0)


def _policy(key: Key, parts: Parts, levels: Array, reach: Reach) -> Parts:
    """Draw a step for each level, of shape (steps, images), and apply it."""
    op_key, sign_key = split(key)
    steps = _operations.draw(op_key, sign_key, levels, _operations.ALL)
    lead, dtype = parts["image"].ndim - 3, parts["image"].dtype
    flat = {name: part.reshape(levels.shape[1], *part.shape[lead:]) for name, part in parts.items()}
    done = _operations.apply({**flat, "image": as_floats(flat["image"])}, steps, reach)
    done["image"] = as_stored(done["image"], dtype)
    return {name: spoiled(part, levels[0]).reshape(parts[name].shape) for name, part in done.items()}


def _num_images(parts: Parts) -> int:
    return prod(parts["image"].shape[:-3])
