"""Distillation against torch and its limits, and the laws that all losses between logits obey."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jax.test_util import check_grads

from jreg import targets

RNG = np.random.default_rng(0)
_, TEACHER, STUDENT = 3 * RNG.normal(size=(4, 3)), 2 * RNG.normal(size=(4, 3)), 2 * RNG.normal(size=(4, 3))
TEACHER, STUDENT = jnp.asarray(TEACHER, jnp.float32), jnp.asarray(STUDENT, jnp.float32)
LOSSES = {
    "confidence_penalty": lambda z, other, **options: targets.confidence_penalty(z, **options),
    "consistency": targets.consistency,
    "distillation": lambda z, other, **options: targets.distillation(z, other, 3.0, **options),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)

# import numpy as np, torch
# F, rng = torch.nn.functional, np.random.default_rng(0)
# _, t, s = 3 * rng.normal(size=(4, 3)), 2 * rng.normal(size=(4, 3)), 2 * rng.normal(size=(4, 3))
# t, s = torch.tensor(t), torch.tensor(s, requires_grad=True)
# p, q = F.log_softmax(t / 3, 1), F.log_softmax(s / 3, 1)
# loss = 9 * F.kl_div(q, p, reduction="batchmean", log_target=True)
# loss.backward()
# print(loss.item(), s.grad.numpy().round(7).tolist())
OF_TORCH = (
    1.1463395,
    [
        [0.2860794, -0.2004887, -0.0855908],
        [-0.0506596, -0.0192903, 0.0699498],
        [-0.0650241, -0.0684295, 0.1334536],
        [-0.1455967, 0.1148831, 0.0307136],
    ],
)


def test_value_and_gradient_are_those_of_torch():
    value, gradient = jax.value_and_grad(targets.distillation)(STUDENT, TEACHER, 3.0)
    np.testing.assert_allclose(value, OF_TORCH[0], rtol=1e-5)
    np.testing.assert_allclose(gradient, OF_TORCH[1], atol=1e-6)


def test_it_is_the_divergence_of_scipy():
    p, q = (scipy.special.softmax(np.float64(z) / 2, axis=1) for z in (TEACHER, STUDENT))
    expected = 4 * scipy.special.rel_entr(p, q).sum(1).mean()
    np.testing.assert_allclose(targets.distillation(STUDENT, TEACHER, 2.0), expected, rtol=1e-5)


def test_at_high_temperature_it_matches_the_logits():
    """Hinton et al.: half the mean squared difference of centred logits, over the number of classes."""
    centred = STUDENT - TEACHER - jnp.mean(STUDENT - TEACHER, axis=1, keepdims=True)
    with jax.enable_x64(True):
        z, teacher = (jnp.asarray(np.float64(values)) for values in (STUDENT, TEACHER))
        np.testing.assert_allclose(targets.distillation(z, teacher, 1e3), (centred**2).sum(1).mean() / 6, rtol=1e-2)


def test_the_teacher_learns_nothing_and_a_perfect_student_either():
    by_teacher = jax.grad(targets.distillation, argnums=1)(STUDENT, TEACHER, 2.0)
    np.testing.assert_array_equal(by_teacher, jnp.zeros((4, 3)))
    value, gradient = jax.value_and_grad(targets.distillation)(TEACHER, TEACHER, 2.0)
    np.testing.assert_allclose(value, 0.0, atol=1e-6)
    np.testing.assert_allclose(gradient, jnp.zeros((4, 3)), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_bad_temperatures_raise_when_concrete_and_give_nan_when_traced(temperature):
    with pytest.raises(ValueError, match="distillation: temperature must be finite and above 0; got"):
        targets.distillation(STUDENT, TEACHER, temperature)
    assert jnp.isnan(jax.jit(targets.distillation)(STUDENT, TEACHER, temperature))


def test_classes_that_are_impossible_for_both_count_nothing():
    masked = (STUDENT.at[:, 2].set(-jnp.inf), TEACHER.at[:, 2].set(-jnp.inf))
    for loss in LOSSES.values():
        both = jax.value_and_grad(loss, argnums=(0, 1))
        value, gradients = both(*masked)
        expected, of_rest = both(STUDENT[:, :2], TEACHER[:, :2])
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        for gradient, rest in zip(gradients, of_rest, strict=True):
            np.testing.assert_allclose(gradient, jnp.pad(rest, ((0, 0), (0, 1))), atol=1e-6)


@every_loss
def test_ignored_rows_change_neither_value_nor_gradient(loss):  # pytorch#73205
    where, kept = jnp.array([True, False, True, False]), np.array([0, 2])
    value_and_grad = jax.jit(jax.value_and_grad(loss))
    value, gradient = value_and_grad(STUDENT[kept], TEACHER[kept])
    for poison in (0.0, jnp.nan, jnp.inf, -jnp.inf):
        z, other = (jnp.where(where[:, None], values, poison) for values in (STUDENT, TEACHER))
        masked, by_logits = value_and_grad(z, other, where=where)
        np.testing.assert_allclose(masked, value, rtol=1e-6)
        np.testing.assert_allclose(by_logits, jnp.zeros((4, 3)).at[kept].set(gradient), atol=1e-6)
    assert loss(STUDENT, TEACHER, where=jnp.zeros(4, bool)) == 0.0
    with pytest.raises(ValueError, match=r"where must hold bools of shape \(4,\)"):
        loss(STUDENT, TEACHER, where=jnp.ones(3, bool))


@every_loss
def test_any_batch_shape_any_class_axis_and_16_bits(loss):
    expected = loss(STUDENT, TEACHER)
    square = [values.reshape(2, 2, 3) for values in (STUDENT, TEACHER)]
    np.testing.assert_allclose(loss(*square), expected, rtol=1e-5)
    np.testing.assert_allclose(loss(*(jnp.moveaxis(z, -1, 0) for z in square), axis=0), expected, rtol=1e-5)
    narrow = [values.astype(jnp.bfloat16) for values in (STUDENT, TEACHER)]
    assert loss(*narrow).dtype == jnp.float32
    np.testing.assert_allclose(loss(*narrow), loss(*(values.astype(jnp.float32) for values in narrow)), rtol=1e-6)
    rows = jax.vmap(loss)(STUDENT, TEACHER)
    np.testing.assert_allclose(rows.mean(), expected, rtol=1e-5)


@every_loss
def test_gradients_are_those_of_finite_differences(loss):
    check_grads(jax.jit(lambda z: loss(z, TEACHER)), (STUDENT,), order=1, atol=5e-2, rtol=5e-2)


def test_shapes_are_never_broadcast():
    for loss, name in ((LOSSES["distillation"], "teacher_logits"), (targets.consistency, "other_logits")):
        with pytest.raises(ValueError, match=rf"{name} must have shape \(4, 3\); got shape \(1, 3\)"):
            loss(STUDENT, TEACHER[:1])


@pytest.mark.parametrize("name", LOSSES)
def test_names_are_left_in_the_jaxpr(name):
    text = str(jax.make_jaxpr(LOSSES[name])(STUDENT, TEACHER))
    assert f"name=jreg.{name}.input" in text
    assert f"name=jreg.{name}]" in text
