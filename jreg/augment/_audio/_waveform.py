"""Loudness, place and background of sounds (*batch, time); every sound draws for itself."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._core import dtypes
from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from ...random import normal, split
from .._draws import integers, symmetric
from .._examples import number_per_example


def mix_at_snr(
    audio: Float[Array, "*batch time"], noise: Float[Array, "*batch time"], snr_db: Numbers
) -> Float[Array, "*batch time"]:
    """Add noise to sounds, scaled to a signal-to-noise ratio.

        audio + g * noise,   10 log10(power(audio) / power(g * noise)) = snr_db

    Power is the mean square over the whole sound. A silent sound has no ratio and stays silent. Where the noise is
    silent, the sound stays as it is.

    Args:
      audio: sounds.
      noise: of audio's shape.
      snr_db: in decibels; one for all, or one per sound, (*batch). 0 makes both as loud, infinity adds nothing.

    Raises:
      ValueError: shapes that differ, or a concrete ratio that is NaN or -infinity. A traced one gives NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.mix_at_snr(jnp.array([2.0, -2.0]), jnp.array([1.0, 1.0]), 20.0).tolist()
    [2.200000047683716, -1.7999999523162842]
    """
    check = Checks("mix_at_snr")
    audio, noise = _sounds(check, audio), check.floating("noise", noise)
    if noise.shape != audio.shape:
        raise ValueError(f"{check}: noise must have the shape of audio, {audio.shape}; got {noise.shape}")
    return _mixed(audio, noise, _ratio(check, snr_db, audio))


def random_background_noise(
    key: Key | None, audio: Float[Array, "*batch time"], noise: Float[Array, "recordings length"], snr_db: Numbers
) -> Float[Array, "*batch time"]:
    """Add a random stretch of a random recording to each sound, at a signal-to-noise ratio.

    A recording starts again after its end, so it may be shorter than the sounds. What is added is scaled as in
    `mix_at_snr`. `random_background_noise(None, ...)` is `audio`.

    Args:
      key: one key, or None for no noise.
      audio: sounds.
      noise: recordings of one length.
      snr_db: in decibels; one for all, or one per sound, (*batch), such as 10 + 5 * `jax.random.normal`.

    Raises:
      ValueError: no recording, or a concrete ratio that is NaN or -infinity. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> hum = jnp.sin(jnp.arange(100.0))[None]
    >>> noisy = augment.random_background_noise(jax.random.key(0), jnp.ones((2, 1000)), hum, 20.0)
    >>> f"{10 * jnp.log10(1 / jnp.mean((noisy - 1) ** 2)):.2f} dB"
    '20.00 dB'

    Ko et al., A Study on Data Augmentation of Reverberant Speech for Robust Speech Recognition, ICASSP 2017.
    """
    check = Checks("random_background_noise")
    audio, noise = _sounds(check, audio), check.floating("noise", noise)
    if noise.ndim != 2 or 0 in noise.shape:
        raise ValueError(f"{check}: noise must be (recordings, length), with one at least; got shape {noise.shape}")
    ratio = _ratio(check, snr_db, audio)
    if key is None:
        return audio
    which_key, start_key = split(check.key(key))
    which, start = (
        integers(part_key, (*audio.shape[:-1], 1), bound)
        for part_key, bound in zip((which_key, start_key), noise.shape, strict=True)
    )
    return _mixed(audio, noise[which, (start + _time(audio)) % noise.shape[1]], ratio)


def random_white_noise(
    key: Key | None, audio: Float[Array, "*batch time"], snr_db: Numbers
) -> Float[Array, "*batch time"]:
    """Add white Gaussian noise to each sound, at a signal-to-noise ratio.

    It is scaled as in `mix_at_snr`: the ratio is exact for each sound, not in the mean. `random_white_noise(None, ...)`
    is `audio`.

    Args:
      key: one key, or None for no noise.
      audio: sounds.
      snr_db: in decibels; one for all, or one per sound, (*batch).

    Raises:
      ValueError: a concrete ratio that is NaN or -infinity. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> noisy = augment.random_white_noise(jax.random.key(0), jnp.ones(1000), 20.0)
    >>> f"{10 * jnp.log10(1 / jnp.mean((noisy - 1) ** 2)):.2f} dB"
    '20.00 dB'
    """
    check = Checks("random_white_noise")
    audio = _sounds(check, audio)
    ratio = _ratio(check, snr_db, audio)
    if key is None:
        return audio
    return _mixed(audio, normal(check.key(key), audio.shape, 1.0), ratio)


def random_gain(
    key: Key | None, audio: Float[Array, "*batch time"], max_decibels: Numbers
) -> Float[Array, "*batch time"]:
    """Make each sound louder or softer by a random number of decibels.

        y = x * 10 ** (d / 20),   d ~ U(-max_decibels, max_decibels)

    Nothing is clipped. At 0, and for `random_gain(None, ...)`, the result is `audio`.

    Args:
      key: one key, or None for no change.
      audio: sounds.
      max_decibels: at least 0; one for all, or one per sound, (*batch). 6 doubles or halves the amplitude.

    Raises:
      ValueError: concrete `max_decibels` below 0. Traced ones give NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> louder = augment.random_gain(jax.random.key(0), jnp.ones((100, 1)), 6.0206)
    >>> bool((louder > 0.5).all() & (louder < 2).all())
    True
    """
    check = Checks("random_gain")
    audio = _sounds(check, audio)
    limit = number_per_example(check, "max_decibels", max_decibels, audio.shape[:-1], 0.0, ends="[)", num_axes=1)
    if key is None:
        return audio
    decibels = symmetric(check.key(key), (*audio.shape[:-1], 1), limit)
    wide = dtypes.widened(audio.dtype)
    return (audio.astype(wide) * (10.0 ** (decibels / 20.0)).astype(wide)).astype(audio.dtype)


def random_time_shift(
    key: Key | None, audio: Float[Array, "*batch time"], max_share: Numbers
) -> Float[Array, "*batch time"]:
    """Move each sound to an earlier or later time; silence fills the gap.

        y(t) = x(t - d),   d ~ U{-w, ..., w},   w = floor(max_share * time)

    At 0, and for `random_time_shift(None, ...)`, the result is `audio`.

    Args:
      key: one key, or None for no change.
      audio: sounds.
      max_share: the largest move as a share of the length, in [0, 1]; one for all, or one per sound, (*batch).

    Raises:
      ValueError: a concrete `max_share` outside [0, 1]. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> moved = augment.random_time_shift(jax.random.key(0), jnp.array([0.0, 0.0, 1.0, 0.0, 0.0]), 0.4)
    >>> float(moved.sum())
    1.0
    """
    check = Checks("random_time_shift")
    audio = _sounds(check, audio)
    share = number_per_example(check, "max_share", max_share, audio.shape[:-1], 0.0, 1.0, num_axes=1)
    if key is None:
        return audio
    length = audio.shape[-1]
    widest = jnp.floor(jnp.nan_to_num(share).astype(jnp.float32) * length).astype(jnp.int32)
    move = integers(check.key(key), (*audio.shape[:-1], 1), 2 * widest + 1) - widest
    source = _time(audio) - move
    is_inside = (source >= 0) & (source < length)
    moved = jnp.take_along_axis(audio, jnp.where(is_inside, source, 0), axis=-1, mode="promise_in_bounds")
    return spoiled(jnp.where(is_inside, moved, 0.0), share)


@partial(jax.jit, inline=True)
def _mixed(audio: Array, noise: Array, ratio: Array) -> Array:
    wide = dtypes.widened(audio.dtype)
    audio_wide, noise = audio.astype(wide), noise.astype(wide)
    power, noise_power = (jnp.mean(x**2, axis=-1, keepdims=True) for x in (audio_wide, noise))
    is_audible = (power > 0.0) & (noise_power > 0.0)
    gain = jnp.sqrt(jnp.where(is_audible, power, 1.0) / jnp.where(is_audible, noise_power, 1.0))
    gain = gain * (10.0 ** (-ratio / 20.0)).astype(wide)
    return jnp.where(is_audible, audio_wide + gain * noise, audio_wide + 0.0 * gain).astype(audio.dtype)


def _ratio(check: Checks, snr_db: Numbers, audio: Array) -> Float[Array, "*batch 1"]:
    ratio = number_per_example(check, "snr_db", snr_db, audio.shape[:-1], ends="(]")
    return jnp.broadcast_to(ratio, audio.shape[:-1])[..., None]


def _time(audio: Array) -> Array:
    return jnp.arange(audio.shape[-1], dtype=jnp.int32).reshape((1,) * (audio.ndim - 1) + (-1,))


def _sounds(check: Checks, audio: Array) -> Array:
    audio = check.floating("audio", audio)
    if audio.ndim == 0:
        raise ValueError(f"{check}: audio must be (*batch, time); got shape ()")
    return audio
