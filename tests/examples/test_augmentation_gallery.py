"""The gallery: it shows every image transform there is, and writes a picture."""

import inspect

import jax.numpy as jnp
from PIL import Image

from examples import augmentation_gallery as gallery
from jreg import augment


def test_every_image_transform_has_a_panel():
    shown = inspect.getsource(gallery)
    drawn = {name for name in vars(augment) if name.startswith("random_") and takes_images(getattr(augment, name))}
    assert {name for name in drawn if name not in shown} <= {"random_grayscale"}


def takes_images(function) -> bool:
    return "x" in inspect.signature(function).parameters


def test_the_photographs_are_two_squares_of_colour():
    photos = gallery.photographs()
    assert photos.shape == (2, gallery.SIDE, gallery.SIDE, 3)
    assert 0 <= photos.min() < 0.1 < 0.9 < photos.max() <= 1
    assert (photos[0] != photos[1]).any()


def test_it_writes_a_picture(tmp_path):
    """With a few panels; drawing all compiles for a minute."""
    photos = jnp.stack([jnp.zeros((gallery.SIDE, gallery.SIDE, 3)), jnp.ones((gallery.SIDE, gallery.SIDE, 3))])
    gallery.draw(tmp_path / gallery.FILE, gallery.PANELS[:2], photos)
    with Image.open(tmp_path / gallery.FILE) as picture:
        assert picture.size[0] > 8 * gallery.SIDE
