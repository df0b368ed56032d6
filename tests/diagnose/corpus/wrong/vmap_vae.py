"""The latent noise of a VAE, the same for all examples."""

import jax
import jax.numpy as jnp

CODE = "key-shared-by-vmap"


def loss(params, key, x):
    def of_one(x):
        mean, log_variance = jnp.split(jnp.tanh(x @ params["encoder"]), 2)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
        return jnp.mean((z @ params["decoder"] - x) ** 2)

    return jax.vmap(of_one)(x).mean()


def program():
    params = {"encoder": jnp.ones((8, 8)), "decoder": jnp.ones((4, 8))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8))
