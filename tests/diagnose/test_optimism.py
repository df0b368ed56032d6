"""Optimism of selection: every subset counted, the expected largest of normal draws, NaN."""

from itertools import combinations
from math import nan, pi

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import diagnose

VALID, TEST = np.random.default_rng(0).normal(size=(2, 6, 4))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_it_is_the_mean_over_all_subsets(mode):
    found = diagnose.selection_optimism(VALID, TEST, mode=mode)
    best = np.argmax if mode == "max" else np.argmin
    sign = 1 if mode == "max" else -1
    for m in range(1, 7):
        chosen = np.array(
            [
                [subset[best(VALID[list(subset), seed])] for seed in range(4)]
                for subset in map(np.array, combinations(range(6), m))
            ]
        )
        seeds = np.arange(4)[None]
        flattery = sign * (VALID[chosen, seeds] - TEST[chosen, seeds]).mean(0)
        np.testing.assert_allclose(found.optimism[m - 1], flattery.mean(), atol=1e-6)
        half = 3.18245 * flattery.std(ddof=1) / 2
        np.testing.assert_allclose(found.optimism_interval[m - 1], half, rtol=1e-4)
        np.testing.assert_allclose(found.test[m - 1], TEST[chosen, seeds].mean(), atol=1e-6)
        np.testing.assert_allclose(found.valid[m - 1], VALID[chosen, seeds].mean(), atol=1e-6)
    assert found.num_tried.tolist() == [1, 2, 3, 4, 5, 6]


def test_settings_that_differ_in_luck_alone_show_the_expected_largest_normal():
    """1/sqrt(pi) for two, 1.5/sqrt(pi) for three; the choice brings nothing on test rows."""
    draws = np.random.default_rng(1).normal(size=(2, 10, 20000)).astype(np.float32)
    found = diagnose.selection_optimism(*draws)
    np.testing.assert_allclose(found.optimism[:3], [0, pi**-0.5, 1.5 * pi**-0.5], atol=0.01)
    np.testing.assert_allclose(found.optimism[9], 1.5388, atol=0.03)
    np.testing.assert_allclose(found.test, 0.0, atol=0.03)


def test_settings_that_truly_differ_are_chosen_rightly():
    truth = np.linspace(0, 1, 6)[:, None] + np.zeros(3)
    found = diagnose.selection_optimism(truth, truth)
    np.testing.assert_allclose(found.optimism, 0.0, atol=1e-7)
    np.testing.assert_allclose(np.asarray(found.test)[[0, -1]], [0.5, 1.0], atol=1e-6)


def test_a_setting_that_diverged_is_chosen_only_where_there_is_no_other():
    valid = np.array([[0.5], [nan], [0.7]])
    found = diagnose.selection_optimism(valid, np.array([[0.4], [nan], [0.6]]))
    assert np.isnan(found.optimism).tolist() == [True, False, False]
    np.testing.assert_allclose(found.test[1:], [(0.4 + 2 * 0.6) / 3, 0.6], rtol=1e-6)


def test_one_seed_has_no_interval_and_it_runs_under_jit():
    found = jax.jit(diagnose.selection_optimism)(jnp.asarray(VALID[:, :1]), jnp.asarray(TEST[:, :1]))
    assert np.isnan(found.optimism_interval).all()
    np.testing.assert_allclose(found.optimism, diagnose.selection_optimism(VALID[:, :1], TEST[:, :1]).optimism)


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3, 2), (2, 3)), ((0, 2), (0, 2))])
def test_scores_that_do_not_match_are_refused(shapes):
    with pytest.raises(
        ValueError, match=r"^selection_optimism: valid and test must have one shape \(settings, seeds\)"
    ):
        diagnose.selection_optimism(*map(np.ones, shapes))
