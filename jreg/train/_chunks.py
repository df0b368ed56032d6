"""Lanes of one program in chunks, spread over the devices of all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .._core import checks
from .._core.checks import Checks
from .._core.keys import as_words
from .._core.types import Device, Key, Tree
from ._lanes import FitOne, Lanes, run_lanes
from ._stored_lanes import StoredLanes

LANES = PartitionSpec("lanes")


class Chunks:
    """How lanes are run: on which devices, how many in one call, how many as one `vmap`."""

    def __init__(
        self,
        check: Checks,
        devices: Sequence[Device] | None,
        chunk_size: int | None,
        lanes_at_once: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.mesh = _mesh(check, jax.devices() if devices is None else devices)
        self.chunk_size = None if chunk_size is None else check.integer("chunk_size", chunk_size)
        self.lanes_at_once = None if lanes_at_once is None else check.integer("lanes_at_once", lanes_at_once)
        if progress is not None:
            check.called("progress", progress, "(lanes done, lanes in all) -> None")
        self.progress = progress

    def of(self, num_lanes: int) -> list[np.ndarray]:
        """The numbers of the lanes of each chunk.

        All chunks have the same length, so that one program serves them; lanes repeat to fill the last devices.
        """
        num_devices = self.mesh.size
        largest = -(-min(self.chunk_size or num_lanes, num_lanes) // num_devices) * num_devices
        num_chunks = -(-num_lanes // largest)
        size = -(-num_lanes // (num_chunks * num_devices)) * num_devices
        return [np.arange(start, start + size) % num_lanes for start in range(0, num_lanes, size)]

    def run(self, fit_one: FitOne, keys: Key, hypers: Tree, lanes: Lanes, stored: StoredLanes | None = None) -> Tree:
        """The results of all lanes in order; lanes that `stored` holds are read instead of run."""
        num_lanes = len(lanes.key)
        read, missing = (None, np.arange(num_lanes)) if stored is None else stored.read()
        done, parts, order = num_lanes - len(missing), [], [np.setdiff1d(np.arange(num_lanes), missing)]
        if read is not None:
            parts.append(read)
        for chunk in self.of(len(missing)) if len(missing) else ():
            found = self._run_chunk(fit_one, keys, hypers, Lanes(*(rows[missing[chunk]] for rows in lanes)))
            num_fresh = min(len(chunk), num_lanes - done)
            is_full = num_fresh == len(chunk)
            parts.append(found if is_full else jax.tree.map(partial(taken, rows=slice(num_fresh)), found))
            order.append(missing[chunk][:num_fresh])
            done += num_fresh
            if stored is not None:
                stored.write(order[-1], parts[-1])
            if self.progress is not None:
                jax.block_until_ready(parts[-1])
                self.progress(done, num_lanes)
        whole = jax.tree.map(_joined, *parts)
        if read is None:
            return whole
        back = np.argsort(np.concatenate(order))
        return jax.tree.map(lambda leaf: leaf[back], whole)

    def _run_chunk(self, fit_one: FitOne, keys: Key, hypers: Tree, lanes: Lanes) -> Tree:
        lane_keys = _rows(keys, lanes.key, self.mesh)
        lane_hypers = jax.tree.map(lambda leaf: _rows(leaf, lanes.hyper, self.mesh), hypers)
        found = _run(lane_keys, lane_hypers, fit_one=fit_one, mesh=self.mesh, lanes_at_once=self.lanes_at_once)
        return _to_every_process(found, self.mesh)


def _mesh(check: Checks, devices: Any) -> Mesh:
    if not isinstance(devices, Sequence | np.ndarray) or not all(isinstance(device, jax.Device) for device in devices):
        raise TypeError(f"{check}: devices must be a sequence of JAX's devices; got {checks.shown(devices)}")
    if not len(devices):
        raise ValueError(f"{check}: devices must hold at least one device; got none")
    return Mesh(np.array(tuple(devices)), ("lanes",))


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
        return jax.device_put(taken(leaf, rows), sharding)
    words, to_key = as_words(leaf)
    here = np.asarray(words)[rows]
    return to_key(jax.make_array_from_callback(here.shape, sharding, lambda index: here[index]))


def taken(leaf: Any, rows: Any) -> Any:
    """Rows of an array. What cores hold is in the host's memory, which takes them without compiling a program."""
    return np.asarray(leaf)[rows] if _is_on_host(leaf) else jnp.asarray(leaf)[rows]


def _joined(*leaves: Any) -> jax.Array:
    """The results of all chunks as one array."""
    if all(map(_is_on_host, leaves)):
        return jnp.asarray(np.concatenate([np.asarray(leaf) for leaf in leaves]))
    return jnp.concatenate(leaves)


def _is_on_host(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray):
        return True
    if not isinstance(leaf, jax.Array) or checks.is_traced(leaf) or not leaf.is_fully_addressable:
        return False
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.extended)
    return not is_key and all(device.platform == "cpu" for device in leaf.devices())


def _to_every_process(results: Tree, mesh: Mesh) -> Tree:
    """Results of which other processes hold parts, in full and on a device of this process."""
    if NamedSharding(mesh, LANES).is_fully_addressable:
        return results
    copied = jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, PartitionSpec()))(results)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), copied)
