"""Colour jitter: its order, drawn for each image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment

KEY = jax.random.key(7)
jitter = jax.jit(augment.random_color_jitter)


def test_one_strength_alone_is_that_change_alone():
    """augmax.ColorJitter: saturation alone changed nothing."""
    image = jax.random.uniform(jax.random.key(1), (8, 4, 6, 3))
    brighter = jitter(KEY, image, 0.3, 0.0, 0.0, 0.0)
    ratio = (brighter / image).mean((1, 2, 3))
    np.testing.assert_allclose(brighter, jnp.clip(ratio[:, None, None, None] * image, 0, 1), atol=0.05)
    for strengths in ((0.3, 0.0, 0.0, 0.0), (0.0, 0.3, 0.0, 0.0), (0.0, 0.0, 0.3, 0.0), (0.0, 0.0, 0.0, 0.3)):
        assert (abs(jitter(KEY, image, *strengths) - image).max((1, 2, 3)) > 1e-3).all(), strengths


def test_every_image_of_a_batch_has_factors_and_an_order_of_its_own():
    """torchvision draws one order for a whole batch."""
    image = jnp.array([[[0.9, 0.5, 0.1], [0.2, 0.3, 0.8]]])
    # With strengths this large, the order shows: clipping and the mean grey do not commute.
    found = np.asarray(jitter(KEY, jnp.broadcast_to(image, (256, *image.shape)), 0.0, 1.0, 1.0, 0.0)).round(3)
    assert len(np.unique(found.reshape(256, -1), axis=0)) > 200


def test_bad_strengths_are_refused_by_name():
    with pytest.raises(ValueError, match=r"^random_color_jitter: contrast must be at least 0; got -1"):
        augment.random_color_jitter(KEY, jnp.ones((4, 4, 3)), 0.1, -1, 0.1, 0.1)
    with pytest.raises(ValueError, match=r"^random_color_jitter: hue must be in \[0, 0.5\]; got 0.6"):
        augment.random_color_jitter(KEY, jnp.ones((4, 4, 3)), 0.1, 0.1, 0.1, 0.6)
