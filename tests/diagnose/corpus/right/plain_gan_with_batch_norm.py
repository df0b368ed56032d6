"""The critic's batch norm runs on real and on fake data, one after the other."""

import jax
import jax.numpy as jnp

from jreg import norm


def score(params, stats, x):
    h, stats = norm.batch_norm(params["norm"], stats, x @ params["first"])
    return jax.nn.leaky_relu(h) @ params["second"], stats


def loss(params, stats, key, real):
    fake = jax.random.normal(key, (len(real), 4)) @ params["generator"]
    real_scores, stats = score(params, stats, real)
    fake_scores, stats = score(params, stats, fake)
    return jnp.mean(jax.nn.softplus(-real_scores)) + jnp.mean(jax.nn.softplus(fake_scores)), stats


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 1)), "generator": jnp.ones((4, 8))}
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, params | {"norm": norm_params}, stats, jax.random.key(0), jnp.ones((32, 8))
