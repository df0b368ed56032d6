"""The arrays of a checkpoint, in and out of orbax."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._leaves import is_local, sharding_of

NAME = "arrays"


def write_arrays(folder: Path, arrays: dict[str, Any]) -> None:
    """Write named arrays below `folder`, each process its own shards."""
    import orbax.checkpoint as ocp

    # orbax refuses to store nothing.
    arrays = {"format": np.int32(1), **arrays}
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        checkpointer.save(folder / NAME, args=ocp.args.PyTreeSave(arrays))


def read_arrays(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Read the arrays named in `wanted`, each for a template that says on which devices it goes."""
    import orbax.checkpoint as ocp

    if not wanted:
        return {}
    arguments = {name: _argument(leaf, ocp) for name, leaf in wanted.items()}
    items = dict.fromkeys(wanted, 0)
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        args = ocp.args.PyTreeRestore(items, restore_args=arguments, partial_restore=True)
        return checkpointer.restore(folder / NAME, args=args)


def _argument(leaf: Any, ocp: Any) -> Any:
    sharding = sharding_of(leaf)
    if sharding is None or is_local(sharding) or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return ocp.RestoreArgs(restore_type=np.ndarray)
    return ocp.ArrayRestoreArgs(sharding=sharding)
