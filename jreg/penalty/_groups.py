"""The lasso over groups of weights, which removes whole groups at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import leaves, norms, trees
from .._core.checks import Checks
from .._core.types import Mask, Tree
from ._sums import total


def group_lasso(tree: Tree, *, axis: int | Sequence[int], mask: Mask = leaves.kernels) -> Float[Array, ""]:
    """Sum the 2-norms of groups, each times the square root of its size: sum_g sqrt(n_g) ||w_g||_2.

    The root makes groups of different sizes equally costly. The gradient at a group of zeros is zero, so such a group
    stays zero. The gradient alone only shrinks groups: exact zeros come from the proximal step of
    strength * group_lasso, the block soft threshold at learning_rate * strength * sqrt(n_g).

    Args:
      tree: an array or a pytree of arrays; an empty one gives 0.
      axis: the axes inside a group, in every selected leaf; the other axes index the groups. In an (in, out) kernel, 0
        groups the weights into a unit and 1 those from an input; in a (height, width, in, out) kernel, (0, 1, 2) groups
        a filter. For several ranks add one call each, with its own `mask`.
      mask: which leaves; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      TypeError: a leaf that is not an array, named by its path.
      ValueError: `mask` selects nothing, or a leaf, named by its path, does not have the axis.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> kernel = jnp.array([[3.0, 0.0], [4.0, 0.0]])
    >>> f"{penalty.group_lasso(kernel, axis=0):.4f}"
    '7.0711'

    Yuan and Lin, Model Selection and Estimation in Regression with Grouped Variables, JRSS B 2006.
    """
    check = Checks("group_lasso")
    axes = check.integers("axis", axis)
    taken = trees.selection(check, mask, tree)
    trees.check_axes(check, axis, taken, tree)

    def measure(w: Array) -> Array:
        size = prod(w.shape[index] for index in axes)
        return size**0.5 * jnp.sum(norms.safe_norm(w, axes))

    return total(check, measure, tree, taken)
