"""Rows made between neighbours, class by class, against scikit-learn's neighbours; cells exchanged between rows."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import sklearn.neighbors

from jreg import augment

KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [30, 8, 1])
X = (RNG.normal(size=(39, 3)) + 1000.0 * (1 + LABELS[:, None])).astype(np.float32)
ORDER = RNG.permutation(39)
X, LABELS = map(jnp.asarray, (X[ORDER], LABELS[ORDER]))
smote = jax.jit(augment.smote, static_argnames=("num_classes", "num_per_class", "num_neighbors"))
swap = jax.jit(augment.swap_noise)
balance = partial(smote, num_classes=3, num_per_class=40, num_neighbors=3)


def test_every_class_has_the_rows_asked_for_and_the_originals_first():
    x, labels = balance(KEY, X, LABELS)
    np.testing.assert_array_equal(np.bincount(labels), [40, 40, 40])
    for c in range(3):
        own = np.asarray(X[c == LABELS])
        first = np.asarray(x[labels == c])[: len(own)]
        np.testing.assert_array_equal(first[np.lexsort(first.T)], own[np.lexsort(own.T)])


def test_made_rows_lie_between_a_row_and_one_of_its_nearest_of_the_class():
    x, labels = balance(KEY, X, LABELS)
    own = np.asarray(X[LABELS == 1], np.float64)
    near = sklearn.neighbors.NearestNeighbors(n_neighbors=4).fit(own).kneighbors(own, return_distance=False)[:, 1:]
    starts, ends = np.repeat(own, 3, 0), own[near.ravel()]
    for made in np.asarray(x[labels == 1], np.float64)[8:]:
        way = ends - starts
        place = ((made - starts) * way).sum(1) / (way**2).sum(1)
        off = np.abs(starts + place[:, None] * way - made).max(1)
        on_it = (off < 1e-3) & (place > -1e-3) & (place < 1 + 1e-3)
        assert on_it.any()


def test_rows_neighbours_and_places_are_drawn_uniformly():
    x, labels = jnp.array([[0.0], [1.0], [3.0], [7.0], [100.0]]), jnp.array([0, 0, 0, 0, 1])
    made = np.asarray(smote(KEY, x, labels, num_classes=2, num_per_class=8004, num_neighbors=1)[0])[4:8004, 0]
    # With one neighbour the ways are 0-1, 1-0, 3-1 and 7-3.
    counts = [(made < 1).sum(), ((made >= 1) & (made < 3)).sum(), (made >= 3).sum()]
    assert scipy.stats.chisquare(counts, [4000, 2000, 2000]).pvalue > 1e-3
    assert scipy.stats.kstest((made[made >= 3] - 3) / 4, "uniform").pvalue > 1e-3


def test_a_row_alone_in_its_class_is_repeated():
    x, labels = balance(KEY, X, LABELS)
    np.testing.assert_array_equal(x[labels == 2], np.tile(X[LABELS == 2], (40, 1)))


def test_a_class_of_too_many_rows_keeps_a_random_choice_without_repetition():
    few = partial(smote, num_classes=3, num_per_class=5, num_neighbors=3)
    first, second = (np.asarray(few(key, X, LABELS)[0])[:5] for key in jax.random.split(KEY))
    own = {tuple(row) for row in np.asarray(X[LABELS == 0]).tolist()}
    assert {tuple(row) for row in first.tolist()} < own
    assert len({tuple(row) for row in first.tolist()}) == 5
    assert not np.array_equal(first, second)


def test_without_a_key_rows_are_repeated_in_order():
    x, labels = balance(None, X, LABELS)
    assert (x.shape, x.dtype, labels.dtype) == ((120, 3), jnp.float32, LABELS.dtype)
    for c, size in enumerate((30, 8, 1)):
        np.testing.assert_array_equal(x[labels == c], X[c == LABELS][np.arange(40) % size])


def test_small_integers_and_half_precision_are_kept():
    narrow = X.astype(jnp.bfloat16), LABELS.astype(jnp.int8)
    x, labels = jax.eval_shape(lambda x, labels: balance(KEY, x, labels), *narrow)
    assert (x.dtype, labels.dtype) == (jnp.bfloat16, jnp.int8)


def test_bad_labels_raise_when_concrete_and_give_nan_when_traced():
    bad = LABELS.at[3].set(7)
    with pytest.raises(ValueError, match=r"^smote: labels must be in \[0, 3\); got 7"):
        augment.smote(KEY, X, bad, num_classes=3, num_per_class=40)
    assert jnp.isnan(balance(KEY, X, bad)[0]).all()
    missing = jnp.where(LABELS == 1, 0, LABELS)
    with pytest.raises(ValueError, match=r"^smote: labels must hold each class; got none of class 1"):
        augment.smote(KEY, X, missing, num_classes=3, num_per_class=40)
    x, labels = balance(KEY, X, missing)
    np.testing.assert_array_equal(np.isnan(x).all(1), labels == 1)
    with pytest.raises(TypeError, match=r"^smote: labels must be an array of class ids"):
        augment.smote(KEY, X, X[:, 0], num_classes=3, num_per_class=40)
    with pytest.raises(ValueError, match=r"^smote: x must be \(rows, features\) and labels \(rows\)"):
        augment.smote(KEY, X, LABELS[:3], num_classes=3, num_per_class=40)


def test_cells_come_from_the_same_column_of_another_row_with_the_rate():
    table = jnp.arange(4000).reshape(1000, 4)
    swapped = np.asarray(swap(KEY, table, 0.3))
    np.testing.assert_array_equal(swapped % 4, np.asarray(table) % 4)
    is_swapped = swapped != np.asarray(table)
    assert abs(is_swapped.mean() - 0.3) < 5 * (0.21 / 4000) ** 0.5
    # Cells are drawn one by one, not rows.
    assert abs(np.corrcoef(is_swapped.T)[0, 1]) < 5 / 1000**0.5


def test_the_other_row_is_uniform_and_never_the_own():
    table = jnp.broadcast_to(jnp.arange(5)[:, None], (5, 2000))
    swapped = np.asarray(swap(KEY, table, 1.0))
    assert (swapped != np.asarray(table)).all()
    for own, row in enumerate(swapped):
        assert scipy.stats.chisquare(np.delete(np.bincount(row, minlength=5), own)).pvalue > 1e-3


def test_one_row_and_tables_of_bools_work():
    np.testing.assert_array_equal(augment.swap_noise(KEY, jnp.ones((1, 3)), 1.0), jnp.ones((1, 3)))
    np.testing.assert_array_equal(augment.swap_noise(KEY, jnp.array([True, False]), 1.0), jnp.array([False, True]))
    with pytest.raises(TypeError, match=r"^swap_noise: x must be an array; got list"):
        augment.swap_noise(KEY, [1.0], 0.1)
    with pytest.raises(ValueError, match=r"^swap_noise: x must be \(rows, \*features\); got shape \(\)"):
        augment.swap_noise(KEY, jnp.float32(1), 0.1)
