"""Do a network's samples disagree on what it has never seen? MC dropout on scikit-learn's digits.

    python -m examples.out_of_distribution

Networks with dropout learn the digits 0 to 6. Then they see test images of these digits, and images that they should
not trust themselves on: the digits 7 to 9, images turned by a quarter, and images with their pixels in another order.
Three scores are compared by the area under the ROC curve, the probability that a strange image scores higher than a
test image: the entropy of one prediction without noise, the entropy of the mean of the samples, and their mutual
information, how far they disagree. All seeds are lanes of one compiled program.

The samples help most where the prediction without noise is wrongly sure, and never make up for a network that is sure
of what it should not know: an area below a half says that it is surer of the strange images than of those it learned.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.special import entr
from rich.console import Console
from rich.table import Table
from scipy import stats as statistics

from jreg import diagnose, noise, random, train

from .intervals import interval

NUM_CLASSES, NUM_HIDDEN, RATE = 7, 128, 0.5
LEARNING_RATE, BATCH_SIZE = 2e-3, 32
TRAINING_ROWS = 700
SETS = {"held-out digits 7 to 9": "held_out", "turned by 90 degrees": "turned", "shuffled pixels": "shuffled"}
SCORES = {
    "entropy, no noise": ("entropy", "#9aa5b1", "s"),
    "entropy of the mean": ("predictive_entropy", "#e08214", "^"),
    "mutual information": ("mutual_information", "#1b3a57", "o"),
}


def images() -> tuple[Any, dict[str, jax.Array]]:
    """Training rows (images, one-hot digits), and images by the name of their set; "test" is the familiar one."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(x))
    x, y = np.asarray(x[order] / 16.0, np.float32), y[order]
    known, strange = x[y < NUM_CLASSES], x[y >= NUM_CLASSES]
    train_x, test = known[:TRAINING_ROWS], known[TRAINING_ROWS:]
    train_y = np.eye(NUM_CLASSES, dtype=np.float32)[y[y < NUM_CLASSES][:TRAINING_ROWS]]
    sets = {
        "test": test,
        "held_out": strange,
        "turned": np.rot90(test.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64),
        "shuffled": test[:, generator.permutation(64)],
    }
    return (jnp.asarray(train_x), jnp.asarray(train_y)), {name: jnp.asarray(rows) for name, rows in sets.items()}


def init_params(key: jax.Array) -> Any:
    sizes = (64, NUM_HIDDEN, NUM_HIDDEN, NUM_CLASSES)
    return [
        {"kernel": jax.random.normal(layer_key, (a, b)) * jnp.sqrt(2.0 / a), "bias": jnp.zeros(b)}
        for layer_key, a, b in zip(random.split(key, 3), sizes[:-1], sizes[1:], strict=True)
    ]


def logits(params: Any, key: jax.Array | None, x: jax.Array) -> jax.Array:
    *hidden, head = params
    for layer, own in zip(hidden, random.split(key, len(hidden)), strict=True):
        x = noise.dropout(own, jax.nn.relu(x @ layer["kernel"] + layer["bias"][None]), RATE)
    return x @ head["kernel"] + head["bias"][None]


def loss_fn(params: Any, model_state: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
    return jnp.mean(optax.softmax_cross_entropy(logits(params, key, batch[0]), batch[1])), (model_state, {})


def metrics(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    return {"loss": jnp.mean(optax.softmax_cross_entropy(logits(params, None, batch[0]), batch[1]))}


def scores(params: Any, key: jax.Array, x: jax.Array, num_samples: int) -> dict[str, jax.Array]:
    """The three scores of each image."""

    def predict(key: jax.Array | None, x: jax.Array) -> jax.Array:
        return jax.nn.softmax(logits(params, key, x))

    found = diagnose.mc_predict(predict, key, x, num_samples=num_samples, batch_size=10)
    return {
        "entropy": jnp.sum(entr(predict(None, x)), axis=-1),
        "predictive_entropy": found.predictive_entropy,
        "mutual_information": found.mutual_information,
    }


def study(num_seeds: int, epochs: int, num_samples: int) -> dict[str, dict[str, np.ndarray]]:
    """By set and by score, an array (seeds, images)."""
    train_data, sets = images()
    optimizer = optax.adam(LEARNING_RATE)
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)

    def fit_one(key: jax.Array, hyper: Any) -> Any:
        init_key, fit_key, score_key = random.split(key, 3)
        state = train.init_state(init_params(init_key), optimizer)
        result = train.fit(
            step, evaluate, state, fit_key, train_data, train_data, hyper, batch_size=BATCH_SIZE, epochs=epochs
        )
        return scores(result.last.params, score_key, jnp.concatenate(list(sets.values())), num_samples)

    found = train.sweep(fit_one, jax.random.split(jax.random.key(0), num_seeds), jnp.zeros(1))
    ends = np.cumsum([len(x) for x in sets.values()])
    return {
        name: {score: np.asarray(values)[0, :, end - len(sets[name]) : end] for score, values in found.items()}
        for name, end in zip(sets, ends, strict=True)
    }


def auroc(familiar: np.ndarray, strange: np.ndarray) -> float:
    """The probability that a strange image scores higher, by the ranks of Mann and Whitney."""
    count = len(familiar) * len(strange)
    return float(statistics.mannwhitneyu(strange, familiar).statistic / count)


def areas(found: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, list[float]]]:
    """By set and by score, the area of each seed."""
    return {
        strange: {
            score: [auroc(*pair) for pair in zip(found["test"][score], found[strange][score], strict=True)]
            for score, _, _ in SCORES.values()
        }
        for strange in SETS.values()
    }


def table(found: dict[str, dict[str, list[float]]], num_seeds: int) -> Table:
    grid = Table(title=f"area under the ROC curve, mean of {num_seeds} seeds and 95 % interval")
    grid.add_column("strange images")
    for score in SCORES:
        grid.add_column(score, justify="right")
    for name, strange in SETS.items():
        columns = (found[strange][score] for score, _, _ in SCORES.values())
        grid.add_row(name, *(f"{np.mean(values):.3f} ± {interval(values):.3f}" for values in columns))
    return grid


def draw(found: dict[str, dict[str, np.ndarray]], by_set: dict[str, dict[str, list[float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    lines = {"test images, digits 0 to 6": ("test", "#1b3a57", "-")} | {
        name: (strange, colour, line)
        for (name, strange), colour, line in zip(
            SETS.items(), ("#e08214", "#7b3294", "#5aae61"), ("--", "-.", ":"), strict=True
        )
    }
    for name, (images_of, colour, line) in lines.items():
        values = np.sort(found[images_of]["mutual_information"].ravel())
        left.plot(values, np.linspace(1.0, 0.0, len(values)), color=colour, linestyle=line, label=name, linewidth=2)
    left.set(xlabel="mutual information (nats)", ylabel="share of images above it", xlim=(0, None), ylim=(0, 1.01))
    for row, strange in enumerate(SETS.values()):
        for place, (name, (score, colour, marker)) in enumerate(SCORES.items()):
            values = by_set[strange][score]
            at = -row + 0.22 * (1 - place)
            label = name if row == 0 else None
            right.errorbar(
                np.mean(values),
                at,
                xerr=interval(values),
                color=colour,
                marker=marker,
                capsize=3,
                ls="none",
                label=label,
            )
    right.axvline(0.5, color="0.5", linewidth=1, linestyle=":")
    right.set_yticks([-row for row in range(len(SETS))], list(SETS))
    right.set(xlabel="area under the ROC curve, 95 % interval over seeds; dotted: chance", xlim=(0, 1.02))
    right.grid(axis="x", color="0.9")
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.01), borderaxespad=0.0, frameon=False, ncols=2, handlelength=3
        )
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.out_of_distribution", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the .png and the .json file")
    parser.add_argument("--quick", action="store_true", help="few seeds, epochs and samples")
    options = parser.parse_args(arguments)
    num_seeds, epochs, num_samples = (2, 5, 10) if options.quick else (20, 60, 50)
    start = time.perf_counter()
    found = study(num_seeds, epochs, num_samples)
    by_set = areas(found)
    console = Console() if Console().is_terminal else Console(width=110)
    console.print(table(by_set, num_seeds))
    options.out.mkdir(parents=True, exist_ok=True)
    draw(found, by_set, options.out / "out_of_distribution.png")
    settings = {
        "seeds": num_seeds,
        "epochs": epochs,
        "samples": num_samples,
        "rate": RATE,
        "seconds": round(time.perf_counter() - start, 1),
        "jax": jax.__version__,
    }
    stored = {"settings": settings, "areas": by_set}
    (options.out / "out_of_distribution.json").write_text(json.dumps(stored, indent=1) + "\n")
    console.print(f"Wrote {options.out / 'out_of_distribution.png'} and {options.out / 'out_of_distribution.json'}.")
    return 0


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
