"""The greedy soup, against the recipe in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import optim

TARGET = np.array([1.0, -2.0, 0.5, 3.0])
MODELS = [jnp.asarray(TARGET + np.random.default_rng(seed).normal(size=4), jnp.float32) for seed in range(8)]


def error(w):
    return jnp.mean((w - jnp.asarray(TARGET, w.dtype)) ** 2)


def recipe(models):
    """Recipe 1 of the paper, in float64."""
    models = [np.asarray(model, np.float64) for model in models]
    order = sorted(range(len(models)), key=lambda i: np.mean((models[i] - TARGET) ** 2))
    members = []
    for i in order:
        candidates = np.mean([models[j] for j in [*members, i]], axis=0)
        current = np.mean([models[j] for j in members], axis=0) if members else np.full(4, np.inf)
        if np.mean((candidates - TARGET) ** 2) <= np.mean((current - TARGET) ** 2):
            members.append(i)
    return members


@pytest.mark.parametrize("count", [1, 3, 8])
def test_it_is_the_recipe_of_the_paper(count):
    soup = optim.greedy_soup(error, MODELS[:count])
    assert list(soup.members) == recipe(MODELS[:count])
    np.testing.assert_allclose(soup.params, np.mean([MODELS[i] for i in soup.members], axis=0), rtol=1e-5)
    np.testing.assert_allclose(soup.value, error(soup.params), rtol=1e-6)
    assert soup.value <= min(soup.values)
    np.testing.assert_allclose(soup.values, [error(model) for model in MODELS[:count]], rtol=1e-6)


def test_the_largest_value_may_be_the_best():
    soup = optim.greedy_soup(lambda w: -error(w), MODELS, mode="max")
    assert soup.members == optim.greedy_soup(error, MODELS).members


def test_a_model_that_ties_stays_and_one_that_is_nan_does_not():
    models = [jnp.full(2, jnp.nan), jnp.ones(2), jnp.ones(2)]
    assert optim.greedy_soup(jnp.sum, models).members == (1, 2)
    with pytest.raises(ValueError, match="greedy_soup: evaluate must give a number for at least one model; got NaN"):
        optim.greedy_soup(jnp.sum, models[:1])


def test_each_model_is_evaluated_at_most_twice():
    calls = []
    optim.greedy_soup(lambda w: calls.append(w) or error(w), MODELS)
    assert len(calls) == 2 * len(MODELS) - 1


@pytest.mark.parametrize("value", [None, "0.5", True, jnp.ones(2)], ids=repr)
def test_a_value_that_is_no_number_raises(value):
    with pytest.raises(TypeError, match="greedy_soup: evaluate must return a number; got"):
        optim.greedy_soup(lambda w: value, MODELS)


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="greedy_soup: evaluate must return a number; got JitTracer"):
        jax.jit(lambda models: optim.greedy_soup(error, models).params)(MODELS)
    with pytest.raises(TypeError, match="greedy_soup: evaluate must be a function"):
        optim.greedy_soup(None, MODELS)
    with pytest.raises(ValueError, match="greedy_soup: mode must be one of 'min', 'max'; got 'up'"):
        optim.greedy_soup(error, MODELS, mode="up")
    with pytest.raises(ValueError, match="greedy_soup: trees must hold at least one model"):
        optim.greedy_soup(error, [])
