"""Which leaves: kernels on the trees of every framework, patterns, masks of every form, trees that do not fit."""

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jreg import optim, penalty
from tests.optim.table import assert_close_trees, assert_equal_trees, every_transformation, tree, updated

pytestmark = pytest.mark.sampled(4)


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3))(x)
        x = nn.BatchNorm(use_running_average=False)(x)
        x = nn.LayerNorm(reduction_axes=(-2, -1), feature_axes=(-2, -1))(x)
        x = nn.MultiHeadDotProductAttention(2)(x)
        return nn.Dense(2)(x.reshape(x.shape[0], -1))


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.embedding = nnx.Embed(5, 3, rngs=rngs)
        self.dense = nnx.Linear(3, 4, rngs=rngs)
        self.norm = nnx.LayerNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)


class Equinox(eqx.Module):
    conv: eqx.nn.Conv2d
    layer_norm: eqx.nn.LayerNorm
    mlp: eqx.nn.MLP
    unit: float = eqx.field(static=True, default=1.0)

    def __init__(self, key):
        self.conv = eqx.nn.Conv2d(3, 4, 3, key=key)
        self.layer_norm = eqx.nn.LayerNorm((4, 4))
        self.mlp = eqx.nn.MLP(4, 2, 4, 1, key=key)

    def __call__(self, x):
        return self.mlp(x)


def filled(init, *args):
    """The tree that `init` returns, shaped by it and filled with ones: no initializer is compiled."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), jax.eval_shape(init, *args))


IMAGES = jnp.ones((1, 4, 4, 3))
HAIKU = hk.transform(lambda x: hk.nets.MLP([4, 2])(hk.LayerNorm(-1, True, True)(hk.Conv2D(4, 3)(x))))


MODELS = {
    "dict": tree,
    "linen": lambda: filled(Linen().init, jax.random.key(0), IMAGES)["params"],
    "nnx": lambda: filled(lambda: nnx.state(Nnx(nnx.Rngs(0)), nnx.Param)),
    "equinox": lambda: filled(lambda key: eqx.filter(Equinox(key), eqx.is_inexact_array), jax.random.key(0)),
    "haiku": lambda: filled(HAIKU.init, jax.random.key(0), IMAGES),
}
KERNELS = {
    "dict": {"dense/kernel", "head/0"},
    "linen": {
        "Conv_0/kernel",
        "Dense_0/kernel",
        *(f"MultiHeadDotProductAttention_0/{name}/kernel" for name in ("key", "query", "value", "out")),
    },
    "nnx": {"dense/kernel/value", "embedding/embedding/value"},
    "equinox": {"conv/weight", "mlp/layers/0/weight", "mlp/layers/1/weight"},
    "haiku": {"conv2_d/w", "mlp/~/linear_0/w", "mlp/~/linear_1/w"},
}
every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def models():
    return {name: make() for name, make in MODELS.items()}


def true_paths(tree_of_bools):
    leaves = jax.tree_util.tree_leaves_with_path(tree_of_bools)
    return {jax.tree_util.keystr(path, simple=True, separator="/") for path, leaf in leaves if leaf}


@every_model
def test_kernels_are_the_weights_without_biases_and_norms(models, model):  # optax#25
    chosen = optim.kernels(models[model])
    assert jax.tree.structure(chosen) == jax.tree.structure(models[model])
    assert all(isinstance(leaf, bool) for leaf in jax.tree.leaves(chosen))
    assert true_paths(chosen) == KERNELS[model]


@every_model
def test_the_default_touches_the_kernels_of_every_framework_and_nothing_else(models, model):
    params = jax.tree.map(lambda leaf: leaf + 1.0, models[model])
    updates = updated(optim.add_l2(0.1), jax.tree.map(jnp.zeros_like, params), params)
    assert true_paths(jax.tree.map(lambda u: bool(np.any(u)), updates)) == KERNELS[model]


@every_transformation
def test_every_default_is_the_kernels(make):
    chosen = updated(make(0.1, mask=optim.kernels), tree(seed=1), tree())
    updates = updated(make(0.1), tree(seed=1), tree())
    assert_equal_trees(updates, chosen)
    np.testing.assert_array_equal(updates["dense"]["bias"], tree(seed=1)["dense"]["bias"])


@every_model
def test_penalties_read_the_kernels_of_every_framework(models, model):
    leaves = jax.tree_util.tree_leaves_with_path(models[model])
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    values = [leaf for name, (_, leaf) in zip(names, leaves, strict=True) if name in KERNELS[model]]
    expected = sum(0.5 * np.sum(np.square(value, dtype=np.float64)) for value in values)
    np.testing.assert_allclose(penalty.l2(models[model]), expected, rtol=1e-5)


def test_a_bare_array_is_taken():
    assert optim.kernels(jnp.ones(3)) is True
    assert float(penalty.l1(jnp.array(-2.0))) == 2.0


@pytest.mark.parametrize("name", ["kernel", "w", "weight"])
def test_the_kernel_of_a_single_output_is_taken(name):
    assert true_paths(optim.kernels({"head": {name: jnp.ones((10, 1)), "bias": jnp.ones(1)}})) == {f"head/{name}"}


def test_neither_integers_nor_vectors_are_kernels():
    params = {"table": jnp.ones((3, 3), int), "mask": jnp.ones((3, 3), bool), "vector": jnp.ones(3), "x": 1.0, "n": 2}
    assert true_paths(optim.kernels(params)) == set()


def test_a_pattern_is_searched_in_the_path():
    params = tree()
    assert true_paths(optim.matching("kernel")(params)) == {"dense/kernel"}
    assert true_paths(optim.matching("^head/")(params)) == {"head/0"}
    assert true_paths(optim.matching("ernel$|bias")(params)) == {"dense/kernel", "dense/bias"}
    assert true_paths(optim.matching("^kernel")(params)) == set()


@every_transformation
@pytest.mark.parametrize(
    "mask",
    [
        optim.matching("bias"),
        lambda params: jax.tree.map(lambda leaf: leaf.ndim == 1, params),
        {"dense": {"kernel": False, "bias": True}, "head": [False, None]},
        {"dense": {"kernel": False, "bias": True}, "head": False},
        {"dense": {"kernel": np.False_, "bias": jnp.array(True)}, "head": False},
    ],
    ids=["pattern", "function", "tree", "prefix", "arrays"],
)
def test_masks_of_every_form_select_alike(make, mask):
    params, gradients = tree(), tree(seed=1)
    updates = updated(make(0.1, mask=mask), gradients, params)
    assert np.all(updates["dense"]["bias"] != gradients["dense"]["bias"])
    np.testing.assert_array_equal(updates["dense"]["kernel"], gradients["dense"]["kernel"])
    np.testing.assert_array_equal(updates["head"][0], gradients["head"][0])


@every_transformation
def test_a_single_bool_takes_all(make):
    assert_equal_trees(
        updated(make(0.1, mask=True), tree(seed=1), tree()), updated(make(0.1, mask=None), tree(seed=1), tree())
    )


@every_transformation
def test_a_callable_module_is_a_mask_and_not_a_function(make, models):  # optax#913, equinox#771
    params = models["equinox"]
    mask = jax.tree.map(lambda leaf: leaf.ndim == 4, params)
    assert callable(mask)
    updates = updated(make(0.1, mask=mask), jax.tree.map(jnp.zeros_like, params), params)
    assert true_paths(jax.tree.map(lambda u: bool((u != 0).any()), updates)) == {"conv/weight"}


@every_transformation
@pytest.mark.parametrize(
    ("mask", "where"),
    [
        ("no", "its root"),
        (1, "its root"),
        ({"dense": {"kernel": "yes", "bias": False}, "head": False}, "dense/kernel"),
        ({"dense": {"kernel": True, "bias": 0}, "head": False}, "dense/bias"),
        ({"dense": True, "head": [np.array([[1, 0]] * 3), None]}, "head/0"),
        (lambda params: jax.tree.map(jnp.sum, params), "dense/bias"),
    ],
    ids=["text", "int", "leaf of text", "leaf of int", "numbers", "function of numbers"],
)
def test_masks_that_hold_no_bools_raise(make, mask, where):
    with pytest.raises(TypeError, match=f"mask must hold bools; at {where} it has"):
        make(0.1, mask=mask).init(tree())


def test_elements_that_jax_holds_are_looked_at_under_jit_too():
    elements = jnp.array([[True, False]] * 3)
    transformation = optim.add_l2(0.1, mask={"dense": False, "head": [elements, None]})
    state = transformation.init(tree())
    updates, _ = jax.jit(transformation.update)(tree(seed=1), state, tree())
    assert_close_trees(updates, updated(transformation, tree(seed=1), tree()))


@every_transformation
def test_a_mask_may_choose_among_the_elements_of_a_leaf(make):
    chosen = np.random.default_rng(0).random((4, 3)) < 0.5
    masks = [{"dense": {"kernel": kernel, "bias": False}, "head": False} for kernel in (chosen, chosen[:, :1], True)]
    some, rows, whole = (updated(make(0.1, mask=mask), tree(seed=1), tree()) for mask in masks)
    for updates, expected in ((some, chosen), (rows, chosen[:, :1])):
        kernel = jnp.where(expected, whole["dense"]["kernel"], tree(seed=1)["dense"]["kernel"])
        assert_equal_trees(updates, {**whole, "dense": {**whole["dense"], "kernel": kernel}})
    for bad in (chosen[0], chosen[:2]):
        with pytest.raises(ValueError, match="mask must be a scalar or broadcast against shape"):
            updated(make(0.1, mask={"dense": {"kernel": bad, "bias": False}, "head": False}), tree(), tree())


@every_transformation
def test_a_mask_may_be_traced(make):
    def update(kernel, elements):
        mask = {"dense": {"kernel": kernel, "bias": False}, "head": [elements, None]}
        return updated(make(0.1, mask=mask), tree(seed=1), tree())

    elements = jnp.array([[True, False]] * 3)
    for taken in (True, False):
        assert_close_trees(jax.jit(update)(taken, elements), update(jnp.array(taken), elements))


@every_transformation
@pytest.mark.parametrize("mask", [False, optim.matching("absent"), {"dense": False, "head": False}])
def test_a_mask_that_selects_nothing_raises(make, mask):
    with pytest.raises(
        ValueError, match="mask must select at least one leaf of floats; it selects none of: dense/bias"
    ):
        make(0.1, mask=mask).init(tree())


@every_transformation
@pytest.mark.parametrize(
    "mask",
    [
        {"dense": True},
        {"dense": True, "head": True, "tail": True},
        {"dense": None, "head": True},
        {"dense": {"kernel": True, "bias": {"deeper": True}}, "head": True},
        [True, False],
    ],
    ids=["missing", "extra", "none", "deeper", "list"],
)
def test_masks_that_are_no_prefix_raise(make, mask):
    with pytest.raises(ValueError, match="mask must be a prefix of the tree"):
        make(0.1, mask=mask).init(tree())


@every_transformation
def test_gradients_of_another_structure_raise(make):
    transformation = make(0.1)
    state = transformation.init(tree())
    missing = {"dense": {"kernel": jnp.ones((4, 3))}, "head": tree()["head"]}
    with pytest.raises(
        ValueError, match=r"updates must have the structure of params.*only in params: \['dense/bias'\]"
    ):
        transformation.update(missing, state, tree())
    extra = {**tree(), "tail": jnp.ones(2)}
    with pytest.raises(ValueError, match=r"only in updates: \['tail'\]"):
        transformation.update(extra, state, tree())


@every_transformation
@pytest.mark.parametrize("shape", [(1,), (4, 3), (), (2,)])
def test_gradients_of_another_shape_raise(make, shape):
    transformation = make(0.1, mask=None)
    gradients = tree()
    gradients["dense"]["bias"] = jnp.ones(shape)
    with pytest.raises(ValueError, match="updates must have the shapes of params; at dense/bias it has"):
        updated(transformation, gradients, tree())


@every_transformation
def test_none_leaves_stay_none(make):  # Muon#54
    params = {"w": jnp.ones((2, 2)), "frozen": None, "empty": {}}
    updates = updated(make(0.1), params, params)
    assert updates["frozen"] is None
    assert updates["empty"] == {}


@every_transformation
def test_integers_and_bools_stay_as_they_are(make):
    params = {"w": jnp.ones((2, 2)), "steps": jnp.full((2, 2), 7), "flags": jnp.ones((2, 2), bool)}
    gradients = jax.tree.map(jnp.zeros_like, params)
    updates = updated(make(0.1, mask=None), gradients, params)
    assert_equal_trees({**updates, "w": 0}, {**gradients, "w": 0})
    assert updates["steps"].dtype == params["steps"].dtype


@every_transformation
@pytest.mark.parametrize("leaf", ["x", jnp.sin, jax.random.key(0)], ids=["text", "function", "key"])
def test_leaves_that_are_no_arrays_are_named(make, leaf):
    with pytest.raises(TypeError, match="at layer/b it has"):
        make(0.1).init({"layer": {"a": jnp.ones((2, 2)), "b": leaf}})


@every_transformation
@pytest.mark.parametrize("empty", [{}, [], {"a": None}])
def test_empty_trees_pass(make, empty):
    assert updated(make(0.1), empty, empty) == empty


def test_sparsity_survives_an_optax_chain_over_every_leaf():
    params = tree()
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1), optim.prox_l1(1e3, 0.1))
    stepped = optax.apply_updates(params, updated(optimizer, tree(seed=1), params))
    for leaf in (stepped["dense"]["kernel"], stepped["head"][0]):
        np.testing.assert_array_equal(leaf, jnp.zeros_like(leaf))
    assert (stepped["dense"]["bias"] != 0.0).all()


@pytest.mark.parametrize(
    "params",
    [
        {"pos_embed": jnp.ones((1, 16, 8))},
        {"position_embeddings": {"embedding": jnp.ones((16, 8))}},
        {"wpe": {"embedding": jnp.ones((16, 8))}},
        {"encoder": {"pos": jnp.ones((16, 8))}},
        {"posembed_input": {"pos_embedding": jnp.ones((1, 16, 8))}},
        {"positional_encoding": jnp.ones((16, 8))},
    ],
    ids=lambda params: next(iter(params)),
)
def test_embeddings_of_positions_are_not_kernels(params):
    assert true_paths(optim.kernels(params)) == set()


@pytest.mark.parametrize(
    "name", ["position_wise", "compose", "composition", "wte", "embed", "decompose_emb", "posterior"]
)
def test_names_that_look_like_positions_are(name):
    assert true_paths(optim.kernels({name: {"kernel": jnp.ones((16, 8))}})) == {f"{name}/kernel"}


PARAMS = {"embed": {"kernel": jnp.ones((4, 2))}, "head": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}}
COMPOSED = {
    "kernels & ~matching('embed')": (optim.kernels & ~optim.matching("embed"), {"head/kernel"}),
    "kernels | matching('bias')": (
        optim.kernels | optim.matching("bias"),
        {"embed/kernel", "head/kernel", "head/bias"},
    ),
    "~kernels": (~optim.kernels, {"head/bias"}),
    "~(kernels | matching('bias'))": (~(optim.kernels | optim.matching("bias")), set()),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_masks_compose_and_say_what_they_are(name):
    mask, expected = COMPOSED[name]
    assert true_paths(mask(PARAMS)) == expected
    assert repr(mask) == name


@pytest.mark.parametrize(
    "other", [lambda params: {"embed": False, "head": True}, {"embed": False, "head": True}, optim.matching("head")]
)
def test_the_other_side_may_be_any_mask(other):
    assert true_paths((optim.kernels & other)(PARAMS)) == {"head/kernel"}
    assert true_paths((other & optim.kernels)(PARAMS)) == {"head/kernel"}
    assert true_paths((~(other | optim.kernels))(PARAMS)) == set()
    assert (optim.kernels & None)(PARAMS) == optim.kernels(PARAMS)


def test_composed_masks_choose_elements_and_serve_penalties_and_optax():
    rows = {"embed": {"kernel": np.arange(8).reshape(4, 2) < 2}, "head": False}
    updates = updated(optim.add_l2(1.0, mask=optim.kernels & rows), jax.tree.map(jnp.zeros_like, PARAMS), PARAMS)
    np.testing.assert_array_equal(updates["embed"]["kernel"], np.arange(8).reshape(4, 2) < 2)
    np.testing.assert_array_equal(updates["head"]["kernel"], 0.0)
    assert penalty.l2(PARAMS, mask=~optim.matching("head")) == 4.0
    decayed = updated(optax.add_decayed_weights(1.0, mask=~optim.kernels), jax.tree.map(jnp.zeros_like, PARAMS), PARAMS)
    np.testing.assert_array_equal(decayed["head"]["bias"], 1.0)
    np.testing.assert_array_equal(decayed["head"]["kernel"], 0.0)


def test_a_side_that_is_no_mask_raises():
    with pytest.raises(TypeError, match="kernels & 1: mask must hold bools; at its root it has 1"):
        (optim.kernels & 1)(PARAMS)  # pyright: ignore[reportOperatorIssue]
