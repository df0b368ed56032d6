"""Flips against numpy, and the share of images that is flipped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment

KEY = jax.random.key(7)
IMAGES = jax.random.uniform(jax.random.key(1), (3, 4, 6, 3))
PARTS = {
    "image": IMAGES,
    "mask": jnp.arange(72).reshape(3, 4, 6),
    "boxes": jnp.tile(jnp.array([[1.0, 2.0, 3.0, 6.0]]), (3, 1, 1)),
}


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
def test_flips_mirror_every_part(direction):
    flipped = augment.flip(PARTS, direction=direction)
    mirror = (lambda a: a[:, :, ::-1]) if direction == "horizontal" else (lambda a: a[:, ::-1])
    np.testing.assert_array_equal(flipped["image"], mirror(IMAGES))
    np.testing.assert_array_equal(flipped["mask"], mirror(PARTS["mask"]))
    expected = [1.0, 0.0, 3.0, 4.0] if direction == "horizontal" else [1.0, 2.0, 3.0, 6.0]
    assert flipped["boxes"][0, 0].tolist() == expected
    twice = augment.flip(flipped, direction=direction)
    jax.tree.map(np.testing.assert_array_equal, twice, PARTS)


@pytest.mark.parametrize("prob", [0.1, 0.5, 0.9])
def test_the_share_of_flipped_images_is_the_probability(prob):
    images = jnp.zeros((20000, 1, 2, 1)).at[:, :, 0].set(1.0)
    flipped = augment.random_flip(KEY, images, prob)[:, 0, 1, 0] == 1.0
    assert abs(flipped.mean() - prob) < 5 * (prob * (1 - prob) / 20000) ** 0.5


def test_all_parts_of_an_example_flip_or_none():
    parts = jax.tree.map(lambda part: jnp.tile(part[:1], (64, *[1] * (part.ndim - 1))), PARTS)
    found = augment.random_flip(KEY, parts, 0.5)
    kept = [(found[name] == parts[name]).reshape(64, -1).all(1) for name in parts]
    assert (kept[0] == kept[1]).all()
    assert (kept[0] == kept[2]).all()
    assert 0 < kept[0].sum() < 64


def test_an_unknown_direction_is_refused():
    with pytest.raises(
        ValueError, match=r"^random_flip: direction must be one of 'horizontal', 'vertical'; got 'left'"
    ):
        augment.random_flip(KEY, IMAGES, 0.5, direction="left")
    with pytest.raises(ValueError, match=r"^flip: direction must be one of"):
        augment.flip(IMAGES, direction="left")
