"""The audit of optimizers, against the closed forms of what each removes from a weight of 1 in one step."""

from math import sqrt

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

from jreg import diagnose, optim

LR, S = 0.1, 0.02
PARAMS = {"dense": {"kernel": jnp.ones((4, 3))}, "norm": {"scale": jnp.ones(3)}}
KERNELS = optim.kernels
HALF = {"dense": {"kernel": np.arange(12).reshape(4, 3) % 2 == 0}, "norm": False}
SGD, ADAM = optax.sgd(LR), optax.adam(LR)


def decoupled(inner, strength, **options):
    return optim.with_decoupled_decay(inner, strength, **options)


# optimizer of a strength: kinds of the kernel and of the scale, shrink, what is left beside a gradient, exact zeros.
OTHERS = {
    "sgd": (lambda s: SGD, "none", "none", 0, 0, False),
    "sgd, added": (lambda s: optax.chain(optax.add_decayed_weights(s), SGD), "proportional", "=", LR * S, 1, False),
    "sgd, added, masked": (
        lambda s: optax.chain(optax.add_decayed_weights(s, KERNELS), SGD),
        "proportional",
        "none",
        LR * S,
        1,
        False,
    ),
    "adam": (lambda s: ADAM, "none", "none", 0, 0, False),
    "adam, added": (lambda s: optax.chain(optax.add_decayed_weights(s), ADAM), "preconditioned", "=", LR, 0, False),
    "adamw": (lambda s: optax.adamw(LR, weight_decay=s), "proportional", "=", LR * S, 1, False),
    "adamw, masked": (
        lambda s: optax.adamw(LR, weight_decay=s, mask=KERNELS),
        "proportional",
        "none",
        LR * S,
        1,
        False,
    ),
    "lion": (lambda s: optax.lion(LR, weight_decay=s), "proportional", "=", LR * S, 1, False),
    "lion, masked": (lambda s: optax.lion(LR, weight_decay=s, mask=KERNELS), "proportional", "none", LR * S, 1, False),
    # LAMB: the trust ratio |w| / |s w| takes the strength out again.
    "lamb": (lambda s: optax.lamb(LR, weight_decay=s), "preconditioned", "=", LR, S, False),
    "lamb, masked": (lambda s: optax.lamb(LR, weight_decay=s, mask=KERNELS), "preconditioned", "none", LR, S, False),
    "lars": (lambda s: optax.lars(LR, weight_decay=s), "preconditioned", "=", LR * 0.001, 0, False),
    "adafactor": (lambda s: optax.adafactor(LR, weight_decay_rate=s), "proportional", "=", S, 1, False),
    "adafactor, masked": (
        lambda s: optax.adafactor(LR, weight_decay_rate=s, weight_decay_mask=KERNELS),
        "proportional",
        "none",
        S,
        1,
        False,
    ),
    "rmsprop, added": (
        lambda s: optax.chain(optim.add_l2(s), optax.rmsprop(LR)),
        "preconditioned",
        "none",
        LR / sqrt(0.1),
        0,
        False,
    ),
    "unfinished batches": (
        lambda s: optax.MultiSteps(optax.adamw(LR, weight_decay=s), 3),
        "proportional",
        "=",
        LR * S,
        1,
        False,
    ),
    "injected": (
        lambda s: optax.inject_hyperparams(optax.adamw)(LR, weight_decay=s),
        "proportional",
        "=",
        LR * S,
        1,
        False,
    ),
    "if finite": (
        lambda s: optax.apply_if_finite(optax.adamw(LR, weight_decay=s), 3),
        "proportional",
        "=",
        LR * S,
        1,
        False,
    ),
    "clipped": (
        lambda s: optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(LR, weight_decay=s)),
        "proportional",
        "=",
        LR * S,
        1,
        False,
    ),
    "partition": (
        lambda s: optax.partition(
            {"a": optax.adamw(LR, weight_decay=s), "b": optax.set_to_zero()}, {"dense": "a", "norm": "b"}
        ),
        "proportional",
        "none",
        LR * S,
        1,
        False,
    ),
}
OURS = {
    "add_l1": (lambda s: optax.chain(optim.add_l1(s), SGD), "constant", "none", LR * S, 1, False),
    "add_l1, adam": (lambda s: optax.chain(optim.add_l1(s), ADAM), "preconditioned", "none", LR, 0, False),
    "add_l2": (lambda s: optax.chain(optim.add_l2(s), SGD), "proportional", "none", LR * S, 1, False),
    "add_l2, momentum": (
        lambda s: optax.chain(optim.add_l2(s), optax.sgd(LR, momentum=0.9)),
        "proportional",
        "none",
        LR * S,
        1,
        False,
    ),
    "add_l2, adam": (lambda s: optax.chain(optim.add_l2(s), ADAM), "preconditioned", "none", LR, 0, False),
    "add_elastic_net": (
        lambda s: optax.chain(optim.add_elastic_net(s, s), SGD),
        "mixed",
        "none",
        2 * LR * S,
        1,
        False,
    ),
    "with_decoupled_decay": (lambda s: decoupled(ADAM, s), "proportional", "none", S, 1, False),
    "with_decoupled_decay, learning_rate": (
        lambda s: decoupled(ADAM, s, learning_rate=LR),
        "proportional",
        "none",
        LR * S,
        1,
        False,
    ),
    "with_decoupled_decay, cautious": (
        lambda s: decoupled(ADAM, s, cautious=True),
        "proportional",
        "none",
        S,
        0.5,
        False,
    ),
    "decay_towards": (
        lambda s: optax.chain(SGD, optim.decay_towards(jax.tree.map(lambda w: 0.3 * w, PARAMS), s)),
        "reference",
        "none",
        S,
        1,
        False,
    ),
    "prox_l1": (lambda s: optax.chain(SGD, optim.prox_l1(s, LR)), "constant", "none", LR * S, 1, True),
    "prox_l1, adamw": (
        lambda s: optax.chain(optax.adamw(LR, weight_decay=s, mask=KERNELS), optim.prox_l1(s, LR)),
        "mixed",
        "none",
        2 * LR * S,
        1,
        True,
    ),
    "proximal": (
        lambda s: optax.chain(SGD, optim.proximal(lambda w, t: w / (1.0 + t), s, LR)),
        "proportional",
        "none",
        1 - 1 / (1 + LR * S),
        1,
        False,
    ),
    "prox_elastic_net": (
        lambda s: optax.chain(SGD, optim.prox_elastic_net(s, s, LR)),
        "mixed",
        "none",
        1 - (1 - LR * S) / (1 + LR * S),
        1,
        True,
    ),
    # A column of weights of one size loses sqrt(n) * threshold of its norm sqrt(n) * |w|.
    "prox_group_lasso": (
        lambda s: optax.chain(SGD, optim.prox_group_lasso(s, LR, axis=0)),
        "constant",
        "none",
        LR * S,
        1,
        True,
    ),
    "constrain": (
        lambda s: optax.chain(SGD, optim.constrain(optax.projections.projection_non_negative)),
        "nonlinear",
        "none",
        0.5,
        1,
        False,
    ),
    "constrain_unit_norm": (
        lambda s: optax.chain(SGD, optim.constrain_unit_norm()),
        "nonlinear",
        "none",
        0.5,
        None,
        False,
    ),
    "constrain_max_norm": (lambda s: optax.chain(SGD, optim.constrain_max_norm(3.0)), "nonlinear", "none", 0, 0, False),
    "average_params": (lambda s: optax.chain(SGD, optim.average_params(0.9)), "none", "none", 0, 0, False),
    # In the first step the metric of Adam is the learning rate over the gradient, which is 1 where it is read.
    "with_l1": (lambda s: optim.with_l1(ADAM, s), "constant", "none", LR * S, 1, True),
    "with_l1, adamw": (
        lambda s: optim.with_l1(optax.adamw(LR, weight_decay=s, mask=KERNELS), s),
        "mixed",
        "none",
        2 * LR * S,
        1,
        True,
    ),
    "with_group_lasso": (lambda s: optim.with_group_lasso(SGD, s, axis=0), "constant", "none", LR * S, 1, True),
    "add_l2, adamw": (
        lambda s: optax.chain(optim.add_l2(0.05), optax.adamw(LR, weight_decay=s, mask=KERNELS)),
        "double",
        "none",
        LR + LR * S,
        S / (1 + S),
        False,
    ),
    "with_float32_copy": (
        lambda s: optim.with_float32_copy(decoupled(SGD, s)),
        "proportional",
        "none",
        S,
        1,
        False,
    ),
    "with_stochastic_rounding": (
        lambda s: optim.with_stochastic_rounding(decoupled(SGD, s), jax.random.key(0)),
        "proportional",
        "none",
        S,
        1,
        False,
    ),
}
TABLE = OTHERS | OURS


def audited(optimizer, params=PARAMS, **options):
    audit = diagnose.audit_optimizer(optimizer, params, **options)
    return {leaf.path: leaf for leaf in audit.leaves}, audit.warnings


@pytest.mark.sampled(2)
@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_each_optimizer_is_read_right(row):
    make, kernel_kind, scale_kind, shrink, beside, reaches_zero = row
    leaves, warnings = audited(make(S))
    kernel, scale = leaves["dense/kernel"], leaves["norm/scale"]
    assert (kernel.kind, kernel.reaches_zero) == (kernel_kind, reaches_zero)
    assert scale.kind == (kernel_kind if scale_kind == "=" else scale_kind)
    assert kernel.decayed == (shrink != 0)
    np.testing.assert_allclose(kernel.shrink, shrink, rtol=1e-3)
    if scale_kind == "=":
        np.testing.assert_allclose(scale.shrink, shrink, rtol=1e-3)
    if beside is not None:
        np.testing.assert_allclose(kernel.beside_gradient, beside, atol=0.02)
    assert ("norm/scale is decayed although it is not a kernel" in warnings) == (scale_kind == "=")
    assert any("does not depend on the strength" in line for line in warnings) == (kernel_kind == "preconditioned")
    assert any("nothing is decayed" in line for line in warnings) == (kernel_kind == "none")


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row[1] == "preconditioned"])
def test_what_is_said_not_to_depend_on_the_strength_does_not(name):
    make, _, _, shrink, _, _ = TABLE[name]
    np.testing.assert_allclose(audited(make(2 * S))[0]["dense/kernel"].shrink, shrink, rtol=1e-3)


def test_a_long_preconditioner_memory_still_depends_on_the_strength():
    # Adagrad starts from an accumulator of 0.1, against which a weak decay is small: it is not normalized away.
    leaves, _ = audited(optax.chain(optim.add_l2(1e-3), optax.adagrad(LR)))
    assert leaves["dense/kernel"].kind == "proportional"
    np.testing.assert_allclose(leaves["dense/kernel"].shrink, LR * 1e-3 / sqrt(0.1), rtol=1e-3)


def test_an_elementwise_mask_shows_as_a_share():
    leaves, _ = audited(decoupled(SGD, S, mask=HALF))
    assert leaves["dense/kernel"].decayed == 0.5
    np.testing.assert_allclose(leaves["dense/kernel"].shrink, S, rtol=1e-3)


def test_strengths_per_leaf_are_told_apart():
    leaves, _ = audited(decoupled(SGD, {"dense": S, "norm": 3 * S}, mask=None))
    np.testing.assert_allclose([leaf.shrink for leaf in leaves.values()], [S, 3 * S], rtol=1e-3)


@pytest.mark.parametrize("threshold", [1e-7, 0.03, 1.0])
def test_thresholds_of_every_size_reach_zero(threshold):
    leaves, _ = audited(optax.chain(SGD, optim.prox_l1(threshold / LR, LR)))
    kernel = leaves["dense/kernel"]
    assert (kernel.kind, kernel.reaches_zero) == ("constant", True)
    np.testing.assert_allclose(kernel.shrink, threshold, rtol=0.02)


@pytest.mark.parametrize("strength", [1e-9, 1e-5, 1.0])
def test_decay_of_every_size_is_proportional(strength):
    kernel = audited(optax.chain(ADAM, optax.add_decayed_weights(-strength)))[0]["dense/kernel"]
    assert kernel.kind == "proportional"
    np.testing.assert_allclose(kernel.shrink, strength, rtol=1e-3)


# Timescales, conventions, what a strength means.


@pytest.mark.thorough
def test_the_timescale_is_that_of_the_decay():
    kernel = audited(optax.adamw(1e-2, weight_decay=0.05), steps_per_epoch=100)[0]["dense/kernel"]
    np.testing.assert_allclose([kernel.timescale, kernel.epochs], [2000.0, 20.0], rtol=1e-3)
    w, state, optimizer = jnp.ones(1), optax.EmptyState(), optim.with_decoupled_decay(SGD, 0.05, learning_rate=1e-2)
    state = optimizer.init(w)
    for _ in range(2000):
        updates, state = optimizer.update(jnp.zeros(1), state, w)
        w = w + updates
    np.testing.assert_allclose(w, np.exp(-1.0), rtol=1e-3)  # What the timescale means.
    without = audited(optax.chain(SGD, optim.prox_l1(S, LR)))[0]["dense/kernel"]
    assert np.isnan(without.timescale)
    assert without.epochs is None


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("make", "convention"),
    [
        (lambda rate: optax.adamw(rate, weight_decay=S), "torch's"),
        (lambda rate: decoupled(optax.adam(rate), S, learning_rate=rate), "torch's"),
        (lambda rate: decoupled(optax.adam(rate), S), "the paper's"),
        (lambda rate: optax.adafactor(rate, weight_decay_rate=S), "the paper's"),
        (lambda rate: decoupled(optax.adam(rate), S, learning_rate=rate, peak_learning_rate=1.0), "rate^2"),
        (lambda rate: decoupled(optax.adam(rate), S * rate**0.5), "another"),
        (optax.adam, ""),
    ],
)
def test_the_convention_of_the_learning_rate_is_told(make, convention):
    assert audited(make, learning_rate=LR)[0]["dense/kernel"].convention == convention
    assert audited(make(LR))[0]["dense/kernel"].convention == ""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("optimizer", "strength"),
    [
        (optax.chain(SGD, optim.prox_l1(S, LR)), "the Lasso's"),
        (optax.chain(ADAM, optim.prox_l1(S, LR)), "a share of the step"),
        (optax.chain(optax.lion(LR), optim.prox_l1(S, LR)), "a share of the step"),
        (optax.chain(ADAM, optim.prox_elastic_net(S, S, LR)), "a share of the step"),
        (optim.with_l1(ADAM, S), "the Lasso's"),
        (optim.with_l1(optax.adamw(LR, weight_decay=0.1), S), "the Lasso's"),
        (optim.with_l1(optax.lion(LR), S), "the Lasso's"),
        (optim.with_l1(optax.rmsprop(LR), S), "the Lasso's"),
        (optim.with_elastic_net(ADAM, S, S), "the Lasso's"),
        (optim.with_group_lasso(ADAM, S, axis=0), "the Lasso's"),
        (optax.chain(optim.add_l1(S), ADAM), ""),
        (optax.adamw(LR, weight_decay=S), ""),
    ],
)
def test_what_a_proximal_strength_means_is_told(optimizer, strength):
    assert audited(optimizer)[0]["dense/kernel"].strength == strength


@pytest.mark.parametrize("decay", [1e-3, 0.1])
def test_two_decays_in_one_chain_are_named(decay):
    optimizer = optax.chain(optim.add_l2(0.05), optax.adamw(LR, weight_decay=decay, mask=KERNELS))
    leaves, warnings = audited(optimizer)
    assert leaves["dense/kernel"].kind == "double"
    np.testing.assert_allclose(leaves["dense/kernel"].timescale, 1 / (LR * decay), rtol=0.05)
    assert warnings == (
        "dense/kernel is decayed twice: in the gradient, where the strength is normalized away, and beside it, which "
        "alone counts",
    )


# Steps.


def test_a_warm_up_is_waited_for():
    leaves, _ = audited(optax.adamw(optax.linear_schedule(0.0, LR, 5), weight_decay=S))
    assert leaves["dense/kernel"].step == 1
    np.testing.assert_allclose(leaves["dense/kernel"].shrink, LR / 5 * S, rtol=1e-3)


def test_decay_that_starts_later_is_not_seen():
    late = optax.adamw(optax.piecewise_constant_schedule(0.0), weight_decay=S)
    assert audited(late, num_steps=2)[1] == ("nothing is decayed in the first 2 steps",)


def test_leaves_are_read_at_their_own_first_steps():
    early, late = optim.matching("kernel"), optim.matching("scale")
    optimizer = decoupled(decoupled(SGD, S, mask=early), lambda count: S * (count >= 2), mask=late)
    assert [leaf.step for leaf in audited(optimizer)[0].values()] == [0, 2]


# Rounding.


def narrow(dtype):
    return jax.tree.map(lambda w: w.astype(dtype), PARAMS)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("strength", [1e-5, 0.1])
def test_a_shrink_below_the_last_digit_is_lost(dtype, strength):
    leaves, warnings = audited(decoupled(SGD, strength), narrow(dtype))
    assert leaves["dense/kernel"].is_lost == (strength == 1e-5)
    said = f"the shrink of dense/kernel, 1e-05 per step of weights near 1, is lost in {dtype}"
    assert (said in warnings) == (strength == 1e-5)


@pytest.mark.parametrize(
    "rescue",
    [
        optim.with_float32_copy,
        lambda inner: optim.with_stochastic_rounding(inner, jax.random.key(0)),
        lambda inner: optax.MultiSteps(optim.with_float32_copy(inner), 3),
    ],
    ids=["copy", "stochastic", "copy in accumulated batches"],
)
def test_what_keeps_the_digits_loses_nothing(rescue):
    assert audited(rescue(decoupled(SGD, 1e-5)), narrow("bfloat16"))[1] == ()


def test_rounding_at_random_without_a_key_loses_them():
    leaves, _ = audited(optim.with_stochastic_rounding(decoupled(SGD, 1e-5), None), narrow("bfloat16"))
    assert leaves["dense/kernel"].is_lost


def test_momentum_that_carries_a_shrink_over_the_last_digit_loses_nothing():
    coupled = optax.chain(optim.add_l2(0.02), optax.sgd(LR, momentum=0.9))
    assert not audited(coupled, narrow("bfloat16"))[0]["dense/kernel"].is_lost


def test_float32_loses_what_is_smaller_still():
    assert audited(decoupled(SGD, 1e-9))[0]["dense/kernel"].is_lost


def test_an_epsilon_that_float16_rounds_to_zero_is_found():
    leaves, warnings = audited(optax.adamw(LR), narrow("float16"))
    assert leaves["dense/kernel"].kind == "unknown"
    assert "the update of dense/kernel, norm/scale is not finite in float16 where the gradient is zero" in warnings


# Trees.


def model_trees():
    mlp = eqx.filter(eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0)), eqx.is_array)
    dense = linen.Dense(3).init(jax.random.key(0), jnp.ones((1, 2)))
    norm = nnx.state(nnx.BatchNorm(3, rngs=nnx.Rngs(0)), nnx.Param)
    linear = hk.transform(lambda x: hk.Linear(3)(x)).init(jax.random.key(0), jnp.ones((1, 2)))
    return {
        "equinox": (mlp, {"layers/0/weight", "layers/1/weight"}),
        "linen": (dense, {"params/kernel"}),
        "nnx": ({"norm": norm, "w": jnp.ones((2, 3))}, {"w"}),
        "haiku": (linear, {"linear/w"}),
        "None and integers": (
            {"kernel": jnp.ones((2, 2)), "none": None, "count": jnp.zeros((), int), "empty": jnp.ones((0, 3))},
            {"kernel"},
        ),
        "shapes": ({"kernel": jax.ShapeDtypeStruct((2, 2), "float32")}, {"kernel"}),
        "complex": ({"kernel": jnp.ones((2, 2), complex)}, {"kernel"}),
        "a bare array": (jnp.ones(3), {"params"}),
    }


@pytest.mark.parametrize("model", model_trees().values(), ids=model_trees())
def test_trees_of_every_library_are_audited(model):
    params, decayed = model
    leaves, _ = audited(optax.chain(optim.add_l2(S), SGD), params)
    assert {path for path, leaf in leaves.items() if leaf.decayed} == decayed
    assert "count" not in leaves
    assert all(leaf.kind == ("proportional" if path in decayed else "none") for path, leaf in leaves.items())


def test_params_are_neither_read_nor_changed():
    filled = jax.tree.map(lambda w: np.full(w.shape, np.nan, np.float32), PARAMS)
    assert audited(optax.adamw(LR), filled) == audited(optax.adamw(LR), PARAMS)


# Words.


def test_the_table_and_the_warnings_are_printed():
    params = {"embed": jnp.ones((4, 3), jnp.bfloat16), "bias": jnp.ones(3, jnp.bfloat16)}
    audit = diagnose.audit_optimizer(optax.chain(optim.add_l2(0.01), optax.adam(1e-4)), params)
    assert str(audit).splitlines() == [
        "path   shape   dtype     decayed  kind            shrink  beside gradient  exact zeros  step",
        "bias   (3,)    bfloat16  no       none",
        "embed  (4, 3)  bfloat16  yes      preconditioned  0.0001  0%               no           0",
        "Warning: the decay of embed does not depend on the strength: it is normalized with the gradient, as L2 in the "
        "gradient of Adam is.",
        "Warning: the shrink of embed, 0.0001 per step of weights near 1, is lost in bfloat16.",
    ]


def test_many_paths_are_counted():
    params = {f"layer{index}": {"bias": jnp.ones(2)} for index in range(6)}
    assert audited(optax.adamw(LR, weight_decay=S), params)[1] == (
        "layer0/bias, layer1/bias, layer2/bias, layer3/bias and 2 more are decayed although they are not kernels",
    )


def test_weights_that_grow_are_named():
    leaves, warnings = audited(optax.adamw(LR, weight_decay=-S, mask=KERNELS))
    np.testing.assert_allclose(leaves["dense/kernel"].shrink, -LR * S, rtol=1e-3)
    assert warnings == ("the decay of dense/kernel is negative: the weights grow",)


def test_an_update_that_is_not_finite_is_named():
    optimizer = optax.chain(optax.stateless(lambda updates, _: jax.tree.map(lambda g: g / jnp.max(g), updates)), SGD)
    leaves, warnings = audited(optimizer)
    assert leaves["dense/kernel"].kind == "unknown"
    assert warnings[0].startswith("the update of dense/kernel, norm/scale is not finite in float32")
    assert str(diagnose.audit_optimizer(optimizer, PARAMS)).count("?") == 2


@pytest.mark.parametrize("optimizer", [optax.polyak_sgd(), optax.lbfgs()], ids=["polyak_sgd", "lbfgs"])
def test_what_needs_more_than_gradients_cannot_be_probed(optimizer):
    with pytest.raises(TypeError, match=r"^audit_optimizer: optimizer must work with .* alone, .*'value'"):
        diagnose.audit_optimizer(optimizer, PARAMS)


@pytest.mark.parametrize(("share", "is_named"), [(0.9, False), (1.0, True), (3.0, True)])
def test_decays_of_a_whole_weight_or_more_are_named(share, is_named):
    optimizers = (
        optax.chain(ADAM, optax.add_decayed_weights(-share, KERNELS)),
        optax.adamw(LR, weight_decay=share / LR, mask=KERNELS),
        optax.chain(optim.add_l2(share / LR), SGD),
    )
    message = (
        f"the decay of dense/kernel takes {share:.3g} of each weight in a step: from 1 on weights change their sign, "
        "and beyond 2 they grow without end"
    )
    for optimizer in optimizers:
        assert audited(optimizer)[1] == ((message,) if is_named else ())
