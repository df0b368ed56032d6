"""Time and pitch of tones, against the classical phase vocoder on scipy's spectra; the laws of the random numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
import scipy.stats

from jreg import augment

KEY = jax.random.key(3)
SAMPLING_RATE = 8000
LENGTH = 4000
FRAME = 512
stretch = jax.jit(lambda audio, rate: augment.time_stretch(audio, rate, frame_length=FRAME))
shift = jax.jit(lambda audio, semitones: augment.pitch_shift(audio, semitones, frame_length=FRAME))


def tone(frequency=440.0, length=LENGTH):
    return np.sin(2 * np.pi * frequency * np.arange(length) / SAMPLING_RATE).astype(np.float32)


def noise():
    return scipy.signal.lfilter([1], [1, -0.9], np.random.default_rng(0).normal(size=LENGTH)).astype(np.float32)


def peak(audio):
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * LENGTH))
    return spectrum.argmax() * SAMPLING_RATE / (8 * LENGTH)


def classical_vocoder(audio, rate):
    """librosa's: magnitudes interpolated between the frames of one grid, phases advanced by those frames."""
    hop = FRAME // 4
    spectra = scipy.signal.stft(audio, nperseg=FRAME, noverlap=FRAME - hop)[2]
    num_frames = -(-len(audio) // hop) + 1
    spectra = np.pad(spectra, ((0, 0), (0, int(num_frames * rate) + 2)))
    expected = np.linspace(0, np.pi * hop, len(spectra))
    phases, frames = np.angle(spectra[:, 0]), []
    for position in np.arange(num_frames) * rate:
        first, second = spectra[:, int(position)], spectra[:, int(position) + 1]
        share = position % 1.0
        frames.append(((1 - share) * np.abs(first) + share * np.abs(second)) * np.exp(1j * phases))
        turn = np.angle(second) - np.angle(first) - expected
        phases = phases + expected + turn - 2 * np.pi * np.round(turn / (2 * np.pi))
    return scipy.signal.istft(np.stack(frames, 1), nperseg=FRAME, noverlap=FRAME - hop)[1][: len(audio)]


@pytest.mark.parametrize("rate", [2.0, 3.0])
def test_whole_rates_are_the_classical_phase_vocoder(rate):
    # Past the end the frames of the grid stop, while ours still see its last samples.
    inside = int((LENGTH - FRAME) / rate)
    expected = classical_vocoder(noise().astype(np.float64), rate)
    np.testing.assert_allclose(stretch(noise(), rate)[:inside], expected[:inside], atol=1e-4)


@pytest.mark.parametrize("rate", [0.8, 1.5])
def test_other_rates_have_the_spectrum_of_the_classical_phase_vocoder(rate):
    inside = int((LENGTH - FRAME) / max(rate, 1.0))
    ours, theirs = (
        scipy.signal.welch(audio[:inside], nperseg=256)[1]
        for audio in (np.asarray(stretch(noise(), rate)), classical_vocoder(noise(), rate))
    )
    assert np.corrcoef(np.log(ours), np.log(theirs))[0, 1] > 0.98


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_a_stretched_tone_keeps_its_pitch_and_loudness_and_ends_when_it_should(rate):
    stretched = np.asarray(stretch(np.concatenate([tone(length=2000), np.zeros(2000, np.float32)]), rate))
    end = int(2000 / rate)
    assert abs(peak(stretched[: min(end, LENGTH)]) - 440) < 2
    assert 0.9 < np.abs(stretched[FRAME // 2 : end - FRAME // 2]).max() < 1.1
    assert stretched.shape == (LENGTH,)
    assert np.abs(stretched[end + FRAME :]).max(initial=0.0) < 0.02


@pytest.mark.parametrize("semitones", [-12.0, -3.5, 0.5, 7.0, 12.0])
def test_a_tone_of_440_hz_moves_by_semitones_and_keeps_its_loudness(semitones):
    shifted = np.asarray(shift(tone(), semitones))
    assert abs(peak(shifted) - 440 * 2 ** (semitones / 12)) < 1
    assert 0.95 < np.abs(shifted[FRAME:-FRAME]).max() < 1.05


def test_frequencies_that_would_be_folded_are_removed():
    assert np.abs(shift(tone(3000.0), 12.0)[FRAME:-FRAME]).max() < 0.02


def test_what_changes_nothing_changes_no_bit_and_nearly_nothing_is_near_it():
    for change, nothing in ((stretch, 1.0), (shift, 0.0)):
        np.testing.assert_array_equal(change(noise(), nothing), noise())
        np.testing.assert_allclose(change(tone(), nothing + 1e-6), tone(), atol=2e-3)


def test_one_number_per_sound_is_the_loop():
    sounds = jnp.stack([tone(), noise()])[:, None]
    rates = jnp.array([[0.9], [1.4]])
    mapped = stretch(sounds, rates)
    for one, rate, sound in zip(mapped[:, 0], rates[:, 0], sounds[:, 0], strict=True):
        np.testing.assert_allclose(one, stretch(sound, rate), atol=1e-4)


def test_silence_stays_silent_and_has_a_gradient():
    def power(audio):
        return jnp.sum(augment.pitch_shift(audio, jnp.float32(3.0), frame_length=32) ** 2)

    assert not stretch(jnp.zeros(LENGTH), 1.2).any()
    assert jnp.isfinite(jax.jit(jax.grad(power))(jnp.zeros(100))).all()


def estimated_frequencies(sounds):
    """From the turn of the analytic signal in the middle of each sound."""
    middle = scipy.signal.hilbert(np.asarray(sounds))[:, 150:-150]
    return np.angle((middle[:, 1:] * np.conj(middle[:, :-1])).sum(1)) * SAMPLING_RATE / (2 * np.pi)


def test_semitones_are_uniform():
    sounds = jnp.broadcast_to(jnp.asarray(tone(1000.0, 512))[None], (1000, 512))
    shifted = augment.random_pitch_shift(KEY, sounds, 6.0, frame_length=128)
    semitones = 12 * np.log2(estimated_frequencies(shifted) / 1000)
    assert scipy.stats.kstest(semitones, scipy.stats.uniform(-6, 12).cdf).pvalue > 1e-3


def test_faster_and_slower_are_equally_likely():
    """log(rate) is uniform: seen in where a click at sample 256 goes."""
    clicks = jnp.zeros((1000, 512)).at[:, 256].set(1.0)
    stretched = np.abs(np.asarray(augment.random_time_stretch(KEY, clicks, 1.5, frame_length=16)))
    rates = 256 / ((stretched**2 * np.arange(512)).sum(1) / (stretched**2).sum(1))
    law = scipy.stats.uniform(-np.log(1.5), 2 * np.log(1.5))
    assert scipy.stats.kstest(np.log(rates), law.cdf).pvalue > 1e-3


def test_bad_sounds_and_frames_are_refused():
    with pytest.raises(ValueError, match=r"^time_stretch: rate must be above 0|rate must be finite and above 0; got 0"):
        augment.time_stretch(tone(), 0)
    with pytest.raises(
        ValueError, match=r"^pitch_shift: semitones must be a scalar or broadcast against shape \(\) .*; got"
    ):
        augment.pitch_shift(tone(), np.ones(3))
    with pytest.raises(ValueError, match=r"^random_pitch_shift: frame_length must be a multiple of 4; got 510"):
        augment.random_pitch_shift(KEY, tone(), 2, frame_length=510)
    with pytest.raises(TypeError, match=r"^random_time_stretch: audio must be an array of floats; got dtype int32"):
        augment.random_time_stretch(KEY, jnp.arange(8), 1.2)
    with pytest.raises(ValueError, match=r"^random_time_stretch: audio must be \(\*batch, time\); got shape \(\)"):
        augment.random_time_stretch(KEY, jnp.float32(1), 1.2)
    with pytest.raises(
        ValueError, match=r"^time_stretch: audio must be longer than half of frame_length.* got shape \(2, 0\)"
    ):
        augment.time_stretch(jnp.ones((2, 0)), 1.2)
