"""Stochastic depth, which drops whole residual branches, and schedules of its rate over the layers."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from .._core.checks import Checks
from .._core.types import Key, Number
from ..random import hash_bits
from ._drop import drop, scale


def stochastic_depth(
    key: Key | None,
    branch: Inexact[Array, "*shape"],
    rate: Number,
    *,
    per: Literal["example", "batch"] = "example",
    rescale: Literal["train", "inference"] = "train",
) -> Inexact[Array, "*shape"]:
    """Drop a residual branch with probability `rate`: write `x + stochastic_depth(key, f(x), rate)`.

    With `rescale="train"` the branches that are kept are divided by 1 - rate and inference is the identity, as in timm;
    with `rescale="inference"` training does not rescale and inference multiplies by 1 - rate, as in the original paper.

    Args:
      key: one key, or None for inference.
      branch: the output of the residual function, before it is added; its first axis is the batch.
      rate: probability of dropping, in [0, 1]. Its gradient is zero. `depth_rates` gives one per layer.
      per: draw for each "example", or once for the whole "batch", as in the original paper.
      rescale: whether training or inference corrects for the share kept.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or no batch axis to draw along.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.stochastic_depth(jax.random.key(0), jnp.ones((6, 3)), 0.5)
    >>> sorted(set(y.sum(1).tolist()))
    [0.0, 6.0]

    Huang et al., Deep Networks with Stochastic Depth, ECCV 2016.
    """
    check = Checks("stochastic_depth")
    branch = check.inexact("branch", branch)
    rate = check.scalar("rate", rate, 0.0, 1.0)
    check.choice("per", per, ("example", "batch"))
    check.choice("rescale", rescale, ("train", "inference"))
    if per == "example" and branch.ndim == 0:
        raise ValueError("stochastic_depth: branch must have a batch axis with per='example'; got a scalar")
    if key is None:
        return branch if rescale == "train" else _survive(branch, rate)
    rows = branch.shape[:1] if per == "example" else (1,) * min(branch.ndim, 1)
    return drop(
        check.key(key),
        branch,
        rate,
        check=check,
        mask_shape=rows + (1,) * (branch.ndim - 1),
        bits=hash_bits,
        rescale=rescale == "train",
    )


def _survive(branch: Array, rate: Array) -> Array:
    check = Checks("stochastic_depth")
    return check.returns(scale(check.reads(branch), 1.0 - rate))


def depth_rates(
    final_rate: Number, num_layers: int, *, rule: Literal["huang", "timm", "efficientnet"] = "huang"
) -> Float[Array, " num_layers"]:
    """Compute the drop rate of each layer, rising linearly to `final_rate` by one of three rules.

        huang          final_rate * l / L,             l = 1..L      the first layer drops too
        timm           final_rate * l / (L - 1),       l = 0..L-1    from 0 to final_rate; [0] for one layer
        efficientnet   final_rate * l / L,             l = 0..L-1    never reaches final_rate

    Args:
      final_rate: the rate of the last layer, in [0, 1].
      num_layers: the number of layers, L.
      rule: which of the three rules.

    Raises:
      ValueError: a concrete `final_rate` outside [0, 1] (a traced one gives NaN), or fewer than one layer.

    >>> from jreg import noise
    >>> [f"{rate:.2f}" for rate in noise.depth_rates(0.5, 5)]
    ['0.10', '0.20', '0.30', '0.40', '0.50']

    Huang et al., Deep Networks with Stochastic Depth, ECCV 2016.
    """
    check = Checks("depth_rates")
    final = check.scalar("final_rate", final_rate, 0.0, 1.0)
    num_layers = check.integer("num_layers", num_layers)
    check.choice("rule", rule, ("huang", "timm", "efficientnet"))
    layers = jnp.arange(num_layers, dtype=final.dtype)
    share = {
        "huang": (layers + 1.0) / num_layers,
        "timm": layers / max(num_layers - 1, 1),
        "efficientnet": layers / num_layers,
    }[rule]
    return final * share
