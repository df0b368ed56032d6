"""A decoder as in flax's lm1b: dropout on embeddings, attention weights and both branches."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, mask, deterministic):
        y = nn.MultiHeadDotProductAttention(2, dropout_rate=0.1, broadcast_dropout=False)(
            nn.LayerNorm()(x), mask=mask, deterministic=deterministic
        )
        x = x + nn.Dropout(0.1)(y, deterministic=deterministic)
        y = nn.Dropout(0.1)(nn.gelu(nn.Dense(32)(nn.LayerNorm()(x))), deterministic=deterministic)
        return x + nn.Dropout(0.1)(nn.Dense(16)(y), deterministic=deterministic)


class Decoder(nn.Module):
    @nn.compact
    def __call__(self, tokens, deterministic):
        embed = nn.Embed(32, 16)
        x = embed(tokens) + self.param("positions", nn.initializers.normal(0.02), (1, tokens.shape[1], 16))
        x = nn.Dropout(0.1)(x, deterministic=deterministic)
        for _ in range(2):
            x = nn.remat(Block, static_argnums=(3,))()(x, nn.make_causal_mask(tokens), deterministic)
        return embed.attend(nn.LayerNorm()(x))


def loss(params, key, tokens):
    logits = Decoder().apply(params, tokens, False, rngs={"dropout": key})
    return optax.softmax_cross_entropy_with_integer_labels(logits[:, :-1], tokens[:, 1:]).mean()


def program():
    tokens = jnp.ones((4, 8), int)
    params = jax.eval_shape(lambda: Decoder().init(jax.random.key(0), tokens, True))
    return jax.value_and_grad(loss), params, jax.random.key(0), tokens
