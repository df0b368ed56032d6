"""The laws of the transforms of tokens, sounds, spectrograms and tables, over a table with a row for each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import inf, nan
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment

KEY = jax.random.key(7)
SYNONYMS = jnp.where(jnp.arange(24).reshape(12, 2) < 5, -1, 11 - jnp.arange(24).reshape(12, 2) % 8)
TOKENS = jnp.asarray([[1, *range(3, 11), 2, 0, 0]] * 3)
SOUNDS = jnp.asarray(np.random.default_rng(0).normal(size=(3, 64)), jnp.float32)
HUM = jnp.sin(jnp.arange(48.0)).reshape(2, 24)
SPECTRA = jnp.asarray(np.random.default_rng(1).normal(size=(3, 12, 9)), jnp.float32)
WORDS: Any = {"special_ids": (1, 2), "padding_id": 0}


@dataclass(frozen=True, eq=False)
class Row:
    """A function of (key, x, number)."""

    name: str
    apply: Callable[[Any, Any, Any], Any]
    x: Any
    number: float = 0.5
    identity: float = 0.0
    """The number at which the result is x."""
    bad: tuple[float, ...] = (-0.1, 1.5, nan)
    domain: str = r"must be in \[0, 1\]"
    draws_per_row: bool = True

    def __str__(self) -> str:
        return self.name


def there(key, tokens):
    return tokens + 100


def back(key, tokens):
    return tokens - 99


ROWS = (
    Row("token_dropout", partial(augment.token_dropout, mask_id=11, **WORDS), TOKENS),
    Row("random_swap", partial(augment.random_swap, **WORDS), TOKENS),
    Row("random_deletion", partial(augment.random_deletion, **WORDS), TOKENS),
    Row("synonym_replacement", lambda k, x, r: augment.synonym_replacement(k, x, SYNONYMS, r, **WORDS), TOKENS),
    Row("random_insertion", lambda k, x, r: augment.random_insertion(k, x, SYNONYMS, r, **WORDS), TOKENS, 0.25),
    Row("back_translation", partial(augment.back_translation, there, back), TOKENS),
    Row("swap_noise", augment.swap_noise, SPECTRA, draws_per_row=False),
    Row(
        "random_time_stretch",
        partial(augment.random_time_stretch, frame_length=16),
        SOUNDS,
        1.3,
        1.0,
        (0.5, inf, nan),
        "max_rate must be finite and at least 1",
    ),
    Row(
        "random_pitch_shift",
        partial(augment.random_pitch_shift, frame_length=16),
        SOUNDS,
        3.0,
        bad=(-1.0, 121.0, nan),
        domain=r"max_semitones must be in \[0, 120\]",
    ),
    Row(
        "random_background_noise",
        lambda k, x, r: augment.random_background_noise(k, x, HUM, r),
        SOUNDS,
        10.0,
        inf,
        (-inf, nan),
        "snr_db must be a number other than NaN",
    ),
    Row(
        "random_white_noise",
        augment.random_white_noise,
        SOUNDS,
        10.0,
        inf,
        (-inf, nan),
        "snr_db must be a number other than NaN",
    ),
    Row("random_gain", augment.random_gain, SOUNDS, 6.0, bad=(-1.0, inf, nan), domain="must be finite and at least 0"),
    Row("random_time_shift", augment.random_time_shift, SOUNDS),
    Row(
        "spec_augment",
        lambda k, x, r: augment.spec_augment(k, x, r, r, num_time_masks=2),
        SPECTRA,
        4.0,
        bad=(-1.0, nan),
        domain="must be at least 0",
    ),
    Row(
        "random_time_warp",
        augment.random_time_warp,
        SPECTRA,
        4.0,
        bad=(-1.0, nan),
        domain="distance must be at least 0",
    ),
)

every_row = pytest.mark.parametrize("row", ROWS, ids=str)


@cache
def compiled(row: Row):
    # Jitting one function twice gives one cache, which other tests would fill.
    return jax.jit(lambda key, x, number: row.apply(key, x, number))


@every_row
def test_no_key_gives_what_was_given(row):
    assert row.apply(None, row.x, row.number) is row.x


@every_row
def test_the_number_that_changes_nothing_changes_no_bit(row):
    np.testing.assert_array_equal(compiled(row)(KEY, row.x, row.identity), row.x)


@every_row
def test_vmap_is_the_loop(row):
    keys = jax.random.split(KEY, 3)
    loop = [compiled(row)(key, row.x, row.number) for key in keys]
    mapped = jax.jit(jax.vmap(row.apply, in_axes=(0, None, None)))(keys, row.x, row.number)
    np.testing.assert_allclose(mapped, loop, rtol=1e-4, atol=1e-4)
    assert not np.array_equal(loop[0], loop[1])


@pytest.mark.parametrize("name", ["random_swap", "swap_noise", "random_gain", "random_time_warp"])
def test_eager_calls_and_x64_mode_draw_the_same(name):
    row = next(row for row in ROWS if row.name == name)
    expected = compiled(row)(KEY, row.x, row.number)
    np.testing.assert_allclose(row.apply(KEY, row.x, row.number), expected, rtol=1e-5, atol=1e-6)
    x, key = np.asarray(row.x), np.asarray(jax.random.key_data(KEY))
    with jax.enable_x64(True):
        wide = jnp.asarray(x.astype(np.int64 if x.dtype.kind == "i" else np.float64))
        y = row.apply(jax.random.wrap_key_data(key), wide, row.number)
        assert y.dtype == wide.dtype
        np.testing.assert_allclose(np.asarray(y), np.asarray(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("row", [row for row in ROWS if row.draws_per_row], ids=str)
def test_every_example_of_a_batch_draws_for_itself(row):
    x = jnp.broadcast_to(row.x[:1], row.x.shape)
    examples = np.stack([compiled(row)(key, x, row.number) for key in jax.random.split(KEY, 8)])
    assert (examples[:, 0] != examples[:, 1]).any()
    assert (examples[:, 0] != examples[:, 2]).any()


@every_row
def test_any_leading_axes_and_narrow_types_are_kept(row):
    narrow = jnp.int16 if jnp.issubdtype(row.x.dtype, jnp.integer) else jnp.bfloat16
    for leading, dtype in (((), narrow), ((2, 1), row.x.dtype), ((0,), narrow)):
        x = jax.ShapeDtypeStruct((*leading, *row.x.shape[1:]), dtype)
        y = jax.eval_shape(row.apply, KEY, x, row.number)
        assert (y.shape, y.dtype) == (x.shape, x.dtype)


@every_row
def test_bad_numbers_raise_when_concrete_and_spoil_the_result_when_traced(row):
    for value in row.bad:
        for key in (KEY, None):
            with pytest.raises(ValueError, match=f"^{row.name}: .*{row.domain}; got"):
                row.apply(key, row.x, value)
        spoiled = compiled(row)(KEY, row.x, value)
        if jnp.issubdtype(row.x.dtype, jnp.floating):
            assert jnp.isnan(spoiled).all()
        else:
            # No plausible value: an embedding of such an id is NaN.
            assert jnp.isnan(jnp.take(jnp.ones((100, 2)), spoiled, axis=0)).all()


@every_row
def test_one_trace_serves_every_number(row):
    for number in (row.number, row.identity, row.bad[0]):
        compiled(row)(KEY, row.x, number)
    assert compiled(row)._cache_size() == 1
