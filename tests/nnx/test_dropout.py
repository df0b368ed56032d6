"""The layers that drop: flax's semantics of `deterministic`, `rngs`, streams and transforms, and masks of jreg."""

import inspect
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as flax_nnx

from jreg import nnx, noise

X = jnp.ones((4, 10))
LAYERS = {
    "Dropout": (partial(nnx.Dropout, 0.5), partial(noise.dropout, rate=0.5)),
    "SpatialDropout": (
        partial(nnx.SpatialDropout, 0.5, spatial_axes=1),
        partial(noise.spatial_dropout, rate=0.5, spatial_axes=1),
    ),
    "AlphaDropout": (partial(nnx.AlphaDropout, 0.5), partial(noise.alpha_dropout, rate=0.5)),
    "AlphaDropout, shared": (
        partial(nnx.AlphaDropout, 0.5, broadcast_dims=(0, -2)),
        partial(noise.alpha_dropout, rate=0.5, shared_axes=0),
    ),
    "VariationalDropout": (
        partial(nnx.VariationalDropout, 0.5, time_axis=0),
        partial(noise.variational_dropout, rate=0.5, time_axis=0),
    ),
    "DropBlock": (
        partial(nnx.DropBlock, 0.5, block_size=2, spatial_axes=1),
        partial(noise.dropblock, rate=0.5, block_size=2, spatial_axes=1),
    ),
    "GaussianDropout": (partial(nnx.GaussianDropout, 0.5), partial(noise.gaussian_dropout, rate=0.5)),
    "GaussianNoise": (partial(nnx.GaussianNoise, 0.5), partial(noise.gaussian_noise, std=0.5)),
    "StochasticDepth": (partial(nnx.StochasticDepth, 0.5), partial(noise.stochastic_depth, rate=0.5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_its_function_with_a_key_of_its_own_stream(name):
    make, function = LAYERS[name]
    layer = make(rngs=flax_nnx.Rngs(0))
    key = flax_nnx.Rngs(0).dropout.fork()()
    np.testing.assert_array_equal(layer(X), function(key, X))
    assert layer.rngs.count[...] == 1
    np.testing.assert_array_equal(layer(X, rngs=key), function(key, X))
    np.testing.assert_array_equal(layer(X, rngs=flax_nnx.Rngs(0).fork()), function(key, X))
    assert layer.rngs.count[...] == 1
    np.testing.assert_array_equal(layer(X, deterministic=True), function(None, X))
    layer.eval()
    np.testing.assert_array_equal(layer(X), function(None, X))
    layer.train()
    assert not np.array_equal(layer(X), X)
    view = flax_nnx.view(layer, deterministic=True)
    np.testing.assert_array_equal(view(X), function(None, X))


@pytest.mark.parametrize("name", LAYERS)
def test_missing_arguments_are_named_as_flax_names_them(name):
    make = LAYERS[name][0]
    layer, name = make(), make.func.__name__
    with pytest.raises(ValueError, match=f"`deterministic` is False, but no `rngs` argument was provided to {name}"):
        layer(X)
    with pytest.raises(TypeError, match=r"rngs must be a Rngs, RngStream or jax\.Array, but got"):
        layer(X, rngs=0)
    layer.deterministic = None
    with pytest.raises(ValueError, match=f"No `deterministic` argument was provided to {name}"):
        layer(X)
    with pytest.raises(TypeError, match="rngs must be a Rngs, RngStream or None, but got"):
        make(rngs=0)


def test_dropout_is_made_and_called_as_flax_makes_and_calls_its_own():
    options = {"broadcast_dims": (0,), "deterministic": True, "rng_collection": "noise"}
    mine, theirs = (make(0.5, **options, rngs=flax_nnx.Rngs(noise=1)) for make in (nnx.Dropout, flax_nnx.Dropout))
    assert isinstance(mine, flax_nnx.Dropout)
    shown = [str(flax_nnx.state(layer)) for layer in (mine, theirs)]
    assert shown[0] == shown[1]
    y = mine(X, deterministic=False)
    np.testing.assert_array_equal(y, jnp.tile(y[:1], (4, 1)))
    np.testing.assert_array_equal(y, noise.dropout(flax_nnx.Rngs(noise=1).noise.fork()(), X, 0.5, shared_axes=0))


def test_rates_zero_and_one_need_no_stream():
    for make in (nnx.Dropout, flax_nnx.Dropout):
        np.testing.assert_array_equal(make(0.0)(X), X)
        np.testing.assert_array_equal(make(1.0)(X), jnp.zeros_like(X))
        np.testing.assert_array_equal(make(1.0, deterministic=True)(X), X)


@pytest.mark.parametrize("inputs", [jnp.arange(3), jnp.ones(3, bool), np.ones(3), 1.5, [1.0, 2.0], None])
def test_what_is_not_dropped_is_returned_as_it_is_as_in_flax(inputs):
    for make in (nnx.Dropout, flax_nnx.Dropout):
        for rate in (0.5, 1.0, 1.2):
            assert make(rate, deterministic=True)(inputs) is inputs
        assert make(0.0)(inputs) is inputs


@pytest.mark.parametrize("rate", [0, False, np.float32(0), jnp.float32(0), 1, np.float32(1), jnp.float32(1)])
def test_rates_known_to_be_zero_or_one_ask_for_no_stream_as_in_flax(rate):
    mine, theirs = (make(rate)(X) for make in (nnx.Dropout, flax_nnx.Dropout))
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("broadcast_dims", [(1, 1), (1, -1), [1], 1])
def test_an_axis_of_one_mask_may_be_named_twice_as_in_flax(broadcast_dims):
    key = flax_nnx.Rngs(0).dropout()
    y = nnx.Dropout(0.5, broadcast_dims=broadcast_dims)(X, rngs=key)
    np.testing.assert_array_equal(y, noise.dropout(key, X, 0.5, shared_axes=1))


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_a_missing_mode_is_explained_in_the_words_of_flax(rate):
    messages = []
    for make in (nnx.Dropout, flax_nnx.Dropout):
        with pytest.raises(ValueError, match="No `deterministic` argument was provided to Dropout") as caught:
            make(rate, deterministic=None)(X)
        messages.append(str(caught.value).replace("self.dropout", "self.layer"))
    assert messages[0] == messages[1]


def test_constructors_show_their_arguments():
    shown = {name: list(inspect.signature(getattr(nnx, name)).parameters) for name in ("Dropout", "DropBlock")}
    own = ["deterministic", "rng_collection", "rngs"]
    assert shown["Dropout"] == ["rate", "broadcast_dims", *own]
    assert shown["DropBlock"] == ["rate", "block_size", "spatial_axes", "shared_channels", *own]
    flax_only = list(inspect.signature(flax_nnx.BatchNorm.__init__).parameters)[1:]
    assert set(inspect.signature(nnx.BatchNorm).parameters) == {*flax_only, "ghost_size"}

    class Mine(nnx.Dropout):
        def __init__(self, other: int):
            super().__init__(0.5)

    assert list(inspect.signature(Mine).parameters) == ["other"]
    for layer in vars(nnx).values():
        if inspect.isclass(layer):
            kinds = {parameter.kind for parameter in inspect.signature(layer).parameters.values()}
            assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}


def test_a_bad_rate_raises():
    with pytest.raises(ValueError, match=r"dropout: rate must be in \[0, 1\]; got 1.2"):
        nnx.Dropout(1.2, rngs=flax_nnx.Rngs(0))(X)


def count_traces(function):
    traces = []

    @flax_nnx.jit
    def traced(*args):
        traces.append(None)
        return function(*args)

    return traced, traces


def test_inside_jit_the_stream_moves_on_and_one_trace_serves_all_calls():
    layer, reference = nnx.Dropout(0.5, rngs=flax_nnx.Rngs(0)), nnx.Dropout(0.5, rngs=flax_nnx.Rngs(0))
    apply, traces = count_traces(lambda layer, x: layer(x))
    first, second = apply(layer, X), apply(layer, X)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, reference(X))
    np.testing.assert_array_equal(second, reference(X))
    assert (layer.rngs.count[...], len(traces)) == (2, 1)


def test_a_rate_in_a_variable_or_an_array_changes_without_a_trace():
    x = jnp.ones(4000)
    layer = nnx.Dropout(flax_nnx.Variable(jnp.float32(0.1)), rngs=flax_nnx.Rngs(0))
    apply, traces = count_traces(lambda layer, x: layer(x))
    for rate in (0.1, 0.5, 0.0, 1.0):
        layer.rate[...] = rate
        assert abs((apply(layer, x) == 0).mean() - rate) < 0.04
    assert len(traces) == 1
    layer = nnx.Dropout(jnp.float32(0.1), rngs=flax_nnx.Rngs(0))
    layer.rate = jnp.float32(0.9)
    assert abs((layer(x) == 0).mean() - 0.9) < 0.04
    layer = nnx.Dropout(0.1, rngs=flax_nnx.Rngs(0))
    layer.rate = 0.9
    assert abs((layer(x) == 0).mean() - 0.9) < 0.04


def differ(y):
    return [not np.array_equal(y[0], row) for row in y[1:]]


def test_inside_vmap_masks_differ_if_streams_are_split_and_agree_if_not():
    layer = nnx.Dropout(0.5, rngs=flax_nnx.Rngs(0))
    axes = flax_nnx.StateAxes({flax_nnx.RngState: 0, ...: None})
    split = flax_nnx.split_rngs(splits=4)(flax_nnx.vmap(lambda layer, x: layer(x), in_axes=(axes, 0)))
    assert all(differ(split(layer, X)))
    shared = flax_nnx.vmap(lambda layer, x: layer(x), in_axes=(None, 0))
    assert not any(differ(shared(layer, X)))


def test_inside_scan_masks_differ_if_the_layer_is_carried():
    layer = nnx.Dropout(0.5, rngs=flax_nnx.Rngs(0))

    @flax_nnx.scan(in_axes=(flax_nnx.Carry, 0), out_axes=(flax_nnx.Carry, 0))
    def run(layer, x):
        return layer, layer(x)

    assert all(differ(run(layer, X)[1]))
    assert layer.rngs.count[...] == 4


def test_inside_remat_forward_and_backward_masks_agree():
    layer = nnx.Dropout(0.5, rngs=flax_nnx.Rngs(0))
    apply = flax_nnx.remat(lambda layer, x: layer(x))
    value, gradient = flax_nnx.value_and_grad(lambda x, layer: jnp.sum(apply(layer, x)))(X, layer)
    np.testing.assert_allclose(value, gradient.sum(), rtol=1e-6)
    assert layer.rngs.count[...] == 1
