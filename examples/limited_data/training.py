"""One run: as many tokens as every other, validated as often, its best state tested."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jreg import optim, random, targets, train

from .model import Noise, Shape, init_params, logits


class Budget(NamedTuple):
    """What every run spends."""

    tokens: int = 98_304
    rows_per_step: int = 4
    checks: int = 16
    learning_rate: float = 1e-2

    def steps(self, shape: Shape) -> int:
        per_check = self.rows_per_step * shape.context * self.checks
        return max(self.tokens // per_check, 1) * self.checks


def schedule(budget: Budget, shape: Shape) -> optax.Schedule:
    steps = budget.steps(shape)
    return optax.warmup_cosine_decay_schedule(0.0, budget.learning_rate, max(steps // 20, 1), steps)


def sum_of_rates(budget: Budget, shape: Shape) -> float:
    """What a decay is multiplied by: a kernel that gets no gradient shrinks to about exp(-decay * sum)."""
    return float(jnp.sum(jax.vmap(schedule(budget, shape))(jnp.arange(budget.steps(shape)))))


@cache
def make_fit(budget: Budget, shape: Shape, has_teacher: bool) -> Callable[[jax.Array, Any], dict[str, Any]]:
    """Make `fit_one(key, hyper)`, whose settings hold the data, and the states of the teacher if there is one."""
    rates = schedule(budget, shape)

    def optimizer(hyper: Any) -> optax.GradientTransformation:
        adam = optim.with_decoupled_decay(optax.adam(rates), hyper["decay"], learning_rate=rates)
        return optax.chain(adam, optim.average_params(hyper["ema"]))

    def loss_fn(params: Any, model_state: Any, key: jax.Array, rows: jax.Array, hyper: Any) -> Any:
        outputs = logits(params, key, rows[:, :-1], Noise(hyper["dropout"], hyper["depth"]), shape)
        if has_teacher:
            teacher = jnp.log(predicted(hyper["teacher"], rows, shape))
            return targets.distillation(outputs, teacher, 1.0), (model_state, {})
        return nats(jax.nn.log_softmax(outputs), rows), (model_state, {})

    def metrics(params: Any, model_state: Any, rows: jax.Array, hyper: Any) -> dict[str, jax.Array]:
        return {"bits": bits(params, rows, shape)}

    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)

    def fit_one(key: jax.Array, hyper: Any) -> dict[str, Any]:
        init_key, fit_key = random.split(key)
        data, hyper = hyper["data"], {name: value for name, value in hyper.items() if name != "data"}
        result = train.fit(
            step, evaluate, train.init_state(init_params(init_key, shape), optimizer(hyper)), fit_key,
            data["train"], data["valid"], hyper,
            batch_size=budget.rows_per_step, epochs=budget.checks, steps_per_epoch=budget.steps(shape) // budget.checks,
            monitor="bits", validated=averaged,
        )  # fmt: skip
        return {
            "valid": result.valid_history["bits"],
            "train": result.train_history["loss"] / math.log(2.0),
            "best_check": result.best_epoch,
            "best_valid": result.best_value,
            "test": bits(result.best.params, data["test"], shape),
            "test_last": bits(averaged(result.last).params, data["test"], shape),
            "state": result.best,
        }

    return fit_one


def averaged(state: train.TrainState) -> train.TrainState:
    """The average of the weights, which for a decay of 0 is the weights themselves."""
    return state._replace(params=optim.averaged_params(state.opt_state, params=state.params))


def predicted(states: train.TrainState, rows: jax.Array, shape: Shape) -> jax.Array:
    """The mean probabilities of many networks for the bytes that follow."""

    def probabilities(params: Any, model_state: Any, tokens: jax.Array) -> jax.Array:
        return jax.nn.softmax(logits(params, None, tokens, None, shape))

    return train.ensemble(probabilities, states, rows[:, :-1])


def bits(params: Any, rows: jax.Array, shape: Shape) -> jax.Array:
    """Bits per byte of one network, without noise."""
    return nats(jax.nn.log_softmax(logits(params, None, rows[:, :-1], None, shape)), rows) / math.log(2.0)


def bits_of_ensemble(states: train.TrainState, rows: jax.Array, shape: Shape) -> jax.Array:
    return nats(jnp.log(predicted(states, rows, shape)), rows) / math.log(2.0)


def nats(log_probabilities: jax.Array, rows: jax.Array) -> jax.Array:
    labels = rows[:, 1:, None].astype(jnp.int32)
    return -jnp.mean(jnp.take_along_axis(log_probabilities, labels, axis=-1))
