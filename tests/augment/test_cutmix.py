"""CutMix: exact shares, the law of its weight, and the switch to mixup."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(7)


def labelled(shape: tuple[int, ...]):
    """Images that hold their own number in every pixel, and the number as their label."""
    numbers = jnp.arange(shape[0], dtype=jnp.float32)
    return jnp.broadcast_to(numbers.reshape(-1, *[1] * (len(shape) - 1)), shape), jax.nn.one_hot(
        jnp.arange(shape[0]), shape[0]
    )


@pytest.mark.parametrize("per", ["batch", "example"])
@pytest.mark.parametrize("shape", [(5, 8, 12, 1), (4, 4, 20, 1)], ids=repr)
def test_the_weight_is_the_exact_share_of_pixels(shape, per):
    """clovaai/CutMix-PyTorch#1, and keras, whose labels were up to 0.198 away from the pixels at 8 x 12."""
    batch = labelled(shape)
    cutmix = jax.jit(jax.vmap(lambda key: augment.cutmix(key, batch, 1.0, per=per)))
    images, labels = cutmix(jax.random.split(KEY, 200))
    for number in range(shape[0]):
        np.testing.assert_allclose((images == number).mean((2, 3, 4)), labels[..., number], atol=1e-6)
    # mosaicml/composer#3932: with height and width swapped, boxes would miss rows or columns.
    own = jnp.arange(shape[0], dtype=jnp.float32).reshape(1, -1, 1, 1, 1)
    assert (images != own).any((0, 1, 4)).all()
    counts = [len(np.unique(row[row.max(1) < 1].max(1).round(5))) for row in np.asarray(labels)]
    assert max(counts) == 1 or per == "example"


def test_the_weight_follows_the_beta_law_in_one_dimension():
    """kaggle-child-mind#62: the square root of the area was used for sequences too."""
    batch = labelled((3, 1000, 1))
    cutmix = partial(augment.cutmix, spatial_axes=(1,))
    labels = jax.jit(jax.vmap(lambda key: cutmix(key, batch, 0.7)[1]))(jax.random.split(KEY, 1500))
    # Who is his own partner shows no weight.
    weights = np.asarray(jnp.diagonal(labels, axis1=1, axis2=2).min(1), float)
    weights = weights[weights < 1 - 1e-6]
    law = scipy.stats.beta(0.7, 0.7)
    assert scipy.stats.kstest(weights, lambda w: law.cdf(w) / law.cdf(0.9995)).pvalue > 1e-3


def test_cut_pastes_a_box_of_each_size():
    (images, labels), other = labelled((2, 4, 5, 1)), (jnp.full((2, 4, 5, 1), 9.0), jnp.zeros((2, 2)))
    start, stop = jnp.array([[0, 1], [2, -3]]), jnp.array([[2, 3], [9, 9]])
    found, mixed = augment.paste_box((images, labels), other, start, stop)
    assert (found[0, 0:2, 1:3] == 9).all()
    assert (found[1, 2:4, :] == 9).all()
    np.testing.assert_array_equal((found == 9).sum((1, 2, 3)), [4, 10])
    np.testing.assert_allclose(mixed.sum(1), [16 / 20, 10 / 20], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint32", "float32", "bfloat16"])
@pytest.mark.parametrize("compile_it", [False, True], ids=["concrete", "traced"])
def test_corners_of_any_dtype_cut_what_they_weigh(dtype, compile_it):
    batch, other = labelled((2, 4, 300, 1)), (jnp.full((2, 4, 300, 1), 9.0), jnp.zeros((2, 2)))
    cut = jax.jit(augment.paste_box) if compile_it else augment.paste_box
    images, labels = cut(batch, other, np.array([1, 2], dtype), np.array([3, 100], dtype))
    np.testing.assert_array_equal((images == 9).sum((1, 2, 3)), [2 * 98] * 2)
    np.testing.assert_allclose(labels.sum(1), 1.0 - 2 * 98 / 1200, rtol=1e-6)


@pytest.mark.parametrize("compile_it", [False, True], ids=["concrete", "traced"])
def test_fractions_of_corners_round_up_for_pixels_and_labels_alike(compile_it):
    """The pixels were counted whole, and the labels by the fractions."""
    batch, other = labelled((2, 8, 8, 1)), (jnp.full((2, 8, 8, 1), 9.0), jnp.zeros((2, 2)))
    cut = jax.jit(augment.paste_box) if compile_it else augment.paste_box
    images, labels = cut(batch, other, np.array([0.2, 0.3]), np.array([[3.6, 3.7], [2.0, 9.5]]))
    assert (images[0, 1:4, 1:4] == 9).all()
    np.testing.assert_array_equal((images == 9).sum((1, 2, 3)), [9, 7])
    np.testing.assert_allclose(labels.sum(1), 1.0 - np.array([9, 7]) / 64, rtol=1e-6)


def test_corners_that_are_none_are_refused_in_their_own_name():
    batch = labelled((2, 8, 8, 1))
    corners = {"start": jnp.zeros(2), "stop": jnp.ones(2)}
    for name in corners:
        with pytest.raises(ValueError, match=rf"^paste_box: {name} must be a number other than NaN; got"):
            augment.paste_box(batch, batch, **{**corners, name: jnp.array([1.0, jnp.nan])})
    with pytest.raises(ValueError, match=r"^paste_box: stop must have shape \(2,\) or \(2, 2\); got \(3,\)"):
        augment.paste_box(batch, batch, jnp.zeros(2), jnp.ones(3))
    with pytest.raises(TypeError, match=r"^paste_box: batch must hold floats; got int32 at its root"):
        augment.paste_box((batch[0], jnp.arange(2)), (batch[0], jnp.arange(2)), **corners)
    images, labels = jax.jit(augment.paste_box)(batch, batch, jnp.zeros(2), jnp.array([[1.0, jnp.nan], [1.0, 1.0]]))
    assert jnp.isnan(images[0]).all()
    assert jnp.isnan(labels[0]).all()
    assert jnp.isfinite(images[1]).all()


def test_the_axes_of_a_box_are_distinct_whole_numbers_and_one_may_stand_alone():
    """An axis named twice halved the label's weight, and not the pixels."""
    batch = labelled((4, 6, 6, 1))
    for axes in ((1, 1), (1, 2, 1)):
        with pytest.raises(ValueError, match=r"^cutmix: spatial_axes must name each axis once; got"):
            augment.cutmix(KEY, batch, 1.0, spatial_axes=axes)
    for axes in ((True, 2), (1.0,), "12", None, 2.0, ([1],), np.timedelta64(1)):
        with pytest.raises(TypeError, match=r"^paste_box: spatial_axes must (be an int or|hold)"):
            augment.paste_box(batch, batch, jnp.zeros(2), jnp.ones(2), spatial_axes=axes)
    for axes in ((), (0, 1), (-1,), 0):
        with pytest.raises(ValueError, match=r"^mixup_or_cutmix: spatial_axes must be positive"):
            augment.mixup_or_cutmix(KEY, batch, 1.0, 1.0, 0.5, spatial_axes=axes)
    one, alone = (augment.cutmix(KEY, batch, 1.0, spatial_axes=axes) for axes in ((2,), 2))
    jax.tree.map(np.testing.assert_array_equal, one, alone)


def test_bytes_and_masks_are_cut_and_volumes_too():
    images = (
        jnp.arange(3, dtype=jnp.uint8)[:, None, None, None] * jnp.ones((3, 4, 5, 6), jnp.uint8),
        jnp.zeros((3, 4, 5, 6, 2)),
    )
    found, labels = augment.cutmix(KEY, (images, jnp.eye(3)), 1.0, spatial_axes=(1, 2, 3))
    assert found[0].dtype == jnp.uint8
    np.testing.assert_allclose((found[0] == 0).mean((1, 2, 3)), labels[:, 0], atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_batches_of_any_size_work_and_alpha_zero_is_the_identity(size):
    """huggingface/pytorch-image-models#1304: odd and single-example batches failed."""
    batch = labelled((size, 4, 6, 1))
    found = augment.cutmix(KEY, batch, 0.0 if size > 1 else 1.0)
    jax.tree.map(np.testing.assert_array_equal, found, batch)
    assert augment.cutmix(None, batch, 1.0) is batch
    assert augment.mixup_or_cutmix(None, batch, 1.0, 1.0, 0.5) is batch


switch = jax.jit(
    jax.vmap(
        lambda key, mixup_alpha, cutmix_alpha, prob: augment.mixup_or_cutmix(
            key, labelled((6, 4, 6, 1)), mixup_alpha, cutmix_alpha, prob, per="example"
        ),
        in_axes=(0, None, None, None),
    )
)


def test_the_switch_takes_either_with_its_probability():
    # Infinite alphas: every weight is one half, of which the pixels of 4 x 6 allow the exact share.
    for prob in (0.0, 0.3, 1.0):
        images, labels = switch(jax.random.split(KEY, 500), jnp.inf, jnp.inf, prob)
        np.testing.assert_allclose(images.mean((2, 3, 4)), labels @ jnp.arange(6.0), atol=1e-5)
        is_mixed = np.asarray(labels.max(2) < 0.9)
        # A blend of two flat images is flat, a cut one is not.
        is_cut = np.asarray(images.max((2, 3, 4)) > images.min((2, 3, 4)))[is_mixed]
        assert abs(is_cut.mean() - prob) <= 5 * (prob * (1 - prob) / is_cut.size) ** 0.5


def test_bad_traced_numbers_give_nan_in_the_switch_and_in_cutmix():
    for numbers in ((-1.0, 1.0, 0.5), (1.0, -1.0, 0.5), (1.0, 1.0, 1.5)):
        assert jnp.isnan(switch(jax.random.split(KEY, 500), *numbers)[0]).all()
    found = jax.jit(lambda alpha: augment.cutmix(KEY, labelled((5, 8, 12, 1)), alpha))(-1.0)
    assert all(jnp.isnan(leaf).all() for leaf in found)


def test_what_is_no_pair_and_class_ids_are_refused():
    images, labels = labelled((4, 4, 6, 1))
    with pytest.raises(TypeError, match=r"^cutmix: batch must be a pair \(inputs, targets\); got ArrayImpl"):
        augment.cutmix(KEY, images, 1.0)
    with pytest.raises(TypeError, match=r"^cutmix: batch must hold floats; got int32 .*jax.nn.one_hot"):
        augment.cutmix(KEY, (images, jnp.arange(4)), 1.0)
    with pytest.raises(TypeError, match=r"^mixup_or_cutmix: batch must hold floats; got uint8 at 0.*images floats"):
        augment.mixup_or_cutmix(KEY, (images.astype(jnp.uint8), labels), 1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match=r"^cutmix: batch must have one size on the first axis"):
        augment.cutmix(KEY, (images, labels[:3]), 1.0)
    with pytest.raises(ValueError, match=r"^cutmix: inputs must have the axes \(1, 2\); got shapes"):
        augment.cutmix(KEY, (labels, labels), 1.0)
    with pytest.raises(ValueError, match=r"^cutmix: alpha must be at least 0; got -1"):
        augment.cutmix(KEY, (images, labels), -1)
    with pytest.raises(ValueError, match=r"^cutmix: per must be one of 'example', 'batch'; got 'pair'"):
        augment.cutmix(KEY, (images, labels), 1.0, per="pair")
