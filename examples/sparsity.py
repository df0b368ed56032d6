"""Exact zeros against accuracy: three ways to train with L1 and Adam, on scikit-learn's digits.

    python -m examples.sparsity

The gradient of the penalty (`add_l1`) steps over zero and back, so only chance makes a weight zero. The proximal step
after Adam (`prox_l1`) stops at zero, but its strength is a share of Adam's step, whatever the loss: at 1 nothing is
left. The proximal step in Adam's own metric (`with_l1`) stops at zero too, and its strength is the Lasso's, that of
the penalty in the loss. Every strength and seed is a lane of one compiled program.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table

from jreg import diagnose, optim, random, train

LEARNING_RATE = 2e-3
BATCH_SIZE = 32
NUM_HIDDEN = 64
METHODS = {
    "gradient": "L1 gradient (add_l1)",
    "proximal": "L1 step after Adam (prox_l1)",
    "metric": "L1 step in Adam's metric (with_l1)",
}
COLOURS = {"gradient": "#c0504d", "proximal": "#2f6f9f", "metric": "#4f9d69"}


class Outcome(NamedTuple):
    """What one run reports, at its end: with L1 the last weights are the sparse ones."""

    zeros: jax.Array
    accuracy: jax.Array


def digits() -> tuple[Any, Any]:
    """Training and validation rows, (images, one-hot digits) each."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = jnp.asarray(x[order] / 16.0, jnp.float32), jnp.asarray(np.eye(10)[y[order]], jnp.float32)
    return (x[:1000], y[:1000]), (x[1000:], y[1000:])


def init_params(key: jax.Array) -> Any:
    sizes = (64, NUM_HIDDEN, NUM_HIDDEN, 10)
    return [
        {"kernel": jax.random.normal(layer_key, (a, b)) * jnp.sqrt(2.0 / a), "bias": jnp.zeros(b)}
        for layer_key, a, b in zip(random.split(key, 3), sizes[:-1], sizes[1:], strict=True)
    ]


def logits(params: Any, x: jax.Array) -> jax.Array:
    *hidden, head = params
    for layer in hidden:
        x = jax.nn.relu(x @ layer["kernel"] + layer["bias"][None])
    return x @ head["kernel"] + head["bias"][None]


def loss_fn(params: Any, model_state: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
    return jnp.mean(optax.softmax_cross_entropy(logits(params, batch[0]), batch[1])), (model_state, {})


def metrics(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    right = jnp.argmax(logits(params, batch[0]), axis=1) == jnp.argmax(batch[1], axis=1)
    return {"loss": loss_fn(params, model_state, jax.random.key(0), batch, hyper)[0], "accuracy": jnp.mean(right)}


def optimizer(hyper: Any) -> optax.GradientTransformation:
    """The gradient of the penalty goes before Adam, a step around it or after it; a strength of 0 is none."""
    around = optim.with_l1(optax.adam(LEARNING_RATE), hyper["metric"])
    return optax.chain(optim.add_l1(hyper["gradient"]), around, optim.prox_l1(hyper["proximal"], LEARNING_RATE))


def sweep(strengths: np.ndarray, num_seeds: int, epochs: int) -> dict[str, Outcome]:
    """An Outcome of arrays (strengths, seeds) for each method."""
    train_data, valid_data = digits()
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)

    def fit_one(key: jax.Array, hyper: Any) -> Outcome:
        init_key, fit_key = random.split(key)
        state = train.init_state(init_params(init_key), optimizer(hyper))
        result = train.fit(
            step, evaluate, state, fit_key, train_data, valid_data, hyper, batch_size=BATCH_SIZE, epochs=epochs
        )
        zeros = diagnose.sparsity(result.last.params).fraction
        return Outcome(zeros, result.valid_history["accuracy"][-1])

    chosen = np.eye(len(METHODS), dtype=np.float32)
    hypers = {name: np.outer(row, strengths).ravel() for name, row in zip(METHODS, chosen, strict=True)}
    outcome = train.sweep(fit_one, jax.random.split(jax.random.key(0), num_seeds), hypers)
    by_method = jax.tree.map(lambda values: np.asarray(values).reshape(len(METHODS), len(strengths), -1), outcome)
    return {name: jax.tree.map(lambda values, row=row: values[row], by_method) for row, name in enumerate(METHODS)}


def table(strengths: np.ndarray, outcomes: dict[str, Outcome]) -> Table:
    num_seeds = outcomes["gradient"].zeros.shape[1]
    grid = Table(title=f"exact zeros and validation accuracy, means over {num_seeds} seeds")
    grid.add_column("strength", justify="right")
    for name in METHODS:
        grid.add_column(f"{name}: zeros", justify="right")
        grid.add_column(f"{name}: accuracy", justify="right")
    for row, strength in enumerate(strengths):
        cells = [(found.zeros[row].mean(), found.accuracy[row].mean()) for found in outcomes.values()]
        grid.add_row(f"{strength:.1e}", *(text for zeros, score in cells for text in (f"{zeros:.1%}", f"{score:.3f}")))
    return grid


def draw(strengths: np.ndarray, outcomes: dict[str, Outcome], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    for name, found in outcomes.items():
        style = {"color": COLOURS[name], "label": METHODS[name], "marker": "o", "markersize": 4, "capsize": 3}
        zeros, accuracy = 100 * found.zeros, 100 * found.accuracy
        panels[0].errorbar(strengths, zeros.mean(1), zeros.std(1), **style)
        panels[1].errorbar(strengths, accuracy.mean(1), accuracy.std(1), **style)
        panels[2].errorbar(zeros.mean(1), accuracy.mean(1), accuracy.std(1), zeros.std(1), **style)
    for panel, x, y in zip(
        panels,
        ("strength", "strength", "weights that are exactly zero (%)"),
        ("weights that are exactly zero (%)", "validation accuracy (%)", "validation accuracy (%)"),
        strict=True,
    ):
        panel.set_xlabel(x)
        panel.set_ylabel(y)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_xscale("log")
    panels[1].set_xscale("log")
    panels[2].set_ylim(80, 100)
    for panel, title in zip(panels, ("Zeros", "Accuracy", "What the zeros cost (above 80 %)"), strict=True):
        panel.set_title(title)
    panels[2].legend(loc="lower center")
    num_seeds = outcomes["gradient"].zeros.shape[1]
    figure.suptitle(f"L1 with Adam on digits: mean and standard deviation over {num_seeds} seeds")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.sparsity", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for sparsity.png and sparsity.json")
    parser.add_argument("--quick", action="store_true", help="few strengths, seeds and epochs")
    options = parser.parse_args(arguments)
    num_strengths, num_seeds, epochs = (3, 2, 3) if options.quick else (19, 10, 100)
    strengths = np.logspace(-4, 0.5, num_strengths, dtype=np.float32)
    outcomes = sweep(strengths, num_seeds, epochs)
    console = Console() if Console().is_terminal else Console(width=150)
    console.print(table(strengths, outcomes))
    options.out.mkdir(parents=True, exist_ok=True)
    draw(strengths, outcomes, options.out / "sparsity.png")
    record = {
        name: {field: values.tolist() for field, values in found._asdict().items()} for name, found in outcomes.items()
    }
    settings = {"epochs": epochs, "learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE, "jax": jax.__version__}
    stored = {"settings": settings, "strengths": strengths.tolist(), **record}
    (options.out / "sparsity.json").write_text(json.dumps(stored, indent=1) + "\n")
    console.print(f"Wrote {options.out / 'sparsity.png'} and {options.out / 'sparsity.json'}.")
    return 0


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
