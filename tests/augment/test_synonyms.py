"""Replaced and inserted synonyms: where they come from, how many, where they go, and that nothing is lost."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(3)
CLS, SEP, PAD = 1, 2, 0
OPTIONS = {"special_ids": (CLS, SEP), "padding_id": PAD}
# 10 to 14 have synonyms, in whatever place of their row; 15 to 19 have none; 1 and 2 have, and must not use them.
TABLE = np.full((20, 3), -1)
TABLE[[1, 2]] = 50
TABLE[10:15] = [[100, 101, 102], [-1, 111, -1], [120, -1, 122], [-1, -1, 132], [140, 141, -1]]
TABLE = jnp.asarray(TABLE)

replace = jax.jit(partial(augment.synonym_replacement, **OPTIONS))
insert = jax.jit(partial(augment.random_insertion, **OPTIONS))


def rows(num: int, padding: int = 4) -> jax.Array:
    return jnp.asarray([[CLS, *range(10, 20), SEP] + [PAD] * padding] * num)


@pytest.mark.parametrize(("rate", "num"), [(0.0, 0), (0.01, 1), (0.1, 1), (0.35, 3), (0.5, 5), (1.0, 5)])
def test_as_many_words_are_replaced_as_in_the_paper(rate, num):
    """max(1, int(alpha * words)) of those that have a synonym, and none at 0."""
    before = np.asarray(rows(200))
    after = np.asarray(replace(KEY, rows(200), TABLE, rate))
    is_changed = after != before
    np.testing.assert_array_equal(is_changed.sum(1), num)
    for old, new in zip(before[is_changed], after[is_changed], strict=True):
        assert new in np.asarray(TABLE)[old]
        assert new >= 100


def test_words_and_their_synonyms_are_drawn_uniformly():
    after = np.asarray(replace(KEY, rows(6000), TABLE, 0.1))
    counts = {new: int((after == new).sum()) for new in (100, 101, 102, 111, 120, 122, 132, 140, 141)}
    expected = [1200 / int((TABLE[10 + new % 100 // 10] >= 0).sum()) for new in counts]
    assert sum(counts.values()) == 6000
    assert scipy.stats.chisquare(list(counts.values()), expected).pvalue > 1e-3


@pytest.mark.parametrize(("rate", "padding", "num"), [(0.0, 4, 0), (0.1, 4, 1), (0.3, 4, 3), (1.0, 4, 4), (1.0, 0, 0)])
def test_insertions_take_the_room_of_padding_and_lose_no_token(rate, padding, num):
    before = rows(200, padding)
    after = np.asarray(insert(KEY, before, TABLE, rate))
    for row in after:
        is_inserted = row >= 100
        assert is_inserted.sum() == num
        rest = row[~is_inserted]
        np.testing.assert_array_equal(rest, np.asarray(before)[0, : rest.size])
        # Each word gives one synonym at most.
        assert len({new // 10 for new in row[is_inserted]}) == num
        assert row[0] == CLS
        assert not is_inserted[np.flatnonzero(row == SEP)[0] :].any()


def test_an_insertion_goes_before_every_word_equally_often():
    after = np.asarray(insert(KEY, rows(5000), TABLE, 0.1))
    places = (after >= 100).argmax(1)
    assert scipy.stats.chisquare(np.bincount(places, minlength=12)[1:11]).pvalue > 1e-3
    assert set(places) == set(range(1, 11))


def test_rows_padded_at_the_left_keep_their_end():
    left = jnp.array([[PAD, PAD, CLS, 11, 15]])
    after = insert(KEY, left, TABLE, 0.5)[0].tolist()
    assert after in ([PAD, CLS, 111, 11, 15], [PAD, CLS, 11, 111, 15])


def test_words_without_synonyms_and_beyond_the_table_are_left_alone():
    row = jnp.array([[CLS, 15, 16, 500, -7, SEP, PAD]])
    for change in (replace, insert):
        np.testing.assert_array_equal(change(KEY, row, TABLE, 1.0), row)


def test_bad_tables_are_refused():
    for change in (augment.synonym_replacement, augment.random_insertion):
        with pytest.raises(ValueError, match=r"synonyms must be \(vocabulary, width\); got shape \(3,\)"):
            change(KEY, rows(1), jnp.arange(3), 0.1, padding_id=PAD)
        with pytest.raises(TypeError, match="synonyms must be an array of integers"):
            change(KEY, rows(1), {10: [100]}, 0.1, padding_id=PAD)
