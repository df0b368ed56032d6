"""Calibration errors against scikit-learn's curve and the published formulas, written out in numpy."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from sklearn.calibration import calibration_curve

from jreg import diagnose

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(400, 5))
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
LABELS = np.array([RNG.choice(5, p=p) for p in PROBS])
SHARP = np.float32(PROBS**3 / (PROBS**3).sum(1, keepdims=True))
"""Over-confident: the labels were drawn at temperature 3."""
CONFIDENCE, RIGHT = SHARP.max(1), (SHARP.argmax(1) == LABELS)


def members(binning, num_bins, confidence=CONFIDENCE):
    """The rows of each bin: intervals open on the left as in Guo et al., and `array_split` as in Kumar et al."""
    if binning == "mass":
        return np.array_split(np.argsort(confidence, kind="stable"), num_bins)
    edges = np.linspace(0, 1, num_bins + 1)
    return [np.flatnonzero((confidence > a) & (confidence <= b)) for a, b in pairwise(edges)]


def published(binning, num_bins, norm, debiased):
    """Guo et al., equations 3 and 5; Kumar et al., definition 5.2 and, for l1, the expectation of their bootstrap."""
    total, distances, noisy = 0.0, [], 0.0
    for rows in members(binning, num_bins):
        if not len(rows):
            continue
        share, accuracy = len(rows) / len(CONFIDENCE), RIGHT[rows].mean()
        distance = abs(CONFIDENCE[rows].mean(dtype=np.float64) - accuracy)
        distances.append(distance)
        if norm == "l2":
            noise = accuracy * (1 - accuracy) / (len(rows) - 1) if debiased and len(rows) > 1 else 0.0
            total += share * (distance**2 - noise)
        else:
            deviation = np.sqrt(accuracy * (1 - accuracy) / len(rows))
            total += share * distance
            noisy += share * (
                scipy.stats.foldnorm.mean(distance / deviation, scale=deviation) if deviation else distance
            )
    if norm == "max":
        return max(distances)
    return max(total, 0.0) ** 0.5 if norm == "l2" else max(2 * total - noisy, 0.0) if debiased else total


@pytest.mark.parametrize("binning", ["width", "mass"])
@pytest.mark.parametrize(
    ("norm", "debiased"), [("l1", False), ("l1", True), ("l2", False), ("l2", True), ("max", False)]
)
def test_it_is_the_published_formula(binning, norm, debiased):
    for num_bins in (1, 15):
        found = diagnose.calibration_error(
            SHARP, LABELS, num_bins=num_bins, binning=binning, norm=norm, debiased=debiased
        )
        np.testing.assert_allclose(found, published(binning, num_bins, norm, debiased), rtol=1e-4)


@pytest.mark.parametrize(("binning", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_the_bins_are_those_of_scikit_learn(binning, strategy):
    for probs, labels, truth, score in (
        (SHARP, LABELS, RIGHT, CONFIDENCE),
        (SHARP[:, 0], LABELS == 0, LABELS == 0, SHARP[:, 0]),
    ):
        # Its quantiles are interpolated, so equal counts need a number of bins that divides that of the rows.
        accuracy, confidence = calibration_curve(truth, score, n_bins=8, strategy=strategy)
        found = diagnose.reliability(probs, labels, num_bins=8, binning=binning)
        kept = np.asarray(found.count) > 0
        np.testing.assert_allclose(found.accuracy[kept], accuracy, rtol=1e-5)
        np.testing.assert_allclose(found.confidence[kept], confidence, rtol=1e-5)
        assert int(jnp.sum(found.count)) == len(LABELS)


def test_equal_confidences_share_a_bin_and_the_order_of_rows_does_not_matter():
    probs = np.float32([0.6] * 5 + [0.9] * 3 + [1.0] * 12)
    labels = np.arange(20) % 3 > 0
    found = diagnose.reliability(probs, labels, num_bins=4, binning="mass")
    assert found.count.tolist() == [5, 15, 0, 0] or found.count.tolist() == [5, 3, 12, 0]
    order = np.random.default_rng(1).permutation(20)
    for mine, other in zip(
        found, diagnose.reliability(probs[order], labels[order], num_bins=4, binning="mass"), strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-6)


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_rows_that_do_not_count_change_nothing(binning):
    where = np.arange(400) % 3 > 0
    spoiled = np.where(where[:, None], SHARP, np.nan)
    options = {"num_bins": 9, "binning": binning}
    expected = diagnose.calibration_error(SHARP[where], LABELS[where], debiased=True, **options)
    found = jax.jit(lambda p, y, w: diagnose.calibration_error(p, y, where=w, debiased=True, **options))(
        spoiled, np.where(where, LABELS, -1), where
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert jnp.isnan(diagnose.calibration_error(SHARP, LABELS, where=np.zeros(400, bool), **options))


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_debiased_error_of_a_calibrated_model_is_lower_than_the_plain_one(norm):
    """100 sets of labels drawn from the probabilities themselves. What is left is the cut at 0."""
    probs = jnp.asarray(PROBS[:200], jnp.float32)
    draws = jax.random.categorical(jax.random.key(0), jnp.log(probs), shape=(100, 200))

    def errors(y):
        options = {"num_bins": 10, "binning": "mass", "norm": norm}
        return [diagnose.calibration_error(probs, y, debiased=debiased, **options) for debiased in (False, True)]

    plain, debiased = jax.jit(jax.vmap(errors))(draws)
    assert float(jnp.mean(plain)) > 0.07
    assert float(jnp.mean(debiased)) < 0.6 * float(jnp.mean(plain))


def test_it_knows_over_from_under_confidence():
    blunt = np.float32(PROBS**0.5 / (PROBS**0.5).sum(1, keepdims=True))
    for probs, word in ((SHARP, "Over-confident: "), (blunt, "Under-confident: "), (PROBS, "Neither over- nor ")):
        assert diagnose.reliability(np.float32(probs), LABELS).describe().startswith(word)


def test_classwise_by_vmap_as_the_docstring_says():
    def of_class(p, k):
        return diagnose.calibration_error(p, jnp.asarray(LABELS) == k, num_bins=6)

    found = jax.vmap(of_class)(SHARP.T, jnp.arange(5))
    for k in range(5):
        np.testing.assert_allclose(found[k], of_class(jnp.asarray(SHARP[:, k]), k), rtol=1e-5)
    # The order of the axes of a batch does not matter, nor their number.
    image = diagnose.calibration_error(SHARP.reshape(20, 20, 5), LABELS.reshape(20, 20))
    np.testing.assert_allclose(image, diagnose.calibration_error(SHARP, LABELS), rtol=1e-6)


def test_bad_values_raise_when_concrete_and_give_nan_when_traced():
    logits = np.float32(LOGITS)
    for probs, labels, message in (
        (logits, LABELS, r"calibration_error: probs must sum to 1, such as jax.nn.softmax\(logits\); got \["),
        (logits[:, 0], LABELS == 0, r"calibration_error: probs must be in \[0, 1\], such as jax.nn.sigmoid"),
        (SHARP, LABELS + 1, r"calibration_error: labels must be in \[0, 5\); got 5"),
        (SHARP, np.eye(5, dtype=int)[LABELS], r"labels must be class ids, of shape \(400,\) for probs of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            diagnose.calibration_error(probs, labels)
        if np.shape(labels) == (400,):
            for binning in ("width", "mass"):
                options = {"binning": binning}
                traced = jax.jit(lambda p, y, options=options: diagnose.calibration_error(p, y, **options))
                assert jnp.isnan(traced(probs, labels))
    with pytest.raises(
        TypeError, match=r"labels must be class ids; got dtype float64. Of one-hot rows take the argmax"
    ):
        diagnose.calibration_error(SHARP, np.eye(5)[LABELS])
