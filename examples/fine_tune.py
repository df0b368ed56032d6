"""Fine-tuning on a few rows: frozen batch norm and decay towards the pretrained weights, against neither.

    python -m examples.fine_tune [--quick]

A network with batch norm learns scikit-learn's digits 0 to 4 from all their rows, and then 5 to 9 from ten rows, two of
each. Two things may go wrong: the statistics of small batches replace those of the pretraining, and the weights leave
what the pretraining found. A frozen batch norm uses its running statistics in training too; `optim.decay_towards` pulls
the body towards its pretrained weights, beside Adam. Every recipe chooses among five settings by the mean over
seeds on validation rows: learning rates, or pulls at one learning rate. The test rows only measure.
"""

import argparse
import os
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from jreg import norm, optim, random, train

WIDTH, PER_CLASS, NUM_VALID = 64, 2, 200
BODY = optim.matching(r"^(first|second)/kernel")


class Recipe(NamedTuple):
    """Where to start, whether batch norm keeps its statistics, and what validation chooses from."""

    is_pretrained: bool
    is_frozen: bool
    settings: dict[str, Any]


RATES = {"rate": np.array([5e-4, 1e-3, 2e-3, 5e-3, 1e-2], np.float32), "pull": np.zeros(5, np.float32)}
PULLS = {"rate": np.full(5, 5e-3, np.float32), "pull": np.array([1, 3, 10, 30, 100], np.float32)}
RECIPES = {
    "from scratch": Recipe(False, False, RATES),
    "plain fine-tuning": Recipe(True, False, RATES),
    "frozen batch norm": Recipe(True, True, RATES),
    "decay_towards": Recipe(True, False, PULLS),
    "frozen and decay_towards": Recipe(True, True, PULLS),
}


def digits() -> tuple[Any, Any, Any]:
    """Rows of 0 to 4; rows of 5 to 9, as classes 0 to 4, to draw from and to test on."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = jnp.asarray(x[order] / 16.0, jnp.float32), jnp.asarray(y[order], jnp.int32)
    old, new = (x[y < 5], y[y < 5]), (x[y >= 5], y[y >= 5] - 5)
    return old, (new[0][:500], new[1][:500]), (new[0][500:], new[1][500:])


def init(key: jax.Array) -> tuple[Any, Any]:
    """Params and running statistics."""
    sizes: dict[str, Any] = {"first": (64, WIDTH), "second": (WIDTH, WIDTH), "head": (WIDTH, 5)}
    kernels = {
        name: {"kernel": jax.random.normal(own, shape) * (2 / shape[0]) ** 0.5}
        for own, (name, shape) in zip(random.split(key, 3), sizes.items(), strict=True)
    }
    norms = {name: norm.init_batch_norm(WIDTH) for name in ("first", "second")}
    params = kernels | {"norms": {name: one for name, (one, _) in norms.items()}}
    return params, {name: stats for name, (_, stats) in norms.items()}


def apply(params: Any, stats: Any, x: jax.Array, *, is_frozen: bool) -> tuple[jax.Array, Any]:
    """Logits and statistics; frozen, batch norm uses the running statistics and leaves them as they are."""
    changed = dict(stats)
    for name in ("first", "second"):
        x = x @ params[name]["kernel"]
        if is_frozen:
            x = norm.batch_norm_inference(params["norms"][name], stats[name], x)
        else:
            x, changed[name] = norm.batch_norm(params["norms"][name], stats[name], x, decay=0.9)
        x = jax.nn.relu(x)
    return x @ params["head"]["kernel"], changed


def fit(
    key: jax.Array, start: Any, rows: Any, valid: Any, optimizer: Any, hyper: Any, *, is_frozen: bool, **sizes: Any
) -> tuple[Any, Any]:
    """A run from (params, statistics), and how it is evaluated: always with the running statistics."""

    def loss_of(params: Any, stats: Any, batch: Any, is_frozen: bool) -> tuple[jax.Array, jax.Array, Any]:
        logits, stats = apply(params, stats, batch[0], is_frozen=is_frozen)
        loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]))
        return loss, jnp.mean(logits.argmax(-1) == batch[1]), stats

    def loss_fn(params: Any, stats: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
        loss, _, stats = loss_of(params, stats, batch, is_frozen)
        return loss, (stats, {})

    def metric_fn(params: Any, stats: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
        loss, accuracy, _ = loss_of(params, stats, batch, True)
        return {"loss": loss, "accuracy": accuracy}

    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)
    state = train.init_state(start[0], optimizer(hyper), start[1])
    return train.fit(step, evaluate, state, key, rows, valid, hyper, **sizes), evaluate


def main(arguments: list[str] | None = None) -> train.Table:
    parser = argparse.ArgumentParser(prog="python -m examples.fine_tune", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, few epochs")
    num_seeds, first_epochs, epochs = (2, 3, 5) if parser.parse_args(arguments).quick else (10, 20, 60)
    old, pool, test = digits()
    sizes: dict[str, Any] = {"batch_size": 50, "epochs": first_epochs}
    run = jax.jit(
        lambda key: fit(key, init(key), old, old, lambda _: optax.adam(2e-3), None, is_frozen=False, **sizes)[0].best
    )
    pretrained = run(jax.random.key(0))

    def fine_tune(key: jax.Array, hyper: Any, recipe: Recipe) -> dict[str, jax.Array]:
        """One run on rows that the key draws, as the other rows for validation."""
        rows_key, init_key, run_key = random.split(key, 3)
        rows = jax.random.permutation(rows_key, len(pool[1]))
        valid, rest = rows[:NUM_VALID], rows[NUM_VALID:]
        # The first PER_CLASS rows of each class.
        is_class = pool[1][rest] == jnp.arange(5)[:, None]
        few = rest[jnp.argsort(~is_class, axis=1, stable=True)[:, :PER_CLASS].ravel()]
        params, stats = init(init_key)
        if recipe.is_pretrained:
            params, stats = pretrained.params | {"head": params["head"]}, pretrained.model_state

        def optimizer(hyper: Any) -> optax.GradientTransformation:
            pull = optim.decay_towards(params, hyper["pull"], learning_rate=hyper["rate"], mask=BODY)
            return optax.chain(optax.adam(hyper["rate"]), pull)

        training, validation = ((pool[0][some], pool[1][some]) for some in (few, valid))
        result, evaluate = fit(
            run_key, (params, stats), training, validation, optimizer, hyper,
            is_frozen=recipe.is_frozen, batch_size=len(few), epochs=epochs,
        )  # fmt: skip
        return {"valid": result.best_metrics["accuracy"], "test": evaluate(result.best, test, hyper)["accuracy"]}

    keys, best = random.split_array(jax.random.key(1), num_seeds), []
    for name, recipe in RECIPES.items():
        found = train.sweep(partial(fine_tune, recipe=recipe), keys, recipe.settings)
        chosen = int(jnp.argmax(jnp.mean(found["valid"], axis=1)))
        setting = ", ".join(f"{part} {values[chosen]:g}" for part, values in recipe.settings.items() if values.any())
        best.append((f"{name} ({setting})", {score: values[chosen] for score, values in found.items()}))
    names, scores = zip(*best, strict=True)
    stacked = {score: jnp.stack([one[score] for one in scores]) for score in ("valid", "test")}
    table = train.tabulate({"recipe": np.array(names)}, stacked, by="valid", baseline=1)
    print(f"digits 5 to 9 from {5 * PER_CLASS} rows; the baseline is plain fine-tuning\n{table}")
    return table


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    main()
