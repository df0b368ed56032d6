"""What each noise drops, as pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ... import noise
from ..._core.checks import Checks
from ..._core.types import Key
from ...random import split
from ._axes import valid_axes

Noise = Callable[[Any, Any, Any], Any]
DARK, LIGHT = "#111111", "#d9d9d9"


def plot_masks(
    key: Key | None,
    rate: float,
    *,
    noises: Mapping[str, Noise] | None = None,
    shape: tuple[int, int, int, int] = (4, 12, 12, 2),
    axes: Any = None,
) -> Any:
    """Draw what each noise drops from a small batch of images: a row per noise, a panel per example and channel.

    A panel shows what becomes of ones: dark is dropped and light is kept. The lightest grey is the largest value of the
    row, so that noise which scales, as `gaussian_dropout` does, gives shades. Every noise gets a key of its own.

    Args:
      key: one key; None drops nothing.
      rate: the rate of each.
      noises: functions `(key, x, rate) -> x` by name; None draws those of `jreg.noise` that drop.
      shape: (examples, height, width, channels).
      axes: matplotlib axes to draw on; None makes a figure.

    Returns the axes. Needs matplotlib, which is imported only here.

    Raises:
      ValueError: a rate outside [0, 1], a shape that is not four sizes of at least 1, no noise, or one that changes the
        shape.
      TypeError: `axes` are none of matplotlib's.

    >>> import jax
    >>> from jreg import diagnose, noise
    >>> axes = diagnose.plot_masks(jax.random.key(0), 0.3, noises={"dropout": noise.dropout})
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['dropout']
    """
    check = Checks("plot_masks")
    check.valid_scalar("rate", rate, 0.0, 1.0)
    sizes = check.shape("shape", shape)
    noises = NOISES if noises is None else check.mapping("noises", noises, "functions (key, x, rate) -> x")
    if len(sizes) != 4 or 0 in sizes or not noises:
        raise ValueError(f"{check}: shape must hold four sizes of at least 1, and noises a function; got {sizes}")
    rows = [
        _row(check, name, function(own, jnp.ones(sizes), rate), sizes)
        for own, (name, function) in zip(split(key, len(noises)), noises.items(), strict=True)
    ]
    num_panels, height, width = rows[0].shape
    size = (6.8, 0.8 + 5.0 * len(rows) * (height + 2) / (num_panels * (width + 2)))
    return _drawn(valid_axes(check, axes, size), list(noises), np.stack(rows), sizes)


def _row(check: Checks, name: str, factors: Array, shape: tuple[int, ...]) -> np.ndarray:
    """The panels of one noise, (panels, height, width), scaled to [0, 1]; alpha dropout and ShakeDrop go below zero."""
    values = np.asarray(factors, np.float64)
    if values.shape != shape:
        raise ValueError(f"{check}: noises[{name!r}] must keep the shape of x; got shape {values.shape}")
    low, high = min(values.min(), 0.0), max(values.max(), 1.0)
    values = (values - low) / (high - low)
    return values.transpose(0, 3, 1, 2).reshape(-1, *values.shape[1:3])


def _drawn(axes: Any, names: list[str], rows: np.ndarray, shape: tuple[int, ...]) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    examples, height, width, channels = shape
    # A frame of NaN, which is drawn in white, keeps the panels apart.
    framed = np.pad(rows, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    picture = np.concatenate([np.concatenate(list(row), axis=1) for row in framed], axis=0)
    shades = LinearSegmentedColormap.from_list("kept", [DARK, LIGHT])
    axes.imshow(picture, cmap=shades, vmin=0.0, vmax=1.0, interpolation="nearest", aspect="equal")
    axes.set_yticks((np.arange(len(names)) + 0.5) * (height + 2) - 0.5, names)
    panels = [f"{i + 1}, {j + 1}" for i in range(examples) for j in range(channels)]
    axes.set_xticks((np.arange(len(panels)) + 0.5) * (width + 2) - 0.5, panels)
    axes.tick_params(length=0, labelsize="small")
    axes.spines[:].set_visible(False)
    axes.set_xlabel("example, channel\n(dark: dropped, light: kept)")
    return axes


def _patches(key: Key | None, x: Array, rate: float) -> Array:
    """Patch dropout on 4 by 4 patches of each image: the patches whose numbers are kept."""
    batch, height, width, _ = x.shape
    down, across = (jnp.arange(size) * 4 // size for size in (height, width))
    number = 4 * down[:, None] + across[None]
    kept = noise.patch_dropout(key, jnp.broadcast_to(jnp.arange(16)[None], (batch, 16)), rate)
    is_kept = jnp.any(kept[:, :, None, None] == number[None, None], axis=1)
    return jnp.broadcast_to(is_kept[..., None], x.shape).astype(x.dtype)


NOISES: Mapping[str, Noise] = {
    "dropout": noise.dropout,
    "gaussian_dropout": noise.gaussian_dropout,
    "concrete_dropout": noise.concrete_dropout,
    "alpha_dropout": noise.alpha_dropout,
    "spatial_dropout": lambda key, x, rate: noise.spatial_dropout(key, x, rate, spatial_axes=(1, 2)),
    "variational_dropout\n(time down)": noise.variational_dropout,
    "dropblock": lambda key, x, rate: noise.dropblock(key, x, rate, block_size=max(min(x.shape[1:3]) // 4, 1)),
    "patch_dropout\n(4 by 4)": _patches,
    "stochastic_depth": noise.stochastic_depth,
    "shakedrop": noise.shakedrop,
    "zoneout\n(dark: as before)": lambda key, x, rate: noise.zoneout(key, jnp.zeros_like(x), x, rate),
    "dropconnect\n(of weights)": lambda key, x, rate: noise.dropconnect(key, x, rate, mask=None),
}
