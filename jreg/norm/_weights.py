"""Kernels with their scale taken out: spectral and weight normalization, and weight standardization.

Each function returns new weights for the forward pass: the optimizer holds the kernel, and the layer uses a function of
it. Kernels have the shape (..., features), as in flax and haiku; for a framework that puts the features first, move
that axis.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .._core import dtypes
from .._core.checks import Checks
from .._core.placement import gathered, placed_like
from .._core.types import Key, Number
from ..random import normal


def init_spectral_vector(key: Key, num_features: int) -> Float[Array, " features"]:
    """Draw a random unit vector for `spectral_normalize` to start from.

    Args:
      key: one key.
      num_features: the length of the kernel's last axis.

    >>> import jax
    >>> from jreg import norm
    >>> norm.init_spectral_vector(jax.random.key(0), 3).shape
    (3,)
    """
    check = Checks("init_spectral_vector")
    num_features = check.integer("num_features", num_features)
    draw = normal(check.key(key), (num_features,), 1.0)
    return draw / jnp.linalg.norm(draw)


def spectral_normalize(
    kernel: Float[Array, "*fan_in features"],
    vector: Float[Array, " features"],
    *,
    num_steps: int = 1,
    eps: Number = 1e-12,
) -> tuple[Float[Array, "*fan_in features"], Float[Array, " features"]]:
    """Divide a kernel by an estimate of its largest singular value, and improve the estimate by power iteration.

        u <- W^T v / |W^T v|   with v = W u / |W u|, num_steps times,   then   y = W / |W u|

    W is the kernel as a matrix (fan_in, features) and u is the vector. |W u| with the new u is half a step ahead of the
    paper's v^T W u = |W^T v|, whose v comes from the old u, at the same cost. Each half step brings the estimate closer
    to the largest singular value, from below: y is too large until the estimate has converged, and then the layer's
    Lipschitz constant is 1. The gradient passes through both W in y = W / (v^T W u), where v = W u / |W u| comes from
    the new u, but not through u and v. Carry the vector as state; for evaluation pass `num_steps=0` and discard the new
    vector.

    Args:
      kernel: y keeps its dtype.
      vector: the vector from `init_spectral_vector` or from the last call.
      num_steps: power iterations, at least 0.
      eps: added to the norms; finite and at least 0. At 0 a kernel of zeros gives NaN.

    Raises:
      ValueError: a vector whose shape is not the kernel's last axis, fewer than 0 steps, or eps below 0 or not finite
        (a traced one gives NaN).

    >>> import jax, jax.numpy as jnp
    >>> from jreg import norm
    >>> kernel, vector = jnp.diag(jnp.array([4.0, 1.0])), norm.init_spectral_vector(jax.random.key(0), 2)
    >>> y, vector = norm.spectral_normalize(kernel, vector, num_steps=10)
    >>> y.round(3).tolist()
    [[1.0, 0.0], [0.0, 0.25]]

    Miyato et al., Spectral Normalization for Generative Adversarial Networks, ICLR 2018.
    """
    check = Checks("spectral_normalize")
    wide = _checked(check, kernel)
    num_steps = check.integer("num_steps", num_steps, low=0)
    _check_features(check, "vector", vector, kernel)
    eps = check.scalar("eps", eps, 0.0, ends="[)").astype(wide.dtype)
    matrix = gathered(wide).reshape(-1, wide.shape[-1])
    fixed, right = lax.stop_gradient(matrix), lax.stop_gradient(gathered(vector)).astype(wide.dtype)
    for _ in range(num_steps):
        right = _unit(fixed.T @ _unit(fixed @ right, eps), eps)
    norm = _unit(fixed @ right, eps) @ (matrix @ right)
    # A kernel of zeros has no direction and stays zero.
    y = wide / jnp.where(norm == 0.0, 1.0, norm)
    return check.returns(y.astype(kernel.dtype)), placed_like(right, vector).astype(vector.dtype)


def init_weight_norm(kernel: Float[Array, "*fan_in features"]) -> Float[Array, " features"]:
    """Compute the scale with which `weight_normalize` returns the kernel itself: the norm of each feature's weights.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> norm.init_weight_norm(jnp.array([[3.0], [4.0]])).tolist()
    [5.0]
    """
    wide = _checked(Checks("init_weight_norm"), kernel)
    return jnp.sqrt(jnp.sum(wide * wide, tuple(range(wide.ndim - 1))))


def weight_normalize(
    kernel: Float[Array, "*fan_in features"], scale: Float[Array, " features"]
) -> Float[Array, "*fan_in features"]:
    """Take the direction of each feature's weights from the kernel and their length from the scale.

        w = scale * kernel / |kernel|,   a norm per feature

    Both are trained. The length of the kernel has no effect, so do not decay it: regularize `scale`, or w itself.

    Args:
      kernel: w keeps its dtype. A feature whose weights are all zero stays zero, with a finite gradient.
      scale: one number per feature; start from `init_weight_norm`.

    Raises:
      ValueError: a scale whose shape is not the kernel's last axis.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> norm.weight_normalize(jnp.array([[3.0], [4.0]]), jnp.array([10.0])).ravel().tolist()
    [6.0, 8.0]

    Salimans and Kingma, Weight Normalization, NIPS 2016.
    """
    check = Checks("weight_normalize")
    wide = _checked(check, kernel)
    _check_features(check, "scale", scale, kernel)
    squares = jnp.sum(wide * wide, tuple(range(wide.ndim - 1)), keepdims=True)
    inverse = lax.rsqrt(jnp.where(squares == 0.0, 1.0, squares))
    w = wide * (scale.astype(wide.dtype).reshape(squares.shape) * inverse)
    return check.returns(w.astype(kernel.dtype))


def standardize_weights(
    kernel: Float[Array, "*fan_in features"], *, eps: Number = 1e-10
) -> Float[Array, "*fan_in features"]:
    """Give each feature's weights mean 0 and variance 1 over its fan-in.

        w = (kernel - mean) / sqrt(variance + eps),   the biased variance

    Use it for convolutions before group norm, with which batches may be small. A network without norm also needs
    w / sqrt(fan_in) and a learned gain (scaled weight standardization); the caller multiplies by both.

    Args:
      kernel: w keeps its dtype. Weights that are all equal give 0.
      eps: added to the variance; finite and at least 0. At 0 weights that are all equal give NaN.

    Raises:
      ValueError: a fan-in of one weight, which would always give 0, or eps below 0 or not finite (a traced one gives
        NaN).

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> norm.standardize_weights(jnp.array([[1.0], [3.0]])).round(3).ravel().tolist()
    [-1.0, 1.0]

    Qiao et al., Micro-Batch Training with Batch-Channel Normalization and Weight Standardization, 2019.
    """
    check = Checks("standardize_weights")
    wide = _checked(check, kernel)
    eps = check.scalar("eps", eps, 0.0, ends="[)").astype(wide.dtype)
    if wide.size // wide.shape[-1] < 2:
        raise ValueError(f"standardize_weights: kernel must have a fan-in of two or more; got shape {kernel.shape}")
    axes = tuple(range(wide.ndim - 1))
    centred = wide - jnp.mean(wide, axes, keepdims=True)
    w = centred * lax.rsqrt(jnp.mean(centred * centred, axes, keepdims=True) + eps)
    return check.returns(w.astype(kernel.dtype))


def _checked(check: Checks, kernel: Array) -> Array:
    """Return the kernel in the dtype to compute in."""
    kernel = check.floating("kernel", kernel)
    if kernel.ndim < 2 or kernel.size == 0:
        raise ValueError(f"{check}: kernel must have shape (*fan_in, features); got {kernel.shape}")
    return check.reads(kernel.astype(dtypes.widened(kernel.dtype)))


def _check_features(check: Checks, argument: str, value: Array, kernel: Array) -> None:
    if check.floating(argument, value).shape != kernel.shape[-1:]:
        raise ValueError(f"{check}: {argument} must have shape {kernel.shape[-1:]}; got {value.shape}")


def _unit(x: Array, eps: Array) -> Array:
    return x / (jnp.linalg.norm(x) + eps)
