"""Manifold mixup against mixup of linear layers, where the layer does not matter."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment, noise

KEY = jax.random.key(7)
X, Y = jnp.eye(6), jnp.eye(6)
LINEAR = [lambda key, x: 2.0 * x, lambda key, x: x[:, :, None] + jnp.zeros((1, 1, 2)), lambda key, x: -x]


def squares(key, x):
    return x**2


manifold = jax.jit(jax.vmap(partial(augment.manifold_mixup, layers=[squares] * 3), in_axes=(0, None, None)))


def test_for_linear_layers_the_output_mixes_as_the_targets_do():
    hidden, targets = jax.jit(partial(augment.manifold_mixup, layers=LINEAR))(KEY, (X, Y), 1.0)
    np.testing.assert_allclose(hidden, jnp.stack([-2.0 * targets] * 2, -1), rtol=1e-6)
    np.testing.assert_allclose(targets.sum(1), 1.0, rtol=1e-6)
    assert (targets != Y).any()


def test_every_layer_is_drawn_as_often_and_the_first_reads_mixed_inputs():
    """vikasverma1077/manifold_mixup#12: at the input, labels were mixed and inputs were not."""
    hidden, targets = manifold(jax.random.split(KEY, 3000), (X, Y), 2.0)
    weight, found = (np.asarray(jnp.diagonal(a, axis1=1, axis2=2).min(1), float) for a in (targets, hidden))
    clear = (weight > 0.2) & (weight < 0.8)
    # Squared thrice after being mixed before the first layer, twice before the second, once before the third.
    times = np.log(found[clear]) / np.log(weight[clear])
    np.testing.assert_allclose(times, 2.0 ** np.round(np.log2(times)), rtol=1e-3)
    counts = np.unique(np.round(np.log2(times)), return_counts=True)
    assert counts[0].tolist() == [1.0, 2.0, 3.0]
    assert scipy.stats.chisquare(counts[1]).pvalue > 1e-3


def test_alpha_zero_and_no_key_mix_nothing():
    for key, alpha in ((KEY, 0.0), (None, 1.0)):
        hidden, targets = augment.manifold_mixup(key, (X + 1.0, Y), alpha, layers=[squares, squares])
        np.testing.assert_array_equal(hidden, (X + 1.0) ** 4)
        np.testing.assert_array_equal(targets, Y)


def test_layers_have_keys_of_their_own():
    drop = partial(noise.dropout, rate=0.5)
    hidden, _ = augment.manifold_mixup(KEY, (jnp.ones((8, 64)), jnp.ones(8)), 0.0, layers=[drop, drop])
    assert abs((hidden == 4.0).mean() - 0.25) < 0.1
    np.testing.assert_array_equal(augment.manifold_mixup(None, (X, Y), 1.0, layers=[drop])[0], X)


def test_a_batch_of_one_is_left_alone():
    hidden, targets = augment.manifold_mixup(KEY, (X[:1], Y[:1]), 1.0, layers=[squares])
    np.testing.assert_allclose(hidden, X[:1], atol=1e-6)
    np.testing.assert_allclose(targets, Y[:1], atol=1e-6)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"^manifold_mixup: layers must hold at least one function"):
        augment.manifold_mixup(KEY, (X, Y), 1.0, layers=[])
    with pytest.raises(TypeError, match=r"^manifold_mixup: batch must hold floats; got int32 at 1.*one_hot"):
        augment.manifold_mixup(KEY, (X, jnp.arange(6)), 1.0, layers=[squares])
    with pytest.raises(ValueError, match=r"^manifold_mixup: alpha must be at least 0; got -1"):
        augment.manifold_mixup(KEY, (X, Y), -1, layers=[squares])
    assert jnp.isnan(manifold(jax.random.split(KEY, 3000), (X, Y), -1.0)[1]).all()
