"""Masked, swapped and deleted words: their counts and laws, and what is never touched."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(5)
CLS, SEP, PAD, MASK = 1, 2, 0, 3
OPTIONS = {"special_ids": (CLS, SEP), "padding_id": PAD}
dropout = jax.jit(partial(augment.token_dropout, mask_id=MASK, **OPTIONS))
swap = jax.jit(partial(augment.random_swap, **OPTIONS))
deletion = jax.jit(partial(augment.random_deletion, **OPTIONS))


def rows(num: int, words: int = 20, length: int = 24) -> jax.Array:
    """Rows of distinct words between special tokens, padded."""
    row = [CLS, *range(10, 10 + words), SEP]
    return jnp.asarray([row + [PAD] * (length - len(row))] * num)


def assert_specials_stay(before, after):
    before, after = np.asarray(before), np.asarray(after)
    is_fixed = np.isin(before, (CLS, SEP, PAD))
    np.testing.assert_array_equal(before[is_fixed], after[is_fixed])


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_each_word_is_masked_with_the_rate_and_nothing_else_is(rate):
    before = rows(1000)
    after = np.asarray(dropout(KEY, before, rate))
    assert_specials_stay(before, after)
    is_word = ~np.isin(np.asarray(before), (CLS, SEP, PAD))
    masked = after[is_word] == MASK
    assert abs(masked.mean() - rate) < 5 * (rate * (1 - rate) / masked.size) ** 0.5
    np.testing.assert_array_equal(after[is_word][~masked], np.asarray(before)[is_word][~masked])
    # Words are masked independently: the counts of rows follow the binomial law.
    counts = masked.reshape(1000, 20).sum(1)
    assert abs(counts.var() / (20 * rate * (1 - rate)) - 1) < 5 * (2 / 1000) ** 0.5


@pytest.mark.parametrize(("rate", "pairs"), [(0.0, 0), (0.01, 1), (0.1, 2), (0.29, 5), (0.5, 10), (1.0, 10)], ids=str)
def test_as_many_pairs_are_swapped_as_in_the_paper(rate, pairs):
    """max(1, int(alpha * words)) of them, and none at 0."""
    before = rows(50)
    after = np.asarray(swap(KEY, before, rate))
    assert_specials_stay(before, after)
    np.testing.assert_array_equal(np.sort(after, 1), np.sort(np.asarray(before), 1))
    np.testing.assert_array_equal((after != before).sum(1), 2 * pairs)
    # A swap is its own inverse: what is at the place of a word has that word at its own.
    place = np.argsort(after[:, 1:21], 1)
    np.testing.assert_array_equal(np.take_along_axis(place, place, 1), np.tile(np.arange(20), (50, 1)))


def test_every_pair_is_swapped_equally_often():
    after = np.asarray(swap(KEY, rows(6000, words=4, length=6), 0.25))[:, 1:5]
    found = [tuple(np.flatnonzero(row != np.arange(10, 14))) for row in after]
    counts = [found.count(pair) for pair in itertools.combinations(range(4), 2)]
    assert sum(counts) == 6000
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_what_is_left_after_a_deletion_stays_in_order_and_the_gap_is_padding():
    before = rows(500)
    after = np.asarray(deletion(KEY, before, 0.4))
    for row in after:
        left = row[row != PAD]
        assert (row[left.size :] == PAD).all()
        assert (left[0], left[-1]) == (CLS, SEP)
        assert (np.diff(left[1:-1]) > 0).all()
    num_deleted = (after == PAD).sum() - (np.asarray(before) == PAD).sum()
    assert abs(num_deleted / 10000 - 0.4) < 5 * (0.24 / 10000) ** 0.5


@pytest.mark.parametrize("rate", [0.6, 1.0])
def test_deletion_follows_the_law_of_the_paper(rate):
    """Each word goes with the rate on its own; when all went, one of them, drawn uniformly, is left."""
    after = np.asarray(deletion(KEY, rows(20000, words=3, length=5), rate))
    found = [tuple(row[(row >= 10)] - 10) for row in after]
    sets = [kept for size in (1, 2, 3) for kept in itertools.combinations(range(3), size)]
    share = [
        (1 - rate) ** len(kept) * rate ** (3 - len(kept)) + (rate**3 / 3 if len(kept) == 1 else 0.0) for kept in sets
    ]
    counts = np.array([found.count(kept) for kept in sets])
    assert counts.sum() == 20000
    possible = np.array(share) > 0
    assert not counts[~possible].any()
    assert scipy.stats.chisquare(counts[possible], 20000 * np.array(share)[possible]).pvalue > 1e-3


def test_rows_without_words_and_rows_padded_at_the_left_stay_right():
    empty = jnp.array([[CLS, SEP, PAD, PAD], [PAD, PAD, PAD, PAD]])
    for change in (dropout, swap, deletion):
        np.testing.assert_array_equal(change(KEY, empty, 1.0), empty)
    left = jnp.array([[PAD, PAD, CLS, 10, 11]])
    short = deletion(KEY, left, 1.0)
    assert short[0, :3].tolist() == [PAD, PAD, CLS]
    assert short[0, 4] == PAD
    assert int(short[0, 3]) in (10, 11)
    assert sorted(swap(KEY, left, 1.0)[0].tolist()) == sorted(left[0].tolist())


def test_one_word_is_neither_swapped_nor_deleted():
    row = jnp.array([CLS, 10, SEP, PAD])
    for change in (swap, deletion):
        np.testing.assert_array_equal(change(KEY, row, 1.0), row)


def test_no_id_is_padding_unless_one_is_named():
    row = jnp.array([[0, 0, 0, 1]] * 64)
    assert (augment.token_dropout(KEY, row, 1.0, mask_id=9) == 9).all()
    unsigned = row.astype(jnp.uint8)
    assert (augment.token_dropout(KEY, unsigned, 1.0, mask_id=9, padding_id=-1) == 9).all()


def test_bad_tokens_and_ids_are_refused():
    with pytest.raises(TypeError, match=r"^random_swap: tokens must hold integers; got dtype float32"):
        augment.random_swap(KEY, jnp.ones(3), 0.1)
    with pytest.raises(TypeError, match=r"^random_deletion: tokens must be an array; got list"):
        augment.random_deletion(KEY, [1, 2], 0.1, padding_id=0)
    with pytest.raises(ValueError, match=r"^token_dropout: tokens must be \(\*batch, length\); got shape \(\)"):
        augment.token_dropout(KEY, jnp.array(1), 0.1, mask_id=3)
    with pytest.raises(ValueError, match=r"^token_dropout: mask_id must be at most 255 for tokens of uint8; got 300"):
        augment.token_dropout(KEY, jnp.ones(3, jnp.uint8), 0.1, mask_id=300)
    with pytest.raises(TypeError, match=r"^random_swap: special_ids must hold ints; got \(1.5,\)"):
        augment.random_swap(KEY, jnp.ones(3, int), 0.1, special_ids=(1.5,))
    with pytest.raises(ValueError, match=r"^random_deletion: padding_id must be at least 0; got -1"):
        augment.random_deletion(KEY, jnp.ones(3, jnp.uint8), 0.1, padding_id=-1)
    with pytest.raises(TypeError, match=r"^random_deletion: padding_id must be a Python int; got None"):
        augment.random_deletion(KEY, jnp.ones(3, int), 0.1, padding_id=None)
