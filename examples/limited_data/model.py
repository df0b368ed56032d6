"""A causal transformer over bytes, whose noise is an argument."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jreg import noise, random


class Shape(NamedTuple):
    """How large the network is."""

    d: int = 32
    layers: int = 2
    context: int = 64
    vocabulary: int = 256
    heads: int = 2


class Noise(NamedTuple):
    """Rates of dropout and of stochastic depth."""

    dropout: Any
    depth: Any


NUM_BEFORE = 2
"""A place sees so many tokens before its own at once: short runs would otherwise learn little but pairs of bytes."""


def init_params(key: jax.Array, shape: Shape) -> Any:
    """Kernels of unit gain; those that end a residual branch start at 0."""
    d, keys = shape.d, iter(random.split(key, 4 + 2 * shape.layers))

    def kernel(rows: int, columns: int) -> dict[str, jax.Array]:
        return {"kernel": jax.random.normal(next(keys), (rows, columns)) * rows**-0.5, "bias": jnp.zeros(columns)}

    def ending(rows: int) -> dict[str, jax.Array]:
        return {"kernel": jnp.zeros((rows, d)), "bias": jnp.zeros(d)}

    def block() -> dict[str, Any]:
        return {
            "attention": {"scale": jnp.ones(d), "in": kernel(d, 3 * d), "out": ending(d)},
            "mlp": {"scale": jnp.ones(d), "in": kernel(d, 4 * d), "out": ending(4 * d)},
        }

    embedding = jax.random.normal(next(keys), (1 + NUM_BEFORE, shape.vocabulary + 1, d)) * (1 + NUM_BEFORE) ** -0.5
    return {
        "embed": {"embedding": embedding, "position": jax.random.normal(next(keys), (shape.context, d)) * 0.1},
        "blocks": [block() for _ in range(shape.layers)],
        "head": {"scale": jnp.ones(d), **kernel(d, shape.vocabulary)},
    }


def logits(params: Any, key: jax.Array | None, tokens: jax.Array, rates: Noise | None, shape: Shape) -> jax.Array:
    """The logits of the next token at each place of `tokens`, (batch, context); without a key there is no noise."""
    rates = Noise(0.0, 0.0) if rates is None else rates
    first, *keys = random.split(key, 1 + 2 * shape.layers)
    x = noise.dropout(first, embedded(params["embed"], tokens), rates.dropout)
    depths = jnp.repeat(noise.depth_rates(rates.depth, shape.layers), 2)
    branches = [branch for block in params["blocks"] for branch in block.items()]
    for branch_key, (name, weights), depth in zip(keys, branches, depths, strict=True):

        def run(key: jax.Array | None, x: jax.Array, name: str = name, weights: Any = weights) -> jax.Array:
            dropout_key, inner_key = random.split(key)
            inner = attention if name == "attention" else mlp
            branch = linear(weights["out"], inner(weights, inner_key, normed(weights["scale"], x), rates, shape))
            return noise.dropout(dropout_key, branch, rates.dropout)

        x = noise.residual(run, branch_key, x, depth)
    return linear(params["head"], normed(params["head"]["scale"], x))


def embedded(weights: Any, tokens: jax.Array) -> jax.Array:
    """The sum of the embeddings of a token, of those before it, and of its place; token 0 stands before the first."""
    tokens = jnp.pad(tokens.astype(jnp.int32) + 1, ((0, 0), (NUM_BEFORE, 0)))
    length = tokens.shape[1] - NUM_BEFORE
    each = [table[tokens[:, i : i + length]] for i, table in enumerate(weights["embedding"])]
    return sum(each[1:], each[0]) + weights["position"][None, :length]


def attention(weights: Any, key: jax.Array | None, x: jax.Array, rates: Noise, shape: Shape) -> jax.Array:
    heads = linear(weights["in"], x).reshape(*x.shape[:2], shape.heads, -1)
    q, k, v = jnp.split(heads, 3, axis=-1)
    return noise.attention(key, q, k, v, rates.dropout, is_causal=True).reshape(x.shape)


def mlp(weights: Any, key: jax.Array | None, x: jax.Array, rates: Noise, shape: Shape) -> jax.Array:
    return jax.nn.relu(linear(weights["in"], x))


def linear(weights: Any, x: jax.Array) -> jax.Array:
    return x @ weights["kernel"] + weights["bias"].reshape((1,) * (x.ndim - 1) + (-1,))


def normed(scale: jax.Array, x: jax.Array) -> jax.Array:
    """RMS norm."""
    power = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(power + 1e-6) * scale.reshape((1,) * (x.ndim - 1) + (-1,))
