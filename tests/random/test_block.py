"""Blocks: any part of a larger array, drawn alone, has the words that it has in the whole."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from jreg import random

KEY = jax.random.key(7)
WHOLE = (4, 6, 5)
BLOCKS = [
    ((0, 0, 0), (4, 6, 5)),
    ((1, 2, 3), (2, 3, 2)),
    ((3, 0, 4), (1, 6, 1)),
    ((0, 5, 0), (4, 1, 5)),
    ((2, 2, 2), (0, 1, 1)),
]
every_block = pytest.mark.parametrize(("offset", "shape"), BLOCKS)


def part(array, offset, shape):
    return array[tuple(slice(start, start + size) for start, size in zip(offset, shape, strict=True))]


@every_block
@pytest.mark.parametrize("use", [lambda f: f, jax.jit], ids=["static", "traced"])
def test_a_block_has_the_words_of_the_whole(offset, shape, use):
    draw = use(lambda *offset: random.hash_bits(KEY, shape, offset=offset, whole=WHOLE))
    np.testing.assert_array_equal(draw(*offset), part(random.hash_bits(KEY, WHOLE), offset, shape))


@every_block
def test_a_block_of_a_mask_is_that_of_the_whole_mask(offset, shape):
    rates = jnp.linspace(0.0, 1.0, 4)[:, None, None]
    block = random.keep_mask(KEY, shape, part(rates, offset[:1], shape[:1]), offset=offset, whole=WHOLE)
    np.testing.assert_array_equal(block, part(random.keep_mask(KEY, WHOLE, rates), offset, shape))


@pytest.mark.parametrize("first", [0, 3, np.int64(3), jnp.int32(3)])
def test_rows_need_no_whole(first):
    rows = random.hash_bits(KEY, (2, 6, 5), offset=(first, 0, 0))
    np.testing.assert_array_equal(rows, random.hash_bits(KEY, (9, 6, 5))[int(first) : int(first) + 2])


def test_every_shard_draws_its_own_block_of_one_mask():
    """In `shard_map` a function sees its shard alone, so one key would give every shard the same mask."""
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    sharded = partial(jax.shard_map, mesh=mesh, in_specs=PartitionSpec(), out_specs=PartitionSpec("data"))

    @jax.jit
    @sharded
    def mask(key):
        start = jax.lax.axis_index("data") * 2
        return random.keep_mask(key, (2, 16), 0.5, offset=(start, 0), whole=(8, 16))

    np.testing.assert_array_equal(mask(KEY), random.keep_mask(KEY, (8, 16), 0.5))


HUGE = [(3, 2**31, 4), (2, 2**31 + 1, 2), (17, 2**28 + 1, 16), (5, 2**20, 2**20, 8), (2**20, 2**20, 2**20, 4)]


@pytest.mark.parametrize("whole", HUGE, ids=str)
def test_no_slice_of_a_huge_array_repeats(whole):
    """Where the leading axes hold more than 2**32 places, their own positions wrapped, and slices came back."""
    generator = np.random.default_rng(0)
    places = np.stack([generator.integers(size, size=2**12) for size in whole[:-1]], 1)
    places[:2] = [[0] * (len(whole) - 1), [size - 1 for size in whole[:-1]]]
    for axis, size in enumerate(whole[:-1]):  # neighbours along one axis alone
        places[2 + axis] = places[10]
        places[2 + axis, axis] = (places[10, axis] + 1) % size
    known = {(3, 2**31, 4): (2, 0), (2, 2**31 + 1, 2): (1, 2**31 - 1), (17, 2**28 + 1, 16): (15, 2**28 - 15)}
    places[9] = known.get(whole, places[9])
    places = np.unique(places, axis=0).astype(np.uint32)

    @jax.jit
    @jax.vmap
    def row(place):
        return random.hash_bits(KEY, (1,) * (len(whole) - 1) + whole[-1:], offset=(*place, 0), whole=whole).ravel()

    rows = np.asarray(row(places))[:, :2].astype(np.uint64)
    assert len(np.unique(rows[:, 0] << np.uint64(32) | rows[:, 1])) == len(places)
    assert (rows[:, 0] != rows[:, 1]).all()


def test_a_block_of_a_huge_array_has_its_words():
    whole = (3, 2**31, 4)

    def rows():
        return random.hash_bits(KEY, whole)[2, 5:7]

    alone = random.hash_bits(KEY, (1, 2, 4), offset=(2, 5, 0), whole=whole)[0]
    program = jax.jit(rows).lower().compile()
    assert program.memory_analysis().temp_size_in_bytes < 2**16
    np.testing.assert_array_equal(program(), alone)


def test_an_array_beyond_the_words_of_a_key_reads_as_its_leading_axis_goes_on():
    """2**32 elements use one set of key words; the axis before them starts another."""
    whole = (2, 2**16, 2**16)
    first = random.hash_bits(KEY, (1, 1, 64), offset=(0, 3, 0), whole=whole)
    second = random.hash_bits(KEY, (1, 1, 64), offset=(1, 3, 0), whole=whole)
    assert (np.asarray(first) != np.asarray(second)).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"offset": (1, 0)},
            ValueError,
            r"offset must have one entry for each axis of shape \(2, 3, 2\); got \(1, 0\)",
        ),
        ({"offset": (0, 1, 0)}, ValueError, r"whole must be given with an offset along any axis but the first"),
        ({"offset": (3, 0, 0), "whole": WHOLE}, ValueError, r"whole must hold a block of shape \(2, 3, 2\) at offset"),
        ({"offset": (0, 0, 0), "whole": (4, 6)}, ValueError, r"whole must hold a block"),
        ({"offset": (0, 0, 0), "whole": (4, 6, 1)}, ValueError, r"whole must hold a block"),
        ({"offset": (0.5, 0, 0), "whole": WHOLE}, TypeError, r"offset must be a whole number; got 0.5"),
        ({"offset": (-1, 0, 0), "whole": WHOLE}, ValueError, r"offset must be in \[0, 2\*\*32\); got -1"),
        ({"offset": (2**31, 0, 0)}, ValueError, r"whole must be given where it has more than 2\*\*32 elements"),
        ({"offset": (0, 0, 0), "whole": 4}, ValueError, r"whole must hold a block"),
    ],
)
@pytest.mark.parametrize(
    "draw", [random.hash_bits, partial(random.keep_mask, rate=0.5)], ids=["hash_bits", "keep_mask"]
)
def test_what_is_no_block_is_refused(draw, arguments, error, message):
    with pytest.raises(error, match=message):
        draw(KEY, (2, 3, 2), **arguments)


@pytest.mark.parametrize(
    "shape", ["ab", None, 2.0, (2.0,), (-1,), (True,), (10**400,)], ids=lambda shape: str(shape)[:9]
)
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises((TypeError, ValueError), match=r"^hash_bits: shape must (be|hold) "):
        random.hash_bits(KEY, shape)
