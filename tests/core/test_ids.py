"""Whole numbers that a cast would wrap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment, targets

KEY = jax.random.key(0)
LOGITS, ROWS = jnp.ones((2, 3)), jnp.array([[0.0], [1.0], [2.0], [9.0]])
WRAPPING = [
    np.array([2**32 + 1, 1]),
    np.array([-(2**63), 1]),
    np.array([2**64 - 1, 1], np.uint64),
    np.array([2**32 - 1, 1], np.uint32),
    np.array([-(2**32), 1]),
]
TAKING = {
    "smoothed_cross_entropy": lambda ids: targets.smoothed_cross_entropy(LOGITS, ids, 0.1),
    "smooth_labels": lambda ids: targets.smooth_labels(ids, 0.1, num_classes=3),
    "smooth_binary_labels": lambda ids: targets.smooth_binary_labels(ids, 0.1),
    "smote": lambda ids: augment.smote(KEY, ROWS[:2], ids, num_classes=2, num_per_class=3),
}


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.parametrize("ids", WRAPPING, ids=lambda ids: f"{ids[0]} {ids.dtype}")
@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
def test_ids_beyond_int32_are_refused_before_they_wrap(name, ids, x64):
    """2**32 + 1 was taken for class 1, and a NaN cast to int64 for class 0."""
    with jax.enable_x64(x64), pytest.raises(ValueError, match=rf"^{name}: labels must be in .*; got .*{ids[0]}"):
        TAKING[name](ids)


def test_traced_ids_of_every_dtype_become_nan_where_they_are_out_of_range():
    for dtype in ("uint8", "int8", "uint32", "int32", "int64", "uint64"):
        with jax.enable_x64(dtype in ("int64", "uint64")):
            ids = np.array([1, 5], dtype)
            smoothed = jax.jit(lambda ids: targets.smooth_labels(ids, 0.1, num_classes=3))(ids)
            assert np.isnan(smoothed).all(1).tolist() == [False, True]
            wide = jax.jit(lambda ids: targets.smooth_labels(ids, 0.1, num_classes=300))(ids)
            assert np.isfinite(wide).all()
    with jax.enable_x64(True):
        for ids in WRAPPING:
            loss = jax.jit(lambda ids: targets.smoothed_cross_entropy(jnp.ones((2, 3)), ids, 0.1))(ids)
            assert np.isnan(loss)


def test_rows_that_do_not_count_may_hold_any_id():
    where = jnp.array([False, True])
    for ids in (*WRAPPING, np.array([-100, 1])):
        loss = targets.smoothed_cross_entropy(LOGITS, ids, 0.1, where=where)
        np.testing.assert_allclose(loss, np.log(3), rtol=1e-6)
        gradient = jax.grad(lambda s, ids=ids: targets.smoothed_cross_entropy(LOGITS, ids, s, where=where))(0.1)
        assert jnp.isfinite(gradient)
        traced = jax.jit(lambda where, ids=ids: targets.smoothed_cross_entropy(LOGITS, ids, 0.1, where=where))(where)
        np.testing.assert_allclose(traced, np.log(3), rtol=1e-6)
        other = jax.jit(lambda where, ids=ids: targets.smoothed_cross_entropy(LOGITS, ids, 0.1, where=where))(~where)
        assert jnp.isnan(other)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("random_swap: tokens", lambda x: augment.random_swap(KEY, x, 0.1)),
        (
            "random_insertion: synonyms",
            lambda x: augment.random_insertion(KEY, jnp.ones(3, int), x[None], 0.1, padding_id=0),
        ),
        ("swap_noise: x", lambda x: augment.swap_noise(KEY, x, 0.1)),
        ("feature_mixup: x", lambda x: augment.feature_mixup(KEY, x[None], jnp.ones(1), 0.1)),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_tokens_and_codes_that_do_not_fit_are_refused(name, call):
    for values in (np.array([2**32 + 1, 1]), np.array([-(2**31) - 1, 1]), np.array([2**32, 1], np.uint64)):
        with pytest.raises(ValueError, match=rf"^{name} must fit in u?int32, or .*; got {values[0]}"):
            call(values)
