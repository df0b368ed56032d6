"""The symmetric divergence of two passes, and both conventions of R-Drop. More laws are in test_distillation.py."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from jreg import targets

RNG = np.random.default_rng(0)
FIRST, OTHER = (jnp.asarray(2 * RNG.normal(size=(5, 4)), jnp.float32) for _ in range(2))


def both_ways(first, other):
    p, q = (scipy.special.softmax(np.float64(z), axis=1) for z in (first, other))
    return scipy.special.rel_entr(p, q).sum(1).mean(), scipy.special.rel_entr(q, p).sum(1).mean()


def test_it_is_the_mean_of_both_divergences():
    np.testing.assert_allclose(targets.consistency(FIRST, OTHER), sum(both_ways(FIRST, OTHER)) / 2, rtol=1e-5)
    np.testing.assert_allclose(targets.consistency(OTHER, FIRST), targets.consistency(FIRST, OTHER), rtol=1e-6)


def test_passes_that_agree_cost_nothing():
    for agreeing in (FIRST, FIRST + 3.0):
        value, gradient = jax.value_and_grad(targets.consistency)(FIRST, agreeing)
        np.testing.assert_allclose(value, 0.0, atol=1e-6)
        np.testing.assert_allclose(gradient, jnp.zeros((5, 4)), atol=1e-6)


def test_the_gradient_reaches_both_passes():
    gradients = jax.grad(targets.consistency, argnums=(0, 1))(FIRST, OTHER)
    assert all(jnp.abs(gradient).max() > 1e-3 for gradient in gradients)


def test_alpha_of_the_readme_is_twice_that_of_the_paper():
    """The paper: both losses + alpha / 2 (KL + KL). Its README: half of both losses + alpha / 2 (KL + KL)."""
    labels, alpha = jnp.array([0, 1, 2, 3, 0]), 0.7
    losses = sum(targets.smoothed_cross_entropy(z, labels, 0.0) for z in (FIRST, OTHER))
    one_way, other_way = both_ways(FIRST, OTHER)
    paper = losses + alpha * targets.consistency(FIRST, OTHER)
    np.testing.assert_allclose(paper, losses + alpha / 2 * (one_way + other_way), rtol=1e-5)
    readme = losses / 2 + alpha / 2 * targets.consistency(FIRST, OTHER)
    np.testing.assert_allclose(2 * readme, paper, rtol=1e-5)


def test_the_one_sided_form_is_a_distillation():
    one_way, _ = both_ways(FIRST, OTHER)
    np.testing.assert_allclose(targets.distillation(OTHER, FIRST, 1.0), one_way, rtol=1e-5)
