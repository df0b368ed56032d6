"""What an optimizer decays, as an audit from outside shows."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan, nan
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._core import leaves, trees
from .._core.checks import Checks
from .._core.types import Number, Tree
from ._kind import L1, Convention, Kind, convention_of, kind_of, l1_of, shrink_of
from ._probe import UNIT, Answer, Probe, ask
from ._rounding import Trial, try_rounding
from ._warnings import warnings_of

CHECK = Checks("audit_optimizer")
HEADER = ("path", "shape", "dtype", "decayed", "kind", "shrink", "timescale", "convention", "beside gradient")
HEADER += ("exact zeros", "strength", "step")


class LeafAudit(NamedTuple):
    """What happens to the weights of one leaf where their gradient is zero.

    Attributes:
      path: the path of the leaf, joined by slashes.
      shape: its shape.
      dtype: its dtype, in which `is_lost` is judged; all else is read in float32 or wider.
      decayed: the share of its elements that shrink, since an element-wise mask may take only some.
      kind: how the shrink depends on the size of a weight; see `audit_optimizer`.
      shrink: what a weight of 1 loses in one step.
      timescale: in how many steps a proportional decay alone takes a weight to 1/e of itself, 1 / shrink; NaN if the
        decay is none or of another kind.
      epochs: the same in epochs, if `steps_per_epoch` was told.
      convention: how the shrink goes with the learning rate, if the optimizer was a function of it.
      beside_gradient: the share of it that is left beside a gradient: 1 for decoupled decay, 0.5 for a cautious one;
        NaN where float32 cannot tell.
      reaches_zero: whether small weights become exactly zero, instead of stepping past it.
      strength: what the strength of a proximal L1 means: "the Lasso's" or "a share of the step".
      step: the first update that shrinks, from 0; all of this is about that update.
      is_lost: whether rounding to the leaf's dtype undoes the shrink of weights near 1.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    decayed: float
    kind: Kind
    shrink: float
    timescale: float
    epochs: float | None
    convention: Convention
    beside_gradient: float
    reaches_zero: bool
    strength: L1
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
        told = [column for column in zip(*rows, strict=True) if any(column[1:])]
        widths = [max(map(len, column)) for column in told]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*told, strict=True)]
        return "\n".join([*lines, *(f"Warning: {warning}." for warning in self.warnings)])


def audit_optimizer(
    optimizer: Any,
    params: Tree,
    *,
    num_steps: int = 10,
    learning_rate: Number | None = None,
    steps_per_epoch: Number | None = None,
) -> Audit:
    """Find out by probing what an optimizer from any library decays, by how much, and in which way.

    It hands weights of known sizes and signs to `update`, without a gradient and beside one, and names how they shrink:

        none            not at all
        proportional    by c * |w|: decoupled weight decay, and L2 through plain SGD
        constant        by c: L1; exact zeros tell a proximal step from a subgradient
        mixed           by both: an elastic net
        reference       by c * (w - r): towards other values than zero
        preconditioned  by what does not depend on the strength, which is normalized away with the gradient: L2 through
                        Adam, and any decay under the trust ratio of LAMB and LARS
        double          by such a decay and a decoupled one (through plain SGD, two decays are one: their sum)
        nonlinear       otherwise: a constraint, clipping, or a preconditioner whose epsilon counts
        unknown         the update is not finite

    The timescale of a proportional decay, 1 / shrink, tells over how many steps weights remember; in epochs, its best
    value hardly changes with the size of a model or of its data. Given the learning rate, the audit tells by trying
    twice as much how the decay goes with it: as "torch's", rate * decay; as "the paper's", decay alone; as "rate^2", as
    when it is corrected for a schedule. Of a proximal L1 it tells whether the strength is "the Lasso's" or "a share of
    the step", as with `prox_l1` after Adam.

    It warns of strengths that do not count, of decayed leaves that `optim.kernels` does not take (biases, scales of
    norms), of shrinks that rounding undoes, of decays that take a whole weight or more in a step, and of weights that
    grow. Of `params` only shapes and dtypes are read. It costs about 60 updates in float32, and 32 or more in the
    weights' own dtypes if these may lose the shrink.

    Args:
      optimizer: an optax transformation, or whatever has `init` and `update` like one; the learning rate included. If
        `learning_rate` is given, a function of the learning rate that makes one.
      params: the weights, or their `jax.ShapeDtypeStruct`s. Leaves of integers are not listed.
      num_steps: how many updates to wait for the first that shrinks, at least 1: strengths may warm up from 0, and
        batches accumulate. Only that update is read; with momentum, coupled decay grows in later ones.
      learning_rate: the rate that the optimizer is audited at, above 0.
      steps_per_epoch: to tell timescales in epochs too; above 0.

    Raises:
      TypeError: an optimizer without `init` and `update`, or one that needs more than gradients, state and params or
        does not run under jit; a leaf that is no array.
      ValueError: params without floats, or a number that is too low.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import diagnose
    >>> params = {"norm": {"scale": jnp.ones(3)}}
    >>> print(diagnose.audit_optimizer(optax.adamw(0.1, weight_decay=0.01), params))
    path        shape  dtype    decayed  kind          shrink  timescale   beside gradient  exact zeros  step
    norm/scale  (3,)   float32  yes      proportional  0.001   1000 steps  100%             no           0
    Warning: norm/scale is decayed although it is not a kernel.

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019; for the timescale Wang and Aitchison, How
    to Set AdamW's Weight Decay as You Scale Model and Dataset Size, ICML 2025.
    """
    CHECK.integer("num_steps", num_steps)
    for argument, number in (("learning_rate", learning_rate), ("steps_per_epoch", steps_per_epoch)):
        if number is not None:
            CHECK.valid_scalar(argument, number, 0.0, ends="()")
    made = [optimizer]
    if learning_rate is not None:
        CHECK.called("optimizer", optimizer, "of the learning rate, as learning_rate is given")
        made = [optimizer(learning_rate), optimizer(2.0 * learning_rate)]
    for each in made:
        CHECK.transformation("optimizer", each)
    shapes = _shapes(params)
    # Most optimizers need implicit promotion, which the caller may have forbidden in code of their own.
    try:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            probe = Probe(made[0], shapes)
            answers = ask(probe, num_steps)
            trials = try_rounding(probe, answers)
            doubled = [ask(Probe(other, shapes), num_steps) for other in made[1:]] or [[None] * len(answers)]
    except TypeError as error:
        raise TypeError(
            f"{CHECK}: optimizer must work with init(params) and update(gradients, state, params) alone, under jit; "
            f"got {error}"
        ) from error
    is_kernel = jax.tree.leaves(leaves.kernels(shapes))
    paths = jax.tree_util.tree_leaves_with_path(shapes)
    found = zip(paths, answers, trials, doubled[0], is_kernel, strict=True)
    listed = [
        (_audit(path, leaf, answer, trial, twice, steps_per_epoch), kernel)
        for (path, leaf), answer, trial, twice, kernel in found
        if _is_float(leaf)
    ]
    return Audit(tuple(leaf for leaf, _ in listed), tuple(warnings_of(listed, num_steps)))


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


def _audit(path: Any, leaf: Any, answer: Answer, trial: Trial, twice: Answer | None, per_epoch: Any) -> LeafAudit:
    kind = kind_of(answer, trial)
    shrink = shrink_of(answer, kind)
    # Of two decays the one that is not buried has a timescale.
    share = shrink * (answer.beside_gradient if kind == "double" else 1.0)
    timescale = 1.0 / share if kind in ("proportional", "double", "reference") and share > 0.0 else nan
    is_steady = kind in ("proportional", "constant", "mixed", "reference")
    return LeafAudit(
        path=trees.path_name(path) or "params",
        shape=leaf.shape,
        dtype=str(leaf.dtype),
        decayed=float(answer.by_size[UNIT].moved),
        kind=kind,
        shrink=shrink,
        timescale=timescale,
        epochs=None if per_epoch is None else timescale / float(per_epoch),
        convention=convention_of(shrink, shrink_of(twice, kind)) if twice and is_steady else "",
        beside_gradient=answer.beside_gradient,
        reaches_zero=answer.reaches_zero,
        strength=l1_of(answer, kind),
        step=answer.step,
        is_lost=trial.is_lost,
    )


def _row(leaf: LeafAudit) -> Iterable[str]:
    share = {0.0: "no", 1.0: "yes"}.get(leaf.decayed, f"{leaf.decayed:.0%}")
    about = (leaf.path, str(leaf.shape), leaf.dtype, "?" if leaf.kind == "unknown" else share, leaf.kind)
    if leaf.kind == "unknown" or not leaf.decayed:
        return (*about, *[""] * (len(HEADER) - len(about)))
    left = "?" if isnan(leaf.beside_gradient) else f"{round(leaf.beside_gradient, 2) + 0.0:.0%}"
    decay = (f"{leaf.shrink:.3g}", _timescale(leaf), leaf.convention, left)
    return (*about, *decay, "yes" if leaf.reaches_zero else "no", leaf.strength, str(leaf.step))


def _timescale(leaf: LeafAudit) -> str:
    if isnan(leaf.timescale):
        return ""
    steps = f"{leaf.timescale:.0f}" if 100.0 <= leaf.timescale < 1e6 else f"{leaf.timescale:.3g}"
    return f"{steps} steps" + ("" if leaf.epochs is None else f", {leaf.epochs:.3g} epochs")
