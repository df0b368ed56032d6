"""Masks: exact at both ends, fair between them, and drawn from any source of words."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jreg import random

KEY = jax.random.key(7)
SIZE = 2**20


def constant_bits(word: int):
    return lambda key, shape: jnp.full(shape, word, jnp.uint32)


def assert_share_kept(mask, rate: float) -> None:
    assert abs(np.mean(mask) - (1 - rate)) <= 5 * (rate * (1 - rate) / np.size(mask)) ** 0.5


@pytest.mark.parametrize("word", [0, 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("use", [lambda f: f, jax.jit], ids=["static", "traced"])
def test_every_word_is_kept_at_rate_zero_and_dropped_at_rate_one(word, use):
    mask = use(lambda rate: random.keep_mask(KEY, (3,), rate, bits=constant_bits(word)))
    assert mask(0.0).all()
    assert not mask(1.0).any()


def test_the_threshold_is_exact_at_rate_one_half():
    for word, kept in ((2**31 - 1, False), (2**31, True)):
        assert bool(random.keep_mask(KEY, (), 0.5, bits=constant_bits(word))) is kept


@pytest.mark.parametrize("rate", [2.0**-31, 1e-6, 1e-4, 0.999, 1 - 1e-4])
def test_small_and_large_rates_are_met(rate):
    """jax-ml/jax#28039: small rates of a Bernoulli draw could not be reached."""
    threshold = int(np.float32(rate) * 2**31)
    dropped = random.keep_mask(KEY, (), rate, bits=constant_bits(2 * threshold - 1))
    kept = random.keep_mask(KEY, (), rate, bits=constant_bits(2 * threshold + 256))
    assert (bool(dropped), bool(kept)) == (False, True)
    assert_share_kept(random.keep_mask(KEY, (SIZE,), rate), rate)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("use", [lambda f: f, jax.jit], ids=["static", "traced"])
def test_a_rate_in_half_precision_means_its_value(dtype, use):
    """jax-ml/jax#28022: a float16 probability kept everything."""
    rate = jnp.asarray(0.3, dtype)
    mask = use(lambda rate: random.keep_mask(KEY, (2**16,), rate))(rate)
    np.testing.assert_array_equal(mask, random.keep_mask(KEY, (2**16,), float(rate)))
    assert_share_kept(mask, float(rate))


@pytest.mark.parametrize("rate", [np.float16(0.25), np.float64(0.25), np.array(0.25, np.float32)], ids=repr)
def test_numpy_rates_are_numbers_too(rate):
    np.testing.assert_array_equal(random.keep_mask(KEY, (64,), rate), random.keep_mask(KEY, (64,), 0.25))


@pytest.mark.parametrize(("rate", "share"), [(0, 1.0), (1, 0.0), (jnp.int32(1), 0.0)])
def test_whole_numbers_are_rates(rate, share):
    assert random.keep_mask(KEY, (64,), rate).mean() == share


def test_an_array_of_rates_holds_for_its_rows():
    rates = jnp.array([[0.0], [0.2], [0.7], [1.0]])
    mask = random.keep_mask(KEY, (4, 2**16), rates)
    for row, rate in zip(mask, rates.ravel().tolist(), strict=True):
        assert_share_kept(row, rate)


def test_a_higher_rate_drops_the_same_places_and_more():
    masks = [random.keep_mask(KEY, (2**12,), rate) for rate in (0.1, 0.2, 0.6)]
    for lower, higher in itertools.pairwise(masks):
        assert not (higher & ~lower).any()


@pytest.mark.parametrize("rate", [jnp.ones(3), jnp.ones((2, 1, 1)), jnp.ones((3, 3)), jnp.ones(1)])
def test_rates_that_would_widen_the_mask_are_refused(rate):
    with pytest.raises(ValueError, match=r"keep_mask: rate must be a scalar or broadcast against shape \(2, 3\)"):
        random.keep_mask(KEY, (2, 3), rate)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), float("inf"), np.array([[0.5], [2.0]])], ids=repr)
def test_rates_that_are_no_probability_are_refused(rate):
    with pytest.raises(ValueError, match=r"keep_mask: rate must be in \[0, 1\]; got"):
        random.keep_mask(KEY, (2, 3), rate)


@pytest.mark.parametrize("rate", ["0.5", None, True, 0.5j, [0.5]], ids=repr)
def test_rates_that_are_no_number_are_refused(rate):
    with pytest.raises(TypeError, match=r"keep_mask: rate must be a real number; got"):
        random.keep_mask(KEY, (2, 3), rate)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_bad_traced_rate_keeps_nothing(rate):
    assert not jax.jit(lambda rate: random.keep_mask(KEY, (64,), rate))(rate).any()


@pytest.mark.parametrize("bits", [jax.random.bits, partial(jax.random.bits, dtype="uint32"), random.hash_bits])
def test_any_source_of_words_will_do(bits):
    assert_share_kept(random.keep_mask(KEY, (2**16,), 0.3, bits=bits), 0.3)


def test_wide_words_are_read_from_the_top():
    """`jax.random.bits` gives 64 bits in x64 mode."""
    with jax.enable_x64(True):
        key = jax.random.key(7)
        assert jax.random.bits(key, (2,)).dtype == jnp.uint64
        mask = random.keep_mask(key, (2**16,), 0.3, bits=jax.random.bits)
        high = (jax.random.bits(key, (2**16,)) >> 32).astype(jnp.uint32)
        np.testing.assert_array_equal(mask, random.keep_mask(key, (2**16,), 0.3, bits=lambda key, shape: high))
        assert_share_kept(mask, 0.3)


@pytest.mark.parametrize(
    "bits",
    [
        jax.random.uniform,
        partial(jax.random.bits, dtype="uint8"),
        lambda key, shape: jax.random.bits(key, (*shape, 2)),
        lambda key, shape: jnp.zeros(shape, jnp.int32),
    ],
    ids=["floats", "bytes", "another shape", "signed"],
)
def test_what_draws_no_words_is_refused(bits):
    with pytest.raises(TypeError, match=r"keep_mask: bits must return uint32 of shape \(2, 3\); got"):
        random.keep_mask(KEY, (2, 3), 0.5, bits=bits)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 5), max_size=4).map(tuple), st.floats(0, 1, width=32))
def test_masks_of_every_shape_and_rate_are_the_threshold_of_the_words(shape, rate):
    mask = random.keep_mask(KEY, shape, rate)
    assert (mask.shape, mask.dtype) == (shape, bool)
    share = np.asarray(random.hash_bits(KEY, shape) >> 1) / 2.0**31
    is_clear = np.abs(share - rate) > 2.0**-31
    np.testing.assert_array_equal(np.asarray(mask)[is_clear], (share > rate)[is_clear])
