"""Keys that may be None: what splitting, folding and refusing promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import random

KEY = jax.random.key(7)
IMPLEMENTATIONS = ("threefry2x32", "rbg", "unsafe_rbg", "philox2x32")
TREE = {"kernel": jnp.ones((2, 3)), "layers": [jnp.ones(2), None, jnp.ones(1)]}

every_key = pytest.mark.parametrize(
    "key",
    [*(jax.random.key(7, impl=name) for name in IMPLEMENTATIONS), jax.random.PRNGKey(7)],
    ids=[*IMPLEMENTATIONS, "legacy"],
)


def words(key) -> np.ndarray:
    return np.asarray(jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key)


def test_none_stays_none_in_the_structure_that_a_key_would_have():
    assert random.split(None) == (None, None)
    assert random.split(None, 3) == (None, None, None)
    assert random.split(None, 0) == random.split(KEY, 0) == ()
    assert random.split_array(None, 4) is None
    assert random.split_like(None, TREE) == {"kernel": None, "layers": [None, None, None]}
    assert random.fold_in(None, 3) is None


def test_none_goes_through_jit_vmap_and_scan():
    def draw(key, x):
        return x if key is None else x + random.hash_bits(key, ()).astype(jnp.float32)

    def scanned(key, xs):
        return jax.lax.scan(lambda carry, row: (carry, draw(*row)), 0, (random.split_array(key, 3), xs))[1]

    xs = jnp.arange(3.0)
    np.testing.assert_array_equal(jax.jit(scanned)(None, xs), xs)
    np.testing.assert_array_equal(jax.vmap(draw)(random.split_array(None, 3), xs), xs)
    assert np.unique(jax.jit(scanned)(KEY, xs)).size == 3


@every_key
def test_split_gives_distinct_scalar_keys_of_the_same_kind(key):
    children = random.split(key, 5)
    assert isinstance(children, tuple)
    assert {(child.shape, child.dtype) for child in children} == {(key.shape, key.dtype)}
    assert len({tuple(words(child)) for child in (key, *children)}) == 6


@every_key
def test_more_children_leave_the_first_ones_as_they_were(key):
    few, many = random.split(key, 2), random.split(key, 5)
    for child, same in zip(few, many, strict=False):
        np.testing.assert_array_equal(words(child), words(same))


@every_key
def test_split_split_array_and_split_like_hand_out_the_same_children(key):
    children = np.stack([words(child) for child in random.split(key, 3)])
    np.testing.assert_array_equal(words(random.split_array(key, 3)), children)
    tree = random.split_like(key, TREE)
    assert tree["layers"][1] is None
    np.testing.assert_array_equal(np.stack([words(leaf) for leaf in jax.tree.leaves(tree)]), children)


def test_split_like_of_a_tree_without_leaves_is_that_tree():
    assert random.split_like(KEY, {"a": None, "b": ()}) == {"a": None, "b": ()}


@every_key
def test_splitting_and_folding_work_alike_under_jit(key):
    np.testing.assert_array_equal(words(jax.jit(random.fold_in)(key, 3)), words(random.fold_in(key, 3)))
    np.testing.assert_array_equal(
        words(jax.jit(lambda key: random.split_array(key, 3))(key)), words(random.split_array(key, 3))
    )


@every_key
def test_folding_in_every_step_at_once_gives_distinct_keys(key):
    mapped = words(jax.vmap(lambda step: random.fold_in(key, step))(jnp.arange(4)))
    assert len({tuple(row) for row in mapped}) == 4


def test_folding_works_alike_under_vmap():
    steps = jnp.arange(4)
    mapped = words(jax.vmap(lambda step: random.fold_in(KEY, step))(steps))
    np.testing.assert_array_equal(mapped, [words(random.fold_in(KEY, int(step))) for step in steps])


def test_folding_the_step_in_a_scan_equals_folding_it_in_a_loop():
    _, scanned = jax.lax.scan(lambda carry, step: (carry, random.fold_in(KEY, step)), 0, jnp.arange(3))
    np.testing.assert_array_equal(words(scanned), [words(random.fold_in(KEY, step)) for step in range(3)])


def test_folding_and_splitting_one_key_collide_as_documented():
    """jax-ml/jax#13341: one key is either split or folded."""
    np.testing.assert_array_equal(words(random.fold_in(KEY, 1)), words(random.split(KEY, 3)[1]))


def test_every_step_that_fits_a_word_can_be_folded_in():
    steps = (0, 1, np.int64(2), np.uint8(3), jnp.int32(4), 2**31, 2**32 - 1)
    assert len({tuple(words(random.fold_in(KEY, step))) for step in steps}) == len(steps)


@pytest.mark.parametrize("data", [1.5, 1.0, True, np.bool_(True), "1", None, jnp.float32(1.0)], ids=repr)
def test_folding_what_is_no_whole_number_is_refused(data):
    for key in (KEY, None):
        with pytest.raises(TypeError, match=r"fold_in: data must be a whole number; got"):
            random.fold_in(key, data)


def test_folding_a_traced_float_is_refused():
    with pytest.raises(TypeError, match=r"fold_in: data must be a whole number"):
        jax.jit(random.fold_in)(KEY, 1.5)


@pytest.mark.parametrize("data", [-1, np.int32(-5), 2**32, 2**70])
def test_folding_a_number_that_fits_no_word_is_refused(data):
    for key in (KEY, None):
        with pytest.raises(ValueError, match=r"fold_in: data must be in \[0, 2\*\*32\); got"):
            random.fold_in(key, data)


@pytest.mark.parametrize("data", [np.arange(3), jnp.arange(3), np.arange(1)], ids=repr)
def test_folding_several_numbers_at_once_is_refused(data):
    with pytest.raises((TypeError, ValueError), match=r"fold_in: data must be"):
        random.fold_in(KEY, data)


@pytest.mark.parametrize(
    "key",
    [0, np.int64(3), 1.5, "0", jnp.zeros(2), jnp.zeros(2, jnp.int32), jnp.zeros(3, jnp.uint32), (0, 1)],
    ids=repr,
)
def test_what_is_no_key_is_refused(key):
    for function in (random.split, random.split_array, random.fold_in):
        with pytest.raises(TypeError, match=r"key must be a PRNG key such as jax.random.key\(0\); got"):
            function(key, 2)
    with pytest.raises(TypeError, match=r"key must be a PRNG key such as"):
        random.split_like(key, TREE)
    with pytest.raises(TypeError, match=r"hash_bits: key must be a PRNG key such as"):
        random.hash_bits(key, (2,))


def test_an_array_of_keys_is_refused_with_the_advice_to_map():
    keys = jax.random.split(KEY, 4)
    for function in (random.split, random.split_array, random.fold_in):
        with pytest.raises(ValueError, match=r"key must be a single key; got .*\(4,\).*jax.vmap"):
            function(keys, 2)
    with pytest.raises(ValueError, match=r"hash_bits: key must be a single key"):
        random.hash_bits(keys, (2,))


@pytest.mark.parametrize("function", [random.split, random.split_array, random.split_like, random.fold_in])
def test_a_refusal_names_the_function_that_was_called(function):
    with pytest.raises(TypeError, match=rf"^{function.__name__}: key"):
        function(0, 2)


@pytest.mark.parametrize("draw", [random.hash_bits, lambda key, shape: random.keep_mask(key, shape, 0.5)])
def test_there_are_no_bits_without_a_key(draw):
    with pytest.raises(TypeError, match=r"key must be a PRNG key, since the result is the noise itself; got None"):
        draw(None, (2,))


@pytest.mark.parametrize(("num", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError), (None, TypeError)])
def test_a_number_of_children_that_is_no_count_is_refused(num, error):
    for key in (KEY, None):
        with pytest.raises(error, match=r"split: num must be"):
            random.split(key, num)
        with pytest.raises(error, match=r"split_array: num must be"):
            random.split_array(key, num)


def test_a_traced_number_of_children_is_refused():
    with pytest.raises(TypeError, match=r"split: num must be a Python int"):
        jax.jit(random.split)(KEY, 3)


@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg"])
def test_a_legacy_key_has_the_words_of_the_default_implementation(implementation):
    """flax takes the four words that `PRNGKey` gives there."""
    with jax.default_prng_impl(implementation):
        typed, legacy = jax.random.key(7), jax.random.PRNGKey(7)
        assert legacy.shape == (4,)
        np.testing.assert_array_equal(random.hash_bits(legacy, (64,)), random.hash_bits(typed, (64,)))
        np.testing.assert_array_equal(random.split_array(legacy, 3), words(random.split_array(typed, 3)))
        with pytest.raises(TypeError, match=r"split: key must be a PRNG key .*; got uint32\[2\]"):
            random.split(words(KEY))
    with pytest.raises(TypeError, match=r"split: key must be a PRNG key .*; got uint32\[4\]"):
        random.split(legacy)
