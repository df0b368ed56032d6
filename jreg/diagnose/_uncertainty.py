"""Monte Carlo predictions: what the samples of a noisy model say together, and how far they disagree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import entr
from jaxtyping import Array, Float

from .._core.checks import Checks
from .._core.keys import as_words
from .._core.placement import placed_like
from .._core.types import Key
from ..random import split_array
from ._probabilities import are_probabilities, wide


class Uncertainty(NamedTuple):
    """What the samples say together; entropies are in nats.

    Attributes:
      mean: the mean output, the prediction.
      variance: the variance of each output over the samples (divided by their number).
      predictive_entropy: the entropy of the mean, the total uncertainty.
      expected_entropy: the mean entropy of a sample, the part that is in the data (aleatoric).
      mutual_information: their difference, the disagreement of the samples (epistemic); BALD in active learning.
      variation_ratio: the share of samples whose most probable class is not the one that most samples choose.
    """

    mean: Float[Array, "*batch classes"]
    variance: Float[Array, "*batch classes"]
    predictive_entropy: Float[Array, "*batch"]
    expected_entropy: Float[Array, "*batch"]
    mutual_information: Float[Array, "*batch"]
    variation_ratio: Float[Array, "*batch"]


class _Sums(NamedTuple):
    """What is kept of the samples so far."""

    num: Array
    mean: Array
    squares: Array
    """Of the distances to the mean."""
    entropy: Array
    votes: Array


def mc_predict(
    fn: Callable[[Any, Any], Any], key: Key | None, x: Any, *, num_samples: int, batch_size: int | None = None
) -> Uncertainty:
    """Predict by the mean over draws of the noise, and measure how far the draws disagree.

        p_s = fn(key_s, x),   mean = 1/S sum_s p_s
        mutual information = H[mean] - 1/S sum_s H[p_s],   H[p] = -sum_k p_k log p_k

    With dropout in `fn` this is MC dropout; with an augmentation in it, test-time augmentation. Nothing is stored per
    sample: beyond one batch of samples, memory does not grow with their number.

    Args:
      fn: `fn(key, x)` returns probabilities (*batch, classes), such as `jax.nn.softmax(model(params, key, x))`. Of
        other outputs, as in regression, `mean` and `variance` hold, and the rest is NaN.
      key: one key; None calls `fn(None, x)` once, and nothing disagrees.
      x: a batch of inputs, in any structure.
      num_samples: S, how many draws; 20 to 100 are usual.
      batch_size: how many samples run at once; None runs all in one vmapped call. It changes memory and speed, and the
        result by roundings only.

    Raises:
      ValueError: fewer than one sample, or outputs without an axis of classes.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import diagnose, noise
    >>> fn = lambda key, x: jax.nn.softmax(noise.dropout(key, x, 0.5))
    >>> x = jnp.array([[4.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    >>> found = diagnose.mc_predict(fn, jax.random.key(0), x, num_samples=100, batch_size=25)
    >>> (found.mutual_information > 0.1).tolist()
    [True, False]

    Gal and Ghahramani, Dropout as a Bayesian Approximation, ICML 2016; Houlsby et al., Bayesian Active Learning for
    Classification and Preference Learning, 2011.
    """
    check = Checks("mc_predict")
    check.called("fn", fn, "fn(key, x) that returns probabilities")
    num_samples = check.integer("num_samples", num_samples, bits=31)
    batch_size = num_samples if batch_size is None else check.integer("batch_size", batch_size)
    if key is None:
        return _found(_summed(check, jax.tree.map(lambda leaf: leaf[None], fn(None, x))))
    words, to_keys = as_words(split_array(check.key(key), num_samples))

    def sample(words: Array) -> _Sums:
        return _summed(check, jax.vmap(fn, in_axes=(0, None))(to_keys(words), x))

    if batch_size >= num_samples:
        return _found(sample(words))
    num_whole = num_samples // batch_size * batch_size
    batches = words[:num_whole].reshape(-1, batch_size, *words.shape[1:])
    none = jax.tree.map(
        lambda leaf: placed_like(jnp.zeros(leaf.shape, leaf.dtype), leaf), jax.eval_shape(sample, batches[0])
    )
    sums, _ = lax.scan(lambda sums, words: (_merged(sums, sample(words)), None), none, batches)
    return _found(sums if num_whole == num_samples else _merged(sums, sample(words[num_whole:])))


def _summed(check: Checks, outputs: Any) -> _Sums:
    """Sums over the leading axis, that of the samples."""
    outputs = check.floating("fn(key, x)", outputs)
    if outputs.ndim < 2 or not outputs.shape[-1]:
        raise ValueError(f"{check}: fn(key, x) must have shape (*batch, classes); got shape {outputs.shape[1:]}")
    return _sums(outputs)


@partial(jax.jit, inline=True)
def _sums(outputs: Float[Array, "samples *batch classes"]) -> _Sums:
    p, is_valid = wide(outputs), are_probabilities(outputs)
    mean = jnp.mean(p, axis=0)
    choices = jnp.argmax(p, axis=-1, keepdims=True) == jnp.arange(p.shape[-1]).reshape((1,) * (p.ndim - 1) + (-1,))
    return _Sums(
        jnp.asarray(len(p), p.dtype),
        mean,
        jnp.sum(jnp.square(p - mean[None]), axis=0),
        jnp.sum(jnp.where(is_valid, _entropy(p), jnp.nan), axis=0),
        jnp.sum(choices, axis=0, dtype=p.dtype),
    )


@partial(jax.jit, inline=True)
def _merged(first: _Sums, other: _Sums) -> _Sums:
    """The sums over both: the squares by Chan, Golub and LeVeque's formula, in which nothing cancels."""
    num, step = first.num + other.num, other.mean - first.mean
    return _Sums(
        num,
        first.mean + step * (other.num / num),
        first.squares + other.squares + jnp.square(step) * (first.num * other.num / num),
        first.entropy + other.entropy,
        first.votes + other.votes,
    )


@partial(jax.jit, inline=True)
def _found(sums: _Sums) -> Uncertainty:
    expected = sums.entropy / sums.num
    is_known = ~jnp.isnan(expected)
    predictive = jnp.where(is_known, _entropy(sums.mean), jnp.nan)
    # The difference of equal entropies may round to less than zero.
    mutual_information = jnp.where(is_known, jnp.maximum(predictive - expected, 0.0), jnp.nan)
    variation_ratio = jnp.where(is_known, 1.0 - jnp.max(sums.votes, axis=-1) / sums.num, jnp.nan)
    return Uncertainty(sums.mean, sums.squares / sums.num, predictive, expected, mutual_information, variation_ratio)


def _entropy(p: Array) -> Array:
    return jnp.sum(entr(p), axis=-1)
