"""Fits and sweeps in one program, and the same as loops in Python."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jreg import noise, train
from jreg.train._order import shuffled

from ..measure import Plan, Suite

LEARNING_RATE, BATCH = 1e-3, 32


class Problem(NamedTuple):
    """A small regression with dropout: a step, an evaluation, data, and how to start."""

    step: Any
    evaluate: Any
    data: Any

    def start(self, key: jax.Array) -> train.TrainState:
        hidden_key, head_key = jax.random.split(key)
        hidden = jax.random.normal(hidden_key, (16, 64)) / 4
        head = jax.random.normal(head_key, (64, 1)) / 8
        return train.init_state({"hidden": hidden, "head": head}, optax.adam(LEARNING_RATE))

    def fit(self, key: jax.Array, rate: Any, epochs: int) -> train.FitResult:
        start_key, fit_key = jax.random.split(key)
        run = partial(train.fit, batch_size=BATCH, epochs=epochs)
        return run(self.step, self.evaluate, self.start(start_key), fit_key, self.data, self.data, rate)


def problem() -> Problem:
    x = jax.random.normal(jax.random.key(1), (256, 16))

    def apply(params: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
        return noise.dropout(key, jnp.tanh(x @ params["hidden"]), rate) @ params["head"]

    def loss_fn(params: Any, model_state: Any, key: jax.Array | None, batch: Any, rate: Any) -> Any:
        return jnp.mean((apply(params, key, batch[0], rate) - batch[1]) ** 2), (model_state, {})

    evaluate = train.make_eval(lambda params, _, batch, rate: {"loss": loss_fn(params, (), None, batch, rate)[0]})
    return Problem(train.make_step(loss_fn, optax.adam(LEARNING_RATE)), evaluate, (x, x[:, :1] * x[:, 1:2]))


def fit(plan: Plan) -> Iterator[Suite]:
    """One fit as one program, and as a Python loop over a compiled step and a compiled evaluation."""
    epochs = plan.size
    made, key, rate = problem(), jax.random.key(0), jnp.float32(0.1)
    state, num_steps = made.start(key), len(made.data[0]) // BATCH
    step, evaluate = jax.jit(made.step), jax.jit(made.evaluate)
    shuffled = jax.jit(lambda key: [jnp.take(leaf, jax.random.permutation(key, 256), axis=0) for leaf in made.data])

    def loop() -> list[float]:
        now, losses = state, []
        for epoch_key in jax.random.split(key, epochs):
            rows, keys = shuffled(epoch_key), jax.random.split(epoch_key, num_steps)
            for i, step_key in enumerate(keys):
                now, _ = step(now, step_key, tuple(leaf[BATCH * i : BATCH * (i + 1)] for leaf in rows), rate)
            losses.append(float(evaluate(now, made.data, rate)["loss"]))
        return losses

    whole = partial(jax.jit(lambda key, rate: made.fit(key, rate, epochs).valid_history), key, rate)
    yield Suite(f"a fit of {epochs} epochs of {num_steps} steps", {"a loop over jit(step)": loop, "train.fit": whole})


def sweep(plan: Plan) -> Iterator[Suite]:
    """Many small fits: the sweep over all devices, and a Python loop over one compiled fit."""
    num_lanes = plan.size
    made, rates = problem(), jnp.array([0.0, 0.5])

    def fit_one(key: jax.Array, rate: Any) -> jax.Array:
        return made.fit(key, rate, 10).best_value

    compiled = jax.jit(fit_one)
    for lanes in sorted({2, max(2, num_lanes // 16), max(2, num_lanes // 4), num_lanes}):
        keys = jax.random.split(jax.random.key(0), lanes // 2)
        cases = {
            "train.sweep": lambda keys=keys: train.sweep(fit_one, keys, rates),
            "a loop over jit(fit)": lambda keys=keys: [compiled(key, rate) for rate in rates for key in keys],
        }
        work = dict.fromkeys(cases, float(lanes))
        yield Suite(f"{lanes} fits of 80 steps on {len(jax.devices())} devices", cases, work=work, unit="models")


def halving(plan: Plan) -> Iterator[Suite]:
    """A grid of strengths with three seeds each: every setting to the end, and successive halving."""
    made, keys = problem(), jax.random.split(jax.random.key(0), 3)
    rates, rungs = jnp.linspace(0.0, 0.8, plan.size), [20, 60, 180]

    def fit_on(key: jax.Array, rate: Any, so_far: train.FitResult | None, epochs: int) -> train.FitResult:
        start_key, fit_key = jax.random.split(key)
        state = made.start(start_key) if so_far is None else so_far
        run = partial(train.fit, batch_size=BATCH, epochs=epochs)
        return run(made.step, made.evaluate, state, fit_key, made.data, made.data, rate)

    def fit_one(key: jax.Array, rate: Any) -> train.FitResult:
        return fit_on(key, rate, None, rungs[-1])

    cases = {
        "train.sweep, all to the end": lambda: train.sweep(fit_one, keys, rates),
        "train.halving": lambda: train.halving(fit_on, keys, rates, rungs=rungs),
    }
    yield Suite(f"{plan.size} settings x 3 seeds, rungs of 20, 60 and 180 epochs", cases)


def shuffle(plan: Plan) -> Iterator[Suite]:
    """The order of an epoch: a sort of pairs, as in JAX, and sorts of single words."""
    key = jax.random.key(0)
    for size in (1400, plan.size):
        cases = {
            "jax.random.permutation": partial(jax.jit(partial(jax.random.permutation, x=size)), key),
            "order of train.fit": partial(jax.jit(partial(shuffled, size=size)), key),
        }
        yield Suite(f"the order of {size} rows", cases)
