"""Sharded parameters on eight simulated devices: on every mesh the same masks, and the same training.

    python -m examples.sharded [--quick]

The mesh has an axis for the batch and one for the model. The hidden layer's kernel is split by columns and the head's
by rows, as in Megatron; momenta are split as their parameters. Nothing in the model knows of devices: `jax.jit` places
the arrays, and a mask is a function of the key and the position, so that each device draws its own part with no
communication. On GPUs and TPUs leave out the line that simulates devices.
"""

import argparse
import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from jreg import noise, optim, random, targets, train

NUM_TRAIN, BATCH_SIZE, WIDTH, LEARNING_RATE = 1280, 128, 256, 2e-3
HYPER = {"rate": 0.3, "smoothing": 0.1}
MESHES = {"1 x 1": (1, 1), "8 x 1": (8, 1), "4 x 2": (4, 2), "2 x 4": (2, 4), "1 x 8": (1, 8)}
OPTIMIZER = optim.with_decoupled_decay(optax.adam(LEARNING_RATE), 0.1, learning_rate=LEARNING_RATE)
SPECS = {
    "hidden": {"kernel": P(None, "model"), "bias": P("model")},
    "head": {"kernel": P("model", None), "bias": P()},
}
"""How each parameter lies on the mesh."""


def init_state(key: jax.Array) -> train.TrainState:
    first, second = random.split(key)
    params = {
        "hidden": {"kernel": jax.random.normal(first, (64, WIDTH)) * (2 / 64) ** 0.5, "bias": jnp.zeros(WIDTH)},
        "head": {"kernel": jax.random.normal(second, (WIDTH, 10)) * WIDTH**-0.5, "bias": jnp.zeros(10)},
    }
    return train.init_state(params, OPTIMIZER)


def placed(mesh: Mesh) -> train.TrainState:
    """Where every leaf of a state belongs: momenta lie as the parameters of their shape, counts on every device."""
    state = jax.eval_shape(init_state, jax.random.key(0))
    params = jax.tree.leaves(state.params)
    specs = {leaf.shape: spec for leaf, spec in zip(params, jax.tree.leaves(SPECS), strict=True)}
    return jax.tree.map(lambda leaf: NamedSharding(mesh, specs.get(leaf.shape, P())), state)


def apply(params: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
    hidden = jax.nn.relu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"])
    return noise.dropout(key, hidden, rate) @ params["head"]["kernel"] + params["head"]["bias"]


def loss_fn(params: Any, model_state: Any, key: Any, batch: Any, hyper: Any) -> Any:
    logits = apply(params, key, batch[0], hyper["rate"])
    return targets.smoothed_cross_entropy(logits, batch[1], hyper["smoothing"]), (model_state, {})


def fit(mesh: Mesh, x: np.ndarray, y: np.ndarray, epochs: int) -> dict[str, Any]:
    """Train on one mesh, and draw one mask there."""
    rows = NamedSharding(mesh, P("data"))
    state = jax.jit(init_state, out_shardings=placed(mesh))(jax.random.key(0))
    step = jax.jit(train.make_step(loss_fn, OPTIMIZER), donate_argnums=0, out_shardings=(placed(mesh), None))
    losses = []
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(NUM_TRAIN).reshape(-1, BATCH_SIZE)
        for batch in order:
            key = random.fold_in(jax.random.key(1), len(losses))
            state, metrics = step(state, key, jax.device_put((x[batch], y[batch]), rows), HYPER)
            losses.append(metrics["loss"])
    hidden = NamedSharding(mesh, P("data", "model"))
    draw = jax.jit(lambda key, ones: noise.dropout(key, ones, 0.3), out_shardings=hidden)
    ones = jax.device_put(np.ones((BATCH_SIZE, WIDTH), np.float32), hidden)
    program = draw.lower(jax.random.key(2), ones).compile().as_text() or ""
    logits = jax.jit(apply)(state.params, None, x[NUM_TRAIN:], 0.0)
    return {
        "mask": np.asarray(draw(jax.random.key(2), ones)),
        "collectives": sum(
            program.count(name) for name in ("all-gather", "all-reduce", "collective-permute", "all-to-all")
        ),
        "shard": state.params["hidden"]["kernel"].addressable_shards[0].data.shape,
        "losses": np.array(losses),
        "accuracy": float(np.mean(np.asarray(logits).argmax(-1) == y[NUM_TRAIN:])),
    }


def main(arguments: list[str] | None = None) -> dict[str, dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="python -m examples.sharded", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three meshes, one epoch")
    is_quick = parser.parse_args(arguments).quick
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int32)
    found = {}
    for name in ("1 x 1", "4 x 2", "1 x 8") if is_quick else MESHES:
        sizes = MESHES[name]
        mesh = Mesh(np.array(jax.devices()[: sizes[0] * sizes[1]]).reshape(sizes), ("data", "model"))
        found[name] = fit(mesh, x, y, 1 if is_quick else 10)
    alone = found["1 x 1"]
    grid = Table(title="one network with dropout 0.3 on five meshes" if not is_quick else "")
    for column in ("data x model", "a device's part of the kernel", "digest of a mask", "collectives to draw it",
                   "largest difference of a loss", "last loss", "accuracy"):  # fmt: skip
        grid.add_column(column, justify="right")
    for name, one in found.items():
        digest = hashlib.sha256(one["mask"].tobytes()).hexdigest()[:12]
        apart = np.abs(one["losses"] - alone["losses"]).max()
        grid.add_row(name, str(one["shard"]), digest, str(one["collectives"]), f"{apart:.0e}",
                     f"{one['losses'][-1]:.5f}", f"{one['accuracy']:.3f}")  # fmt: skip
    console = Console() if Console().is_terminal else Console(width=120)
    console.print(grid)
    are_same = all(np.array_equal(one["mask"], alone["mask"]) for one in found.values())
    console.print(f"The mask is the same on every mesh, bit for bit: {are_same}. Losses differ by the order of sums.")
    return found


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 8)
    main()
