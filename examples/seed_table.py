"""Six recipes, 32 seeds each, 192 networks in one program: does a table of single runs hold?

    python -m examples.seed_table [--quick] [--out FILE.json]

The experiment is one that articles print with one run per row: 2000 rows of 50 normal columns, of which 10 decide among
4 classes; 1400 rows to train on, an MLP of 128 and 64 units, 60 epochs of AdamW at 1e-3 in batches of 64. Layers, their
initialization, decay of all parameters and the short last batch are as PyTorch has them. The data are one fixed draw; a
seed decides the initial weights, the order of the rows and the noise.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import noise, norm, optim, random, targets, train

NUM_ROWS, NUM_TRAINING, WIDTHS = 2000, 1400, (50, 128, 64, 4)
BATCH_SIZE, EPOCHS, LEARNING_RATE = 64, 60, 1e-3
NUM_SEEDS, QUICK_SEEDS, QUICK_EPOCHS = 32, 3, 2
Layer = Literal["plain", "dropout", "batch norm"]


class Recipe(NamedTuple):
    """`layer` follows each hidden product and decides the program; the strengths are data to it."""

    name: str
    layer: Layer
    rate: float = 0.0
    decay: float = 0.0


RECIPES = (
    Recipe("baseline", "plain"),
    Recipe("weight decay 1e-3", "plain", decay=1e-3),
    Recipe("dropout 0.4", "dropout", rate=0.4),
    Recipe("dropout 0.4 + weight decay 1e-3", "dropout", rate=0.4, decay=1e-3),
    Recipe("batch norm", "batch norm"),
    Recipe("batch norm + weight decay 5e-4", "batch norm", decay=5e-4),
)


@cache
def load() -> tuple[np.ndarray, np.ndarray]:
    """Rows and their classes: the largest of four linear functions of the first ten columns."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((NUM_ROWS, WIDTHS[0]), np.float32)
    weights = np.zeros((WIDTHS[0], WIDTHS[-1]), np.float32)
    weights[:10] = generator.standard_normal((10, WIDTHS[-1]), np.float32)
    return x, (x @ weights).argmax(1).astype(np.int32)


def init(key: jax.Array, layer: Layer) -> tuple[Any, Any]:
    """Uniform in +-1/sqrt(inputs), kernels and biases, as torch.nn.Linear; one draw, since each costs to compile."""
    layers = list(pairwise(WIDTHS))
    sizes = [(1 + inputs) * outputs for inputs, outputs in layers]
    drawn = jnp.split(jax.random.uniform(key, (sum(sizes),), minval=-1.0), np.cumsum(sizes)[:-1])
    dense = []
    for (inputs, outputs), values in zip(layers, drawn, strict=True):
        values = inputs**-0.5 * values.reshape(1 + inputs, outputs)
        dense.append({"kernel": values[1:], "bias": values[:1]})
    if layer != "batch norm":
        return {"dense": dense}, ()
    norms, stats = zip(*map(norm.init_batch_norm, WIDTHS[1:-1]), strict=True)
    return {"dense": dense, "norm": norms}, stats


def apply(
    layer: Layer, params: Any, stats: Any, key: jax.Array | None, x: jax.Array, hyper: Any
) -> tuple[jax.Array, Any]:
    *hidden, head = params["dense"]
    moved = []
    for index, (dense, layer_key) in enumerate(zip(hidden, random.split(key, len(hidden)), strict=True)):
        x = x @ dense["kernel"] + dense["bias"]
        if layer == "batch norm" and key is None:
            x = norm.batch_norm_inference(params["norm"][index], stats[index], x)
        elif layer == "batch norm":
            x, new = norm.batch_norm(params["norm"][index], stats[index], x, decay=0.9)
            moved.append(new)
        x = jax.nn.relu(x)
        if layer == "dropout":
            x = noise.dropout(layer_key, x, hyper["rate"])
    return x @ head["kernel"] + head["bias"], tuple(moved) or stats


def optimizer(hyper: Any) -> optax.GradientTransformation:
    """torch.optim.AdamW: what decays is every parameter, by the learning rate times the decay."""
    return optim.with_decoupled_decay(optax.adam(LEARNING_RATE), hyper["decay"], learning_rate=LEARNING_RATE, mask=None)


def make_fit_one(layer: Layer, epochs: int) -> Callable[[jax.Array, Any], dict[str, jax.Array]]:
    """Make `fit_one(key, hyper)`: a run of one recipe, and its accuracies at the end, without noise."""
    x, y = load()
    training, valid = (x[:NUM_TRAINING], y[:NUM_TRAINING]), (x[NUM_TRAINING:], y[NUM_TRAINING:])

    def loss_fn(params: Any, stats: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
        logits, stats = apply(layer, params, stats, key, batch[0], hyper)
        return targets.smoothed_cross_entropy(logits, batch[1], 0.0), (stats, {})

    def accuracy(state: train.TrainState, rows: Any, hyper: Any) -> jax.Array:
        logits, _ = apply(layer, state.params, state.model_state, None, rows[0], hyper)
        return jnp.mean((logits.argmax(-1) == rows[1]).astype(jnp.float32))

    step = train.make_step(loss_fn, optimizer)
    # The experiment looks at the last epoch alone, so nothing is worth measuring before it.
    nothing = train.make_eval(lambda params, stats, batch, hyper: {"loss": jnp.zeros(())})

    def fit_one(key: jax.Array, hyper: Any) -> dict[str, jax.Array]:
        init_key, fit_key = random.split(key)
        params, stats = init(init_key, layer)
        state = train.init_state(params, optimizer(hyper), stats)
        last = train.fit(
            step, nothing, state, fit_key, training, (), hyper,
            batch_size=BATCH_SIZE, epochs=epochs, last_batch="keep",
        ).last  # fmt: skip
        scores = {"train": accuracy(last, training, hyper), "valid": accuracy(last, valid, hyper)}
        return {**scores, "gap": scores["train"] - scores["valid"]}

    return fit_one


def make_program(epochs: int, recipes: tuple[Recipe, ...] = RECIPES) -> Any:
    """Make the jitted `program(keys)`: every recipe with every seed; scores come back as arrays (recipe, seed).

    Networks of one layout are lanes of one sweep, their strengths data; the sweeps of all layouts are one program.
    """
    groups: dict[Layer, list[Recipe]] = {}
    for recipe in recipes:
        groups.setdefault(recipe.layer, []).append(recipe)
    fits = {layer: make_fit_one(layer, epochs) for layer in groups}

    @jax.jit
    def program(keys: jax.Array) -> dict[str, jax.Array]:
        found = [train.sweep(fits[layer], keys, strengths(group)) for layer, group in groups.items()]
        return jax.tree.map(lambda *scores: jnp.concatenate(scores), *found)

    return program


def strengths(recipes: Any) -> dict[str, np.ndarray]:
    return {name: np.array([getattr(recipe, name) for recipe in recipes], np.float32) for name in ("rate", "decay")}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.seed_table", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds and epochs: does it run?")
    parser.add_argument("--out", type=Path, default=Path("results/seed_table.json"), help="where to store the scores")
    options = parser.parse_args(arguments)
    num_seeds, epochs = (QUICK_SEEDS, QUICK_EPOCHS) if options.quick else (NUM_SEEDS, EPOCHS)
    start = time.perf_counter()
    program = make_program(epochs).lower(jax.random.split(jax.random.key(0), num_seeds)).compile()
    compiled = time.perf_counter()
    found = jax.device_get(program(jax.random.split(jax.random.key(0), num_seeds)))
    done = time.perf_counter()
    table = train.tabulate({"recipe": np.array([recipe.name for recipe in RECIPES])}, found, by="valid")
    print(table)
    num_models = len(RECIPES) * num_seeds
    print(f"{num_models} networks: {compiled - start:.1f} s to compile, {done - compiled:.1f} s to run,", end=" ")
    print(f"{1e3 * (done - compiled) / num_models:.1f} ms for one")
    record = {
        "recipes": [recipe._asdict() for recipe in RECIPES],
        "scores": {name: np.asarray(scores).tolist() for name, scores in found.items()},
        "means": {name: means.tolist() for name, means in table.means.items()},
        "intervals": {name: halves.tolist() for name, halves in table.intervals.items()},
        "epochs": epochs,
        "compile_seconds": compiled - start,
        "seconds_per_model": (done - compiled) / num_models,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
