"""Debiased and recalibrated statistics, against Adam's correction and plain averages."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import norm

PARAMS, STATS = norm.init_batch_norm(2)
BATCHES = jnp.asarray(np.random.default_rng(0).normal(3.0, 2.0, (6, 8, 2)), jnp.float32)


def test_debiased_statistics_are_those_that_optax_debiases():
    def step(stats, batch_and_step):
        batch, count = batch_and_step
        stats = norm.batch_norm(PARAMS, stats, batch, decay=norm.debiased_decay(0.9, count))[1]
        return stats, stats

    _, running = jax.jit(lambda batches: jax.lax.scan(step, STATS, (batches, jnp.arange(6))))(BATCHES)
    moment = jnp.zeros(2)
    for count, batch in enumerate(BATCHES, start=1):
        moment = 0.9 * moment + 0.1 * jnp.var(batch, 0)
        expected = optax.tree.bias_correction(moment, 0.9, jnp.float32(count))
        np.testing.assert_allclose(running.variance[count - 1], expected, rtol=1e-5)
    np.testing.assert_allclose(running.mean[0], BATCHES[0].mean(0), rtol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99, 0.99999, 1.0])
def test_the_decay_is_its_formula(decay):
    steps = np.arange(1000.0)
    found = jax.jit(jax.vmap(norm.debiased_decay, in_axes=(None, 0)))(decay, jnp.asarray(steps, jnp.float32))
    powers = np.float64(decay) ** steps
    expected = steps / (steps + 1) if decay == 1.0 else decay * (1 - powers) / (1 - decay * powers)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_bad_decays_and_steps_raise_or_give_nan():
    with pytest.raises(ValueError, match=r"debiased_decay: decay must be in \[0, 1\]; got 1.5"):
        norm.debiased_decay(1.5, 0)
    with pytest.raises(ValueError, match="debiased_decay: step must be at least 0; got -1"):
        norm.debiased_decay(0.9, -1)
    for decay, step in ((1.5, 1.0), (0.9, -1.0), (0.0, -1.0)):
        assert jnp.isnan(jax.jit(norm.debiased_decay)(decay, step))


@pytest.mark.parametrize("x64", [False, True])
def test_the_decay_has_the_dtype_of_the_mode_and_serves_statistics_of_any(x64):
    with jax.enable_x64(x64):
        for decay, step in ((0.9, 3), (jnp.float32(0.9), jnp.int32(3)), (jnp.bfloat16(0.9), jnp.float32(3))):
            found = jax.jit(norm.debiased_decay)(decay, step)
            assert found.dtype == (jnp.float64 if x64 else jnp.float32)
            running = norm.batch_norm(PARAMS, STATS, BATCHES[0], decay=found)[1]
            assert running.mean.dtype == jnp.float32


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_no_nan_arises_on_the_way(decay):
    with jax.debug_nans(True):
        assert [float(norm.debiased_decay(decay, step)) for step in (0, 1)] == pytest.approx(
            [0.0, decay / (1.0 + decay)]
        )


def two_layers(stats, x, decay):
    first, second = stats
    x, first = norm.batch_norm(PARAMS, first, x, decay=decay)
    _, second = norm.batch_norm(PARAMS, second, jnp.exp(x), decay=decay)
    return first, second


def test_recalibrated_statistics_are_the_plain_average_over_batches():
    spoilt = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), (STATS, STATS))
    found = jax.jit(lambda stats: norm.recalibrate(two_layers, stats, BATCHES))(spoilt)
    alone = jax.jit(two_layers)
    each = [alone((STATS, STATS), batch, 0.0) for batch in BATCHES]
    expected = jax.tree.map(lambda *leaves: jnp.mean(jnp.stack(leaves), 0), *each)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


def test_recalibration_mends_the_statistics_of_averaged_weights():
    """Averaging two kernels of opposite sign halves nothing in them, and all in what they produce."""
    x = jax.random.normal(jax.random.key(0), (4, 512, 2))
    kernels = jax.random.normal(jax.random.key(1), (2, 2, 2))
    averaged = kernels.mean(0)
    of_training = jax.tree.map(
        lambda *leaves: jnp.mean(jnp.stack(leaves), 0),
        *(norm.batch_norm(PARAMS, STATS, x[0] @ kernel, decay=0.0)[1] for kernel in kernels),
    )
    mended = norm.recalibrate(lambda s, b, d: norm.batch_norm(PARAMS, s, b @ averaged, decay=d)[1], of_training, x)
    outputs = [norm.batch_norm_inference(PARAMS, stats, x[0] @ averaged).std(0) for stats in (of_training, mended)]
    np.testing.assert_allclose(outputs[1], 1.0, rtol=0.1)
    assert jnp.abs(outputs[0] - 1.0).max() > 0.2


def test_bad_batches_raise():
    for batches in (BATCHES[:0], (BATCHES, BATCHES[:2]), (), jnp.float32(1.0)):
        with pytest.raises(ValueError, match="recalibrate: batches must hold arrays of one length, at least 1"):
            norm.recalibrate(two_layers, (STATS, STATS), batches)
