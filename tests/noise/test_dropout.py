"""Dropout: worked examples, what backward keeps, which axes share a draw, and what it does to a regression."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from jreg import noise, random

KEY = jax.random.key(7)
HIDDEN = jnp.array([0.8, -0.3, 1.2, 0.5, -0.9])
LARGEST = 2**32 - 1


def bits_of(kept):
    """Words that keep and drop exactly what is listed, at any rate but 0 and 1."""
    words = jnp.where(jnp.asarray(kept, bool), jnp.uint32(LARGEST), jnp.uint32(0))
    return lambda key, shape: words.reshape(shape)


def enumerated_bits(key, shape):
    """Keep what the binary digits of a legacy key's second word say."""
    digits = key[1] >> jnp.arange(np.prod(shape), dtype=jnp.uint32) & 1
    return (digits * jnp.uint32(LARGEST)).reshape(shape)


def saved_for_backward(fn, *args) -> list:
    return jax.tree.leaves(jax.vjp(fn, *args)[1])


def test_the_worked_example():
    y = noise.dropout(KEY, HIDDEN, 0.4, bits=bits_of([1, 0, 1, 1, 0]))
    np.testing.assert_allclose(y, [1.3333, 0.0, 2.0, 0.8333, 0.0], atol=5e-5)
    np.testing.assert_allclose(y[0] / HIDDEN[0], 1.6667, atol=5e-5)
    np.testing.assert_array_equal(noise.dropout(None, HIDDEN, 0.4), HIDDEN)


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.9])
def test_the_mean_over_all_masks_is_the_input(rate):
    keys = jnp.stack([jnp.zeros(32, jnp.uint32), jnp.arange(32, dtype=jnp.uint32)], axis=1)
    samples = jax.vmap(lambda key: noise.dropout(key, HIDDEN, rate, bits=enumerated_bits))(keys)
    kept = np.array(list(itertools.product([0, 1], repeat=5)))[:, ::-1]
    np.testing.assert_array_equal(np.asarray(samples) != 0, kept == 1)
    chances = np.prod(np.where(kept, 1 - rate, rate), axis=1)
    np.testing.assert_allclose(chances @ np.asarray(samples, np.float64), HIDDEN, rtol=1e-6)


def test_an_eager_backward_pass_keeps_five_scalars():
    """jax-ml/jax#17982: masks kept for the backward pass filled the memory.

    They are three words of the key, the threshold and the factor.
    """
    saved = saved_for_backward(lambda x: noise.dropout(KEY, x, 0.3), jnp.ones((64, 64)))
    assert sum(leaf.nbytes for leaf in saved) <= 20


def test_layers_in_a_scan_keep_their_keys_alone():
    num_layers, x = 8, jnp.ones((256, 128))

    def loss(x, keys):
        y, _ = jax.lax.scan(lambda h, key: (noise.dropout(key, 1.1 * h, 0.3), None), x, keys)
        return jnp.sum(y)

    keys = jax.random.split(KEY, num_layers)
    assert all(leaf.size < x.size for leaf in saved_for_backward(loss, x, keys))
    program = jax.jit(jax.grad(loss)).lower(x, keys).compile()
    assert program.memory_analysis().temp_size_in_bytes < 2.5 * x.nbytes


def test_a_scan_over_layers_equals_a_loop_over_them():
    keys, x = jax.random.split(KEY, 3), jnp.ones((4, 8))
    scanned, _ = jax.lax.scan(lambda h, key: (noise.dropout(key, jnp.cos(h), 0.3), None), x, keys)
    looped = x
    for key in keys:
        looped = noise.dropout(key, jnp.cos(looped), 0.3)
    np.testing.assert_array_equal(scanned == 0, looped == 0)
    np.testing.assert_allclose(scanned, looped, rtol=1e-6)


def block(key, x):
    return jnp.sin(noise.dropout(key, jnp.sin(x), 0.3))


@pytest.mark.parametrize("name", ["jreg.dropout", "jreg.dropout.input"])
def test_remat_policies_can_name_dropout(name):
    x = jnp.linspace(0.0, 1.0, 64).reshape(8, 8)
    plain = jax.checkpoint(lambda x: block(KEY, x))
    named = jax.checkpoint(lambda x: block(KEY, x), policy=jax.checkpoint_policies.save_only_these_names(name))
    sizes = [sum(leaf.size == x.size for leaf in saved_for_backward(fn, x)) for fn in (plain, named)]
    assert sizes[1] == sizes[0] + 1
    np.testing.assert_array_equal(*(jax.grad(lambda x, fn=fn: jnp.sum(fn(x)))(x) for fn in (plain, named)))


@pytest.mark.parametrize("policy", [None, "nothing_saveable", "dots_saveable"])
def test_dropout_adds_nothing_to_what_a_checkpointed_block_keeps(policy):
    """allenai/OLMo-core#828: masks must be the same when a block is computed again."""
    x, policy = jnp.ones((32, 32)), policy and getattr(jax.checkpoint_policies, policy)
    noisy, plain = (jax.checkpoint(lambda x, key=key: block(key, x @ x), policy=policy) for key in (KEY, None))
    saved = [sum(leaf.nbytes for leaf in saved_for_backward(fn, x)) for fn in (noisy, plain)]
    assert saved[0] <= saved[1] + 16
    gradients = [jax.grad(lambda x, fn=fn: jnp.sum(fn(x)))(x) for fn in (noisy, lambda x: block(KEY, x @ x))]
    np.testing.assert_array_equal(*gradients)


def test_attention_weights_are_dropped_anew_for_every_example_and_head():
    weights = jnp.ones((3, 4, 16, 16))
    masks = np.asarray(noise.dropout(KEY, weights, 0.5) != 0).reshape(12, -1)
    agreement = [np.mean(one == other) for one, other in itertools.combinations(masks, 2)]
    np.testing.assert_allclose(agreement, 0.5, atol=5 * 0.5 / 16)


def test_one_key_over_a_vmap_of_keys_gives_every_row_its_own_mask():
    """google/flax#4973: all lanes of a lifted vmap shared one mask."""
    rows = jax.vmap(lambda key: noise.dropout(key, jnp.ones(64), 0.5))(jax.random.split(KEY, 8))
    assert np.unique(np.asarray(rows), axis=0).shape[0] == 8


def test_two_keys_differ_under_one_trace():
    """keras-team/keras#18426: noise without a key became a constant of the compiled program."""
    drop = jax.jit(lambda key: noise.dropout(key, jnp.ones(64), 0.5))
    assert (drop(KEY) != drop(jax.random.key(8))).any()
    np.testing.assert_array_equal(drop(KEY), drop(KEY))


def test_devices_under_shard_map_draw_their_own_mask_from_their_own_key():
    """A replicated key gives every device the same mask: fold in the axis index."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("data",))
    spec = jax.sharding.PartitionSpec("data")

    def drop(x):
        return noise.dropout(random.fold_in(KEY, jax.lax.axis_index("data")), x, 0.5)

    halves = jax.jit(jax.shard_map(drop, mesh=mesh, in_specs=spec, out_specs=spec))(jnp.ones((2, 64)))
    assert (halves[0] != halves[1]).any()
    for index, half in enumerate(halves):
        np.testing.assert_array_equal(half[None], noise.dropout(random.fold_in(KEY, index), jnp.ones((1, 64)), 0.5))


def test_shared_axes_make_the_mask_constant_along_them():
    x = jnp.ones((8, 6, 5))
    for axes in (1, (1,), (-2,), -2, [0, 1], (1, -1), ()):
        y = np.asarray(noise.dropout(KEY, x, 0.5, shared_axes=axes))
        named = {axis % 3 for axis in np.atleast_1d(np.array(axes, int)).tolist()}
        for axis in range(3):
            assert np.all(y == np.take(y, [0], axis=axis)) == (axis in named)


def test_shared_draws_are_those_of_the_smaller_mask():
    y = noise.dropout(KEY, jnp.ones((8, 6, 5)), 0.5, shared_axes=1)
    np.testing.assert_array_equal(y[:, 0], noise.dropout(KEY, jnp.ones((8, 5)), 0.5))


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        (3, ValueError, "must name axes of a 3-dimensional array; got 3"),
        (-4, ValueError, "must name axes of a 3-dimensional array; got -4"),
        ((1, -2), ValueError, r"must name each axis once; got \(1, -2\)"),
        ((1.0,), TypeError, "must hold ints"),
        ((True,), TypeError, "must hold ints"),
    ],
)
def test_axes_that_name_nothing_are_refused(axes, error, message):
    for key in (KEY, None):
        with pytest.raises(error, match=rf"dropout: shared_axes {message}"):
            noise.dropout(key, jnp.ones((2, 3, 4)), 0.5, shared_axes=axes)
        with pytest.raises(error, match=rf"spatial_dropout: spatial_axes {message}"):
            noise.spatial_dropout(key, jnp.ones((2, 3, 4)), 0.5, spatial_axes=axes)


def test_rates_per_example_drop_their_share():
    y = noise.dropout(KEY, jnp.ones((3, 4096)), jnp.array([[0.0], [0.25], [1.0]]))
    np.testing.assert_array_equal(y[0], 1.0)
    np.testing.assert_array_equal(y[2], 0.0)
    assert set(np.unique(y[1]).tolist()) == {0.0, np.float32(4 / 3)}
    assert abs(jnp.mean(y[1] == 0) - 0.25) < 5 * (0.25 * 0.75 / 4096) ** 0.5


def test_a_bad_traced_rate_spoils_its_own_row_alone():
    rates = jnp.array([[0.5], [1.5]])
    y = jax.jit(lambda rates: noise.dropout(KEY, jnp.ones((2, 64)), rates))(rates)
    assert jnp.isfinite(y[0]).all()
    assert jnp.isnan(y[1]).all()


def test_the_gradient_in_the_rate_is_zero():
    """Through the factor alone it would be biased."""
    assert jax.grad(lambda rate: jnp.sum(noise.dropout(KEY, jnp.ones(64), rate)))(0.5) == 0.0


def test_the_gradient_at_rate_one_is_zero():
    """google/flax#2055: 0 times 1/0."""
    for rate in (1.0, jnp.float32(1.0)):
        gradient = jax.grad(lambda x, rate=rate: jnp.sum(noise.dropout(KEY, x, rate)))(HIDDEN)
        np.testing.assert_array_equal(gradient, jnp.zeros(5))


def test_nan_and_infinity_stay_where_they_are_kept():
    x = jnp.array([jnp.nan, jnp.inf, -jnp.inf, jnp.nan, jnp.inf, 1.0])
    y = noise.dropout(KEY, x, 0.5, bits=bits_of([1, 1, 1, 0, 0, 1]))
    np.testing.assert_array_equal(y, jnp.array([jnp.nan, jnp.inf, -jnp.inf, 0.0, 0.0, 2.0]))
    assert jnp.isnan(noise.dropout(KEY, x, 0.0)[0])
    np.testing.assert_array_equal(noise.dropout(KEY, x, 1.0), jnp.zeros(6))


def test_float16_overflows_where_the_scaled_value_does_and_nowhere_else():
    x = jnp.array([30000.0, 60000.0, 3.0], jnp.float16)
    y = noise.dropout(KEY, x, 0.5, bits=bits_of([1, 1, 1]))
    np.testing.assert_array_equal(y, jnp.array([60000.0, jnp.inf, 6.0], jnp.float16))
    rare = noise.dropout(KEY, x, 0.9999, bits=bits_of([0, 0, 1]))
    np.testing.assert_allclose(rare, [0.0, 0.0, 30000.0], rtol=1e-3)


def test_half_precision_is_rounded_once():
    """1 / 0.9 in bfloat16 is off by 0.16 %."""
    x = jnp.linspace(1.0, 2.0, 64).astype(jnp.bfloat16)
    y = noise.dropout(KEY, x, 0.1, bits=bits_of(np.ones(64)))
    np.testing.assert_array_equal(y, (x.astype(jnp.float32) * jnp.float32(1 / 0.9)).astype(jnp.bfloat16))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (jnp.ones(3, jnp.int32), "must be an array of floats; got dtype int32"),
        (jnp.ones(3, bool), "must be an array of floats; got dtype bool"),
        ([1.0, 2.0], "must be an array; got list"),
        (1.0, "must be an array; got float"),
        (None, "must be an array; got NoneType"),
        ({"a": jnp.ones(2)}, "must be an array; got dict"),
    ],
    ids=str,
)
def test_what_is_no_array_of_floats_is_refused(x, message):
    for key in (KEY, None):
        with pytest.raises(TypeError, match=rf"^dropout: x {message}"):
            noise.dropout(key, x, 0.5)
        with pytest.raises(TypeError, match=rf"^spatial_dropout: x {message}"):
            noise.spatial_dropout(key, x, 0.5)


@pytest.mark.parametrize("key", [0, jnp.zeros(3, jnp.uint32), "0"], ids=repr)
def test_what_is_no_key_is_refused(key):
    with pytest.raises(TypeError, match=r"^dropout: key must be a PRNG key such as"):
        noise.dropout(key, HIDDEN, 0.5)
    with pytest.raises(ValueError, match=r"^dropout: key must be a single key; .* Map over it with jax.vmap"):
        noise.dropout(jax.random.split(KEY, 5), HIDDEN, 0.5)


def test_whole_maps_are_dropped_per_example_and_channel():
    y = np.asarray(noise.spatial_dropout(KEY, jnp.ones((32, 4, 5, 16)), 0.5))
    kept = (y != 0).sum((1, 2))
    assert set(np.unique(kept).tolist()) == {0, 20}
    assert np.unique(kept, axis=0).shape[0] > 16
    assert np.unique(kept, axis=1).shape[1] > 8


@pytest.mark.parametrize(("shape", "axes"), [((8, 3, 4), (1, 2)), ((3, 4, 8), (0, 1)), ((8, 3, 4), (-1, -2))])
def test_unbatched_and_channels_first_maps_are_named(shape, axes):
    """pytorch/pytorch#69801: 2-D dropout read an unbatched map as a batch."""
    y = np.asarray(noise.spatial_dropout(KEY, jnp.ones(shape), 0.5, spatial_axes=axes))
    assert set(np.unique((y != 0).sum(axes)).tolist()) == {0, 12}


@pytest.mark.parametrize("shape", [(), (3,), (3, 4)])
def test_too_few_axes_for_maps_are_refused_instead_of_guessed_at(shape):
    for key in (KEY, None):
        with pytest.raises(ValueError, match=r"x must be \(batch, \*space, channels\) when spatial_axes is None"):
            noise.spatial_dropout(key, jnp.ones(shape), 0.5)


def test_averaged_over_masks_dropout_is_a_ridge_penalty_weighted_by_the_second_moments():
    """E |y - (m x / (1 - p)) w|^2 = |y - x w|^2 + p / (1 - p) sum_j (x^T x)_jj w_j^2 (Wager et al., 2013)."""
    x, y = load_diabetes(return_X_y=True)
    x, y = (x[:, :4] / x[:, :4].std(0)).astype(np.float32), ((y - y.mean()) / y.std()).astype(np.float32)
    rate, num_masks = 0.3, 2048

    @jax.jit
    def normal_equations(keys):
        dropped = jax.vmap(lambda key: noise.dropout(key, jnp.asarray(x), rate))(keys)
        return jnp.einsum("kni,knj->ij", dropped, dropped) / num_masks, jnp.einsum("kni,n->i", dropped, y) / num_masks

    gram, moment = normal_equations(jax.random.split(KEY, num_masks))
    averaged = np.linalg.solve(gram, moment)
    penalty = rate / (1 - rate) * np.diag(np.diag(x.T @ x))
    closed_form = np.linalg.solve(x.T @ x + penalty, x.T @ y)
    unpenalized = np.linalg.solve(x.T @ x, x.T @ y)
    np.testing.assert_allclose(averaged, closed_form, atol=3e-3)
    assert np.linalg.norm(averaged - unpenalized) > 0.05


def test_the_loss_averaged_over_masks_is_the_loss_with_the_penalty():
    x, y = load_diabetes(return_X_y=True)
    x, y, w = jnp.asarray(20 * x[:64, :4], jnp.float32), jnp.asarray(y[:64] / 100, jnp.float32), jnp.arange(4.0) / 4
    rate = 0.4

    def loss(x):
        return jnp.sum((y - x @ w) ** 2)

    samples = jax.vmap(lambda key: loss(noise.dropout(key, x, rate)))(jax.random.split(KEY, 4096))
    expected = loss(x) + rate / (1 - rate) * jnp.sum(jnp.sum(x**2, 0) * w**2)
    assert abs(samples.mean() - expected) < 5 * samples.std() / 64
    assert abs(samples.mean() - loss(x)) > 50 * samples.std() / 64


def test_the_names_of_the_marks_are_those_of_the_function():
    text = str(jax.make_jaxpr(lambda x: noise.spatial_dropout(KEY, x, 0.5))(jnp.ones((2, 3, 4))))
    assert set(re.findall(r"name=(jreg[\w.]*)", text)) == {
        "jreg.spatial_dropout",
        "jreg.spatial_dropout.input",
        "jreg.kept",
    }
