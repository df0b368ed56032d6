"""The streams that the evidence is of are the words that the product draws."""

from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.generator import battery, crosskey, differences, related, streams, windows
from benchmarks.generator.mixers import BEFORE, CHOSEN, MIXERS, Mixer, philox, threefry
from jreg import random

ZEROS = tuple(np.zeros(1, np.uint32) for _ in range(3))
OUTPUT = """\
stdin_input_raw|  5.05e+07  |1573635972|
        sts_monobit|   1|    100000|     100|0.76766404|  PASSED
# bytes read: 41943040
stdin_input_raw|  5.05e+07  |1573635972|
     rgb_lagged_sum|   5|   1000000|     100|0.99675516|   WEAK
# bytes read: 2400000000
# seconds: 17
"""


def first_words(order, num_blocks, key=1):
    return np.concatenate(list(islice(streams.ORDERS[order](key=key), num_blocks)))


def words_of_key(number, size):
    return np.asarray(random.hash_bits(jax.random.key(number), (size,)))


def test_a_running_counter_gives_the_words_of_one_key():
    np.testing.assert_array_equal(first_words("counter", 3), words_of_key(1, 3 * 2**16))


def test_runs_give_the_first_words_of_neighbouring_keys():
    runs = first_words("runs", 1).reshape(-1, 64)
    for number in (0, 1, 1023):
        np.testing.assert_array_equal(runs[number], words_of_key(1 + number, 64))


def test_the_transposed_order_gives_one_word_of_every_key():
    transposed = first_words("transposed", 5).reshape(5, -1)
    for number in (0, 1, 65535):
        np.testing.assert_array_equal(transposed[:, number], words_of_key(1 + number, 5))


def test_children_are_those_of_a_split_and_draw_the_words_that_jax_draws():
    root = jax.random.key(1, impl=random.hash_prng)
    words = jax.vmap(lambda key: jax.random.bits(key, (64,)))(jax.random.split(root, 1024))
    np.testing.assert_array_equal(first_words("children", 1).reshape(-1, 64), words)


def test_packed_bits_are_the_decisions_of_a_mask():
    packed = next(streams.mask_bits(streams.counter()))
    kept = np.unpackbits(packed.view(np.uint8), bitorder="little")
    np.testing.assert_array_equal(kept, random.keep_mask(jax.random.key(1), (2**16,), 0.5))


@pytest.mark.parametrize("name", MIXERS)
def test_mixers_agree_on_both_kinds_of_arrays(name):
    words, position = streams.numbered_keys(np.array([3], np.uint32)), np.arange(100, dtype=np.uint32)
    expected = MIXERS[name].mix(words, position)
    with jax.numpy_rank_promotion("allow"):
        found = jax.jit(MIXERS[name].mix)(tuple(map(jnp.asarray, words)), jnp.asarray(position))
    np.testing.assert_array_equal(found, expected)


def test_published_generators_give_their_published_answers():
    """The vectors of zeros in Random123's kat_vectors."""
    position = np.zeros(1, np.uint32)
    assert philox(ZEROS, position, 7) == 0x257A3673
    assert philox(ZEROS, position, 10) == 0xFF1DAE59
    assert threefry(ZEROS, position, 13) == 0x9D1C5EC6
    assert threefry(ZEROS, position, 20) == 0x6B200159


def test_cross_key_statistics_see_keys_that_share_a_permuted_mask():
    finding = crosskey.unprepared(MIXERS["one word"], size=2**12)
    assert finding.worst > 60 > finding.bound > 4


def test_the_output_of_dieharder_is_read(tmp_path):
    (tmp_path / "runs.txt").write_text(OUTPUT)
    outcome = battery.read(tmp_path / "runs.txt")
    assert outcome.statistics == [
        ("sts_monobit", 1, 100, 0.76766404, "PASSED", 41943040),
        ("rgb_lagged_sum", 5, 100, 0.99675516, "WEAK", 2400000000),
    ]
    assert (outcome.num_bytes, outcome.seconds, outcome.is_complete) == (2441943040, 17, True)
    (tmp_path / "runs.txt").write_text(OUTPUT.replace("17", "17 (stopped at the limit)"))
    assert not battery.read(tmp_path / "runs.txt").is_complete


SIGNS = np.where(np.random.default_rng(0).integers(2, size=(2, 2**10)), 1, -1).astype(np.float32)
INDEX = np.arange(2**10)


@pytest.mark.parametrize("difference", [1, 2, 5, 64, 700, 1023])
def test_all_differences_are_the_sums_over_pairs(difference):
    row, other = SIGNS
    moved, rolled = INDEX ^ difference, np.roll(INDEX, -difference)
    expected = (row * row[moved]).sum() / (2 * row.size) ** 0.5
    np.testing.assert_allclose(differences.by_xor(row)[difference], expected, atol=1e-3)
    np.testing.assert_allclose(
        differences.by_xor(row, other)[difference], (row * other[moved]).sum() / row.size**0.5, atol=1e-3
    )
    np.testing.assert_allclose(
        differences.by_shift(row, other)[difference], (row[rolled] * other).sum() / row.size**0.5, atol=1e-3
    )
    if difference < row.size // 2:
        expected = (row[rolled] * row).sum() / row.size**0.5
        np.testing.assert_allclose(differences.by_shift(row)[difference], expected, atol=1e-3)


def test_a_difference_that_is_bad_is_named():
    """A mixer that forgets bits 3 and 5 of the position repeats its words at those differences."""

    def forgetful(words, position):
        return MIXERS[CHOSEN].mix(words, position & ~np.uint32(0x28))

    found = list(differences.measure(Mixer(forgetful, ""), 2**12, [1], [0.5], [7]))
    for worst in found[::2]:
        assert (worst.kind, worst.difference in (0x8, 0x20, 0x28)) == ("xor", True)
        assert worst.z > 40 > differences.bound(worst.count)
    healthy = differences.measure(MIXERS[CHOSEN], 2**12, [1], [0.5, 0.1], [7])
    assert all(abs(worst.z) < differences.bound(worst.count) for worst in healthy)


def test_windows_that_are_uneven_are_seen(monkeypatch):
    monkeypatch.setattr(windows, "_BLOCK", 2**16)

    def uneven(words, position):
        word = MIXERS[CHOSEN].mix(words, position)
        return word & ~(word >> 1 & np.uint32(1 << 20))

    z = {w.start: w.z for w in windows.measure(Mixer(uneven, ""), 20, 1)}
    assert len(z) == 17
    assert all((abs(value) > 50) == (5 <= start <= 20) for start, value in z.items())
    assert all(abs(w.z) < 5 for w in windows.measure(MIXERS[CHOSEN], 20, 1))


def test_keys_that_share_a_word_are_seen_under_the_mixer_before():
    found = {row.family: row.worst for row in related.measure(MIXERS[BEFORE], 2**10)}
    assert found["equal second word, first words near"] > 15
    now = related.measure(MIXERS[CHOSEN], 2**10)
    assert [row.family for row in now if row.worst > differences.bound(row.count)] == [related.MOVED]
