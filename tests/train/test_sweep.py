"""A sweep: the same as a loop over settings and seeds, on any number of devices, in chunks of any size."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import noise, random, train
from jreg.train import _lanes

KEYS = jax.random.split(jax.random.key(7), 3)
HYPERS = {"rate": jnp.array([0.0, 0.2, 0.5, 0.8, 1.0]), "scale": jnp.arange(10.0).reshape(5, 2)}
DATA = jax.random.normal(jax.random.key(1), (16, 4))


def lane(key, hyper):
    """Something that depends on key and setting, with results of several shapes and types."""
    drop_key, child = random.split(key)
    dropped = noise.dropout(drop_key, jnp.ones(32), hyper["rate"])
    return {"dropped": dropped, "sum": jnp.sum(hyper["scale"]), "count": jnp.sum(dropped == 0), "key": child}


def fit_lane(key, hyper):
    """A run with early stopping, in which every lane stops at an epoch of its own."""

    def loss_fn(params, model_state, key, batch, hyper):
        error = noise.dropout(key, batch, hyper["rate"]) @ params - batch[:, :1]
        return jnp.mean(error**2), (model_state, {})

    optimizer = optax.sgd(hyper["learning_rate"])
    init_key, fit_key = random.split(key)
    state = train.init_state(jax.random.normal(init_key, (4, 1)), optimizer)
    judge = train.make_eval(lambda params, _, batch, hyper: {"loss": jnp.mean((batch @ params - batch[:, :1]) ** 2)})
    return train.fit(
        train.make_step(loss_fn, optimizer), judge, state, fit_key, DATA, DATA[:5], hyper,
        batch_size=8, epochs=8, patience=1,
    )  # fmt: skip


def looped(fit_one, keys, hypers):
    """The same with two loops of single calls."""
    single = jax.jit(fit_one)
    rows = []
    for index in range(jax.tree.leaves(hypers)[0].shape[0]):
        hyper = jax.tree.map(lambda leaf, index=index: leaf[index], hypers)
        rows.append(jax.tree.map(lambda *leaves: jnp.stack(leaves), *[single(key, hyper) for key in keys]))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)


def assert_equal(got, expected):
    def compare(a, b):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)

    jax.tree.map(compare, got, expected)


@pytest.fixture(scope="module")
def expected():
    return looped(lane, KEYS, HYPERS)


@pytest.mark.parametrize("num_devices", [1, 2, 3, 8])
def test_a_sweep_is_two_loops_on_any_number_of_devices(num_devices, expected):
    result = train.sweep(lane, KEYS, HYPERS, devices=jax.devices()[:num_devices])
    assert result["dropped"].shape == (5, 3, 32)
    assert_equal(result, expected)


def test_a_sweep_over_fits_is_the_fits_one_by_one():
    hypers = {"rate": jnp.array([0.0, 0.3, 0.6]), "learning_rate": jnp.array([0.05, 0.3, 0.6])}
    result = train.sweep(fit_lane, KEYS[:2], hypers, devices=jax.devices()[:4])
    expected = looped(fit_lane, KEYS[:2], hypers)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), result, expected)
    assert len(set(result.stopped_epoch.ravel().tolist())) > 1
    assert result.valid_history["loss"].shape == (3, 2, 8)


def test_every_setting_meets_the_same_seeds():
    result = train.sweep(lane, KEYS, HYPERS)
    np.testing.assert_array_equal(*(jax.random.key_data(result["key"][i]) for i in (0, 4)))
    masks = np.asarray(result["dropped"] != 0)
    assert (masks[1] >= masks[2]).all()
    assert (masks[2] >= masks[3]).all()


@pytest.mark.parametrize("chunk_size", [1, 4, 7, 100])
def test_chunks_of_any_size_give_the_same(chunk_size, expected):
    devices = jax.devices()[:2]
    calls = []
    result = train.sweep(
        lane, KEYS, HYPERS, devices=devices, chunk_size=chunk_size, progress=lambda *call: calls.append(call)
    )
    assert_equal(result, expected)
    chunk = min(-(-min(chunk_size, 15) // 2) * 2, 16)
    assert calls == [(min(done, 15), 15) for done in range(chunk, 15 + chunk, chunk)]


@pytest.mark.parametrize("lanes_at_once", [1, 3, 100])
def test_any_number_of_lanes_may_run_together(lanes_at_once, expected):
    assert_equal(train.sweep(lane, KEYS, HYPERS, devices=jax.devices()[:2], lanes_at_once=lanes_at_once), expected)


def test_what_fits_a_cache_runs_together_and_what_stops_for_itself_runs_alone():
    def carry(size, patience):
        def fit_one(key, hyper):
            step = train.make_step(
                lambda params, state, key, batch, hyper: (jnp.sum(params), (state, {})), optax.sgd(0.1)
            )
            state = train.init_state(jnp.zeros(size), optax.sgd(0.1))
            evaluate = train.make_eval(lambda params, *_: {"loss": jnp.sum(params)})
            data = jnp.zeros(4)
            return train.fit(step, evaluate, state, key, data, data, hyper, batch_size=2, epochs=2, patience=patience)

        return jax.make_jaxpr(jax.jit(fit_one))(KEYS[0], 0.5).jaxpr

    assert [_lanes.lanes_in_cache(carry(size, None)) for size in (1, 2**15, 2**20)] == [32, 3, 1]
    assert _lanes.lanes_in_cache(carry(1, 2)) == 1
    assert _lanes.lanes_in_cache(jax.make_jaxpr(lane)(KEYS[0], jax.tree.map(lambda leaf: leaf[0], HYPERS)).jaxpr) == 32


def test_progress_of_one_chunk_is_told_once():
    calls = []
    train.sweep(lane, KEYS, HYPERS, progress=lambda *call: calls.append(call))
    assert calls == [(15, 15)]


def test_one_setting_and_one_seed_are_a_sweep(expected):
    result = train.sweep(lane, KEYS[:1], jax.tree.map(lambda leaf: leaf[1:2], HYPERS))
    assert_equal(result, jax.tree.map(lambda leaf: leaf[1:2, :1], expected))


def test_repeated_calls_compile_once():
    traces = 0

    def counted(key, hyper):
        nonlocal traces
        traces += 1
        return jax.random.normal(key) * hyper

    first = train.sweep(counted, KEYS, jnp.arange(4.0))
    traced = traces
    second = train.sweep(counted, jax.random.split(jax.random.key(8), 3), jnp.arange(4.0) + 1.0)
    train.sweep(counted, KEYS, np.arange(4.0, dtype=np.float32), progress=lambda *call: None)
    assert traces == traced
    assert (first != second).all()


def test_chunks_share_one_program():
    traces = 0

    def counted(key, hyper):
        nonlocal traces
        traces += 1
        return jax.random.normal(key) * hyper

    train.sweep(counted, KEYS, jnp.arange(4.0), chunk_size=1, devices=jax.devices()[:1])
    assert traces == 1


def test_lists_of_devices_and_numpy_settings_will_do(expected):
    hypers = jax.tree.map(np.asarray, HYPERS)
    assert_equal(train.sweep(lane, KEYS, hypers, devices=list(jax.devices()[2:4])), expected)


@pytest.mark.parametrize("used", [slice(1), slice(1, 2), slice(4)], ids=["the same device", "another", "several"])
def test_settings_and_seeds_may_lie_on_a_device_already(used, expected):
    keys, hypers = jax.device_put((KEYS, HYPERS), jax.devices()[0])
    assert_equal(train.sweep(lane, keys, hypers, devices=jax.devices()[used]), expected)


def test_the_data_of_a_run_may_lie_on_a_device_already():
    data = jax.device_put(DATA, jax.devices()[0])
    result = train.sweep(lambda key, hyper: jnp.sum(data) * hyper, KEYS, jnp.arange(2.0), devices=jax.devices()[:4])
    np.testing.assert_allclose(result, jnp.sum(DATA) * jnp.array([[0.0] * 3, [1.0] * 3]), rtol=1e-6)


def test_the_results_of_a_sweep_can_be_settings_of_the_next():
    scores = train.sweep(lane, KEYS, HYPERS)["count"].mean(1)
    best = {"rate": scores[:2] / 32.0, "scale": HYPERS["scale"][:2]}
    assert train.sweep(lane, KEYS, best)["count"].shape == (2, 3)


def test_a_sweep_can_be_part_of_a_jitted_program(expected):
    jitted = jax.jit(lambda keys, hypers: train.sweep(lane, keys, hypers))(KEYS, HYPERS)
    assert_equal(jitted, expected)


@pytest.mark.parametrize(
    "keys",
    [jax.random.key(0), KEYS[:0], KEYS[:, None], None, 3, jnp.zeros((3, 2), jnp.uint32), [KEYS[0], KEYS[1]]],
    ids=["one key", "none", "a matrix", "None", "an int", "legacy", "a list"],
)
def test_what_is_no_array_of_keys_is_refused(keys):
    with pytest.raises(ValueError, match=r"^sweep: keys must be an array of keys, such as jax.random.split\(key, 10\)"):
        train.sweep(lane, keys, HYPERS)


@pytest.mark.parametrize(
    "hypers",
    [{"a": jnp.ones(2), "b": jnp.ones(3)}, {"a": jnp.array(1.0)}, {}, None, jnp.ones((0, 2))],
    ids=repr,
)
def test_settings_without_one_length_are_refused(hypers):
    with pytest.raises(ValueError, match=r"^sweep: hypers must hold arrays of one length"):
        train.sweep(lane, KEYS, hypers)


@pytest.mark.parametrize(("chunk_size", "error"), [(0, ValueError), (-2, ValueError), (2.0, TypeError)])
def test_chunks_that_are_no_count_are_refused(chunk_size, error):
    with pytest.raises(error, match=r"^sweep: chunk_size must be"):
        train.sweep(lane, KEYS, HYPERS, chunk_size=chunk_size)


@pytest.mark.parametrize(("lanes_at_once", "error"), [(0, ValueError), (1.0, TypeError)])
def test_lanes_at_once_that_are_no_count_are_refused(lanes_at_once, error):
    with pytest.raises(error, match=r"^sweep: lanes_at_once must be"):
        train.sweep(lane, KEYS, HYPERS, lanes_at_once=lanes_at_once)


def test_a_sweep_on_no_device_is_refused():
    with pytest.raises(ValueError, match=r"^sweep: devices must"):
        train.sweep(lane, KEYS, HYPERS, devices=[])


def test_hypers_that_are_no_arrays_are_named():
    for hypers, message in (
        ({"a": 0.5}, r"^sweep: hypers must hold arrays; at a it has 0.5. Write jnp.array\(\[...\]\)$"),
        ({"rate": [0.1]}, r"at rate/0 it has 0.1. A list is a tree of its elements: write jnp.array\(\[...\]\)$"),
        ({"name": ["adam"]}, r"^sweep: hypers must hold arrays; at name/0 it has 'adam', which is no number$"),
        ({"name": np.array(["adam"])}, r"at name it has dtype <U4, which JAX does not have$"),
        ({"a": np.ones(2, ">f4")}, r"at a it has dtype >f4, which JAX does not have$"),
    ):
        with pytest.raises(TypeError, match=message):
            train.sweep(lane, KEYS, hypers)
    with pytest.raises(TypeError, match=r"^sweep: fit_one must be a function \(key, hyper\) -> results; got None$"):
        train.sweep(None, KEYS, HYPERS)


@pytest.mark.parametrize("value", [2**40 + 3, np.float64(1e39), np.uint32(2**32 - 1).astype(np.uint64) + 1, np.nan])
def test_settings_that_would_not_run_as_written_are_refused(value):
    with pytest.raises(
        ValueError, match=r"^sweep: hypers/n must hold (no NaN|numbers that fit into (u?int|float)32); got"
    ):
        train.sweep(lane, KEYS, {"n": np.array([value, value])})
    infinite = train.sweep(lambda key, hyper: hyper["n"], KEYS[:1], {"n": np.array([np.inf, 2.0**100])})
    np.testing.assert_array_equal(infinite, [[np.inf], [2.0**100]])
