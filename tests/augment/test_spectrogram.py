"""Blocks of masked time and frequency, and bent time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(3)
mask = jax.jit(augment.spec_augment, static_argnames=("num_frequency_masks", "num_time_masks", "fill"))
warp = jax.jit(augment.random_time_warp)


def test_one_block_of_each_axis_is_masked_as_in_the_paper():
    """Widths are uniform on {0, ..., F}, and given the width the start is uniform."""
    masked = np.asarray(mask(KEY, jnp.ones((6000, 7, 9)), 4, 3))
    lost = masked == 0
    of_time, of_frequency = lost.all(2), lost.all(1)
    np.testing.assert_array_equal(lost, of_time[:, :, None] | of_frequency[:, None, :])
    for blocks, widest in ((of_frequency, 4), (of_time, 3)):
        widths = blocks.sum(1)
        assert scipy.stats.chisquare(np.bincount(widths, minlength=widest + 1)).pvalue > 1e-3
        starts = blocks[widths == widest].argmax(1)
        np.testing.assert_array_equal(
            np.diff(blocks.astype(int), axis=1, prepend=0, append=0).clip(0).sum(1), widths > 0
        )
        assert scipy.stats.chisquare(np.bincount(starts, minlength=blocks.shape[1] - widest + 1)).pvalue > 1e-3


def test_several_blocks_and_what_fills_them():
    x = jnp.ones((500, 60, 40))
    masked = np.asarray(mask(KEY, x, 0, 5, num_time_masks=3, fill=-2.5))
    lost = (masked == -2.5).all(2)
    assert set(np.unique(masked)) == {-2.5, 1.0}
    assert 10 < lost.sum(1).max() <= 15
    np.testing.assert_array_equal(mask(KEY, x, 40, 60, num_frequency_masks=0, num_time_masks=0), x)


def test_a_block_is_never_wider_than_the_axis_and_masked_nan_is_gone():
    masked = mask(KEY, jnp.full((200, 4, 4), jnp.nan), 1e6, 1e6)
    num_left = np.isnan(np.asarray(masked)).sum((1, 2))
    assert {0, 16} <= set(num_left)


def test_time_bends_at_one_moment_and_its_ends_stay():
    ramp = jnp.broadcast_to(jnp.arange(41.0)[:, None], (2000, 41, 1))
    warped = np.asarray(warp(KEY, ramp, 8.0))[..., 0]
    np.testing.assert_array_equal(warped[:, 0], 0.0)
    np.testing.assert_allclose(warped[:, -1], 40.0, atol=1e-5)
    slopes = np.diff(warped, axis=1)
    assert (slopes > 0).all()
    # Two slopes, and one step between them in which the bend lies.
    assert (np.abs(slopes - slopes[:, :1]) > 1e-4).any(1).mean() > 0.9
    is_first, is_last = (np.abs(slopes - slopes[:, [end]]) < 1e-4 for end in (0, -1))
    assert ((~is_first & ~is_last).sum(1) <= 1).all()
    # The lines from both ends meet at the bend.
    first, last = slopes[:, 0], slopes[:, -1]
    is_bent = np.abs(first - last) > 1e-3
    moment_after = (40 * (1 - last) / (first - last))[is_bent]
    moment_before = moment_after * first[is_bent]
    shift = moment_after - moment_before
    assert np.abs(shift).max() < 8.01
    assert scipy.stats.kstest(shift, scipy.stats.uniform(-8, 16).cdf).pvalue > 1e-3
    wide = np.abs(shift) > 1.0
    assert scipy.stats.kstest(moment_before[wide], scipy.stats.uniform(8, 24).cdf).pvalue > 1e-3


def test_a_warp_beyond_half_of_the_time_and_short_spectrograms_work():
    ramp = jnp.broadcast_to(jnp.arange(5.0)[:, None], (200, 5, 1))
    warped = warp(KEY, ramp, 1e6)
    assert jnp.isfinite(warped).all()
    assert (jnp.diff(warped[..., 0]) >= 0).all()
    one = jnp.ones((2, 1, 3))
    np.testing.assert_array_equal(warp(KEY, one, 5.0), one)


def test_bad_spectrograms_are_refused():
    for change in (lambda x: augment.spec_augment(KEY, x, 1, 1), lambda x: augment.random_time_warp(KEY, x, 1)):
        with pytest.raises(ValueError, match=r"spectrogram must be \(\*batch, time, frequency\); got shape \(3,\)"):
            change(jnp.ones(3))
        with pytest.raises(TypeError, match="spectrogram must be an array of floats; got dtype int32"):
            change(jnp.ones((3, 3), int))
    with pytest.raises(ValueError, match=r"^spec_augment: num_time_masks must be at least 0; got -1"):
        augment.spec_augment(KEY, jnp.ones((3, 3)), 1, 1, num_time_masks=-1)
