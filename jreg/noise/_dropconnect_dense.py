"""DropConnect in a dense layer: one weight mask per example, group or batch, or a Gaussian with the same moments."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Inexact

from .._core import dtypes, keys, placement
from .._core.checks import Checks
from .._core.types import Key, Number
from ..random import keep_mask, normal, split_array
from ._drop import inverse_share, scale


def dropconnect_dense(
    key: Key | None,
    x: Inexact[Array, "*batch features_in"],
    kernel: Inexact[Array, "features_in features_out"],
    rate: Number,
    *,
    per: Literal["example", "batch", "gaussian"] | int = "example",
) -> Inexact[Array, "*batch features_out"]:
    """Multiply by a kernel whose individual weights are zeroed with probability `rate`, separately for each example.

        y_b = x_b @ (m_b * kernel) / (1 - rate),   m_b = keep_mask(split_array(key, B)[b], kernel.shape, rate)

    An example is an entry of x's first axis: all positions of a sequence share one mask, and an x without a batch is
    one example. Masks are drawn one at a time, and again in the backward pass, so memory holds one masked kernel
    whatever B is; the cost is B draws per pass. Three other values of `per` are cheaper: an int G draws G masks, one
    for each group of B / G consecutive examples; "batch" is G = 1, at the cost of the product alone; and "gaussian"
    draws normal y with the moments that per-example masks give, independent between outputs, at the cost of two
    products. `dropconnect_dense(None, ...)` is x @ kernel.

    Add the bias afterwards. The paper drops biases too: append a 1 to x and a row to the kernel.

    Args:
      key: one key, or None for no noise.
      x: its first axis is the batch.
      kernel: the weights, without a bias.
      rate: probability of dropping a weight, in [0, 1]. Its gradient is zero.
      per: one mask per "example" or "batch"; or "gaussian"; or the number of groups.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), shapes that do not multiply, or a number of
        groups that does not divide the batch.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.dropconnect_dense(jax.random.key(0), jnp.ones((4, 200)), jnp.ones((200, 3)), 0.5)
    >>> len(set(y[:, 0].tolist())) > 1
    True

    Wan et al., Regularization of Neural Networks using DropConnect, ICML 2013.
    """
    check = Checks("dropconnect_dense")
    x, kernel, rate = _checked(check, x, kernel, rate)
    num_masks = _num_masks(check, per, x.shape[0] if x.ndim > 1 else 1)
    if key is None:
        return x @ kernel
    key = check.key(key)
    if per == "gaussian":
        return _gaussian_product(key, *_real(check, x, kernel), rate)
    products = partial(_masked_products, num_masks=num_masks)
    return placement.as_on_auto_axes(products, _spec(x, kernel), key, x, kernel, rate)


def _spec(x: Array, kernel: Array) -> PartitionSpec:
    """How the product is sharded: its batch axes like x's, its last axis like the kernel's."""
    rows, columns = placement.spec_like(x, x.shape)[:-1], placement.spec_like(kernel, kernel.shape)[-1]
    return PartitionSpec(*rows, None if columns in rows else columns)


def dropconnect_moments(
    x: Float[Array, "*batch features_in"], kernel: Float[Array, "features_in features_out"], rate: Number
) -> tuple[Float[Array, "*batch features_out"], Float[Array, "*batch features_out"]]:
    """Compute the mean and the variance of what `dropconnect_dense` draws.

        mean = x @ kernel,   variance = rate / (1 - rate) * x**2 @ kernel**2

    Both are 0 at rate 1, where everything is dropped. An activation after the layer does not commute with the mean, so
    the paper's inference averages the activation over normal draws with these moments, as in the example.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or shapes that do not multiply.
      TypeError: x or kernel is complex.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise, random
    >>> x, kernel = jnp.array([[1.0, 2.0]]), jnp.array([[1.0], [-0.5]])
    >>> [moment.tolist() for moment in noise.dropconnect_moments(x, kernel, 0.5)]
    [[[0.0]], [[2.0]]]
    >>> keys = random.split_array(jax.random.key(0), 2000)
    >>> draws = jax.vmap(lambda key: noise.dropconnect_dense(key, x, kernel, 0.5, per="gaussian"))(keys)
    >>> bool(jnp.abs(jax.nn.relu(draws).mean(0) - 0.5642).max() < 0.05)
    True

    Wan et al., Regularization of Neural Networks using DropConnect, ICML 2013.
    """
    check = Checks("dropconnect_moments")
    x, kernel, rate = _checked(check, x, kernel, rate)
    x, kernel = _real(check, x, kernel)
    mean, variance = _moments(x, kernel, rate)
    return mean, variance.astype(mean.dtype)


@partial(jax.jit, static_argnames="num_masks", inline=True)
def _masked_products(key: Key, x: Array, kernel: Array, rate: Array, *, num_masks: int) -> Array:
    """Split x into `num_masks` consecutive groups and multiply each by its own masked kernel, one after the other."""
    check = Checks("dropconnect_dense")
    rate = lax.stop_gradient(rate)
    group_keys = split_array(key, num_masks)
    num_rows = math.prod(x.shape[:-1]) // max(num_masks, 1)
    groups = check.reads(x).reshape(num_masks, num_rows, x.shape[-1])

    # Each group has its own checkpoint: one around the loop would store the masks of all groups in the backward pass.
    @partial(jax.checkpoint, prevent_cse=False)
    def product(group_key: Key, group: Array, kernel: Array) -> Array:
        kept = keep_mask(group_key, kernel.shape, rate)
        return scale(group @ jnp.where(kept, kernel, jnp.zeros_like(kernel)), inverse_share(rate))

    if num_masks == 1:
        y = product(group_keys[0], groups[0], kernel)
    else:
        _, y = keys.scan(lambda _, group: (None, product(*group, kernel)), None, group_keys, groups)
    return check.returns(y.reshape(*x.shape[:-1], kernel.shape[-1]))


@partial(jax.jit, inline=True)
def _gaussian_product(key: Key, x: Array, kernel: Array, rate: Array) -> Array:
    check = Checks("dropconnect_dense")
    mean, variance = _moments(check.reads(x), kernel, lax.stop_gradient(rate))

    @partial(jax.checkpoint, prevent_cse=False)
    def draw(key: Key, mean: Array, variance: Array) -> Array:
        # The root's slope is infinite at 0, which is the variance at rate 0 and for rows of zeros.
        is_zero = variance == 0.0
        deviation = jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, variance)))
        noise = deviation * normal(key, mean.shape, 1.0).astype(variance.dtype)
        return (mean.astype(variance.dtype) + noise).astype(mean.dtype)

    return check.returns(draw(key, mean, variance))


def _moments(x: Array, kernel: Array, rate: Array) -> tuple[Array, Array]:
    """The mean, and the variance in float32 or wider: in float16, squares overflow from 256 on."""
    wide = dtypes.widened(x.dtype)
    spread = jnp.square(x.astype(wide)) @ jnp.square(kernel.astype(wide))
    is_any_kept = jnp.where(jnp.isnan(rate), jnp.nan, jnp.where(rate == 1.0, 0.0, 1.0))
    return scale(x @ kernel, is_any_kept), spread * (rate * inverse_share(rate)).astype(wide)


def _checked(check: Checks, x: Array, kernel: Array, rate: Number) -> tuple[Array, Array, Array]:
    x, kernel = check.inexact("x", x), check.inexact("kernel", kernel)
    if kernel.ndim != 2 or x.ndim == 0 or x.shape[-1] != kernel.shape[0]:
        raise ValueError(
            f"{check}: kernel must be (features_in, features_out) for x of shape {x.shape}; got shape {kernel.shape}"
        )
    check.promotable("kernel", kernel, x)
    return x, kernel, check.scalar("rate", rate, 0.0, 1.0)


def _real(check: Checks, x: Array, kernel: Array) -> tuple[Array, Array]:
    for argument, value in (("x", x), ("kernel", kernel)):
        if jnp.iscomplexobj(value):
            raise TypeError(f"{check}: {argument} must be real for normal draws; got dtype {value.dtype}")
    return x, kernel


def _num_masks(check: Checks, per: str | int, batch: int) -> int:
    if isinstance(per, str):
        check.choice("per", per, ("example", "batch", "gaussian"))
        return batch if per == "example" else 1
    num_masks = check.integer("per", per)
    if batch % num_masks:
        raise ValueError(f"{check}: per must divide the batch of {batch}; got {per}")
    return num_masks
