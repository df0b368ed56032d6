"""The operations that policies draw from: one table, and a loop that applies a row of it to each image."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..._core.types import Key
from ...random import hash_bits
from .._draws import integers
from ._affine import about_centre, resample_parts, rotation, shearing
from ._colour import brightened, contrasted, saturated
from ._filter import sharpened
from ._parts import Parts
from ._switch import switch_each
from ._tone import equalized, posterized, solarized, stretched


class Reach(NamedTuple):
    """How far each operation goes at level 1."""

    shear: float
    """Tangent of the angle."""
    translation: float
    """Share of height or width."""
    degrees: float
    enhancement: float
    """Distance of the factor from 1."""
    bits: float
    """How many are taken away."""


class Step(NamedTuple):
    """One operation for each image."""

    branch: Array
    map_of_plane: Array
    """Which of the five maps, for the one branch of maps."""
    level: Array
    sign: Array


IDENTITY, _PLANE, _POSTERIZE, _SOLARIZE, _AUTOCONTRAST, _EQUALIZE = 0, 1, 6, 7, 8, 9
_SHEAR_ROWS, _SHEAR_COLUMNS, _RIGHT, _DOWN, _TURN = range(5)

# Rows of (branch, map of the plane): the five maps are one branch, since they differ in numbers alone.
_MAPS = tuple((_PLANE, which) for which in range(5))
ALL = ((IDENTITY, 0), *_MAPS, *((branch, 0) for branch in range(2, 10)))
# AugMix leaves out the operations that make the corruptions it is tested on.
AUGMIX = (*_MAPS, *((branch, 0) for branch in (_POSTERIZE, _SOLARIZE, _AUTOCONTRAST, _EQUALIZE)))


def draw(op_key: Key, sign_key: Key, levels: Array, table: tuple[tuple[int, int], ...]) -> Step:
    """Draw a row of the table, each equally likely, and a sign for every level."""
    rows = jnp.array(table)[integers(op_key, levels.shape, len(table))]
    signs = jnp.where(hash_bits(sign_key, levels.shape) >> 31 == 0, 1.0, -1.0).astype(levels.dtype)
    return Step(rows[..., 0], rows[..., 1], levels, signs)


def apply(parts: Parts, steps: Step, reach: Reach) -> Parts:
    """Apply the steps along the first axis to a batch with one leading axis, images as floats."""

    def one_step(parts: Parts, step: Step) -> tuple[Parts, None]:
        return switch_each(step.branch, _branches(reach), parts, step), None

    return lax.scan(one_step, parts, steps)[0]


def _branches(reach: Reach) -> list:
    """Functions (parts, step) -> parts of one example, in the order of the branch numbers."""

    def colours(change, amount):
        def branch(parts: Parts, step: Step) -> Parts:
            image = parts["image"]
            changed = jnp.clip(change(image, amount(step).astype(image.dtype)), 0.0, 1.0)
            return {**parts, "image": changed.astype(image.dtype)}

        return branch

    def factor(step: Step) -> Array:
        return 1.0 + step.sign * step.level * reach.enhancement

    return [
        lambda parts, step: parts,
        lambda parts, step: resample_parts(parts, _matrix(parts["image"], step, reach), jnp.float32(0.0)),
        colours(brightened, factor),
        colours(saturated, factor),
        colours(contrasted, factor),
        colours(sharpened, factor),
        colours(posterized, lambda step: 8.0 - jnp.round(step.level * reach.bits)),
        # 256 / 255 at level 0, which keeps white as it is.
        colours(solarized, lambda step: (1.0 - step.level) * (256.0 / 255.0)),
        colours(lambda image, _: stretched(image), lambda step: step.level),
        colours(lambda image, _: equalized(image), lambda step: step.level),
    ]


def _matrix(image: Array, step: Step, reach: Reach) -> Array:
    """Where pixels come from under the map of the plane that a step names."""
    height, width, _ = image.shape
    amount = step.sign * step.level

    def only(which: int, value: float) -> Array:
        return jnp.where(step.map_of_plane == which, amount * value, 0.0)

    sheared = shearing(only(_SHEAR_COLUMNS, reach.shear), only(_SHEAR_ROWS, reach.shear))
    turned = rotation(only(_TURN, reach.degrees))
    shift = jnp.stack([only(_DOWN, reach.translation * height), only(_RIGHT, reach.translation * width)])
    return about_centre(jnp.where(step.map_of_plane == _TURN, turned, sheared), image, shift)
