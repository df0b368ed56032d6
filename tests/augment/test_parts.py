"""The laws of every image transform, as one table: a new transform is a row."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import augment, train

KEY = jax.random.key(7)
IMAGES = jnp.tile(jax.random.uniform(jax.random.key(1), (1, 8, 12, 3)), (6, 1, 1, 1))
BYTES = jnp.round(IMAGES * 255).astype(jnp.uint8)
MASK = (IMAGES[..., 0] > 0.5).astype(jnp.int32)


@dataclass(frozen=True)
class Row:
    """A transform of (key, x, number), and what is particular about it."""

    name: str
    apply: Callable[[Any, Any, Any], Any]
    number: float
    """One that changes images."""
    neutral: float | None
    """One that does not, if there is one."""
    bad: float | None = -1.0
    moves: bool = False
    """Masks and boxes move along."""
    exact: bool = True
    """The neutral number gives every bit back."""
    always: bool = True
    """It changes every image."""
    maps: bool = True
    """Mapping it over keys is checked here; not where another row runs the same code and compiling takes long."""

    def __str__(self) -> str:
        return self.name


def named(name: str, **options: Any) -> Callable:
    return partial(getattr(augment, name), **options)


def jitter(key, x, strength):
    return augment.random_color_jitter(key, x, strength, strength, strength, strength / 4)


ROWS = [
    Row("random_flip", named("random_flip"), 0.5, 0.0, 1.5, moves=True, always=False),
    Row("random_rotate", named("random_rotate"), 30.0, 0.0, moves=True, exact=False),
    Row("random_shear", named("random_shear"), 20.0, 0.0, 95.0, moves=True, exact=False),
    Row("random_translate", named("random_translate"), 0.3, 0.0, 1.5, moves=True),
    Row(
        "random_affine",
        lambda key, x, n: augment.random_affine(key, x, degrees=n, shear=n, translation=n / 100, scale=(1.0, 1.0 + n)),
        20.0,
        0.0,
        moves=True,
        exact=False,
    ),
    Row(
        "random_resized_crop",
        lambda key, x, n: augment.random_resized_crop(key, x, size=(8, 12), scale=(n, 1.0), ratio=(1.5, 1.5)),
        0.3,
        1.0,
        moves=True,
        exact=False,
    ),
    Row("random_brightness", named("random_brightness"), 0.4, 0.0),
    Row("random_contrast", named("random_contrast"), 0.4, 0.0),
    Row("random_saturation", named("random_saturation"), 0.4, 0.0),
    Row("random_hue", named("random_hue"), 0.1, 0.0, 0.7),
    Row("random_grayscale", named("random_grayscale"), 0.5, 0.0, 1.1, always=False),
    Row("random_color_jitter", jitter, 0.4, 0.0),
    Row(
        "random_gaussian_blur",
        lambda key, x, n: augment.random_gaussian_blur(key, x, size=5, sigma=(n, n + n)),
        1.0,
        0.0,
    ),
    Row("random_gaussian_noise", named("random_gaussian_noise"), 0.1, 0.0),
    Row("random_erase", named("random_erase"), 0.7, 0.0, 1.1, always=False),
    Row("random_erase pixel", named("random_erase", pattern="pixel"), 1.0, 0.0),
    Row("cutout", lambda key, x, n: augment.cutout(key, x, size=4, fill=n), 0.5, None),
    Row("grid_mask", named("grid_mask"), 0.6, 1.0),
    Row("rand_augment", named("rand_augment"), 0.5, None, 1.1, moves=True, always=False),
    Row(
        "trivial_augment",
        lambda key, x, _: augment.trivial_augment(key, x),
        0.0,
        None,
        None,
        moves=True,
        always=False,
        maps=False,
    ),
    Row("augmix", named("augmix", width=2, depth=2), 0.5, None, 1.1, maps=False),
]


def rows_where(holds: Callable[[Row], bool]) -> Any:
    """The rows for which a law holds."""
    return pytest.mark.parametrize("row", [row for row in ROWS if holds(row)], ids=str)


rows = rows_where(lambda row: True)


@cache
def compiled(row: Row) -> tuple[Callable, list]:
    """All that the laws need in one program, and a list that grows by one per trace."""
    traces = []

    @jax.jit
    def outcomes(key, number, images, in_bytes, mask):
        traces.append(None)
        keys = jax.random.split(key, 2)
        mapped = looped = None
        if row.maps:
            mapped = jax.vmap(lambda key, x: row.apply(key, x, number))(keys, images[:4].reshape(2, 2, 8, 12, 3))[1]
            looped = row.apply(keys[1], images[:2], number)
        parts = {"image": images, "mask": mask, "boxes": jnp.ones((6, 2, 4)), "label": jnp.arange(6)}
        nested = jax.tree.map(lambda part: part.reshape(2, 3, *part.shape[1:]), parts)
        tree = row.apply(key, nested, number)
        return {
            "tree": jax.tree.map(lambda part: part.reshape(6, *part.shape[2:]), tree),
            "bytes": row.apply(key, in_bytes, number),
            "mapped": mapped,
            "looped": looped,
        }

    return outcomes, traces


def outcome(row: Row, number: float | None = None) -> dict[str, Any]:
    return compiled(row)[0](KEY, jnp.float32(row.number if number is None else number), IMAGES, BYTES, MASK)


@rows
def test_shapes_and_dtypes_are_kept_and_colours_lie_in_range(row):
    found = outcome(row)
    image = found["tree"]["image"]
    assert (image.shape, image.dtype) == (IMAGES.shape, IMAGES.dtype)
    assert (found["bytes"].shape, found["bytes"].dtype) == (BYTES.shape, BYTES.dtype)
    assert 0.0 <= image.min() <= image.max() <= 1.0
    assert (found["bytes"] != BYTES).any()


@rows
def test_bytes_go_the_way_of_floats_and_a_flat_batch_that_of_a_nested_one(row):
    found = outcome(row)
    difference = abs(found["bytes"].astype(jnp.float32) / 255 - found["tree"]["image"])
    # Bytes were cut to whole steps, which curves such as equalize magnify.
    assert np.quantile(difference, 0.8) < 2.5 / 255


@rows
def test_every_example_draws_for_itself(row):
    """dm_pix flips a whole batch or none of it; keras.RandAugment draws one list of operations for a batch."""
    same = np.asarray(outcome(row)["tree"]["image"])
    assert len(np.unique(same.reshape(6, -1), axis=0)) >= (2 if not row.always else 5)


@rows_where(lambda row: row.maps)
def test_mapping_over_keys_is_a_loop(row):
    found = outcome(row)
    np.testing.assert_allclose(found["mapped"], found["looped"], atol=1e-6)


@rows
def test_parts_move_together_and_others_pass(row):
    tree = outcome(row)["tree"]
    np.testing.assert_array_equal(tree["label"], jnp.arange(6))
    assert tree["mask"].dtype == jnp.int32
    assert set(np.unique(tree["mask"]).tolist()) <= {0, 1}
    assert ((tree["mask"] != MASK).any() or (tree["boxes"] != 1.0).any()) == row.moves


@rows_where(lambda row: row.neutral is not None)
def test_the_neutral_number_changes_nothing(row):
    found = outcome(row, row.neutral)
    np.testing.assert_allclose(found["tree"]["image"], IMAGES, atol=0 if row.exact else 1e-5)
    np.testing.assert_array_equal(found["bytes"], BYTES)


@rows_where(lambda row: row.bad is not None)
def test_a_bad_traced_number_gives_nan_and_white_bytes(row):
    for number in (row.bad, float("nan")):
        found = outcome(row, number)
        assert jnp.isnan(found["tree"]["image"]).all()
        assert (found["bytes"] == 255).all()


@rows_where(lambda row: row.bad is not None)
def test_a_bad_concrete_number_raises(row):
    for key in (KEY, None):
        with pytest.raises(ValueError, match=rf"^{row.name.split()[0]}: \w+ must be .*; got {row.bad}"):
            row.apply(key, IMAGES, row.bad)


@rows
def test_the_key_none_is_the_identity(row):
    found = row.apply(None, IMAGES, row.number)
    np.testing.assert_allclose(found, IMAGES, atol=1e-6)
    assert row.name == "random_resized_crop" or found is IMAGES


@rows
def test_what_is_no_key_or_no_image_is_refused(row):
    with pytest.raises(TypeError, match="key must be a PRNG key such as"):
        row.apply(0, IMAGES, row.number)
    with pytest.raises(TypeError, match=r"images must be floats in \[0, 1\], or uint8; got int32"):
        row.apply(KEY, IMAGES.astype(jnp.int32), row.number)
    with pytest.raises(ValueError, match=r"images must have shape \(\*batch, height, width, channels\); got \(8, 12\)"):
        row.apply(KEY, IMAGES[0, :, :, 0], row.number)


@rows
def test_one_trace_served_all_numbers(row):
    outcome(row)
    outcome(row, row.neutral)
    outcome(row, row.bad)
    assert len(compiled(row)[1]) == 1


def test_parts_that_do_not_fit_are_refused():
    def flip(**parts):
        return augment.random_flip(KEY, {"image": IMAGES, **parts}, 0.5)

    with pytest.raises(
        ValueError, match=r"^random_flip: mask must have shape \(6, 8, 12\), as the image; got \(6, 8, 11\)"
    ):
        flip(mask=jnp.ones((6, 8, 11)))
    with pytest.raises(
        ValueError, match=r"^random_flip: boxes must have shape \(6, 'n', 4\), as the image; got \(6, 2, 5\)"
    ):
        flip(boxes=jnp.ones((6, 2, 5)))
    with pytest.raises(TypeError, match=r"^random_flip: boxes must be an array of floats; got dtype int32"):
        flip(boxes=jnp.ones((6, 2, 4), jnp.int32))
    with pytest.raises(
        ValueError, match=r'^random_flip: x must be images or a mapping with "image"; got the parts \[\'x\'\]'
    ):
        augment.random_flip(KEY, {"x": IMAGES}, 0.5)
    with pytest.raises(TypeError, match=r"^random_flip: x must be an array of images, or a mapping of parts; got list"):
        augment.random_flip(KEY, [IMAGES], 0.5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_kept_and_computed_in_float32(dtype):
    transform = augment.chain(
        partial(augment.random_rotate, degrees=20.0), partial(augment.random_contrast, strength=0.4)
    )
    x = IMAGES.astype(dtype)
    found = jax.jit(transform)(KEY, x)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found.astype(jnp.float32), jax.jit(transform)(KEY, x.astype(jnp.float32)), atol=0.02)


def test_numbers_may_differ_from_image_to_image():
    found = augment.random_flip(KEY, IMAGES, jnp.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(found[::2], IMAGES[::2])
    np.testing.assert_array_equal(found[1::2], IMAGES[1::2, :, ::-1])
    with pytest.raises(ValueError, match=r"^random_flip: prob must be a scalar or broadcast against shape \(6,\)"):
        augment.random_flip(KEY, IMAGES, jnp.ones(5))


@pytest.mark.thorough
def test_gradients_pass_through_a_pipeline():
    transform = augment.chain(
        partial(augment.random_flip, prob=0.5),
        partial(augment.random_rotate, degrees=20.0),
        partial(augment.random_gaussian_blur, size=3),
        partial(augment.random_color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    )
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(transform(KEY, x) ** 2)))(IMAGES)
    assert jnp.isfinite(gradient).all()
    assert (gradient != 0).any((1, 2, 3)).all()


def test_a_pipeline_prints_readably():
    transform = augment.chain(
        partial(augment.random_flip, prob=0.5),
        augment.per_example(augment.maybe(partial(augment.random_gaussian_blur, size=5), 0.2)),
    )
    assert repr(transform) == "chain(random_flip(prob=0.5), per_example(maybe(random_gaussian_blur(size=5), 0.2)))"


def test_a_pipeline_runs_inside_a_training_step():
    transform = augment.chain(
        partial(augment.random_flip, prob=0.5), partial(augment.random_crop, size=(8, 12), padding=2)
    )

    def loss_fn(params, model_state, key, batch, hyper):
        views = augment.chain(transform, partial(augment.random_brightness, strength=hyper))(key, batch)
        return jnp.mean(params * views), (model_state, {})

    step = jax.jit(train.make_step(loss_fn, optax.sgd(0.1)))
    state = train.init_state(jnp.ones(()), optax.sgd(0.1))
    losses = [step(state, key, IMAGES, 0.4)[1]["loss"] for key in jax.random.split(KEY, 3)]
    assert len(set(map(float, losses))) == 3
    assert step._cache_size() == 1
