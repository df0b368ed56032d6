"""Successive halving: train all settings a little, and only the best ones on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias, cast

import jax
import numpy as np
from jaxtyping import Float, Int

from .._core import checks
from .._core.checks import Checks
from .._core.types import Device, Key, Tree
from ._chunks import Chunks, taken
from ._lanes import Lanes
from ._result import FitResult
from ._schedule import bare_wrapped
from ._sweep import num_keys, num_settings

FitOn: TypeAlias = Callable[[Key, Tree, FitResult | None, int], FitResult]


class Rung(NamedTuple):
    """One round of `halving`.

    Attributes:
      epochs: how many epochs its lanes had run at its end.
      settings: the numbers of the settings that took part.
      values: their best values so far, per seed.
    """

    epochs: int
    settings: Int[np.ndarray, " settings"]
    values: Float[np.ndarray, "settings seeds"]


class Halving(NamedTuple):
    """What `halving` found.

    Attributes:
      best: the number of the best setting.
      result: the runs of the last rung, with axes (setting, seed) in front, in the order of `rungs[-1].settings`.
      rungs: what took part, and its values, from the first rung to the last.
      epochs_run: the epochs of all lanes together, which all settings in full would bring to
        settings * seeds * `rungs[-1].epochs`.
    """

    best: int
    result: FitResult
    rungs: tuple[Rung, ...]
    epochs_run: int


def halving(
    fit_on: FitOn,
    keys: Key,
    hypers: Tree,
    *,
    rungs: Sequence[int],
    keep: float = 1 / 3,
    mode: Literal["min", "max"] = "min",
    devices: Sequence[Device] | None = None,
    chunk_size: int | None = None,
    lanes_at_once: int | None = None,
) -> Halving:
    """Train every setting for `rungs[0]` epochs, the best share `keep` of them up to `rungs[1]`, and so on.

    The score of a setting is the mean over its seeds of the best value so far; NaN ranks last. Survivors continue from
    where they are, so nothing is computed twice, and the others cost nothing more. Each rung is one program over all
    its lanes. If the first rung is too short, settings that start slowly and end well are lost: several calls with
    different rungs are the brackets of Hyperband.

    Args:
      fit_on: `fit_on(key, hyper, so_far, epochs)` that returns the result of `fit` with `epochs`, from the start if
        `so_far` is None, and else continued: with `state=so_far`. It is compiled once per rung for as long as it is
        the same function.
      keys: an array of keys, one per seed.
      hypers: a pytree of arrays with the settings on the first axis.
      rungs: the epochs that a survivor has run at the end of each rung, rising.
      keep: the share of the settings that goes on after each rung, in (0, 1); at least one does.
      mode: whether lower ("min") or higher ("max") is better, as `fit` was told.
      devices: as in `sweep`.
      chunk_size: as in `sweep`.
      lanes_at_once: as in `sweep`.

    Raises:
      ValueError: rungs that do not rise from at least 1, or `keep` outside (0, 1).
      TypeError: `fit_on` that returns no `FitResult`.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import train
    >>> x = jax.random.normal(jax.random.key(0), (40, 3))
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     return jnp.mean((batch @ params - batch[:, :1]) ** 2), (model_state, {})
    >>> step = train.make_step(loss_fn, lambda hyper: optax.sgd(hyper["rate"]))
    >>> evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
    >>> def fit_on(key, hyper, so_far, epochs):
    ...     state = train.init_state(jnp.zeros((3, 1)), optax.sgd(hyper["rate"])) if so_far is None else so_far
    ...     return train.fit(step, evaluate, state, key, x, x, hyper, batch_size=8, epochs=epochs)
    >>> rates = jnp.array([0.0, 1e-3, 1e-2, 0.1])
    >>> found = train.halving(fit_on, jax.random.split(jax.random.key(1), 2), {"rate": rates}, rungs=(1, 3), keep=0.5)
    >>> found.best, found.rungs[1].settings.tolist(), found.epochs_run
    (3, [3, 2], 16)

    Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, AISTATS 2016; Li et
    al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 2018.
    """
    check = Checks("halving")
    check.called("fit_on", fit_on, "(key, hyper, so_far, epochs) -> FitResult")
    check.choice("mode", mode, ("min", "max"))
    ends = _rising(check, rungs)
    if not isinstance(keep, float) or not 0.0 < keep < 1.0:
        raise ValueError(f"halving: keep must be in (0, 1); got {checks.shown(keep)}")
    chunks = Chunks(check, devices, chunk_size, lanes_at_once, None)
    hypers, num_seeds = bare_wrapped(hypers), num_keys(check, keys)
    settings = np.arange(num_settings(check, hypers))
    result, found, epochs_run = None, [], 0
    for start, end in pairwise([0, *ends]):
        if result is not None:
            settings, rows = _survivors(found[-1], keep, mode)
            result = jax.tree.map(lambda leaf, rows=rows: taken(leaf, rows), result)
        result = _rung(chunks, _continued(fit_on, end - start), keys, hypers, settings, result)
        found.append(Rung(end, settings, np.asarray(result.best_value, np.float64)))
        epochs_run += len(settings) * num_seeds * (end - start)
    return Halving(int(_ranked(found[-1], mode)[0]), cast(FitResult, result), tuple(found), epochs_run)


def _rung(
    chunks: Chunks, fit_one: Callable, keys: Key, hypers: Tree, settings: np.ndarray, result: FitResult | None
) -> FitResult:
    """Every setting with every key, from its own result so far."""
    num_seeds, num_lanes = keys.shape[0], len(settings) * keys.shape[0]
    lanes = Lanes(np.tile(np.arange(num_seeds), len(settings)), np.arange(num_lanes))
    of_lanes = np.repeat(settings, num_seeds)
    so_far = jax.tree.map(lambda leaf: leaf.reshape(num_lanes, *leaf.shape[2:]), result)
    hypers = jax.tree.map(lambda leaf: taken(leaf, of_lanes), hypers)
    found = chunks.run(fit_one, keys, (hypers, so_far), lanes)
    return jax.tree.map(lambda leaf: leaf.reshape(len(settings), num_seeds, *leaf.shape[1:]), found)


@cache
def _continued(fit_on: FitOn, epochs: int) -> Callable[[Key, tuple[Tree, FitResult | None]], FitResult]:
    """One function per `fit_on` and number of epochs, so that each is compiled once."""

    def fit_one(key: Key, lane: tuple[Tree, FitResult | None]) -> FitResult:
        result = fit_on(key, *lane, epochs)
        if not isinstance(result, FitResult):
            raise TypeError(f"halving: fit_on must return a FitResult, from fit; got {checks.shown(result)}")
        return result

    return fit_one


def _survivors(rung: Rung, keep: float, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """The settings that go on, best first, and their rows in the rung."""
    ranked = _ranked(rung, mode)[: max(1, int(np.ceil(len(rung.settings) * keep - 1e-9)))]
    places = {setting: row for row, setting in enumerate(rung.settings.tolist())}
    return ranked, np.array([places[setting] for setting in ranked.tolist()])


def _ranked(rung: Rung, mode: str) -> np.ndarray:
    means = rung.values.mean(axis=1) * (1.0 if mode == "min" else -1.0)
    return rung.settings[np.argsort(means, kind="stable")]  # NaN sorts last


def _rising(check: Checks, rungs: Sequence[int]) -> list[int]:
    if not isinstance(rungs, Sequence) or isinstance(rungs, str) or not rungs:
        raise ValueError(f"{check}: rungs must be rising numbers of epochs, such as (3, 9, 27); got {rungs!r}")
    ends = [check.integer("rungs", end) for end in rungs]
    if any(after <= before for before, after in pairwise(ends)):
        raise ValueError(f"{check}: rungs must rise; got {rungs!r}")
    return ends
