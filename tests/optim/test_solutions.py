"""Full-batch descent to convergence reaches scikit-learn's solutions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from sklearn import linear_model
from sklearn.datasets import load_breast_cancer, load_diabetes

from jreg import optim, penalty

INPUTS, OUTPUTS = load_diabetes(return_X_y=True)
INPUTS = (INPUTS - INPUTS.mean(0)) / INPUTS.std(0)
OUTPUTS = OUTPUTS - OUTPUTS.mean()
NUM_EXAMPLES = len(OUTPUTS)
RATE = float(1.0 / np.linalg.eigvalsh(INPUTS.T @ INPUTS / NUM_EXAMPLES).max())
ALPHAS = (0.5, 5.0, 20.0)
every_alpha = pytest.mark.parametrize("alpha", ALPHAS)


def minimized(optimizer, num_steps=20_000, extra=lambda w: 0.0, outputs=OUTPUTS, grouped=lambda w: w):
    """The weights after gradient descent on |y - Xw|^2 / 2n + extra(w), in float64; a parameter is grouped(w)."""
    gram, moment = INPUTS.T @ INPUTS / NUM_EXAMPLES, INPUTS.T @ outputs / NUM_EXAMPLES

    @jax.jit
    def run(gram, moment):
        w = grouped(jnp.zeros(moment.shape, jnp.float64))

        def step(_, carry):
            w, state = carry
            flat = w.reshape(moment.shape)
            gradient = (gram @ flat - moment).reshape(w.shape) + jax.grad(extra)(w)
            updates, state = optimizer.update(gradient, state, w)
            return optax.apply_updates(w, updates), state

        return lax.fori_loop(0, num_steps, step, (w, optimizer.init(w)))[0]

    return np.asarray(run(jnp.asarray(gram), jnp.asarray(moment)))


@pytest.fixture(autouse=True)
def _double_precision():
    # Some optimizers of optax rely on implicit promotion.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


def lasso(alpha):
    return linear_model.Lasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(INPUTS, OUTPUTS).coef_


def ridge(alpha):
    return linear_model.Ridge(alpha=alpha, fit_intercept=False).fit(INPUTS, OUTPUTS).coef_


def elastic_net(alpha, l1_ratio):
    model = linear_model.ElasticNet(alpha=alpha, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-12, max_iter=100_000)
    return model.fit(INPUTS, OUTPUTS).coef_


@every_alpha
def test_proximal_descent_reaches_the_lasso(alpha):
    w, expected = minimized(optax.chain(optax.sgd(RATE), optim.prox_l1(alpha, RATE))), lasso(alpha)
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(w == 0.0, expected == 0.0)


@every_alpha
def test_descent_with_l2_reaches_ridge(alpha):
    w = minimized(optax.chain(optim.add_l2(alpha), optax.sgd(RATE / (1 + alpha * RATE))))
    np.testing.assert_allclose(w, ridge(alpha * NUM_EXAMPLES), rtol=0, atol=1e-4)


def test_decoupled_decay_around_plain_descent_reaches_ridge_too():
    rate = RATE / 1.5
    w = minimized(optim.with_decoupled_decay(optax.sgd(rate), 0.5, learning_rate=rate))
    np.testing.assert_allclose(w, ridge(0.5 * NUM_EXAMPLES), rtol=0, atol=1e-4)


def test_the_penalty_in_the_loss_reaches_ridge_too():
    w = minimized(optax.sgd(RATE / 1.5), extra=lambda w: 0.5 * penalty.l2(w))
    np.testing.assert_allclose(w, ridge(0.5 * NUM_EXAMPLES), rtol=0, atol=1e-4)


@every_alpha
@pytest.mark.parametrize("l1_ratio", [0.2, 0.8])
def test_l2_and_a_proximal_step_reach_the_elastic_net(alpha, l1_ratio):
    rate = RATE / (1 + alpha * RATE)
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    w = minimized(optax.chain(optim.add_l2(l2), optax.sgd(rate), optim.prox_l1(l1, rate)), 5_000)
    expected = elastic_net(alpha, l1_ratio)
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(w == 0.0, expected == 0.0)


def test_a_proximal_step_of_both_reaches_the_elastic_net():
    optimizer = optax.chain(optax.sgd(RATE), optim.prox_elastic_net(4.0, 1.0, RATE))
    w, expected = minimized(optimizer, 5_000), elastic_net(5.0, 0.8)
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(w == 0.0, expected == 0.0)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_with_momentum_a_proximal_step_reaches_the_lasso_of_a_smaller_strength(momentum):
    sgd = optax.sgd(RATE * (1 - momentum), momentum=momentum)
    optimizer = optax.chain(sgd, optim.prox_l1(5.0 / (1 - momentum), RATE * (1 - momentum)))
    w, expected = minimized(optimizer), lasso(5.0)
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(w == 0.0, expected == 0.0)


TWO_OUTPUTS = np.stack([OUTPUTS, (OUTPUTS**2 - np.mean(OUTPUTS**2)) / np.std(OUTPUTS)], axis=1)


@pytest.mark.parametrize("alpha", [5.0, 30.0])
def test_groups_of_an_inputs_weights_reach_the_lasso_of_many_tasks(alpha):
    step = optim.prox_group_lasso(alpha / np.sqrt(2.0), RATE, axis=1)
    w = minimized(optax.chain(optax.sgd(RATE), step), outputs=TWO_OUTPUTS)
    model = linear_model.MultiTaskLasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=100_000)
    expected = model.fit(INPUTS, TWO_OUTPUTS).coef_.T
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(w == 0.0, expected == 0.0)
    assert 0 < (w == 0.0).all(axis=1).sum() < 10


def test_groups_of_inputs_reach_the_optimum_of_the_group_lasso():
    strength, rate = 8.0, RATE
    # Columns of (2, 5): inputs i and i + 5 make a group.
    optimizer = optax.chain(optax.sgd(rate), optim.prox_group_lasso(strength, rate, axis=0))
    w = minimized(optimizer, grouped=lambda w: w.reshape(2, 5))
    gradient = (INPUTS.T @ (INPUTS @ w.reshape(-1) - OUTPUTS) / NUM_EXAMPLES).reshape(2, 5)
    limit, norms = strength * np.sqrt(2.0), np.linalg.norm(w, axis=0)
    kept = norms > 0.0
    assert 0 < kept.sum() < 5
    np.testing.assert_allclose(gradient[:, kept], -limit * w[:, kept] / norms[kept], atol=1e-6)
    assert (np.linalg.norm(gradient[:, ~kept], axis=0) < limit).all()


def falling(count):
    return (RATE / 4) * 0.999 ** count.astype(jnp.float64)


def test_the_gradients_of_both_penalties_reach_the_elastic_net():
    optimizer = optax.chain(optim.add_l1(1.0), optim.add_l2(1.0), optax.sgd(falling))
    w, expected = minimized(optimizer), elastic_net(2.0, 0.5)
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-4)
    assert (expected == 0.0).any()
    assert not (w == 0.0).any()


def test_the_elastic_net_in_the_loss_reaches_scikit_learns():
    w = minimized(optax.sgd(falling), extra=lambda w: 2.0 * penalty.elastic_net(w, 0.5))
    np.testing.assert_allclose(w, elastic_net(2.0, 0.5), rtol=0, atol=1e-4)


# In the metric of an adaptive optimizer.


ADAM = optax.adam(0.1)
INNER = {
    "sgd, momentum": optax.sgd(0.1 * RATE, momentum=0.9, nesterov=True),
    "adam, other settings": optax.adam(0.1, b1=0.5, b2=0.9, eps=0.1),
    "nadam": optax.nadam(0.1),
    "amsgrad": optax.amsgrad(0.1),
    "adabelief": optax.adabelief(0.1),
    "rmsprop, momentum": optax.rmsprop(0.02, momentum=0.5),
    "adagrad": optax.adagrad(1.0),
    "lion": optax.lion(0.05, weight_decay=0.0),
}


def assert_reached(w, expected):
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(w == 0.0, expected == 0.0)


@every_alpha
def test_in_the_metric_of_adam_a_strength_is_that_of_the_lasso(alpha):
    assert_reached(minimized(optim.with_l1(ADAM, alpha), 5_000), lasso(alpha))


@pytest.mark.parametrize("name", INNER)
def test_in_the_metric_of_any_optimizer_a_strength_is_that_of_the_lasso(name):
    assert_reached(minimized(optim.with_l1(INNER[name], 5.0)), lasso(5.0))


def test_after_adam_a_strength_is_a_share_of_the_step():
    kept = [(minimized(optax.chain(ADAM, optim.prox_l1(share, 0.1)), 2_000) != 0.0).sum() for share in (0.3, 1.01)]
    assert kept[0] >= 9  # The cliff is at 1, whatever the loss is.
    assert kept[1] == 0


def test_in_the_metric_of_adam_the_elastic_net_is_scikit_learns():
    assert_reached(minimized(optim.with_elastic_net(ADAM, 4.0, 1.0), 5_000), elastic_net(5.0, 0.8))


def test_in_the_metric_of_adam_groups_are_those_of_the_lasso_of_many_tasks():
    step = optim.with_group_lasso(ADAM, 30.0 / np.sqrt(2.0), axis=1)
    model = linear_model.MultiTaskLasso(alpha=30.0, fit_intercept=False, tol=1e-12, max_iter=100_000)
    expected = model.fit(INPUTS, TWO_OUTPUTS).coef_.T
    assert_reached(minimized(step, outputs=TWO_OUTPUTS), expected)
    assert 0 < (expected == 0.0).all(axis=1).sum() < 10


def test_in_the_metric_of_adam_groups_meet_the_conditions_of_the_group_lasso():
    w = minimized(optim.with_group_lasso(ADAM, 8.0, axis=0), 5_000, grouped=lambda w: w.reshape(2, 5))
    gradient = (INPUTS.T @ (INPUTS @ w.reshape(-1) - OUTPUTS) / NUM_EXAMPLES).reshape(2, 5)
    limit, norms = 8.0 * np.sqrt(2.0), np.linalg.norm(w, axis=0)
    kept = norms > 0.0
    assert 0 < kept.sum() < 5
    np.testing.assert_allclose(gradient[:, kept], -limit * w[:, kept] / norms[kept], atol=1e-6)
    assert (np.linalg.norm(gradient[:, ~kept], axis=0) < limit).all()


def test_one_lambda_means_the_same_in_four_places():
    def slowly(count):
        count = count.astype(jnp.float64)
        return 25.0 * RATE / (100.0 + count) * 0.9999 ** jnp.maximum(count - 240_000.0, 0.0)

    solutions = {
        "in the loss": minimized(optax.sgd(slowly), 300_000, extra=lambda w: 5.0 * penalty.l1(w)),
        "added": minimized(optax.chain(optim.add_l1(5.0), optax.sgd(slowly)), 300_000),
        "after sgd": minimized(optax.chain(optax.sgd(RATE), optim.prox_l1(5.0, RATE)), 5_000),
        "around adam": minimized(optim.with_l1(ADAM, 5.0), 5_000),
    }
    for name, w in solutions.items():
        np.testing.assert_allclose(w, lasso(5.0), rtol=0, atol=1e-4, err_msg=name)


def test_in_the_metric_of_adam_l1_makes_scikit_learns_sparse_logistic_regression():
    inputs, labels = load_breast_cancer(return_X_y=True)
    inputs, strength = (inputs - inputs.mean(0)) / inputs.std(0), 0.05
    options = {"solver": "liblinear", "fit_intercept": False, "tol": 1e-10, "max_iter": 10_000}
    model = linear_model.LogisticRegression(l1_ratio=1.0, C=1.0 / (strength * len(labels)), **options)
    expected = model.fit(inputs, labels).coef_[0]
    x, signs, optimizer = (
        jnp.asarray(inputs),
        jnp.asarray(2.0 * labels - 1.0),
        optim.with_l1(optax.adam(0.02), strength),
    )

    @jax.jit
    def run(w):
        def step(_, carry):
            w, state = carry
            gradient = -x.T @ (signs * jax.nn.sigmoid(-signs * (x @ w))) / len(labels)
            updates, state = optimizer.update(gradient, state, w)
            return optax.apply_updates(w, updates), state

        return lax.fori_loop(0, 25_000, step, (w, optimizer.init(w)))[0]

    assert_reached(np.asarray(run(jnp.zeros(30, jnp.float64))), expected)
    assert 0 < (expected == 0.0).sum() < 30


def supports(make, batch_size, num_seeds=3, num_steps=3_000):
    """The sets of inputs that are kept at the end of training on random batches, for each seed."""
    x, y = jnp.asarray(INPUTS), jnp.asarray(OUTPUTS)
    optimizer = make(optax.cosine_decay_schedule(0.3, num_steps))

    def run(key):
        def step(carry, key):
            w, state = carry
            rows = jax.random.choice(key, NUM_EXAMPLES, (batch_size,))
            gradient = x[rows].T @ (x[rows] @ w - y[rows]) / batch_size
            updates, state = optimizer.update(gradient, state, w)
            return (optax.apply_updates(w, updates), state), None

        w = jnp.zeros(10, jnp.float64)
        return lax.scan(step, (w, optimizer.init(w)), jax.random.split(key, num_steps))[0][0]

    found = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), num_seeds))
    return {frozenset(np.flatnonzero(w).tolist()) for w in np.asarray(found)}


@pytest.mark.thorough
def test_with_batches_the_support_is_the_lassos_for_every_seed_and_batch_size():
    # b1 averages a hundred batches, so that the noise of mu is well below the strength.
    expected = {frozenset(np.flatnonzero(lasso(10.0)).tolist())}
    for batch_size in (32, 128):
        found = supports(lambda rate: optim.with_l1(optax.adam(rate, b1=0.99), 10.0), batch_size)
        assert found == expected
    shares = [
        supports(lambda rate: optax.chain(optax.adam(rate, b1=0.99), optim.prox_l1(0.6, rate)), b) for b in (32, 128)
    ]
    assert max(map(len, shares[0])) < min(map(len, shares[1]))  # What a share of a step keeps depends on the batch.
