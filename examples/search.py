"""Three ways to choose hyperparameters on scikit-learn's digits: the full grid, successive halving, and Optuna.

    pip install "jreg[examples,search]"
    python -m examples.search --storage search.db

Each way chooses dropout, decay and smoothing for the same small network, by the mean validation accuracy over seeds.
What it chose is trained again on fresh seeds and tested. Optuna proposes 16 settings at a time, which one compiled
program trains together. The study lives in its SQLite storage, so a run that was killed goes on where it was.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from jreg import noise, optim, random, targets, train

from .intervals import interval

LEARNING_RATE = 2e-3
BATCH_SIZE = 32
NUM_HIDDEN = 128
NUM_TRAIN, NUM_VALID = 200, 300
GRID = {"dropout": [0.0, 0.2, 0.4, 0.6], "decay": [0.0, 0.3, 1.0, 3.0], "smoothing": [0.0, 0.1, 0.3]}
AT_ONCE = 16


class Size(NamedTuple):
    """How large the study is: `rungs` are those of halving, and the last one is the length of every full run."""

    rungs: tuple[int, ...] = (6, 18, 54)
    num_seeds: int = 8
    num_tests: int = 32
    num_batches: int = 2
    num_rounds: int = 5


QUICK = Size(rungs=(1, 3), num_seeds=2, num_tests=2, num_batches=1, num_rounds=1)


class Choice(NamedTuple):
    """The setting that one way chose, the epochs of all the networks that it trained, and its seconds."""

    setting: dict[str, float]
    epochs: int
    seconds: float


def digits() -> tuple[Any, Any]:
    """The rows to draw training and validation rows from, and the test rows."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = jnp.asarray(x[order] / 16.0, jnp.float32), jnp.asarray(y[order], jnp.int32)
    return (x[:1000], y[:1000]), (x[1000:], y[1000:])


def logits(params: Any, key: jax.Array | None, x: jax.Array, rate: jax.Array | float) -> jax.Array:
    hidden = jax.nn.relu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"][None])
    return noise.dropout(key, hidden, rate) @ params["head"]["kernel"] + params["head"]["bias"][None]


def init_params(key: jax.Array) -> Any:
    first, second = random.split(key)
    return {
        "hidden": {"kernel": jax.random.normal(first, (64, NUM_HIDDEN)) * 0.18, "bias": jnp.zeros(NUM_HIDDEN)},
        "head": {"kernel": jax.random.normal(second, (NUM_HIDDEN, 10)) * 0.12, "bias": jnp.zeros(10)},
    }


def optimizer(hyper: Any) -> optax.GradientTransformation:
    return optim.with_decoupled_decay(optax.adam(LEARNING_RATE), hyper["decay"], learning_rate=LEARNING_RATE)


def loss_fn(params: Any, model_state: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
    outputs = logits(params, key, batch[0], hyper["dropout"])
    return targets.smoothed_cross_entropy(outputs, batch[1], hyper["smoothing"]), (model_state, {})


def accuracy(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    right = jnp.argmax(logits(params, None, batch[0], 0.0), axis=1) == batch[1]
    return {"accuracy": jnp.mean(right)}


step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(accuracy)
POOL, TEST = digits()


def fit_on(key: jax.Array, hyper: Any, so_far: train.FitResult | None, epochs: int) -> train.FitResult:
    """Train on rows that the key draws, from the start or from where an earlier call ended."""
    rows_key, init_key, fit_key = random.split(key, 3)
    rows = jax.random.permutation(rows_key, len(POOL[0]))
    train_data, valid_data = (
        jax.tree.map(lambda leaf, some=some: leaf[some], POOL)
        for some in (rows[:NUM_TRAIN], rows[NUM_TRAIN : NUM_TRAIN + NUM_VALID])
    )
    start = train.init_state(init_params(init_key), optimizer(hyper)) if so_far is None else so_far
    return train.fit(
        step, evaluate, start, fit_key, train_data, valid_data, hyper,
        batch_size=BATCH_SIZE, epochs=epochs, monitor="accuracy", mode="max",
    )  # fmt: skip


def make_runs(epochs: int) -> tuple[Callable, Callable]:
    """Runs from start to end: one that gives the best validation accuracy, one that gives the test accuracy."""

    def validated(key: jax.Array, hyper: Any) -> jax.Array:
        return fit_on(key, hyper, None, epochs).best_value

    def tested(key: jax.Array, hyper: Any) -> jax.Array:
        return evaluate(fit_on(key, hyper, None, epochs).best, TEST, hyper)["accuracy"]

    return validated, tested


def by_grid(validated: Callable, keys: jax.Array, size: Size) -> Choice:
    settings, start = train.grid(GRID), time.perf_counter()
    means = np.asarray(train.sweep(validated, keys, as_arrays(settings))).mean(axis=1)
    num_epochs = len(means) * size.num_seeds * size.rungs[-1]
    return Choice(setting_of(settings, int(means.argmax())), num_epochs, time.perf_counter() - start)


def by_halving(keys: jax.Array, size: Size) -> Choice:
    settings, start = train.grid(GRID), time.perf_counter()
    found = train.halving(fit_on, keys, as_arrays(settings), rungs=size.rungs, mode="max")
    return Choice(setting_of(settings, found.best), found.epochs_run, time.perf_counter() - start)


def by_optuna(validated: Callable, keys: jax.Array, size: Size, storage: str | None, name: str) -> Choice:
    """Ask for settings, train them together, tell their means, until the study has as many as it should."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    start = time.perf_counter()
    # `constant_liar` keeps the settings of one batch apart.
    sampler = optuna.samplers.TPESampler(seed=0, constant_liar=True)
    study = optuna.create_study(
        storage=storage, study_name=name, sampler=sampler, direction="maximize", load_if_exists=True
    )
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # of a run that was killed
    spaces: dict[str, Any] = {
        name: optuna.distributions.FloatDistribution(min(values), max(values)) for name, values in GRID.items()
    }
    done, num_trials = optuna.trial.TrialState.COMPLETE, AT_ONCE * size.num_batches
    while len(study.get_trials(states=[done])) < num_trials:
        trials = [study.ask(spaces) for _ in range(AT_ONCE)]
        settings = {name: np.array([trial.params[name] for trial in trials]) for name in GRID}
        means = np.asarray(train.sweep(validated, keys, as_arrays(settings))).mean(axis=1)
        for trial, mean in zip(trials, means.tolist(), strict=True):
            study.tell(trial, mean)
    num_epochs = num_trials * size.num_seeds * size.rungs[-1]
    return Choice(dict(study.best_params), num_epochs, time.perf_counter() - start)


def as_arrays(settings: dict[str, Any]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(values, jnp.float32) for name, values in settings.items()}


def setting_of(settings: dict[str, Any], number: int) -> dict[str, float]:
    return {name: float(values[number]) for name, values in settings.items()}


def study(size: Size, storage: str | None) -> dict[str, Any]:
    """Every way in several rounds, each with seeds of its own, and what it chose on fresh seeds."""
    validated, tested = make_runs(size.rungs[-1])
    ways = {
        "grid": lambda keys, _: by_grid(validated, keys, size),
        "halving": lambda keys, _: by_halving(keys, size),
        "Optuna": lambda keys, number: by_optuna(validated, keys, size, storage, f"{size} {number}"),
    }
    found = {name: {"choices": [], "test": []} for name in ways}
    for number in range(size.num_rounds):
        search_key, test_key = random.split(jax.random.key(number))
        for name, choose in ways.items():
            choice = choose(random.split_array(search_key, size.num_seeds), number)
            setting = as_arrays({key: [value] for key, value in choice.setting.items()})
            scores = train.sweep(tested, random.split_array(test_key, size.num_tests), setting)[0]
            found[name]["choices"].append(choice._asdict())
            found[name]["test"].append(np.asarray(scores, np.float64).tolist())
    return {"size": size._asdict(), "grid": GRID, "found": found}


def difference(record: dict[str, Any], name: str) -> tuple[float, float]:
    """The mean difference to the grid in test accuracy over the rounds, and half its 95 % interval.

    Seeds are paired, and rounds are what is independent; with one round there is no interval.
    """
    mine, grid = (np.array(record["found"][way]["test"]).mean(axis=1) for way in (name, "grid"))
    paired, num = mine - grid, len(mine)
    return float(paired.mean()), interval(paired) if num > 1 else float("nan")


def table(record: dict[str, Any]) -> Table:
    shown = Table(title="digits: what each way chose, over rounds of fresh seeds")
    for column in ("way", "epochs trained", "share of the grid", "seconds", "test accuracy", "minus the grid's ± 95 %"):
        shown.add_column(column, justify="left" if column == "way" else "right")
    full = record["found"]["grid"]["choices"][0]["epochs"]
    for name, found in record["found"].items():
        epochs, seconds = (np.mean([choice[field] for choice in found["choices"]]) for field in ("epochs", "seconds"))
        mean, error = difference(record, name)
        versus = "" if name == "grid" else f"{mean:+.4f} ± {error:.4f}"
        shown.add_row(
            name, f"{epochs:.0f}", f"{epochs / full:.2f}", f"{seconds:.1f}", f"{np.mean(found['test']):.4f}", versus
        )
    return shown


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.search", description="grid, halving and Optuna on digits")
    parser.add_argument("--quick", action="store_true", help="one round of short runs: does it work?")
    parser.add_argument("--storage", type=Path, help="the SQLite file of Optuna's studies, to go on after a kill")
    parser.add_argument("--out", type=Path, help="a file for the record")
    options = parser.parse_args(arguments)
    storage = None if options.storage is None else f"sqlite:///{options.storage}"
    record = study(QUICK if options.quick else Size(), storage)
    Console(width=120).print(table(record))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
