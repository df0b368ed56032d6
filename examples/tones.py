"""Words of four tones in noise, from ten recordings of each: spec_augment against the same network without.

    python -m examples.tones [--quick]

Speech commands in small, made by numpy without a download: eight words, each the same four tones in another order, and
each spoken by a voice with its own pitch, tempo, timbre and start, in white noise. A convolutional network reads their
log spectrograms. The masks over frequency and over time are drawn anew for every example at every step, inside the
compiled step; their widths are traced, and 0 masks nothing, so that each recipe is a lane of one program.
"""

import argparse
import os
from itertools import permutations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import augment, random, train

NUM_WORDS, PER_WORD, NUM_VALID, NUM_TEST = 8, 10, 160, 480
RATE, LENGTH, FRAME, HOP, NUM_BINS = 8000, 4800, 256, 160, 64
BATCH_SIZE, STEPS_PER_EPOCH, LEARNING_RATE = 20, 20, 3e-3
RECIPES = {
    "none": {"frequency": 0.0, "time": 0.0},
    "frequency masks": {"frequency": 24.0, "time": 0.0},
    "time masks": {"frequency": 0.0, "time": 10.0},
    "both": {"frequency": 24.0, "time": 10.0},
}


def spoken(rng: np.random.Generator, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Waveforms (num, LENGTH) of words by as many voices, and which word each is."""
    orders = np.array(list(permutations(range(4))))[:: 24 // NUM_WORDS]
    words = np.arange(num) % NUM_WORDS
    steps = 2.0 ** (np.array([0, 4, 7, 11])[orders[words]] / 12)  # four tones of a chord
    pitch = 400 * 2.0 ** rng.uniform(-0.25, 0.25, (num, 1))
    tempo, start = rng.uniform(0.75, 1.1, (num, 1)), rng.uniform(0, 0.1, (num, 1))
    when = (np.arange(LENGTH) / LENGTH - start) * 4 * tempo
    note = np.clip(when.astype(int), 0, 3)
    is_sounding = (when >= 0) & (when < 4)
    frequency = pitch * np.take_along_axis(steps, note, axis=1) * is_sounding
    phase = 2 * np.pi * np.cumsum(frequency, axis=1) / RATE
    timbre = rng.exponential(1.0, (num, 4)) / np.arange(1, 5)
    sound = sum(timbre[:, [k]] * np.sin((k + 1) * phase) for k in range(4)) * is_sounding
    sound /= sound.std(axis=1, keepdims=True)
    hiss = rng.normal(size=sound.shape) * 10 ** (-rng.uniform(0, 12, (num, 1)) / 20)
    return (sound + hiss).astype(np.float32), words.astype(np.int32)


def spectrogram(waveforms: np.ndarray) -> jax.Array:
    """Log magnitudes (rows, time, frequency), standardized."""
    starts = np.arange(0, LENGTH - FRAME + 1, HOP)
    frames = jnp.asarray(waveforms)[:, starts[:, None] + np.arange(FRAME)] * np.hanning(FRAME).astype(np.float32)
    logs = jnp.log1p(jnp.abs(jnp.fft.rfft(frames))[..., 1 : NUM_BINS + 1])
    return (logs - jnp.mean(logs)) / jnp.std(logs)


def init_params(key: jax.Array) -> Any:
    keys = random.split(key, 3)
    shapes = {"first": (3, 3, 1, 8), "second": (3, 3, 8, 16), "head": (8 * 8 * 16, NUM_WORDS)}
    return {
        name: {
            "kernel": jax.random.normal(each, shape) * (2 / np.prod(shape[:-1])) ** 0.5,
            "bias": jnp.zeros(shape[-1]),
        }
        for each, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def logits(params: Any, x: jax.Array) -> jax.Array:
    """Two convolutions with stride 2, the mean of neighbouring bins, and a dense layer that knows place and time."""
    x = x[..., None]
    for name in ("first", "second"):
        x = jax.lax.conv_general_dilated(
            x, params[name]["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + params[name]["bias"])
    x = jnp.mean(x.reshape(len(x), 8, 8, 2, 16), axis=3).reshape(len(x), -1)
    return x @ params["head"]["kernel"] + params["head"]["bias"]


def loss_fn(params: Any, model_state: Any, key: Any, batch: Any, hyper: Any) -> Any:
    x = augment.spec_augment(key, batch[0], hyper["frequency"], hyper["time"], num_frequency_masks=2)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits(params, x), batch[1])
    return jnp.mean(losses), (model_state, {})


def metric_fn(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    outputs = logits(params, batch[0])
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]))
    return {"loss": loss, "accuracy": jnp.mean(outputs.argmax(-1) == batch[1])}


def main(arguments: list[str] | None = None) -> train.Table:
    parser = argparse.ArgumentParser(prog="python -m examples.tones", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, few epochs")
    num_seeds, epochs = (2, 2) if parser.parse_args(arguments).quick else (4, 15)
    rng = np.random.default_rng(0)
    pool, valid, test = (
        (spectrogram(sound), jnp.asarray(words))
        for sound, words in (spoken(rng, num) for num in (num_seeds * NUM_WORDS * PER_WORD, NUM_VALID, NUM_TEST))
    )
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, epochs * STEPS_PER_EPOCH))
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)

    def fit_one(key: jax.Array, hyper: Any) -> dict[str, jax.Array]:
        """One run on recordings that the key draws, ten of each word."""
        rows_key, init_key, run_key = random.split(key, 3)
        chosen = jax.random.permutation(rows_key, num_seeds * PER_WORD)[:PER_WORD]
        rows = (chosen[:, None] * NUM_WORDS + jnp.arange(NUM_WORDS)).ravel()
        state = train.init_state(init_params(init_key), optimizer)
        result = train.fit(
            step, evaluate, state, run_key, (pool[0][rows], pool[1][rows]), valid, hyper,
            batch_size=BATCH_SIZE, epochs=epochs, steps_per_epoch=STEPS_PER_EPOCH,
            monitor="accuracy", mode="max",
        )  # fmt: skip
        return {"valid": result.best_value, "test": evaluate(result.best, test, hyper)["accuracy"]}

    settings = {name: jnp.array([recipe[name] for recipe in RECIPES.values()]) for name in RECIPES["none"]}
    # A core runs convolutions of one network after another faster than those of many at once.
    found = train.sweep(fit_one, random.split_array(jax.random.key(0), num_seeds), settings, lanes_at_once=1)
    table = train.tabulate({"recipe": np.array(list(RECIPES))}, found, by="valid", baseline=0)
    print(f"{NUM_WORDS} words, {PER_WORD} recordings of each to learn from: accuracy\n{table}")
    return table


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    main()
