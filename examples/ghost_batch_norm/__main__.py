"""The command: measure, print, draw and store."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from jreg import diagnose, noise, norm, random, train

from ..intervals import interval

BATCH_SIZE, WIDTH, LEARNING_RATE = 64, 128, 2e-3
TRAINING_ROWS = 256
RATES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


class Settings(NamedTuple):
    sizes: tuple[int, ...] = (4, 8, 16, 32)
    num_seeds: int = 20
    num_steps: int = 320


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.ghost_batch_norm", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one size, two seeds and few steps: does it run?")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the .png and the .json file")
    options = parser.parse_args(arguments)
    settings = Settings(sizes=(8,), num_seeds=2, num_steps=32) if options.quick else Settings()
    found = measure(settings)
    show(found)
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found, options.out / "ghost_batch_norm.png")
    (options.out / "ghost_batch_norm.json").write_text(json.dumps(found, indent=1) + "\n")
    return 0


def measure(settings: Settings) -> dict[str, Any]:
    """Per row a batch size, a ghost size, the noise of an output and the scores that networks end with."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    data = jnp.asarray(x[order] / 16.0, jnp.float32), jnp.asarray(np.eye(10)[y[order]], jnp.float32)
    keys = jax.random.split(jax.random.key(0), settings.num_seeds)
    by_rate = train.sweep(make_fit_one(data, BATCH_SIZE, None, settings.num_steps), keys, jnp.array(RATES))
    shift = [{"rate": rate, **summaries(by_rate, i)} for i, rate in enumerate(RATES)]
    plain = {name: values[:1] for name, values in by_rate.items()}
    rows = [describe(data, BATCH_SIZE, None, plain, plain)]
    for size in settings.sizes:
        for batch_size, ghost_size in ((BATCH_SIZE, size), (size, None)):
            fit_one = make_fit_one(data, batch_size, ghost_size, settings.num_steps)
            rows.append(describe(data, batch_size, ghost_size, train.sweep(fit_one, keys, jnp.zeros(1)), plain))
    return {"settings": settings._asdict(), "training_rows": TRAINING_ROWS, "rows": rows, "variance_shift": shift}


def describe(data: Any, batch_size: int, ghost_size: int | None, scores: Any, plain: Any) -> dict[str, Any]:
    """A row of the result, of networks without dropout; runs with the same key differ in the batches alone."""
    found = {"batch_size": batch_size, "ghost_size": ghost_size, "noise": output_noise(data[0], batch_size, ghost_size)}
    return found | summaries(scores, 0) | {"gap_against_plain": summary((scores["gap"] - plain["gap"])[0])}


def output_noise(x: jax.Array, batch_size: int, ghost_size: int | None) -> float:
    """The standard deviation of one example's normalized outputs over the others that it shares a batch with."""
    kernel_key, draw_key = random.split(jax.random.key(1))
    hidden = x @ (jax.random.normal(kernel_key, (x.shape[1], WIDTH)) / 8.0)
    params, stats = norm.init_batch_norm(WIDTH)

    def output(key: jax.Array, row: jax.Array) -> jax.Array:
        others = hidden[jax.random.randint(key, (batch_size,), 0, len(hidden))]
        batch = others.at[0].set(row)
        return norm.batch_norm(params, stats, batch, ghost_size=ghost_size)[0][0]

    over_keys = jax.vmap(output, in_axes=(0, None))
    outputs = jax.jit(jax.vmap(over_keys, in_axes=(None, 0)))(jax.random.split(draw_key, 200), hidden[:20])
    return float(jnp.sqrt(outputs.var(1).mean()))


def init(key: jax.Array) -> tuple[Any, Any]:
    """Two hidden layers with batch norm, and a head."""
    kernels = [
        jax.random.normal(layer_key, shape) * (2.0 / shape[0]) ** 0.5
        for layer_key, shape in zip(random.split(key, 3), [(64, WIDTH), (WIDTH, WIDTH), (WIDTH, 10)], strict=True)
    ]
    norms, stats = zip(*(norm.init_batch_norm(WIDTH) for _ in range(2)), strict=True)
    return {"kernels": kernels, "norms": norms}, stats


def hidden_input(params: Any, first: Callable, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
    """What the second batch norm reads: dropout, and a product behind it."""
    return noise.dropout(key, jax.nn.relu(first(x @ params["kernels"][0])), rate) @ params["kernels"][1]


def apply_training(params: Any, stats: Any, key: jax.Array, x: jax.Array, rate: Any, ghost_size: int | None) -> Any:
    step = partial(norm.batch_norm, decay=0.9, ghost_size=ghost_size)
    normal, first = step(params["norms"][0], stats[0], x @ params["kernels"][0])
    hidden = noise.dropout(key, jax.nn.relu(normal), rate) @ params["kernels"][1]
    normal, second = step(params["norms"][1], stats[1], hidden)
    return jax.nn.relu(normal) @ params["kernels"][2], (first, second)


def apply_inference(params: Any, stats: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Logits, and what the second batch norm reads."""
    first = partial(norm.batch_norm_inference, params["norms"][0], stats[0])
    hidden = hidden_input(params, first, None, x, 0.0)
    normal = norm.batch_norm_inference(params["norms"][1], stats[1], hidden)
    return jax.nn.relu(normal) @ params["kernels"][2], hidden


def make_fit_one(data: Any, batch_size: int, ghost_size: int | None, num_steps: int) -> Callable:
    """Make `fit_one(key, rate)`, which takes as many steps for each batch size."""
    optimizer = optax.adam(LEARNING_RATE)

    def loss_fn(params: Any, stats: Any, key: jax.Array, batch: Any, rate: Any) -> Any:
        logits, stats = apply_training(params, stats, key, batch[0], rate, ghost_size)
        return optax.softmax_cross_entropy(logits, batch[1]).mean(), (stats, {})

    def metrics(params: Any, stats: Any, batch: Any, rate: Any) -> dict[str, jax.Array]:
        logits = apply_inference(params, stats, batch[0])[0]
        accuracy = jnp.mean(logits.argmax(1) == batch[1].argmax(1))
        return {"loss": optax.softmax_cross_entropy(logits, batch[1]).mean(), "accuracy": accuracy}

    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)

    def fit_one(key: jax.Array, rate: jax.Array) -> dict[str, jax.Array]:
        rows_key, init_key, fit_key, shift_key = random.split(key, 4)
        rows = jax.random.permutation(rows_key, len(data[0]))
        seen, unseen = (
            jax.tree.map(lambda a, part=part: a[rows[part]], data)
            for part in (slice(TRAINING_ROWS), slice(TRAINING_ROWS, None))
        )
        params, stats = init(init_key)
        epochs = num_steps * batch_size // TRAINING_ROWS or 1
        state = train.init_state(params, optimizer, stats)
        result = train.fit(step, evaluate, state, fit_key, seen, seen, rate, batch_size=batch_size, epochs=epochs)
        params, stats = result.last.params, result.last.model_state
        on_seen, on_unseen = (evaluate(result.last, part, rate) for part in (seen, unseen))
        first = partial(norm.batch_norm_inference, params["norms"][0], stats[0])
        shift = diagnose.variance_shift(lambda k, x: hidden_input(params, first, k, x, rate), shift_key, unseen[0])
        return {
            "train_accuracy": on_seen["accuracy"],
            "test_accuracy": on_unseen["accuracy"],
            "gap": on_unseen["loss"] - on_seen["loss"],
            "variance_ratio": jnp.median(shift.ratio),
        }

    return fit_one


def summaries(scores: Any, setting: int) -> dict[str, Any]:
    return {name: summary(values[setting]) for name, values in scores.items()}


def summary(scores: jax.Array) -> dict[str, float]:
    """The mean over seeds and half its 95 % interval."""
    values = np.asarray(scores, np.float64)
    return {"mean": float(values.mean()), "interval": interval(values)}


def show(found: dict[str, Any]) -> None:
    scores = ("train_accuracy", "test_accuracy", "gap", "gap_against_plain")
    rows = [
        [str(row["batch_size"]), str(row["ghost_size"] or "-"), f"{row['noise']:.3f}", *(text(row[s]) for s in scores)]
        for row in found["rows"]
    ]
    columns = ["batch", "ghost batch", "noise", "train accuracy", "test accuracy", "gap", "gap, paired difference"]
    show_table("noise of batch norm", columns, rows)
    scores = ("variance_ratio", "test_accuracy")
    rows = [[f"{row['rate']:.1f}", *(text(row[score]) for score in scores)] for row in found["variance_shift"]]
    show_table("dropout before batch norm", ["rate", "variance at inference / training", "test accuracy"], rows)


def text(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f} ± {value['interval']:.3f}"


def show_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=110)).print(table)


def draw(found: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot

    figure, (noises, gaps, shifts) = pyplot.subplots(1, 3, figsize=(15, 4.2), layout="constrained")
    lines = {
        "ghost batches of a batch of 64": [
            (r["ghost_size"] or r["batch_size"], r) for r in found["rows"] if r["batch_size"] == BATCH_SIZE
        ],
        "batches of that size": [(r["batch_size"], r) for r in found["rows"] if r["ghost_size"] is None],
    }
    for (label, points), style in zip(lines.items(), ("o-", "s--"), strict=True):
        sizes, rows = zip(*sorted(points, key=lambda point: point[0]), strict=True)
        noises.loglog(sizes, [row["noise"] for row in rows], style, base=2, label=label)
        gap = [row["gap"] for row in rows]
        gaps.errorbar(sizes, [g["mean"] for g in gap], [g["interval"] for g in gap], fmt=style, capsize=3, label=label)
    theory = np.array([4.0, 64.0])
    noises.loglog(theory, np.sqrt(1.5 / theory), "k:", base=2, label="sqrt(1.5 / size)")
    noises.set(title="Noise of an output of batch norm", xlabel="examples per mean", ylabel="standard deviation")
    gaps.set(title="Gap: loss on test minus on training rows", xlabel="examples per mean")
    gaps.set_xscale("log", base=2)
    rates = [row["rate"] for row in found["variance_shift"]]
    for name, label in (("variance_ratio", "variance at inference / in training"), ("test_accuracy", "test accuracy")):
        values = [row[name] for row in found["variance_shift"]]
        means, halves = ([value[key] for value in values] for key in ("mean", "interval"))
        shifts.errorbar(rates, means, halves, marker="o", capsize=3, label=label)
    shifts.set(title="Dropout before the second batch norm", xlabel="rate", ylim=(0, 1.05))
    for axes in (noises, gaps, shifts):
        axes.legend()
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
