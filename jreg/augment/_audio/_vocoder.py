"""The phase vocoder under `time_stretch` and `pitch_shift`: time and pitch of a sound, each on its own.

Output frame t is the spectrum of what the input holds around sample `t * hop * rate`, read at `ratio` input samples per
output sample: `rate` makes time run faster, `ratio` makes the pitch higher. The phases of neighbouring frames are then
made to fit: from frame t to frame t + 1 each frequency turns as far as it does in the input within one hop after the
place of frame t. The number of frames depends on neither number, so both can be traced.

The classical vocoder takes both spectra from one grid of frames and interpolates magnitudes where a place falls between
two; here each is taken where it is wanted. At whole rates the two agree.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

_HOPS_PER_FRAME = 4
_DENSITY = 4


def stretched(audio: Float[Array, " time"], rate: Float[Array, ""], frame_length: int) -> Float[Array, " time"]:
    """Run time `rate` times as fast."""
    return _vocode(audio, 1, audio.size, rate, jnp.ones_like(rate), frame_length)


def shifted(audio: Float[Array, " time"], ratio: Float[Array, ""], frame_length: int) -> Float[Array, " time"]:
    """Multiply all frequencies by `ratio`."""
    return _vocode(_denser(audio, ratio), _DENSITY, audio.size, jnp.ones_like(ratio), ratio, frame_length)


def _vocode(samples: Array, density: int, length: int, rate: Array, ratio: Array, frame_length: int) -> Array:
    from jax.scipy import signal

    hop = frame_length // _HOPS_PER_FRAME
    num_frames = -(-length // hop) + 1
    centers = jnp.round(jnp.arange(num_frames, dtype=jnp.float32) * hop * rate)
    centers = jnp.minimum(centers, length + frame_length).astype(jnp.int32)
    steps = jnp.arange(frame_length, dtype=jnp.float32) - frame_length // 2
    window = _hann(frame_length).astype(samples.dtype)[None]
    here, later = (
        jnp.fft.rfft(_read(samples, density, centers, ratio * (steps + offset)) * window) for offset in (0, hop)
    )
    turns = _angle(later[:-1] * jnp.conj(here[:-1]))
    phases = jnp.cumsum(jnp.concatenate([_angle(here[:1]), turns]), axis=0)
    modulus = _modulus(here) / jnp.sum(window)
    spectra = lax.complex(modulus * jnp.cos(phases), modulus * jnp.sin(phases))
    _, audio = signal.istft(spectra, nperseg=frame_length, noverlap=frame_length - hop, time_axis=-2, freq_axis=-1)
    return audio[:length].astype(samples.dtype)


def _denser(audio: Float[Array, " time"], ratio: Float[Array, ""]) -> Float[Array, " samples"]:
    """The signal sampled more densely, without the frequencies that would be folded when they are raised by `ratio`."""
    spectrum = jnp.fft.rfft(audio)
    frequency = jnp.arange(spectrum.size, dtype=jnp.float32) / audio.size
    kept = jnp.where(frequency * ratio <= 0.5, spectrum, 0.0)
    return jnp.fft.irfft(kept, _DENSITY * audio.size) * _DENSITY


def _read(samples: Array, density: int, centers: Array, distances: Array) -> Float[Array, "frames length"]:
    """The signal at every center plus every distance, linearly between samples, and silence beyond its ends."""
    # Places are added as integers: float32 has no room for the fraction of a place far from the start.
    position = distances * density
    below = jnp.floor(position)
    fraction = (position - below).astype(samples.dtype)[None]
    index = centers[:, None] * density + below.astype(jnp.int32)[None]
    first, second = (
        samples.at[index + i].get(mode="fill", fill_value=0.0, wrap_negative_indices=False) for i in (0, 1)
    )
    return first + fraction * (second - first)


def _hann(length: int) -> Float[Array, " length"]:
    return 0.5 - 0.5 * jnp.cos(2.0 * jnp.pi * jnp.arange(length, dtype=jnp.float32) / length)


def _angle(z: Complex[Array, "..."]) -> Float[Array, "..."]:
    """The angle; 0 at 0, with a gradient of 0 there."""
    return jnp.angle(jnp.where(z == 0.0, 1.0, z))


def _modulus(z: Complex[Array, "..."]) -> Float[Array, "..."]:
    """The modulus, with a gradient of 0 at 0."""
    return jnp.where(z == 0.0, 0.0, jnp.abs(jnp.where(z == 0.0, 1.0, z)))
