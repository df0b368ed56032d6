"""Dropout on the logit of a binary loss, in equinox."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

CODE = "dropout-on-logits"


def loss(model, key, x, labels):
    logits = jax.vmap(lambda x, key: eqx.nn.Dropout(0.2)(model(x), key=key))(x, jax.random.split(key, len(x)))
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()


def program():
    model = eqx.filter_eval_shape(lambda key: eqx.nn.MLP(8, 3, 16, 1, key=key), jax.random.key(0))
    return eqx.filter_grad(loss), model, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 3))
