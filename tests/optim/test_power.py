"""Power-function averages: the profile, its width, and snapshots of it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import assert_close_trees, assert_equal_trees
from tests.optim.test_average import GRADIENTS, SGD, run, weighted_mean

WIDTHS = (0.01, 0.05, 0.1, 0.2, 12**-0.5)


def exponent(sigma_rel):
    """The g of the paper, by the roots of its cubic, as in its appendix C."""
    return np.roots([1, 7, 16 - sigma_rel**-2, 12 - sigma_rel**-2]).real.max()


def shares(sigma_rel, steps):
    """How much each step counts: the integral of t**g over it."""
    return np.diff((np.arange(steps + 1) / steps) ** (exponent(sigma_rel) + 1))


@pytest.mark.parametrize("sigma_rel", WIDTHS)
def test_the_average_weighs_steps_by_the_integral_of_their_power(sigma_rel):
    path, state = run(optax.chain(SGD, optim.power_average(sigma_rel)))
    expected = weighted_mean(path, shares(sigma_rel, len(path)))
    assert_close_trees(optim.averaged_params(state), expected, rtol=1e-4, atol=1e-5)


def profile(sigma_rel, steps):
    """How much each step counts in an average of weights that are the unit vectors in turn."""
    optimizer = optim.power_average(sigma_rel)

    def step(state, w):
        return optimizer.update(jnp.zeros(steps), state, w)[1], None

    state, _ = jax.jit(lambda state: jax.lax.scan(step, state, jnp.eye(steps)))(optimizer.init(jnp.zeros(steps)))
    return np.asarray(optim.averaged_params(state), np.float64)


@pytest.mark.parametrize("sigma_rel", [0.05, 0.2])
def test_the_width_is_the_standard_deviation_of_the_profile_over_the_length_of_the_run(sigma_rel):
    for steps in (100, 400):
        weights, times = profile(sigma_rel, steps), (np.arange(steps) + 0.5) / steps
        mean = weights @ times
        np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-5)
        np.testing.assert_allclose(np.sqrt(weights @ (times - mean) ** 2), sigma_rel, rtol=0.01)


def test_the_widest_is_the_plain_mean():
    path, state = run(optax.chain(SGD, optim.power_average(12**-0.5)))
    assert_close_trees(optim.averaged_params(state), weighted_mean(path, [1.0] * len(path)))


def test_traced_widths_give_the_same_and_have_slopes():
    def average(sigma_rel):
        optimizer, w = optim.power_average(sigma_rel), jnp.zeros(())
        state = optimizer.init(w)
        for value in (1.0, 2.0, 4.0):
            _, state = optimizer.update(jnp.float32(value), state, w)
        return optim.averaged_params(state)

    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(average)))(jnp.array(WIDTHS))
    np.testing.assert_allclose(values, [shares(width, 3) @ (1.0, 2.0, 4.0) for width in WIDTHS], rtol=1e-5)
    assert (slopes[1:] < 0.0).all()
    assert jnp.isfinite(slopes).all()


@pytest.mark.parametrize("count", [10**6, 10**8, 2**31 - 2])
def test_late_steps_still_count_by_their_share(count):
    optimizer, zeros = optim.power_average(0.1), jnp.zeros(1)
    state = optimizer.init(zeros)._replace(count=jnp.int32(count))
    (moved,) = optim.averaged_params(optimizer.update(jnp.ones(1), state, zeros)[1])
    np.testing.assert_allclose(moved, (exponent(0.1) + 1.0) / (count + 1.0), rtol=1e-4)


@pytest.mark.parametrize("sigma_rel", [0.0, -0.1, 0.289, float("nan")])
def test_a_bad_width_raises_when_concrete_and_gives_nan_when_traced(sigma_rel):
    with pytest.raises(ValueError, match=r"power_average: sigma_rel must be in \(0, 0.288675\]; got"):
        optim.power_average(sigma_rel)

    @jax.jit
    def average(sigma_rel):
        optimizer = optim.power_average(sigma_rel)
        return optim.averaged_params(optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)), jnp.ones(2))[1])

    assert jnp.isnan(average(sigma_rel)).all()


def test_snapshots_hold_step_width_and_average_of_each():
    optimizer = optax.chain(SGD, optim.power_average(0.05, name="a"), optim.power_average(0.1, name="b"))
    _, state = run(optimizer, gradients=GRADIENTS[:4])
    for snapshot, name, width in zip(optim.take_snapshots(state), "ab", (0.05, 0.1), strict=True):
        assert int(snapshot.step) == 4
        np.testing.assert_allclose(snapshot.sigma_rel, width, rtol=1e-6)
        assert_equal_trees(snapshot.params, optim.averaged_params(state, name=name))
    with pytest.raises(ValueError, match="take_snapshots: opt_state must hold the state of a power_average; it hol"):
        optim.take_snapshots(SGD.init(jnp.ones(2)))


def test_a_width_that_changed_on_the_way_is_marked():
    w = jnp.ones(2)
    state = optim.power_average(0.2).init(w)
    _, state = optim.power_average(0.05).update(w, state, w)
    np.testing.assert_allclose(state.sigma_rel, 0.05, rtol=1e-6)
    for _ in range(2):
        _, state = optim.power_average(0.1).update(w, state, w)
        assert jnp.isnan(state.sigma_rel)
    with pytest.raises(ValueError, match=r"synthesize_average: snapshots\[0\].sigma_rel must be"):
        optim.synthesize_average(optim.take_snapshots(state), 0.1)
