"""One update and one evaluation: what goes in, what comes out, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import noise, penalty, train

KEY = jax.random.key(7)
BATCH = (jnp.arange(12.0).reshape(4, 3) / 10.0, jnp.ones((4, 2)))
HYPER = {"rate": 0.5, "l2": 0.1, "learning_rate": 0.2}


def loss_fn(params, model_state, key, batch, hyper):
    x, y = batch
    error = noise.dropout(key, x, hyper["rate"]) @ params["kernel"] + params["bias"] - y
    loss = jnp.mean(error**2) + hyper["l2"] * penalty.l2(params)
    return loss, ({"calls": model_state["calls"] + 1}, {"error": jnp.mean(jnp.abs(error))})


def make_optimizer(hyper):
    return optax.sgd(hyper["learning_rate"], momentum=0.9)


def make_state():
    params = {"kernel": jnp.ones((3, 2)), "bias": jnp.zeros((1, 2))}
    return train.init_state(params, make_optimizer(HYPER), {"calls": jnp.int32(0)})


def test_a_step_is_the_update_of_the_optimizer_on_the_gradient_of_the_loss():
    state = make_state()
    new, metrics = train.make_step(loss_fn, make_optimizer(HYPER))(state, KEY, BATCH, HYPER)
    (loss, (_, expected)), grads = jax.value_and_grad(loss_fn, has_aux=True)(
        state.params, state.model_state, KEY, BATCH, HYPER
    )
    jax.tree.map(
        lambda got, old, grad: np.testing.assert_allclose(got, old - 0.2 * grad, rtol=1e-6),
        new.params,
        state.params,
        grads,
    )
    assert set(metrics) == {"loss", "error"}
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-6)
    np.testing.assert_allclose(metrics["error"], expected["error"], rtol=1e-6)


def test_steps_count_updates_and_carry_the_state_of_model_and_optimizer():
    step, state = jax.jit(train.make_step(loss_fn, make_optimizer)), make_state()
    for done in range(3):
        assert int(state.step) == int(state.model_state["calls"]) == done
        state, _ = step(state, KEY, BATCH, HYPER)
    momentum = optax.tree_utils.tree_get(state.opt_state, "trace")
    assert jnp.abs(momentum["kernel"]).sum() > 0


def test_the_given_state_stays_as_it_was():
    state = make_state()
    before = jax.tree.map(np.array, state)
    train.make_step(loss_fn, make_optimizer)(state, KEY, BATCH, HYPER)
    jax.tree.map(np.testing.assert_array_equal, state, before)


def test_the_state_keeps_its_type():
    state = make_state()
    new, _ = train.make_step(loss_fn, make_optimizer)(state, KEY, BATCH, HYPER)
    jax.lax.cond(True, lambda: state, lambda: new)


def test_an_optimizer_of_the_hyperparameters_is_the_one_they_make():
    state = make_state()
    fixed, _ = train.make_step(loss_fn, make_optimizer(HYPER))(state, KEY, BATCH, HYPER)
    made, _ = train.make_step(loss_fn, make_optimizer)(state, KEY, BATCH, HYPER)
    jax.tree.map(np.testing.assert_array_equal, fixed, made)
    still, _ = train.make_step(loss_fn, make_optimizer)(state, KEY, BATCH, {**HYPER, "learning_rate": 0.0})
    jax.tree.map(np.testing.assert_array_equal, still.params, state.params)


def test_one_trace_serves_every_hyperparameter():
    traces = 0

    def counted(*args):
        nonlocal traces
        traces += 1
        return loss_fn(*args)

    step = jax.jit(train.make_step(counted, make_optimizer))
    states = [step(make_state(), KEY, BATCH, {**HYPER, name: value})[0] for name in HYPER for value in (0.01, 0.3)]
    assert traces == 1
    assert len({float(state.params["kernel"].sum()) for state in states}) == len(states)


def test_hyperparameters_and_keys_can_be_mapped_over():
    step = train.make_step(loss_fn, make_optimizer)
    keys, rates = jax.random.split(KEY, 3), jnp.array([0.1, 0.5, 0.9])
    mapped, _ = jax.vmap(lambda key, rate: step(make_state(), key, BATCH, {**HYPER, "rate": rate}))(keys, rates)
    for lane in range(3):
        single, _ = step(make_state(), keys[lane], BATCH, {**HYPER, "rate": rates[lane]})
        np.testing.assert_allclose(mapped.params["kernel"][lane], single.params["kernel"], rtol=1e-6)


def test_the_buffers_of_a_donated_state_are_reused():
    state = make_state()
    donated = jax.tree.leaves(state.params)
    step = jax.jit(train.make_step(loss_fn, make_optimizer), donate_argnums=0)
    expected, _ = train.make_step(loss_fn, make_optimizer)(make_state(), KEY, BATCH, HYPER)
    new, _ = step(state, KEY, BATCH, HYPER)
    assert all(leaf.is_deleted() for leaf in donated)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), new, expected)


@pytest.mark.parametrize("key", [None, 0, jnp.zeros(3, jnp.uint32)], ids=repr)
def test_a_step_without_a_key_is_refused(key):
    """NVIDIA/Megatron-LM#411: training went on without dropout after an evaluation."""
    for step in (train.make_step(loss_fn, make_optimizer), jax.jit(train.make_step(loss_fn, make_optimizer))):
        with pytest.raises(TypeError, match=r"^step: key must be a PRNG key"):
            step(make_state(), key, BATCH, HYPER)


def test_evaluation_has_no_key_to_draw_with():
    def metric_fn(params, model_state, batch, hyper):
        loss, (_, metrics) = loss_fn(params, model_state, None, batch, {**hyper, "l2": 0.0})
        return {"loss": loss, **metrics}

    evaluate = jax.jit(train.make_eval(metric_fn))
    state = make_state()
    metrics = evaluate(state, BATCH, HYPER)
    x, y = BATCH
    np.testing.assert_allclose(metrics["loss"], jnp.mean((x @ state.params["kernel"] - y) ** 2), rtol=1e-6)
    np.testing.assert_array_equal(metrics["loss"], evaluate(state, BATCH, {**HYPER, "rate": 0.9})["loss"])
    with pytest.raises(TypeError):
        train.make_eval(metric_fn)(state, KEY, BATCH, HYPER)


def test_one_key_gives_one_step():
    step = jax.jit(train.make_step(loss_fn, make_optimizer))
    first, again, other = (step(make_state(), jax.random.key(seed), BATCH, HYPER)[0] for seed in (1, 1, 2))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert (first.params["kernel"] != other.params["kernel"]).any()
