"""The laws of every function of augment with a key; those of images alone are in test_parts.py."""

import inspect
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment
from tests.augment import test_parts
from tests.augment.table import MIXTURES, SEQUENCES, Row

pytestmark = pytest.mark.sampled(3)
KEY = jax.random.key(7)
ROWS = (*SEQUENCES, *MIXTURES)
IMAGE_PARTS = {"image": test_parts.IMAGES, "mask": test_parts.MASK, "boxes": jnp.ones((6, 2, 4))}
EVERY = (*ROWS, *(Row(row.name, row.apply, IMAGE_PARTS, row.number) for row in test_parts.ROWS))


def each(rows, holds=lambda row: True):
    """The rows for which a law holds."""
    return pytest.mark.parametrize("row", [row for row in rows if holds(row)], ids=str)


@cache
def compiled(row: Row):
    # Jitting one function twice gives one cache, which other tests would fill.
    return jax.jit(lambda key, x, number: row.apply(key, x, number))


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def assert_close(found, expected, tolerance=1e-5):
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        if one.dtype.kind == "f":
            one, other = one.astype(np.float64), other.astype(np.float64)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance if one.dtype.kind == "f" else 0)


def differ(found, other):
    return any((one != two).any() for one, two in zip(leaves(found), leaves(other), strict=True))


@each(ROWS)
def test_no_key_gives_the_deterministic_member_with_the_shapes_and_dtypes_of_the_noisy_one(row):
    member = row.apply(None, row.x, row.number)
    if row.member is None:
        assert all(one is other for one, other in zip(*map(jax.tree.leaves, (member, row.x)), strict=True))
    else:
        jax.tree.map(np.testing.assert_array_equal, member, row.member(row.x))
    noisy = jax.eval_shape(row.apply, KEY, row.x, row.number)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), member) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), noisy
    )


@each(ROWS, lambda row: row.identity is not None)
def test_the_number_that_changes_nothing_changes_no_bit(row):
    found = compiled(row)(KEY, row.x, row.identity)
    jax.tree.map(np.testing.assert_array_equal, found, row.member(row.x) if row.member else row.x)


@pytest.mark.sampled(6)
@each(ROWS)
def test_vmap_is_the_loop(row):
    keys = jax.random.split(KEY, 3)
    mapped = jax.jit(jax.vmap(row.apply, in_axes=(0, None, None)))(keys, row.x, row.number)
    for i, key in enumerate(keys):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], mapped)
        assert_close(one, compiled(row)(key, row.x, row.number), row.tolerance)


@each(SEQUENCES, lambda row: row.name != "swap_noise")
def test_every_example_of_a_batch_draws_for_itself(row):
    x = jnp.broadcast_to(row.x[:1], row.x.shape)
    examples = np.stack([compiled(row)(key, x, row.number) for key in jax.random.split(KEY, 8)])
    assert (examples[:, 0] != examples[:, 1]).any()
    assert (examples[:, 0] != examples[:, 2]).any()


@pytest.mark.sampled(3)
@each(SEQUENCES)
def test_every_example_may_have_a_number_of_its_own(row):
    numbers = (row.identity, row.number, row.bad[0])
    found = jax.jit(row.apply)(KEY, row.x, jnp.array(numbers))
    for i, number in enumerate(numbers):
        np.testing.assert_allclose(found[i], compiled(row)(KEY, row.x, number)[i], row.tolerance, row.tolerance)


@each(SEQUENCES)
def test_any_leading_axes_and_narrow_types_are_kept(row):
    narrow = jnp.int16 if jnp.issubdtype(row.x.dtype, jnp.integer) else jnp.bfloat16
    for leading, dtype in (((), narrow), ((2, 1), row.x.dtype), ((0,), narrow)):
        x = jax.ShapeDtypeStruct((*leading, *row.x.shape[1:]), dtype)
        y = jax.eval_shape(row.apply, KEY, x, row.number)
        assert (y.shape, y.dtype) == (x.shape, x.dtype)


@each(ROWS, lambda row: row.bad)
def test_bad_numbers_raise_when_concrete_and_spoil_every_leaf_when_traced(row):
    for value in row.bad:
        for key in (KEY, None):
            with pytest.raises(ValueError, match=rf"^{row.name.split(',')[0]}: {row.domain}; got {value}"):
                row.apply(key, row.x, value)
        for leaf in jax.tree.leaves(compiled(row)(KEY, row.x, value)):
            # No plausible value: an embedding of such an id is NaN.
            is_float = jnp.issubdtype(leaf.dtype, jnp.floating)
            assert jnp.isnan(leaf if is_float else jnp.take(jnp.ones((100, 2)), leaf, axis=0)).all()


@each(ROWS, lambda row: row.identity is not None)
def test_one_trace_serves_every_number(row):
    for number in (row.number, row.identity, row.bad[0]):
        compiled(row)(KEY, row.x, number)
    assert compiled(row)._cache_size() == 1


@each(EVERY)
def test_one_key_one_result_and_two_keys_two(row):
    first = compiled(row)(KEY, row.x, row.number)
    jax.tree.map(np.testing.assert_array_equal, first, compiled(row)(KEY, row.x, row.number))
    others = [compiled(row)(key, row.x, row.number) for key in jax.random.split(KEY, 4)]
    assert any(differ(first, other) for other in others)


@pytest.mark.parametrize("name", ["random_swap", "swap_noise", "random_gain", "random_time_warp"])
def test_eager_calls_draw_the_same(name):
    row = next(row for row in SEQUENCES if row.name == name)
    np.testing.assert_allclose(row.apply(KEY, row.x, row.number), compiled(row)(KEY, row.x, row.number), 1e-5, 1e-6)


@pytest.mark.sampled(5)
@each(EVERY)
def test_x64_mode_draws_the_same(row):
    """Draws of Beta and Dirichlet took their dtype from the mode."""
    expected = compiled(row)(KEY, row.x, row.number)
    x, key = jax.tree.map(np.asarray, row.x), np.asarray(jax.random.key_data(KEY))
    with jax.enable_x64(True):
        found = jax.jit(row.apply)(jax.random.wrap_key_data(key), x, row.number)
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert one.dtype == other.dtype
    assert_close(found, expected)


@pytest.mark.sampled(4)
@each(ROWS, lambda row: row.tolerance < 1e-4)
def test_64_bits_are_kept_in_x64_mode_and_draw_the_same(row):
    def wide(dtype):
        return {"f": np.float64, "i": np.int64}.get(dtype.kind, dtype)

    expected = compiled(row)(KEY, row.x, row.number)
    x = jax.tree.map(lambda leaf: np.asarray(leaf, wide(leaf.dtype)), row.x)
    key = np.asarray(jax.random.key_data(KEY))
    with jax.enable_x64(True):
        found = jax.jit(row.apply)(jax.random.wrap_key_data(key), x, row.number)
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert one.dtype == wide(other.dtype)
    assert_close(found, expected)


@each(EVERY)
def test_what_is_no_key_is_refused(row):
    for key in (0, jnp.zeros(3, jnp.uint32)):
        with pytest.raises(TypeError, match="key must be a PRNG key such as"):
            row.apply(key, row.x, row.number)


def test_every_public_function_with_a_key_has_a_row():
    functions = {name: value for name, value in vars(augment).items() if inspect.isfunction(value)}
    keyed = {name for name, function in functions.items() if "key" in inspect.signature(function).parameters}
    assert {row.name.split(",")[0].split()[0] for row in EVERY} == keyed
