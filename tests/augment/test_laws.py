"""The laws of every function of augment with a key, over the tables of its families and one of mixtures and crops.

The laws of image transforms alone are in test_parts.py, those of tokens, sounds and tables in test_rows.py.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import nan
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment
from tests.augment import test_parts, test_rows

KEY = jax.random.key(7)
IMAGES = jax.random.uniform(jax.random.key(1), (6, 8, 12, 3))
BATCH = (IMAGES, jnp.eye(6))
TABLE = (jax.random.normal(KEY, (6, 5)), jnp.eye(6))
CLASSES = (TABLE[0] + jnp.arange(6.0)[:, None], jnp.array([0, 1, 0, 1, 1, 1]))
PARTS = {"image": IMAGES, "mask": IMAGES[..., 0] > 0.5, "boxes": jnp.ones((6, 2, 4)), "label": jnp.arange(6)}


@dataclass(frozen=True, eq=False)
class Row:
    """A function of (key, x, number), where x is any pytree."""

    name: str
    apply: Callable[[Any, Any, Any], Any]
    x: Any
    number: float = 0.7
    identity: float | None = 0.0
    """The number at which the result is the deterministic member, if there is one."""
    bad: tuple[float, ...] = (-0.1, nan)
    domain: str = "alpha must be at least 0"
    member: Callable[[Any], Any] = lambda x: x
    """The deterministic member, which the key None gives."""

    def __str__(self) -> str:
        return self.name


def layer(key, x):
    return 2.0 * x


def balanced(key, x, number):
    return augment.smote(key, *x, num_classes=2, num_per_class=8)


def repeated(x):
    rows, labels = x
    order = np.concatenate([np.resize(np.flatnonzero(labels == c), 8) for c in (0, 1)])
    return rows[order], labels[order]


def cropped(x):
    whole = {name: x[name][:, 2:6, 3:8] for name in ("image", "mask")}
    return {**x, **whole, "boxes": jnp.zeros_like(x["boxes"])}


def switched(per):
    return lambda key, x, n: augment.mixup_or_cutmix(key, x, n, n, 0.5, per=per)


MIXTURES = (
    Row("mixup", augment.mixup, BATCH),
    Row("mixup, example", partial(augment.mixup, per="example"), BATCH),
    Row("cutmix", augment.cutmix, BATCH),
    Row("cutmix, example", partial(augment.cutmix, per="example"), BATCH),
    Row("mixup_or_cutmix", switched("batch"), BATCH, domain="mixup_alpha must be at least 0"),
    Row("mixup_or_cutmix, example", switched("example"), BATCH, domain="mixup_alpha must be at least 0"),
    Row(
        "manifold_mixup",
        partial(augment.manifold_mixup, layers=[layer, layer]),
        BATCH,
        member=lambda x: (4.0 * x[0], x[1]),
    ),
    Row("feature_mixup", lambda key, x, n: augment.feature_mixup(key, *x, n), TABLE),
    Row("smote", balanced, CLASSES, identity=None, bad=(), member=repeated),
    Row(
        "random_crop",
        lambda key, x, n: augment.random_crop(key, x, size=(4, 5)),
        PARTS,
        identity=None,
        bad=(),
        member=cropped,
    ),
)
IMAGE_PARTS = {"image": test_parts.IMAGES, "mask": test_parts.MASK, "boxes": jnp.ones((6, 2, 4))}
EVERY = (
    *MIXTURES,
    *(Row(row.name, row.apply, row.x, row.number) for row in test_rows.ROWS),
    *(Row(row.name, row.apply, IMAGE_PARTS, row.number) for row in test_parts.ROWS),
)


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


@each(MIXTURES)
def test_no_key_gives_the_deterministic_member_with_the_shapes_and_dtypes_of_the_noisy_one(row):
    member = row.apply(None, row.x, row.number)
    jax.tree.map(np.testing.assert_array_equal, member, row.member(row.x))
    noisy = jax.eval_shape(row.apply, KEY, row.x, row.number)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), member) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), noisy
    )


@each(MIXTURES, lambda row: row.identity is not None)
def test_the_number_that_changes_nothing_changes_no_bit(row):
    found = compiled(row)(KEY, row.x, row.identity)
    jax.tree.map(np.testing.assert_array_equal, found, row.member(row.x))


@each(MIXTURES)
def test_vmap_is_the_loop(row):
    keys = jax.random.split(KEY, 3)
    mapped = jax.jit(jax.vmap(row.apply, in_axes=(0, None, None)))(keys, row.x, row.number)
    for i, key in enumerate(keys):
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), compiled(row)(key, row.x, row.number))


@each(MIXTURES, lambda row: row.bad)
def test_bad_numbers_raise_when_concrete_and_spoil_every_leaf_when_traced(row):
    for value in row.bad:
        for key in (KEY, None):
            with pytest.raises(ValueError, match=rf"^{row.name.split(',')[0]}: {row.domain}; got {value}"):
                row.apply(key, row.x, value)
        for leaf in leaves(compiled(row)(KEY, row.x, value)):
            assert np.isnan(leaf).all()


@each(MIXTURES, lambda row: row.identity is not None)
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


@each(MIXTURES)
def test_doubles_are_kept_in_x64_mode_and_draw_the_same(row):
    expected = compiled(row)(KEY, row.x, row.number)
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64 if leaf.dtype == jnp.float32 else leaf.dtype), row.x)
    key = np.asarray(jax.random.key_data(KEY))
    with jax.enable_x64(True):
        found = jax.jit(row.apply)(jax.random.wrap_key_data(key), wide, row.number)
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        assert one.dtype == (np.float64 if other.dtype == np.float32 else other.dtype)
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
