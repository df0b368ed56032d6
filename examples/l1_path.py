"""The path of the Lasso on real data: every strength in one program, checked against scikit-learn.

    python -m examples.l1_path [--quick] [--out FOLDER]

Diabetes, 442 patients: 10 columns, their squares and products, 64 in all. `optim.with_l1` around Adam takes proximal
steps in Adam's own metric, so that its strength is the Lasso's lambda and its zeros are exact. A sweep trains every
strength on ten random splits of the 332 rows to learn from, and the rows left over validate; strength 0 is least
squares, on the same budget. Then all 332 rows give the path, which `sklearn.linear_model.lasso_path` should share.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_diabetes
from sklearn.linear_model import lasso_path
from sklearn.preprocessing import PolynomialFeatures

from jreg import diagnose, optim, random, train

NUM_TEST, NUM_VALID, LEARNING_RATE = 110, 66, 0.03


def diabetes() -> tuple[Any, Any]:
    """Rows to learn from and to test on, standardized by the former."""
    x, y = load_diabetes(return_X_y=True)
    products = PolynomialFeatures(2, include_bias=False).fit(x)
    x = np.asarray(products.transform(x))[
        :, products.powers_[:, 1] < 2
    ]  # Column 1 has two values: its square says nothing new.
    order = np.random.default_rng(0).permutation(len(x))
    test, rest = order[:NUM_TEST], order[NUM_TEST:]
    x, y = (x - x[rest].mean(0)) / x[rest].std(0), (y - y[rest].mean()) / y[rest].std()
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    return (x[rest], y[rest]), (x[test], y[test])


def loss(weights: jax.Array, rows: Any) -> jax.Array:
    """Half the mean squared error, scikit-learn's convention for the Lasso."""
    return jnp.mean((rows[0] @ weights - rows[1]) ** 2) / 2


def solve(rows: Any, strength: jax.Array, num_steps: int) -> jax.Array:
    """The weights of one strength: full-batch Adam, whose learning rate falls to 0."""
    optimizer = optim.with_l1(optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, num_steps)), strength)

    def step(_: Any, carry: Any) -> Any:
        weights, state = carry
        updates, state = optimizer.update(jax.grad(loss)(weights, rows), state, weights)
        return optax.apply_updates(weights, updates), state

    weights = jnp.zeros(rows[0].shape[1])
    return jax.lax.fori_loop(0, num_steps, step, (weights, optimizer.init(weights)))[0]


def study(num_strengths: int, num_splits: int, num_steps: int) -> dict[str, np.ndarray]:
    """The path, what validation and test say of it, and scikit-learn's path for the strengths above 0."""
    rows, test = diabetes()
    strengths = jnp.concatenate([jnp.zeros(1), jnp.geomspace(1e-3, 0.4, num_strengths - 1)])

    def validate(key: jax.Array, strength: jax.Array) -> jax.Array:
        order = jax.random.permutation(key, len(rows[1]))
        valid, training = ((rows[0][part], rows[1][part]) for part in jnp.split(order, [NUM_VALID]))
        return 2 * loss(solve(training, strength, num_steps), valid)

    valid = train.sweep(validate, random.split_array(jax.random.key(0), num_splits), strengths)
    weights = jax.jit(jax.vmap(lambda strength: solve(rows, strength, num_steps)))(strengths)
    x, y = (np.asarray(leaf, np.float64) for leaf in rows)
    alphas: Any = np.asarray(strengths[1:], np.float64)
    _, peer, _ = lasso_path(x, y, alphas=alphas, tol=1e-8, max_iter=100_000)
    error = jax.vmap(lambda one, part: 2 * loss(one, part), (0, None))
    found = {"strength": strengths, "valid": valid, "weights": weights, "peer": peer.T[::-1]}
    return {name: np.asarray(leaf) for name, leaf in (found | {"test": error(weights, test)}).items()}


def table(found: dict[str, np.ndarray]) -> Table:
    grid = Table(title=f"diabetes: the path of the Lasso, mean squared error over {found['valid'].shape[1]} splits")
    columns = "strength", "validation", "test", "weights not 0", "of scikit-learn", "largest difference in a weight"
    for column in columns:
        grid.add_column(column, justify="right")
    valid, best = found["valid"].mean(1), found["valid"].mean(1).argmin()
    for row, strength in enumerate(found["strength"]):
        weights = found["weights"][row]
        cells = [f"{strength:.4f}", f"{valid[row]:.3f}", f"{found['test'][row]:.3f}", f"{np.sum(weights != 0)}"]
        if row > 0:
            peer = found["peer"][row - 1]
            cells += [f"{np.sum(peer != 0)}", f"{np.abs(weights - peer).max():.0e}"]
        grid.add_row(*cells, style="bold" if row == best else None)
    return grid


def main(arguments: list[str] | None = None) -> dict[str, np.ndarray]:
    parser = argparse.ArgumentParser(prog="python -m examples.l1_path", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for l1_path.png")
    parser.add_argument("--quick", action="store_true", help="few strengths, splits and steps")
    options = parser.parse_args(arguments)
    found = study(*((4, 2, 1000) if options.quick else (16, 10, 3000)))
    console = Console() if Console().is_terminal else Console(width=110)
    console.print(table(found))
    valid, best = found["valid"], found["valid"].mean(1).argmin()
    gain = valid[0] - valid[best]
    console.print(
        f"Validation chose {found['strength'][best]:.4f}: {gain.mean():.3f} below strength 0, lower in "
        f"{np.sum(gain > 0)} of {len(gain)} splits, and {found['test'][0] - found['test'][best]:.3f} below it on the "
        f"{NUM_TEST} test rows."
    )
    options.out.mkdir(parents=True, exist_ok=True)
    top, _ = diagnose.plot_path(found["strength"], found["weights"], valid, metric="squared error")
    top.figure.savefig(options.out / "l1_path.png", dpi=110)
    return found


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    main()
