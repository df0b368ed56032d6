"""How often things are traced and compiled: strengths are data, so no value of one costs a compilation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import augment, noise, norm, optim, penalty, targets, train

X = jax.random.normal(jax.random.key(0), (32, 4))
Y = jax.nn.one_hot(jnp.arange(32) % 3, 3)
PARAMS = {"kernel": jnp.ones((4, 3)), "bias": jnp.zeros(3)}
HYPER = {"rate": 0.1, "decay": 0.1, "l1": 0.1, "smoothing": 0.1, "alpha": 0.1, "patience": 3.0}


def count_traces(function):
    """The function, jitted, and a list that grows by one per trace."""
    traces = []

    def traced(*args):
        traces.append(None)
        return function(*args)

    return jax.jit(traced), traces


def loss_fn(params, stats, key, batch, hyper):
    mix_key, weights_key, drop_key = jax.random.split(key, 3)
    x, y = augment.mixup(mix_key, batch, hyper["alpha"])
    weights = noise.dropconnect(weights_key, params, hyper["rate"])
    x = noise.dropout(drop_key, x, hyper["rate"])
    x, stats = norm.batch_norm(*norm.init_batch_norm(4), x)
    logits = x @ weights["kernel"] + weights["bias"][None]
    loss = targets.smoothed_cross_entropy(logits, y, hyper["smoothing"])
    return loss + hyper["l1"] * penalty.l1(params), (stats, {})


def optimizer(hyper):
    decayed = optim.with_decoupled_decay(optax.sgd(0.1), hyper["decay"], learning_rate=0.1)
    return optax.chain(optim.add_l2(hyper["decay"]), decayed, optim.prox_l1(hyper["l1"], 0.1))


def evaluate(state, batch, hyper):
    return {"loss": jnp.mean((batch[0] @ state.params["kernel"] - batch[1]) ** 2)}


def fresh_state():
    return train.init_state(PARAMS, optimizer(HYPER), norm.init_batch_norm(4)[1])


def settings(values):
    return [jax.tree.map(lambda _, value=value: jnp.float32(value), HYPER) for value in values]


def test_a_step_is_traced_once_for_all_strengths():
    step, traces = count_traces(train.make_step(loss_fn, optimizer))
    state = fresh_state()
    for hyper in settings([0.0, 0.1, 0.5, 1.0]):
        state, _ = step(state, jax.random.key(0), (X, Y), hyper)
    assert len(traces) == 1


def test_python_numbers_share_one_trace_too():
    step, traces = count_traces(train.make_step(loss_fn, optimizer))
    for value in (0.1, 0.2):
        step(fresh_state(), jax.random.key(0), (X, Y), jax.tree.map(lambda _, value=value: value, HYPER))
    assert len(traces) == 1


def test_a_fit_is_traced_once_for_all_strengths_and_its_loss_a_fixed_number_of_times():
    traces_of_loss = []

    def counted(*args):
        traces_of_loss.append(None)
        return loss_fn(*args)

    step = train.make_step(counted, optimizer)

    def fit(key, hyper):
        return train.fit(
            step,
            evaluate,
            fresh_state(),
            key,
            (X, Y),
            (X, Y),
            hyper,
            batch_size=8,
            epochs=3,
            patience=hyper["patience"],
        )

    run, traces = count_traces(fit)
    for hyper in settings([0.1, 0.2, 0.3]):
        run(jax.random.key(0), hyper)
    assert len(traces) == 1
    assert len(traces_of_loss) <= 3


def test_a_sweep_is_compiled_once_for_many_calls_of_one_shape():
    traces = []

    def fit_one(key, hyper):
        traces.append(None)
        return jnp.mean(noise.dropout(key, jnp.ones(64), hyper["rate"]))

    keys = jax.random.split(jax.random.key(0), 4)
    for rates in ([0.1, 0.2], [0.3, 0.4], [0.5, 0.6, 0.7, 0.8]):
        train.sweep(fit_one, keys, {"rate": np.array(rates, np.float32)}, chunk_size=8)
    assert len(traces) == 1


def test_a_schedule_is_not_retraced_as_its_step_changes():
    schedule = optax.linear_schedule(0.0, 1.0, 10)
    optimizers = optim.with_decoupled_decay(optax.sgd(0.1), schedule)
    update, traces = count_traces(optimizers.update)
    state = optimizers.init(PARAMS)
    for _ in range(3):
        _, state = update(PARAMS, state, PARAMS)
    assert len(traces) == 1


def test_a_layer_leaves_no_jit_of_its_own_in_an_outer_jaxpr():
    jaxpr = jax.make_jaxpr(lambda key, x: noise.dropout(key, x, 0.5))(jax.random.key(0), X)
    assert {str(equation.primitive) for equation in jaxpr.eqns} <= {"name", "checkpoint", "remat2", "stop_gradient"}


def test_blocks_of_spectrograms_are_masked_in_one_pass():
    program = jax.jit(augment.spec_augment).lower(jax.random.key(0), jnp.ones((64, 256, 80)), 27.0, 100.0).compile()
    assert program.memory_analysis().temp_size_in_bytes < 64 * (256 + 80) * 16


def test_masks_of_one_size_are_no_loop_and_no_array():
    compiled = jax.jit(noise.dropout).lower(jax.random.key(0), jnp.ones((256, 1024)), 0.5).compile()
    assert "while" not in compiled.as_text()
    assert compiled.memory_analysis().temp_size_in_bytes < 1024


def num_equations(jaxpr):
    """The equations of a jaxpr and of those inside it."""
    inside = (value for equation in jaxpr.eqns for value in jax.tree.leaves(list(equation.params.values())))
    jaxprs = (getattr(value, "jaxpr", value) for value in inside)
    return len(jaxpr.eqns) + sum(num_equations(one) for one in jaxprs if hasattr(one, "eqns"))


def test_a_site_of_dropout_is_small():
    """Forward and backward, it once took 280 equations: small models spent their time in tracing and compiling them."""

    def loss(x, key, rate):
        return jnp.sum(jnp.sin(noise.dropout(key, jnp.cos(x), rate)))

    x, rate = jnp.ones((2, 3, 4)), jnp.float32(0.1)
    with_key, without = (
        num_equations(jax.make_jaxpr(jax.grad(loss))(x, key, rate).jaxpr) for key in (jax.random.key(0), None)
    )
    assert with_key - without < 160
