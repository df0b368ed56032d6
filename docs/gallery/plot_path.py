"""
plot_path: how many weights are left?
=====================================

The path of the Lasso on scikit-learn's diabetes data, from proximal gradient steps. Above, each weight over the
strength of L1; below, the error on validation rows, with the strength that is best there.
"""

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_diabetes

from jreg import diagnose, optim

x, y = load_diabetes(return_X_y=True)
x, y = jnp.asarray(x / x.std(0), jnp.float32), jnp.asarray((y - y.mean()) / y.std(), jnp.float32)
training, validation = (x[:300], y[:300]), (x[300:], y[300:])


def error(w, data):
    return jnp.mean((data[0] @ w - data[1]) ** 2)


def fitted(strength):
    optimizer = optim.with_l1(optax.sgd(0.05), strength)

    def step(carry, _):
        w, state = carry
        updates, state = optimizer.update(jax.grad(error)(w, training), state, w)
        return (optax.apply_updates(w, updates), state), None

    w = jnp.zeros(10)
    return jax.lax.scan(step, (w, optimizer.init(w)), length=2000)[0][0]


strengths = jnp.logspace(-3, 0.2, 25)
weights = jax.jit(jax.vmap(fitted))(strengths)
diagnose.plot_path(strengths, weights, jax.vmap(error, (0, None))(weights, validation), metric="squared error")
print(f"exact zeros at strength 0.1: {int((fitted(0.1) == 0).sum())} of 10")
