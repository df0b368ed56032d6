"""The words of the counter hash: uniform, independent across keys and positions, the same for ever, and free."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import noise, random
from jreg.random import _hash

KEY = jax.random.key(7)
NUM_WORDS = 2**20
NUM_POSITIONS = 2**13
ERROR = 1e-6
"""The chance of a false alarm that every bound below is set for, over all statistics of one test."""


def raw_keys(words) -> jax.Array:
    return jnp.asarray(np.array(words, dtype=np.uint32))


KEYS = {
    "(0, t)": raw_keys([(0, t) for t in range(24)]),
    "(t, 0)": raw_keys([(t, 0) for t in range(24)]),
    "(t, t)": raw_keys([(t, t) for t in range(24)]),
    "one bit": raw_keys([(2**i, 0) for i in range(0, 32, 2)] + [(0, 2**i) for i in range(0, 32, 2)]),
    "all bits but one": raw_keys([(~(2**i) & 0xFFFFFFFF, 0xFFFFFFFF) for i in range(24)]),
    "golden ratio": raw_keys([(0x9E3779B9 * t & 0xFFFFFFFF, 0xBB67AE85) for t in range(24)]),
    "split": jax.random.split(KEY, 24),
    "fold_in": jax.vmap(lambda step: jax.random.fold_in(KEY, step))(jnp.arange(24)),
}


def largest_allowed(num_statistics: int) -> float:
    """Hoeffding's bound for a sum of n signs over sqrt(n), and Bonferroni's over the statistics."""
    return float(np.sqrt(2.0 * np.log(2.0 * num_statistics / ERROR)))


def signs(words, bit: int = 31) -> np.ndarray:
    return np.where(np.asarray(words) >> np.uint32(bit) & 1, 1.0, -1.0)


def walsh(rows: np.ndarray) -> np.ndarray:
    """The Walsh-Hadamard transform, which makes products of correlations over every xor of the index."""
    size = rows.shape[-1]
    for width in 2 ** np.arange(int(np.log2(size))):
        halves = rows.reshape(-1, size // (2 * width), 2, width)
        sums = np.stack([halves[:, :, 0] + halves[:, :, 1], halves[:, :, 0] - halves[:, :, 1]], axis=2)
        rows = sums.reshape(rows.shape)
    return rows


def largest_correlation(rows: np.ndarray) -> tuple[float, int]:
    """The largest correlation of any two rows, over every cyclic shift and every xor of the index, and their number."""
    num_rows, size = rows.shape
    first, second = np.triu_indices(num_rows, 1)
    fourier, hadamard = np.fft.rfft(rows), walsh(rows)
    shifted = np.fft.irfft(fourier[first] * fourier[second].conj(), size)
    xored = walsh(hadamard[first] * hadamard[second]) / size
    return float(max(np.abs(shifted).max(), np.abs(xored).max())) / size**0.5, 2 * shifted.size


@pytest.fixture(scope="module")
def many_words() -> np.ndarray:
    return np.asarray(jax.jit(lambda key: random.hash_bits(key, (NUM_WORDS,)))(KEY))


def test_every_bit_is_fair(many_words):
    ones = np.array([(many_words >> np.uint32(bit) & 1).sum() for bit in range(32)])
    z = (ones - NUM_WORDS / 2) / (NUM_WORDS**0.5 / 2)
    assert np.abs(z).max() < largest_allowed(32)
    assert scipy.stats.chi2.sf((z**2).sum(), 32) > 1e-3


def test_every_byte_is_uniform(many_words):
    for byte in range(4):
        counts = np.bincount(many_words >> np.uint32(8 * byte) & 255, minlength=256)
        assert 1e-4 < scipy.stats.chisquare(counts).pvalue < 1 - 1e-4


def test_bits_of_one_word_and_of_its_neighbours_are_independent(many_words):
    rows = np.stack([signs(many_words[:NUM_POSITIONS], bit) for bit in range(32)])
    largest, count = largest_correlation(rows)
    assert largest < largest_allowed(count)


@pytest.mark.parametrize("lag", [1, 2, 3, 7, 64, 1000, 1024, 2**16])
def test_words_a_lag_apart_are_independent(many_words, lag):
    for bit in (31, 30, 0):
        row = signs(many_words, bit)
        z = (row[lag:] * row[:-lag]).sum() / (NUM_WORDS - lag) ** 0.5
        assert abs(z) < largest_allowed(24)


@pytest.mark.thorough
def test_words_repeat_as_often_as_random_words_do():
    """A permutation of the counter would never repeat a word: expected are n**2 / 2**33 repeats."""
    keys = jax.random.split(KEY, 4)
    draw = jax.jit(lambda key: random.hash_bits(key, (NUM_WORDS,)))
    repeats = sum(NUM_WORDS - np.unique(np.asarray(draw(key))).size for key in keys)
    expected = len(keys) * NUM_WORDS**2 / 2**33
    assert abs(repeats - expected) < 5 * expected**0.5


@pytest.mark.parametrize("family", KEYS)
def test_keys_that_are_alike_give_masks_that_are_independent(family):
    words = jax.jit(jax.vmap(lambda key: random.hash_bits(key, (NUM_POSITIONS,))))(KEYS[family])
    for bit in (31, 7):
        largest, count = largest_correlation(signs(words, bit))
        assert largest < largest_allowed(count)


def test_the_correlation_finds_masks_that_are_permutations_of_one_another():
    """What `mix(i ^ key)` does to neighbouring keys, and what the test above must not pass."""
    positions = jnp.arange(NUM_POSITIONS, dtype=jnp.uint32)
    xored = jnp.stack([_hash._lowbias32(positions ^ jnp.uint32(key)) for key in (5, 6)])
    added = jnp.stack([_hash._lowbias32(positions + jnp.uint32(key)) for key in (5, 6)])
    for words in (xored, added):
        largest, count = largest_correlation(signs(words))
        assert largest > 10 * largest_allowed(count)


POWERS_OF_TWO = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32))


def test_every_bit_of_a_key_flips_every_bit_of_a_word_half_of_the_time():
    flips = np.kron(np.eye(2, dtype=np.uint32), POWERS_OF_TWO[:, None])
    draw = jax.jit(jax.vmap(lambda key: random.hash_bits(key, (4096,))))
    for key in (raw_keys([(0, 0)]), raw_keys([(0x12345678, 0x9ABCDEF0)])):
        _assert_half_of_the_bits_change(np.asarray(draw(key ^ flips)) ^ np.asarray(draw(key)))


def test_every_bit_of_a_position_flips_every_bit_of_a_word_half_of_the_time():
    positions = np.random.default_rng(0).integers(2**32, size=(1, 2**14), dtype=np.uint32)
    mix = jax.jit(lambda positions: _hash._mix(_hash._key_words(KEY), positions))
    flipped = mix(positions ^ POWERS_OF_TWO[:, None])
    _assert_half_of_the_bits_change(np.asarray(flipped) ^ np.asarray(mix(positions)))


def _assert_half_of_the_bits_change(changes: np.ndarray) -> None:
    """`changes` holds, for every flipped input bit, the xor of the words before and after: (inputs, samples)."""
    samples = changes.shape[1]
    flipped = np.stack([(changes >> np.uint32(bit) & 1).sum(1, dtype=np.int64) for bit in range(32)])
    z = (flipped - samples / 2) / (samples**0.5 / 2)
    assert np.abs(z).max() < largest_allowed(z.size)


def test_a_typed_key_and_the_legacy_key_of_its_data_give_the_same_words():
    typed = random.hash_bits(KEY, (64,))
    np.testing.assert_array_equal(typed, random.hash_bits(jax.random.key_data(KEY), (64,)))
    np.testing.assert_array_equal(typed, random.hash_bits(np.asarray(jax.random.key_data(KEY)), (64,)))


def test_keys_of_other_implementations_give_other_words():
    words = [
        np.asarray(random.hash_bits(jax.random.key(7, impl=name), (64,)))
        for name in ("threefry2x32", "rbg", "philox2x32")
    ]
    assert all((one != other).all() for i, one in enumerate(words) for other in words[:i])


def test_every_word_of_a_long_key_counts():
    data = jnp.zeros(4, jnp.uint32)
    keys = [jax.random.wrap_key_data(data.at[i].set(1), impl="rbg") for i in range(4)]
    words = {tuple(random.hash_bits(key, (4,)).tolist()) for key in (*keys, jax.random.wrap_key_data(data, impl="rbg"))}
    assert len(words) == 5


@pytest.mark.parametrize("shape", [(64,), (8, 8), (2, 4, 8), (1, 64, 1), (4, 1, 16)])
def test_words_depend_on_the_row_major_position_alone(shape):
    np.testing.assert_array_equal(random.hash_bits(KEY, shape).ravel(), random.hash_bits(KEY, (64,)))


def test_a_longer_array_starts_with_the_words_of_a_shorter_one():
    np.testing.assert_array_equal(random.hash_bits(KEY, (9, 5))[:4], random.hash_bits(KEY, (4, 5)))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
def test_scalars_and_empty_arrays_have_words(shape):
    words = random.hash_bits(KEY, shape)
    assert (words.shape, words.dtype) == (shape, jnp.uint32)


def test_the_words_of_a_key_never_change():
    """They are jreg's own, so that a mask of today is a mask of next year: change them in a new major version only."""
    golden = {
        0: [0x29309DE9, 0xA4AB8BDD, 0x06106D89, 0x80EBB34C],
        1: [0x96A43EDF, 0xDE8DD082, 0x0F1E6538, 0xCB2334A5],
    }
    for seed, expected in golden.items():
        words = random.hash_bits(raw_keys((0, seed)), (2, 2))
        np.testing.assert_array_equal(words.ravel(), np.array(expected, np.uint32))


def test_the_words_of_a_key_do_not_depend_on_x64_mode():
    narrow = np.asarray(random.hash_bits(KEY, (3, 5)))
    with jax.enable_x64(True):
        wide = random.hash_bits(jax.random.key(7), (3, 5))
        assert wide.dtype == jnp.uint32
        np.testing.assert_array_equal(narrow, wide)


def test_arrays_of_more_elements_than_words_have_a_shape():
    for shape in ((2**20, 2**13), (2**32 - 1, 2), (3, 2**31, 4), (2**30, 2**31, 2)):
        words = jax.eval_shape(lambda shape=shape: random.hash_bits(KEY, shape))
        assert (words.shape, words.dtype) == (shape, jnp.uint32)


def test_rows_of_a_large_array_are_independent():
    """The rows come from the whole array's program, of which XLA computes what is asked for alone."""
    rows = np.array([0, 1, 2, 3, 2**18, 2**19 - 1, 2**19, 2**19 + 1, 2**20 - 2, 2**20 - 1])

    def some_rows():
        words = random.hash_bits(KEY, (2**20, NUM_POSITIONS))
        return jnp.stack([words[int(row)] for row in rows])

    program = jax.jit(some_rows).lower().compile()
    assert program.memory_analysis().temp_size_in_bytes < 2**24
    words = np.asarray(program())
    expected = [_hash._mix(_hash._absorb(_hash._key_words(KEY), jnp.uint32(row)), _positions()) for row in rows]
    np.testing.assert_array_equal(words, expected)
    largest, count = largest_correlation(signs(np.concatenate([words, random.hash_bits(KEY, (1, NUM_POSITIONS))])))
    assert largest < largest_allowed(count)


def _positions() -> jax.Array:
    return jnp.arange(NUM_POSITIONS, dtype=jnp.uint32)


@pytest.mark.parametrize("shape", [(2**32,), (2, 2**32), (2**32, 2), (2**40, 1)])
def test_an_axis_longer_than_a_word_counts_is_refused(shape):
    with pytest.raises(ValueError, match=r"hash_bits: axis \d must be shorter than 2\*\*32; got shape"):
        jax.eval_shape(lambda: random.hash_bits(KEY, shape))


def _entry(program) -> str:
    return re.search(r"^ENTRY .*?^}", program.as_text(), re.MULTILINE | re.DOTALL).group()


@pytest.mark.parametrize("is_gradient", [False, True], ids=["forward", "backward"])
def test_the_words_are_fused_into_what_reads_them(is_gradient):
    """The mask costs no memory: no loop, no array of words, nothing but the output."""

    def dropped(x, key, rate):
        return noise.dropout(key, x, rate)

    def slope(x, key, rate):
        return jax.grad(lambda x: jnp.sum(dropped(x, key, rate) ** 2))(x)

    x = jnp.ones((1024, 1024))
    program = jax.jit(slope if is_gradient else dropped).lower(x, KEY, 0.3).compile()
    entry = _entry(program)
    assert "while" not in program.as_text()
    assert not re.search(r"(u32|s32|pred)\[\d{3,}", entry)
    assert program.memory_analysis().temp_size_in_bytes < 4096


def test_words_at_places_are_those_of_a_row_for_one_place_and_know_no_shape():
    place = jnp.arange(64, dtype=jnp.uint32)
    np.testing.assert_array_equal(random.hash_at(KEY, place), random.hash_bits(KEY, (64,)))
    whole = np.asarray(random.hash_at(KEY, place[:, None, None], place[None, :8, None], place[None, None]))
    part = random.hash_at(KEY, place[5:9, None, None], place[None, 3:8, None], place[None, None, 40:])
    np.testing.assert_array_equal(part, whole[5:9, 3:8, 40:])
    assert np.unique(whole).size > whole.size - 10
    assert random.hash_at(KEY, jnp.uint32(2), place).shape == (64,)
    assert not np.array_equal(whole[:, 0], random.hash_at(KEY, place[:, None], place)), "fewer places are other words"


def test_words_at_places_are_independent_along_every_place():
    size = 64
    place = jnp.arange(size, dtype=jnp.uint32)
    words = random.hash_at(KEY, place[:, None, None], place[None, :, None], place[None, None])
    for bit in (31, 30, 0):
        cube = signs(words, bit)
        for axis in range(3):
            rows = np.moveaxis(cube, axis, -1)
            z = (rows[..., 1:] * rows[..., :-1]).sum() / (size**3 - size**2) ** 0.5
            assert abs(z) < largest_allowed(9)
        largest, count = largest_correlation(cube[:32, 0])
        assert largest < largest_allowed(count)
        largest, count = largest_correlation(cube[0, :32])
        assert largest < largest_allowed(count)
