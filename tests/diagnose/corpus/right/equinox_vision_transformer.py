"""Equinox's ViT example: dropout behind the embedding and in each block, keys in an array of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class Block(eqx.Module):
    attention: eqx.nn.MultiheadAttention
    norms: list
    mlp: eqx.nn.MLP
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        keys = jax.random.split(key)
        self.attention, self.mlp = (
            eqx.nn.MultiheadAttention(2, 16, key=keys[0]),
            eqx.nn.MLP(16, 16, 32, 1, jax.nn.gelu, key=keys[1]),
        )
        self.norms, self.dropout = [eqx.nn.LayerNorm(16) for _ in range(2)], eqx.nn.Dropout(0.1)

    def __call__(self, x, key):
        keys = jax.random.split(key)
        y = jax.vmap(self.norms[0])(x)
        x = x + self.dropout(self.attention(y, y, y), key=keys[0])
        return x + self.dropout(jax.vmap(self.mlp)(jax.vmap(self.norms[1])(x)), key=keys[1])


class Model(eqx.Module):
    embed: eqx.nn.Linear
    positions: jax.Array
    blocks: list
    head: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        keys = jax.random.split(key, 5)
        self.embed, self.head = eqx.nn.Linear(12, 16, key=keys[0]), eqx.nn.Linear(16, 10, key=keys[1])
        self.positions = jax.random.normal(keys[2], (16, 16))
        self.blocks, self.dropout = [Block(each) for each in keys[3:]], eqx.nn.Dropout(0.1)

    def __call__(self, patches, key):
        embed_key, *keys = jax.random.split(key, 1 + len(self.blocks))
        x = self.dropout(jax.vmap(self.embed)(patches) + self.positions, key=embed_key)
        for block, block_key in zip(self.blocks, keys, strict=True):
            x = block(x, block_key)
        return self.head(x.mean(0))


def loss(model, key, patches, labels):
    logits = jax.vmap(model)(patches, jax.random.split(key, len(patches)))
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def program():
    model = eqx.filter_eval_shape(Model, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), model, jax.random.key(0), jnp.ones((4, 16, 12)), jnp.ones(4, int)
