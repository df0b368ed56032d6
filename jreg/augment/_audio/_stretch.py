"""Time and pitch of sounds (*batch, time), each changed without the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._core import dtypes
from ..._core.checks import Checks
from ..._core.placement import placed_along
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from .._draws import symmetric
from .._examples import number_per_example
from ._vocoder import shifted, stretched


def time_stretch(
    audio: Float[Array, "*batch time"], rate: Numbers, *, frame_length: int = 2048
) -> Float[Array, "*batch time"]:
    """Play sounds `rate` times as fast at the same pitch, by a phase vocoder.

    The length stays: a longer sound is cut off at the end, a shorter one is followed by silence. At rate 1 the
    result is `audio`, bit for bit.

    Args:
      audio: sounds.
      rate: above 0; one for all, or one per sound, (*batch). 2 halves the duration.
      frame_length: samples of a frame, a multiple of 4, below twice the length of the sounds; frames overlap by three
        quarters. 2048 suits music at 22 kHz, a quarter of that speech at 8 kHz.

    Raises:
      ValueError: a concrete rate that is not above 0. A traced one gives NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> tone = jnp.sin(jnp.arange(4000.0) * 0.3)
    >>> faster = augment.time_stretch(tone, 2.0, frame_length=512)
    >>> bool(jnp.abs(faster[:1800]).max() > 0.9), bool(jnp.abs(faster[2600:]).max() < 0.01)
    (True, True)

    Flanagan and Golden, Phase Vocoder, Bell System Technical Journal 1966.
    """
    check = Checks("time_stretch")
    audio, frame_length = _checked(check, audio, frame_length)
    rate = number_per_example(check, "rate", rate, audio.shape[:-1], 0.0, ends="()")
    return _each(stretched, audio, rate, frame_length)


def pitch_shift(
    audio: Float[Array, "*batch time"], semitones: Numbers, *, frame_length: int = 2048
) -> Float[Array, "*batch time"]:
    """Raise the pitch by a number of semitones at the same speed, by a phase vocoder.

    All frequencies are multiplied by 2**(semitones / 12); those that would pass half of the sampling rate are removed.
    At 0 semitones the result is `audio`, bit for bit.

    Args:
      audio: sounds.
      semitones: one for all, or one per sound, (*batch); 12 are an octave, and below 0 the pitch falls.
      frame_length: samples of a frame, a multiple of 4, below twice the length of the sounds; frames overlap by three
        quarters. 2048 suits music at 22 kHz, a quarter of that speech at 8 kHz.

    Raises:
      ValueError: concrete semitones that are not finite. Traced ones give NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> tone = jnp.sin(2 * jnp.pi * 440 * jnp.arange(4000.0) / 8000)
    >>> octave = augment.pitch_shift(tone, 12, frame_length=512)
    >>> int(jnp.abs(jnp.fft.rfft(octave)).argmax()) * 2
    880

    Laroche and Dolson, New Phase-Vocoder Techniques for Pitch-Shifting, WASPAA 1999.
    """
    check = Checks("pitch_shift")
    audio, frame_length = _checked(check, audio, frame_length)
    # Beyond ten octaves either way nothing audible is left, and powers of two would overflow.
    semitones = number_per_example(check, "semitones", semitones, audio.shape[:-1], -120.0, 120.0)
    return _each(shifted, audio, jnp.exp2(semitones / 12.0), frame_length)


def random_time_stretch(
    key: Key | None, audio: Float[Array, "*batch time"], max_rate: Numbers, *, frame_length: int = 2048
) -> Float[Array, "*batch time"]:
    """Play each sound faster or slower by a random factor, at the same pitch and length.

        rate = max_rate ** u,   u ~ U(-1, 1)

    Faster and slower are equally likely. The length stays as in `time_stretch`. At `max_rate` 1, and for
    `random_time_stretch(None, ...)`, the result is `audio`.

    Args:
      key: one key, or None for no change.
      audio: sounds.
      max_rate: at least 1; one for all, or one per sound, (*batch). 1.25 is usual.
      frame_length: samples of a frame, a multiple of 4, as in `time_stretch`.

    Raises:
      ValueError: a concrete `max_rate` below 1. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.random_time_stretch(jax.random.key(0), jnp.ones((2, 400)), 1.25, frame_length=64).shape
    (2, 400)

    Salamon and Bello, Deep Convolutional Neural Networks and Data Augmentation for Environmental Sound Classification,
    IEEE Signal Processing Letters 2017.
    """
    check = Checks("random_time_stretch")
    audio, frame_length = _checked(check, audio, frame_length)
    max_rate = number_per_example(check, "max_rate", max_rate, audio.shape[:-1], 1.0, ends="[)")
    if key is None:
        return audio
    rate = jnp.exp(symmetric(check.key(key), audio.shape[:-1], jnp.log(max_rate)))
    return _each(stretched, audio, rate, frame_length)


def random_pitch_shift(
    key: Key | None, audio: Float[Array, "*batch time"], max_semitones: Numbers, *, frame_length: int = 2048
) -> Float[Array, "*batch time"]:
    """Raise or lower the pitch of each sound by a random interval, at the same speed.

        semitones ~ U(-max_semitones, max_semitones)

    At 0 semitones, and for `random_pitch_shift(None, ...)`, the result is `audio`.

    Args:
      key: one key, or None for no change.
      audio: sounds.
      max_semitones: in [0, 120]; one for all, or one per sound, (*batch). 2 to 4 are usual.
      frame_length: samples of a frame, a multiple of 4, as in `pitch_shift`.

    Raises:
      ValueError: concrete `max_semitones` outside [0, 120]. Traced ones give NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.random_pitch_shift(jax.random.key(0), jnp.ones((2, 400)), 2, frame_length=64).shape
    (2, 400)

    Salamon and Bello, Deep Convolutional Neural Networks and Data Augmentation for Environmental Sound Classification,
    IEEE Signal Processing Letters 2017.
    """
    check = Checks("random_pitch_shift")
    audio, frame_length = _checked(check, audio, frame_length)
    semitones = number_per_example(check, "max_semitones", max_semitones, audio.shape[:-1], 0.0, 120.0)
    if key is None:
        return audio
    octaves = symmetric(check.key(key), audio.shape[:-1], semitones / 12.0)
    return _each(shifted, audio, jnp.exp2(octaves), frame_length)


@partial(jax.jit, static_argnames=("apply", "frame_length"), inline=True)
def _each(apply: Callable[..., Array], audio: Array, factors: Array, frame_length: int) -> Array:
    """Apply the vocoder to each sound by its factor, or by the one of all; 1 changes nothing, NaN gives NaN."""
    factors = jnp.broadcast_to(factors, audio.shape[:-1])
    wide = audio.astype(dtypes.widened(audio.dtype)).reshape(-1, audio.shape[-1])
    usable = jnp.nan_to_num(factors.astype(jnp.float32), nan=1.0).ravel()
    usable = placed_along(usable, wide)
    changed = jax.vmap(lambda sound, factor: apply(sound, factor, frame_length))(wide, usable)
    changed = changed.astype(audio.dtype).reshape(audio.shape)
    return spoiled(jnp.where(factors[..., None] == 1.0, audio, changed), factors)


def _checked(check: Checks, audio: Array, frame_length: int) -> tuple[Array, int]:
    frame_length = check.integer("frame_length", frame_length, low=4)
    if frame_length % 4:
        raise ValueError(f"{check}: frame_length must be a multiple of 4; got {frame_length}")
    audio = check.floating("audio", audio)
    if audio.ndim == 0:
        raise ValueError(f"{check}: audio must be (*batch, time); got shape ()")
    if audio.shape[-1] <= frame_length // 2:
        raise ValueError(
            f"{check}: audio must be longer than half of frame_length, {frame_length // 2} samples; "
            f"got shape {audio.shape}"
        )
    return audio, frame_length
