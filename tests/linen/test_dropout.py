"""The layers that drop: flax's semantics of `deterministic`, `rng`, collections and lifted transforms."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.errors import InvalidRngError

from jreg import linen, noise

KEY = jax.random.key(0)
X = jnp.ones((4, 10))
LAYERS = {
    "Dropout": (partial(linen.Dropout, 0.5), partial(noise.dropout, rate=0.5)),
    "SpatialDropout": (
        partial(linen.SpatialDropout, 0.5, spatial_axes=1),
        partial(noise.spatial_dropout, rate=0.5, spatial_axes=1),
    ),
    "AlphaDropout": (partial(linen.AlphaDropout, 0.5), partial(noise.alpha_dropout, rate=0.5)),
    "AlphaDropout, shared": (
        partial(linen.AlphaDropout, 0.5, broadcast_dims=(0, -2)),
        partial(noise.alpha_dropout, rate=0.5, shared_axes=0),
    ),
    "VariationalDropout": (
        partial(linen.VariationalDropout, 0.5, time_axis=0),
        partial(noise.variational_dropout, rate=0.5, time_axis=0),
    ),
    "DropBlock": (
        partial(linen.DropBlock, 0.5, block_size=2, spatial_axes=1),
        partial(noise.dropblock, rate=0.5, block_size=2, spatial_axes=1),
    ),
    "GaussianDropout": (partial(linen.GaussianDropout, 0.5), partial(noise.gaussian_dropout, rate=0.5)),
    "GaussianNoise": (partial(linen.GaussianNoise, 0.5), partial(noise.gaussian_noise, std=0.5)),
    "StochasticDepth": (partial(linen.StochasticDepth, 0.5), partial(noise.stochastic_depth, rate=0.5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_its_function_with_a_key_of_its_collection(name):
    make, function = LAYERS[name]
    layer = make(deterministic=False)
    np.testing.assert_array_equal(layer.apply({}, X, rng=KEY), function(KEY, X))
    first, again = (layer.apply({}, X, rngs={"dropout": KEY}) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, layer.apply({}, X, rngs={"dropout": jax.random.key(1)}))
    np.testing.assert_array_equal(make().apply({}, X, deterministic=True), function(None, X))
    other = make(deterministic=False, rng_collection="noise")
    np.testing.assert_array_equal(other.apply({}, X, rngs={"noise": KEY}), first)
    with pytest.raises(InvalidRngError):
        other.apply({}, X, rngs={"dropout": KEY})


@pytest.mark.parametrize("name", LAYERS)
def test_the_mode_is_given_once_as_in_flax(name):
    make, _ = LAYERS[name]
    with pytest.raises(ValueError, match="deterministic"):
        make().apply({}, X)
    with pytest.raises(ValueError, match="deterministic"):
        make(deterministic=True).apply({}, X, deterministic=False)


def test_dropout_is_made_as_flax_makes_its_own():
    mine, theirs = (make(0.5, (0,), False, "noise") for make in (linen.Dropout, nn.Dropout))
    assert isinstance(mine, nn.Dropout)
    for layer in (mine, theirs):
        y = layer.apply({}, X, rngs={"noise": KEY})
        np.testing.assert_array_equal(y, jnp.tile(y[:1], (4, 1)))
    for make in (linen.Dropout, nn.Dropout):
        np.testing.assert_array_equal(make(0.0, deterministic=False).apply({}, X), X)
        np.testing.assert_array_equal(make(1.0, deterministic=False).apply({}, X), jnp.zeros_like(X))


def test_a_bad_rate_raises_and_a_traced_one_serves_all_values():
    with pytest.raises(ValueError, match=r"dropout: rate must be in \[0, 1\]; got 1.2"):
        linen.Dropout(1.2, deterministic=False).apply({}, X, rngs={"dropout": KEY})
    x = jnp.ones(4000)
    apply = jax.jit(lambda rate: linen.Dropout(rate, deterministic=False).apply({}, x, rngs={"dropout": KEY}))
    for rate in (0.0, 0.1, 0.9, 1.0):
        assert abs((apply(rate) == 0).mean() - rate) < 0.03


@pytest.mark.parametrize("inputs", [jnp.arange(3), jnp.ones(3, bool), np.ones(3), 1.5, [1.0, 2.0], None])
def test_what_is_not_dropped_is_returned_as_it_is_as_in_flax(inputs):
    for make in (linen.Dropout, nn.Dropout):
        for rate in (0.5, 1.0, 1.2):
            assert make(rate, deterministic=True).apply({}, inputs) is inputs
        assert make(0.0, deterministic=False).apply({}, inputs) is inputs


@pytest.mark.parametrize("rate", [0, 0.0, False, np.float32(0), jnp.float32(0), 1, 1.0, np.float32(1), jnp.float32(1)])
def test_rates_known_to_be_zero_or_one_ask_for_no_key_as_in_flax(rate):
    mine, theirs = (make(rate, deterministic=False).apply({}, X) for make in (linen.Dropout, nn.Dropout))
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("broadcast_dims", [(1, 1), (1, -1), [1], 1])
def test_an_axis_of_one_mask_may_be_named_twice_as_in_flax(broadcast_dims):
    y = linen.Dropout(0.5, broadcast_dims, deterministic=False).apply({}, X, rng=KEY)
    np.testing.assert_array_equal(y, noise.dropout(KEY, X, 0.5, shared_axes=1))
    with pytest.raises(ValueError, match="Dropout: broadcast_dims must name axes of a 2-dimensional array; got 5"):
        linen.Dropout(0.5, (1, 5), deterministic=False).apply({}, X, rng=KEY)


class Twice(nn.Module):
    @nn.compact
    def __call__(self, x):
        return linen.Dropout(0.5, deterministic=False)(x), linen.Dropout(0.5, deterministic=False)(x)


def test_two_layers_draw_apart_and_are_named_as_in_flax():
    first, second = Twice().apply({}, X, rngs={"dropout": KEY})
    assert not np.array_equal(first, second)
    assert "Dropout_1" in Twice().tabulate({"dropout": KEY}, X)


def differ(y):
    return [not np.array_equal(y[0], row) for row in y[1:]]


@pytest.mark.parametrize("split", [True, False])
def test_inside_scan_and_vmap_masks_differ_if_the_collection_is_split(split):
    options = {"variable_axes": {"params": 0}, "split_rngs": {"params": True, "dropout": split}}

    class Scanned(nn.Module):
        @nn.compact
        def __call__(self, x):
            step = nn.scan(lambda layer, carry, x: (carry, layer(x)), **options)
            return step(linen.Dropout(0.5, deterministic=False), 0.0, x)[1]

    class Mapped(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.vmap(linen.Dropout, **options)(0.5, deterministic=False)(x)

    for model in (Scanned(), Mapped()):
        found = differ(model.apply({}, X, rngs={"dropout": KEY}))
        assert all(found) if split else not any(found)


def test_inside_remat_forward_and_backward_masks_agree():
    layer = nn.remat(linen.Dropout)(0.5, deterministic=False)
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(layer.apply({}, x, rngs={"dropout": KEY})))(X)
    np.testing.assert_allclose(value, gradient.sum(), rtol=1e-6)
