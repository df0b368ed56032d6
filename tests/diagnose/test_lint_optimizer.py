"""Lint of optimizers: masks, two decays, the place of the proximal step."""

import jax
import jax.numpy as jnp
import optax
import pytest

from jreg import diagnose, optim

PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}, "norm": {"scale": jnp.ones(3)}}
OWN = optax.add_decayed_weights(0.1, optim.kernels)
ADAMW = optax.adamw(1e-3, weight_decay=0.1, mask=optim.kernels)
PROX = optim.prox_l1(0.1, 1e-3)


def codes(optimizer, params=PARAMS):
    return [finding.code for finding in diagnose.lint_optimizer(optimizer, params)]


def only(*names):
    return lambda params: jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key in names, params)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("kernel",), []),
        ((), []),
        (("bias",), ["decay-mask-inverted"]),
        (("bias", "scale"), ["decay-mask-inverted"]),
        (("kernel", "scale"), ["decay-of-norms-and-biases"]),
    ],
)
def test_masks(names, expected):
    assert codes(optax.adamw(1e-3, weight_decay=0.1, mask=only(*names))) == expected


def test_the_finding_names_the_leaves():
    (found,) = diagnose.lint_optimizer(optax.adamw(1e-3, weight_decay=0.1), PARAMS)
    assert "dense/bias, norm/scale" in found.message
    assert (found.file, found.line) == ("", 0)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (optax.chain(OWN, ADAMW), ["decay-twice"]),
        (optax.chain(optim.add_l2(0.1), ADAMW), ["decay-twice"]),
        (optim.with_decoupled_decay(ADAMW, 0.1), ["decay-twice"]),
        (optax.MultiSteps(optax.chain(OWN, ADAMW), 2), ["decay-twice"]),
        (optax.chain(OWN, optax.adam(1e-3)), []),
        (optax.chain(OWN, optax.adamw(1e-3, weight_decay=0.0)), []),
        (optax.chain(optim.add_l1(0.1), OWN, optax.sgd(1e-3)), []),
        (optax.chain(optax.add_decayed_weights(0.1, only("nothing")), ADAMW), []),
        (optax.chain(optax.clip(1.0), optim.with_decoupled_decay(optax.adam(1e-3), 0.1)), []),
    ],
    ids=range(9),
)
def test_two_decays_of_the_same_weights(optimizer, expected):
    assert codes(optimizer) == expected


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (optax.chain(PROX, optax.sgd(1e-3)), ["prox-before-learning-rate"]),
        (optax.chain(optax.scale_by_adam(), PROX, optax.scale(-1e-3)), ["prox-before-learning-rate"]),
        (optax.chain(optax.sgd(1e-3), PROX), []),
        (
            optax.partition(
                {"a": optax.chain(optax.sgd(1e-3), PROX), "b": optax.sgd(1e-3)}, {"dense": "a", "norm": "b"}
            ),
            [],
        ),
    ],
    ids=range(4),
)
def test_a_prox_that_is_scaled(optimizer, expected):
    assert codes(optimizer) == expected


def test_transformations_of_labelled_leaves_are_read_one_by_one():
    labels = {"dense": "a", "norm": "b"}
    twice = {"a": optax.chain(OWN, ADAMW), "b": optax.sgd(1e-3)}
    apart = {"a": ADAMW, "b": optax.chain(optax.add_decayed_weights(0.0), optax.sgd(1e-3))}
    assert "decay-twice" in codes(optax.partition(twice, labels))
    assert codes(optax.partition(apart, labels)) == []


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(TypeError, match=r"^audit_optimizer: optimizer must"):
        diagnose.lint_optimizer(optim, PARAMS)
