"""Noise on spectrograms (*batch, time, frequency): blocks of time and frequency masked, and time bent."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..._core import dtypes
from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Number, Numbers
from ...random import split
from .._draws import integers, symmetric
from .._examples import number_per_example


def spec_augment(
    key: Key | None,
    spectrogram: Float[Array, "*batch time frequency"],
    frequency_width: Numbers,
    time_width: Numbers,
    *,
    num_frequency_masks: int = 1,
    num_time_masks: int = 1,
    fill: Number = 0.0,
) -> Float[Array, "*batch time frequency"]:
    """Mask blocks of frequencies and blocks of times.

        width ~ U{0, ..., frequency_width},   start ~ U{0, ..., size - width},   and the same along time

    Every index of the leading axes draws for itself, channels too; map over the channels under one key to give them the
    same masks. Widths of 0 mask nothing; `spec_augment(None, ...)` is the spectrogram. The paper also warps time:
    `chain(partial(random_time_warp, distance=80), partial(spec_augment, ...))`.

    Args:
      key: one key, or None for no noise.
      spectrogram: one, or a batch of them.
      frequency_width, time_width: the paper's F and T, the widest blocks, in bins and in frames, at least 0; one for
        all, or one per spectrogram, (*batch). 27 and 100 are its LibriSpeech policies. A block is never wider than the
        axis. To bound it by a share p of the time, as the Switchboard policies do, pass `min(T, p * num_frames)`.
      num_frequency_masks, num_time_masks: how many blocks; they may overlap.
      fill: what masked places become; 0 is the mean of a normalized spectrogram.

    Raises:
      ValueError: a concrete width below 0. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> masked = augment.spec_augment(jax.random.key(1), jnp.ones((100, 80)), 27, 40)
    >>> masked.shape, int(((masked == 0).all(0)).sum()) <= 27
    ((100, 80), True)

    Park et al., SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition, Interspeech 2019.
    """
    check = Checks("spec_augment")
    spectrogram = _checked(check, spectrogram)
    *batch, length, num_bins = spectrogram.shape
    bins = number_per_example(check, "frequency_width", frequency_width, tuple(batch), 0.0, num_axes=1)
    frames = number_per_example(check, "time_width", time_width, tuple(batch), 0.0, num_axes=1)
    num_frequency_masks = check.integer("num_frequency_masks", num_frequency_masks, low=0)
    num_time_masks = check.integer("num_time_masks", num_time_masks, low=0)
    shade = check.scalar("fill", fill)
    if key is None:
        return spectrogram
    frequency_key, time_key = split(check.key(key))
    of_frequency = _blocks(frequency_key, (*batch, num_frequency_masks), num_bins, bins)[..., None, :]
    of_time = _blocks(time_key, (*batch, num_time_masks), length, frames)[..., None]
    masked = jnp.where(of_frequency | of_time, shade.astype(spectrogram.dtype), spectrogram)
    return spoiled(masked, bins, frames)


def random_time_warp(
    key: Key | None, spectrogram: Float[Array, "*batch time frequency"], distance: Numbers
) -> Float[Array, "*batch time frequency"]:
    """Move one moment of each spectrogram to another, and stretch what is before and after it to fit.

        moved by ~ U(-distance, distance),   from ~ U(distance, time - 1 - distance)

    Frames between two are interpolated linearly; the first and the last stay where they are. Distance 0 changes
    nothing; `random_time_warp(None, ...)` is the spectrogram.

    Args:
      key: one key, or None for no noise.
      spectrogram: one, or a batch of them.
      distance: the paper's W, in frames, at least 0; one for all, or one per spectrogram, (*batch). 80 is usual. Above
        half of the time it counts as half.

    Raises:
      ValueError: a concrete distance below 0. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> ramp = jnp.arange(9.0)[:, None]
    >>> warped = augment.random_time_warp(jax.random.key(0), ramp, 3)
    >>> bool((jnp.diff(warped[:, 0]) > 0).all()), warped[0].tolist(), warped[-1].tolist()
    (True, [0.0], [8.0])

    Park et al., SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition, Interspeech 2019.
    """
    check = Checks("random_time_warp")
    spectrogram = _checked(check, spectrogram)
    *batch, length, _ = spectrogram.shape
    distance = number_per_example(check, "distance", distance, tuple(batch), 0.0, num_axes=1)
    if key is None or length < 2:
        return spectrogram
    last = length - 1.0
    reach = jnp.minimum(jnp.nan_to_num(distance).astype(jnp.float32), 0.5 * last)
    from_key, by_key = split(check.key(key))
    shift = symmetric(by_key, (*batch, 1), reach)
    moment = 0.5 * last + symmetric(from_key, (*batch, 1), 0.5 * last - reach)
    return spoiled(_bent(spectrogram, moment, shift), distance)


@partial(jax.jit, inline=True)
def _bent(spectrogram: Array, moment: Array, shift: Array) -> Array:
    """Read what was at `moment` at `moment + shift`: both (*batch, 1), in frames."""
    length = spectrogram.shape[-2]
    time = jnp.arange(length, dtype=jnp.float32).reshape((1,) * (spectrogram.ndim - 2) + (length,))
    end = moment + shift
    share = jnp.where(
        time < end, time / jnp.maximum(end, 1.0), (length - 1 - time) / jnp.maximum(length - 1 - end, 1.0)
    )
    source = jnp.clip(time - shift * share, 0.0, length - 1.0)
    below = jnp.minimum(source.astype(jnp.int32), length - 2)
    wide = dtypes.widened(spectrogram.dtype)
    fraction = (source - below.astype(jnp.float32)).astype(wide)[..., None]
    first, second = (
        jnp.take_along_axis(spectrogram, (below + i)[..., None], axis=-2, mode="promise_in_bounds").astype(wide)
        for i in (0, 1)
    )
    # Exact at both ends: where the fraction is 0 or 1, the other frame does not count, even an infinite one.
    blend = first + fraction * (second - first)
    return jnp.where(fraction == 0.0, first, jnp.where(fraction == 1.0, second, blend)).astype(spectrogram.dtype)


@partial(jax.jit, static_argnames=("shape", "size"), inline=True)
def _blocks(key: Key, shape: tuple[int, ...], size: int, widest: Array) -> Bool[Array, "*batch size"]:
    """Which places of an axis lie in one of the blocks, of which `shape` (*batch, num) are drawn."""
    width_key, start_key = split(key)
    bound = jnp.minimum(jnp.floor(jnp.nan_to_num(widest)), size).astype(jnp.int32)
    width = integers(width_key, shape, bound + 1)[..., None]
    start = integers(start_key, shape, size - width[..., 0] + 1)[..., None]
    place = jnp.arange(size, dtype=jnp.int32).reshape((1,) * len(shape) + (size,))
    return jnp.any((place >= start) & (place < start + width), axis=-2)


def _checked(check: Checks, spectrogram: Array) -> Array:
    spectrogram = check.floating("spectrogram", spectrogram)
    if spectrogram.ndim < 2:
        raise ValueError(f"{check}: spectrogram must be (*batch, time, frequency); got shape {spectrogram.shape}")
    return spectrogram
