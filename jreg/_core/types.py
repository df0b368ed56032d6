"""The types that jreg's signatures use."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import optax
from jaxtyping import Array, ArrayLike, PyTree, Real, UInt32

Key: TypeAlias = jax.Array
"""A scalar typed key (`jax.random.key`), or a legacy one, the words that `jax.random.PRNGKey` returns."""

Number: TypeAlias = Real[ArrayLike, ""]
"""A Python number or a traced scalar: it can be scheduled or mapped over without recompilation."""

Numbers: TypeAlias = Real[ArrayLike, "..."]
"""A `Number`, or an array of them, with as many axes as the data, that broadcasts against the data."""

Strength: TypeAlias = Number | optax.Schedule | PyTree[Any]
"""A number, traced or not, an optax schedule of the step count, or a tree (or prefix) of these, one per leaf."""

Bits: TypeAlias = Callable[..., UInt32[Array, "..."]]
"""`bits(key, shape)` returns uniform uint32 words, as `hash_bits` and `jax.random.bits` do."""

Mask: TypeAlias = Callable[[PyTree], PyTree[bool]] | PyTree[bool] | None
"""Which leaves: a function of the tree, a tree (or prefix) of bools, or None for all.

Masks in `optim` may also hold traced bools, and arrays of bools that choose among a leaf's elements.
"""

Device: TypeAlias = Any
"""A `jax.Device`, which a type checker does not know as a class."""

Tree: TypeAlias = PyTree[Any]
Transform: TypeAlias = Callable[[Key | None, Any], Any]
"""`(key, x) -> x`: what `augment` composes."""
