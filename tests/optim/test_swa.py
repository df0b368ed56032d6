"""The learning rate of SWA: torch's SWALR where it is constant, the paper's formula where it is cyclic."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim

# Made with torch 2.13: SWALR(SGD([w], lr=0.3), swa_lr=0.05, anneal_epochs=4), the rate before each of 7 steps.
OF_TORCH = [0.3, 0.2633883476483184, 0.175, 0.08661165235168157, 0.05, 0.05, 0.05]


def rates(schedule, num):
    return [float(schedule(jnp.int32(step))) for step in range(num)]


def test_a_constant_rate_is_approached_as_in_torch():
    np.testing.assert_allclose(rates(optim.swa_schedule(0.3, 0.05, 0.05, start=0, anneal=4), 7), OF_TORCH, rtol=1e-5)
    later = optim.swa_schedule(optax.linear_schedule(0.6, 0.3, 3), 0.05, 0.05, start=3, anneal=4)
    np.testing.assert_allclose(rates(later, 10), [0.6, 0.5, 0.4, *OF_TORCH], rtol=1e-5)


@pytest.mark.parametrize("anneal", [0, 2])
def test_cycles_are_those_of_the_paper_and_the_average_takes_their_ends(anneal):
    start, cycle, high, low = 3, 4, 0.5, 0.1
    schedule = optim.swa_schedule(1.0, high, low, start=start, cycle=cycle, anneal=anneal)
    begin, i = start + anneal, np.arange(1, 9)
    t = ((i - 1) % cycle + 1) / cycle  # equation 1, where iterations count from 1
    np.testing.assert_allclose(rates(schedule, begin + 8)[begin:], (1 - t) * high + t * low, rtol=1e-5)
    # The weights of this run are the rates, so the average is that of the rates at the steps that it took.
    optimizer, w = optim.average_params(1.0, start=begin, every=cycle), jnp.zeros(1)
    state = optimizer.init(w)
    for step in range(begin + 8):
        _, state = optimizer.update(schedule(step)[None], state, w)
    np.testing.assert_allclose(optim.averaged_params(state), low, rtol=1e-5)


def test_rates_may_be_traced_and_bad_ones_are_named():
    traced = jax.jit(lambda high: optim.swa_schedule(0.3, high, 0.05, start=0, cycle=2)(0))
    np.testing.assert_allclose(traced(0.15), 0.1, rtol=1e-5)
    assert jnp.isnan(traced(-1.0))
    for options, message in (
        ({"high": -0.1}, "high must be finite and at least 0; got -0.1"),
        ({"before": -0.1}, "before must be finite and at least 0; got -0.1"),
        ({"start": -1}, "start must be at least 0; got -1"),
        ({"cycle": 0}, "cycle must be at least 1; got 0"),
        ({"anneal": -1}, "anneal must be at least 0; got -1"),
    ):
        given = {"before": 0.1, "high": 0.1, "low": 0.1, "start": 0} | options
        with pytest.raises(ValueError, match=f"swa_schedule: {message}"):
            optim.swa_schedule(given.pop("before"), given.pop("high"), given.pop("low"), **given)
