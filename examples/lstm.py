"""A character model with an LSTM: variational dropout, zoneout and weight drop, against the same without.

    python -m examples.lstm [--quick]

It learns the docstrings of two modules of the standard library; others validate and test, so no text is in two of the
parts. The three noises of recurrent networks, on one page of plain JAX: variational dropout, one mask for all steps of
a sequence; zoneout, another mask at every step; and weight drop (DropConnect on the recurrent kernel), one mask for the
whole batch. All rates are traced, so that a recipe is a lane of a sweep; validation chooses the epoch.
"""

import argparse
import ast
import importlib
import inspect
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import noise, random, train

MODULES = {
    "train": ("threading", "statistics"),
    "valid": ("random",),
    "test": ("argparse",),
}
LENGTH, WIDTH, BATCH_SIZE, LEARNING_RATE = 32, 64, 16, 1e-2
RECIPES = {
    "none": {"variational": 0.0, "zoneout": 0.0, "weight drop": 0.0},
    "variational dropout": {"variational": 0.2, "zoneout": 0.0, "weight drop": 0.0},
    "zoneout": {"variational": 0.0, "zoneout": 0.1, "weight drop": 0.0},
    "weight drop": {"variational": 0.0, "zoneout": 0.0, "weight drop": 0.3},
    "all three": {"variational": 0.2, "zoneout": 0.1, "weight drop": 0.3},
}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef


def windows(modules: tuple[str, ...]) -> jax.Array:
    """The docstrings of modules as rows of LENGTH + 1 ASCII codes."""
    texts = []
    for module in modules:
        source = inspect.getsource(importlib.import_module(module))
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, DOCUMENTED)]
        texts += [ast.get_docstring(node) or "" for node in nodes]
    codes = np.frombuffer("\n\n".join(filter(None, texts)).encode("ascii", "ignore"), np.uint8)
    return jnp.asarray(codes[: len(codes) // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1), jnp.int32)


def init_params(key: jax.Array) -> dict[str, jax.Array]:
    """`kernel` and `recurrent` hold the input, forget, cell and output gates side by side."""
    shapes = {
        "embed": (128, 24),
        "kernel": (24, 4 * WIDTH),
        "recurrent": (WIDTH, 4 * WIDTH),
        "out": (WIDTH, 128),
    }
    params = {
        name: jax.random.normal(each, shape) * (1.0 if name == "embed" else shape[0] ** -0.5)
        for each, (name, shape) in zip(random.split(key, 4), shapes.items(), strict=True)
    }
    return {**params, "bias": jnp.zeros(4 * WIDTH).at[WIDTH : 2 * WIDTH].set(1.0), "out bias": jnp.zeros(128)}


def logits(params: Any, key: jax.Array | None, tokens: jax.Array, hyper: Any) -> jax.Array:
    """Of the next character, (batch, time, 128). With the key None there is no noise; zoneout then takes its mean."""
    input_key, output_key, weight_key, state_key = random.split(key, 4)
    recurrent = noise.dropconnect(weight_key, params["recurrent"], hyper["weight drop"])
    x = noise.variational_dropout(input_key, params["embed"][tokens], hyper["variational"])

    def cell(state: Any, inputs: Any) -> tuple[Any, jax.Array]:
        (memory, hidden), (projected, own_key) = state, inputs
        into, forget, new, out = jnp.split(projected + hidden @ recurrent, 4, axis=-1)
        proposed_memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(into) * jnp.tanh(new)
        proposed = proposed_memory, jax.nn.sigmoid(out) * jnp.tanh(proposed_memory)
        state = noise.zoneout(own_key, state, proposed, hyper["zoneout"])
        return state, state[1]

    projected = jnp.swapaxes(x @ params["kernel"] + params["bias"], 0, 1)
    start = (jnp.zeros((len(tokens), WIDTH)),) * 2
    _, hidden = jax.lax.scan(cell, start, (projected, random.split_array(state_key, tokens.shape[1])))
    hidden = noise.variational_dropout(output_key, jnp.swapaxes(hidden, 0, 1), hyper["variational"])
    return hidden @ params["out"] + params["out bias"]


def bits(params: Any, key: jax.Array | None, rows: jax.Array, hyper: Any) -> jax.Array:
    """Mean bits per character."""
    outputs = logits(params, key, rows[:, :-1], hyper)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, rows[:, 1:])) / np.log(2)


def main(arguments: list[str] | None = None) -> train.Table:
    parser = argparse.ArgumentParser(prog="python -m examples.lstm", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, few rows and steps")
    num_rows, num_seeds, epochs, epoch_steps = (
        (64, 2, 2, 5) if parser.parse_args(arguments).quick else (9999, 3, 20, 35)
    )
    texts = {name: windows(modules)[:num_rows] for name, modules in MODULES.items()}
    rate = optax.cosine_decay_schedule(LEARNING_RATE, epochs * epoch_steps)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    step = train.make_step(lambda params, _, key, rows, hyper: (bits(params, key, rows, hyper), ((), {})), optimizer)
    evaluate = train.make_eval(lambda params, _, rows, hyper: {"loss": bits(params, None, rows, hyper)})

    def fit_one(key: jax.Array, hyper: Any) -> dict[str, jax.Array]:
        init_key, run_key = random.split(key)
        state = train.init_state(init_params(init_key), optimizer)
        result = train.fit(
            step, evaluate, state, run_key, texts["train"], texts["valid"], hyper,
            batch_size=BATCH_SIZE, epochs=epochs, steps_per_epoch=epoch_steps,
        )  # fmt: skip
        return {"valid": result.best_value, "test": evaluate(result.best, texts["test"], hyper)["loss"]}

    settings = {name: jnp.array([recipe[name] for recipe in RECIPES.values()]) for name in RECIPES["none"]}
    found = train.sweep(fit_one, jax.random.split(jax.random.key(0), num_seeds), settings)
    table = train.tabulate({"recipe": np.array(list(RECIPES))}, found, by="valid", mode="min", baseline=0)
    print(f"{texts['train'].size} characters of docstrings to learn from; bits per character\n{table}")
    return table


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    main()
