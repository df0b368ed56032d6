"""A transformer language model in flax nnx with `noise.attention`: dropout on attention and branches, against none.

    python -m examples.nnx_transformer [--quick]

It learns characters of the docstrings of two modules of the standard library; others validate and test, so that no text
is in two of the parts. The module takes a key as an argument instead of streams of random numbers: a key means noise,
None means none. `noise.attention` makes no array of queries by keys, and draws the dropped weights block by block.
Rates are traced, so that a recipe is a lane of one program; validation chooses the epoch.
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
from flax import nnx

from jreg import noise, optim, random, train

MODULES = {"train": ("threading", "statistics"), "valid": ("random",), "test": ("argparse",)}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef
LENGTH, WIDTH, HEADS, LAYERS, BATCH_SIZE, STEPS_PER_EPOCH = 32, 48, 4, 2, 16, 40
LEARNING_RATE, DECAY = 3e-3, 0.1
RECIPES = {
    "none": {"attention": 0.0, "branch": 0.0},
    "attention dropout": {"attention": 0.2, "branch": 0.0},
    "attention and branches": {"attention": 0.2, "branch": 0.1},
}


def windows(modules: tuple[str, ...]) -> jax.Array:
    """The docstrings of modules as rows of LENGTH + 1 ASCII codes."""
    texts = []
    for module in modules:
        source = inspect.getsource(importlib.import_module(module))
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, DOCUMENTED)]
        texts += [ast.get_docstring(node) or "" for node in nodes]
    codes = np.frombuffer("\n\n".join(filter(None, texts)).encode("ascii", "ignore"), np.uint8)
    return jnp.asarray(codes[: len(codes) // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1), jnp.int32)


class Layer(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.norms = nnx.List([nnx.LayerNorm(WIDTH, rngs=rngs) for _ in range(2)])
        self.projections = nnx.LinearGeneral(WIDTH, (3, HEADS, WIDTH // HEADS), use_bias=False, rngs=rngs)
        self.joined = nnx.Linear(WIDTH, WIDTH, use_bias=False, rngs=rngs)
        self.up, self.down = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs), nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

    def __call__(self, key: jax.Array | None, x: jax.Array, hyper: Any) -> jax.Array:
        attention_key, first_key, second_key = random.split(key, 3)
        q, k, v = jnp.moveaxis(self.projections(self.norms[0](x)), 2, 0)
        seen = noise.attention(attention_key, q, k, v, hyper["attention"], is_causal=True)
        x = x + noise.dropout(first_key, self.joined(seen.reshape(x.shape)), hyper["branch"])
        return x + noise.dropout(second_key, self.down(nnx.gelu(self.up(self.norms[1](x)))), hyper["branch"])


class Model(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.embed, self.places = nnx.Embed(128, WIDTH, rngs=rngs), nnx.Embed(LENGTH, WIDTH, rngs=rngs)
        self.layers = nnx.List([Layer(rngs=rngs) for _ in range(LAYERS)])
        self.norm, self.head = nnx.LayerNorm(WIDTH, rngs=rngs), nnx.Linear(WIDTH, 128, rngs=rngs)

    def __call__(self, key: jax.Array | None, tokens: jax.Array, hyper: Any) -> jax.Array:
        """Logits of the next character."""
        embed_key, *keys = random.split(key, LAYERS + 1)
        x = self.embed(tokens) + self.places(jnp.arange(tokens.shape[1]))
        x = noise.dropout(embed_key, x, hyper["branch"])
        for layer, own in zip(self.layers, keys, strict=True):
            x = layer(own, x, hyper)
        return self.head(self.norm(x))


def bits(structure: Any, params: Any, key: jax.Array | None, rows: jax.Array, hyper: Any) -> jax.Array:
    """Mean bits per character."""
    logits = nnx.merge(structure, params)(key, rows[:, :-1], hyper)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, rows[:, 1:])) / np.log(2)


def main(arguments: list[str] | None = None) -> train.Table:
    parser = argparse.ArgumentParser(prog="python -m examples.nnx_transformer", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, few rows and steps")
    num_rows, num_seeds, epochs = (32, 2, 1) if parser.parse_args(arguments).quick else (9999, 3, 15)
    texts = {name: windows(modules)[:num_rows] for name, modules in MODULES.items()}
    structure = nnx.graphdef(Model(rngs=nnx.Rngs(0)))
    rate = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, 40, max(epochs * STEPS_PER_EPOCH, 41))
    optimizer = optim.with_decoupled_decay(optax.adam(rate), DECAY, learning_rate=rate)

    def loss_fn(params: Any, model_state: Any, key: Any, rows: Any, hyper: Any) -> Any:
        return bits(structure, params, key, rows, hyper), (model_state, {})

    def metric_fn(params: Any, model_state: Any, rows: Any, hyper: Any) -> dict[str, jax.Array]:
        return {"loss": bits(structure, params, None, rows, hyper)}

    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)

    def fit_one(key: jax.Array, hyper: Any) -> dict[str, jax.Array]:
        init_key, run_key = random.split(key)
        params = nnx.state(Model(rngs=nnx.Rngs(init_key)), nnx.Param)
        state = train.init_state(nnx.to_pure_dict(params), optimizer)
        sizes: dict[str, Any] = {"batch_size": BATCH_SIZE, "epochs": epochs, "steps_per_epoch": STEPS_PER_EPOCH}
        result = train.fit(step, evaluate, state, run_key, texts["train"], texts["valid"], hyper, **sizes)
        return {"valid": result.best_value, "test": evaluate(result.best, texts["test"], hyper)["loss"]}

    settings = {name: jnp.array([recipe[name] for recipe in RECIPES.values()]) for name in RECIPES["none"]}
    found = train.sweep(fit_one, jax.random.split(jax.random.key(0), num_seeds), settings)
    table = train.tabulate({"recipe": np.array(list(RECIPES))}, found, by="valid", mode="min", baseline=0)
    print(f"{texts['train'].size} characters of docstrings to learn from; bits per character\n{table}")
    return table


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    main()
