"""One run as a pure function of (key, hyper), and the sweep of all recipes, strengths and seeds over it."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import augment, diagnose, optim, random, targets, train

from ..intervals import interval as interval
from .data import BATCH_SIZE, MOST_TRAINING_ROWS, Dataset, split_sizes
from .models import make_model
from .recipes import RECIPES, Hyper, Recipe

LEARNING_RATE = 2e-3


class Outcome(NamedTuple):
    """What one run reports: scores of the epoch that validation chose, and the learning curves without noise."""

    valid: jax.Array
    train: jax.Array
    test: jax.Array
    epochs: jax.Array
    zeros: jax.Array
    train_curve: jax.Array
    valid_curve: jax.Array


class Row(NamedTuple):
    """A recipe at the strength that validation chose, over all seeds."""

    recipe: Recipe
    setting: Hyper
    outcome: Any
    """An Outcome of arrays (seeds, ...)."""
    seconds: float

    @property
    def gap(self) -> np.ndarray:
        return self.outcome.train - self.outcome.test


class Settings(NamedTuple):
    num_seeds: int
    epochs: int
    training_rows: int = MOST_TRAINING_ROWS
    is_quick: bool = False


def make_fit_one(architecture: str, data: Dataset, settings: Settings) -> Callable[[jax.Array, Hyper], Outcome]:
    """Make `fit_one(key, hyper) -> Outcome`: draw the rows, initialize, fit, and evaluate what validation chose."""
    num_train, num_valid = split_sizes(data, settings.training_rows)
    pool = (jnp.asarray(data.pool_x), jnp.asarray(data.pool_y))
    test = (jnp.asarray(data.test_x), jnp.asarray(data.test_y))
    model = make_model(architecture, data.pool_x.shape[1], data.pool_y.shape[1])
    loss_of = cross_entropy if data.is_classification else squared_error
    score_of = r_squared if not data.is_classification else balanced_accuracy if data.is_uneven else accuracy

    def optimizer(hyper: Hyper) -> optax.GradientTransformation:
        decayed = optim.with_decoupled_decay(optax.adam(LEARNING_RATE), hyper.decay, learning_rate=LEARNING_RATE)
        return optax.chain(decayed, optim.prox_l1(hyper.l1, LEARNING_RATE))

    def loss_fn(params: Any, model_state: Any, key: jax.Array, batch: Any, hyper: Hyper) -> Any:
        mix_key, model_key = random.split(key)
        x, y = augment.mixup(mix_key, batch, hyper.mixup)
        outputs, model_state = model.apply(params, model_state, model_key, x, hyper)
        return loss_of(outputs, y, hyper.smoothing), (model_state, {})

    def metrics(params: Any, model_state: Any, parts: Any, hyper: Hyper) -> dict[str, jax.Array]:
        """Loss and score of each named part of the data, without noise."""
        found = {}
        for name, (x, y) in parts.items():
            outputs, _ = model.apply(params, model_state, None, x, hyper)
            found |= {f"{name} loss": loss_of(outputs, y, 0.0), f"{name} score": score_of(outputs, y)}
        return found

    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)

    def fit_one(key: jax.Array, hyper: Hyper) -> Outcome:
        rows_key, init_key, fit_key = random.split(key, 3)
        # Behind the barrier XLA does not begin to compute with the data while it compiles.
        rows_of, held_out = jax.lax.optimization_barrier((pool, test))
        rows = jax.random.permutation(rows_key, len(data.pool_x))
        parts = {
            "train": jax.tree.map(lambda a: a[rows[:num_train]], rows_of),
            "valid": jax.tree.map(lambda a: a[rows[num_train : num_train + num_valid]], rows_of),
            "test": held_out,
        }
        parts = parts if data.is_standardized else standardized(parts, data.is_classification)
        params, model_state = model.init(init_key)
        state = train.init_state(params, optimizer(hyper), model_state)
        result = train.fit(
            step,
            evaluate,
            state,
            fit_key,
            parts["train"],
            {"train": parts["train"], "valid": parts["valid"]},
            hyper,
            batch_size=BATCH_SIZE,
            epochs=settings.epochs,
            patience=hyper.patience,
            monitor="valid score",
            mode="max",
        )
        best = evaluate(result.best, parts, hyper)
        return Outcome(
            valid=best["valid score"],
            train=best["train score"],
            test=best["test score"],
            epochs=result.stopped_epoch,
            zeros=diagnose.sparsity(result.best.params).fraction,
            train_curve=result.valid_history["train loss"],
            valid_curve=result.valid_history["valid loss"],
        )

    return fit_one


def run(data: Dataset, settings: Settings, report: Callable[[str, int, int], None]) -> list[Row]:
    """Run every recipe that fits the data; `report(what, done, total)` is called as runs finish.

    Recipes that share an architecture share one compiled program: a setting is data to it.
    """
    recipes = list(RECIPES) if data.is_classification else [without_classes(r) for r in RECIPES if not r.needs_classes]
    if settings.is_quick:
        recipes = [recipe._replace(settings=recipe.settings[:1]) for recipe in recipes]
    keys = jax.random.split(jax.random.key(0), settings.num_seeds)
    total = settings.num_seeds * sum(len(recipe.settings) for recipe in recipes)
    done, fits, rows = 0, {}, []
    for recipe in recipes:
        if recipe.architecture not in fits:
            report(f"compiling the {recipe.architecture} program", done, total)
            fits[recipe.architecture] = make_fit_one(recipe.architecture, data, settings)
            jax.block_until_ready(sweep(fits[recipe.architecture], keys, recipe.settings[:1]))
        report(recipe.name, done, total)
        start = time.perf_counter()
        outcome = jax.device_get(
            sweep(
                fits[recipe.architecture],
                keys,
                recipe.settings,
                lambda lanes, _, done=done, name=recipe.name: report(name, done + lanes, total),
            )
        )
        num_runs = len(recipe.settings) * settings.num_seeds
        done += num_runs
        rows.append(chosen(recipe, outcome, (time.perf_counter() - start) / num_runs))
    return rows


def without_classes(recipe: Recipe) -> Recipe:
    """A recipe as it runs on a regression, where there are no labels to smooth."""
    return recipe._replace(settings=tuple(hyper._replace(smoothing=0.0) for hyper in recipe.settings))


def sweep(fit_one: Any, keys: jax.Array, settings: tuple[Hyper, ...], progress: Any = None) -> Outcome:
    """All seeds of one setting at a time, so that every call has the shape of one compiled program."""
    hypers = jax.tree.map(lambda *values: np.asarray(values, np.float32), *settings)
    return train.sweep(fit_one, keys, hypers, chunk_size=len(keys), progress=progress)


def chosen(recipe: Recipe, outcome: Outcome, seconds: float) -> Row:
    """The setting with the best mean validation score. The test rows have no say."""
    outcome = jax.tree.map(lambda values: np.asarray(values, np.float64), outcome)
    best = int(np.argmax(outcome.valid.mean(axis=1)))
    return Row(recipe, recipe.settings[best], jax.tree.map(lambda values: values[best], outcome), seconds)


def standardized(parts: dict[str, Any], is_classification: bool) -> dict[str, Any]:
    """Columns in units of the training rows' standard deviation, and a regression target likewise."""
    train_x, train_y = parts["train"]
    scale_x = _scale(train_x)
    scale_y = (lambda y: y) if is_classification else _scale(train_y)
    return {name: (scale_x(x), scale_y(y)) for name, (x, y) in parts.items()}


def _scale(reference: jax.Array) -> Callable[[jax.Array], jax.Array]:
    mean, std = reference.mean(0, keepdims=True), reference.std(0, keepdims=True)
    return lambda a: (a - mean) / jnp.where(std > 0.0, std, 1.0)


def cross_entropy(logits: jax.Array, labels: jax.Array, smoothing: Any) -> jax.Array:
    return targets.smoothed_cross_entropy(logits, labels, smoothing)


def squared_error(outputs: jax.Array, y: jax.Array, smoothing: Any) -> jax.Array:
    return jnp.mean((outputs - y) ** 2)


def accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.mean((logits.argmax(-1) == labels.argmax(-1)).astype(jnp.float32))


def balanced_accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean over the classes that occur of the share of their rows that is right."""
    is_right = (logits.argmax(-1) == labels.argmax(-1)).astype(jnp.float32)
    of_class = labels.sum(0)
    shares = is_right @ labels / jnp.maximum(of_class, 1.0)
    return shares.sum() / jnp.maximum((of_class > 0).sum().astype(jnp.float32), 1.0)


def r_squared(outputs: jax.Array, y: jax.Array) -> jax.Array:
    return 1.0 - jnp.sum((outputs - y) ** 2) / jnp.sum((y - y.mean()) ** 2)
