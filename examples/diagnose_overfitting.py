"""A training script that over-fits: what lint, its optimizer's audit and its learning curves say, and its repair.

    python -m examples.diagnose_overfitting [--quick] [--out FILE.png]

Both scripts train the same network on 100 of scikit-learn's digits, over the same seeds, so their gaps are paired. The
wrong one has three mistakes that raise no error: the mask of its decay is inverted, so that it decays biases and no
kernel; the decay goes through Adam, which normalizes it away; and the loss passes no key on, so that its dropout never
drops. The repaired one also follows the advice that the curves give: new examples, digits moved and turned a little.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import augment, diagnose, noise, optim, random, targets, train

from .compare.data import digits

LEARNING_RATE, ROWS, BATCH_SIZE, WIDTH = 2e-3, 100, 20, 128
CHANCE = float(np.log(10))
Key = jax.Array


class Script(NamedTuple):
    """What a user writes: the loss of a batch and the optimizer."""

    loss: Callable[[Any, Key | None, tuple[jax.Array, jax.Array]], jax.Array]
    optimizer: optax.GradientTransformation


def apply(params: Any, key: Key | None, x: jax.Array) -> jax.Array:
    hidden = noise.dropout(key, jax.nn.relu(dense(params["hidden"], x)), 0.3)
    return dense(params["head"], hidden)


def wrong_loss(params: Any, key: Key | None, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    x, y = batch
    return targets.smoothed_cross_entropy(apply(params, None, x), y, 0.0)  # no key, so no dropout


def wrong_optimizer() -> optax.GradientTransformation:
    def no_kernels(params: Any) -> Any:  # a mask says what is decayed, not what is left out
        return jax.tree.map(lambda is_kernel: not is_kernel, optim.kernels(params))

    return optax.chain(optim.add_l2(0.1, mask=no_kernels), optax.adam(LEARNING_RATE))


def repaired_loss(params: Any, key: Key | None, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    move_key, apply_key = random.split(key)
    x, y = batch
    images = augment.random_affine(move_key, x.reshape(-1, 8, 8, 1), degrees=10.0, translation=0.1)
    return targets.smoothed_cross_entropy(apply(params, apply_key, images.reshape(x.shape)), y, 0.0)


def repaired_optimizer() -> optax.GradientTransformation:
    return optim.with_decoupled_decay(optax.adam(LEARNING_RATE), 0.1, learning_rate=LEARNING_RATE)


WRONG, REPAIRED = Script(wrong_loss, wrong_optimizer()), Script(repaired_loss, repaired_optimizer())


def findings(script: Script, runs: Any) -> dict[str, str]:
    """What each tool says of a script, by the tool's name."""
    key, batch = jax.random.key(0), (jnp.zeros((BATCH_SIZE, 64)), jnp.zeros((BATCH_SIZE, 10)))
    params = init(key)
    found = *diagnose.lint(script.loss, params, key, batch), *diagnose.lint_optimizer(script.optimizer, params)
    return {
        "lint": "\n".join(map(str, found)) or "No mistakes found.",
        "audit_optimizer": str(diagnose.audit_optimizer(script.optimizer, params)),
        "curves": diagnose.curves(runs["train loss"][0], runs["valid loss"][0], baseline=CHANCE).describe("epoch"),
    }


def init(key: Key) -> Any:
    hidden_key, head_key = random.split(key)
    return {"hidden": init_dense(hidden_key, 64, WIDTH), "head": init_dense(head_key, WIDTH, 10)}


def init_dense(key: Key, inputs: int, outputs: int) -> Any:
    return {"kernel": jax.random.normal(key, (inputs, outputs)) * (2 / inputs) ** 0.5, "bias": jnp.zeros(outputs)}


def dense(layer: Any, x: jax.Array) -> jax.Array:
    return x @ layer["kernel"] + layer["bias"][None]


def make_fit_one(script: Script, epochs: int) -> Callable[[Key, Any], dict[str, jax.Array]]:
    """Make `fit_one(key, hyper)`: the curves of one run without noise, and its accuracies at the end."""
    data = digits()
    pool, test = (data.pool_x, data.pool_y), (data.test_x, data.test_y)

    def loss_fn(params: Any, model_state: Any, key: Key | None, batch: Any, hyper: Any) -> Any:
        return script.loss(params, key, batch), (model_state, {})

    def metrics(params: Any, model_state: Any, parts: Any, hyper: Any) -> dict[str, jax.Array]:
        found = {}
        for name, (x, y) in parts.items():
            logits = apply(params, None, x)
            found[f"{name} loss"] = targets.smoothed_cross_entropy(logits, y, 0.0)
            found[f"{name} accuracy"] = jnp.mean((logits.argmax(-1) == y.argmax(-1)).astype(jnp.float32))
        return found

    step, evaluate = train.make_step(loss_fn, script.optimizer), train.make_eval(metrics)

    def fit_one(key: Key, hyper: Any) -> dict[str, jax.Array]:
        rows_key, init_key, fit_key = random.split(key, 3)
        rows = jax.random.permutation(rows_key, len(pool[0]))
        training, valid = (tuple(jnp.asarray(a)[part] for a in pool) for part in (rows[:ROWS], rows[ROWS : 4 * ROWS]))
        state = train.init_state(init(init_key), script.optimizer)
        parts = {"train": training, "valid": valid}
        result = train.fit(
            step, evaluate, state, fit_key, training, parts, hyper, batch_size=BATCH_SIZE, epochs=epochs,
            monitor="valid loss",
        )  # fmt: skip
        last = evaluate(result.last, parts | {"test": tuple(map(jnp.asarray, test))}, hyper)
        return {**result.valid_history, "train": last["train accuracy"], "test": last["test accuracy"]}

    return fit_one


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.diagnose_overfitting", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few seeds and epochs")
    parser.add_argument("--out", type=Path, help="a .png file for the picture")
    options = parser.parse_args(arguments)
    num_seeds, epochs = (3, 20) if options.quick else (20, 150)
    keys = jax.random.split(jax.random.key(0), num_seeds)
    runs = {}
    for name, script in {"wrong": WRONG, "repaired": REPAIRED}.items():
        runs[name] = jax.device_get(train.sweep(make_fit_one(script, epochs), keys, jnp.zeros(1)))
        for tool, said in findings(script, runs[name]).items():
            print(f"{name}, {tool}:\n{said}\n")
    table = compared(runs)
    print(table)
    if options.out:
        draw(runs, table, options.out)
    return 0


def compared(runs: dict[str, Any]) -> train.Table:
    """The gap before and after, with intervals, and the difference paired by seed."""
    accuracies = {part: np.concatenate([run[part] for run in runs.values()]) for part in ("train", "test")}
    scores = {"gap": accuracies["train"] - accuracies["test"], "test accuracy": accuracies["test"]}
    return train.tabulate({"script": np.array(list(runs))}, scores, by="gap", mode="min", baseline=0)


def draw(runs: dict[str, Any], table: train.Table, path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.5), layout="constrained", width_ratios=(3, 2))
    for name, run in runs.items():
        diagnose.plot_curves(run["train loss"][0], run["valid loss"][0], label=name, axes=left)
    left.set_yscale("log")
    diagnose.plot_gaps(table, "gap", axes=right)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
