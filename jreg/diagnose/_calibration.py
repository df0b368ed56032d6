"""Calibration: whether of all predictions made with confidence .8 a share of .8 is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm as normal
from jaxtyping import Array, Bool, Float, Int, Integer

from .._core.checks import Checks
from .._core.placement import gathered
from ._probabilities import Judged, judged, or_nan

Binning = Literal["width", "mass"]
Norm = Literal["l1", "l2", "max"]


class Reliability(NamedTuple):
    """The predictions in bins of similar confidence. Without rows, a bin's two means are NaN.

    Attributes:
      confidence: the mean confidence of a bin's predictions.
      accuracy: the share of them that is right.
      count: their number.
    """

    confidence: Float[Array, " bins"]
    accuracy: Float[Array, " bins"]
    count: Int[Array, " bins"]

    def describe(self) -> str:
        """Whether the confidence is too high, too low or right on average, beyond the noise of so many rows."""
        count = jnp.asarray(self.count, float)
        num = max(float(jnp.sum(count)), 1.0)
        confidence, accuracy = (float(jnp.nansum(count * mean)) / num for mean in (self.confidence, self.accuracy))
        noise = 2.0 * (max(accuracy * (1.0 - accuracy), 1.0 / num) / num) ** 0.5
        found = f"confidence {confidence:.3f} and accuracy {accuracy:.3f} on average over {num:.0f} rows"
        if abs(confidence - accuracy) <= noise:
            return f"Neither over- nor under-confident beyond noise: {found}."
        kind = "Over" if confidence > accuracy else "Under"
        return f"{kind}-confident: {found}. Divide the logits by diagnose.temperature_scale of validation rows."


class _Bins(NamedTuple):
    """Sums over the rows of each bin."""

    count: Int[Array, " bins"]
    confidence: Float[Array, " bins"]
    right: Float[Array, " bins"]


def reliability(
    probs: Float[Array, "..."],
    labels: Integer[Array, "*batch"] | Bool[Array, "*batch"],
    *,
    num_bins: int = 15,
    binning: Binning = "width",
    where: Bool[Array, "*batch"] | None = None,
) -> Reliability:
    """Put predictions into bins by their confidence, with the accuracy of each: the data of a reliability diagram.

    Args:
      probs: (*batch, classes), of which the largest is the confidence; or (examples,), the probability of class 1,
        which is compared with how often class 1 came true.
      labels: class ids (*batch), in (examples,) also bools.
      num_bins: how many bins, some of which may stay empty.
      binning: "width": intervals (i / num_bins, (i + 1) / num_bins]. "mass": quantiles, so that the bins hold
        equally many rows; equal confidences share a bin.
      where: which rows count.

    Raises:
      ValueError: concrete rows that do not sum to 1, such as logits, or class ids outside [0, classes) (traced ones
        give NaN), shapes that do not fit, or fewer than one bin.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> probs = jnp.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    >>> found = diagnose.reliability(probs, jnp.array([0, 1, 1]), num_bins=5)
    >>> found.count.tolist(), found.accuracy[2:].tolist()
    ([0, 0, 1, 0, 2], [1.0, nan, 0.5])

    DeGroot and Fienberg, The Comparison and Evaluation of Forecasters, The Statistician 1983.
    """
    check = Checks("reliability")
    bins = _binned(check, probs, labels, where, num_bins, binning)
    num = or_nan(bins.count, bins.right.dtype)
    return Reliability(bins.confidence / num, bins.right / num, bins.count)


def calibration_error(
    probs: Float[Array, "..."],
    labels: Integer[Array, "*batch"] | Bool[Array, "*batch"],
    *,
    num_bins: int = 15,
    binning: Binning = "width",
    norm: Norm = "l1",
    debiased: bool = False,
    where: Bool[Array, "*batch"] | None = None,
) -> Float[Array, ""]:
    """Average the distance of confidence and accuracy over bins of confidence: the expected calibration error, ECE.

        l1: sum_b n_b / n |conf_b - acc_b|,   l2: the root of sum_b n_b / n (conf_b - acc_b)^2,   max: the largest

    The accuracy of a bin is itself an estimate, so a perfectly calibrated model has an error above 0: the fewer the
    rows, the larger. `debiased` takes this off, by Kumar et al.'s estimators, and leaves at least 0:

        l1: 2 ECE - sum_b n_b / n E|N(conf_b - acc_b, s_b^2)|,   s_b^2 = acc_b (1 - acc_b) / n_b,   in closed form
        l2: the root of sum_b n_b / n ((conf_b - acc_b)^2 - acc_b (1 - acc_b) / (n_b - 1))

    For the classwise error, map over the classes: `jax.vmap(lambda p, k: calibration_error(p, labels == k))(probs.T,
    jnp.arange(num_classes))`, and take the mean.

    Args:
      probs: (*batch, classes), of which the largest is the confidence; or (examples,), the probability of class 1,
        which is compared with how often class 1 came true.
      labels: class ids (*batch), in (examples,) also bools.
      num_bins: how many bins; 10 to 20 are usual. With few rows take fewer.
      binning: "width": intervals (i / num_bins, (i + 1) / num_bins]. "mass": quantiles, so that the bins hold
        equally many rows, which has less bias; equal confidences share a bin.
      norm: "l1" is the ECE, "l2" its root mean square, "max" the maximum calibration error.
      debiased: subtract what noise alone would give; a bin of one row stays as it is. "max" has no such form.
      where: which rows count; if none does, the result is NaN.

    Raises:
      ValueError: concrete rows that do not sum to 1, such as logits, or class ids outside [0, classes) (traced ones
        give NaN), shapes that do not fit, fewer than one bin, or a debiased maximum.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> probs = jnp.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    >>> f"{diagnose.calibration_error(probs, jnp.array([0, 1, 1]), num_bins=5):.2f}"
    '0.40'

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017; Kumar, Liang and Ma, Verified Uncertainty
    Calibration, NeurIPS 2019; Roelofs et al., Mitigating Bias in Calibration Error Estimation, AISTATS 2022.
    """
    check = Checks("calibration_error")
    check.choice("norm", norm, ("l1", "l2", "max"))
    if check.flag("debiased", debiased) and norm == "max":
        raise ValueError(f"{check}: norm must be 'l1' or 'l2' where debiased is True; got 'max'")
    return _distance(_binned(check, probs, labels, where, num_bins, binning), norm, debiased)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _distance(bins: _Bins, norm: Norm, debiased: bool) -> Float[Array, ""]:
    num = jnp.maximum(bins.count, 1).astype(bins.right.dtype)
    share = bins.count.astype(num.dtype) / or_nan(jnp.sum(bins.count), num.dtype)
    accuracy, distance = bins.right / num, jnp.abs(bins.confidence - bins.right) / num
    variance = accuracy * (1.0 - accuracy)
    if norm == "max":
        return jnp.max(distance + 0.0 * share)
    if norm == "l2":
        noise = variance / jnp.maximum(num - 1.0, 1.0) if debiased else 0.0
        return jnp.sqrt(jnp.maximum(jnp.sum(share * (jnp.square(distance) - noise)), 0.0))
    error = jnp.sum(share * distance)
    if not debiased:
        return error
    return jnp.maximum(2.0 * error - jnp.sum(share * _mean_distance(distance, jnp.sqrt(variance / num))), 0.0)


def _mean_distance(mean: Float[Array, " bins"], std: Float[Array, " bins"]) -> Float[Array, " bins"]:
    """E|N(mean, std^2)|, the mean of the folded normal distribution."""
    ratio = mean / jnp.where(std > 0.0, std, 1.0)
    folded = 2.0 * std * normal.pdf(ratio) + mean * (1.0 - 2.0 * normal.cdf(-ratio))
    return jnp.where(std > 0.0, folded, mean)


def _binned(check: Checks, probs: Array, labels: Array, where: Array | None, num_bins: int, binning: Binning) -> _Bins:
    num_bins = check.integer("num_bins", num_bins, bits=31)
    check.choice("binning", binning, ("width", "mass"))
    given, is_binary = judged(check, probs, labels, where)
    return _sums(given, is_binary, num_bins, _by_width if binning == "width" else _by_mass)


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)
def _sums(given: Judged, is_binary: bool, num_bins: int, place_of: Callable[[Array, Array, int], Array]) -> _Bins:
    p, labels, rows = given
    confidence = p[..., 1] if is_binary else jnp.max(p, axis=-1)
    guess = jnp.ones_like(labels) if is_binary else jnp.argmax(p, axis=-1).astype(labels.dtype)
    right = (labels == guess).astype(p.dtype)
    confidence, right, rows = (gathered(values.ravel()) for values in (confidence, right, rows))
    place = place_of(confidence, rows, num_bins)
    inside = rows[None] & (place[None] == jnp.arange(num_bins, dtype=place.dtype)[:, None])
    count = jnp.sum(inside, axis=1)
    return _Bins(count, *(jnp.sum(jnp.where(inside, values[None], 0.0), axis=1) for values in (confidence, right)))


def _by_width(confidence: Float[Array, " rows"], rows: Bool[Array, " rows"], num_bins: int) -> Int[Array, " rows"]:
    edges = (jnp.arange(1, num_bins) / num_bins).astype(confidence.dtype)
    return jnp.sum(confidence[None] > edges[:, None], axis=0)


def _by_mass(confidence: Float[Array, " rows"], rows: Bool[Array, " rows"], num_bins: int) -> Int[Array, " rows"]:
    """The bin of each row if the first n % B of the B bins hold one row more, as in `numpy.array_split`."""
    ordered = jnp.sort(jnp.where(rows, confidence, jnp.inf))
    # Of equal confidences all have the rank of the first, so that the order of the rows does not matter.
    rank = jnp.searchsorted(ordered, confidence)
    size, extra = jnp.divmod(jnp.sum(rows, dtype=rank.dtype), num_bins)
    in_larger = extra * (size + 1)
    place = jnp.where(rank < in_larger, rank // (size + 1), extra + (rank - in_larger) // jnp.maximum(size, 1))
    return jnp.minimum(place, num_bins - 1)
