"""DropConnect: new weights, a mask for each leaf, and which leaves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise, optim

KEY = jax.random.key(7)
PARAMS = {
    "body": [
        {"kernel": jnp.ones((32, 32)), "bias": jnp.ones(32)},
        {"kernel": jnp.ones((32, 32)), "bias": jnp.ones(32)},
    ],
    "norm": {"scale": jnp.ones(32)},
    "head": {"kernel": jnp.ones((32, 4))},
}


def touched(noisy, params=PARAMS) -> set[str]:
    """The paths of the leaves that differ."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(noisy), jax.tree.leaves(params), strict=True)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for (path, leaf), old in pairs
        if not np.array_equal(leaf, old)
    }


def test_kernels_are_dropped_and_rescaled_and_the_rest_stays():
    noisy = noise.dropconnect(KEY, PARAMS, 0.5)
    assert touched(noisy) == {"body/0/kernel", "body/1/kernel", "head/kernel"}
    assert set(np.unique(noisy["head"]["kernel"]).tolist()) == {0.0, 2.0}
    assert noisy["norm"]["scale"] is PARAMS["norm"]["scale"]


def test_the_given_weights_stay_as_they_are():
    """salesforce/awd-lstm-lm#8: weights were replaced in place."""
    params = jax.tree.map(jnp.copy, PARAMS)
    noise.dropconnect(KEY, params, 0.5)
    assert touched(params) == set()


def test_no_key_gives_the_same_object_back():
    assert noise.dropconnect(None, PARAMS, 0.5) is PARAMS


def test_every_leaf_has_its_own_mask():
    noisy = noise.dropconnect(KEY, PARAMS, 0.5)
    one, other = (np.asarray(layer["kernel"]) != 0 for layer in noisy["body"])
    assert abs(np.mean(one == other) - 0.5) < 5 * 0.5 / 32


def test_the_mask_of_a_leaf_does_not_depend_on_which_others_are_selected():
    everything = noise.dropconnect(KEY, PARAMS, 0.5, mask=None)
    heads = noise.dropconnect(KEY, PARAMS, 0.5, mask=optim.matching("head"))
    np.testing.assert_array_equal(everything["head"]["kernel"], heads["head"]["kernel"])


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (None, {"body/0/kernel", "body/0/bias", "body/1/kernel", "body/1/bias", "norm/scale", "head/kernel"}),
        (optim.matching("body/.*kernel"), {"body/0/kernel", "body/1/kernel"}),
        (
            {"body": [True, False], "norm": False, "head": {"kernel": True}},
            {"body/0/kernel", "body/0/bias", "head/kernel"},
        ),
        (lambda params: jax.tree.map(lambda leaf: leaf.shape == (32, 4), params), {"head/kernel"}),
        (True, {"body/0/kernel", "body/0/bias", "body/1/kernel", "body/1/bias", "norm/scale", "head/kernel"}),
    ],
    ids=["all", "matching", "a prefix", "a function", "a bool"],
)
def test_leaves_are_selected_by_what_mask_says(mask, expected):
    assert touched(noise.dropconnect(KEY, PARAMS, 0.5, mask=mask)) == expected


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "none"])
def test_a_selection_of_nothing_is_refused(key):
    with pytest.raises(ValueError, match=r"^dropconnect: mask must select at least one leaf of floats"):
        noise.dropconnect(key, PARAMS, 0.5, mask=optim.matching("decoder"))
    with pytest.raises(ValueError, match=r"^dropconnect: mask must select at least one leaf of floats"):
        noise.dropconnect(key, {"bias": jnp.ones(3)}, 0.5)


def test_a_bare_array_is_dropped_and_a_tree_without_leaves_stays_empty():
    assert touched(noise.dropconnect(KEY, jnp.ones(64), 0.5), jnp.ones(64)) == {""}
    assert noise.dropconnect(KEY, {"a": None}, 0.5) == {"a": None}


def test_integer_leaves_are_never_taken():
    params = {"kernel": jnp.ones((8, 8)), "table": jnp.ones((8, 8), jnp.int32), "count": 3, "none": None}
    noisy = noise.dropconnect(KEY, params, 0.5, mask=None)
    assert touched(noisy, params) == {"kernel"}
    assert noisy["count"] == 3
    assert noisy["table"].dtype == jnp.int32


def test_numpy_leaves_are_arrays():
    assert set(np.unique(noise.dropconnect(KEY, {"k": np.ones((8, 8), np.float32)}, 0.5)["k"]).tolist()) == {0.0, 2.0}


def test_a_callable_leaf_is_refused_with_its_path():
    module = eqx.nn.MLP(2, 2, 4, 1, key=KEY)
    with pytest.raises(TypeError, match=r"^dropconnect: tree must hold arrays; at activation it has"):
        noise.dropconnect(KEY, module, 0.5)
    arrays, rest = eqx.partition(module, eqx.is_inexact_array)
    noisy = eqx.combine(noise.dropconnect(KEY, arrays, 0.5), rest)
    assert jnp.isfinite(noisy(jnp.ones(2))).all()
    assert (noisy.layers[0].weight == 0).any()
    np.testing.assert_array_equal(noisy.layers[0].bias, module.layers[0].bias)


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "none"])
def test_a_python_number_is_refused_with_its_path_when_selected(key):
    params = {"kernel": jnp.ones((2, 2)), "gain": 1.0}
    assert noise.dropconnect(key, params, 0.5)["gain"] == 1.0
    with pytest.raises(TypeError, match=r"^dropconnect: .*at gain"):
        noise.dropconnect(key, params, 0.5, mask=None)


@pytest.mark.parametrize("key", [KEY, None], ids=["key", "none"])
def test_a_rate_per_row_is_refused(key):
    with pytest.raises(ValueError, match=r"^dropconnect: rate must be a scalar"):
        noise.dropconnect(key, jnp.ones((4, 4)), jnp.ones((4, 1)) / 2)


def test_the_product_with_dropped_weights_has_the_mean_and_variance_of_wan():
    """Wan et al. (2013): mean x w, variance p / (1 - p) x^2 w^2."""
    x, w, rate = jnp.linspace(-1.0, 2.0, 16), jnp.linspace(0.5, 1.5, 16)[:, None], 0.3
    samples = jax.vmap(lambda key: x @ noise.dropconnect(key, w, rate))(jax.random.split(KEY, 8192)).ravel()
    variance = rate / (1 - rate) * jnp.sum(x**2 * w[:, 0] ** 2)
    assert abs(samples.mean() - (x @ w)[0]) < 5 * (variance / 8192) ** 0.5
    np.testing.assert_allclose(samples.var(), variance, rtol=5 * (2 / 8192) ** 0.5)


def test_the_gradient_of_a_dropped_weight_is_zero():
    w = jnp.ones((16, 16))
    noisy = noise.dropconnect(KEY, w, 0.5)
    gradient = jax.grad(lambda w: jnp.sum(noise.dropconnect(KEY, w, 0.5)))(w)
    np.testing.assert_array_equal(gradient, noisy)


def test_backward_keeps_one_key_for_each_leaf():
    saved = jax.tree.leaves(jax.vjp(lambda params: noise.dropconnect(KEY, params, 0.5), PARAMS)[1])
    assert sum(leaf.nbytes for leaf in saved) <= 6 * 16
