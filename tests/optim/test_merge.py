"""Merged weights: numpy's weighted mean, and a decay of the learning rate by merging instead."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import norm, optim
from tests.optim.table import assert_close_trees, tree
from tests.optim.test_average import GRADIENTS, run

MODELS = [tree(seed=seed) for seed in range(3)]


@pytest.mark.parametrize(
    "weights", [[1.0, 1.0, 1.0], (0.2, 0.5, 0.3), np.array([1, 2, 3]), jnp.array([2.0, -1.0, 3.0])]
)
def test_it_is_the_weighted_mean_of_numpy(weights):
    expected = jax.tree.map(lambda *leaves: np.average(np.stack(leaves), axis=0, weights=weights), *MODELS)
    assert_close_trees(optim.merge_params(MODELS, weights), expected)
    assert_close_trees(jax.jit(optim.merge_params)(MODELS, weights), expected)


def test_a_model_without_weight_leaves_no_trace():
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, MODELS[0])
    for merge in (optim.merge_params, jax.jit(optim.merge_params)):
        assert_close_trees(merge([broken, *MODELS[1:]], [0.0, 1.0, 0.0]), MODELS[1])


def test_dtypes_are_kept_sums_are_wide_and_integers_are_the_last():
    models = [{"w": jnp.full(2, w, jnp.bfloat16), "step": jnp.int32(step)} for w, step in ((256.0, 1), (1.0, 2))]
    many = [models[0], *[models[1]] * 31]
    merged = optim.merge_params(many, [1.0] * 32)
    assert merged["w"].dtype == jnp.bfloat16
    np.testing.assert_allclose(merged["w"].astype(jnp.float32), 287 / 32, rtol=2**-8)
    assert merged["step"] == 2


@pytest.mark.parametrize(
    ("trees", "weights", "error", "message"),
    [
        ([], [], ValueError, "trees must hold at least one model"),
        ({"a": 1.0}, [1.0], TypeError, "trees must be a list of models"),
        (MODELS, [1.0, 2.0], ValueError, "weights must be as many as the trees, 3; got 2"),
        (MODELS, [], ValueError, "weights must be a list of numbers, at least one"),
        (MODELS, "abc", TypeError, "weights must be a real number"),
        (MODELS, [1.0, None, 1.0], TypeError, "weights must be a real number; got None"),
        (MODELS, [1.0, -1.0, 0.0], ValueError, "weights must have a finite sum other than 0"),
        ([jnp.ones(2), jnp.ones(3)], [1.0, 1.0], ValueError, r"trees\[1\] must have the shapes of trees\[0\]"),
        ([{"a": jnp.ones(2)}, {"b": jnp.ones(2)}], [1.0, 1.0], ValueError, r"trees\[1\] must have the structure of"),
    ],
)
def test_bad_input_is_named(trees, weights, error, message):
    with pytest.raises(error, match=f"merge_params: {message}"):
        optim.merge_params(trees, weights)


def test_traced_weights_that_sum_to_0_give_nan():
    assert jnp.isnan(jax.jit(optim.merge_params)([jnp.ones(2)] * 2, jnp.array([1.0, -1.0]))).all()


@pytest.mark.parametrize(
    "decay", [[0.75, 0.5, 0.25], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], (1.0 - np.sqrt(np.arange(1, 4) / 4))], ids=str
)
def test_merged_checkpoints_are_the_run_whose_rate_decayed(decay):
    """Theorem 1 of WSM, on a path of given gradients: the rate is constant until the first checkpoint."""
    stable = len(GRADIENTS) - len(decay)
    path, _ = run(optax.sgd(0.1))
    rates = jnp.concatenate([jnp.ones(stable), jnp.asarray(decay)])
    decayed, _ = run(optax.sgd(lambda step: 0.1 * rates[step]))
    merged = optim.merge_params(path[stable - 1 :], optim.merge_weights(decay))
    assert_close_trees(merged, decayed[-1])


def test_a_linear_decay_is_the_plain_mean():
    for k in (1, 4, 9):
        np.testing.assert_allclose(optim.merge_weights(1.0 - jnp.arange(1, k + 1) / (k + 1)), 1 / (k + 1), rtol=1e-5)


def test_a_decay_that_rises_or_leaves_0_to_1_is_refused():
    for decay, message in (([0.5, 0.6], "decay must never rise"), ([1.5], r"decay must be in \[0, 1\]")):
        with pytest.raises(ValueError, match=f"merge_weights: {message}"):
            optim.merge_weights(decay)
        assert jnp.isnan(jax.jit(optim.merge_weights)(jnp.array(decay))).all()


def test_recalibrated_statistics_are_those_of_the_merged_model():
    """Those of the parts are not, and nor is their mean: so the docstrings send users to `norm.recalibrate`."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 512, 3)), jnp.float32)
    kernels = [jnp.asarray(np.random.default_rng(seed).normal(size=(3, 2)), jnp.float32) for seed in (1, 2)]
    params, fresh = norm.init_batch_norm(2)

    def measured(kernel):
        return norm.recalibrate(lambda s, b, decay: norm.batch_norm(params, s, b @ kernel, decay=decay)[1], fresh, x)

    merged = optim.merge_params(kernels, [1.0, 1.0])
    of_parts = optim.merge_params([measured(kernel) for kernel in kernels], [1.0, 1.0])
    spreads = [norm.batch_norm_inference(params, s, x @ merged).std((0, 1)) for s in (measured(merged), of_parts)]
    np.testing.assert_allclose(spreads[0], 1.0, atol=0.01)
    assert jnp.abs(spreads[1] - 1.0).max() > 0.05
