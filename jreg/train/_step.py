"""One update, and one evaluation: the first refuses to run without a key, the second has no key to take."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import optax

from .._core import checks
from .._core.types import Array, Key, Tree
from ._state import TrainState

Metrics: TypeAlias = dict[str, Array]
LossFn: TypeAlias = Callable[[Tree, Tree, Key, Tree, Tree], tuple[Array, tuple[Tree, Mapping[str, Array]]]]
Step: TypeAlias = Callable[[TrainState, Key, Tree, Tree], tuple[TrainState, Metrics]]
Evaluate: TypeAlias = Callable[[TrainState, Tree, Tree], Metrics]


def make_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation | Callable[[Any], optax.GradientTransformation]
) -> Step:
    """Make `step(state, key, batch, hyper) -> (state, metrics)`, a pure function to jit, scan and vmap.

    Args:
      loss_fn: `loss_fn(params, model_state, key, batch, hyper) -> (loss, (model_state, metrics))`, where metrics is a
        dict of scalars and `hyper` any pytree of numbers: rates, strengths, alphas.
      optimizer: a transformation, or a function of `hyper` that makes one, so that its strengths are traced too.

    Returns:
      a step whose metrics are "loss" and those of `loss_fn`, which may replace it. It raises TypeError when the key is
      None: evaluation goes through `make_eval`. Under `jax.jit(step, donate_argnums=0)` the old state's buffers are
      reused.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import noise, train
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     x, y = batch
    ...     error = noise.dropout(key, x, hyper["rate"]) @ params["kernel"] - y
    ...     return jnp.mean(error**2), (model_state, {})
    >>> step = jax.jit(train.make_step(loss_fn, optax.sgd(0.1)))
    >>> state = train.init_state({"kernel": jnp.zeros((3, 2))}, optax.sgd(0.1))
    >>> state, metrics = step(state, jax.random.key(0), (jnp.ones((4, 3)), jnp.ones((4, 2))), {"rate": 0.5})
    >>> int(state.step), float(metrics["loss"])
    (1, 1.0)
    """

    def step(state: TrainState, key: Key, batch: Tree, hyper: Tree) -> tuple[TrainState, Metrics]:
        key = checks.key("step", key)
        gradient_of = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (model_state, metrics)), grads = gradient_of(state.params, state.model_state, key, batch, hyper)
        transformation = _transformation(optimizer, hyper)
        updates, opt_state = transformation.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, opt_state, model_state, state.step + 1), {"loss": loss, **metrics}

    return step


def make_eval(metric_fn: Callable[[Tree, Tree, Tree, Tree], Mapping[str, Array]]) -> Evaluate:
    """Make `evaluate(state, batch, hyper) -> metrics`. It has no key, so nothing in it can draw noise.

    Args:
      metric_fn: `metric_fn(params, model_state, batch, hyper) -> metrics`, a dict of scalars.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import train
    >>> evaluate = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.mean((batch - params) ** 2)})
    >>> state = train.init_state(jnp.zeros(()), optax.sgd(0.1))
    >>> float(evaluate(state, jnp.array([1.0, 3.0]), None)["loss"])
    5.0
    """

    def evaluate(state: TrainState, batch: Tree, hyper: Tree) -> Metrics:
        return dict(metric_fn(state.params, state.model_state, batch, hyper))

    return evaluate


def _transformation(optimizer: Any, hyper: Tree) -> optax.GradientTransformation:
    return optimizer if isinstance(optimizer, optax.GradientTransformation) else optimizer(hyper)
