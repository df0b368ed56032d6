"""Which package is a docstring from? Noise on tokens (dropout, swaps, deletions) against the same network without.

    python -m examples.text_classes [--quick]

The docstrings of six packages of the standard library, split by file, so that no file is both learned and tested; a
docstring that stands in several files counts once. A convolution over word embeddings, with the mean over places, reads
them. The noise is drawn anew for every row at every step, inside the compiled step, and its rates are traced: each
recipe is a lane of one program, and all meet the same seeds. Validation chooses the epoch. Nearly all words of the rows
to learn from are known, and fewer of the others: token dropout alone shows the network the id of unknown words.
"""

import argparse
import ast
import importlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import augment, random, train

PACKAGES = "asyncio", "email", "importlib", "multiprocessing", "unittest", "xml"
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
LENGTH, NUM_WORDS, FEATURES, CHANNELS = 32, 2000, 24, 48
PADDING, UNKNOWN = 0, 1
BATCH_SIZE, STEPS_PER_EPOCH, LEARNING_RATE = 32, 20, 3e-3
RECIPES = {
    "none": {"dropout": 0.0, "swap": 0.0, "deletion": 0.0},
    "token_dropout": {"dropout": 0.2, "swap": 0.0, "deletion": 0.0},
    "random_swap": {"dropout": 0.0, "swap": 0.2, "deletion": 0.0},
    "random_deletion": {"dropout": 0.0, "swap": 0.0, "deletion": 0.2},
    "all three": {"dropout": 0.2, "swap": 0.2, "deletion": 0.2},
}


def docstrings() -> list[tuple[list[str], int, int]]:
    """The words of each docstring, its package, and the place of its file in the package."""
    found, seen = [], set()
    for label, package in enumerate(PACKAGES):
        folder = Path(importlib.import_module(package).__path__[0])
        for place, path in enumerate(sorted(folder.rglob("*.py"))):
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            for text in (ast.get_docstring(node) for node in nodes if isinstance(node, DOCUMENTED)):
                words = re.findall(r"[a-z]+", (text or "").lower())
                if len(words) >= 4 and tuple(words) not in seen:
                    seen.add(tuple(words))
                    found.append((words, label, place))
    return found


def encoded() -> tuple[Any, Any, Any]:
    """Rows to learn from, to validate and to test on: ids (rows, LENGTH) of the words, and packages (rows,)."""
    parts = [[], [], []]
    for words, label, place in docstrings():
        parts[(0, 0, 1, 2)[place % 4]].append((words, label))
    common = Counter(word for words, _ in parts[0] for word in words).most_common(NUM_WORDS - 2)
    ids = {word: number + 2 for number, (word, _) in enumerate(common)}
    first, second, third = (
        (
            jnp.array(
                [([ids.get(word, UNKNOWN) for word in words] + [PADDING] * LENGTH)[:LENGTH] for words, _ in part]
            ),
            jnp.array([label for _, label in part]),
        )
        for part in parts
    )
    return first, second, third


def init_params(key: jax.Array) -> Any:
    shapes = {"embed": (NUM_WORDS, FEATURES), "conv": (3 * FEATURES, CHANNELS), "head": (CHANNELS, len(PACKAGES))}
    scales = {"embed": 0.3, "conv": (2 / (3 * FEATURES)) ** 0.5, "head": CHANNELS**-0.5}
    keys = zip(random.split(key, 3), shapes.items(), strict=True)
    kernels = {name: jax.random.normal(each, shape) * scales[name] for each, (name, shape) in keys}
    return {**kernels, "conv bias": jnp.zeros(CHANNELS), "head bias": jnp.zeros(len(PACKAGES))}


def logits(params: Any, tokens: jax.Array) -> jax.Array:
    """A convolution over three words at a time, and its mean over the places of words."""
    is_word = (tokens != PADDING)[..., None]
    x = jnp.pad(jnp.where(is_word, params["embed"][tokens], 0.0), ((0, 0), (1, 1), (0, 0)))
    triples = jnp.concatenate([x[:, :-2], x[:, 1:-1], x[:, 2:]], axis=-1)
    hidden = jax.nn.relu(triples @ params["conv"] + params["conv bias"])
    mean = jnp.sum(hidden * is_word, axis=1) / jnp.sum(is_word, axis=1)
    return mean @ params["head"] + params["head bias"]


def loss_fn(params: Any, model_state: Any, key: Any, batch: Any, hyper: Any) -> Any:
    deletion_key, swap_key, dropout_key = random.split(key, 3)
    tokens = augment.random_deletion(deletion_key, batch[0], hyper["deletion"], padding_id=PADDING)
    tokens = augment.random_swap(swap_key, tokens, hyper["swap"], padding_id=PADDING)
    tokens = augment.token_dropout(dropout_key, tokens, hyper["dropout"], mask_id=UNKNOWN, padding_id=PADDING)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits(params, tokens), batch[1])
    return jnp.mean(losses), (model_state, {})


def metric_fn(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    outputs = logits(params, batch[0])
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]))
    return {"loss": loss, "accuracy": jnp.mean(outputs.argmax(-1) == batch[1])}


def main(arguments: list[str] | None = None) -> train.Table:
    parser = argparse.ArgumentParser(prog="python -m examples.text_classes", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, few epochs")
    num_seeds, epochs = (2, 6) if parser.parse_args(arguments).quick else (6, 20)
    training, valid, test = encoded()
    optimizer = optax.adam(LEARNING_RATE)
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)

    def fit_one(key: jax.Array, hyper: Any) -> dict[str, jax.Array]:
        init_key, run_key = random.split(key)
        state = train.init_state(init_params(init_key), optimizer)
        result = train.fit(
            step, evaluate, state, run_key, training, valid, hyper,
            batch_size=BATCH_SIZE, epochs=epochs, steps_per_epoch=STEPS_PER_EPOCH, monitor="accuracy", mode="max",
        )  # fmt: skip
        return {"valid": result.best_value, "test": evaluate(result.best, test, hyper)["accuracy"]}

    settings = {name: jnp.array([recipe[name] for recipe in RECIPES.values()]) for name in RECIPES["none"]}
    found = train.sweep(fit_one, random.split_array(jax.random.key(0), num_seeds), settings)
    table = train.tabulate({"recipe": np.array(list(RECIPES))}, found, by="valid", baseline=0)
    most = np.bincount(test[1]).max() / len(test[1])
    print(
        f"{len(training[1])} docstrings to learn from, {len(test[1])} to test on; the largest class alone: {most:.3f}"
    )
    print(table)
    return table


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    main()
