"""Hundreds of runs in one program: one lane per (hyperparameters, seed), spread over all devices."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._core import checks, trees
from .._core.checks import Checks
from .._core.types import Device, Key, Tree
from ._chunks import Chunks
from ._contract import length, refuse_misfits
from ._lanes import FitOne, Lanes
from ._schedule import bare_wrapped
from ._stored_lanes import StoredLanes


def sweep(
    fit_one: FitOne,
    keys: Key,
    hypers: Tree,
    *,
    devices: Sequence[Device] | None = None,
    chunk_size: int | None = None,
    lanes_at_once: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    paired: bool = False,
    checkpoints: str | os.PathLike[str] | None = None,
) -> Tree:
    """Run `fit_one(key, hyper)` for every setting and every seed in one compiled program, over all devices.

    Every setting meets the same keys, so differences between settings are paired. An accelerator runs its lanes as one
    `vmap`. A core runs as many together as its cache holds, up to 32, but one after another where each decides when to
    stop (`fit` with a patience) or is large. To make every core a device, call
    `jax.config.update("jax_num_cpu_devices", os.cpu_count())` before anything else.

    Under `jax.distributed` every process makes the same call: the lanes spread over the devices of all, and every
    process gets all results.

    Args:
      fit_one: a pure function, such as one that splits its key, initializes a state and calls `fit`. It is compiled
        once for as long as it is the same function: keep it, and call `sweep` as often as you like.
      keys: an array of keys, one per seed: `jax.random.split(key, num_seeds)`.
      hypers: a pytree of arrays with the settings on the first axis, (settings, epochs) for a `per_epoch`. A `per_step`
        is the same in all lanes.
      devices: where the lanes run; all of `jax.devices()` by default. Any number fits: the last lanes are padded.
      chunk_size: lanes per call of the program at most, rounded up to a multiple of the devices, for grids larger than
        memory; None takes all at once. All chunks have the same number of lanes.
      lanes_at_once: how many lanes of a device run as one `vmap`, rounded down to a divisor of its lanes; 1 maps over
        them. None chooses as above.
      progress: called with (lanes done, lanes in all) after each chunk.
      paired: whether the i-th key goes with the i-th setting only, for lanes that form no product, such as settings
        that each have their own split, fold or seed.
      checkpoints: a directory for the results of each chunk. After a kill, the same call runs only the lanes that are
        missing there, on any number of devices, and says so; a changed grid reuses the lanes that both share. A lane is
        identified by a digest of its key, its setting, and the program with all arrays that it closes over.

    Returns:
      what `fit_one` returns, with two axes in front: (setting, seed), or one if `paired`. `reshape_to_grid` gives it
      the axes of a grid and `tabulate` sums it up.

    Raises:
      ValueError: `keys` is no array of keys, hypers of uneven length, paired keys and settings that differ in number,
        or settings that are NaN or do not fit into the
        dtype in which JAX holds them.
      TypeError: hypers that are no arrays: a list is a tree of its elements.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise, train
    >>> def dropped(key, hyper):
    ...     return jnp.mean(noise.dropout(key, jnp.ones(1000), hyper["rate"]) == 0.0)
    >>> keys = jax.random.split(jax.random.key(0), 3)
    >>> shares = train.sweep(dropped, keys, {"rate": jnp.array([0.0, 0.5])})
    >>> shares.shape, shares[0].tolist()
    ((2, 3), [0.0, 0.0, 0.0])
    """
    check = Checks("sweep")
    check.called("fit_one", fit_one, "(key, hyper) -> results")
    chunks = Chunks(check, devices, chunk_size, lanes_at_once, progress)
    hypers = bare_wrapped(hypers)
    num_seeds, num_hypers = num_keys(check, keys), num_settings(check, hypers)
    if paired := check.flag("paired", paired):
        if num_seeds != num_hypers:
            raise ValueError(f"sweep: keys must be as many as the settings, {num_hypers}, if paired; got {num_seeds}")
        lanes = Lanes(np.arange(num_seeds), np.arange(num_seeds))
    else:
        lanes = Lanes(np.tile(np.arange(num_seeds), num_hypers), np.repeat(np.arange(num_hypers), num_seeds))
    stored = None if checkpoints is None else StoredLanes(check, checkpoints, fit_one, keys, hypers, lanes)
    found = chunks.run(fit_one, keys, hypers, lanes, stored)
    return found if paired else jax.tree.map(lambda leaf: leaf.reshape(num_hypers, num_seeds, *leaf.shape[1:]), found)


def num_keys(check: Checks, keys: Any) -> int:
    """How many keys an array holds."""
    is_keys = isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key) and keys.ndim == 1
    if not is_keys or keys.size == 0:
        raise ValueError(f"{check}: keys must be an array of keys, such as jax.random.split(key, 10); got {keys!r}")
    return keys.size


def num_settings(check: Checks, hypers: Tree) -> int:
    """How many settings the arrays of a tree have on their first axis."""
    num_hypers = length(check, "hypers", hypers)
    for path, leaf in jax.tree_util.tree_leaves_with_path(hypers):
        if not checks.is_traced(leaf) and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            refuse_misfits(check, f"hypers/{trees.path_name(path)}".rstrip("/"), np.asarray(leaf))
    return num_hypers
