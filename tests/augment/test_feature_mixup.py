"""Features exchanged between rows: whose they are, what the labels become, and the law of the share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(3)
compiled = jax.jit(augment.feature_mixup)
TABLE = jnp.broadcast_to(jnp.arange(3000)[:, None], (3000, 40))
LABELS = jnp.arange(3000.0)


def test_labels_mix_by_the_share_of_features_that_are_the_rows_own():
    x, y = compiled(KEY, TABLE, LABELS, 1.0)
    own = np.asarray(x == TABLE)
    partner = np.asarray(x).sum(1) - own.sum(1) * np.arange(3000)
    partner = np.where(own.all(1), np.arange(3000), partner / np.maximum((~own).sum(1), 1))
    assert (partner == partner.round()).all()
    np.testing.assert_allclose(y, own.mean(1) * np.arange(3000) + (1 - own.mean(1)) * partner, rtol=1e-4)
    assert len(set(partner[~own.all(1)])) == (~own.all(1)).sum()


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_the_share_has_the_law_of_a_beta_binomial(alpha):
    """tensorflow/models#13490: the weight was drawn from another law with the same mean."""
    own = np.asarray(compiled(KEY, TABLE, LABELS, alpha)[0] == TABLE).sum(1)
    counts = np.bincount(own, minlength=41)
    # At 40 the row may be its own partner too; the rest follows the law.
    law = scipy.stats.betabinom(40, alpha, alpha).pmf(np.arange(40))
    assert scipy.stats.chisquare(counts[:40], law / law.sum() * counts[:40].sum()).pvalue > 1e-3


def test_no_key_alpha_zero_and_bad_alphas():
    assert augment.feature_mixup(None, TABLE, LABELS, 1.0) == (TABLE, LABELS)
    for given, mixed in zip((TABLE, LABELS), compiled(KEY, TABLE, LABELS, 0.0), strict=True):
        np.testing.assert_array_equal(mixed, given)
    with pytest.raises(ValueError, match=r"^feature_mixup: alpha must be at least 0; got -1.0"):
        augment.feature_mixup(None, TABLE, LABELS, -1.0)
    x, y = compiled(KEY, TABLE, LABELS, -1.0)
    assert jnp.isnan(y).all()
    assert (x == jnp.iinfo(jnp.int32).max).all()


def test_a_table_that_jax_cannot_hold_is_refused():
    with pytest.raises(TypeError, match=r"^feature_mixup: x must be an array that JAX can compute with; got dtype >f4"):
        augment.feature_mixup(KEY, np.ones((4, 2), ">f4"), jnp.ones(4), 1.0)


def test_class_ids_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match=r"^feature_mixup: labels must be an array of floats; got dtype int32"):
        augment.feature_mixup(KEY, TABLE, TABLE[:, 0], 1.0)
    with pytest.raises(
        ValueError, match=r"^feature_mixup: x must be \(rows, features\) and labels \(rows, \*classes\)"
    ):
        augment.feature_mixup(KEY, TABLE, LABELS[:3], 1.0)
