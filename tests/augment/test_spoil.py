"""A bad traced number spoils whatever was computed with it: NaN, or the largest value of an integer dtype."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment

KEY = jax.random.key(7)
BYTES = jnp.full((2, 8, 12, 3), 100, jnp.uint8)
PARTS = {"image": BYTES, "mask": jnp.ones((2, 8, 12), jnp.int32), "boxes": jnp.ones((2, 1, 4))}

COLOURS = {
    "random_brightness": (partial(augment.random_brightness, KEY), -1.0),
    "random_contrast": (partial(augment.random_contrast, KEY), -1.0),
    "random_saturation": (partial(augment.random_saturation, KEY), -1.0),
    "random_hue": (partial(augment.random_hue, KEY), 0.7),
    "random_grayscale": (partial(augment.random_grayscale, KEY), 2.0),
    "random_color_jitter": (lambda x, n: augment.random_color_jitter(KEY, x, n, 0.1, 0.1, 0.1), -1.0),
    "random_gaussian_noise": (partial(augment.random_gaussian_noise, KEY), -1.0),
    "random_gaussian_blur": (lambda x, n: augment.random_gaussian_blur(KEY, x, size=3, sigma=(n, 2.0)), -1.0),
    "adjust_sharpness": (augment.adjust_sharpness, -1.0),
    "solarize": (augment.solarize, -1.0),
    "posterize": (augment.posterize, 20.0),
    "augmix": (partial(augment.augmix, KEY, width=2, depth=1), 2.0),
    "erase, fill": (lambda x, n: augment.erase(x, jnp.array([0, 0, 2, 2]), fill=n), 2.0),
    "cutout, fill": (lambda x, n: augment.cutout(KEY, x, size=2, fill=n), 2.0),
    "random_erase": (partial(augment.random_erase, KEY), 2.0),
    "random_erase, scale": (lambda x, n: augment.random_erase(KEY, x, 0.0, scale=(0.1, n)), 2.0),
    "grid_mask": (partial(augment.grid_mask, KEY), 2.0),
}
PLACES = {
    "random_flip": (partial(augment.random_flip, KEY), 2.0),
    "random_rotate": (partial(augment.random_rotate, KEY), -1.0),
    "random_shear": (partial(augment.random_shear, KEY), 95.0),
    "random_translate": (partial(augment.random_translate, KEY), 2.0),
    "affine": (lambda x, n: augment.affine(x, jnp.eye(2, 3) * n), jnp.nan),
    "translate": (lambda x, n: augment.translate(x, jnp.ones(2) * n), jnp.inf),
    "random_resized_crop": (lambda x, n: augment.random_resized_crop(KEY, x, size=(4, 4), scale=(0.1, n)), 2.0),
    "random_resized_crop, ratio": (lambda x, n: augment.random_resized_crop(KEY, x, size=(4, 4), ratio=(n, 2.0)), -1.0),
    "rand_augment": (partial(augment.rand_augment, KEY, num_ops=1), 2.0),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", [*COLOURS, *PLACES])
def test_bytes_become_white_and_all_that_moved_with_them_is_marked(name):
    change, bad = {**COLOURS, **PLACES}[name]
    found = jax.jit(change)(PARTS, bad)
    assert (found["image"] == 255).all()
    if name in PLACES:
        assert (found["mask"] == jnp.iinfo(jnp.int32).max).all()
        assert jnp.isnan(found["boxes"]).all()


def test_only_the_image_whose_number_is_bad_is_spoiled():
    found = jax.jit(partial(augment.random_flip, KEY))(PARTS, jnp.array([2.0, 0.0]))
    assert (found["image"][0] == 255).all()
    np.testing.assert_array_equal(found["image"][1], BYTES[1])


def test_maybe_and_cutmix_mark_integers_too():
    x = {"ids": jnp.arange(4), "kept": jnp.array([True, False]), "key": jax.random.key(0)}
    found = jax.jit(lambda prob: augment.maybe(lambda key, x: x, prob)(KEY, x))(2.0)
    assert (found["ids"] == jnp.iinfo(jnp.int32).max).all()
    assert found["kept"].all()
    images, targets = jax.jit(lambda alpha: augment.cutmix(KEY, (BYTES, jnp.eye(2)), alpha))(-1.0)
    assert (images == 255).all()
    assert jnp.isnan(targets).all()
