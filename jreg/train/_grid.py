"""Grids of settings: every combination of some axes, and results with those axes again."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Real

from .._core import checks
from .._core.types import Tree

SEED = "seed"


class Unstacked(NamedTuple):
    """Results with one axis per hyperparameter. `xarray.DataArray(leaf, coordinates, names)` takes them as they are."""

    names: tuple[str, ...]
    """Of the leading axes, "seed" last; further axes of a leaf have none."""
    coordinates: dict[str, np.ndarray]
    values: Tree
    """What `sweep` returned, each leaf with an axis per name in front."""


def grid(axes: Mapping[str, Sequence[float]]) -> dict[str, Real[np.ndarray, " settings"]]:
    """Combine every value of every axis with all others, the last axis running fastest: the settings of a `sweep`.

    Raises:
      ValueError: no axis, an axis without values, or one called "seed", which is the keys' own.
      TypeError: a value that is no real number.

    >>> from jreg import train
    >>> train.grid({"rate": [0.0, 0.5], "decay": [1.0, 2.0, 3.0]})["rate"].tolist()
    [0.0, 0.0, 0.0, 0.5, 0.5, 0.5]
    """
    coordinates = _coordinates("grid", axes)
    mesh = np.meshgrid(*coordinates.values(), indexing="ij")
    return {name: values.ravel() for name, values in zip(coordinates, mesh, strict=True)}


def unstack(axes: Mapping[str, Sequence[float]], results: Tree) -> Unstacked:
    """Give results over `grid(axes)` one axis per hyperparameter, then the seeds: `(setting, seed)` becomes named axes.

    Args:
      axes: what `grid` was given.
      results: a pytree of arrays (setting, seed, ...), as `sweep` returns.

    Raises:
      ValueError: a leaf whose first axis is not the grid's size.

    >>> import jax.numpy as jnp
    >>> from jreg import train
    >>> found = train.unstack({"rate": [0.0, 0.5], "decay": [1.0, 2.0, 3.0]}, jnp.zeros((6, 10)))
    >>> found.names, found.values.shape
    (('rate', 'decay', 'seed'), (2, 3, 10))
    """
    coordinates = _coordinates("unstack", axes)
    shape = tuple(map(len, coordinates.values()))

    def split_settings(leaf: jax.Array) -> jax.Array:
        if jnp.ndim(leaf) < 2 or leaf.shape[0] != prod(shape):
            raise ValueError(
                f"unstack: results must hold arrays ({prod(shape)} settings, seeds, ...); got shape {jnp.shape(leaf)}"
            )
        return leaf.reshape(*shape, *leaf.shape[1:])

    values = jax.tree.map(split_settings, results)
    num_seeds = jax.tree.leaves(values)[0].shape[len(shape)]
    return Unstacked((*coordinates, SEED), {**coordinates, SEED: np.arange(num_seeds)}, values)


def _coordinates(function: str, axes: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    if not axes or SEED in axes:
        raise ValueError(f'{function}: axes must hold at least one name, and not "{SEED}"; got {list(axes)}')
    coordinates = {name: _settings(values) for name, values in axes.items()}
    for name, values in coordinates.items():
        if not checks.is_real(values):
            raise TypeError(f"{function}: axes must hold real numbers; {name} has {axes[name]!r}")
        if values.ndim != 1 or values.size == 0:
            raise ValueError(
                f"{function}: axes must hold lists of numbers, at least one each; {name} has {axes[name]!r}"
            )
    return coordinates


def _settings(values: Sequence[float]) -> np.ndarray:
    """Floats as JAX would hold them, so that a setting is found again where results name it."""
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.kind == "f" else array
