"""The laws that every function of (key, x, rate) obeys, over the rows of the table."""

import os
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tests.table import NOISE, Noise, data, every, every_noise

pytestmark = pytest.mark.sampled(3)
KEY = jax.random.key(7)


def draws(row: Noise, num_keys: int, rate: float) -> np.ndarray:
    """Which elements are kept under neighbouring keys, one column per draw: (num_keys, draws)."""
    keys = jax.vmap(lambda t: jax.random.wrap_key_data(jnp.stack([jnp.uint32(0), t])))(
        jnp.arange(num_keys, dtype=jnp.uint32)
    )
    kept = np.asarray(jax.jit(jax.vmap(lambda key: row.apply(key, jnp.ones(row.shape), rate)))(keys)) != 0
    index = tuple(0 if axis in row.shared_axes else slice(None) for axis in range(len(row.shape)))
    return kept[(slice(None), *index)].reshape(num_keys, -1)


def assert_same(row: Noise, actual, desired) -> None:
    """Equal to the bit; where XLA rounds sums of products as it likes, as in the quick way to compile, nearly."""
    is_quick = "xla_cpu_use_fusion_emitters=false" in os.environ.get("XLA_FLAGS", "")
    if is_quick:
        np.testing.assert_allclose(actual, desired, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_allclose(actual, desired, rtol=0.0 if row.exact else 1e-6)


@every_noise
def test_no_key_gives_the_deterministic_member(row):
    x = data(row)
    np.testing.assert_array_equal(row.apply(None, x, 0.5), row.member(x, 0.5))


@every_noise
def test_rate_zero_equals_the_deterministic_member_bit_for_bit(row):
    x = data(row)
    for rate in (0.0, 0, jnp.float32(0.0)):
        np.testing.assert_array_equal(row.apply(KEY, x, rate), row.apply(None, x, rate))
    np.testing.assert_array_equal(jax.jit(row.apply)(KEY, x, 0.0), row.apply(None, x, 0.0))


@every(lambda row: row.drops_to_zero)
def test_rate_one_drops_everything(row):
    np.testing.assert_array_equal(row.apply(KEY, data(row), 1.0), jnp.zeros(row.shape))
    np.testing.assert_array_equal(jax.jit(row.apply)(KEY, data(row), 1.0), jnp.zeros(row.shape))


@pytest.mark.sampled(4)
@every(lambda row: row.keeps_mean)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mean_over_keys_is_the_deterministic_member(row, rate):
    num_keys, x = 4000, data(row)[:1]
    samples = jax.jit(jax.vmap(row.apply, in_axes=(0, None, None)))(jax.random.split(KEY, num_keys), x, rate)
    error = samples.mean(0) - row.apply(None, x, rate)
    z = error / (samples.std(0) / num_keys**0.5)
    assert jnp.abs(z).max() < 5


@pytest.mark.sampled(4)
@every(lambda row: row.drops_to_zero and row.independent)
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9, 0.99])
def test_the_share_dropped_is_the_rate(row, rate):
    kept = draws(row, 4096, rate)
    assert abs(kept.mean() - (1 - rate)) < 5 * (rate * (1 - rate) / kept.size) ** 0.5


@every_noise
def test_one_key_one_result_and_two_keys_two(row):
    x = data(row)
    first = row.apply(KEY, x, 0.5)
    np.testing.assert_array_equal(first, row.apply(KEY, x, 0.5))
    others = [row.apply(key, x, 0.5) for key in jax.random.split(KEY, 8)]
    assert any(not np.array_equal(first, other) for other in others)


@every_noise
def test_eager_jit_vmap_and_checkpoint_agree_bit_for_bit(row):
    x, keys = data(row), jax.random.split(KEY, 3)
    eager = row.apply(keys[0], x, 0.4)
    assert_same(row, eager, jax.jit(row.apply)(keys[0], x, 0.4))
    loop = jnp.stack([row.apply(key, x, 0.4) for key in keys])
    assert_same(row, loop, jax.vmap(lambda key: row.apply(key, x, 0.4))(keys))

    def loss(x):
        return jnp.sum(jnp.sin(row.apply(keys[0], jnp.cos(x), 0.4)))

    assert_same(row, jax.grad(loss)(x), jax.grad(jax.checkpoint(loss))(x))
    assert_same(row, jax.jit(jax.grad(loss))(x), jax.jit(jax.grad(jax.checkpoint(loss)))(x))


@every_noise
@pytest.mark.parametrize("num_shards", [2, 8])
def test_the_mask_does_not_depend_on_the_number_of_shards(row, num_shards):
    x = data(row)
    sharding = NamedSharding(Mesh(np.array(jax.devices()[:num_shards]), ("data",)), PartitionSpec("data"))
    axis = next((axis for axis, size in enumerate(row.shape) if size % num_shards == 0), None)
    spec = PartitionSpec(*[None] * axis, "data") if axis is not None else PartitionSpec()
    sharding = NamedSharding(sharding.mesh, spec)
    apply = jax.jit(lambda x: row.apply(KEY, x, 0.4), out_shardings=sharding)
    sharded = jax.device_put(x, sharding)
    assert_same(row, apply(sharded), row.apply(KEY, x, 0.4))
    text = apply.lower(sharded).compile().as_text()
    collectives = ("all-reduce", "all-gather", "collective-permute", "all-to-all")
    assert row.communicates or not any(word in text for word in collectives)


@every_noise
def test_the_mask_does_not_depend_on_x64_mode(row):
    x = np.asarray(data(row))
    narrow = np.asarray(row.apply(KEY, x, 0.3))
    with jax.enable_x64(True):
        wide = row.apply(jax.random.key(7), x, 0.3)
        assert wide.dtype == jnp.float32
        double = row.apply(jax.random.key(7), x.astype(np.float64), 0.3)
        assert double.dtype == jnp.float64
    np.testing.assert_array_equal(narrow == 0, np.asarray(wide) == 0)
    np.testing.assert_allclose(narrow, wide, rtol=1e-6)
    np.testing.assert_allclose(narrow, double, rtol=1e-6)


@every_noise
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "complex64"])
@pytest.mark.parametrize("key", [KEY, None], ids=["key", "none"])
def test_shape_and_dtype_are_kept(row, dtype, key):
    if dtype == "complex64" and not row.takes_complex:
        with pytest.raises(TypeError, match="must be an array of floats; got dtype complex64"):
            row.apply(key, data(row, dtype), 0.1)
        return
    y = jax.eval_shape(lambda x: row.apply(key, x, 0.1), data(row, dtype))
    assert (y.shape, y.dtype) == (row.shape, jnp.dtype(dtype))


@pytest.mark.sampled(4)
@every_noise
@pytest.mark.parametrize("place", range(3))
def test_gradients_are_finite(row, place):
    x, rate = data(row), row.rates[place]

    def loss(x, rate):
        return jnp.sum(row.apply(KEY, x, rate) ** 2)

    assert jnp.isfinite(jax.grad(lambda x: loss(x, rate))(x)).all()
    by_x, by_rate = jax.jit(jax.grad(loss, argnums=(0, 1)))(x, rate)
    assert jnp.isfinite(by_x).all()
    assert jnp.isfinite(by_rate)


@every_noise
def test_forward_mode_and_second_derivatives_work(row):
    x = data(row)
    y, tangent = jax.jvp(lambda x: row.apply(KEY, x, 0.5), (x,), (x,))
    if row.linear:
        np.testing.assert_allclose(tangent, y, rtol=1e-6)
    assert jnp.isfinite(tangent).all()
    cube = jax.grad(lambda x: jnp.sum(row.apply(KEY, x, 0.5) ** 3))
    assert jnp.isfinite(jax.grad(lambda x: jnp.sum(cube(x) ** 2))(x)).all()


@every_noise
def test_one_trace_serves_every_rate(row):
    traces = 0

    @jax.jit
    def apply(key, x, rate):
        nonlocal traces
        traces += 1
        return row.apply(key, x, rate)

    for rate in (0.1, 0.2, np.float32(0.3), jnp.float32(0.4)):
        apply(KEY, data(row), jnp.asarray(rate, jnp.float32))
    assert traces == 1
    apply(None, data(row), jnp.float32(0.1))
    assert traces == 2


@every_noise
def test_rates_can_be_mapped_over(row):
    x, rates = data(row), jnp.array(row.rates)
    mapped = jax.vmap(lambda rate: row.apply(KEY, x, rate))(rates)
    for rate, y in zip(rates, mapped, strict=True):
        assert_same(row, y, row.apply(KEY, x, rate))


@every(lambda row: row.drops_to_zero and not row.spreads_nan)
def test_nan_in_a_dropped_place_becomes_zero(row):
    x = data(row)
    y = row.apply(KEY, x, 0.5)
    poisoned = jnp.where(y == 0, jnp.nan, x)
    np.testing.assert_array_equal(row.apply(KEY, poisoned, 0.5), y)
    gradient = jax.grad(lambda x: jnp.sum(row.apply(KEY, x, 0.5)))(poisoned)
    assert jnp.isfinite(gradient).all()


@pytest.mark.sampled(4)
@every_noise
@pytest.mark.parametrize("ndim", range(5))
def test_every_rank_and_empty_arrays_work(row, ndim):
    if ndim not in row.ndims:
        with pytest.raises(
            ValueError, match=f"{row.apply.func.__name__ if hasattr(row.apply, 'func') else row.name}: "
        ):
            row.apply(KEY, jnp.ones((2,) * ndim), 0.5)
        return
    for size in (0, 1, 2):
        x = jnp.ones((size,) * ndim)
        assert row.apply(KEY, x, 0.5).shape == x.shape
        assert row.apply(None, x, 0.5).shape == x.shape


@every(lambda row: row.drops_to_zero and row.independent)
def test_neighbouring_keys_and_draws_are_independent(row):
    centred = draws(row, 512, 0.5) - 0.5
    pairs = {"keys": centred[1:] * centred[:-1]}
    if centred.shape[1] > 1:
        pairs["draws"] = centred[:, 1:] * centred[:, :-1]
        pairs["keys and draws"] = centred[1:, 1:] * centred[:-1, :-1]
    for name, products in pairs.items():
        z = products.sum() / (0.25 * products.size**0.5)
        assert abs(z) < 5, name
    worst = np.abs(centred.sum(0)).max() / (0.5 * len(centred) ** 0.5)
    assert worst < 5.5


@every_noise
@pytest.mark.parametrize("key", [KEY, None], ids=["key", "none"])
def test_bad_rates_raise_when_concrete_and_give_nan_when_traced(row, key):
    for rate in row.bad_rates:
        with pytest.raises(ValueError, match=re.escape(f"{row.domain}; got")):
            row.apply(key, data(row), rate)
        if key is not None:
            assert jnp.isnan(jax.jit(row.apply)(key, data(row), rate)).all()


@every_noise
def test_names_are_left_in_the_jaxpr(row):
    text = str(jax.make_jaxpr(lambda x: row.apply(KEY, x, 0.5))(data(row)))
    name = row.mark or row.name.split(",")[0]
    assert f"name=jreg.{name}.input" in text
    assert f"name=jreg.{name}]" in text


def test_every_public_noise_function_has_a_row():
    import jreg.noise

    of_another_shape = {"concrete_regularizer", "depth_rates", "dropconnect_moments", "patch_dropout"}
    public = {name for name in vars(jreg.noise) if not name.startswith("_")} - of_another_shape
    assert public == {row.name.split(",")[0] for row in NOISE}
