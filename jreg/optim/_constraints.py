"""Constraints on the weights: they replace the weights that the step would reach by the nearest allowed ones.

Updates of 16-bit weights come out in float32: a step in 16 bits may be too coarse to reach the allowed weights.
`optax.apply_updates` then rounds only the new weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from .._core import dtypes, leaves, norms, spectra, trees
from .._core.checks import Checks
from .._core.types import Mask, Strength, Tree
from ._leafwise import change_taken, leafwise, required


def constrain(projection: Callable[[Tree], Tree], *, mask: Mask = leaves.kernels) -> optax.GradientTransformation:
    """Replace the weights that the step would reach, w + u, by `projection(w + u)`.

    Put it last in the chain.

    Args:
      projection: a function of the selected weights as one tree (the other leaves are None), such as those of
        `optax.projections`. One that takes a single array is mapped over the tree:
        `lambda tree: jax.tree.map(optax.projections.projection_simplex, tree)`.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all. A leaf goes
        into `projection` as a whole even if only some elements are selected or its bool is traced.

    Raises:
      ValueError: a mask that selects nothing, a projection that changes the tree or a shape, updates that do not have
        the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.constrain(optax.projections.projection_non_negative))
    >>> w = jnp.array([0.02, 0.8])
    >>> updates, _ = optimizer.update(jnp.ones(2), optimizer.init(w), w)
    >>> [f"{value:.2f}" for value in w + updates]
    ['0.00', '0.70']

    Boyd and Vandenberghe, Convex Optimization, 2004, section 8.1.
    """

    check = Checks("constrain")
    check.called("projection", projection, "of a tree of weights")

    def init(params: Tree) -> optax.EmptyState:
        trees.selection(check, mask, params, elementwise=True)
        return optax.EmptyState()

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, optax.EmptyState]:
        params = required(check, params)
        trees.same_structure(check, "updates", updates, params)
        taken = trees.selection(check, mask, params, elementwise=True)
        stepped = jax.tree.map(_stepped, taken, updates, params)
        projected = projection(stepped)
        trees.same_structure(check, "what projection returns", projected, stepped, model="what it is given")
        targets = jax.tree.map(lambda update, new: update if new is None else new, updates, projected)
        return change_taken(check, _towards, taken, updates, params, targets, replaces=True), state

    return optax.GradientTransformation(init, update)


def constrain_max_norm(
    limit: Strength, *, axis: int | tuple[int, ...] = 0, mask: Mask = leaves.kernels
) -> optax.GradientTransformation:
    """Scale down each unit whose weights have a norm above the limit: w * min(1, limit / |w|_2).

    Put it last in the chain. With dropout, a limit of 3 to 4 is usual.

    Args:
      limit: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one per
        leaf.
      axis: the axes of one unit's weights: 0 for an (in, out) kernel, (0, 1, 2) for a convolution's
        (height, width, in, out).
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete limit below 0 (a traced one gives NaN), a mask that selects nothing, an axis that a
        selected leaf does not have, updates that do not have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.constrain_max_norm(1.0))
    >>> w = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    >>> updates, _ = optimizer.update(jnp.zeros((2, 2)), optimizer.init(w), w)
    >>> [[f"{value:.1f}" for value in row] for row in w + updates]
    [['0.6', '0.3'], ['0.8', '0.4']]

    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014, section 5.1.
    """
    check = Checks("constrain_max_norm")
    axes = check.integers("axis", axis)

    def shorten(update: Array, w: Array, limit: Array) -> Array:
        stepped, limit = w + update, jnp.real(limit)
        norm = norms.safe_norm(stepped, axes, keepdims=True)
        factor = jnp.where(norm <= limit, 1.0, limit / jnp.where(norm == 0.0, 1.0, norm))
        return stepped * factor.astype(w.dtype) - w

    return leafwise(check, shorten, mask, {"limit": limit}, axis=axis, replaces=True)


def constrain_unit_norm(
    *, axis: int | tuple[int, ...] = 0, mask: Mask = leaves.kernels
) -> optax.GradientTransformation:
    """Scale every unit's weights to norm 1: w / |w|_2; a unit of zeros stays as it is.

    Put it last in the chain.

    Args:
      axis: the axes of one unit's weights: 0 for an (in, out) kernel, (0, 1, 2) for a convolution's
        (height, width, in, out).
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a mask that selects nothing, an axis that a selected leaf does not have, updates that do not have the
        structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.constrain_unit_norm())
    >>> w = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    >>> updates, _ = optimizer.update(jnp.zeros((2, 2)), optimizer.init(w), w)
    >>> [[f"{value:.1f}" for value in row] for row in w + updates]
    [['0.6', '0.6'], ['0.8', '0.8']]

    Salimans and Kingma, Weight Normalization, NeurIPS 2016.
    """
    check = Checks("constrain_unit_norm")
    axes = check.integers("axis", axis)

    def normalize(update: Array, w: Array) -> Array:
        stepped = w + update
        norm = norms.safe_norm(stepped, axes, keepdims=True)
        return stepped / jnp.where(norm == 0.0, 1.0, norm).astype(w.dtype) - w

    return leafwise(check, normalize, mask, {}, axis=axis, replaces=True)


def constrain_spectral_norm(limit: Strength, *, mask: Mask = leaves.kernels) -> optax.GradientTransformation:
    """Cap the singular values of each kernel at a limit, which gives the nearest kernel with a spectral norm within it.

        W <- U min(S, limit) V^H

    A network of such layers has a Lipschitz constant that its limits bound. Put it last in the chain. A kernel with
    more than two axes counts as the matrix (all but the last axis, last axis), as in `penalty.spectral`. It costs the
    eigenvalues of the smaller Gram matrix of each kernel, which take long beyond a side of about 1000.

    Args:
      limit: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one per
        leaf.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all; a vector counts
        as a matrix of one row.

    Raises:
      ValueError: a concrete limit below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.constrain_spectral_norm(1.0))
    >>> w = jnp.diag(jnp.array([3.0, 0.5]))
    >>> updates, _ = optimizer.update(jnp.zeros((2, 2)), optimizer.init(w), w)
    >>> [[f"{value:.1f}" for value in row] for row in w + updates]
    [['1.0', '0.0'], ['0.0', '0.5']]

    Newhouse et al., Training Transformers with Enforced Lipschitz Constants, 2025; Gouk et al., Regularisation of
    Neural Networks by Enforcing Lipschitz Continuity, Machine Learning 2021.
    """

    def cap(update: Array, w: Array, limit: Array) -> Array:
        return update + spectra.excess(w + update, jnp.real(limit))

    return leafwise(Checks("constrain_spectral_norm"), cap, mask, {"limit": limit}, replaces=True)


def _towards(update: Array, w: Array, target: Array) -> Array:
    return target - w


def _stepped(is_taken: Any, update: Any, param: Any) -> Array | None:
    """The weights that the step would reach, in float32 or wider; None for a leaf that is not selected."""
    if is_taken is False:
        return None
    update, param = jnp.asarray(update), jnp.asarray(param)
    wide = dtypes.widened(param.dtype)
    return param.astype(wide) + update.astype(wide)
