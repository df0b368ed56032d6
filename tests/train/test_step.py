"""One update and one evaluation: what goes in, what comes out, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import noise, norm, optim, penalty, train

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


# Micro-batches.


def plain_loss(params, model_state, key, batch, hyper):
    """A mean over the rows of weight above 0, and a penalty."""
    x, y, weights = batch
    losses = jnp.sum((x @ params["kernel"] + params["bias"] - y) ** 2, axis=1)
    total = jnp.sum(weights)
    loss = jnp.sum(weights * losses) / total + hyper["l2"] * penalty.l2(params)
    return loss, (model_state, {"largest": jnp.max(losses), "weight": total, "rows": jnp.int32(x.shape[0])})


def weighted_batch(weights):
    x = jax.random.normal(jax.random.key(1), (8, 3))
    return x, jax.random.normal(jax.random.key(2), (8, 2)), jnp.asarray(weights)


@pytest.mark.parametrize("weights", [[1.0] * 8, [1, 2, 0, 1, 0, 0, 3, 0.5]], ids=["alike", "one part without weight"])
def test_micro_batches_are_one_large_batch_with_one_decay(weights):
    """keras-team/keras#19990: decay hit at each micro-step."""
    optimizer = optim.with_decoupled_decay(optax.sgd(0.1, momentum=0.9), 0.3)
    hyper = {**HYPER, "l2": 0.2}
    states = []
    for parts in (1, 4):
        step = jax.jit(train.make_step(plain_loss, optimizer, accumulate=parts))
        state = train.init_state(make_state().params, optimizer)
        for _ in range(2):
            state, metrics = step(state, KEY, weighted_batch(weights), hyper)
        states.append((state, metrics["loss"], metrics["weight"]))
    jax.tree.map(lambda got, expected: np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6), *states)
    assert int(state.step) == 2
    np.testing.assert_allclose(metrics["rows"], 2.0)


def test_micro_batches_have_a_key_each_and_hand_on_the_model_state():
    def draw(params, model_state, key, batch, hyper):
        return jnp.sum(params["bias"]), (model_state + 1, {"draw": jax.random.normal(key), "first": batch[0]})

    state = train.init_state({"bias": jnp.zeros(2)}, optax.sgd(0.1), jnp.int32(0))
    new, metrics = train.make_step(draw, optax.sgd(0.1), accumulate=3)(state, KEY, jnp.arange(6.0), None)
    expected = np.mean([jax.random.normal(key) for key in jax.random.split(KEY, 3)])
    np.testing.assert_allclose(metrics["draw"], expected, rtol=1e-6)
    assert (int(new.model_state), float(metrics["first"]), set(metrics)) == (3, 2.0, {"loss", "draw", "first"})


def test_a_batch_that_cannot_be_cut_is_refused():
    step = train.make_step(loss_fn, make_optimizer, accumulate=3)
    with pytest.raises(ValueError, match=r"^step: accumulate must divide the rows of the batch; got 3 for \(4, 3\)"):
        step(make_state(), KEY, BATCH, HYPER)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_number_of_micro_batches_that_is_no_count_is_refused(value, error):
    with pytest.raises(error, match=r"^make_step: accumulate must be"):
        train.make_step(loss_fn, make_optimizer, accumulate=value)


# Mixed precision.


def test_the_loss_computes_in_bfloat16_and_everything_that_is_kept_stays_float32():
    seen = []

    def normalized_loss(params, stats, key, batch, hyper):
        seen.append((params["kernel"].dtype, batch[0].dtype, batch[2].dtype))
        x, stats = norm.batch_norm(params["norm"], stats, batch[0] @ params["kernel"], decay=0.5)
        return jnp.mean((x - batch[1]) ** 2), (stats, {"mean": jnp.mean(x)})

    norm_params, stats = norm.init_batch_norm(2)
    params = {"kernel": jax.random.normal(KEY, (3, 2)), "norm": norm_params}
    batch = (jax.random.normal(jax.random.key(1), (16, 3)), jnp.ones((16, 2)), jnp.arange(16))
    found = []
    with jax.numpy_rank_promotion("allow"):
        for dtype in (None, jnp.bfloat16):
            state = train.init_state(params, optax.sgd(0.1, momentum=0.9), stats)
            step = jax.jit(train.make_step(normalized_loss, optax.sgd(0.1, momentum=0.9), compute_dtype=dtype))
            found.append(step(state, KEY, batch, None))
    assert seen[-1] == (jnp.bfloat16, jnp.bfloat16, jnp.int32)
    jax.tree.map(lambda wide, narrow: np.testing.assert_allclose(narrow, wide, rtol=0.02, atol=0.02), *found)
    floats = {leaf.dtype for leaf in jax.tree.leaves(found[1]) if jnp.issubdtype(leaf.dtype, jnp.floating)}
    assert floats == {jnp.dtype("float32")}
    assert (found[0][0].params["kernel"] != found[1][0].params["kernel"]).any()


@pytest.mark.parametrize("dtype", [jnp.int8, bool])
def test_a_dtype_of_no_floats_is_refused(dtype):
    with pytest.raises(TypeError, match=r"^make_step: compute_dtype must be a dtype of floats"):
        train.make_step(loss_fn, make_optimizer, compute_dtype=dtype)


# What a step may be given.


@pytest.mark.parametrize("leaf", [jnp.arange(2), "name", jax.random.key(0), 1.0], ids=["int", "str", "key", "float"])
def test_a_param_that_cannot_be_trained_is_named(leaf):
    state = train.TrainState({"dense": {"size": leaf}}, (), (), jnp.int32(0))
    with pytest.raises(TypeError, match=r"^step: params must hold arrays of floats; at dense/size it has"):
        train.make_step(loss_fn, make_optimizer)(state, KEY, BATCH, HYPER)


def test_a_donated_state_may_not_hold_one_buffer_twice():
    """jax-ml/jax#2936: params that are their own first average."""
    params = jnp.ones(3)
    step = train.make_step(lambda params, ema, key, batch, hyper: (jnp.sum(params**2), (ema, {})), optax.sgd(0.1))
    donating = jax.jit(step, donate_argnums=0)
    with pytest.raises(Exception, match="same buffer twice"):
        jax.block_until_ready(donating(train.init_state(params, optax.sgd(0.1), params), KEY, (), None))
    copied = train.init_state(jnp.ones(3), optax.sgd(0.1), jnp.ones(3))
    assert int(donating(copied, KEY, (), None)[0].step) == 1


def test_a_donating_step_runs_under_debug_nans():
    """jax-ml/jax#12514."""
    step = jax.jit(train.make_step(loss_fn, make_optimizer), donate_argnums=0)
    with jax.debug_nans(True):
        state, _ = step(make_state(), KEY, BATCH, HYPER)
    assert int(state.step) == 1


def test_steps_move_nothing_between_host_and_device():
    step = jax.jit(train.make_step(loss_fn, make_optimizer, accumulate=2))
    state, hyper = make_state(), jax.tree.map(jnp.float32, HYPER)
    state, _ = step(state, KEY, BATCH, hyper)
    with jax.transfer_guard("disallow"):
        for _ in range(3):
            state, _ = step(state, KEY, BATCH, hyper)
    assert int(state.step) == 4


def test_one_trace_serves_every_step_of_a_schedule():
    traces = 0

    def counted(*args):
        nonlocal traces
        traces += 1
        return loss_fn(*args)

    optimizer = optax.sgd(optax.linear_schedule(0.1, 0.0, 3))
    step = jax.jit(train.make_step(counted, optimizer))
    state = train.init_state(make_state().params, optimizer, {"calls": jnp.int32(0)})
    for _ in range(5):
        state, _ = step(state, KEY, BATCH, HYPER)
    assert traces == 1


def test_no_tracer_stays_behind():
    with jax.checking_leaks():
        jax.jit(train.make_step(loss_fn, make_optimizer, accumulate=2))(make_state(), KEY, BATCH, HYPER)


def test_a_wrapped_gradient_sees_the_hyperparameters_and_both_of_its_passes_one_key():
    def wrap(grad_fn, hyper):
        return optim.sam_gradient(grad_fn, hyper["rho"])

    optimizer, key = optax.sgd(0.1), jax.random.key(3)
    hyper = {"rate": 0.5, "rho": 0.2}

    def loss(params, model_state, key, batch, hyper):
        hidden = noise.dropout(key, batch[0], hyper["rate"]) @ params["w"]
        return jnp.mean((hidden - batch[1]) ** 2), (model_state, {})

    params, batch = {"w": jnp.full((3, 2), 0.3)}, (jnp.ones((4, 3)), jnp.zeros((4, 2)))
    step = jax.jit(train.make_step(loss, optimizer, wrap_gradient=wrap))
    state, metrics = step(train.init_state(params, optimizer), key, batch, hyper)

    def value_and_grad(params):
        return jax.value_and_grad(lambda p: loss(p, (), key, batch, hyper)[0])(params)

    value, first = value_and_grad(params)
    ascended = params["w"] + 0.2 * first["w"] / jnp.linalg.norm(first["w"])
    _, second = value_and_grad({"w": ascended})
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-6)
    np.testing.assert_allclose(state.params["w"], params["w"] - 0.1 * second["w"], rtol=1e-5)
