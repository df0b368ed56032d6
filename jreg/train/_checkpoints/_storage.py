"""The arrays of a checkpoint, in and out of orbax."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.extras import require
from ._damage import DamagedError
from ._leaves import Leaf, is_local, sharding_of

NAME = "arrays"
OF_THE_DISK = re.compile(r"\[OS error (\d+)|Failed to (write|open|create|fsync|rename)")


def write_arrays(folder: Path, arrays: dict[str, Any]) -> None:
    """Write named arrays below `folder`, each process its own shards.

    Raises:
      OSError: the disk failed; the storage reports some of its errors as ValueError.
    """
    require("orbax", "run", "Checkpoints")
    import orbax.checkpoint as ocp

    # orbax refuses to store nothing.
    arrays = {"format": np.int32(1), **arrays}
    try:
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
            checkpointer.save(folder / NAME, args=ocp.args.PyTreeSave(arrays))
    except ValueError as error:
        if found := OF_THE_DISK.search(str(error)):
            raise OSError(int(found[1] or 5), str(error)) from error
        raise


def read_arrays(folder: Path, wanted: dict[str, Any], saved: dict[int, Leaf]) -> dict[str, Any]:
    """Read the arrays named in `wanted`, each for a leaf of the template that says on which devices it goes.

    Raises:
      DamagedError: the storage does not hold them as the manifest describes them.
    """
    if not wanted:
        return {}
    require("orbax", "run", "Checkpoints")
    try:
        arrays = _read(folder, {name: _argument(leaf) for name, leaf in wanted.items()})
    except Exception:
        if not folder.exists():
            raise FileNotFoundError(f"{folder} was deleted while it was read") from None
        # Is it the storage, or the devices that the template asks for?
        _require_saved(folder, _read_plain(folder, wanted), wanted, saved)
        raise
    _require_saved(folder, arrays, wanted, saved)
    return arrays


def _read(folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    import orbax.checkpoint as ocp

    items = dict.fromkeys(arguments, 0)
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        args = ocp.args.PyTreeRestore(items, restore_args=arguments, partial_restore=True)
        return checkpointer.restore(folder / NAME, args=args)


def _read_plain(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    import orbax.checkpoint as ocp

    try:
        return _read(folder, {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in wanted})
    except Exception as error:
        raise DamagedError(f"{folder / NAME} cannot be read ({type(error).__name__})") from error


def _require_saved(folder: Path, arrays: dict[str, Any], wanted: dict[str, Any], saved: dict[int, Leaf]) -> None:
    for name, like in wanted.items():
        leaf, found = saved[int(name)], arrays.get(name, ())
        if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
            like = jax.eval_shape(jax.random.key_data, like)
        if (jnp.shape(found), str(getattr(found, "dtype", None))) != (tuple(like.shape), str(like.dtype)):
            raise DamagedError(f"{folder / NAME} does not hold {leaf} at {leaf.path or 'the root'}")


def _argument(leaf: Any) -> Any:
    import orbax.checkpoint as ocp

    sharding = sharding_of(leaf)
    if sharding is None or is_local(sharding) or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return ocp.RestoreArgs(restore_type=np.ndarray)
    return ocp.ArrayRestoreArgs(sharding=sharding)
