"""An nnx encoder with dropout, differentiated by nnx itself."""

import jax.numpy as jnp
import optax
from flax import nnx


class Block(nnx.Module):
    def __init__(self, rngs):
        self.attention = nnx.MultiHeadAttention(2, 16, dropout_rate=0.1, deterministic=False, decode=False, rngs=rngs)
        self.norms = nnx.List([nnx.LayerNorm(16, rngs=rngs) for _ in range(2)])
        self.up, self.down = nnx.Linear(16, 32, rngs=rngs), nnx.Linear(32, 16, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x):
        x = x + self.dropout(self.attention(self.norms[0](x)))
        return x + self.dropout(self.down(nnx.gelu(self.up(self.norms[1](x)))))


class Encoder(nnx.Module):
    def __init__(self, rngs):
        self.embed, self.head = nnx.Embed(32, 16, rngs=rngs), nnx.Linear(16, 10, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(2)])

    def __call__(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def program():
    graph, state = nnx.split(nnx.eval_shape(lambda: Encoder(nnx.Rngs(0))))

    def loss(state, tokens, labels):
        model = nnx.merge(graph, state)
        logits = model(tokens)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, nnx.state(model)

    return loss, state, jnp.ones((4, 8), int), jnp.ones(4, int)
