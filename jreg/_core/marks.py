"""Names in the jaxpr for what a regularizer reads, what it returns, and the numbers that it keeps.

They are `jax.ad_checkpoint.checkpoint_name` tags: free at run time, visible to rematerialization policies
(`jax.checkpoint_policies.save_only_these_names("jreg.dropout")`) and to tools that follow the data through a program.
"""

from typing import TypeVar

import jax
from jax.ad_checkpoint import checkpoint_name

T = TypeVar("T")

_KEPT = "jreg.kept"

keep_scalars = jax.checkpoint_policies.save_only_these_names(_KEPT)
"""The policy of a `jax.checkpoint` whose backward pass draws noise again from the few numbers that `kept` tags."""


def reads(function: str, x: T) -> T:
    """Tag what `function` reads as `jreg.<function>.input`."""
    return checkpoint_name(x, f"jreg.{function}.input")


def returns(function: str, x: T) -> T:
    """Tag what `function` returns as `jreg.<function>`."""
    return checkpoint_name(x, f"jreg.{function}")


def kept(x: jax.Array) -> jax.Array:
    """Tag a scalar that costs more to compute again than to keep; an array is left alone."""
    return x if x.ndim else checkpoint_name(x, _KEPT)
