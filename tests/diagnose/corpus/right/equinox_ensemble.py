"""An ensemble of models in one vmap, which see the same noise on their inputs."""

import equinox as eqx
import jax
import jax.numpy as jnp


def loss(key, models, x, y):
    def of_one(model):
        noisy = x + 0.1 * jax.random.normal(key, x.shape)
        hidden = eqx.nn.Dropout(0.2)(jax.vmap(model[0])(noisy), key=jax.random.fold_in(key, 2**31))
        return jnp.mean((jax.vmap(model[1])(hidden) - y) ** 2)

    return eqx.filter_vmap(of_one)(models).mean()


def program():
    def init(key):
        return eqx.nn.Linear(8, 16, key=key), eqx.nn.Linear(16, 2, key=key)

    models = eqx.filter_eval_shape(lambda: eqx.filter_vmap(init)(jax.random.split(jax.random.key(0), 4)))
    return loss, jax.random.key(0), models, jnp.ones((16, 8)), jnp.ones((16, 2))
