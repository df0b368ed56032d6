"""The greedy soup: a mean of models in which each one stays only if validation does not suffer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from .._core import checks
from .._core.checks import Checks
from .._core.types import Tree
from ._merge import as_models, merge_params


class Soup(NamedTuple):
    """What `greedy_soup` found.

    Attributes:
      params: the plain mean of the members.
      members: the numbers of the models that it is made of, best first.
      value: its validation value.
      values: the validation value of each model alone.
    """

    params: Tree
    members: tuple[int, ...]
    value: float
    values: tuple[float, ...]


def greedy_soup(evaluate: Callable[[Tree], Any], trees: Sequence[Tree], *, mode: Literal["min", "max"] = "min") -> Soup:
    """Average models one after another, best first, and keep each that does not make validation worse.

    It is never worse on the validation data than the best model alone, and costs no more at inference. The models
    must lie in one basin, as fine-tunings of one model do; networks trained from different seeds do not, and then the
    soup is the best one: use `train.ensemble` for them.

    Args:
      evaluate: `evaluate(params) -> value` on validation data, a number. It runs on the host, and is called at most
        twice per model; compile what it calls. With batch norm it begins with `norm.recalibrate`, since the
        statistics of the parts do not fit the mean.
      trees: the models, at least one, of one structure.
      mode: whether lower ("min") or higher ("max") is better.

    Raises:
      ValueError: no model, trees that differ in structure or shapes, or no model whose value is a number.
      TypeError: an `evaluate` that returns no number.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> models = [jnp.array(w) for w in ([2.0, 0.5], [9.0, 9.0], [0.0, 2.0])]
    >>> soup = optim.greedy_soup(lambda w: jnp.sum((w - 1.0) ** 2), models)
    >>> soup.members, soup.params.tolist()
    ((0, 2), [1.0, 1.25])

    Wortsman et al., Model Soups: Averaging Weights of Multiple Fine-tuned Models Improves Accuracy without Increasing
    Inference Time, ICML 2022, recipe 1.
    """
    check = Checks("greedy_soup")
    check.called("evaluate", evaluate, "(params) -> value")
    sign = 1.0 if check.choice("mode", mode, ("min", "max")) == "min" else -1.0
    models = as_models(check, trees)
    values = tuple(_value(check, evaluate(model)) for model in models)
    if all(map(math.isnan, values)):
        raise ValueError(f"{check}: evaluate must give a number for at least one model; got NaN for all")
    first, *others = np.argsort(sign * np.array(values), kind="stable").tolist()  # NaN sorts last
    members, soup, best = [first], models[first], values[first]
    for number in others:
        wider = merge_params([models[member] for member in [*members, number]], np.ones(len(members) + 1))
        value = _value(check, evaluate(wider))
        if sign * value <= sign * best:
            members, soup, best = [*members, number], wider, value
    return Soup(soup, tuple(members), best, values)


def _value(check: Checks, value: Any) -> float:
    is_number = checks.is_real(value) and np.ndim(value) == 0 and not checks.is_traced(value)
    if not is_number:
        raise TypeError(f"{check}: evaluate must return a number; got {checks.shown(value)}")
    return float(value)
