"""Mixup: the law of its weight, the fate of the labels, and the edges of batch and alpha."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(7)


# One compilation each for many tests: the program of a Beta draw is long.
compiled = jax.jit(augment.mixup)
mixed_under_many_keys = jax.jit(jax.vmap(augment.mixup, in_axes=(0, None, None)))


def many_mixed(alpha: float) -> jax.Array:
    return mixed_under_many_keys(jax.random.split(KEY, 2000), jnp.eye(8), alpha)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 1.0, 2.0])
def test_the_weight_follows_the_beta_law(alpha):
    """tensorflow/models#13490: the weight was drawn from another law with the same mean."""
    # An example whose partner is another shows the weight on the diagonal, one whose partner is itself shows 1.
    weights = np.asarray(jnp.diagonal(many_mixed(alpha), axis1=1, axis2=2).min(1), np.float64)
    law = scipy.stats.beta(alpha, alpha)
    # Near the ends float32 cannot tell a weight from 0 or 1.
    inner = weights[(weights > 1e-4) & (weights < 1 - 1e-4)]
    share = law.cdf(1 - 1e-4) - law.cdf(1e-4)
    assert abs(inner.size - share * weights.size) <= 5 * (weights.size * share * (1 - share)) ** 0.5 + 1e-9
    within = scipy.stats.kstest(inner, lambda w: (law.cdf(w) - law.cdf(1e-4)) / share)
    assert within.pvalue > 1e-3


def test_the_closed_form_of_mix():
    batch, partner = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[0.0, 6.0], [5.0, -4.0]])
    np.testing.assert_allclose(augment.mix(batch, partner, 0.25), [[0.25, 5.0], [4.5, -2.0]])
    np.testing.assert_allclose(augment.mix(batch, partner, jnp.array([0.25, 1.0])), [[0.25, 5.0], [3.0, 4.0]])
    np.testing.assert_array_equal(augment.mix(batch, partner, 1.0), batch)
    np.testing.assert_array_equal(augment.mix(batch, partner, 0), partner)


def test_a_weight_of_one_gives_the_batch_whatever_the_partner_holds():
    batch, partner = jnp.ones(3), jnp.array([jnp.inf, -jnp.inf, jnp.nan])
    np.testing.assert_array_equal(augment.mix(batch, partner, 1.0), batch)


def test_every_leaf_of_a_tree_mixes_by_the_same_weight():
    x, y = jnp.arange(8.0)[:, None, None] * jnp.ones((8, 3, 2)), jnp.arange(8.0)
    mixed_x, mixed_y = augment.mixup(KEY, (x, y), 1.0)
    np.testing.assert_allclose(mixed_x, mixed_y[:, None, None] * jnp.ones((8, 3, 2)), rtol=1e-6)
    assert (mixed_y != y).any()


def test_mixing_is_with_examples_of_the_batch_and_every_example_is_a_partner_once():
    mixed = np.asarray(augment.mixup(KEY, jnp.eye(16), 1.0))
    np.testing.assert_allclose(mixed.sum(0), 1.0, atol=1e-6)
    np.testing.assert_allclose(mixed.sum(1), 1.0, atol=1e-6)
    assert ((mixed != 0).sum(1) <= 2).all()


def test_labels_that_are_distributions_stay_distributions():
    labels = jax.nn.softmax(jax.random.normal(KEY, (32, 10)))
    mixed = augment.mixup(KEY, (jnp.ones((32, 4)), labels), 0.4)[1]
    np.testing.assert_allclose(mixed.sum(1), 1.0, rtol=1e-6)
    assert (mixed >= 0.0).all()


def test_no_key_returns_the_batch_itself():
    batch = {"x": jnp.ones((3, 2)), "y": jnp.ones((3, 2))}
    assert augment.mixup(None, batch, 0.4) is batch


@pytest.mark.parametrize("mixup", [augment.mixup, compiled], ids=["static", "traced"])
def test_alpha_zero_returns_the_batch_bit_for_bit(mixup):
    """jax-ml/jax#17922 and keras: an alpha of zero gave NaN labels."""
    x = jax.random.normal(KEY, (4, 2))
    np.testing.assert_array_equal(mixup(KEY, x, 0.0), x)


def test_alpha_zero_returns_a_batch_that_is_not_finite():
    x = jnp.array([1.0, jnp.inf, 2.0, jnp.nan])
    np.testing.assert_array_equal(augment.mixup(KEY, x, 0.0), x)


@pytest.mark.parametrize("alpha", [1e-40, 1e-20, 1e-8, 1e-3, 1e3, 1e10, float("inf")])
def test_extreme_alphas_still_mix(alpha):
    mixed = many_mixed(alpha)
    assert jnp.isfinite(mixed).all()
    np.testing.assert_allclose(mixed.sum(2), 1.0, rtol=1e-6)
    near_half = jnp.abs(mixed - 0.5) < 0.1
    assert near_half.any() == (alpha > 1.0)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_batches_of_any_size_mix(size):
    """huggingface/pytorch-image-models#1304: odd and single-example batches failed."""
    x = jax.random.normal(KEY, (size, 4))
    mixed = augment.mixup(KEY, x, 0.4)
    assert mixed.shape == x.shape
    np.testing.assert_allclose(mixed.sum(0), x.sum(0), rtol=1e-5, atol=1e-6)
    assert augment.mixup(KEY, x[:0], 0.4).shape == (0, 4)


def test_a_batch_of_one_comes_back_as_it_was():
    x = jax.random.normal(KEY, (1, 1000))
    np.testing.assert_array_equal(augment.mixup(KEY, x, 0.4), x)


@pytest.mark.parametrize("alpha", [-1.0, -1e-6, float("nan")])
def test_bad_alphas_raise_when_concrete_and_give_nan_when_traced(alpha):
    for key in (KEY, None):
        with pytest.raises(ValueError, match=r"^mixup: alpha must be at least 0; got"):
            augment.mixup(key, jnp.ones((4, 2)), alpha)
    assert jnp.isnan(compiled(KEY, jnp.ones((4, 2)), alpha)).all()


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), np.array([0.5, 2.0])], ids=repr)
def test_bad_weights_raise_when_concrete_and_give_nan_when_traced(weight):
    with pytest.raises(ValueError, match=r"^mix: weight must be in \[0, 1\]; got"):
        augment.mix(jnp.ones(2), jnp.zeros(2), weight)
    assert jnp.isnan(jax.jit(lambda weight: augment.mix(jnp.ones(2), jnp.zeros(2), weight))(weight)).any()


@pytest.mark.parametrize("shape", [(3,), (4, 1), (1, 4)])
def test_weights_that_fit_no_example_are_refused(shape):
    """A column of weights on a vector of targets would otherwise widen it to a matrix."""
    with pytest.raises(ValueError, match=r"^mix: weight must"):
        augment.mix(jnp.ones(4), jnp.zeros(4), jnp.full(shape, 0.5))


@pytest.mark.parametrize("labels", [jnp.arange(4), jnp.arange(4, dtype=jnp.uint8), np.array([True] * 4), [0, 1, 2, 3]])
def test_class_ids_are_refused_with_advice(labels):
    """keras mixed class ids of shape (4,) to nonsense of shape (4, 4)."""
    batch = (jnp.ones((4, 2)), labels)
    for key in (KEY, None):
        with pytest.raises((TypeError, ValueError), match=r"^mixup: batch must ") as caught:
            augment.mixup(key, batch, 0.4)
        if not isinstance(labels, list):
            assert "at 1. Make class ids distributions with jax.nn.one_hot" in str(caught.value)
    with pytest.raises(TypeError, match=r"^mix: batch must hold floats; got"):
        augment.mix(batch, batch, 0.4)


@pytest.mark.parametrize("batch", [(), jnp.array(1.0), (jnp.ones(2), jnp.ones(3))], ids=repr)
def test_batches_without_one_size_are_refused(batch):
    for key in (KEY, None):
        with pytest.raises(ValueError, match=r"^mixup: batch must have one size on the first axis"):
            augment.mixup(key, batch, 0.4)


@pytest.mark.parametrize("leaf", [np, np.ones((4, 3), ">f4"), np.ma.masked_array(np.ones((4, 3)), mask=True)], ids=str)
def test_what_jax_cannot_compute_with_is_refused(leaf):
    """These three ended in numpy's and JAX's own errors."""
    with pytest.raises(TypeError, match=r"^mixup: batch must be an array"):
        augment.mixup(KEY, leaf, 0.4)


def test_partners_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r"^mix: partner must have the structure"):
        augment.mix({"x": jnp.ones(2)}, {"y": jnp.ones(2)}, 0.5)
    with pytest.raises(ValueError, match=r"^mix: partner must have the shapes"):
        augment.mix({"x": jnp.ones(2)}, {"x": jnp.ones(3)}, 0.5)


def test_one_trace_serves_every_alpha():
    traces = compiled._cache_size()
    x = jax.random.normal(KEY, (4, 3))
    for alpha in (0.2, 1.0, 3.0):
        np.testing.assert_allclose(compiled(KEY, x, alpha), augment.mixup(KEY, x, alpha), rtol=1e-5)
    assert compiled._cache_size() == traces + 1


def test_half_precision_is_kept_and_mixed_in_float32():
    x = jax.random.normal(KEY, (8, 16))
    for dtype in (jnp.bfloat16, jnp.float16):
        mixed = augment.mixup(KEY, x.astype(dtype), 1.0)
        wide = augment.mixup(KEY, x.astype(dtype).astype(jnp.float32), 1.0)
        assert mixed.dtype == dtype
        np.testing.assert_array_equal(mixed, wide.astype(dtype))


def test_leaves_of_several_dtypes_mix_by_one_weight():
    x, y = augment.mixup(KEY, (jnp.eye(4, dtype=jnp.bfloat16), jnp.eye(4)), 1.0)
    np.testing.assert_array_equal(x, y.astype(jnp.bfloat16))


def test_keys_can_be_mapped_over():
    mapped = many_mixed(1.0)
    for key, mixed in zip(jax.random.split(KEY, 2000)[:4], mapped, strict=False):
        np.testing.assert_allclose(mixed, augment.mixup(key, jnp.eye(8), 1.0), rtol=1e-5, atol=1e-6)
    assert np.unique(np.asarray(mapped).reshape(2000, -1), axis=0).shape[0] > 1990


def test_gradients_reach_both_examples():
    x = jax.random.normal(KEY, (4, 2))
    gradient = jax.grad(lambda x: jnp.sum(augment.mixup(KEY, x, 1.0)))(x)
    np.testing.assert_allclose(gradient, np.ones((4, 2)), rtol=1e-6)


@pytest.mark.parametrize("key", [0, jnp.zeros(3, jnp.uint32)], ids=repr)
def test_what_is_no_key_is_refused(key):
    with pytest.raises(TypeError, match=r"^mixup: key must be a PRNG key such as"):
        augment.mixup(key, jnp.ones((2, 2)), 0.4)


per_example = jax.jit(jax.vmap(lambda key: augment.mixup(key, jnp.eye(8), 0.7, per="example")))


def test_weights_per_example_are_independent_and_follow_the_law():
    mixed = np.asarray(per_example(jax.random.split(KEY, 500)), np.float64)
    np.testing.assert_allclose(mixed.sum(2), 1.0, rtol=1e-5)
    weights = np.diagonal(mixed, axis1=1, axis2=2)
    # An example that is its own partner shows no weight.
    is_mixed = weights < 1 - 1e-6
    assert scipy.stats.kstest(weights[is_mixed], scipy.stats.beta(0.7, 0.7).cdf).pvalue > 1e-3
    both = is_mixed[:, 0] & is_mixed[:, 1]
    assert abs(np.corrcoef(weights[both, 0], weights[both, 1])[0, 1]) < 5 / both.sum() ** 0.5
