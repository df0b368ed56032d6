"""Grids of settings: every combination of some axes, and results with those axes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._core import checks
from .._core.checks import Checks
from .._core.types import Tree
from ._contract import refuse_misfits
from ._schedule import PerEpoch

SEED = "seed"


class GridResults(NamedTuple):
    """Results with one axis per hyperparameter. `xarray.DataArray(leaf, coordinates, names)` takes them as they are.

    Attributes:
      names: the names of the leading axes, "seed" last unless the sweep was paired; further axes of a leaf have none.
      coordinates: the settings along each named axis; the numbers of its rows for a `per_epoch`.
      values: what `sweep` returned, each leaf with an axis per name in front.
    """

    names: tuple[str, ...]
    coordinates: dict[str, np.ndarray]
    values: Tree


def grid(axes: Mapping[str, Sequence[float] | PerEpoch]) -> dict[str, Any]:
    """Combine every value of every axis with all others, the last axis running fastest: the settings of a `sweep`.

    Args:
      axes: the values of each hyperparameter, by its name: a list of numbers, or a `per_epoch` of an array (values,
        epochs), of which each row is one value.

    Raises:
      ValueError: no axis, an axis without values, one called "seed", which names the keys, NaN, or numbers that do not
        fit into the dtype in which JAX holds them: 2**40 into int32, 1e39 into float32.
      TypeError: axes that are no dict, or a value that is no real number.

    >>> from jreg import train
    >>> train.grid({"rate": [0.0, 0.5], "decay": [1.0, 2.0, 3.0]})["rate"].tolist()
    [0.0, 0.0, 0.0, 0.5, 0.5, 0.5]
    """
    coordinates = _coordinates(Checks("grid"), axes)
    mesh = np.meshgrid(*coordinates.values(), indexing="ij")
    settings = {name: values.ravel() for name, values in zip(coordinates, mesh, strict=True)}
    rows = {name: axis.values for name, axis in axes.items() if isinstance(axis, PerEpoch)}
    return settings | {name: PerEpoch(values[settings[name]], None) for name, values in rows.items()}


def reshape_to_grid(
    axes: Mapping[str, Sequence[float] | PerEpoch], results: Tree, *, paired: bool = False
) -> GridResults:
    """Give results over `grid(axes)` one axis per hyperparameter, then the seeds: `(setting, seed)` becomes named axes.

    Args:
      axes: what `grid` was given.
      results: a pytree of arrays (setting, seed, ...), as `sweep` returns; (setting, ...) if `paired`.
      paired: whether the sweep was paired: each setting had one key, and no axis "seed" follows.

    Raises:
      ValueError: a leaf whose first axis is not the grid's size, or no leaf.

    >>> import jax.numpy as jnp
    >>> from jreg import train
    >>> found = train.reshape_to_grid({"rate": [0.0, 0.5], "decay": [1.0, 2.0, 3.0]}, jnp.zeros((6, 10)))
    >>> found.names, found.values.shape
    (('rate', 'decay', 'seed'), (2, 3, 10))
    """
    check = Checks("reshape_to_grid")
    coordinates, paired = _coordinates(check, axes), check.flag("paired", paired)
    shape = tuple(map(len, coordinates.values()))
    wrong = f"reshape_to_grid: results must hold arrays ({prod(shape)} settings, {'' if paired else 'seeds, '}...)"

    def split_settings(leaf: jax.Array) -> jax.Array:
        if jnp.ndim(leaf) < 2 - paired or leaf.shape[0] != prod(shape):
            raise ValueError(f"{wrong}; got shape {jnp.shape(leaf)}")
        return leaf.reshape(*shape, *leaf.shape[1:])

    values = jax.tree.map(split_settings, results)
    if not jax.tree.leaves(values):
        raise ValueError(f"{wrong}; got none")
    if paired:
        return GridResults((*coordinates,), coordinates, values)
    num_seeds = jax.tree.leaves(values)[0].shape[len(shape)]
    return GridResults((*coordinates, SEED), {**coordinates, SEED: np.arange(num_seeds)}, values)


def _coordinates(check: Checks, axes: Mapping[str, Sequence[float] | PerEpoch]) -> dict[str, np.ndarray]:
    check.mapping("axes", axes, "lists of numbers by name")
    if not axes or SEED in axes:
        raise ValueError(f'{check}: axes must hold at least one name, and not "{SEED}"; got {list(axes)}')
    return {name: _settings(check, name, values) for name, values in axes.items()}


def _settings(check: Checks, name: str, values: Sequence[float] | PerEpoch) -> np.ndarray:
    """Numbers as JAX would hold them, so that they equal the settings that the runs see; schedules by their rows."""
    if isinstance(values, PerEpoch):
        if np.ndim(values.values) < 2:
            raise ValueError(
                f"{check}: axes must hold schedules as per_epoch of an array (values, epochs); {name} has one "
                + ("by a function" if values.schedule is not None else f"of shape {np.shape(values.values)}")
            )
        return np.arange(len(values.values))
    array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if not checks.is_real(array):
        raise TypeError(f"{check}: axes must hold real numbers; {name} has {checks.shown(values)}")
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{check}: axes must hold lists of numbers, at least one each; {name} has {checks.shown(values)}"
        )
    refuse_misfits(check, name, array)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype)) if array.dtype.kind == "f" else array
