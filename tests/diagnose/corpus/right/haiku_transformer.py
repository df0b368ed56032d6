"""haiku's transformer example: dropout on both branches."""

import haiku as hk
import jax
import jax.numpy as jnp
import optax


def network(tokens):
    x = hk.Embed(32, 16)(tokens)
    for _ in range(2):
        y = hk.LayerNorm(-1, True, True)(x)
        y = hk.MultiHeadAttention(2, 8, w_init=hk.initializers.VarianceScaling(1.0), model_size=16)(y, y, y)
        x = x + hk.dropout(hk.next_rng_key(), 0.1, y)
        y = hk.nets.MLP([32, 16], activation=jax.nn.gelu)(hk.LayerNorm(-1, True, True)(x))
        x = x + hk.dropout(hk.next_rng_key(), 0.1, y)
    return hk.Linear(32)(hk.LayerNorm(-1, True, True)(x))


MODEL = hk.transform(network)


def loss(params, key, tokens):
    logits = MODEL.apply(params, key, tokens)
    return optax.softmax_cross_entropy_with_integer_labels(logits[:, :-1], tokens[:, 1:]).mean()


def program():
    tokens = jnp.ones((4, 8), int)
    params = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), tokens))
    return jax.value_and_grad(loss), params, jax.random.key(0), tokens
