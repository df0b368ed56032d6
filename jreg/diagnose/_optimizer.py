"""What an optimizer decays, as an audit from outside shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._core import leaves, trees
from .._core.checks import Checks
from .._core.types import Tree
from ._kind import Kind, kind_of, shrink_of
from ._probe import UNIT, Answer, Probe, ask
from ._rounding import Trial, try_rounding

CHECK = Checks("audit_optimizer")
HEADER = ("path", "shape", "dtype", "decayed", "kind", "shrink", "beside gradient", "exact zeros", "step")
DECAYS = ("proportional", "constant", "mixed", "preconditioned")
ALL = 1.0 - 1e-6
"""The share of a weight that is all of it, to what float32 may lose."""
MOST_PATHS = 4
"""How many paths one warning names."""


class LeafAudit(NamedTuple):
    """What happens to the weights of one leaf where their gradient is zero.

    Attributes:
      path: the path of the leaf, joined by slashes.
      shape: its shape.
      dtype: its dtype, in which `is_lost` is judged; all else is read in float32 or wider.
      decayed: the share of its elements that shrink, since an element-wise mask may take only some.
      kind: how the shrink depends on the size of a weight; see `audit_optimizer`.
      shrink: what a weight of 1 loses in one step.
      beside_gradient: the share of it that is left beside a gradient: 1 for decoupled decay, 0.5 for a cautious one;
        NaN where float32 cannot tell.
      reaches_zero: whether small weights become exactly zero, instead of stepping past it.
      step: the first update that shrinks, from 0; all of this is about that update.
      is_lost: whether rounding to the leaf's dtype undoes the shrink of weights near 1.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    decayed: float
    kind: Kind
    shrink: float
    beside_gradient: float
    reaches_zero: bool
    step: int
    is_lost: bool


class Audit(NamedTuple):
    """What an optimizer decays. Printed, it is a table.

    Attributes:
      leaves: a `LeafAudit` for every leaf of floats.
      warnings: what is wrong, in words.
    """

    leaves: tuple[LeafAudit, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        rows = [HEADER, *map(_row, self.leaves)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, *(f"Warning: {warning}." for warning in self.warnings)])


def audit_optimizer(optimizer: Any, params: Tree, *, num_steps: int = 10) -> Audit:
    """Find out by probing what an optimizer from any library decays, by how much, and in which way.

    It hands weights of known sizes and signs to `update`, without a gradient and beside one, and names how they shrink:

        none            not at all
        proportional    by c * |w|: decoupled weight decay, and L2 through plain SGD
        constant        by c: L1; exact zeros tell a proximal step from a subgradient
        mixed           by both: an elastic net
        reference       by c * (w - r): towards other values than zero
        preconditioned  by what does not depend on the strength, which is normalized away with the gradient: L2 through
                        Adam, and any decay under the trust ratio of LAMB and LARS
        nonlinear       otherwise: a constraint, clipping, or a preconditioner whose epsilon counts
        unknown         the update is not finite

    It warns of strengths that do not count, of decayed leaves that `optim.kernels` does not take (biases, scales of
    norms), of shrinks that rounding undoes, of decays that take a whole weight or more in a step, and of weights that
    grow. Of `params` only shapes and dtypes are read. It costs about 60 updates in float32, and 32 or more in the
    weights' own dtypes if these may lose the shrink.

    Args:
      optimizer: an optax transformation, or whatever has `init` and `update` like one; the learning rate included.
      params: the weights, or their `jax.ShapeDtypeStruct`s. Leaves of integers are not listed.
      num_steps: how many updates to wait for the first that shrinks, at least 1: strengths may warm up from 0, and
        batches accumulate. Only that update is read; with momentum, coupled decay grows in later ones.

    Raises:
      TypeError: an optimizer without `init` and `update`, or one that needs more than gradients, state and params or
        does not run under jit; a leaf that is no array.
      ValueError: params without floats, or `num_steps` below 1.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import diagnose
    >>> params = {"norm": {"scale": jnp.ones(3)}}
    >>> print(diagnose.audit_optimizer(optax.adamw(0.1, weight_decay=0.01), params))
    path        shape  dtype    decayed  kind          shrink  beside gradient  exact zeros  step
    norm/scale  (3,)   float32  yes      proportional  0.001   100%             no           0
    Warning: norm/scale is decayed although it is not a kernel.

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """
    CHECK.integer("num_steps", num_steps)
    CHECK.transformation("optimizer", optimizer)
    shapes = _shapes(params)
    # Most optimizers need implicit promotion, which the caller may have forbidden in code of their own.
    try:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            probe = Probe(optimizer, shapes)
            answers = ask(probe, num_steps)
            trials = try_rounding(probe, answers)
    except TypeError as error:
        raise TypeError(
            f"{CHECK}: optimizer must work with init(params) and update(gradients, state, params) alone, under jit; "
            f"got {error}"
        ) from error
    is_kernel = jax.tree.leaves(leaves.kernels(shapes))
    found = zip(jax.tree_util.tree_leaves_with_path(shapes), answers, trials, is_kernel, strict=True)
    listed = [
        (_audit(path, leaf, answer, trial), kernel) for (path, leaf), answer, trial, kernel in found if _is_float(leaf)
    ]
    return Audit(tuple(leaf for leaf, _ in listed), tuple(_warnings(listed, num_steps)))


def _shapes(params: Tree) -> Tree:
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        dtype = getattr(leaf, "dtype", type(leaf) if isinstance(leaf, int | float | complex) else None)
        if dtype is None or jnp.issubdtype(dtype, jax.dtypes.prng_key):
            raise TypeError(
                f"{CHECK}: params must hold arrays; at {trees.path_name(path) or 'its root'} it has {leaf!r}"
            )
    shapes = jax.eval_shape(lambda tree: tree, params)
    if not any(map(_is_float, jax.tree.leaves(shapes))):
        raise ValueError(f"{CHECK}: params must hold at least one array of floats; got {jax.tree.structure(params)}")
    return shapes


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def _audit(path: Any, leaf: Any, answer: Answer, trial: Trial) -> LeafAudit:
    kind = kind_of(answer, trial)
    return LeafAudit(
        path=trees.path_name(path) or "params",
        shape=leaf.shape,
        dtype=str(leaf.dtype),
        decayed=float(answer.by_size[UNIT].moved),
        kind=kind,
        shrink=shrink_of(answer, kind),
        beside_gradient=answer.beside_gradient,
        reaches_zero=answer.reaches_zero,
        step=answer.step,
        is_lost=trial.is_lost,
    )


def _warnings(listed: Sequence[tuple[LeafAudit, bool]], num_steps: int) -> Iterator[str]:
    leaves = [leaf for leaf, _ in listed]
    if all(leaf.kind == "none" for leaf in leaves):
        yield f"nothing is decayed in the first {num_steps} steps"
    if cancelled := [leaf for leaf in leaves if leaf.kind == "preconditioned"]:
        yield (
            f"the decay of {_paths(cancelled)} does not depend on the strength: it is normalized with the gradient, as "
            "L2 in the gradient of Adam is"
        )
    if others := [leaf for leaf, is_kernel in listed if leaf.kind in DECAYS and not is_kernel]:
        verb, reason = ("is", "it is not a kernel") if len(others) == 1 else ("are", "they are not kernels")
        yield f"{_paths(others)} {verb} decayed although {reason}"
    for amount, dtype in dict.fromkeys(map(_lost_amount, leaves)):
        if amount:
            same = [leaf for leaf in leaves if _lost_amount(leaf) == (amount, dtype)]
            yield f"the shrink of {_paths(same)}, {amount} per step of weights near 1, is lost in {dtype}"
    if growing := [leaf for leaf in leaves if leaf.kind in DECAYS and leaf.shrink < 0.0]:
        yield f"the decay of {_paths(growing)} is negative: the weights grow"
    if whole := [leaf for leaf in leaves if leaf.kind in ("proportional", "mixed") and leaf.shrink > ALL]:
        shrink = max(leaf.shrink for leaf in whole)
        yield (
            f"the decay of {_paths(whole)} takes {shrink:.3g} of each weight in a step: from 1 on weights change their "
            "sign, and beyond 2 they grow without end"
        )
    if unknown := [leaf for leaf in leaves if leaf.kind == "unknown"]:
        dtypes = " or ".join(sorted({leaf.dtype for leaf in unknown}))
        yield f"the update of {_paths(unknown)} is not finite in {dtypes} where the gradient is zero"


def _lost_amount(leaf: LeafAudit) -> tuple[str, str]:
    return (f"{leaf.shrink:.3g}" if leaf.is_lost else "", leaf.dtype)


def _paths(leaves: Sequence[LeafAudit]) -> str:
    names = [leaf.path for leaf in leaves]
    return ", ".join(names[:MOST_PATHS]) + (f" and {len(names) - MOST_PATHS} more" if len(names) > MOST_PATHS else "")


def _row(leaf: LeafAudit) -> Iterable[str]:
    share = {0.0: "no", 1.0: "yes"}.get(leaf.decayed, f"{leaf.decayed:.0%}")
    about = (leaf.path, str(leaf.shape), leaf.dtype, "?" if leaf.kind == "unknown" else share, leaf.kind)
    if leaf.kind == "unknown" or not leaf.decayed:
        return (*about, "", "", "", "")
    left = "?" if isnan(leaf.beside_gradient) else f"{round(leaf.beside_gradient, 2) + 0.0:.0%}"
    return (*about, f"{leaf.shrink:.3g}", left, "yes" if leaf.reaches_zero else "no", str(leaf.step))
