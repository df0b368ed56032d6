"""The algebra of transforms: identity, order, chance, and None all the way down."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import augment, noise, random

KEY = jax.random.key(7)
TREE = {"image": jnp.ones((6, 2)), "label": jnp.arange(6)}


def add_one(key, x):
    return x + 1.0


def negate(key, x):
    return -x


def double(key, x):
    return 2.0 * x


def stamp(key, x):
    """Replace x by the words of the key, to see which key came."""
    return jnp.zeros_like(x) if key is None else jnp.broadcast_to(jax.random.uniform(key), x.shape)


def record(keys: list):
    def transform(key, x):
        keys.append(None if key is None else tuple(jax.random.key_data(key).tolist()))
        return x

    return transform


def test_the_empty_chain_is_the_identity():
    assert augment.chain()(KEY, TREE) is TREE
    assert augment.chain()(None, TREE) is TREE


def test_a_chain_of_one_is_that_one_under_a_key_of_its_own():
    x = jnp.ones(64)
    drop = partial(noise.dropout, rate=0.5)
    np.testing.assert_array_equal(augment.chain(drop)(KEY, x), drop(random.split(KEY, 1)[0], x))
    np.testing.assert_array_equal(augment.chain(drop)(None, x), drop(None, x))


def test_a_chain_runs_from_left_to_right():
    assert augment.chain(add_one, double)(KEY, jnp.array(1.0)) == 4.0
    assert augment.chain(double, add_one)(KEY, jnp.array(1.0)) == 3.0


def test_chains_within_chains_compute_the_same():
    x = jnp.array(1.0)
    flat = augment.chain(add_one, double, negate)
    for nested in (
        augment.chain(augment.chain(add_one, double), negate),
        augment.chain(add_one, augment.chain(double, negate)),
    ):
        assert nested(KEY, x) == nested(None, x) == flat(KEY, x)


def test_every_part_of_a_chain_has_its_own_key():
    keys = []
    augment.chain(record(keys), record(keys), record(keys))(KEY, jnp.ones(2))
    assert len(set(keys)) == 3


def test_appending_a_part_leaves_the_draws_before_it_as_they_were():
    short, long = [], []
    augment.chain(record(short), record(short))(KEY, jnp.ones(2))
    augment.chain(record(long), record(long), record(long))(KEY, jnp.ones(2))
    assert long[:2] == short


def test_none_reaches_every_part():
    keys = []
    transform = augment.chain(
        record(keys),
        augment.chain(record(keys)),
        augment.per_example(record(keys)),
        augment.one_of(record(keys), negate),
    )
    np.testing.assert_array_equal(transform(None, jnp.ones((3, 2))), jnp.ones((3, 2)))
    assert keys == [None] * 4


def test_none_leaves_maybe_undone_and_takes_the_first_of_one_of():
    x = jnp.ones(2)
    assert augment.maybe(negate, 1.0)(None, x) is x
    np.testing.assert_array_equal(augment.one_of(double, negate)(None, x), 2.0 * x)


def test_transforms_print_as_what_they_were_made_of():
    transform = augment.chain(
        partial(noise.dropout, rate=0.5),
        augment.maybe(augment.one_of(negate, double), 0.25),
        augment.per_example(augment.chain()),
    )
    assert repr(transform) == "chain(dropout(rate=0.5), maybe(one_of(negate, double), 0.25), per_example(chain()))"


@pytest.mark.parametrize("prob", [0.0, 1.0, 0, 1])
@pytest.mark.parametrize("is_traced", [False, True], ids=["static", "traced"])
def test_probabilities_zero_and_one_are_exact(prob, is_traced):
    def apply(prob):
        return augment.per_example(augment.maybe(negate, prob))(KEY, jnp.ones(256))

    np.testing.assert_array_equal((jax.jit(apply) if is_traced else apply)(prob), 1.0 - 2.0 * prob)


@pytest.mark.parametrize("prob", [0.01, 0.3, 0.9])
def test_maybe_applies_with_its_probability(prob):
    """dm_pix flips a whole batch or none of it; per example, the share is the probability."""
    transform = augment.per_example(augment.maybe(negate, prob))
    applied = jax.jit(transform)(KEY, jnp.ones((20000, 1))) == -1.0
    assert abs(applied.mean() - prob) < 5 * (prob * (1 - prob) / 20000) ** 0.5


def test_maybe_decides_once_for_all_of_x_and_per_example_for_each():
    x = jnp.ones((64, 3))
    whole = np.asarray(augment.maybe(negate, 0.5)(KEY, x))
    each = np.asarray(augment.per_example(augment.maybe(negate, 0.5))(KEY, x))
    assert np.unique(whole).size == 1
    assert np.unique(each).size == 2
    assert (each == each[:, :1]).all()


def test_the_decision_and_the_transform_have_separate_keys():
    """Else what is applied would depend on whether it is."""
    keys = jax.random.split(KEY, 4096)
    values = jax.vmap(lambda key: augment.maybe(stamp, 0.5)(key, jnp.array(-1.0)))(keys)
    drawn = values[values >= 0.0]
    assert abs(drawn.mean() - 0.5) < 5 * (1 / 12 / drawn.size) ** 0.5
    assert drawn.min() < 0.01
    assert drawn.max() > 0.99


def test_one_trace_serves_every_probability():
    traces = 0

    @jax.jit
    def apply(prob):
        nonlocal traces
        traces += 1
        return augment.maybe(negate, prob)(KEY, jnp.ones(2))

    for prob in (0.0, 0.5, 1.0):
        apply(prob)
    assert traces == 1


@pytest.mark.parametrize("prob", [-0.1, 1.5, float("nan")])
def test_bad_probabilities_raise_when_concrete_and_give_nan_when_traced(prob):
    """dm_pix takes a probability of 1.5."""
    with pytest.raises(ValueError, match=r"^maybe: prob must be in \[0, 1\]; got"):
        augment.maybe(negate, prob)
    y = jax.jit(lambda prob: augment.maybe(lambda key, x: x, prob)(KEY, TREE))(prob)
    assert jnp.isnan(y["image"]).all()
    assert (y["label"] == jnp.iinfo(TREE["label"].dtype).max).all()


def test_a_probability_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match=r"^maybe: prob must be a real number; got <module"):
        augment.maybe(negate, np)


def test_a_probability_per_example_is_refused():
    with pytest.raises(ValueError, match=r"^maybe: prob must be a scalar"):
        augment.maybe(negate, jnp.ones(3) / 2)


@pytest.mark.parametrize("num", [1, 2, 3, 5])
def test_one_of_takes_each_equally_often(num):
    transform = augment.one_of(*(lambda key, x, i=i: x + i for i in range(num)))
    draws = jax.jit(jax.vmap(lambda key: transform(key, jnp.array(0.0))))(jax.random.split(KEY, 10000))
    counts = np.bincount(np.asarray(draws, int), minlength=num)
    assert counts.shape == (num,)
    assert (abs(counts - 10000 / num) <= 5 * (10000 / num * (1 - 1 / num)) ** 0.5).all()


def test_one_of_gives_its_choice_a_key_of_its_own():
    keys = jax.random.split(KEY, 4096)
    values = jax.vmap(lambda key: augment.one_of(stamp, stamp)(key, jnp.array(-1.0)))(keys)
    assert np.unique(np.asarray(values)).size > 4090
    assert abs(values.mean() - 0.5) < 5 * (1 / 12 / 4096) ** 0.5


def test_every_example_has_its_own_key():
    stamps = np.asarray(augment.per_example(stamp)(KEY, jnp.ones((16, 3))))
    assert np.unique(stamps).size == 16
    assert (stamps == stamps[:, :1]).all()


def test_per_example_is_a_loop_over_the_split_keys():
    drop = partial(noise.dropout, rate=0.5)
    x = jnp.ones((4, 32))
    looped = jnp.stack([drop(key, row) for key, row in zip(random.split(KEY, 4), x, strict=True)])
    np.testing.assert_array_equal(augment.per_example(drop)(KEY, x), looped)


def test_the_first_examples_of_a_longer_batch_draw_the_same():
    """timm#1304: the last, shorter batch is no special case."""
    drop = augment.per_example(partial(noise.dropout, rate=0.5))
    np.testing.assert_array_equal(drop(KEY, jnp.ones((5, 8)))[:3], drop(KEY, jnp.ones((3, 8))))
    assert drop(KEY, jnp.ones((1, 8))).shape == (1, 8)
    assert drop(KEY, jnp.ones((0, 8))).shape == (0, 8)


def test_trees_go_through_every_word():
    def flip(key, x):
        return {"image": x["image"][..., ::-1], "label": x["label"]}

    transform = augment.chain(
        augment.maybe(flip, 0.5), augment.one_of(flip, flip), augment.per_example(augment.maybe(flip, 0.5))
    )
    for key in (KEY, None):
        y = transform(key, TREE)
        assert jax.tree.structure(y) == jax.tree.structure(TREE)
        np.testing.assert_array_equal(y["label"], TREE["label"])
        assert y["label"].dtype == TREE["label"].dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "uint8", "int32"])
def test_dtypes_are_kept(dtype):
    x = jnp.ones((4, 2), dtype)
    transform = augment.chain(augment.maybe(negate, 0.5), augment.one_of(negate, negate), augment.per_example(negate))
    assert transform(KEY, x).dtype == jnp.dtype(dtype)


def test_composed_transforms_are_the_same_under_jit():
    transform = augment.chain(
        partial(noise.dropout, rate=0.5),
        augment.maybe(double, 0.5),
        augment.per_example(augment.one_of(negate, double)),
    )
    x = jnp.ones((8, 4))
    for seed in range(3):
        key = jax.random.key(seed)
        np.testing.assert_array_equal(transform(key, x), jax.jit(transform)(key, x))


def test_two_epochs_differ_and_a_resumed_one_repeats():
    """pytorch/pytorch#5059: every worker and epoch drew the same augmentation."""
    transform = augment.per_example(augment.maybe(negate, 0.5))
    x = jnp.ones((64, 1))
    epochs = [transform(random.fold_in(KEY, epoch), x) for epoch in (0, 1, 1)]
    assert (epochs[0] != epochs[1]).any()
    np.testing.assert_array_equal(epochs[1], epochs[2])


@pytest.mark.parametrize("bad", [lambda key, x: x[1:], lambda key, x: x.astype(jnp.float16), lambda key, x: (x, x)])
def test_a_choice_that_changes_the_type_is_refused(bad):
    with pytest.raises(TypeError, match=r"^maybe: fn must keep structure, shapes and dtypes; .* became"):
        augment.maybe(bad, 0.5)(KEY, jnp.ones(3))
    with pytest.raises(TypeError, match=r"^one_of: fn must keep structure, shapes and dtypes; .* became"):
        augment.one_of(negate, bad)(KEY, jnp.ones(3))


def test_all_parts_of_one_of_may_change_the_shape_alike():
    x = jnp.arange(3.0)
    halves = augment.one_of(lambda key, x: x[:-1], lambda key, x: x[1:])
    for key in jax.random.split(KEY, 4):
        assert halves(key, x).tolist() in ([0.0, 1.0], [1.0, 2.0])


def test_what_is_no_transform_is_refused():
    for make in (augment.chain, augment.one_of, augment.per_example, partial(augment.maybe, prob=0.5)):
        with pytest.raises(TypeError, match=r"fn must be a function of \(key, x\); got 0.5"):
            make(0.5)
    with pytest.raises(ValueError, match=r"^one_of: fns must hold at least one transform; got none"):
        augment.one_of()


@pytest.mark.parametrize("x", [jnp.array(1.0), (jnp.ones(2), jnp.ones(3)), (jnp.ones(2), jnp.array(1.0)), ()], ids=repr)
def test_a_batch_without_one_size_is_refused(x):
    for key in (KEY, None):
        with pytest.raises(ValueError, match=r"^per_example: x must have one size on the first axis"):
            augment.per_example(negate)(key, x)


@pytest.mark.parametrize("key", [0, jnp.zeros(3, jnp.uint32)], ids=repr)
def test_what_is_no_key_is_refused(key):
    for transform in (
        augment.chain(negate),
        augment.maybe(negate, 0.5),
        augment.one_of(negate),
        augment.per_example(negate),
    ):
        with pytest.raises(TypeError, match=r"key must be a PRNG key such as"):
            transform(key, jnp.ones((2, 2)))
