"""Equinox's BERT example: dropout outside the inner vmaps over tokens, attention with its own dropout."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class Layer(eqx.Module):
    attention: eqx.nn.MultiheadAttention
    norms: list
    up: eqx.nn.Linear
    down: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.attention = eqx.nn.MultiheadAttention(2, 16, dropout_p=0.1, key=keys[0])
        self.norms = [eqx.nn.LayerNorm(16), eqx.nn.LayerNorm(16)]
        self.up, self.down = eqx.nn.Linear(16, 32, key=keys[1]), eqx.nn.Linear(32, 16, key=keys[2])
        self.dropout = eqx.nn.Dropout(0.1)

    def __call__(self, x, key):
        attention_key, branch_key, hidden_key = jax.random.split(key, 3)
        y = self.attention(x, x, x, key=attention_key)
        x = jax.vmap(self.norms[0])(x + self.dropout(y, key=branch_key))
        keys = jax.random.split(hidden_key, len(x))
        y = jax.vmap(lambda x, key: self.dropout(self.down(jax.nn.gelu(self.up(x))), key=key))(x, keys)
        return jax.vmap(self.norms[1])(x + y)


class Bert(eqx.Module):
    embed: eqx.nn.Embedding
    layers: list
    head: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 4)
        self.embed, self.head = eqx.nn.Embedding(32, 16, key=keys[0]), eqx.nn.Linear(16, 2, key=keys[1])
        self.layers = [Layer(keys[2]), Layer(keys[3])]

    def __call__(self, tokens, key):
        x = jax.vmap(self.embed)(tokens)
        for layer, layer_key in zip(self.layers, jax.random.split(key), strict=True):
            x = layer(x, layer_key)
        return self.head(x[0])


def loss(model, key, tokens, labels):
    logits = jax.vmap(model)(tokens, jax.random.split(key, len(tokens)))
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def program():
    model = eqx.filter_eval_shape(Bert, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), model, jax.random.key(0), jnp.ones((4, 8), int), jnp.ones(4, int)
