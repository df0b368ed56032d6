"""A whole training script in plain JAX: the loop is yours, and regularization is a few calls inside it.

    python -m examples.plain_jax [--quick]

A network with one hidden layer learns 200 of scikit-learn's digits, once as it is and once with dropout, decoupled
decay and smoothed labels. After each epoch 300 validation rows decide whether the weights are the best so far and
whether to stop; the test rows only measure. Each seed draws its own rows, the same for both, so differences are paired.
All strengths are data: one compiled step serves both, and would serve a schedule.
"""

import argparse
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from jreg import noise, optim, random, targets, train

NUM_TRAIN, NUM_VALID, NUM_TEST = 200, 300, 797
WIDTH, BATCH_SIZE, LEARNING_RATE, PATIENCE = 128, 25, 2e-3, 15
RECIPES = {
    "none": {"dropout": 0.0, "decay": 0.0, "smoothing": 0.0},
    "regularized": {"dropout": 0.3, "decay": 0.3, "smoothing": 0.2},
}


def digits(seed: int) -> tuple[Any, Any, Any]:
    """Training, validation and test rows; the test rows are the same for every seed."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    pool, test = order[NUM_TEST:], order[:NUM_TEST]
    pool = np.random.default_rng(seed).permutation(pool)
    parts = pool[:NUM_TRAIN], pool[NUM_TRAIN : NUM_TRAIN + NUM_VALID], test
    x, y = jnp.asarray(x / 16.0, jnp.float32), jnp.asarray(y, jnp.int32)
    first, second, third = ((x[rows], y[rows]) for rows in parts)
    return first, second, third


def init_params(key: jax.Array) -> Any:
    first, second = random.split(key)
    return {
        "hidden": {"kernel": jax.random.normal(first, (64, WIDTH)) * (2 / 64) ** 0.5, "bias": jnp.zeros(WIDTH)},
        "head": {"kernel": jax.random.normal(second, (WIDTH, 10)) * WIDTH**-0.5, "bias": jnp.zeros(10)},
    }


def logits(params: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
    """A key means training noise, None means none."""
    hidden = jax.nn.relu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"])
    return noise.dropout(key, hidden, rate) @ params["head"]["kernel"] + params["head"]["bias"]


def optimizer(hyper: Any) -> optax.GradientTransformation:
    """Adam, with decay on the kernels alone; biases are left out by default."""
    return optim.with_decoupled_decay(optax.adam(LEARNING_RATE), hyper["decay"], learning_rate=LEARNING_RATE)


@jax.jit
def step(params: Any, opt_state: Any, key: jax.Array, training: Any, rows: Any, hyper: Any) -> tuple[Any, Any, Any]:
    x, y = training[0][rows], training[1][rows]

    def loss_fn(params: Any) -> jax.Array:
        return targets.smoothed_cross_entropy(logits(params, key, x, hyper["dropout"]), y, hyper["smoothing"])

    loss, gradient = jax.value_and_grad(loss_fn)(params)
    updates, opt_state = optimizer(hyper).update(gradient, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, loss


@jax.jit
def evaluate(params: Any, rows: Any) -> tuple[jax.Array, jax.Array]:
    """Loss and accuracy without any noise."""
    outputs = logits(params, None, rows[0], 0.0)
    return targets.smoothed_cross_entropy(outputs, rows[1], 0.0), jnp.mean(outputs.argmax(-1) == rows[1])


judge = jax.jit(partial(train.update_stopping, patience=PATIENCE, min_delta=0.0))


def fit(seed: int, hyper: Any, epochs: int, *, is_shown: bool = False) -> dict[str, float]:
    """Train until validation has not improved for `PATIENCE` epochs; measure the best weights."""
    training, valid, test = digits(seed)
    init_key, run_key = random.split(jax.random.key(seed))
    params = init_params(init_key)
    opt_state, stopping = optimizer(hyper).init(params), train.init_stopping(params)
    for epoch in range(1, epochs + 1):
        order_key, *keys = random.split(random.fold_in(run_key, epoch), 1 + NUM_TRAIN // BATCH_SIZE)
        order = np.asarray(jax.random.permutation(order_key, NUM_TRAIN)).reshape(-1, BATCH_SIZE)
        for key, rows in zip(keys, order, strict=True):
            params, opt_state, loss = step(params, opt_state, key, training, rows, hyper)
        valid_loss, valid_accuracy = evaluate(params, valid)
        stopping = judge(stopping, valid_loss, params)
        if is_shown and epoch % 10 == 0:
            print(f"  epoch {epoch:3d}  loss {loss:.3f}  validation {valid_loss:.3f}, accuracy {valid_accuracy:.3f}")
        if stopping.should_stop:
            break
    return {name: float(evaluate(stopping.best_params, rows)[1]) for name, rows in (("valid", valid), ("test", test))}


def main(arguments: list[str] | None = None) -> train.Table:
    parser = argparse.ArgumentParser(prog="python -m examples.plain_jax", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, few epochs")
    num_seeds, epochs = (2, 5) if parser.parse_args(arguments).quick else (6, 150)
    found = {}
    for name, hyper in RECIPES.items():
        print(f"{name}, seed 0:")
        found[name] = [fit(seed, hyper, epochs, is_shown=seed == 0) for seed in range(num_seeds)]
    scores = {name: np.array([[run[name] for run in runs] for runs in found.values()]) for name in ("valid", "test")}
    table = train.tabulate({"recipe": np.array(list(RECIPES))}, scores, by="valid", baseline=0)
    print(table)
    return table


if __name__ == "__main__":
    main()
