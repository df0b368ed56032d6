"""A module as a function: the same outputs, noise from the key alone, and the module itself untouched."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jreg.nnx
from jreg import train

X = jax.random.normal(jax.random.key(5), (32, 4))
KEY = jax.random.key(7)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.dense = nnx.Linear(4, 16, rngs=rngs)
        self.norm = jreg.nnx.BatchNorm(16, rngs=rngs)
        self.drops = nnx.List([jreg.nnx.Dropout(0.5, rngs=rngs), jreg.nnx.Dropout(0.5, rngs=rngs)])
        self.head = nnx.Linear(16, 1, rngs=rngs)

    def __call__(self, x):
        return self.head(self.drops[1](self.drops[0](nnx.relu(self.norm(self.dense(x))))))


def block():
    return Block(nnx.Rngs(params=0, dropout=1))


def arrays(module):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngState))))]


def test_without_a_key_it_is_the_module_in_evaluation():
    module = block()
    params, model_state, apply = jreg.nnx.as_function(module)
    outputs, after = jax.jit(apply)(params, model_state, None, X)
    jax.tree.map(np.testing.assert_array_equal, after, model_state)
    module.eval()
    np.testing.assert_allclose(outputs, module(X), rtol=1e-6)


def test_with_a_key_it_draws_from_that_key_alone_and_changes_the_state():
    module = block()
    before = arrays(module)
    params, model_state, apply = jreg.nnx.as_function(module)
    first, after = apply(params, model_state, KEY, X)
    again, _ = jax.jit(apply)(params, model_state, KEY, X)
    other, _ = apply(params, model_state, jax.random.key(8), X)
    np.testing.assert_allclose(first, again, rtol=1e-5, atol=1e-6)
    assert (first != other).any()
    assert (after["norm"]["mean"] != model_state["norm"]["mean"]).all()
    for one, two in zip(arrays(module), before, strict=True):
        np.testing.assert_array_equal(one, two)
    without_noise = block()
    for drop in without_noise.drops:
        drop.rate = 0.0
    _, _, apply = jreg.nnx.as_function(without_noise)
    outputs, after = apply(params, model_state, KEY, X)
    without_noise.train()
    np.testing.assert_allclose(outputs, without_noise(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["norm"]["mean"], without_noise.norm.mean[...], rtol=1e-6)


def test_layers_have_keys_of_their_own():
    module = nnx.Sequential(jreg.nnx.Dropout(0.5, rngs=nnx.Rngs(0)), jreg.nnx.Dropout(0.5, rngs=nnx.Rngs(0)))
    _, _, apply = jreg.nnx.as_function(module)
    outputs, _ = apply({}, {}, KEY, jnp.ones(4000))
    assert set(np.unique(outputs).tolist()) == {0.0, 4.0}
    assert abs(float((outputs == 0).mean()) - 0.75) < 0.03


def test_fit_and_a_sweep_train_it():
    target = X[:, :1]
    params, model_state, apply = jreg.nnx.as_function(block())

    def loss_fn(params, model_state, key, batch, hyper):
        outputs, model_state = apply(params, model_state, key, batch[0])
        return jnp.mean((outputs - batch[1]) ** 2), (model_state, {})

    def metric_fn(params, model_state, batch, hyper):
        return {"loss": jnp.mean((apply(params, model_state, None, batch[0])[0] - batch[1]) ** 2)}

    def fit_one(key, hyper):
        optimizer = optax.sgd(hyper)
        state = train.init_state(params, optimizer, model_state)
        step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)
        return train.fit(step, evaluate, state, key, (X, target), (X, target), hyper, batch_size=8, epochs=20)

    found = train.sweep(fit_one, jax.random.split(KEY, 2), jnp.array([0.0, 0.05]))
    losses = found.valid_history["loss"]
    assert (losses[1, :, -1] < 0.5 * losses[0, :, -1]).all()


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"as_function: module must be an nnx\.Module; got"):
        jreg.nnx.as_function(Block)
