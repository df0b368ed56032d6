"""Policies: every image draws its own operations, each as often, and none is frozen by compilation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image, ImageOps

from jreg import augment
from jreg.augment._images import _operations

KEY = jax.random.key(7)
BYTES = np.asarray(20 + 200 * jax.random.uniform(jax.random.key(1), (12, 14, 3)) ** 2, np.uint8)
one_step = jax.jit(partial(augment.rand_augment, num_ops=1))


def test_each_operation_is_drawn_as_often():
    levels = jnp.ones((2, 7000))
    steps = _operations.draw(*jax.random.split(KEY), levels, _operations.ALL)
    rows = np.asarray(steps.branch * 5 + steps.map_of_plane).ravel()
    counts = np.unique(rows, return_counts=True)[1]
    assert len(counts) == 14
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    assert abs(np.asarray(steps.sign).mean()) < 5 / 14000**0.5
    # The two steps of an image are independent.
    table = np.histogram2d(*np.asarray(steps.branch), bins=10)[0]
    assert scipy.stats.chi2_contingency(table).pvalue > 1e-3


def test_images_of_one_batch_meet_many_operations_and_calls_differ():
    """keras.RandAugment drew one list for a batch, and keras.AugMix one for ever under jit."""
    images = jnp.tile(BYTES / np.float32(255), (64, 1, 1, 1))
    first, second = (np.asarray(one_step(key, images, 0.7)).reshape(64, -1) for key in jax.random.split(KEY))
    kinds = np.unique(first.round(4), axis=0)
    assert 12 <= len(kinds) <= 25
    assert (first != second).any(1).mean() > 0.7


def test_the_operations_are_those_of_pillow():
    """At a magnitude of one half, the images of a batch hold each of Pillow's results."""
    images = jnp.tile(BYTES, (128, 1, 1, 1))
    found = np.asarray(one_step(KEY, images, 0.5), int)
    image = Image.fromarray(BYTES)
    expected = [
        image,
        ImageOps.posterize(image, 6),
        ImageOps.solarize(image, 128),
        ImageOps.autocontrast(image),
        ImageOps.equalize(image),
        *(image.point(lambda value, factor=factor: min(round(value * factor), 255)) for factor in (0.55, 1.45)),
        image.rotate(15, Image.Resampling.BILINEAR),
    ]
    inner = (slice(None), slice(4, -4), slice(5, -5))
    for one in expected:
        assert (abs(found - np.asarray(one, int))[inner].max((1, 2, 3)) <= 1).any()


@pytest.mark.thorough
def test_augmix_mixes_what_it_made():
    """The mixture is convex, so a flat grey image, which no colour of AugMix's leaves the range of, stays between."""
    images = jnp.tile(jax.random.uniform(KEY, (1, 8, 8, 3)), (32, 1, 1, 1))
    mixed = np.asarray(jax.jit(augment.augmix)(KEY, images, 1.0))
    assert len(np.unique(mixed.reshape(32, -1), axis=0)) == 32
    distance = abs(mixed - np.asarray(images)).mean((1, 2, 3))
    weaker = abs(np.asarray(jax.jit(augment.augmix)(KEY, images, 0.0)) - np.asarray(images)).mean((1, 2, 3))
    assert distance.mean() > weaker.mean()


@pytest.mark.thorough
def test_masks_and_boxes_move_with_their_image():
    image = jnp.zeros((24, 24, 1)).at[8:14, 6:16].set(1.0)
    parts = {
        "image": image,
        "mask": (image[..., 0] > 0).astype(jnp.int32),
        "boxes": jnp.array([[8.0, 6.0, 14.0, 16.0]]),
    }
    batch = jax.tree.map(lambda part: jnp.tile(part, (48, *[1] * part.ndim)), parts)
    found = jax.jit(augment.trivial_augment)(KEY, batch)
    moved = 0
    for mask, box in zip(np.asarray(found["mask"]), np.asarray(found["boxes"][:, 0]), strict=True):
        rows, columns = np.nonzero(mask)
        around = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1] if len(rows) else box
        assert (np.array(around)[:2] >= box[:2] - 1).all()
        assert (np.array(around)[2:] <= box[2:] + 1).all()
        moved += (box != [8, 6, 14, 16]).any()
    assert 5 < moved < 40


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match=r"^rand_augment: magnitude must be in \[0, 1\]; got 9"):
        augment.rand_augment(KEY, jnp.ones((4, 4, 3)), 9)
    with pytest.raises(ValueError, match=r"^rand_augment: num_ops must be at least 1; got 0"):
        augment.rand_augment(KEY, jnp.ones((4, 4, 3)), 0.3, num_ops=0)
    with pytest.raises(ValueError, match=r"^augmix: alpha must be finite and above 0; got 0"):
        augment.augmix(KEY, jnp.ones((4, 4, 3)), 0.3, alpha=0)
