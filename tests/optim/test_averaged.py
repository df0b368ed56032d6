"""Several averages in one chain: each has a name and a mask, and all come back from a checkpoint."""

import subprocess
import sys
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim, train
from tests.optim.table import assert_close_trees, assert_equal_trees, tree
from tests.optim.test_average import GRADIENTS, SGD, run, weighted_mean

MAKERS = {
    "exponential": lambda **options: optim.average_params(0.9, **options),
    "tail": lambda **options: optim.average_params(1.0, start=2, **options),
    "power": lambda **options: optim.power_average(0.1, **options),
    "latest": lambda **options: optim.latest_average(3, **options),
}
pytestmark = pytest.mark.sampled(2)
every_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def all_kinds(**options):
    return optax.chain(SGD, *(make(name=name, **options) for name, make in MAKERS.items()))


@cache
def alone(make):
    return run(optax.chain(SGD, make()))


def test_each_average_of_a_chain_is_what_it_is_alone():
    path, state = run(all_kinds())
    for name, make in MAKERS.items():
        assert_equal_trees(optim.averaged_params(state, name=name), optim.averaged_params(alone(make)[1]))
    assert_close_trees(optim.averaged_params(state, name="latest"), weighted_mean(path[-3:], [1.0] * 3))
    assert_close_trees(optim.averaged_params(state, name="tail"), weighted_mean(path[2:], [1.0] * 4))


def test_an_average_that_is_not_there_or_not_told_raises():
    state = all_kinds().init(tree())
    held = "it holds 'exponential', 'tail', 'power', 'latest'"
    with pytest.raises(ValueError, match=f"opt_state must hold one average, or name must tell which; {held}"):
        optim.averaged_params(state)
    with pytest.raises(ValueError, match=f"averaged_params: opt_state must hold one average named 'slow'; {held}"):
        optim.averaged_params(state, name="slow")
    with pytest.raises(ValueError, match="opt_state must hold one average, or name must tell which; it holds none"):
        optim.averaged_params(SGD.init(tree()))
    twice = optax.chain(SGD, optim.average_params(0.9), optim.power_average(0.1))
    with pytest.raises(ValueError, match="must hold one average named 'average'; it holds 'average', 'average'"):
        optim.averaged_params(twice.init(tree()), name="average")


@every_kind
def test_a_name_is_text(make):
    for name in (None, "", 3):
        with pytest.raises(TypeError, match="name must be a string"):
            make(name=name)


@every_kind
@pytest.mark.parametrize("mask", [optim.kernels, {"dense": {"kernel": True, "bias": False}, "head": True}], ids=repr)
def test_what_a_mask_leaves_out_takes_no_memory_and_is_the_weights_themselves(make, mask):
    path, state = run(optax.chain(SGD, make(mask=mask)))
    average, expected = optim.averaged_params(state), optim.averaged_params(alone(make)[1])
    assert len(jax.tree.leaves(average)) == 2
    assert not any(leaf.shape[-1:] == (3,) and leaf.ndim == 1 for leaf in jax.tree.leaves(state[-1]))
    expected = {**expected, "dense": {**expected["dense"], "bias": path[-1]["dense"]["bias"]}}
    assert_equal_trees(optim.averaged_params(state, params=path[-1]), expected)


@every_kind
def test_elements_outside_a_mask_and_integers_follow_the_weights(make):
    rows = np.array([[True], [False]])
    params = {"w": jnp.ones((2, 3)), "steps": jnp.array(3)}
    optimizer = make(mask=lambda tree: {"w": rows, "steps": True})
    traced = jax.jit(lambda rows, state, u: make(mask={"w": rows, "steps": True}).update(u, state, params)[1])
    state = other = optimizer.init(params)
    for value in (1.0, 2.0, 1.0, 3.0):
        updates = {"w": jnp.full((2, 3), value), "steps": jnp.array(int(value))}
        state, other = optimizer.update(updates, state, params)[1], traced(rows, other, updates)
    average = optim.averaged_params(state)
    assert_close_trees(average, optim.averaged_params(other))
    assert average["steps"] == 6
    np.testing.assert_allclose(average["w"][1], 4.0)
    assert (average["w"][0] < 4.0).all()


@every_kind
def test_a_mask_that_selects_nothing_raises(make):
    with pytest.raises(ValueError, match="mask must select at least one leaf"):
        make(mask={"dense": False, "head": False}).init(tree())


@every_kind
def test_given_params_the_average_has_their_dtypes(make):
    params = tree(jnp.bfloat16)
    _, state = make().update(params, make().init(params), params)
    assert optim.averaged_params(state)["head"][0].dtype == jnp.float32
    found = optim.averaged_params(state, params=params)
    assert jax.tree.map(jax.typeof, found) == jax.tree.map(jax.typeof, params)
    for bad in ({"dense": params["dense"]}, jax.tree.map(lambda leaf: leaf[:1], params)):
        with pytest.raises(
            ValueError, match=r"averaged_params: params must have the (structure|shapes) of the average"
        ):
            optim.averaged_params(state, params=bad)


@every_kind
def test_it_reads_the_lanes_of_a_sweep(make):
    def last(scale):
        optimizer = optax.chain(SGD, make())
        params = jax.tree.map(lambda leaf: scale * leaf, tree())
        state, _ = jax.lax.scan(
            lambda state, _: (optimizer.update(params, state, params)[1], None), optimizer.init(params), length=4
        )
        return state

    states = jax.vmap(jax.vmap(last))(jnp.array([[1.0, 2.0]]))
    lane = jax.tree.map(lambda leaf: leaf[0, 1], optim.averaged_params(states))
    assert_close_trees(lane, optim.averaged_params(last(2.0)))


@every_kind
def test_under_optax_masked_and_partition_the_rest_is_filled_in(make):
    labels = {"dense": {"kernel": "averaged", "bias": "plain"}, "head": "plain"}
    partitioned = optax.partition({"averaged": optax.chain(SGD, make()), "plain": SGD}, labels)
    path, state = run(partitioned, gradients=GRADIENTS[:3])
    _, whole = run(optax.chain(SGD, make()), gradients=GRADIENTS[:3])
    found = optim.averaged_params(state, params=path[-1])
    assert_equal_trees(found["dense"]["kernel"], optim.averaged_params(whole)["dense"]["kernel"])
    assert_equal_trees(found["head"], path[-1]["head"])


@every_kind
def test_updates_pass_unchanged_and_the_state_keeps_its_types(make):
    optimizer, params = make(), tree()
    state = optimizer.init(params)
    updates, new = jax.jit(optimizer.update)(GRADIENTS[0], state, params)
    assert_equal_trees(updates, GRADIENTS[0])
    assert jax.tree.map(jax.typeof, new) == jax.tree.map(jax.typeof, state)
    with pytest.raises(ValueError, match="params must be given to update"):
        optimizer.update(updates, state)
    with pytest.raises(ValueError, match="updates must have the structure of params"):
        optimizer.update({"dense": updates["dense"]}, state, params)


@every_kind
def test_params_and_state_may_be_donated(make):
    optimizer, params = optax.chain(SGD, make()), tree()
    state = optimizer.init(params)
    held = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((params, state))]
    assert len(set(held)) == len(held)


def test_checkpoints_restore_every_average_and_tell_their_names_apart(tmp_path):
    checkpoints, optimizer = train.Checkpoints(tmp_path), all_kinds(mask=optim.kernels)
    path, state = run(optimizer, gradients=GRADIENTS[:4])
    checkpoints.save(state, 4, {})
    restored = checkpoints.restore(optimizer.init(tree()))
    assert_equal_trees(restored, state)
    for gradient in GRADIENTS[4:]:
        state, restored = (optimizer.update(gradient, one, path[-1])[1] for one in (state, restored))
    for name in MAKERS:
        assert_equal_trees(*(optim.averaged_params(one, name=name) for one in (state, restored)))
    swapped = optax.chain(SGD, *(MAKERS[name](name=other) for name, other in zip(MAKERS, [*MAKERS][::-1], strict=True)))
    with pytest.raises(ValueError, match="exponential"):
        checkpoints.restore(swapped.init(tree()))


def test_a_fit_validates_an_average_of_some_of_the_weights():
    x = jnp.linspace(-1.0, 1.0, 12)[:, None] * jnp.array([[1.0, 0.5]])
    optimizer = optax.chain(optax.sgd(0.3), optim.average_params(1.0, mask={"w": True, "b": False}))

    def loss(params, batch):
        return jnp.mean((batch @ params["w"] + params["b"] - batch[:, 0]) ** 2)

    step = train.make_step(lambda params, _, key, batch, hyper: (loss(params, batch), ((), {})), optimizer)
    evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss(params, batch)})
    start = train.init_state({"w": jnp.zeros(2), "b": jnp.ones(())}, optimizer)

    def averaged(state):
        return state._replace(params=optim.averaged_params(state.opt_state, params=state.params))

    result = train.fit(step, evaluate, start, jax.random.key(0), x, x, None, batch_size=4, epochs=3, validated=averaged)
    np.testing.assert_allclose(result.valid_history["loss"][-1], loss(averaged(result.last).params, x), rtol=1e-5)
    assert_equal_trees(averaged(result.last).params["b"], result.last.params["b"])
    assert jnp.abs(averaged(result.last).params["w"] - result.last.params["w"]).max() > 1e-3


def test_making_an_average_chooses_no_device():
    code = (
        "import jax, optax; from jreg import optim; from jax._src import xla_bridge;"
        "optim.average_params(0.9, start=2, every=3, warmup=4), optim.power_average(0.1);"
        "optim.latest_average(2, every=2), optim.swa_schedule(0.1, 0.1, 0.1, start=3); assert not xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
