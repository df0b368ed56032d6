"""flax's attention layers with jreg's function: the same results without noise, and the mask of `noise.attention`."""

import inspect
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import linen, noise

KEY = jax.random.key(3)
X = jax.random.normal(jax.random.key(0), (2, 6, 8))
Q, K, V = jax.random.normal(jax.random.key(1), (3, 2, 6, 4, 3))
MASKS = {
    "none": None,
    "causal, of floats": nn.make_causal_mask(X[..., 0]),
    "padding": nn.make_attention_mask(jnp.ones((2, 6)), jnp.array([[1.0] * 4 + [0.0] * 2, [1.0] * 6])),
}


def layer(attention_fn, **options):
    return nn.MultiHeadDotProductAttention(2, attention_fn=attention_fn, **options)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mask", MASKS)
def test_the_layer_without_noise_is_that_of_flax_with_its_gradients(mask):
    mine, theirs = (layer(fn, deterministic=True) for fn in (linen.dot_product_attention, nn.dot_product_attention))
    variables = theirs.init(KEY, X)

    def loss(model, variables):
        return jnp.sum(model.apply(variables, X, mask=MASKS[mask]) ** 2)

    for one, other in zip(
        *(jax.tree.leaves(jax.value_and_grad(partial(loss, model))(variables)) for model in (mine, theirs)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("is_shared", [True, False])
def test_the_layer_draws_with_the_key_of_its_collection(is_shared):
    model = layer(linen.dot_product_attention, dropout_rate=0.5, deterministic=False, broadcast_dropout=is_shared)
    variables = model.init({"params": KEY, "dropout": KEY}, X)
    first, again, other = (model.apply(variables, X, rngs={"dropout": jax.random.key(seed)}) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    same = jnp.broadcast_to(X[:1], X.shape)
    y = model.apply(variables, same, rngs={"dropout": KEY})
    assert np.allclose(y[0], y[1], atol=1e-6) == is_shared


@pytest.mark.sampled(4)
@pytest.mark.parametrize("batch", [(), (2,), (3, 2), (1, 1)])
def test_any_axes_of_a_batch_are_one(batch):
    q, k, v = (jnp.broadcast_to(x[0], (*batch, *x.shape[1:])) + 0.0 for x in (Q, K, V))
    bias = jax.random.normal(KEY, (*batch[-1:], 4, 6, 6))
    mask = jnp.tril(jnp.ones((6, 6), bool))[(None,) * (len(batch) + 1)]
    plain = linen.dot_product_attention(q, k, v, bias, mask)
    assert plain.shape == q.shape
    with jax.numpy_rank_promotion("allow"):
        expected = nn.dot_product_attention(q, k, v, bias, mask)
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-6)
    y = linen.dot_product_attention(q, k, v, bias, mask, False, KEY, 0.5)
    flat = [x.reshape(-1, *x.shape[-3:]) for x in (q, k, v)]
    whole = jnp.broadcast_to(bias, (*batch, *bias.shape[-3:])).reshape(-1, *bias.shape[-3:])
    expected = noise.attention(KEY, *flat, 0.5, bias=whole, mask=mask.reshape(1, 1, 6, 6))
    np.testing.assert_allclose(y, expected.reshape(y.shape), rtol=1e-5, atol=1e-6)


def test_the_mask_is_shared_by_default_as_in_flax():
    y = linen.dot_product_attention(Q, K, V, dropout_rng=KEY, dropout_rate=0.5)
    np.testing.assert_allclose(y, noise.attention(KEY, Q, K, V, 0.5, shared_axes=(0, 1)), rtol=1e-6)


def test_the_signature_is_that_of_flax():
    mine, theirs = map(inspect.signature, (linen.dot_product_attention, nn.dot_product_attention))
    assert [(p.name, p.kind, p.default) for p in mine.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


def test_no_key_raises_unless_none_is_needed():
    for options in ({"deterministic": True, "dropout_rate": 0.5}, {"dropout_rate": 0.0}):
        np.testing.assert_allclose(
            linen.dot_product_attention(Q, K, V, **options), noise.attention(None, Q, K, V, 0.0), rtol=1e-6
        )
    with pytest.raises(
        ValueError, match="dot_product_attention: dropout_rng must be a key where dropout_rate is above"
    ):
        linen.dot_product_attention(Q, K, V, dropout_rate=0.5)
    traced = jax.jit(lambda rate: linen.dot_product_attention(Q, K, V, dropout_rng=KEY, dropout_rate=rate))
    assert jnp.isnan(traced(1.5)).all()


@pytest.mark.parametrize("name", ["einsum_dot_general", "qk_attn_weights_einsum", "attn_weights_value_einsum"])
def test_an_einsum_is_refused(name):
    with pytest.raises(ValueError, match=f"dot_product_attention: {name} must be None, as the products are fused; got"):
        linen.dot_product_attention(Q, K, V, **{name: jnp.einsum})


def test_bad_shapes_and_precisions_are_named():
    with pytest.raises(ValueError, match=r"dot_product_attention: bias must broadcast to \(\*\(2,\), heads"):
        linen.dot_product_attention(Q, K, V, jnp.ones((3, 1, 6, 6)))
    with pytest.raises(ValueError, match="dot_product_attention: query, key and value must be"):
        linen.dot_product_attention(Q[0, 0], K[0, 0], V[0, 0])
    with pytest.raises(ValueError, match="dot_product_attention: precision must be one name or one jax"):
        linen.dot_product_attention(Q, K, V, precision=("highest", "highest"))
    for precision in ("highest", jax.lax.Precision.HIGHEST):
        text = str(jax.make_jaxpr(partial(linen.dot_product_attention, precision=precision))(Q, K, V))
        assert "precision=(Precision.HIGHEST" in text or "precision=Precision.HIGHEST" in text


def test_the_weights_are_stored_as_flax_stores_them():
    stored = []
    for fn in (linen.dot_product_attention, nn.dot_product_attention):
        model = layer(fn, deterministic=True)
        variables = model.init(KEY, X)
        stored.append(model.apply(variables, X, sow_weights=True, mutable=["intermediates"])[1])
    for one, other in zip(*map(jax.tree.leaves, stored), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
