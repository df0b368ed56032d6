"""The tables of transformations: a row each, and every law of test_laws.py and test_selection.py holds for every row.

To put a new transformation under the laws, add its row to the table of those like it.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim, penalty

LEARNING_RATE = 0.1


def prox(make, **fixed):
    return lambda strength, **options: make(strength, LEARNING_RATE, **fixed, **options)


def elastic_net(make, *rate):
    return lambda strength, **options: make(strength, strength, *rate, **options)


def around(make, strength, **options):
    """A row of what is put around an optimizer."""
    return make(optax.identity(), strength=strength, **options)


def decay_towards_zero(strength, **options):
    """`decay_towards` a tree of zeros, whatever the params are."""
    optim.decay_towards({}, strength, **options)

    def zeros(leaf):
        is_float = isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.inexact)
        return jnp.zeros_like(leaf) if is_float else leaf

    def towards(params):
        return optim.decay_towards(jax.tree.map(zeros, params), strength, **options)

    def update(updates, state, params=None):
        return towards({} if params is None else params).update(updates, state, params)

    return optax.GradientTransformation(lambda params: towards(params).init(params), update)


def fixed(make, *args):
    """A row of what has no strength."""
    return lambda strength, **options: make(*args, **options)


# make(strength, mask=...): strength 0 changes nothing.
SHRINKING = {
    "add_l1": optim.add_l1,
    "add_l2": optim.add_l2,
    "add_elastic_net": elastic_net(optim.add_elastic_net),
    "with_decoupled_decay": partial(optim.with_decoupled_decay, optax.identity()),
    "with_decoupled_decay, coupled": partial(optim.with_decoupled_decay, optax.identity(), learning_rate=LEARNING_RATE),
    "decay_towards": decay_towards_zero,
    "proximal": prox(partial(optim.proximal, lambda w, t: w / (1.0 + t))),
    "prox_l1": prox(optim.prox_l1),
    "prox_elastic_net": elastic_net(optim.prox_elastic_net, LEARNING_RATE),
    "prox_group_lasso": prox(optim.prox_group_lasso, axis=0),
    "with_proximal": partial(around, partial(optim.with_proximal, operator=optim.soft_threshold)),
    "with_l1": partial(around, optim.with_l1),
    "with_elastic_net": elastic_net(partial(optim.with_elastic_net, optax.identity())),
    "with_group_lasso": partial(around, partial(optim.with_group_lasso, axis=0)),
}
STRENGTHS = SHRINKING | {
    "constrain_max_norm": optim.constrain_max_norm,
    "constrain_spectral_norm": optim.constrain_spectral_norm,
}
TRANSFORMATIONS = STRENGTHS | {
    "constrain_unit_norm": fixed(optim.constrain_unit_norm),
    "constrain": fixed(
        optim.constrain, partial(jax.tree.map, partial(optax.projections.projection_l2_ball, scale=0.5))
    ),
}
# What replaces the weights aims at a value, which a step in 16 bits would miss.
AROUND = ("with_proximal", "with_l1", "with_elastic_net", "with_group_lasso")
REPLACING = {
    name: make for name, make in TRANSFORMATIONS.items() if name.startswith(("decay", "prox", "constrain", *AROUND))
}


def chained(*names):
    """Optimizers with momentum around, before or after which the rows stand."""

    def make(strength):
        sgd = optax.sgd(LEARNING_RATE, momentum=0.9)
        before = [SHRINKING[name](strength) for name in names if name.startswith("add")]
        after = [TRANSFORMATIONS[name](strength) for name in names if not name.startswith("add")]
        return optax.chain(*before, sgd, *after)

    return make


# Whole optimizers of a strength; the rows share their code, so a few of each kind stand for all.
OPTIMIZERS = {
    "add_elastic_net": chained("add_elastic_net"),
    "with_decoupled_decay": lambda strength: optim.with_decoupled_decay(
        optax.sgd(LEARNING_RATE, momentum=0.9), strength, learning_rate=LEARNING_RATE
    ),
    "all that comes after": chained("decay_towards", "prox_l1", "prox_group_lasso", "constrain_max_norm", "constrain"),
    "with_l1": lambda strength: optim.with_l1(optax.sgd(LEARNING_RATE, momentum=0.9), strength),
    "average_params": lambda strength: optax.chain(
        optim.add_l2(strength), optax.sgd(LEARNING_RATE, momentum=0.9), optim.average_params(0.9)
    ),
    "other averages": lambda strength: optax.chain(
        optim.add_l2(strength),
        optax.sgd(LEARNING_RATE, momentum=0.9),
        optim.power_average(0.1, name="power"),
        optim.latest_average(2, every=2, name="latest"),
    ),
    "with_float32_copy": lambda strength: optim.with_float32_copy(chained("prox_l1")(strength)),
    "with_stochastic_rounding": lambda strength: optim.with_stochastic_rounding(
        chained("prox_l1")(strength), jax.random.key(0)
    ),
}
PENALTY_OF = {
    "add_l1": (optim.add_l1, penalty.l1),
    "add_l2": (optim.add_l2, penalty.l2),
    "add_elastic_net": (
        elastic_net(optim.add_elastic_net),
        lambda params, **options: 2.0 * penalty.elastic_net(params, 0.5, **options),
    ),
}


def each(table):
    return pytest.mark.parametrize("make", table.values(), ids=table)


every_shrinking, every_strength, every_transformation = each(SHRINKING), each(STRENGTHS), each(TRANSFORMATIONS)
every_optimizer, every_replacing = each(OPTIMIZERS), each(REPLACING)
every_added = pytest.mark.parametrize(("add", "measure"), PENALTY_OF.values(), ids=PENALTY_OF)


def tree(dtype=jnp.float32, seed=0):
    rng = np.random.default_rng(seed)
    kernel, bias, head = (jnp.asarray(rng.normal(size=shape), dtype) for shape in [(4, 3), (3,), (3, 2)])
    return {"dense": {"kernel": kernel, "bias": bias}, "head": [head.at[0, 0].set(0.0), None]}


def updated(transformation, gradients, params, state=None):
    state = transformation.init(params) if state is None else state
    return transformation.update(gradients, state, params)[0]


def one_step(optimizer, w, g):
    w, g = jnp.array([w]), jnp.array([g])
    return float(optax.apply_updates(w, updated(optimizer, g, w))[0])


def applied(updates, params):
    """The weights that updates lead to. Those of 16-bit weights may be float32, which strict promotion refuses."""
    with jax.numpy_dtype_promotion("standard"):
        return optax.apply_updates(params, updates)


def trajectory(optimizer, params, gradients):
    """The params after each step."""
    state, update, path = optimizer.init(params), jax.jit(optimizer.update), []
    for gradient in gradients:
        updates, state = update(gradient, state, params)
        params = applied(updates, params)
        path.append(params)
    return path


def assert_equal_trees(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def assert_close_trees(first, second, rtol=1e-5, atol=1e-6):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), first, second)
