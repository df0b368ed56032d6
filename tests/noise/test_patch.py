"""Patch dropout: how many tokens stay, which, and in what order."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise

KEY = jax.random.key(9)


def numbered(batch, length):
    """Tokens that hold their own position."""
    return jnp.broadcast_to(jnp.arange(length, dtype=jnp.float32)[None, :, None], (batch, length, 2))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("length", "rate", "num_prefix", "kept"),
    [
        (196, 0.5, 0, 98),
        (197, 0.5, 1, 99),
        (10, 0.0, 0, 10),
        (10, 1.0, 0, 1),
        (10, 0.99, 2, 3),
        (5, 0.3, 0, 4),
        (3, 0.9, 3, 3),
    ],
)
def test_the_number_of_tokens_is_static(length, rate, num_prefix, kept):
    def apply(key, tokens):
        return noise.patch_dropout(key, tokens, rate, num_prefix=num_prefix)

    tokens = numbered(2, length)
    assert apply(KEY, tokens).shape == (2, kept, 2)
    np.testing.assert_array_equal(jax.jit(apply)(KEY, tokens), apply(KEY, tokens))
    np.testing.assert_array_equal(apply(KEY, tokens)[:, :num_prefix], tokens[:, :num_prefix])


def test_tokens_stay_in_order_and_none_is_taken_twice():
    positions = noise.patch_dropout(KEY, numbered(64, 50), 0.4, num_prefix=1)[..., 0]
    assert (jnp.diff(positions, axis=1) > 0).all()
    assert (positions[:, 0] == 0).all()


def test_each_example_has_its_own_choice_and_each_token_the_same_chance():
    positions = np.asarray(noise.patch_dropout(KEY, numbered(4000, 10), 0.7)[..., 0], int)
    counts = np.bincount(positions.ravel(), minlength=10)
    assert np.abs(counts - 1200).max() < 5 * (4000 * 0.21) ** 0.5
    pairs = positions[:, 0] * 100 + positions[:, 1] * 10 + positions[:, 2]
    assert len(np.unique(pairs)) == 120


def test_rate_zero_and_no_key_give_the_tokens():
    tokens = jax.random.normal(KEY, (3, 7, 2))
    np.testing.assert_array_equal(noise.patch_dropout(KEY, tokens, 0.0), tokens)
    assert noise.patch_dropout(None, tokens, 0.5) is tokens


def test_one_key_picks_the_same_tokens_of_positions_and_masks():
    tokens = numbered(4, 20)
    kept = noise.patch_dropout(KEY, tokens, 0.5)[..., 0]
    positions = noise.patch_dropout(KEY, tokens[..., 0].astype(int), 0.5)
    mask = noise.patch_dropout(KEY, tokens[..., 0] > 10, 0.5)
    np.testing.assert_array_equal(positions, kept)
    np.testing.assert_array_equal(mask, kept > 10)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "complex64"])
def test_values_are_neither_rescaled_nor_converted(dtype):
    y = noise.patch_dropout(KEY, jnp.full((2, 8, 3), 3.0, dtype), 0.5)
    assert y.dtype == dtype
    assert (y == 3).all()


def test_gradients_reach_the_kept_tokens_alone():
    tokens = numbered(2, 8)
    gradient = jax.grad(lambda tokens: noise.patch_dropout(KEY, tokens, 0.5).sum())(tokens)
    assert (gradient.sum(1) == 4).all()
    assert ((gradient == 0) | (gradient == 1)).all()
    _, tangent = jax.jvp(lambda tokens: noise.patch_dropout(KEY, tokens, 0.5), (tokens,), (tokens,))
    np.testing.assert_array_equal(tangent, noise.patch_dropout(KEY, tokens, 0.5))


def test_the_choice_does_not_depend_on_x64_mode():
    tokens = np.asarray(numbered(2, 5))
    narrow = np.asarray(noise.patch_dropout(KEY, tokens, 0.3))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(noise.patch_dropout(jax.random.key(9), tokens, 0.3), narrow)


def test_mapping_over_keys_equals_a_loop():
    keys, tokens = jax.random.split(KEY, 3), numbered(2, 9)
    mapped = jax.vmap(lambda key: noise.patch_dropout(key, tokens, 0.5))(keys)
    np.testing.assert_array_equal(mapped, jnp.stack([noise.patch_dropout(key, tokens, 0.5) for key in keys]))


def test_empty_batches_and_sequences_are_taken():
    assert noise.patch_dropout(KEY, jnp.ones((0, 8, 2)), 0.5).shape == (0, 4, 2)
    assert noise.patch_dropout(KEY, jnp.ones((2, 0, 2)), 0.5).shape == (2, 0, 2)


def test_bad_arguments_are_found():
    tokens = numbered(2, 4)
    with pytest.raises(TypeError, match="patch_dropout: rate must be static, since the shape depends on it"):
        jax.jit(noise.patch_dropout)(KEY, tokens, 0.5)
    for rate in (-0.1, 1.2, float("nan")):
        with pytest.raises(ValueError, match=r"patch_dropout: rate must be in \[0, 1\]; got"):
            noise.patch_dropout(None, tokens, rate)
    with pytest.raises(ValueError, match=r"patch_dropout: tokens must be \(batch, length, \*features\)"):
        noise.patch_dropout(KEY, jnp.ones(3), 0.5)
    with pytest.raises(ValueError, match="patch_dropout: tokens must be at least num_prefix, 5"):
        noise.patch_dropout(KEY, tokens, 0.5, num_prefix=5)
    with pytest.raises(ValueError, match="num_prefix must be at least 0"):
        noise.patch_dropout(KEY, tokens, 0.5, num_prefix=-1)
    with pytest.raises(TypeError, match="patch_dropout: tokens must be an array"):
        noise.patch_dropout(KEY, [[1.0]], 0.5)


def test_its_marks_are_in_the_jaxpr():
    text = str(jax.make_jaxpr(lambda tokens: noise.patch_dropout(KEY, tokens, 0.5))(numbered(2, 4)))
    assert "name=jreg.patch_dropout.input" in text
    assert "name=jreg.patch_dropout]" in text
