"""Find mistakes of regularization in a function, by tracing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..._core import checks
from ..._core.checks import Checks
from ._findings import Finding, distinct
from ._key_rules import key_findings
from ._noise_rules import noise_findings
from ._norm_rules import norm_findings
from ._program import Program
from ._target_rules import target_findings
from ._view import View
from ._walk import program_of

F = TypeVar("F", bound=Callable[..., Any])


def lint(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Finding, ...]:
    """Find mistakes."""
    check = Checks("lint")
    check.called("fn", fn, "fn(*args, **kwargs) that JAX can trace")
    view = View(_traced(fn, args, kwargs))
    return distinct([rule for rules in RULES for rule in rules(view)])


RULES = (key_findings, noise_findings, norm_findings, target_findings)


def _traced(fn: Callable[..., Any], args: Any, kwargs: Any) -> Program:
    """The program of a call. Arrays become unknown, as under jit; all else stays as it is given."""
    leaves, structure = jax.tree.flatten_with_path((args, kwargs))
    places = [i for i, (_, leaf) in enumerate(leaves) if _is_array(leaf)]

    def call(*arrays: Any) -> Any:
        filled = [leaf for _, leaf in leaves]
        for place, array in zip(places, arrays, strict=True):
            filled[place] = array
        args, kwargs = jax.tree.unflatten(structure, filled)
        return [leaf for leaf in jax.tree.leaves(fn(*args, **kwargs)) if _is_array(leaf)]

    arrays = [leaves[place][1] for place in places]
    closed = jax.make_jaxpr(call)(*map(_abstract, arrays))
    names = [jax.tree_util.keystr(leaves[place][0][1:]) for place in places]
    return program_of(closed, names, [_concrete(array) for array in arrays], getattr(fn, "__name__", "fn"))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)


def _abstract(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _concrete(array: Any) -> Any:
    """A number that is given as an array, such as a rate; other arrays are data."""
    is_known = not isinstance(array, jax.ShapeDtypeStruct) and not checks.is_traced(array)
    is_number = is_known and not array.shape and jnp.issubdtype(array.dtype, jnp.floating)
    return np.asarray(array) if is_number else None
