"""Draw every image transform of `jreg.augment` on scikit-learn's two photographs, as one picture.

    python -m examples.augmentation_gallery --out results

Each transform acts on both photographs at once, and each draws for itself. A further panel is a row of PANELS, and what
is no photograph, such as a spectrogram, takes a function that ignores the photographs and gives two images.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jreg import augment

SIDE, COLUMNS, SEED = 128, 9, 3
FILE = "augmentation_gallery.png"


class Panel(NamedTuple):
    """A title, and a function of a key and both photographs that gives two images."""

    title: str
    draw: Callable[..., Any]


def without_key(function: Callable[[jax.Array], jax.Array]) -> Callable[..., Any]:
    return lambda _, photos: function(photos)


def boxed(key: jax.Array | None, photos: jax.Array) -> jax.Array:
    """A rotation that a mask and a box go along with: the mask in red, the box in white."""
    middle = jnp.zeros((SIDE, SIDE), jnp.int32).at[40:90, 30:100].set(1)
    box = jnp.array([[40.0, 30.0, 90.0, 100.0]])
    parts = {"image": photos, "mask": jnp.stack([middle] * 2), "boxes": jnp.stack([box] * 2)}
    found = augment.random_rotate(key, parts, 30.0)
    image = jnp.where(
        found["mask"][..., None] == 1, 0.6 * found["image"] + jnp.array([[[[0.4, 0.0, 0.0]]]]), found["image"]
    )
    rows, columns = jnp.meshgrid(jnp.arange(SIDE), jnp.arange(SIDE), indexing="ij")
    top, left, bottom, right = (edge[:, 0, None, None] for edge in jnp.unstack(found["boxes"], axis=-1))
    inside = jnp.minimum(jnp.minimum(rows - top, bottom - rows), jnp.minimum(columns - left, right - columns))
    return jnp.where(((inside >= 0) & (inside < 2))[..., None], 1.0, image)


SIZE = (SIDE, SIDE)
PIPELINE = augment.chain(
    partial(augment.random_resized_crop, size=SIZE, scale=(0.3, 1.0)),
    partial(augment.random_flip, prob=0.5),
    augment.per_example(augment.maybe(partial(augment.random_gaussian_blur, size=7), 0.5)),
    partial(augment.random_color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    partial(augment.random_erase, prob=0.5, pattern="pixel"),
)
PANELS = (
    Panel("photographs", lambda _, photos: photos),
    Panel("random_flip", partial(augment.random_flip, prob=1.0)),
    Panel("random_crop", partial(augment.random_crop, size=SIZE, padding=24, padding_mode="reflect")),
    Panel("random_resized_crop", partial(augment.random_resized_crop, size=SIZE, scale=(0.1, 0.5))),
    Panel("random_rotate", partial(augment.random_rotate, degrees=30.0)),
    Panel("... with mask and box", boxed),
    Panel("random_shear", partial(augment.random_shear, degrees=25.0)),
    Panel("random_translate", partial(augment.random_translate, max_share=0.3)),
    Panel("random_affine", partial(augment.random_affine, degrees=20.0, shear=10.0, translation=0.1, scale=(0.7, 1.3))),
    Panel("random_brightness", partial(augment.random_brightness, strength=0.8)),
    Panel("random_contrast", partial(augment.random_contrast, strength=0.9)),
    Panel("random_saturation", partial(augment.random_saturation, strength=1.0)),
    Panel("random_hue", partial(augment.random_hue, strength=0.3)),
    Panel(
        "random_color_jitter",
        partial(augment.random_color_jitter, brightness=0.4, contrast=0.4, saturation=0.6, hue=0.1),
    ),
    Panel("grayscale", without_key(augment.grayscale)),
    Panel("invert", without_key(augment.invert)),
    Panel("solarize", without_key(partial(augment.solarize, threshold=0.5))),
    Panel("posterize", without_key(partial(augment.posterize, bits=2))),
    Panel("autocontrast", without_key(augment.autocontrast)),
    Panel("equalize", without_key(augment.equalize)),
    Panel("adjust_sharpness", without_key(partial(augment.adjust_sharpness, factor=4.0))),
    Panel("random_gaussian_blur", partial(augment.random_gaussian_blur, size=13, sigma=(1.5, 3.0))),
    Panel("random_gaussian_noise", partial(augment.random_gaussian_noise, std=0.15)),
    Panel("random_erase", partial(augment.random_erase, prob=1.0)),
    Panel("... channel noise", partial(augment.random_erase, prob=1.0, pattern="channel")),
    Panel("... pixel noise", partial(augment.random_erase, prob=1.0, pattern="pixel")),
    Panel("cutout", partial(augment.cutout, size=48)),
    Panel("grid_mask", partial(augment.grid_mask, keep=0.6)),
    Panel("rand_augment", partial(augment.rand_augment, magnitude=0.5, num_ops=2)),
    Panel("trivial_augment", augment.trivial_augment),
    Panel("augmix", partial(augment.augmix, magnitude=0.5)),
    Panel("mixup", lambda _, photos: augment.mix(photos, photos[::-1], jnp.array([0.7, 0.5]))),
    Panel(
        "cutmix",
        lambda key, photos: augment.paste_box(
            (photos, jnp.eye(2)),
            (photos[::-1], jnp.eye(2)[::-1]),
            jnp.array([[40, 30], [10, 60]]),
            jnp.array([[110, 100], [80, 128]]),
        )[0],
    ),
    Panel("a chain", PIPELINE),
    Panel("... another key", lambda key, photos: PIPELINE(jax.random.split(key)[0], photos)),
    Panel("... the key None", lambda _, photos: PIPELINE(None, photos)),
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.augmentation_gallery", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help=f"folder for {FILE}")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(options.out / FILE, PANELS, photographs())
    print(f"Wrote {options.out / FILE}.")
    return 0


def photographs() -> jax.Array:
    """A square of each of the two photographs that ship with scikit-learn."""
    from sklearn.datasets import load_sample_images

    whole = jnp.stack([jnp.asarray(image) for image in load_sample_images().images])
    squares = augment.resized_crop(whole, jnp.array([[27, 130, 427, 530], [0, 140, 427, 567]]), size=SIZE)
    return squares.astype(jnp.float32) / 255.0


def draw(path: Path, panels: tuple[Panel, ...], photos: jax.Array) -> None:
    """Write the panels, one photograph above the other in each."""
    import matplotlib.pyplot as plt
    from PIL import Image

    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(1.35 * COLUMNS, 2.85 * rows), layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for index, (axis, panel) in enumerate(zip(axes.flat, panels, strict=False)):
        found = jax.jit(panel.draw)(jax.random.fold_in(jax.random.key(SEED), index), photos)
        gap = np.ones((4, SIDE, 3))
        axis.imshow(np.concatenate([found[0], gap, found[1]]), interpolation="none")
        axis.set_title(panel.title, fontsize=7, family="monospace")
    figure.savefig(path, dpi=92)
    plt.close(figure)
    Image.open(path).convert("RGB").save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
