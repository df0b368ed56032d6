"""Two networks with keys of their own; the generator's noise is its input."""

import equinox as eqx
import jax
import jax.numpy as jnp


def loss(models, key, real):
    generator, critic = models
    latent_key, real_key, fake_key = jax.random.split(key, 3)
    fake = jax.vmap(generator)(jax.random.normal(latent_key, (len(real), 4)))
    drop = eqx.nn.Dropout(0.3)
    scores = [
        jax.vmap(lambda x, key: critic(drop(x, key=key)))(x, jax.random.split(key, len(x)))
        for x, key in ((real, real_key), (fake, fake_key))
    ]
    return jnp.mean(jax.nn.softplus(-scores[0])) + jnp.mean(jax.nn.softplus(scores[1]))


def init(key):
    keys = jax.random.split(key)
    return eqx.nn.MLP(4, 8, 16, 1, key=keys[0]), eqx.nn.MLP(8, "scalar", 16, 1, key=keys[1])


def program():
    models = eqx.filter_eval_shape(init, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), models, jax.random.key(0), jnp.ones((16, 8))
