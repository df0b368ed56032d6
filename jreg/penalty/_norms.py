"""L1, L2 and their blend, summed over the leaves of a pytree.

None of them takes a strength: `loss + strength * penalty.l2(params)` shows it in the loss, where it may be traced.
`optim.add_l1(strength)` and `optim.add_l2(strength)` add exactly the gradients of these penalties. Sums run in float32
or wider.
"""

from __future__ import annotations

from jaxtyping import Array, Float

from .._core import leaves
from .._core.checks import Checks
from .._core.types import Mask, Number, Tree
from ._sums import absolute, half_square, total


def l1(tree: Tree, *, mask: Mask = leaves.kernels) -> Float[Array, ""]:
    """Sum the absolute values (moduli if complex): sum_i |w_i|.

    The gradient at zero is zero, not the 1 of `jax.grad(jnp.abs)`, so zeros stay zeros.

    Args:
      tree: an array or a pytree of arrays; an empty one gives 0.
      mask: which leaves; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      TypeError: a leaf that is not an array, named by its path.
      ValueError: `mask` selects nothing.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.l1(jnp.array([3.0, -4.0])))
    7.0

    Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 1996.
    """
    return total(Checks("l1"), absolute, tree, mask)


def l2(tree: Tree, *, mask: Mask = leaves.kernels) -> Float[Array, ""]:
    """Compute half the sum of squares: 1/2 sum_i |w_i|^2, whose gradient is w.

    With plain SGD, `strength * l2` is weight decay of the same strength. Keras's L2 and the convention without 1/2 are
    twice this: double a strength that comes from there.

    Args:
      tree: an array or a pytree of arrays; an empty one gives 0.
      mask: which leaves; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      TypeError: a leaf that is not an array, named by its path.
      ValueError: `mask` selects nothing.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.l2(jnp.array([3.0, -4.0])))
    12.5

    Hoerl and Kennard, Ridge Regression: Biased Estimation for Nonorthogonal Problems, Technometrics 1970.
    """
    return total(Checks("l2"), half_square, tree, mask)


def elastic_net(tree: Tree, l1_ratio: Number, *, mask: Mask = leaves.kernels) -> Float[Array, ""]:
    """Blend both: l1_ratio * l1 + (1 - l1_ratio) * l2, with scikit-learn's meaning of `l1_ratio`.

    Args:
      tree: an array or a pytree of arrays; an empty one gives 0.
      l1_ratio: in [0, 1]; 1 is `l1`, 0 is `l2`.
      mask: which leaves; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      TypeError: a leaf that is not an array, named by its path.
      ValueError: `mask` selects nothing, or a concrete `l1_ratio` outside [0, 1]. A traced one gives NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.elastic_net(jnp.array([3.0, -4.0]), 0.5))
    9.75

    Zou and Hastie, Regularization and Variable Selection via the Elastic Net, JRSS B 2005.
    """
    check = Checks("elastic_net")
    ratio = check.rate("l1_ratio", l1_ratio)

    def blend(w: Array) -> Array:
        return _scaled(ratio, absolute(w)) + _scaled(1.0 - ratio, half_square(w))

    return total(check, blend, tree, mask)


def _scaled(factor: Array, value: Array) -> Array:
    return factor.astype(value.dtype) * value
