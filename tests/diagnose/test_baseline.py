"""The baseline of the class frequencies, against scikit-learn's constant classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import dummy, metrics

from jreg import diagnose

LABELS = np.random.default_rng(0).choice(4, size=200, p=[0.5, 0.3, 0.2, 0.0])


def test_it_scores_as_a_constant_classifier_does():
    found = jax.jit(diagnose.majority_baseline, static_argnames="num_classes")(LABELS, num_classes=4)
    x = np.zeros((200, 1))
    most, prior = (dummy.DummyClassifier(strategy=name).fit(x, LABELS) for name in ("most_frequent", "prior"))
    np.testing.assert_allclose(found.accuracy, most.score(x, LABELS), rtol=1e-6)
    np.testing.assert_allclose(found.loss, metrics.log_loss(LABELS, prior.predict_proba(x)), rtol=1e-5)


def test_labels_of_one_class_and_of_many_even_ones():
    assert [float(score) for score in diagnose.majority_baseline(jnp.zeros(5, int), num_classes=3)] == [1.0, 0.0]
    even = diagnose.majority_baseline(jnp.arange(10), num_classes=10)
    np.testing.assert_allclose([even.accuracy, even.loss], [0.1, np.log(10)], rtol=1e-6)


def test_bad_labels_raise_or_give_nan():
    with pytest.raises(ValueError, match=r"^majority_baseline: labels must be in \[0, 2\); got 2"):
        diagnose.majority_baseline(jnp.array([0, 2]), num_classes=2)
    for bad in (jnp.zeros(0, int), jnp.zeros(2)):
        with pytest.raises(ValueError, match=r"^majority_baseline: labels must be at least one integer; got"):
            diagnose.majority_baseline(bad, num_classes=2)
    traced = jax.jit(lambda labels: diagnose.majority_baseline(labels, num_classes=2))(jnp.array([0, 2]))
    assert np.isnan(traced).all()
