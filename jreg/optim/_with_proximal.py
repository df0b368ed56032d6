"""Proximal steps in the optimizer's own metric: one strength means the same penalty, whatever the optimizer.

An adaptive optimizer divides the gradient of the loss by its running size. Where the threshold is divided by it too,
both meet where they would without it: at the minimum of loss + strength * penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from .._core import leaves, trees
from .._core.checks import Checks
from .._core.types import Mask, Strength, Tree
from ._leafwise import change_taken, check_strengths, increment, required, strengths_at
from ._metric import metric, refuse_unknown
from ._proximal import over_groups, step_by
from ._thresholds import scaled_block_soft, soft, soft_elastic


class ProximalState(NamedTuple):
    """The wrapped optimizer's state, and the number of updates made."""

    inner: Any
    count: Int[Array, ""]


def with_proximal(
    inner: optax.GradientTransformation,
    operator: Callable[[Array, Array], Array],
    strength: Strength,
    *,
    mask: Mask = leaves.kernels,
) -> optax.GradientTransformationExtraArgs:
    """Replace the weights that the step of `inner` would reach, w + u, by `operator(w + u, strength * metric)`.

    The metric is how far `inner` moves each weight per unit of gradient: learning_rate / (sqrt(nu_hat) + eps) for Adam,
    learning_rate / (1 - momentum) for SGD, learning_rate / |mu| for Lion. It is read from the step itself, so nothing
    that `inner` was given is given again, and schedules are followed. The fixed points are then those of
    loss + strength * penalty, whereas with `prox_l1` after Adam a strength is a share of the step.

    `inner` is a whole optimizer, including its learning rate; a decay in it stays what it is. Known are the states of
    adam, adamw, nadam, adamax, radam, yogi, amsgrad, adabelief, rmsprop, adagrad, lion and sgd, with or without
    momentum, chained, masked, partitioned or injected. Put MultiSteps, averages, constraints and copies of the weights
    around it. A sign without a moment, as in sign_sgd, has no metric: the weights stay as they are. The program calls
    `inner` two or three times more, from which XLA keeps a few operations per weight.

    Args:
      inner: the optimizer.
      operator: a proximal operator of (array, thresholds), element by element, such as `soft_threshold`.
      strength: of the penalty, at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix)
        of these, one per leaf.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: an optimizer without a diagonal metric, such as shampoo, muon or lbfgs, by the name of its state; a
        concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not have the
        structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optim.with_proximal(optax.adagrad(0.1, 0.0), optim.soft_threshold, 0.5)
    >>> w = jnp.array([1.0, 1.0])
    >>> updates, _ = optimizer.update(jnp.array([2.0, 20.0]), optimizer.init(w), w)
    >>> [f"{value:.4f}" for value in w + updates]
    ['0.8750', '0.8975']

    Yun, Lozano and Yang, Adaptive Proximal Gradient Methods for Structured Neural Networks (ProxGen), NeurIPS 2021.
    """
    check = Checks("with_proximal")
    check.called("operator", operator, "of (array, thresholds)")
    return _with_proximal(check, inner, operator, mask, strength=strength)


def with_l1(
    inner: optax.GradientTransformation, strength: Strength, *, mask: Mask = leaves.kernels
) -> optax.GradientTransformationExtraArgs:
    """Take the proximal step of `strength * penalty.l1(params)` in the metric of `inner`: the Lasso, with exact zeros.

        w <- soft_threshold(w + u, strength * learning_rate / (sqrt(nu_hat) + eps))      around Adam

    The strength is that of `penalty.l1`, `add_l1` and scikit-learn's Lasso, whatever the optimizer; see
    `with_proximal`, also for the optimizers that it takes.

    Args:
      inner: a whole optimizer, including its learning rate.
      strength: of the penalty, at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix)
        of these, one per leaf.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: as for `with_proximal`.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optim.with_l1(optax.adagrad(0.1, 0.0), 0.5)
    >>> w = jnp.array([0.1, 1.0])
    >>> updates, _ = optimizer.update(jnp.array([0.4, 2.0]), optimizer.init(w), w)
    >>> [f"{value:.4f}" for value in w + updates]
    ['0.0000', '0.8750']

    Yun, Lozano and Yang, Adaptive Proximal Gradient Methods for Structured Neural Networks (ProxGen), NeurIPS 2021.
    """
    return _with_proximal(Checks("with_l1"), inner, soft, mask, strength=strength)


def with_elastic_net(
    inner: optax.GradientTransformation, l1: Strength, l2: Strength, *, mask: Mask = leaves.kernels
) -> optax.GradientTransformationExtraArgs:
    """Take the proximal step of l1 * |w| + l2 / 2 * w^2 in the metric of `inner`: the elastic net, with exact zeros.

    scikit-learn's (alpha, l1_ratio) is l1 = alpha * l1_ratio and l2 = alpha * (1 - l1_ratio). See `with_proximal`, also
    for the optimizers that it takes.

    Args:
      inner: a whole optimizer, including its learning rate.
      l1, l2: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one
        per leaf.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: as for `with_proximal`.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optim.with_elastic_net(optax.sgd(0.1), 0.5, 10.0)
    >>> w = jnp.array([0.04, 1.05])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(w), w)
    >>> [f"{value:.4f}" for value in w + updates]
    ['0.0000', '0.5000']

    Zou and Hastie, Regularization and Variable Selection via the Elastic Net, JRSS B 2005; for the metric see
    `with_proximal`.
    """
    return _with_proximal(Checks("with_elastic_net"), inner, soft_elastic, mask, l1=l1, l2=l2)


def with_group_lasso(
    inner: optax.GradientTransformation,
    strength: Strength,
    *,
    axis: int | tuple[int, ...],
    mask: Mask = leaves.kernels,
) -> optax.GradientTransformationExtraArgs:
    """Take the proximal step of `strength * penalty.group_lasso(params, axis=axis)` in the metric of `inner`.

    Whole groups become exactly zero. With thresholds t_i that differ within a group, the step to
    argmin_v sum (v_i - w_i)^2 / (2 t_i) + |v|_2 has no closed form: a group is zero if sum (w_i / t_i)^2 <= 1, and
    otherwise v_i = w_i * r / (r + t_i), where r = |v|_2 is the root of sum (w_i / (r + t_i))^2 = 1, by four of
    Newton's steps, which approach it from below; on a CPU they take about as long as ten updates of AdamW. See
    `with_proximal`, also for the optimizers that it takes.

    Args:
      inner: a whole optimizer, including its learning rate.
      strength: of the penalty, at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix)
        of these, one per leaf. As in the penalty, a group of n weights is charged sqrt(n) times its norm.
      axis: the axes inside one group: 0 removes whole units of an (in, out) kernel, 1 whole inputs, and (0, 1, 2) whole
        channels of a convolution.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all. Elements that
        are not taken count in the norm of their group, and stay.

    Raises:
      ValueError: as for `with_proximal`, and an axis that a selected leaf does not have.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optim.with_group_lasso(optax.adagrad(0.1, 0.0), 1.0, axis=0)
    >>> w = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    >>> updates, _ = optimizer.update(0.1 * jnp.ones((2, 2)), optimizer.init(w), w)
    >>> ((w + updates) == 0.0).tolist()
    [[False, True], [False, True]]

    Yuan and Lin, Model Selection and Estimation in Regression with Grouped Variables, JRSS B 2006; for the metric see
    `with_proximal`.
    """
    check = Checks("with_group_lasso")
    axes = check.integers("axis", axis)

    return _with_proximal(check, inner, over_groups(scaled_block_soft, axes), mask, axis, strength=strength)


def _with_proximal(
    check: Checks,
    inner: optax.GradientTransformation,
    operator: Callable[..., Array],
    mask: Mask,
    axis: Any = None,
    **strengths: Strength,
) -> optax.GradientTransformationExtraArgs:
    check_strengths(check, strengths)
    inner = optax.with_extra_args_support(check.transformation("inner", inner))

    def prepare(params: Tree) -> Tree:
        taken = trees.selection(check, mask, params, elementwise=True)
        if axis is not None:
            trees.check_axes(check, axis, taken, params)
        return taken

    def init(params: Tree) -> ProximalState:
        taken, state = prepare(params), inner.init(params)
        refuse_unknown(check, state, params, taken)
        return ProximalState(state, jnp.zeros((), jnp.int32))

    def update(updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, ProximalState]:
        params = required(check, params)
        trees.same_structure(check, "updates", updates, params)
        stepped, inner_state = inner.update(updates, state.inner, params, **extra)
        scales = metric(inner.update, state.inner, inner_state, updates, params, state.count, **extra)
        numbers = strengths_at(check, state.count, params, strengths)
        changed = change_taken(
            check, step_by(operator), prepare(params), stepped, params, scales, *numbers, replaces=True
        )
        return changed, ProximalState(inner_state, increment(state.count))

    return optax.GradientTransformationExtraArgs(init, update)
