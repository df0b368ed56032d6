"""One lane as a pure function of (key, setting), and an arm as a sweep of lanes: every setting with every seed."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import augment, diagnose, optim, penalty, random, targets, train

from ..compare.study import accuracy, standardized
from . import models
from .arms import Arm, Hyper, Program, active
from .data import TASKS, Task
from .probes import PROBES

LANES_AT_ONCE = {"mlp": 8, "residual": 8, "cnn": 1}
"""Fixed, since the last digits of a product may depend on how many lanes share it."""

Scores = dict[str, np.ndarray]
"""Arrays (setting, seed), or (setting, seed, epoch) for what `watch` adds."""


def run(task_name: str, arm: Arm, num_seeds: int, quick: bool = False, stored: Path | None = None) -> Scores:
    """Every lane of an arm. The same arm is run once, whoever asks; a folder keeps lanes for the next process."""
    key = (task_name, arm, num_seeds, quick)
    if key not in _DONE:
        on = active(arm)
        hypers = {n: np.array([getattr(s, n) for s in arm.settings], np.float32) for n in sorted(on | {"rate"})}
        # All seeds of one setting at a time: every arm of a program then has the shape that it was compiled for.
        found = train.sweep(
            make_fit_one(task_name, arm.program, on, quick),
            jax.random.split(jax.random.key(0), num_seeds),
            with_ramp(hypers, arm, task_name, quick),
            chunk_size=num_seeds,
            lanes_at_once=LANES_AT_ONCE[arm.program.network],
            checkpoints=stored,
        )
        _DONE[key] = {name: np.asarray(values) for name, values in jax.device_get(found).items()}
    return _DONE[key]


_DONE: dict[Any, Scores] = {}


def with_ramp(hypers: dict[str, Any], arm: Arm, task_name: str, quick: bool) -> dict[str, Any]:
    """The settings with a rate of DropBlock per epoch, if the arm raises it."""
    if not arm.program.ramp:
        return hypers
    epochs = epochs_of(TASKS[task_name](), arm.program, quick)
    ramp = np.minimum(np.arange(epochs) / max(epochs // 2, 1), 1.0)
    return hypers | {"blocks": train.per_epoch(np.outer(hypers["blocks"], ramp).astype(np.float32))}


def epochs_of(task: Task, program: Program, quick: bool) -> int:
    return 2 if quick else program.epochs or task.epochs


@cache
def make_fit_one(
    task_name: str, program: Program, on: frozenset[str], quick: bool = False
) -> Callable[[jax.Array, dict[str, Any]], dict[str, jax.Array]]:
    """Make `fit_one(key, strengths) -> scores` of the last epoch; `on` names the strengths that settings may have."""
    task = TASKS[task_name]()
    num_train = min(program.num_train or task.num_train, 64) if quick else program.num_train or task.num_train
    batch_size, epochs = program.batch_size or task.batch_size, epochs_of(task, program, quick)
    apply = partial(models.apply, program=program, on=on)
    everything = jax.tree.map(jnp.asarray, (task.pool, task.test))

    def loss_fn(params: Any, stats: Any, key: jax.Array, batch: Any, hyper: Hyper) -> Any:
        data_key, model_key, penalty_key = random.split(key, 3)
        x, y = augmented(data_key, batch, task, hyper, on)
        logits, stats = apply(params, stats, model_key, x, hyper)
        loss = targets.smoothed_cross_entropy(logits, y, hyper.smoothing if "smoothing" in on else 0.0)
        if "jacobian" in on:
            slope = penalty.jacobian(lambda rows: apply(params, stats, None, rows, hyper)[0], penalty_key, x)
            loss = loss + hyper.jacobian * slope
        return loss, (stats, {})

    def metrics(params: Any, stats: Any, parts: Any, hyper: Hyper) -> dict[str, jax.Array]:
        found = {"value": jnp.zeros(())}
        for name, (x, y) in parts.items():
            logits, _ = apply(params, stats, None, x, hyper)
            loss = targets.smoothed_cross_entropy(logits, y, 0.0)
            found |= {f"{name} loss": loss, f"{name} accuracy": accuracy(logits, y)}
        return found

    make_optimizer = partial(optimizer, program=program, on=on)
    step, evaluate = train.make_step(loss_fn, make_optimizer), train.make_eval(metrics)

    def fit_one(key: jax.Array, strengths: dict[str, Any]) -> dict[str, jax.Array]:
        hyper = Hyper(**strengths)
        rows_key, init_key, fit_key, probe_key = random.split(key, 4)
        # Behind the barrier XLA does not begin to compute with the data while it compiles.
        parts = drawn(rows_key, jax.lax.optimization_barrier(everything), task, program, num_train)
        params, stats = models.init(init_key, task, program)
        if "width" in on:
            params = jax.tree.map(lambda leaf: leaf * hyper.width, params)
        plain = hyper._replace(blocks=0.0)
        state = train.init_state(params, make_optimizer(plain), stats)
        # What is measured at the end alone is one epoch of all steps.
        num_steps = num_train // batch_size * epochs
        is_by_epoch = program.watch or program.ramp
        watched = parts if program.watch else {}
        result = train.fit(
            step, evaluate, state, fit_key, parts["train"], watched, hyper,
            batch_size=batch_size, epochs=epochs if is_by_epoch else 1,
            steps_per_epoch=None if is_by_epoch else num_steps, monitor="value",
        )  # fmt: skip
        return scores_of(result, parts, apply, evaluate, plain, program, probe_key, on)

    return fit_one


def drawn(key: jax.Array, everything: Any, task: Task, program: Program, num_train: int) -> dict[str, Any]:
    """The rows of a lane: training and validation rows from the pool, some of both with wrong classes if told so."""
    (pool, test), (rows_key, is_wrong_key, class_key, shift_key) = everything, random.split(key, 4)
    num_valid = min(program.num_valid or task.num_valid, len(task.pool[0]) - num_train)
    chosen = jax.random.permutation(rows_key, len(task.pool[0]))[: num_train + num_valid]
    x, y = pool[0][chosen], pool[1][chosen]
    if program.wrong:
        is_wrong = jax.random.uniform(is_wrong_key, (len(chosen), 1)) < program.wrong
        others = jax.random.randint(class_key, (len(chosen),), 0, y.shape[1])
        y = jnp.where(is_wrong, jax.nn.one_hot(others, y.shape[1]), y)
    if program.shifted:
        test = test[0] + program.shifted * jax.random.normal(shift_key, test[0].shape), test[1]
    parts = {"train": (x[:num_train], y[:num_train]), "valid": (x[num_train:], y[num_train:]), "test": test}
    return standardized(parts, is_classification=True) if task.needs_scaling else parts


def optimizer(hyper: Hyper, program: Program, on: frozenset[str]) -> optax.GradientTransformation:
    inner = optax.adam(hyper.rate) if program.adaptive else optax.sgd(10.0 * hyper.rate, momentum=0.9)
    if "l1" in on:
        inner = optim.with_l1(inner, hyper.l1)
    if "decay" in on:
        inner = optim.with_decoupled_decay(inner, hyper.decay, learning_rate=hyper.rate)
    if "decay_head" in on:
        mask = optim.kernels & optim.matching("head")
        inner = optim.with_decoupled_decay(inner, hyper.decay_head, learning_rate=hyper.rate, mask=mask)
    before = [optim.add_l2(hyper.coupled)] if "coupled" in on else []
    before += [optim.add_l1(hyper.l1_gradient)] if "l1_gradient" in on else []
    return optax.chain(*before, inner)


def augmented(key: jax.Array, batch: Any, task: Task, hyper: Hyper, on: frozenset[str]) -> Any:
    """Images that are moved, mirrored and cut; then mixed examples."""
    move_key, mirror_key, cut_key, mix_key = random.split(key, 4)
    x, y = batch
    if on & {"moved", "mirrored", "cutout", "cutmix"}:
        assert task.image is not None, f"{task.name} holds no images"
        images = x.reshape(-1, *task.image, 1)
        if "moved" in on:
            images = augment.random_affine(move_key, images, degrees=100.0 * hyper.moved, translation=hyper.moved)
        if "mirrored" in on:
            images = augment.random_flip(mirror_key, images, hyper.mirrored)
        if "cutout" in on:
            cut = partial(augment.cutout, size=task.image[0] // 2)
            images = augment.per_example(augment.maybe(cut, hyper.cutout))(cut_key, images)
        if "cutmix" in on:
            images, y = augment.cutmix(mix_key, (images, y), hyper.cutmix)
        x = images.reshape(x.shape)
    return augment.mixup(mix_key, (x, y), hyper.mixup) if "mixup" in on else (x, y)


def scores_of(
    result: train.FitResult, parts: Any, apply: Callable, evaluate: Callable, hyper: Hyper, program: Program,
    key: jax.Array, on: frozenset[str],
) -> dict[str, jax.Array]:  # fmt: skip
    """What is measured of the last epoch on every part, without noise; with `watch` also each epoch's history."""
    last = result.last
    found = evaluate(last, parts, hyper)
    found.pop("value")
    x, y = parts["test"]
    logits, _ = apply(last.params, last.model_state, None, x, hyper)
    found["test calibration error"] = diagnose.calibration_error(jax.nn.softmax(logits), y.argmax(-1))
    found["gap"] = found["train accuracy"] - found["test accuracy"]
    found["zeros"] = diagnose.sparsity(last.params).fraction
    found["norm"] = optax.tree.norm(last.params)
    if program.watch:
        history = result.valid_history
        found |= {f"{name} by epoch": values for name, values in history.items() if name != "value"}
    if program.probe:

        def predict(key: jax.Array | None, x: jax.Array) -> jax.Array:
            return apply(last.params, last.model_state, key, x, hyper)[0]

        found |= PROBES[program.probe](predict, key, parts, last)
    return found
