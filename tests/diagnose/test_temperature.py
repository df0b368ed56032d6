"""Temperature scaling against scipy's minimizer and against temperatures that are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from jreg import diagnose

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(300, 4)).astype(np.float32)
LABELS = np.array([RNG.choice(4, p=p) for p in np.asarray(jax.nn.softmax(np.float64(LOGITS)))])


def by_scipy(logits, labels):
    """The minimum of scikit-learn's log loss."""
    z = np.float64(logits)

    def loss(log_temperature):
        p = np.exp(z / np.exp(log_temperature))
        return log_loss(labels, p / p.sum(1, keepdims=True), labels=range(z.shape[1]))

    return np.exp(minimize_scalar(loss, bracket=(-1.0, 1.0), tol=1e-10).x)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 20.0])
def test_it_is_the_minimum_that_scipy_finds(scale):
    found = diagnose.temperature_scale(scale * LOGITS, LABELS)
    np.testing.assert_allclose(found, scale * by_scipy(LOGITS, LABELS), rtol=1e-4)


def test_a_power_of_two_in_the_logits_is_one_in_the_temperature():
    temperature = diagnose.temperature_scale(LOGITS, LABELS)
    for scale in (2.0**-60, 2.0**60):
        np.testing.assert_allclose(diagnose.temperature_scale(scale * LOGITS, LABELS), scale * temperature, rtol=1e-6)


@pytest.mark.thorough
def test_it_repairs_the_calibration_of_rows_that_it_has_not_seen():
    sharp = 4.0 * LOGITS
    temperature = diagnose.temperature_scale(sharp[:150], LABELS[:150])
    before, after = (jax.nn.softmax(z) for z in (sharp[150:], sharp[150:] / temperature))
    error = lambda p: diagnose.calibration_error(p, LABELS[150:], num_bins=5, debiased=True)  # noqa: E731
    assert error(after) < 0.4 * error(before)


def test_without_a_maximum_the_result_is_finite_and_at_its_side():
    perfect = np.float32(3.0 * np.eye(4)[LABELS])
    assert 0.0 < diagnose.temperature_scale(perfect, LABELS) < 0.2
    assert 100.0 < diagnose.temperature_scale(-perfect, LABELS) < np.inf
    assert diagnose.temperature_scale(np.zeros((3, 2), np.float32), np.array([0, 1, 1])) == 1.0


def test_rows_that_do_not_count_and_classes_that_are_impossible_change_nothing():
    where = np.arange(300) % 2 == 0
    expected = diagnose.temperature_scale(LOGITS[where], LABELS[where])
    spoiled = np.where(where[:, None], LOGITS, np.nan)
    found = diagnose.temperature_scale(spoiled, np.where(where, LABELS, -1), where=where)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    impossible = np.full((300, 1), -np.inf, np.float32)
    wider = diagnose.temperature_scale(np.concatenate([LOGITS, impossible], 1), LABELS)
    np.testing.assert_allclose(wider, diagnose.temperature_scale(LOGITS, LABELS), rtol=1e-5)


def test_it_is_traceable_and_maps():
    both = jnp.stack([LOGITS, 5.0 * LOGITS])
    found = jax.jit(jax.vmap(diagnose.temperature_scale, in_axes=(0, None)))(both, LABELS)
    np.testing.assert_allclose(found, [diagnose.temperature_scale(z, LABELS) for z in both], rtol=1e-5)
    gradient = jax.grad(diagnose.temperature_scale)(LOGITS, LABELS)
    np.testing.assert_array_equal(gradient, jnp.zeros_like(gradient))


def test_bad_values_raise_when_concrete_and_give_nan_when_traced():
    with pytest.raises(ValueError, match=r"temperature_scale: labels must be in \[0, 4\); got 4"):
        diagnose.temperature_scale(LOGITS, LABELS + 1)
    assert jnp.isnan(jax.jit(diagnose.temperature_scale)(LOGITS, LABELS + 1))
    assert jnp.isnan(diagnose.temperature_scale(LOGITS, LABELS, where=np.zeros(300, bool)))
    assert jnp.isnan(diagnose.temperature_scale(np.where(LOGITS > 2.0, np.nan, LOGITS), LABELS))
    label_is_impossible = np.where(np.eye(4)[LABELS] > 0, -np.inf, LOGITS).astype(np.float32)
    assert jnp.isnan(diagnose.temperature_scale(label_is_impossible, LABELS))
    with pytest.raises(ValueError, match=r"temperature_scale: labels must be class ids, of shape \(300,\)"):
        diagnose.temperature_scale(LOGITS, LABELS[:5])
