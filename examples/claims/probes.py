"""Further measurements of a trained network, each a dict of scalars, by name.

A probe is `(predict, key, parts, state) -> scores`; `predict(key, x)` gives logits, without noise if the key is None.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import entr

from jreg import diagnose, random, train

Predict = Callable[[jax.Array | None, jax.Array], jax.Array]
Probe = Callable[[Predict, jax.Array, Any, train.TrainState], dict[str, jax.Array]]
NUM_SAMPLES = 30


def uncertainty(predict: Predict, key: jax.Array, parts: Any, state: train.TrainState) -> dict[str, jax.Array]:
    """How well three scores tell images with shuffled pixels from test images: areas under the ROC curve."""
    shuffle_key, familiar_key, strange_key = random.split(key, 3)
    x, y = parts["test"]
    strange = jax.random.permutation(shuffle_key, x, axis=1)

    def probs(key: jax.Array | None, x: jax.Array) -> jax.Array:
        return jax.nn.softmax(predict(key, x))

    known, unknown = (
        diagnose.mc_predict(probs, own, rows, num_samples=NUM_SAMPLES)
        for own, rows in ((familiar_key, x), (strange_key, strange))
    )
    plain, plain_unknown = (jnp.sum(entr(probs(None, rows)), axis=-1) for rows in (x, strange))
    is_wrong = probs(None, x).argmax(-1) != y.argmax(-1)
    return {
        "area of plain entropy": area(plain, plain_unknown),
        "area of mean entropy": area(known.predictive_entropy, unknown.predictive_entropy),
        "area of mutual information": area(known.mutual_information, unknown.mutual_information),
        "area of plain entropy, errors": area(plain, plain, ~is_wrong, is_wrong),
        "area of mean entropy, errors": area(known.predictive_entropy, known.predictive_entropy, ~is_wrong, is_wrong),
    }


def area(familiar: jax.Array, strange: jax.Array, of: Any = True, by: Any = True) -> jax.Array:
    """The probability that a strange row scores higher than a familiar one, ties by half; `of` and `by` choose rows."""
    of, by = jnp.broadcast_to(of, familiar.shape), jnp.broadcast_to(by, strange.shape)
    ordered = jnp.sort(jnp.where(of, familiar, jnp.inf))
    below = [jnp.searchsorted(ordered, strange, side=side) for side in ("left", "right")]
    count = of.sum().astype(jnp.float32)
    share = 0.5 * (below[0] + jnp.minimum(below[1], of.sum())).astype(jnp.float32) / count
    return jnp.where(by, share, 0.0).sum() / jnp.maximum(by.sum(), 1).astype(jnp.float32)


def averages(predict: Predict, key: jax.Array, parts: Any, state: train.TrainState) -> dict[str, jax.Array]:
    """One prediction without noise against the mean of many with it, on test rows."""
    x, y = parts["test"]
    keys = random.split_array(key, 3 * NUM_SAMPLES)
    mean = jnp.mean(jax.lax.map(lambda k: jax.nn.softmax(predict(k, x)), keys), axis=0)
    plain = jax.nn.softmax(predict(None, x))
    found = {"distance": jnp.mean(jnp.sum(mean * (jnp.log(mean + 1e-9) - jnp.log(plain + 1e-9)), axis=-1))}
    for name, probs in (("mean", mean), ("plain", plain)):
        found[f"accuracy of {name}"] = jnp.mean((probs.argmax(-1) == y.argmax(-1)).astype(jnp.float32))
        found[f"log loss of {name}"] = -jnp.mean(jnp.sum(y * jnp.log(probs + 1e-9), axis=-1))
    return found


def smoothness(predict: Predict, key: jax.Array, parts: Any, state: train.TrainState) -> dict[str, jax.Array]:
    """How far logits, as probabilities, move under small noise, and how straight they are between two rows."""
    noise_key, pair_key = random.split(key)
    x, y = parts["test"]
    moved = x + 0.1 * jax.random.normal(noise_key, x.shape)
    other = jax.random.permutation(pair_key, x, axis=0)
    first, second, middle, near = (jax.nn.softmax(predict(None, rows)) for rows in (x, other, 0.5 * (x + other), moved))
    return {
        "shift under noise": jnp.mean(jnp.sum(jnp.abs(near - first), axis=-1)),
        "accuracy under noise": jnp.mean((near.argmax(-1) == y.argmax(-1)).astype(jnp.float32)),
        "bend": jnp.mean(jnp.sum(jnp.abs(middle - 0.5 * (first + second)), axis=-1)),
    }


def logits(predict: Predict, key: jax.Array, parts: Any, state: train.TrainState) -> dict[str, jax.Array]:
    """The margin of the training rows, their logit above the mean of the others, and its share of the bound that
    smoothing by 0.1 sets: log((1 - e + e/K) / (e/K)).
    """
    x, y = parts["train"]
    found = predict(None, x)
    own, others = jnp.sum(found * y, axis=-1), jnp.sum(found * (1.0 - y), axis=-1) / (y.shape[1] - 1)
    bound = np.log((0.9 + 0.1 / y.shape[1]) / (0.1 / y.shape[1]))
    margin = jnp.mean(own - others)
    return {"margin": margin, "margin share": margin / bound}


PROBES: dict[str, Probe] = {
    "uncertainty": uncertainty,
    "averages": averages,
    "smoothness": smoothness,
    "logits": logits,
}
