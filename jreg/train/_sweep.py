"""Hundreds of runs in one program: one lane per (hyperparameters, seed), spread over all devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .._core import checks, trees
from .._core.checks import Checks
from .._core.types import Device, Key, Tree
from ._contract import length, refuse_misfits
from ._lanes import FitOne, run_lanes
from ._schedule import bare_wrapped

LANES = PartitionSpec("lanes")


def sweep(
    fit_one: FitOne,
    keys: Key,
    hypers: Tree,
    *,
    devices: Sequence[Device] | None = None,
    chunk_size: int | None = None,
    lanes_at_once: int | None = None,
    progress: Callable[[int, int], None] | None = None,
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
      chunk_size: lanes per call of the program, rounded up to a multiple of the devices, for grids larger than memory;
        None takes all at once.
      lanes_at_once: how many lanes of a device run as one `vmap`, rounded down to a divisor of its lanes; 1 maps over
        them. None chooses as above.
      progress: called with (lanes done, lanes in all) after each chunk.

    Returns:
      what `fit_one` returns, with two axes in front: (setting, seed). `reshape_to_grid` gives it the axes of a grid and
      `tabulate` sums it up.

    Raises:
      ValueError: `keys` is no array of keys, hypers of uneven length, or settings that are NaN or do not fit into the
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
    if progress is not None:
        check.called("progress", progress, "(lanes done, lanes in all) -> None")
    hypers = bare_wrapped(hypers)
    num_hypers, num_seeds = _lengths(keys, hypers)
    devices = jax.devices() if devices is None else devices
    if not isinstance(devices, Sequence | np.ndarray) or not all(isinstance(device, jax.Device) for device in devices):
        raise TypeError(f"sweep: devices must be a sequence of JAX's devices; got {checks.shown(devices)}")
    devices = tuple(devices)
    if not devices:
        raise ValueError("sweep: devices must hold at least one device; got none")
    mesh = Mesh(np.array(devices), ("lanes",))
    lanes = num_hypers * num_seeds
    chunk = lanes if chunk_size is None else check.integer("chunk_size", chunk_size)
    chunk = -(-min(chunk, lanes) // len(devices)) * len(devices)
    if lanes_at_once is not None:
        check.integer("lanes_at_once", lanes_at_once)
    results = []
    for start in range(0, lanes, chunk):
        lane = np.arange(start, start + chunk) % lanes
        lane_hypers = jax.tree.map(lambda leaf: _rows(leaf, lane // num_seeds, mesh), hypers)  # noqa: B023
        lane_keys = _rows(keys, lane % num_seeds, mesh)
        found = _run(lane_keys, lane_hypers, fit_one=fit_one, mesh=mesh, lanes_at_once=lanes_at_once)
        results.append(_to_every_process(found, mesh))
        if progress is not None:
            jax.block_until_ready(results[-1])
            progress(min(start + chunk, lanes), lanes)
    return jax.tree.map(lambda *parts: _assembled(parts, lanes, num_hypers, num_seeds), *results)


@partial(jax.jit, static_argnames=("fit_one", "mesh", "lanes_at_once"))
def _run(keys: Key, hypers: Tree, *, fit_one: FitOne, mesh: Mesh, lanes_at_once: int | None) -> Tree:
    def run_shard(shard: tuple[Key, Tree]) -> Tree:
        return run_lanes(fit_one, *shard, mesh.devices[0].platform, lanes_at_once)

    return jax.shard_map(run_shard, mesh=mesh, in_specs=((LANES, LANES),), out_specs=LANES, check_vma=False)(
        (keys, hypers)
    )


def _rows(leaf: Any, rows: np.ndarray, mesh: Mesh) -> jax.Array:
    """Rows of an array, spread over the devices, also over those of other processes, which hold the same array."""
    sharding = NamedSharding(mesh, LANES)
    if sharding.is_fully_addressable:
        return jax.device_put(jnp.asarray(leaf)[rows], sharding)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_rows(jax.random.key_data(leaf), rows, mesh), impl=jax.random.key_impl(leaf))
    here = np.asarray(leaf)[rows]
    return jax.make_array_from_callback(here.shape, sharding, lambda index: here[index])


def _to_every_process(results: Tree, mesh: Mesh) -> Tree:
    """Results of which other processes hold parts, in full and on a device of this process."""
    if NamedSharding(mesh, LANES).is_fully_addressable:
        return results
    copied = jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, PartitionSpec()))(results)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), copied)


def _lengths(keys: Any, hypers: Tree) -> tuple[int, int]:
    check = Checks("sweep")
    is_keys = isinstance(keys, jax.Array) and jnp.issubdtype(keys.dtype, jax.dtypes.prng_key) and keys.ndim == 1
    if not is_keys or keys.size == 0:
        raise ValueError(f"sweep: keys must be an array of keys, such as jax.random.split(key, 10); got {keys!r}")
    num_hypers = length(check, "hypers", hypers)
    for path, leaf in jax.tree_util.tree_leaves_with_path(hypers):
        if not checks.is_traced(leaf) and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            refuse_misfits(check, f"hypers/{trees.path_name(path)}".rstrip("/"), np.asarray(leaf))
    return num_hypers, keys.size


def _assembled(parts: tuple[jax.Array, ...], lanes: int, num_hypers: int, num_seeds: int) -> jax.Array:
    whole = jnp.concatenate(parts)[:lanes]
    return whole.reshape(num_hypers, num_seeds, *whole.shape[1:])
