"""Image transforms beside those of dm_pix, augmax and Keras (JAX backend), in images per second.

Each case draws for every image of the batch: the peers that draw for one image alone are mapped over the batch by
`jax.vmap`. All are jitted. Where a peer has no such transform it is left out; one that cannot be traced is named.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jreg import augment

from ..measure import Plan, Suite
from . import peers

SIDE = 224
Transform = Callable[[jax.Array, Any], Any]

OURS: dict[str, Transform] = {
    "random_flip": partial(augment.random_flip, prob=0.5),
    "random_crop, padding 4": partial(augment.random_crop, size=(SIDE, SIDE), padding=4),
    "random_resized_crop": partial(augment.random_resized_crop, size=(SIDE, SIDE)),
    "random_rotate": partial(augment.random_rotate, degrees=30.0),
    "random_translate": partial(augment.random_translate, max_share=0.2),
    "random_shear": partial(augment.random_shear, degrees=20.0),
    "random_brightness": partial(augment.random_brightness, strength=0.4),
    "random_contrast": partial(augment.random_contrast, strength=0.4),
    "random_saturation": partial(augment.random_saturation, strength=0.4),
    "random_hue": partial(augment.random_hue, strength=0.1),
    "random_color_jitter": partial(augment.random_color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "random_grayscale": partial(augment.random_grayscale, prob=0.2),
    "random_gaussian_blur, 23 pixels": partial(augment.random_gaussian_blur, size=23),
    "random_erase": partial(augment.random_erase, prob=0.5),
    "grid_mask": partial(augment.grid_mask, keep=0.6),
    "rand_augment": partial(augment.rand_augment, magnitude=0.3),
    "trivial_augment": augment.trivial_augment,
    "augmix": partial(augment.augmix, magnitude=0.3),
    "mixup": lambda key, x: augment.mixup(key, (x, jnp.eye(len(x))), 0.2, per="example"),
    "cutmix": lambda key, x: augment.cutmix(key, (x, jnp.eye(len(x))), 1.0, per="example"),
}


def images(plan: Plan) -> Iterator[Suite]:
    """A suite for each transform, on a batch of `size` images."""
    size = plan.size
    key, x = jax.random.key(0), jax.random.uniform(jax.random.key(1), (size, SIDE, SIDE, 3))
    found, missing = peers.installed(plan, {"dm_pix": dm_pix, "augmax": augmax, "keras": keras})
    # A quick run only asks whether the suite runs: each transform takes seconds to compile.
    for name, ours in list(OURS.items())[: 2 if plan.is_quick else None]:
        cases: dict[str, Callable[[], Any]] = {f"jreg.augment.{name.split(',')[0]}": partial(jax.jit(ours), key, x)}
        untraced = []
        for peer, transforms in found.items():
            if name not in transforms:
                continue
            if can_be_traced(transforms[name], key, x):
                cases[peer] = partial(jax.jit(transforms[name]), key, x)
            else:
                untraced.append(f"{peer} (cannot be traced)")
        yield Suite(
            f"{name}, {size} x {SIDE} x {SIDE} x 3",
            cases,
            missing=(*missing, *untraced),
            work=dict.fromkeys(cases, float(size)),
            unit="images",
        )


def can_be_traced(transform: Transform, key: jax.Array, x: jax.Array) -> bool:
    try:
        jax.eval_shape(transform, key, x)
    except (TypeError, ValueError, IndexError, NotImplementedError):
        return False
    return True


def mapped(one: Transform) -> Transform:
    return lambda key, x: jax.vmap(one)(jax.random.split(key, len(x)), x)


def dm_pix(pix: Any) -> dict[str, Transform]:
    def padded_crop(key: jax.Array, image: jax.Array) -> jax.Array:
        return pix.random_crop(key, pix.pad_to_size(image, SIDE + 8, SIDE + 8), (SIDE, SIDE, 3))

    def rotation(key: jax.Array, image: jax.Array) -> jax.Array:
        return pix.rotate(image, jax.random.uniform(key, (), minval=-0.5, maxval=0.5))

    def blur(key: jax.Array, image: jax.Array) -> jax.Array:
        return pix.gaussian_blur(image, jax.random.uniform(key, (), minval=0.1, maxval=2.0), 23)

    def grey(key: jax.Array, image: jax.Array) -> jax.Array:
        return jnp.where(jax.random.bernoulli(key, 0.2), pix.rgb_to_grayscale(image, keep_dims=True), image)

    def jitter(key: jax.Array, image: jax.Array) -> jax.Array:
        keys = jax.random.split(key, 4)
        image = pix.random_contrast(keys[1], pix.random_brightness(keys[0], image, 0.4), 0.6, 1.4)
        return pix.random_hue(keys[3], pix.random_saturation(keys[2], image, 0.6, 1.4), 0.1)

    return {
        "random_flip": mapped(pix.random_flip_left_right),
        "random_crop, padding 4": mapped(padded_crop),
        "random_rotate": mapped(rotation),
        "random_brightness": mapped(lambda key, image: pix.random_brightness(key, image, 0.4)),
        "random_contrast": mapped(lambda key, image: pix.random_contrast(key, image, 0.6, 1.4)),
        "random_saturation": mapped(lambda key, image: pix.random_saturation(key, image, 0.6, 1.4)),
        "random_hue": mapped(lambda key, image: pix.random_hue(key, image, 0.1)),
        "random_color_jitter": mapped(jitter),
        "random_grayscale": mapped(grey),
        "random_gaussian_blur, 23 pixels": mapped(blur),
    }


def augmax(library: Any) -> dict[str, Transform]:
    def one(transform: Any) -> Transform:
        return mapped(library.Chain(transform))

    return {
        "random_flip": one(library.HorizontalFlip()),
        "random_resized_crop": one(library.RandomSizedCrop(SIDE, SIDE)),
        "random_rotate": one(library.Rotate(30)),
        "random_translate": one(library.Translate(44, 44)),
        "random_brightness": one(library.RandomBrightness(p=1.0)),
        "random_contrast": one(library.RandomContrast(p=1.0)),
        "random_color_jitter": one(library.ColorJitter(p=1.0)),
        "random_grayscale": one(library.RandomGrayscale(p=0.2)),
        "random_gaussian_blur, 23 pixels": one(library.GaussianBlur(1)),
    }


def keras(library: Any) -> dict[str, Transform]:
    layers, pure, unit = library.layers, peers.from_keras, {"value_range": (0.0, 1.0)}

    def labelled(layer: Any) -> Transform:
        return lambda key, x: pure(layer)(key, {"images": x, "labels": jnp.eye(len(x))})

    crop = layers.RandomCrop(SIDE, SIDE)
    return {
        "random_flip": pure(layers.RandomFlip("horizontal")),
        "random_crop, padding 4": lambda key, x: pure(crop)(key, jnp.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)))),
        "random_rotate": pure(layers.RandomRotation(30 / 360, fill_mode="constant")),
        "random_translate": pure(layers.RandomTranslation(0.2, 0.2, fill_mode="constant")),
        "random_shear": pure(layers.RandomShear(0.36, 0.36, fill_mode="constant")),
        "random_brightness": pure(layers.RandomBrightness(0.4, **unit)),
        "random_contrast": pure(layers.RandomContrast(0.4, **unit)),
        "random_saturation": pure(layers.RandomSaturation(0.4, **unit)),
        "random_hue": pure(layers.RandomHue(0.1, **unit)),
        "random_color_jitter": pure(
            layers.RandomColorJitter(
                **unit, brightness_factor=0.4, contrast_factor=0.4, saturation_factor=0.4, hue_factor=0.1
            )
        ),
        "random_grayscale": pure(layers.RandomGrayscale(0.2)),
        "random_gaussian_blur, 23 pixels": pure(layers.RandomGaussianBlur(1.0, 23, (0.1, 2.0), **unit)),
        "random_erase": pure(layers.RandomErasing(1.0, **unit)),
        "rand_augment": pure(layers.RandAugment(**unit)),
        "augmix": pure(layers.AugMix(**unit)),
        "mixup": labelled(layers.MixUp()),
        "cutmix": labelled(layers.CutMix()),
    }
