"""An ensemble of a sweep's networks, and one network that learned from it, on 200 of scikit-learn's digits.

    python -m examples.distill_ensemble

Every round draws its own training and validation rows. A sweep over dropout rates and seeds gives the networks; the
ensemble averages the predictions of those that validation ranks first. A student of the same size then learns from the
ensemble's outputs in place of the labels: on the training rows alone, or on 500 more rows whose labels nobody knows.
Validation chooses the epoch of every run, and the dropout rate of the single networks and of the students. Test rows
only measure, and all differences are paired by round.
"""

import argparse
import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from jreg import noise, random, targets, train

from .intervals import interval

LEARNING_RATE = 2e-3
BATCH_SIZE = 32
NUM_HIDDEN = 128
NUM_TRAIN, NUM_VALID = 200, 300
NUM_UNLABELLED = 500
TEMPERATURE = 1.0
STUDENTS = ("the training rows", f"{NUM_UNLABELLED} more rows without labels")


class Size(NamedTuple):
    """How large the study is; the teacher is the ensemble of the last of `tops`."""

    num_rounds: int = 12
    rates: tuple[float, ...] = (0.0, 0.25, 0.5)
    num_seeds: int = 8
    tops: tuple[int, ...] = (1, 2, 4, 8, 16)
    num_students: int = 3
    epochs: int = 60
    student_epochs: int = 30


QUICK = Size(num_rounds=2, rates=(0.0, 0.5), num_seeds=2, tops=(1, 2), num_students=2, epochs=6, student_epochs=3)


class Round(NamedTuple):
    """The rows of one round or, stacked, of all: (images, one-hot digits), and images whose digits nobody knows."""

    train: Any
    valid: Any
    unlabelled: Any


def digits() -> tuple[Any, Any]:
    """The rows that rounds draw from, and the test rows: (images, one-hot digits) each."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16.0).astype(np.float32), np.eye(10, dtype=np.float32)[y[order]]
    return (x[:1000], y[:1000]), (x[1000:], y[1000:])


def rounds_of(pool: Any, num_rounds: int) -> Round:
    rng = np.random.default_rng(1)
    rows = np.stack([rng.permutation(len(pool[0])) for _ in range(num_rounds)])
    parts = np.split(rows, np.cumsum([NUM_TRAIN, NUM_VALID]), axis=1)
    labelled, valid, unlabelled = (jax.tree.map(lambda leaf, some=some: leaf[some], pool) for some in parts)
    return Round(labelled, valid, unlabelled[0])


def init_params(key: jax.Array) -> Any:
    first, second = random.split(key)
    return {
        "hidden": {"kernel": jax.random.normal(first, (64, NUM_HIDDEN)) * 0.18, "bias": jnp.zeros(NUM_HIDDEN)},
        "head": {"kernel": jax.random.normal(second, (NUM_HIDDEN, 10)) * 0.12, "bias": jnp.zeros(10)},
    }


def logits(params: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
    hidden = jax.nn.relu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"][None])
    return noise.dropout(key, hidden, rate) @ params["head"]["kernel"] + params["head"]["bias"][None]


def probabilities(params: Any, model_state: Any, x: jax.Array) -> jax.Array:
    return jax.nn.softmax(logits(params, None, x, 0.0))


def metrics(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    outputs = logits(params, None, batch[0], 0.0)
    loss = jnp.mean(optax.softmax_cross_entropy(outputs, batch[1]))
    return {"loss": loss, "accuracy": share_right(outputs, batch[1])}


def share_right(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.mean(jnp.argmax(outputs, axis=1) == jnp.argmax(labels, axis=1))


def loss_of_member(params: Any, model_state: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
    outputs = logits(params, key, batch[0], hyper["rate"])
    return jnp.mean(optax.softmax_cross_entropy(outputs, batch[1])), (model_state, {})


def loss_of_student(params: Any, model_state: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
    """The batch has the teacher's probabilities where labels would be."""
    teacher = jnp.log(batch[1])
    outputs = logits(params, key, batch[0], hyper["rate"])
    return targets.distillation(outputs, teacher, TEMPERATURE), (model_state, {})


def make_fit(loss_fn: Any, epochs: int) -> Any:
    """A run for a sweep, whose settings hold the data too."""
    optimizer = optax.adam(LEARNING_RATE)
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)

    def fit_one(key: jax.Array, hyper: Any) -> train.FitResult:
        init_key, fit_key = random.split(key)
        return train.fit(
            step, evaluate, train.init_state(init_params(init_key), optimizer), fit_key,
            hyper["train"], hyper["valid"], hyper,
            batch_size=BATCH_SIZE, epochs=epochs,
        )  # fmt: skip

    return fit_one


def study(size: Size) -> dict[str, Any]:
    """Test accuracies by round: of single networks, of ensembles by their size, of students by what they saw."""
    pool, test = digits()
    rounds = rounds_of(pool, size.num_rounds)
    data = {"train": rounds.train, "valid": rounds.valid}
    result = sweep_rates(make_fit(loss_of_member, size.epochs), 1, size.num_seeds, size, data)
    x = np.concatenate([rounds.train[0], rounds.unlabelled], axis=1)
    ensembles, teacher = asked(result, x, test, size.tops)
    # Students of the training rows alone see them more often, so that all make as many steps.
    students, fit_one = {}, make_fit(loss_of_student, size.student_epochs)
    for name, places in zip(STUDENTS, (np.arange(x.shape[1]) % NUM_TRAIN, np.arange(x.shape[1])), strict=True):
        taught = {"train": (x[:, places], np.asarray(teacher)[:, places]), "valid": rounds.valid}
        students[name] = tested(sweep_rates(fit_one, 2, size.num_students, size, taught), test)
    return {
        "size": size._asdict(),
        "single": as_list(tested(result, test)),
        "ensembles": {str(top): as_list(found) for top, found in ensembles.items()},
        "students": {name: as_list(found) for name, found in students.items()},
    }


def sweep_rates(fit_one: Any, seed: int, num_seeds: int, size: Size, data: Any) -> train.FitResult:
    """Runs on the data of every round, whose results have the axes (round, rate, seed).

    They come to the host: what follows is small, and one device does it without waiting for the others.
    """
    axes = {"round": list(range(size.num_rounds)), "rate": list(size.rates)}
    settings = train.grid(axes)
    hypers = {"rate": settings["rate"], **jax.tree.map(lambda leaf: leaf[settings["round"]], data)}
    result = train.sweep(fit_one, random.split_array(jax.random.key(seed), num_seeds), hypers)
    return train.reshape_to_grid(axes, jax.device_get(result)).values


@partial(jax.jit, static_argnames="tops")
def asked(result: train.FitResult, x: Any, test: Any, tops: tuple[int, ...]) -> Any:
    """By round: the test accuracy of the ensembles, and what the largest one says of `x`."""

    def of_round(result: train.FitResult, x: Any) -> Any:
        outputs = {top: train.ensemble(probabilities, result, test[0], top=top) for top in tops}
        teacher = train.ensemble(probabilities, result, x, top=tops[-1])
        return {top: share_right(found, test[1]) for top, found in outputs.items()}, teacher

    return jax.vmap(of_round)(result, x)


@jax.jit
def tested(result: train.FitResult, test: Any) -> jax.Array:
    """By round: the mean test accuracy over the seeds, at the rate that validation chose."""
    score = lambda params: share_right(probabilities(params, (), test[0]), test[1])  # noqa: E731
    scores = jax.vmap(jax.vmap(jax.vmap(score)))(result.best.params)
    best = jnp.argmin(jnp.mean(result.best_value, axis=2), axis=1)
    return jnp.take_along_axis(jnp.mean(scores, axis=2), best[:, None], axis=1)[:, 0]


def as_list(values: jax.Array) -> list[float]:
    return np.asarray(values, np.float64).tolist()


def mean_and_interval(values: Any) -> tuple[float, float]:
    """The mean over rounds and half of its 95 % interval."""
    return float(np.mean(values)), interval(values)


def rows(record: dict[str, Any]) -> dict[str, Any]:
    """The test accuracies of each way by round."""
    ensembles = {f"ensemble of the best {top}": scores for top, scores in record["ensembles"].items()}
    students = {f"one student, on {name}": scores for name, scores in record["students"].items()}
    return {"single network": record["single"], **ensembles, **students}


def table(record: dict[str, Any]) -> Table:
    shown = Table(title=f"digits, {NUM_TRAIN} training rows: means over {len(record['single'])} rounds")
    for column in ("networks", "test accuracy ± 95 %", "minus a single network ± 95 %"):
        shown.add_column(column, justify="left" if column == "networks" else "right")
    for name, scores in rows(record).items():
        mean, half = mean_and_interval(scores)
        gain, error = mean_and_interval(np.subtract(scores, record["single"]))
        versus = "" if name == "single network" else f"{gain:+.4f} ± {error:.4f}"
        shown.add_row(name, f"{mean:.4f} ± {half:.4f}", versus)
    return shown


def draw(record: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(9, 4.8), layout="constrained")
    tops = [int(top) for top in record["ensembles"]]
    gains = [mean_and_interval(np.subtract(scores, record["single"])) for scores in record["ensembles"].values()]
    means, halves = (100.0 * np.array(column) for column in zip(*gains, strict=True))
    axis.errorbar(tops, means, halves, marker="o", capsize=3, color="#2f6f9f", label="ensemble of the best")
    colours = ("#c08030", "#3a8f4d")
    for (name, scores), colour in zip(record["students"].items(), colours, strict=True):
        gain, half = mean_and_interval(100.0 * np.subtract(scores, record["single"]))
        axis.axhline(gain, color=colour, label=f"one student, on {name}")
        axis.axhspan(gain - half, gain + half, color=colour, alpha=0.08)
    axis.axhline(0.0, color="black", linewidth=0.8, linestyle=":")
    axis.set_xscale("log", base=2)
    axis.set_xticks(tops, [str(top) for top in tops])
    axis.set_xlabel("networks in the ensemble")
    axis.set_ylabel("test accuracy minus that of a single network (points)")
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    axis.set_title(f"{NUM_TRAIN} digits: mean and 95 % interval over {len(record['single'])} rounds", loc="left")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.distill_ensemble", description="ensembles and students")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the picture and the record")
    parser.add_argument("--quick", action="store_true", help="few rounds, seeds and epochs")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    record = study(QUICK if options.quick else Size())
    console = Console() if Console().is_terminal else Console(width=110)
    console.print(table(record))
    options.out.mkdir(parents=True, exist_ok=True)
    draw(record, options.out / "distill_ensemble.png")
    stored = options.out / "distill_ensemble.json"
    stored.write_text(json.dumps(record | {"jax": jax.__version__}, indent=1) + "\n")
    console.print(f"Wrote {stored} and the picture beside it in {time.perf_counter() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
