"""Flax's SST-2 example: words dropped whole, a bidirectional LSTM, dropout around the classifier."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax


class Classifier(nn.Module):
    @nn.compact
    def __call__(self, tokens, deterministic):
        if not deterministic:
            is_dropped = jax.random.bernoulli(self.make_rng("dropout"), 0.1, tokens.shape)
            tokens = jnp.where(is_dropped, 1, tokens)
        x = nn.Dropout(0.2)(nn.Embed(32, 16)(tokens), deterministic=deterministic)
        x = nn.Bidirectional(nn.RNN(nn.LSTMCell(16)), nn.RNN(nn.LSTMCell(16)))(x)
        x = nn.Dropout(0.2)(x.mean(1), deterministic=deterministic)
        x = nn.Dropout(0.2)(nn.tanh(nn.Dense(16)(x)), deterministic=deterministic)
        return nn.Dense(1)(x)[:, 0]


def loss(params, key, tokens, labels):
    logits = Classifier().apply(params, tokens, False, rngs={"dropout": key})
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()


def program():
    tokens = jnp.ones((4, 8), int)
    params = jax.eval_shape(lambda: Classifier().init(jax.random.key(0), tokens, True))
    return jax.value_and_grad(loss), params, jax.random.key(0), tokens, jnp.ones(4)
