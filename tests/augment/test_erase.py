"""Where boxes are erased, how large they are, and what fills them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(7)


def boxes_of(images) -> tuple[np.ndarray, ...]:
    """Top, left, height and width of what is 0 in images of ones; it must be one filled box each."""
    is_erased = np.asarray(images)[..., 0] == 0
    rows, columns = is_erased.any(2), is_erased.any(1)
    assert (is_erased == rows[:, :, None] & columns[:, None, :]).all()
    for lines in (rows, columns):
        assert ((np.diff(lines.astype(int), axis=1) == 1).sum(1) <= 1).all()
    return rows.argmax(1), columns.argmax(1), rows.sum(1), columns.sum(1)


def test_a_box_is_filled_as_numpy_would():
    image = jax.random.uniform(KEY, (5, 8, 3))
    expected = np.array(image)
    expected[1:3, 2:7] = 0.5
    np.testing.assert_array_equal(augment.erase(image, jnp.array([1, 2, 3, 7]), fill=0.5), expected)
    found = augment.erase((image * 255).astype(jnp.uint8), jnp.array([1, 2, 3, 7]), fill=0.5)
    assert (found[1:3, 2:7] == 128).all()


INVERTED = [(3, 2, 1, 7), (1, 7, 3, 2), (np.nan, 2, 3, 7), (1, 2, 3, np.nan)]


@pytest.mark.parametrize("box", INVERTED, ids=repr)
def test_boxes_that_are_none_raise_when_concrete_and_spoil_their_image_when_traced(box):
    images, good = jnp.ones((2, 5, 8, 3)), (1.0, 2.0, 3.0, 7.0)
    with pytest.raises(ValueError, match=r"^erase: boxes must .*; got"):
        augment.erase(images[0], jnp.array(box))
    found = jax.jit(augment.erase)(images, jnp.array([box, good]))
    assert jnp.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], augment.erase(images[1], jnp.array(good)))
    in_bytes = jax.jit(augment.erase)(images.astype(jnp.uint8), jnp.array([box, good]))
    assert (in_bytes[0] == 255).all()


def test_boxes_of_any_dtype_reach_beyond_the_border_and_may_be_empty():
    image = jnp.ones((5, 300, 1))
    for dtype in ("uint8", "int16", "float32", "int64"):
        found = augment.erase(image, np.array([1, 2, 100, 5], dtype))
        assert found.sum() == 1500 - 4 * 3
    np.testing.assert_array_equal(augment.erase(image, jnp.array([2, 3, 2, 3])), image)
    assert augment.erase(image, jnp.array([-3.0, -jnp.inf, 0.5, jnp.inf])).sum() == 1500 - 300


def test_area_and_aspect_follow_their_laws():
    """pytorch/vision#3344: the aspect ratio was not log-uniform."""
    erase = jax.jit(partial(augment.random_erase, scale=(0.1, 0.2), ratio=(0.4, 2.5)))
    top, left, height, width = boxes_of(erase(KEY, jnp.ones((2000, 90, 120, 1)), 1.0))
    # Whole pixels only: as noise on both logarithms they are far below what 2000 draws can tell.
    area, ratio = height * width / (90 * 120), width / height
    assert scipy.stats.kstest(area, scipy.stats.uniform(0.1, 0.1).cdf).pvalue > 1e-3
    assert scipy.stats.kstest(np.log(ratio), scipy.stats.uniform(np.log(0.4), np.log(6.25)).cdf).pvalue > 1e-3
    for start, room in ((top, 91 - height), (left, 121 - width)):
        place = (start + 0.5) / room
        assert (place < 1).all()
        assert abs(place.mean() - 0.5) < 5 * (1 / 12 / 2000) ** 0.5
    assert len(np.unique(top)) > 30


def test_a_strip_returns_at_once():
    """pytorch/vision#1094: random erasing looped for ever on 300 x 5 pixels."""
    _, _, height, width = boxes_of(jax.jit(augment.random_erase)(KEY, jnp.ones((200, 300, 5, 1)), 1.0))
    assert (width <= 5).all()
    area = height * width / 1500
    assert (abs(area - 0.175) < 0.175).all()


def test_the_share_of_erased_images_is_the_probability():
    found = jax.jit(augment.random_erase)(KEY, jnp.ones((5000, 8, 8, 1)), 0.3)
    assert abs((found != 1).any((1, 2, 3)).mean() - 0.3) < 5 * (0.3 * 0.7 / 5000) ** 0.5


def test_noise_fills_per_channel_or_per_pixel():
    images = jnp.full((50, 8, 8, 3), 2.0)
    for pattern in ("channel", "pixel"):
        found = np.asarray(augment.random_erase(KEY, images, 1.0, scale=(1.0, 1.0), pattern=pattern))
        colours = found[:, :1, :1] if pattern == "channel" else found
        np.testing.assert_array_equal(found, np.broadcast_to(colours, found.shape))
        assert scipy.stats.kstest(np.unique(colours), "uniform").pvalue > 1e-3
        assert len(np.unique(colours)) > 0.99 * colours.size


def test_cutout_is_a_square_cut_at_the_border_that_reaches_every_pixel():
    """mosaicml/composer#3932: height and width were swapped, so on 4 x 20 pixels boxes left the image."""
    found = jax.jit(partial(augment.cutout, size=3))(KEY, jnp.ones((2000, 4, 20, 1)))
    _, _, height, width = boxes_of(found)
    assert set(height.tolist()) == {2, 3}
    assert set(width.tolist()) == {2, 3}
    assert (found == 0).any(0).all()
    # An inner pixel is covered by the squares around nine of eighty centres.
    share = float((found[:, 1, 10, 0] == 0).mean())
    assert abs(share - 9 / 80) < 5 * (9 / 80 * 71 / 80 / 2000) ** 0.5


def test_a_larger_argument_erases_more():
    """traiNNer#63: the meaning of an argument was inverted."""
    ones = jnp.ones((50, 24, 24, 1))
    assert augment.cutout(KEY, ones, size=9).mean() < augment.cutout(KEY, ones, size=5).mean()
    assert augment.grid_mask(KEY, ones, 0.3).mean() < augment.grid_mask(KEY, ones, 0.7).mean()


def test_the_grid_has_its_pitch_and_its_holes():
    found = np.asarray(augment.grid_mask(KEY, jnp.ones((20, 40, 40, 1)), 0.5, unit=(0.25, 0.25)))[..., 0]
    np.testing.assert_allclose(found.mean((1, 2)), 0.75)
    np.testing.assert_array_equal(found[:, 10:], found[:, :-10])
    np.testing.assert_array_equal(found[:, :, 10:], found[:, :, :-10])
    assert len(np.unique(found.reshape(20, -1), axis=0)) > 10


def test_bad_options_are_refused():
    with pytest.raises(
        ValueError, match=r"^random_erase: pattern must be one of 'constant', 'channel', 'pixel'; got 'rand'"
    ):
        augment.random_erase(KEY, jnp.ones((4, 4, 3)), 0.5, pattern="rand")
    with pytest.raises(ValueError, match=r"^random_erase: scale must be in \[0, 1\]; got 33"):
        augment.random_erase(KEY, jnp.ones((4, 4, 3)), 0.5, scale=(0.02, 33))
    with pytest.raises(ValueError, match=r"^cutout: size must be at least 1; got 0"):
        augment.cutout(KEY, jnp.ones((4, 4, 3)), size=0)
    with pytest.raises(ValueError, match=r"^grid_mask: unit must be finite and above 0; got 0"):
        augment.grid_mask(KEY, jnp.ones((4, 4, 3)), 0.5, unit=(0, 0.5))


@pytest.mark.parametrize("pattern", ["channel", "pixel"])
def test_cutout_fills_with_noise(pattern):
    images = jnp.full((200, 8, 8, 3), 2.0)
    plain = augment.cutout(KEY, images, size=4)
    noisy = jax.jit(partial(augment.cutout, size=4, pattern=pattern))(KEY, images)
    np.testing.assert_array_equal(noisy == 2.0, plain == 2.0)  # The same squares.
    filled = np.asarray(noisy)[np.asarray(plain == 0.0)]
    assert 0.0 <= filled.min() < 0.05 < 0.95 < filled.max() < 1.0
    assert abs(filled.mean() - 0.5) < 0.06
    colours = [len(np.unique(image[..., 0][image[..., 0] != 2.0])) for image in np.asarray(noisy)[:20]]
    assert (max(colours) == 1) == (pattern == "channel")
    with pytest.raises(
        ValueError, match=r"^cutout: pattern must be one of 'constant', 'channel', 'pixel'; got 'noise'"
    ):
        augment.cutout(KEY, images, size=4, pattern="noise")
