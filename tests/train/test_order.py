"""The order of an epoch is a permutation, uniform, and the same everywhere."""

from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jreg.train._order import LARGEST, shuffled

KEYS = jax.random.split(jax.random.key(0), 24 * 2000)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 255, 256, 257, 1400, 70_000])
def test_every_row_comes_once(size):
    order = shuffled(jax.random.key(size), size)
    assert order.dtype == jnp.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(size))


def test_every_order_of_four_rows_is_as_likely():
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: shuffled(key, 4)))(KEYS))
    places = {order: place for place, order in enumerate(permutations(range(4)))}
    counts = np.bincount([places[order] for order in map(tuple, drawn.tolist())], minlength=24)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_pairs_of_rows_are_in_order_half_of_the_time_and_rows_are_anywhere():
    size, keys = 300, KEYS[:2000]
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: shuffled(key, size)))(keys))
    where = np.argsort(drawn, axis=1)
    for near in (1, 2, 150):
        before = np.mean(where[:, :-near] < where[:, near:], axis=1)
        assert abs(before.mean() - 0.5) < 5 * before.std(ddof=1) / len(keys) ** 0.5
    for row in (0, 1, 149, 299):
        assert stats.chisquare(np.bincount(where[:, row] // 10, minlength=30)).pvalue > 1e-4
    # The longest run that rises has no more rows than chance gives.
    rises = np.mean(drawn[:, 1:] > drawn[:, :-1], axis=1)
    assert abs(rises.mean() - 0.5) < 5 * rises.std(ddof=1) / len(keys) ** 0.5


def test_it_is_the_same_in_a_vmap_and_in_x64_mode():
    alone = [shuffled(key, 1000) for key in KEYS[:3]]
    np.testing.assert_array_equal(jax.vmap(lambda key: shuffled(key, 1000))(KEYS[:3]), np.stack(alone))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(shuffled(KEYS[0], 1000), alone[0])
    assert (alone[0] != alone[1]).any()


def test_rows_too_many_for_a_word_are_shuffled_by_jax():
    assert jax.eval_shape(lambda key: shuffled(key, LARGEST + 1), KEYS[0]).shape == (LARGEST + 1,)
    assert "sort" in str(jax.make_jaxpr(lambda key: shuffled(key, LARGEST + 1))(KEYS[0]))
