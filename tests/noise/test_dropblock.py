"""DropBlock: the share that is dropped, the shape of what is dropped, the normaliser."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise
from jreg.noise._dropblock import _coverage, _grow, _normalizer, _seed_rate

KEY = jax.random.key(3)


def expected_share(sizes, sides, seed_rate: float) -> float:
    """The mean share dropped, from the number of blocks that can cover each position, counted one by one."""
    cover = np.zeros(sizes)
    for corner in itertools.product(*(range(size - side + 1) for size, side in zip(sizes, sides, strict=True))):
        cover[tuple(slice(start, start + side) for start, side in zip(corner, sides, strict=True))] += 1
    return float(-np.expm1(cover * np.log1p(-seed_rate)).mean()) if seed_rate < 1 else 1.0


GRID = [
    ((16,), (1,)),
    ((16,), (5,)),
    ((16,), (16,)),
    ((7, 7), (3, 3)),
    ((7, 7), (7, 7)),
    ((14, 14), (7, 7)),
    ((16, 16), (6, 6)),
    ((16, 16), (15, 15)),
    ((4, 20), (4, 5)),
    ((20, 4), (5, 2)),
    ((28, 28), (7, 7)),
    ((5, 6, 7), (2, 3, 4)),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("sizes", "sides"), GRID, ids=str)
@pytest.mark.parametrize("rate", [1e-6, 1e-4, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.9999])
def test_seed_rate_solves_for_the_share(sizes, sides, rate):
    axes = tuple(zip(sizes, sides, strict=True))
    solved = jax.jit(lambda rate: _seed_rate(rate, axes))(jnp.float32(rate))
    share = expected_share(sizes, sides, float(solved))
    assert share == pytest.approx(rate, rel=1e-4)
    assert 1 - share == pytest.approx(1 - rate, rel=0.01)


def test_seed_rate_converges_on_large_maps_of_many_overlaps():
    for axes in (((512, 256), (512, 256)), ((100_000, 50_000),), ((64, 15),) * 3, ((100, 99), (100, 99))):
        cover, share = _coverage(axes)
        for rate in (1e-5, 0.1, 0.5, 0.99, 0.999):
            solved = float(_seed_rate(jnp.float32(rate), axes))
            dropped = float(-(share * np.expm1(cover * np.log1p(-solved))).sum())
            assert dropped == pytest.approx(rate, rel=1e-3)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("block_size", range(1, 10))
@pytest.mark.parametrize("shape", [(256, 6, 6, 16), (256, 3, 8, 16)], ids=str)
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropped_share_is_the_rate_for_every_block_size(block_size, shape, rate):
    y = noise.dropblock(KEY, jnp.ones(shape), rate, block_size=block_size)
    assert y.shape == shape
    per_map = np.asarray(y == 0).mean((1, 2)).ravel()
    assert abs(per_map.mean() - rate) < 0.01 * rate + 5 * per_map.std() / per_map.size**0.5


@pytest.mark.parametrize(
    ("shape", "spatial_axes", "block_size"),
    [
        ((64, 40, 16), 1, 6),
        ((64, 16, 40), (-1,), 40),
        ((64, 16, 9, 12), (2, 3), (2, 5)),
        ((9, 12, 256), (0, 1), 4),
        ((32, 6, 6, 6, 16), (1, 2, 3), (2, 3, 4)),
    ],
)
def test_dropped_share_is_the_rate_in_one_two_and_three_dimensions(shape, spatial_axes, block_size):
    y = noise.dropblock(KEY, jnp.ones(shape), 0.3, block_size=block_size, spatial_axes=spatial_axes)
    axes = tuple(np.atleast_1d(spatial_axes))
    per_map = np.asarray(y == 0).mean(axes).ravel()
    assert abs(per_map.mean() - 0.3) < 0.003 + 5 * per_map.std() / per_map.size**0.5


@pytest.mark.parametrize("sides", [(1, 1), (2, 2), (3, 3), (2, 5), (4, 1), (7, 9), (20, 20)])
def test_zeros_are_a_union_of_full_blocks(sides):
    y = np.asarray(noise.dropblock(KEY, jnp.ones((32, 7, 9, 4)), 0.4, block_size=sides))
    zero, rebuilt = y == 0, np.zeros(y.shape, bool)
    height, width = min(sides[0], 7), min(sides[1], 9)
    for i, j in itertools.product(range(7 - height + 1), range(9 - width + 1)):
        block = (slice(None), slice(i, i + height), slice(j, j + width))
        rebuilt[block] |= zero[block].all((1, 2), keepdims=True)
    np.testing.assert_array_equal(zero, rebuilt)
    assert len(np.unique(y)) == 2


def test_sides_follow_the_order_of_the_spatial_axes():
    x = jnp.ones((16, 8, 9, 4))
    forwards = noise.dropblock(KEY, x, 0.3, block_size=(2, 5), spatial_axes=(1, 2))
    np.testing.assert_array_equal(forwards, noise.dropblock(KEY, x, 0.3, block_size=(5, 2), spatial_axes=(2, 1)))


@pytest.mark.parametrize("side", range(1, 12))
def test_growing_by_doubling_equals_growing_one_by_one(side):
    seeds = jax.random.bernoulli(KEY, 0.2, (5, 20))
    expected = np.zeros((5, 20 + side - 1), bool)
    for shift in range(side):
        expected[:, shift : shift + 20] |= np.asarray(seeds)
    np.testing.assert_array_equal(_grow(seeds, 1, side), expected)


def test_block_of_side_one_drops_what_dropout_drops():
    x = jnp.ones((16, 6, 6, 8))
    np.testing.assert_array_equal(noise.dropblock(KEY, x, 0.3, block_size=1) == 0, noise.dropout(KEY, x, 0.3) == 0)


def test_channels_draw_on_their_own_unless_shared():
    x = jnp.ones((32, 8, 8, 6))
    own = noise.dropblock(KEY, x, 0.3, block_size=3) == 0
    assert not bool((own == own[..., :1]).all())
    shared = noise.dropblock(KEY, x, 0.3, block_size=3, shared_channels=True) == 0
    assert bool((shared == shared[..., :1]).all())
    assert not bool((shared == shared[:1]).all())
    first = noise.dropblock(KEY, x, 0.3, block_size=3, spatial_axes=(2, 3), shared_channels=True) == 0
    assert bool((first == first[:, :1]).all())


@pytest.mark.parametrize("block_size", [1, 3, 20])
@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_rate_zero_and_one_are_exact_with_finite_gradients(block_size, rate):
    x = jax.random.normal(KEY, (4, 6, 6, 3))

    def total(x, rate):
        return jnp.sum(noise.dropblock(KEY, x, rate, block_size=block_size) ** 2)

    y = noise.dropblock(KEY, x, rate, block_size=block_size)
    if rate in (0.0, 1.0):
        np.testing.assert_array_equal(y, x * (1 - rate))
    for gradient in jax.grad(total, (0, 1))(x, jnp.float32(rate)):
        assert jnp.isfinite(gradient).all()


def test_normaliser_is_the_share_kept_and_zero_when_nothing_is():
    kept = jnp.arange(12).reshape(3, 4) < 5
    assert float(_normalizer(kept)) == pytest.approx(12 / 5)
    assert float(_normalizer(jnp.zeros((3, 4), bool))) == 0.0
    y = noise.dropblock(KEY, jnp.ones((8, 9, 9, 4)), 0.2, block_size=4)
    assert float(y.mean()) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_normaliser_counts_beyond_the_range_of_half_precision(dtype):
    y = noise.dropblock(KEY, jnp.ones((64, 32, 32, 2), dtype), 0.1, block_size=5)
    assert y.dtype == dtype
    assert float(y.astype(jnp.float32).mean()) == pytest.approx(1.0, rel=4e-3)


def test_gradient_is_the_mask_times_the_normaliser():
    x = jax.random.normal(KEY, (8, 9, 9, 4))
    scale = noise.dropblock(KEY, jnp.ones_like(x), 0.3, block_size=4)
    gradient = jax.grad(lambda x: jnp.sum(noise.dropblock(KEY, x, 0.3, block_size=4) * jnp.cos(x)).sum())(x)
    np.testing.assert_allclose(gradient, scale * (jnp.cos(x) - x * jnp.sin(x)), rtol=1e-4, atol=1e-5)


def test_backward_keeps_the_key_and_no_mask():
    x = jnp.ones((16, 16, 16, 8))
    _, pullback = jax.vjp(lambda x: noise.dropblock(KEY, x, 0.3, block_size=5), x)
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(pullback)) < 64


def test_wrong_blocks_and_axes_are_named():
    x = jnp.ones((2, 8, 8, 3))
    with pytest.raises(ValueError, match="dropblock: block_size must be at least 1; got 0"):
        noise.dropblock(KEY, x, 0.1, block_size=0)
    with pytest.raises(TypeError, match=r"dropblock: block_size must be a Python int; got 2\.5"):
        noise.dropblock(KEY, x, 0.1, block_size=2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"block_size must have one side per spatial axis \(1, 2\); got \(3,\)"):
        noise.dropblock(KEY, x, 0.1, block_size=(3,))
    with pytest.raises(ValueError, match=r"spatial_axes must name axes of a 4-dimensional array; got \(1, 4\)"):
        noise.dropblock(KEY, x, 0.1, block_size=3, spatial_axes=(1, 4))
    with pytest.raises(ValueError, match="spatial_axes must name at least one axis"):
        noise.dropblock(KEY, x, 0.1, block_size=3, spatial_axes=())
    with pytest.raises(TypeError, match="dropblock: key must be"):
        noise.dropblock(0, x, 0.1, block_size=3)  # pyright: ignore[reportArgumentType]
