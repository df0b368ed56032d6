"""Names left in the jaxpr on what a regularizer reads and what it returns.

They are `jax.ad_checkpoint.checkpoint_name` tags: free at run time, visible to rematerialization policies
(`jax.checkpoint_policies.save_only_these_names("jreg.dropout")`) and to tools that follow the data through a program.
"""

from typing import TypeVar

from jax.ad_checkpoint import checkpoint_name

T = TypeVar("T")


def reads(function: str, x: T) -> T:
    """Tag what `function` reads as `jreg.<function>.input`."""
    return checkpoint_name(x, f"jreg.{function}.input")


def returns(function: str, x: T) -> T:
    """Tag what `function` returns as `jreg.<function>`."""
    return checkpoint_name(x, f"jreg.{function}")
