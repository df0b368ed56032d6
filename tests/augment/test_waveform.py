"""Noise at the ratio asked for, gains, and moves in time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
SOUNDS = jnp.asarray(RNG.normal(size=(4, 1000)) * [[0.01], [1.0], [3.0], [100.0]], jnp.float32)
RECORDINGS = jnp.asarray(RNG.normal([[0.0], [10.0], [20.0]], 1.0, (3, 37)), jnp.float32)

background, white, mix = map(jax.jit, (augment.random_background_noise, augment.random_white_noise, augment.mix_at_snr))
shift = jax.jit(augment.random_time_shift)


def decibels(audio, noisy):
    """The ratio that came out, in float64."""
    audio, noise = np.float64(audio), np.float64(noisy) - np.float64(audio)
    return 10 * np.log10((audio**2).mean(-1) / (noise**2).mean(-1))


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 20.0])
def test_the_ratio_is_the_one_asked_for(snr_db):
    for noisy in (
        background(KEY, SOUNDS, RECORDINGS, snr_db),
        white(KEY, SOUNDS, snr_db),
        mix(SOUNDS, SOUNDS[::-1], snr_db),
    ):
        np.testing.assert_allclose(decibels(SOUNDS, noisy), snr_db, atol=1e-3)


def test_every_sound_may_have_a_ratio_of_its_own():
    ratios = jnp.array([0.0, 5.0, 10.0, 15.0])
    np.testing.assert_allclose(decibels(SOUNDS, white(KEY, SOUNDS, ratios)), ratios, atol=1e-3)
    with pytest.raises(
        ValueError, match=r"^random_white_noise: snr_db must be a scalar or broadcast against shape \(4,\)"
    ):
        augment.random_white_noise(KEY, SOUNDS, ratios[:3])


def test_silence_on_either_side_gives_no_nan():
    silent = jnp.zeros((4, 1000))
    np.testing.assert_array_equal(mix(silent, SOUNDS, 0.0), silent)
    np.testing.assert_array_equal(mix(SOUNDS, silent, 0.0), SOUNDS)
    gradient = jax.jit(jax.grad(lambda audio: jnp.sum(augment.mix_at_snr(audio, SOUNDS, 3.0) ** 2)))(silent)
    assert jnp.isfinite(gradient).all()


def test_what_is_added_is_a_stretch_of_one_recording_that_begins_again():
    sounds = jnp.ones((400, 80))
    added = np.asarray(background(KEY, sounds, RECORDINGS, 0.0) - sounds)
    np.testing.assert_allclose(added[:, 37:74], added[:, :37], atol=1e-5)
    # Every stretch is one of the 3 x 37, up to its scale.
    extended = np.concatenate([RECORDINGS] * 4, 1)
    stretches = np.stack([extended[which, start : start + 80] for which in range(3) for start in range(37)])
    scaled = added / np.sqrt((added**2).mean(1, keepdims=True))
    candidates = stretches / np.sqrt((stretches**2).mean(1, keepdims=True))
    distances = np.abs(scaled[:, None] - candidates[None]).max(2)
    assert distances.min(1).max() < 1e-4
    found = distances.argmin(1)
    assert scipy.stats.chisquare(np.bincount(found // 37, minlength=3)).pvalue > 1e-3
    assert scipy.stats.chisquare(np.bincount(found % 37, minlength=37)).pvalue > 1e-3


def test_white_noise_is_normal_and_white():
    added = np.asarray(white(KEY, jnp.ones((1, 20000)), 0.0))[0] - 1.0
    assert scipy.stats.kstest(added, "norm").pvalue > 1e-3
    assert abs((added[1:] * added[:-1]).mean()) < 5 / 20000**0.5


def test_gains_are_uniform_in_decibels():
    gains = jax.jit(augment.random_gain)(KEY, jnp.ones((4000, 2)), 6.0)
    np.testing.assert_array_equal(gains[:, 0], gains[:, 1])
    law = scipy.stats.uniform(-6, 12)
    assert scipy.stats.kstest(20 * np.log10(np.asarray(gains[:, 0])), law.cdf).pvalue > 1e-3


def test_moves_are_uniform_and_silence_enters():
    ramps = jnp.broadcast_to(jnp.arange(1.0, 11.0)[None], (4000, 10))
    moved = np.asarray(shift(KEY, ramps, 0.39))
    first = np.where(moved[:, 4] > 0, moved[:, 4], 0)
    moves = 5 - first.astype(int)
    assert set(moves) == set(range(-3, 4))
    assert scipy.stats.chisquare(np.bincount(moves + 3)).pvalue > 1e-3
    for row, move in zip(moved[:50], moves[:50], strict=True):
        source = np.arange(1, 11) - move
        np.testing.assert_array_equal(row, np.where((source >= 1) & (source <= 10), source, 0))
    assert not np.isnan(shift(KEY, jnp.full((4000, 10), jnp.nan), 1.0)).all()


def test_bad_sounds_and_recordings_are_refused():
    with pytest.raises(
        ValueError, match=r"^mix_at_snr: noise must have the shape of audio, \(4, 1000\); got \(3, 37\)"
    ):
        augment.mix_at_snr(SOUNDS, RECORDINGS, 0.0)
    with pytest.raises(
        ValueError, match=r"^random_background_noise: noise must be \(recordings, length\), .* got shape \(37,\)"
    ):
        augment.random_background_noise(KEY, SOUNDS, RECORDINGS[0], 0.0)
    with pytest.raises(TypeError, match=r"^random_gain: audio must be an array of floats; got dtype int32"):
        augment.random_gain(KEY, jnp.ones(3, int), 1.0)
    with pytest.raises(ValueError, match=r"^random_time_shift: audio must be \(\*batch, time\)"):
        augment.random_time_shift(KEY, jnp.float32(1), 0.1)
