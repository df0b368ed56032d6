"""Scores of probabilities against scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from jreg import diagnose

RNG = np.random.default_rng(0)
PROBS = RNG.dirichlet(np.ones(4), size=50).astype(np.float32)
LABELS = RNG.integers(0, 4, size=50)
SCORES = {
    "brier_score": (diagnose.brier_score, brier_score_loss),
    "negative_log_likelihood": (diagnose.negative_log_likelihood, log_loss),
}
every_score = pytest.mark.parametrize(("score", "expected"), SCORES.values(), ids=SCORES)


@every_score
def test_it_is_that_of_scikit_learn(score, expected):
    # scikit-learn judges in float64 whether rows sum to 1.
    exact = np.float64(PROBS) / np.float64(PROBS).sum(1, keepdims=True)
    np.testing.assert_allclose(score(PROBS, LABELS), expected(LABELS, exact, labels=range(4)), rtol=1e-5)
    np.testing.assert_allclose(score(PROBS[:, 0], LABELS == 0), expected(LABELS == 0, exact[:, 0]), rtol=1e-5)


@every_score
def test_rows_that_do_not_count_change_nothing(score, expected):
    where = np.arange(50) % 2 == 0
    found = score(np.where(where[:, None], PROBS, np.nan), np.where(where, LABELS, 9), where=where)
    np.testing.assert_allclose(found, score(PROBS[where], LABELS[where]), rtol=1e-6)
    assert jnp.isnan(score(PROBS, LABELS, where=np.zeros(50, bool)))


@every_score
def test_it_is_proper(score, expected):
    """On average over labels drawn from p, no other prediction scores better than p."""
    p = jnp.array([0.6, 0.3, 0.1])
    mean = lambda q: sum(weight * score(q, jnp.array(k)) for k, weight in enumerate(p))  # noqa: E731
    for other in ([0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [1 / 3, 1 / 3, 1 / 3]):
        assert mean(jnp.array(other)) > mean(p)


@every_score
def test_it_is_traceable_differentiable_and_spoiled_by_bad_values(score, expected):
    traced = jax.jit(score)
    np.testing.assert_allclose(traced(PROBS, LABELS), score(PROBS, LABELS), rtol=1e-6)
    np.testing.assert_allclose(
        jax.vmap(score)(PROBS.reshape(2, 25, 4), LABELS.reshape(2, 25)).mean(), score(PROBS, LABELS), rtol=1e-6
    )
    assert jnp.isfinite(jax.grad(score)(PROBS, LABELS)).all()
    assert jnp.isnan(traced(2.0 * PROBS, LABELS))
    assert jnp.isnan(traced(PROBS, LABELS + 1))
    with pytest.raises(ValueError, match="probs must sum to 1, such as"):
        score(2.0 * PROBS, LABELS)


def test_what_was_called_impossible_costs_infinitely_much():
    assert diagnose.negative_log_likelihood(jnp.array([1.0, 0.0]), jnp.array(1)) == jnp.inf
    assert diagnose.brier_score(jnp.array([1.0, 0.0]), jnp.array(1)) == 2.0
