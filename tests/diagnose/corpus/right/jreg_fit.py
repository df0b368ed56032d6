"""A whole training run: permutations, epochs, validation and early stopping in one program."""

import jax
import jax.numpy as jnp
import optax

from jreg import noise, train


def loss_fn(params, model_state, key, batch, hyper):
    x, y = batch
    error = noise.dropout(key, jax.nn.relu(x @ params["first"]), hyper["rate"]) @ params["second"] - y
    return jnp.mean(error**2), (model_state, {})


def metric_fn(params, model_state, batch, hyper):
    return {"loss": jnp.mean((jax.nn.relu(batch[0] @ params["first"]) @ params["second"] - batch[1]) ** 2)}


def run(params, key, data, hyper):
    optimizer = optax.sgd(0.1)
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)
    state = train.init_state(params, optimizer)
    return train.fit(step, evaluate, state, key, data, data, hyper, batch_size=8, epochs=3).best_value


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    data = jnp.ones((32, 8)), jnp.ones((32, 2))
    return run, params, jax.random.key(0), data, {"rate": jnp.float32(0.3)}
