"""flax's attention layer with jreg's function: the same results without noise, and the mask of `noise.attention`."""

import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as flax_nnx

from jreg import nnx, noise

KEY = jax.random.key(3)
X = jax.random.normal(jax.random.key(0), (2, 6, 8))
Q, K, V = jax.random.normal(jax.random.key(1), (3, 2, 6, 4, 3))


def layer(attention_fn, **options):
    return flax_nnx.MultiHeadAttention(2, 8, attention_fn=attention_fn, decode=False, rngs=flax_nnx.Rngs(0), **options)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"mask": nn.make_causal_mask(jnp.ones((2, 6)))}], ids=str)
def test_the_layer_without_noise_is_that_of_flax_with_its_gradients(options):
    results = []
    for fn in (nnx.dot_product_attention, flax_nnx.dot_product_attention):
        loss = lambda model: jnp.sum(model(X, **options) ** 2)  # noqa: E731
        results.append(flax_nnx.value_and_grad(loss)(layer(fn)))
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("is_shared", [True, False])
def test_the_layer_draws_anew_with_its_stream(is_shared):
    model = layer(nnx.dot_product_attention, dropout_rate=0.5, deterministic=False, broadcast_dropout=is_shared)
    y = model(jnp.broadcast_to(X[:1], X.shape))
    assert not np.array_equal(y, model(jnp.broadcast_to(X[:1], X.shape)))
    assert np.allclose(y[0], y[1], atol=1e-6) == is_shared
    model.eval()
    np.testing.assert_array_equal(model(X), model(X))


def test_the_mask_is_that_of_noise_attention():
    k, v = K[:, :, :2], V[:, :, :2]
    y = nnx.dot_product_attention(Q, k, v, broadcast_dropout=False, dropout_rng=KEY, dropout_rate=0.5, is_causal=True)
    np.testing.assert_allclose(y, noise.attention(KEY, Q, k, v, 0.5, is_causal=True), rtol=1e-6)
    several = nnx.dot_product_attention(Q[None], k[None], v[None], None, None, False, KEY, 0.5)
    np.testing.assert_allclose(several[0], noise.attention(KEY, Q, k, v, 0.5), rtol=1e-6)
    with pytest.raises(
        ValueError, match="dot_product_attention: dropout_rng must be a key where dropout_rate is above"
    ):
        nnx.dot_product_attention(Q, K, V, dropout_rate=0.5)


def test_the_signature_is_that_of_flax():
    mine, theirs = map(inspect.signature, (nnx.dot_product_attention, flax_nnx.dot_product_attention))
    assert [(p.name, p.kind, p.default) for p in mine.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.filterwarnings("ignore:Using 'Module.sow:DeprecationWarning")
def test_the_weights_are_stored_as_flax_stores_them():
    stored = []
    for fn in (nnx.dot_product_attention, flax_nnx.dot_product_attention):
        model = layer(fn)
        model(X, sow_weights=True)
        stored.append(flax_nnx.state(model, flax_nnx.Intermediate))
    for one, other in zip(*map(jax.tree.leaves, stored), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert jax.tree.leaves(stored[0])
