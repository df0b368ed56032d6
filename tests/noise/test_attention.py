"""Attention: against `jax.nn` without noise, against weights in full with it, and its mask by position."""

from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import noise, random

KEY = jax.random.key(5)
B, T, S, N, K, H = 2, 7, 9, 4, 2, 3
RATE = 0.4


def inputs(dtype: Any = jnp.float32) -> tuple[jax.Array, ...]:
    shapes = ((B, T, N, H), (B, S, K, H), (B, S, K, H), (1, N, T, S))
    keys = jax.random.split(jax.random.key(1), len(shapes))
    return tuple(jax.random.normal(key, shape).astype(dtype) for key, shape in zip(keys, shapes, strict=True))


def allowed(shape: tuple[int, ...] = (B, 1, T, S)) -> jax.Array:
    """A mask that leaves every query at least the first key."""
    return jax.random.bernoulli(jax.random.key(2), 0.6, shape).at[..., 0].set(True)


def kept(rate: float = RATE, shape: tuple[int, ...] = (B, N, T, S)) -> jax.Array:
    """The mask of all positions at once."""
    places = (
        jnp.arange(n, dtype=jnp.uint32).reshape([-1 if i == a else 1 for i in range(4)]) for a, n in enumerate(shape)
    )
    return random.kept(random.hash_at(KEY, *places), rate)


def in_full(q, k, v, bias=None, *, drop: str, rate: float = RATE, mask=True) -> jax.Array:
    """Attention with the weights of all pairs, by the formulas of the papers."""
    k, v = (jnp.repeat(x, q.shape[2] // x.shape[2], axis=2) for x in (k, v))
    logits = jnp.einsum("btnh,bsnh->bnts", q, k) / q.shape[-1] ** 0.5 + (0.0 if bias is None else bias)
    logits = jnp.where(mask, logits, -jnp.inf)
    if drop == "keys":
        weights = jax.nn.softmax(jnp.where(kept(rate), logits, -1e12), axis=-1)
    else:
        weights = jax.nn.softmax(logits, axis=-1)
    if drop == "weights":
        weights = jnp.where(kept(rate), weights / (1.0 - rate), 0.0)
    return jnp.einsum("bnts,bsnh->btnh", weights, v)


def gradients(function, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    loss = lambda *arrays: jnp.sum(jnp.sin(function(*arrays).astype(jnp.float32)))  # noqa: E731
    return jax.jit(jax.grad(loss, argnums=tuple(range(len(arrays)))))(*arrays)


def assert_alike(mine, other, arrays, bound: float) -> None:
    """In values and in all gradients."""
    pairs = [(mine(*arrays), other(*arrays)), *zip(gradients(mine, *arrays), gradients(other, *arrays), strict=True)]
    for actual, desired in pairs:
        assert actual.shape == desired.shape
        assert actual.dtype == desired.dtype
        np.testing.assert_allclose(*(np.asarray(x, np.float32) for x in (actual, desired)), rtol=bound, atol=bound)


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"is_causal": True},
    "mask": {"mask": allowed()},
    "mask of heads": {"mask": allowed((1, N, T, S)), "is_causal": True},
    "mask of keys": {"mask": allowed((B, 1, 1, S)), "scale": 0.3},
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("block_size", [None, 1, 3])
@pytest.mark.parametrize("setting", SETTINGS)
def test_without_noise_it_is_that_of_jax_with_its_gradients(setting, block_size):
    key, rate = (None, RATE) if block_size == 3 else (KEY, 0.0)
    arrays, options = inputs(), SETTINGS[setting]
    mine = lambda q, k, v, bias: noise.attention(key, q, k, v, rate, bias=bias, block_size=block_size, **options)  # noqa: E731
    assert_alike(mine, partial(jax.nn.dot_product_attention, **options), arrays, 2e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_16_bits_it_is_as_exact_as_that_of_jax(dtype):
    *qkv, bias = inputs(jnp.dtype(dtype))
    exact = jax.nn.dot_product_attention(*(x.astype(jnp.float32) for x in (*qkv, bias)))
    y = noise.attention(None, *qkv, RATE, bias=bias, block_size=3)
    assert y.dtype == dtype
    largest = float(jnp.finfo(dtype).eps) * float(jnp.abs(exact).max())
    assert jnp.abs(y.astype(jnp.float32) - exact).max() <= largest
    for gradient in gradients(lambda *qkv: noise.attention(KEY, *qkv, RATE), *qkv):
        assert gradient.dtype == dtype


@pytest.mark.sampled(3)
@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("drop", ["weights", "keys"])
@pytest.mark.parametrize("setting", ["plain", "mask"])
def test_with_noise_it_is_that_of_weights_in_full_with_their_gradients(drop, setting, block_size):
    options = {"drop": drop, **SETTINGS[setting]}
    mine = lambda q, k, v, bias: noise.attention(KEY, q, k, v, RATE, bias=bias, block_size=block_size, **options)  # noqa: E731
    # A seed under which some key is left to each query: 0 is tested below.
    assert (kept() & options.get("mask", True)).any(-1).all() or drop == "weights"
    assert_alike(mine, partial(in_full, **options), inputs(), 5e-6)


def test_heads_are_dropped_whole_and_the_others_divided_by_the_share():
    q, k, v, _ = inputs()
    y, plain = (noise.attention(key, q, k, v, RATE, drop="heads") for key in (KEY, None))
    ratio = np.asarray(y / plain)
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1, :, :1], ratio.shape), rtol=1e-5)
    assert set(ratio.round(4).ravel().tolist()) == {0.0, np.float32(1.6667)}
    assert len({tuple(row) for row in ratio[:, 0, :, 0].tolist()}) == B, "each example draws for itself"


def test_dropped_keys_leave_weights_whose_sum_is_one():
    q, k, _, _ = inputs()
    ones = jnp.ones((B, S, K, 1))
    np.testing.assert_allclose(noise.attention(KEY, q, k, ones, RATE, drop="keys"), 1.0, rtol=1e-6)
    sums = np.asarray(noise.attention(KEY, q, k, ones, RATE))
    assert sums.std() > 0.1


@pytest.mark.sampled(3)
@pytest.mark.parametrize("drop", ["weights", "keys", "heads"])
def test_queries_without_a_key_get_zero_and_finite_gradients(drop):
    q, k, v, bias = inputs()
    mask = allowed().at[0, :, 2].set(False)
    minus = jnp.where(jnp.arange(T)[:, None] == 4, -jnp.inf, bias)
    for key in (None, KEY):
        attend = lambda q, k, v, bias, key=key: noise.attention(  # noqa: E731
            key, q, k, v, RATE, drop=drop, mask=mask, bias=bias, block_size=2
        )
        y = attend(q, k, v, minus)
        assert jnp.isfinite(y).all()
        np.testing.assert_array_equal(y[0, 2], 0.0)
        np.testing.assert_array_equal(y[:, 4], 0.0)
        for gradient in gradients(attend, q, k, v, minus):
            assert jnp.isfinite(gradient).all()
    np.testing.assert_array_equal(noise.attention(KEY, q, k, v, 1.0, drop=drop), 0.0)


# The mask: with equal products, and the identity as values, the result shows which weights are left.


def mask_of(shape: tuple[int, ...], key: Any = KEY, **options: Any) -> np.ndarray:
    batch, heads, queries, keys = shape
    q, k = jnp.zeros((batch, queries, heads, 1)), jnp.zeros((batch, keys, heads, 1))
    v = jnp.broadcast_to(jnp.eye(keys)[:, None], (batch, keys, heads, keys))
    return np.moveaxis(np.asarray(noise.attention(key, q, k, v, RATE, **options)), 2, 1) != 0


SHAPE = (B, N, 6, 8)


@pytest.mark.parametrize("drop", ["weights", "keys"])
def test_the_mask_is_a_function_of_position_alone(drop):
    whole = mask_of(SHAPE, drop=drop)
    np.testing.assert_array_equal(whole, kept(RATE, SHAPE))
    for block_size in (1, 2, 4, 5, 1000):
        np.testing.assert_array_equal(mask_of(SHAPE, drop=drop, block_size=block_size), whole)
    longer = mask_of(tuple(size + 3 for size in SHAPE), drop=drop, block_size=4)
    np.testing.assert_array_equal(longer[tuple(slice(size) for size in SHAPE)], whole)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(mask_of(SHAPE, jax.random.key(5), drop=drop, block_size=4), whole)


@pytest.mark.parametrize("drop", ["weights", "heads"])
def test_a_part_that_is_told_its_offset_draws_its_own_mask(drop):
    whole = mask_of(SHAPE, drop=drop)
    half = tuple(size // 2 for size in SHAPE)
    part = jax.jit(lambda offset: noise_mask(half, offset, drop))
    for corner in product(*((0, size) for size in half)):
        expected = whole[tuple(slice(start, start + size) for start, size in zip(corner, half, strict=True))]
        np.testing.assert_array_equal(part(jnp.array(corner)), expected)
        np.testing.assert_array_equal(mask_of(half, drop=drop, offset=corner, block_size=2), expected)


def noise_mask(shape, offset, drop):
    batch, heads, queries, keys = shape
    v = jnp.broadcast_to(jnp.eye(keys)[:, None], (batch, keys, heads, keys))
    q, k = jnp.zeros((batch, queries, heads, 1)), jnp.zeros((batch, keys, heads, 1))
    return jnp.moveaxis(noise.attention(KEY, q, k, v, RATE, drop=drop, offset=tuple(offset)), 2, 1) != 0


@pytest.mark.sampled(4)
@pytest.mark.parametrize("shared_axes", [(0, 1), 2, (0, -1), ()])
def test_shared_axes_share_one_draw(shared_axes):
    found = mask_of(SHAPE, shared_axes=shared_axes, block_size=4)
    axes = {axis % 4 for axis in (shared_axes if isinstance(shared_axes, tuple) else (shared_axes,))}
    first = found[tuple(slice(1) if axis in axes else slice(None) for axis in range(4))]
    np.testing.assert_array_equal(found, np.broadcast_to(first, SHAPE))
    np.testing.assert_array_equal(first, kept(RATE, first.shape))


def test_the_draws_are_as_many_as_the_rate_says_and_independent_along_every_axis():
    signs = np.where(mask_of((4, 8, 64, 64)), RATE, RATE - 1.0)
    bound = 5.0 * RATE * (1.0 - RATE)
    assert abs(signs.sum()) < 5.0 * (RATE * (1.0 - RATE) * signs.size) ** 0.5
    for axis in range(4):
        pairs = np.moveaxis(signs, axis, 0)
        products = pairs[1:] * pairs[:-1]
        assert abs(products.sum()) < bound * products.size**0.5, axis


def test_sequence_shards_agree_with_the_whole():
    """Global arrays on a mesh; and `shard_map` over queries, where each shard is told its offset."""
    q, k, v = (jax.random.normal(key, (B, 8, N, H)) for key in jax.random.split(KEY, 3))
    mesh = Mesh(np.array(jax.devices()[:4]), ("seq",))
    spec = PartitionSpec(None, "seq")
    whole = noise.attention(KEY, q, k, v, RATE, is_causal=True)
    placed = [jax.device_put(x, NamedSharding(mesh, spec)) for x in (q, k, v)]
    attend = partial(noise.attention, KEY, rate=RATE, is_causal=True, block_size=3)
    np.testing.assert_allclose(jax.jit(lambda q, k, v: attend(q=q, k=k, v=v))(*placed), whole, rtol=1e-5, atol=1e-6)

    @jax.jit
    @partial(jax.shard_map, mesh=mesh, in_specs=(spec, PartitionSpec(), PartitionSpec()), out_specs=spec)
    def sharded(q, k, v):
        start = q.shape[1] * jax.lax.axis_index("seq")
        return attend(q=q, k=k, v=v, offset=(0, 0, start, 0), block_size=1)

    np.testing.assert_allclose(sharded(q, k, v), whole, rtol=1e-5, atol=1e-6)
    loss = lambda apply: lambda q, k, v: jnp.sum(apply(q, k, v) ** 2)  # noqa: E731
    mine = jax.grad(loss(sharded), argnums=(0, 1, 2))(q, k, v)
    other = jax.grad(loss(lambda q, k, v: attend(q=q, k=k, v=v)), argnums=(0, 1, 2))(q, k, v)
    for one, two in zip(mine, other, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


# Derivatives and memory


@pytest.mark.thorough
def test_derivatives_of_every_kind_agree_with_those_of_weights_in_full():
    q, k, v, _ = inputs()
    apply = lambda attend: lambda q: attend(q, k, v)  # noqa: E731
    mine = apply(partial(noise_attention, block_size=3))
    other = apply(partial(in_full, drop="weights"))
    tangent = jnp.cos(jnp.arange(q.size, dtype=jnp.float32)).reshape(q.shape)
    for function in (
        lambda attend: jax.jvp(attend, (q,), (tangent,))[1],
        lambda attend: jax.grad(lambda q: jnp.sum(jax.grad(lambda q: jnp.sum(attend(q) ** 3))(q) ** 2))(q),
        lambda attend: jax.grad(jax.checkpoint(lambda q: jnp.sum(attend(q) ** 3)))(q),
    ):
        np.testing.assert_allclose(function(mine), function(other), rtol=1e-4, atol=1e-4)


def noise_attention(q, k, v, **options):
    return noise.attention(KEY, q, k, v, RATE, **options)


def shapes_in(jaxpr: Any) -> set[tuple[int, ...]]:
    """Those of every array in a program and in the programs inside it."""
    found = {tuple(var.aval.shape) for eqn in jaxpr.eqns for var in eqn.outvars if hasattr(var.aval, "shape")}
    for eqn in jaxpr.eqns:
        for value in jax.tree.leaves(
            list(eqn.params.values()), is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")
        ):
            inner = getattr(value, "jaxpr", value)
            found |= shapes_in(inner) if hasattr(inner, "eqns") else set()
    return found


@pytest.mark.parametrize("drop", ["weights", "keys", "heads"])
def test_no_array_has_an_entry_for_every_query_and_key(drop):
    q = jnp.ones((1, 300, 1, 2))

    def loss(q, k, v):
        return jnp.sum(noise.attention(KEY, q, k, v, RATE, drop=drop, is_causal=True) ** 2)

    program = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1, 2)))(q, q, q)
    sizes = {int(np.prod(shape)) for shape in shapes_in(program.jaxpr)}
    assert max(sizes) == 100 * 300, "three blocks of 100 queries"


def test_the_backward_pass_keeps_little_more_than_its_inputs():
    q = jnp.ones((2, 400, 2, 8))
    _, vjp = jax.vjp(noise_attention, q, q, q)
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(vjp)) < 3.01 * q.nbytes


def test_one_program_serves_all_rates_and_offsets():
    q, k, v, _ = inputs()
    traces = []

    @jax.jit
    def attend(rate, start):
        traces.append(None)
        return noise.attention(KEY, q, k, v, rate, offset=(0, 0, start, 0))

    for rate, start in ((0.1, 0), (0.2, 3), (1.0, 2**31)):
        assert jnp.isfinite(attend(rate, jnp.uint32(start))).all()
    assert len(traces) == 1


def test_values_may_have_features_of_their_own_and_no_batch():
    q, k, v, _ = inputs()
    wide = jnp.concatenate([v, 2.0 * v], axis=-1)
    y = noise.attention(KEY, q, k, wide, RATE)
    assert y.shape == (B, T, N, 2 * H)
    np.testing.assert_allclose(y[..., H:], 2.0 * y[..., :H], rtol=1e-6)
    np.testing.assert_allclose(noise.attention(KEY, q[0], k[0], wide[0], RATE), y[0], rtol=1e-6)


def test_no_keys_give_zero_and_no_features_give_the_average():
    q, k, v, _ = inputs()
    for drop in ("weights", "keys", "heads"):
        np.testing.assert_array_equal(noise.attention(KEY, q, k[:, :0], v[:, :0], RATE, drop=drop), 0.0)
    y = noise.attention(None, q[..., :0], k[..., :0], v, RATE)
    np.testing.assert_allclose(y, np.broadcast_to(v.mean(1, keepdims=True).repeat(2, axis=2), y.shape), atol=1e-6)
