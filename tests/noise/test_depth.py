"""Stochastic depth: whole rows, both places of the factor, separate decisions, and the schedules of the rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise, random

KEY = jax.random.key(7)


@pytest.mark.parametrize(("rescale", "survivor"), [("train", 2.0), ("inference", 1.0)])
def test_rows_survive_or_vanish_as_a_whole(rescale, survivor):
    y = np.asarray(noise.stochastic_depth(KEY, jnp.ones((512, 3, 4)), 0.5, rescale=rescale))
    assert set(map(tuple, np.unique(y.reshape(512, -1), axis=0).tolist())) == {(0.0,) * 12, (survivor,) * 12}


@pytest.mark.parametrize(("rescale", "survivor"), [("train", 4.0), ("inference", 1.0)])
def test_in_batch_mode_all_rows_share_one_decision(rescale, survivor):
    def drop(key):
        return noise.stochastic_depth(key, jnp.ones((4, 3)), 0.75, per="batch", rescale=rescale)

    ys = np.asarray(jax.vmap(drop)(jax.random.split(KEY, 512)))
    assert set(map(tuple, np.unique(ys.reshape(512, -1), axis=0).tolist())) == {(0.0,) * 12, (survivor,) * 12}
    assert abs((ys[:, 0, 0] == 0).mean() - 0.75) < 5 * (0.75 * 0.25 / 512) ** 0.5


@pytest.mark.parametrize("rescale", ["train", "inference"])
@pytest.mark.parametrize("per", ["example", "batch"])
def test_training_and_inference_agree_in_the_mean_wherever_the_factor_is(per, rescale):
    """mosaicml/composer#372: the factor of inference was dead code."""
    keys, branch = jax.random.split(KEY, 4096), jnp.array([[1.0, -2.0]])
    samples = jax.vmap(lambda key: noise.stochastic_depth(key, branch, 0.3, per=per, rescale=rescale))(keys)
    inference = noise.stochastic_depth(None, branch, 0.3, per=per, rescale=rescale)
    np.testing.assert_allclose(inference, branch if rescale == "train" else 0.7 * branch, rtol=1e-6)
    assert (jnp.abs(samples.mean(0) - inference) < 5 * samples.std(0) / 64).all()


def test_two_branches_under_two_keys_decide_for_themselves():
    """LibreYOLO/libreyolo#422: two branches of a block shared one decision."""
    rate, size = 0.3, 4096
    kept = [noise.stochastic_depth(key, jnp.ones((size, 1)), rate) != 0 for key in random.split(KEY)]
    agreement = rate**2 + (1 - rate) ** 2
    assert abs(jnp.mean(kept[0] == kept[1]) - agreement) < 5 * (agreement * (1 - agreement) / size) ** 0.5


def test_a_dropped_branch_may_hold_nan():
    """timm multiplies by the mask, so a diverged branch spoils the rows that drop it."""
    keep = noise.stochastic_depth(KEY, jnp.ones((64, 2)), 0.5) != 0
    branch = jnp.where(keep, 1.0, jnp.nan)
    value, gradient = jax.value_and_grad(lambda branch: jnp.sum(noise.stochastic_depth(KEY, branch, 0.5)))(branch)
    assert jnp.isfinite(value)
    np.testing.assert_array_equal(gradient, jnp.where(keep, 2.0, 0.0))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("huang", [0.06, 0.12, 0.18, 0.24, 0.30]),
        ("timm", [0.0, 0.075, 0.15, 0.225, 0.30]),
        ("efficientnet", [0.0, 0.06, 0.12, 0.18, 0.24]),
    ],
)
def test_the_schedules_in_numbers(rule, expected):
    np.testing.assert_allclose(noise.depth_rates(0.3, 5, rule=rule), expected, atol=1e-7)


@pytest.mark.parametrize(("rule", "expected"), [("huang", 0.3), ("timm", 0.0), ("efficientnet", 0.0)])
def test_the_schedules_of_one_layer(rule, expected):
    rates = noise.depth_rates(0.3, 1, rule=rule)
    assert rates.shape == (1,)
    np.testing.assert_allclose(rates, [expected], atol=1e-7)


@pytest.mark.parametrize("rule", ["huang", "timm", "efficientnet"])
@pytest.mark.parametrize("num_layers", [1, 2, 3, 7, 50, 1000])
def test_every_schedule_stays_a_probability(rule, num_layers):
    for final in (0.0, 0.1, 1.0):
        rates = noise.depth_rates(final, num_layers, rule=rule)
        assert rates.shape == (num_layers,)
        assert ((rates >= 0.0) & (rates <= final)).all()
        assert (jnp.diff(rates) >= 0.0).all()


def test_schedules_take_traced_rates():
    traces = 0

    @jax.jit
    def rates(final):
        nonlocal traces
        traces += 1
        return noise.depth_rates(final, 5)

    np.testing.assert_allclose(rates(0.3), noise.depth_rates(0.3, 5), rtol=1e-6)
    np.testing.assert_allclose(rates(0.5), noise.depth_rates(0.5, 5), rtol=1e-6)
    assert traces == 1
    assert jnp.isnan(rates(1.2)).all()
    np.testing.assert_allclose(jax.vmap(rates)(jnp.array([0.1, 1.0]))[1], [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-6)
    np.testing.assert_allclose(jax.jacobian(rates)(0.3), [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-6)


@pytest.mark.parametrize("final", [-0.1, 1.5, float("nan")])
def test_final_rates_that_are_no_probability_are_refused(final):
    with pytest.raises(ValueError, match=r"^depth_rates: final_rate must be in \[0, 1\]; got"):
        noise.depth_rates(final, 5)


def test_a_final_rate_that_is_no_scalar_is_refused():
    with pytest.raises(ValueError, match=r"^depth_rates: final_rate must be a scalar"):
        noise.depth_rates(jnp.array([0.1, 0.2, 0.3]), 3)


@pytest.mark.parametrize(
    ("num_layers", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_numbers_of_layers_that_are_no_count_are_refused(num_layers, error):
    with pytest.raises(error, match=r"^depth_rates: num_layers must be"):
        noise.depth_rates(0.3, num_layers)


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "none"])
def test_modes_that_do_not_exist_are_refused(key):
    with pytest.raises(ValueError, match=r"^stochastic_depth: per must be one of 'example', 'batch'; got 'rows'"):
        noise.stochastic_depth(key, jnp.ones((2, 2)), 0.5, per="rows")
    with pytest.raises(ValueError, match=r"^stochastic_depth: rescale must be one of 'train', 'inference'; got True"):
        noise.stochastic_depth(key, jnp.ones((2, 2)), 0.5, rescale=True)
    with pytest.raises(ValueError, match=r"^depth_rates: rule must be one of .*; got 'linear'"):
        noise.depth_rates(0.3, 5, rule="linear")


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "none"])
def test_rows_need_a_batch_axis_and_a_scalar_rate(key):
    with pytest.raises(ValueError, match=r"^stochastic_depth: branch must have a batch axis"):
        noise.stochastic_depth(key, jnp.array(1.0), 0.5)
    with pytest.raises(ValueError, match=r"^stochastic_depth: rate must be a scalar"):
        noise.stochastic_depth(key, jnp.ones((2, 2)), jnp.full((2, 1), 0.5))


def test_a_scan_over_layers_takes_their_rates_from_the_schedule():
    """One body for all layers: the rate is traced."""
    num_layers, x = 4, jnp.ones((256, 2))

    def layer(h, inputs):
        key, rate = inputs
        return h + noise.stochastic_depth(key, jnp.ones_like(h), rate, rescale="inference"), None

    xs = (random.split_array(KEY, num_layers), noise.depth_rates(1.0, num_layers))
    y, _ = jax.jit(lambda x: jax.lax.scan(layer, x, xs))(x)
    depths = np.asarray(y[:, 0]) - 1.0
    assert depths.max() == num_layers - 1
    expected, variance = 1.5, sum(rate * (1 - rate) for rate in (0.25, 0.5, 0.75))
    assert abs(depths.mean() - expected) < 5 * (variance / 256) ** 0.5
