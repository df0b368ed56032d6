"""Penalties on how fast a function changes with its input, or an image with position.

Penalties on a function differentiate it, and training does so again: its operations need second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, PyTree

from .. import random
from .._core import norms
from .._core.checks import Checks
from .._core.placement import placed_like
from .._core.types import Key
from ._sums import absolute, add, half_square, wide


def input_gradient(
    fn: Callable[[Any], Float[Array, "batch"]], x: PyTree[Inexact[Array, "batch ..."]]
) -> Float[Array, ""]:
    """Average half the squared norm of an example's gradient over the batch: 1/(2B) sum_b ||d fn(x)_b / d x_b||^2.

    If `fn` returns the losses of the examples, this is double backpropagation. One backward pass serves the whole
    batch, so `fn` must not mix examples: use batch norm with stored statistics.

    Args:
      fn: maps a batch to one number per example. A mean over the batch is refused: its gradient shrinks with the batch.
      x: the batch, an array or a pytree of arrays of floats, each with the batch first.

    Raises:
      TypeError: x holds anything but floats.
      ValueError: `fn` does not return one number per example.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.input_gradient(lambda x: x @ jnp.array([3.0, 4.0]), jnp.ones((8, 2))))
    12.5

    Drucker and Le Cun, Improving Generalization Performance Using Double Backpropagation, IEEE TNN 1992.
    """
    losses, pullback = _vjp(Checks("input_gradient"), fn, x)
    if losses.ndim != 1:
        raise ValueError(f"input_gradient: fn must return one number per example; got shape {losses.shape}")
    return _half_squares(pullback(jnp.ones_like(losses))) / max(len(losses), 1)


def jacobian(
    fn: Callable[[Any], Float[Array, "batch *outputs"]],
    key: Key | None,
    x: PyTree[Inexact[Array, "batch ..."]],
    *,
    num_probes: int = 1,
) -> Float[Array, ""]:
    """Average half the squared norm of an example's Jacobian over the batch: 1/(2B) sum_b ||d fn(x)_b / d x_b||_F^2.

        C / (2 B n) sum_b sum_p ||v_bp^T d fn(x)_b / d x_b||^2,   v uniform on the unit sphere in C dimensions

    This estimate is unbiased, and each of its n probes costs a backward pass; C is the number of outputs. A key of None
    gives the exact value, which costs C passes. As in `input_gradient`, `fn` must not mix examples.

    Args:
      fn: maps a batch to the outputs of each example, such as logits.
      key: one key, or None for the exact value.
      x: the batch, an array or a pytree of arrays of floats, each with the batch first.
      num_probes: n, at least 1. All passes run at once: memory grows with their number.

    Raises:
      TypeError: x holds anything but floats, or `key` is not a key.
      ValueError: `num_probes` is below 1, or `fn` does not return a batch of outputs.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.jacobian(lambda x: x * jnp.array([[3.0, 4.0]]), None, jnp.ones((8, 2))))
    12.5

    Hoffman, Roberts and Yaida, Robust Learning with Jacobian Regularization, 2019.
    """
    check = Checks("jacobian")
    num_probes = check.integer("num_probes", num_probes)
    outputs, pullback = _vjp(check, fn, x)
    batch, size = len(outputs), prod(outputs.shape[1:])
    if key is None:
        probes, weight = jnp.eye(size)[:, None, :], 1.0
    else:
        probes, weight = _on_sphere(check.key(key), (num_probes, batch, size)), size / num_probes

    def along(probe: Array) -> Array:
        full = jnp.broadcast_to(probe, (batch, size)).reshape(outputs.shape).astype(outputs.dtype)
        return _half_squares(pullback(placed_like(full, outputs)))

    return weight * jnp.sum(jax.vmap(along)(probes)) / max(batch, 1)


def total_variation(
    x: Inexact[Array, "*shape"], *, spatial_axes: int | Sequence[int] | None = None
) -> Float[Array, ""]:
    """Sum the absolute differences of neighbours in an image, and average over the batch.

        1/B sum_b sum_axes sum_i |x_(i + 1) - x_i|

    This is the anisotropic form, which `tf.image.total_variation` gives for each image. The gradient at equal
    neighbours is zero.

    Args:
      x: by default (batch, *space, channels).
      spatial_axes: the spatial axes; None takes all but the first and the last. Pass them for unbatched or
        channels-first data. If the first axis is one of them, x is a single image.

    Raises:
      TypeError: x is not an array of floats.
      ValueError: `spatial_axes` is None and x has fewer than three axes.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.total_variation(jnp.array([[0.0, 1.0], [3.0, 5.0]]), spatial_axes=(0, 1)))
    10.0

    Rudin, Osher and Fatemi, Nonlinear Total Variation Based Noise Removal Algorithms, Physica D 1992.
    """
    check = Checks("total_variation")
    x = check.inexact("x", x)
    if spatial_axes is None:
        if x.ndim < 3:
            raise ValueError(
                f"total_variation: x must be (batch, *space, channels) when spatial_axes is None; got shape {x.shape}"
            )
        spatial_axes = range(1, x.ndim - 1)
    axes = check.axes("spatial_axes", spatial_axes, x.ndim)
    images = 1 if 0 in axes or not x.ndim else max(len(x), 1)
    pixels = wide(x)
    return add([absolute(jnp.diff(pixels, axis=axis)) for axis in axes]) / images


def _vjp(check: Checks, fn: Callable[[Any], Any], x: Any) -> tuple[Array, Callable[[Array], Any]]:
    """Return what `fn` gives for a batch, and its pullback, after checking inputs and outputs."""
    check.called("fn", fn, "fn(x)")
    leaves = [check.inexact("x", leaf) for leaf in jax.tree.leaves(x)]
    outputs, pullback = jax.vjp(fn, x)
    shape = check.floating("what fn returns", outputs).shape
    given = [leaf.shape for leaf in leaves]
    if not shape or any(leaf_shape[:1] != shape[:1] for leaf_shape in given):
        raise ValueError(
            f"{check}: fn must return one row per example, not reduced over the batch; "
            f"got shape {shape} for x of shape {', '.join(map(str, given))}"
        )
    return outputs, lambda cotangent: pullback(cotangent)[0]


def _half_squares(tree: Any) -> Array:
    return add([half_square(wide(leaf)) for leaf in jax.tree.leaves(tree)])


def _on_sphere(key: Key, shape: tuple[int, ...]) -> Float[Array, "..."]:
    draws = random.normal(key, shape, 1.0)
    return draws / norms.safe_norm(draws, -1, keepdims=True)
