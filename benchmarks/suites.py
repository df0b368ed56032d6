"""The suites: what is timed, against what."""

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jreg import noise, optim, train

from .measure import Suite

RATE = 0.1
LEARNING_RATE = 1e-3
Dropout = Callable[[jax.Array, jax.Array], jax.Array]


def peers() -> tuple[dict[str, Dropout], tuple[str, ...]]:
    """Dropout of every peer that is installed, as a function of (key, x), and the names of those that are not."""
    makers = {"flax.linen": _linen, "flax.nnx": _nnx, "equinox": _equinox, "haiku": _haiku}
    found, missing = {}, []
    for module, make in makers.items():
        try:
            found[module] = make(importlib.import_module(module))
        except ImportError:
            missing.append(module)
    return found, tuple(missing)


def dropout(megabytes: int) -> Iterator[Suite]:
    """Forward, and forward with backward, against x * c."""
    x = jax.random.normal(jax.random.key(1), (megabytes * 256, 1024))
    key, rate = jax.random.key(0), jnp.float32(RATE)
    others, missing = peers()
    functions = {
        "x * c": lambda key, x: x * (1 / (1 - rate)),
        "jreg.noise.dropout": lambda key, x: noise.dropout(key, x, rate),
        **others,
    }
    forward = {name: partial(jax.jit(function), key, x) for name, function in functions.items()}
    yield Suite(f"dropout forward, f32, {megabytes} MB", forward, {"jreg.noise.dropout": 1.05}, missing)

    def with_backward(function: Dropout) -> Callable[[jax.Array, jax.Array], jax.Array]:
        return jax.grad(lambda x, key: jnp.sum(function(key, x) ** 2))

    both = {name: partial(jax.jit(with_backward(function)), x, key) for name, function in functions.items()}
    yield Suite(f"dropout forward and backward, f32, {megabytes} MB", both, {"jreg.noise.dropout": 1.15}, missing)


def dropconnect(size: int) -> Iterator[Suite]:
    """One mask on the weights of a dense product, against the product."""
    x = jax.random.normal(jax.random.key(1), (64, size))
    weights = jax.random.normal(jax.random.key(2), (size, size))
    key = jax.random.key(0)
    cases = {
        "x @ w": jax.jit(lambda key, x, w: x @ w),
        "jreg.noise.dropconnect": jax.jit(lambda key, x, w: x @ noise.dropconnect(key, w, RATE)),
        "jax.random.bernoulli": jax.jit(
            lambda key, x, w: x @ jnp.where(jax.random.bernoulli(key, 0.9, w.shape), w, 0.0)
        ),
    }
    calls = {name: partial(case, key, x, weights) for name, case in cases.items()}
    yield Suite(f"DropConnect, one mask, batch 64, {size} x {size}", calls, {"jreg.noise.dropconnect": 1.1})


def optimizer(num_layers: int, size: int) -> Iterator[Suite]:
    """One update of AdamW, and the same with jreg's decay and proximal step in its place."""
    params = {f"layer {i}": {"kernel": jnp.ones((size, size)), "bias": jnp.ones(size)} for i in range(num_layers)}
    grads = jax.tree.map(lambda leaf: leaf * 0.1, params)
    decayed = partial(optim.with_decoupled_decay, optax.adam(LEARNING_RATE), 0.01, learning_rate=LEARNING_RATE)
    optimizers = {
        "optax.adamw": optax.adamw(LEARNING_RATE, weight_decay=0.01),
        "with_decoupled_decay": decayed(),
        "with_decoupled_decay + prox_l1": optax.chain(decayed(), optim.prox_l1(0.01, LEARNING_RATE)),
    }

    def step(optimizer: optax.GradientTransformation) -> Callable[[], Any]:
        @jax.jit
        def update(params: Any, state: Any, grads: Any) -> Any:
            updates, state = optimizer.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        return partial(update, params, optimizer.init(params), grads)

    cases = {name: step(made) for name, made in optimizers.items()}
    yield Suite(f"optimizer update, {num_layers} x {size} x {size}", cases, {"with_decoupled_decay + prox_l1": 1.03})


def sweep(num_settings: int, num_seeds: int) -> Iterator[Suite]:
    """Many small fits: the sweep over all devices, and a Python loop over one compiled fit."""
    x = jax.random.normal(jax.random.key(1), (256, 16))
    y = x[:, :1] * x[:, 1:2]

    def apply(params: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
        return noise.dropout(key, jnp.tanh(x @ params["hidden"]), rate) @ params["head"]

    def loss_fn(params: Any, model_state: Any, key: jax.Array, batch: Any, rate: Any) -> Any:
        return jnp.mean((apply(params, key, batch[0], rate) - batch[1]) ** 2), (model_state, {})

    made = train.make_step(loss_fn, optax.adam(LEARNING_RATE))
    evaluate = train.make_eval(
        lambda params, _, batch, rate: {"loss": jnp.mean((apply(params, None, batch[0], rate) - batch[1]) ** 2)}
    )

    def fit_one(key: jax.Array, rate: Any) -> jax.Array:
        hidden_key, head_key, fit_key = jax.random.split(key, 3)
        params = {
            "hidden": jax.random.normal(hidden_key, (16, 64)) / 4,
            "head": jax.random.normal(head_key, (64, 1)) / 8,
        }
        state = train.init_state(params, optax.adam(LEARNING_RATE))
        return train.fit(made, evaluate, state, fit_key, (x, y), (x, y), rate, batch_size=32, epochs=10).best_value

    keys = jax.random.split(jax.random.key(0), num_seeds)
    rates = jnp.linspace(0.0, 0.5, num_settings)
    compiled = jax.jit(fit_one)
    cases = {
        "train.sweep": lambda: train.sweep(fit_one, keys, rates),
        "a loop over jit(fit)": lambda: [compiled(key, rate) for rate in rates for key in keys],
    }
    yield Suite(f"{num_settings * num_seeds} fits of 80 steps on {len(jax.devices())} devices", cases)


def _linen(linen: Any) -> Dropout:
    layer = linen.Dropout(RATE, deterministic=False)
    return lambda key, x: layer.apply({}, x, rngs={"dropout": key})


def _nnx(nnx: Any) -> Dropout:
    return lambda key, x: nnx.Dropout(RATE)(x, rngs=nnx.Rngs(dropout=key))


def _equinox(equinox: Any) -> Dropout:
    return lambda key, x: equinox.nn.Dropout(RATE)(x, key=key)


def _haiku(haiku: Any) -> Dropout:
    return lambda key, x: haiku.dropout(key, RATE, x)
