"""Round trips through another language: who is translated, under which key, and what must come back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment

KEY = jax.random.key(3)
TOKENS = jnp.arange(2000).reshape(1000, 2)


def there(key, tokens):
    return {"foreign": tokens.astype(jnp.float32) * 2.0}


def back(key, foreign):
    return (foreign["foreign"] / 2.0).astype(jnp.int32) + 5000


def test_whole_rows_are_replaced_with_the_rate():
    after = augment.back_translation(there, back, KEY, TOKENS, 0.3)
    is_new = np.asarray(after != TOKENS)
    assert (is_new == is_new[:, :1]).all()
    assert abs(is_new[:, 0].mean() - 0.3) < 5 * (0.21 / 1000) ** 0.5
    np.testing.assert_array_equal(np.asarray(after - TOKENS)[is_new], 5000)
    np.testing.assert_array_equal(augment.back_translation(there, back, KEY, TOKENS, 1.0), TOKENS + 5000)


def test_each_translator_has_a_key_of_its_own():
    keys = []

    def translate(key, tokens):
        keys.append(tuple(jax.random.key_data(key).tolist()))
        return tokens

    augment.back_translation(translate, translate, KEY, TOKENS, 0.5)
    assert len({*keys, tuple(jax.random.key_data(KEY).tolist())}) == 3


def test_translators_on_the_host_work_under_jit():
    def on_host(key, tokens):
        return jax.pure_callback(
            lambda t: np.asarray(t)[:, ::-1], jax.ShapeDtypeStruct(tokens.shape, tokens.dtype), tokens
        )

    def same(key, tokens):
        return tokens

    after = jax.jit(lambda key: augment.back_translation(on_host, same, key, TOKENS, 1.0))(KEY)
    np.testing.assert_array_equal(after, TOKENS[:, ::-1])


def test_without_a_key_nothing_is_translated():
    def fail(key, tokens):
        raise AssertionError

    assert augment.back_translation(fail, fail, None, TOKENS, 1.0) is TOKENS


def test_what_comes_back_must_have_the_shape_and_dtype():
    for bad in (lambda key, tokens: tokens[:, :1], lambda key, tokens: tokens.astype(jnp.int16)):
        with pytest.raises(TypeError, match=r"^back_translation: translate_back must return int32\[1000, 2\]; got"):
            augment.back_translation(lambda key, tokens: tokens, bad, KEY, TOKENS, 0.5)
    with pytest.raises(TypeError, match=r"^back_translation: translate must be a function of \(key, tokens\); got 3"):
        augment.back_translation(3, back, KEY, TOKENS, 0.5)
