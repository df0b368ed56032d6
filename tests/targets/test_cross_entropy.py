"""The smoothed loss: the closed form against the explicit one, torch and optax; ignored rows, weights, bad labels."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import targets

SMOOTHINGS = (0.0, 0.1, 0.5, 1.0)
every_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS)
loss = targets.smoothed_cross_entropy
compiled = jax.jit(loss)
gradient_too = jax.jit(jax.value_and_grad(loss))
compiled_rows = jax.jit(targets.smooth_labels, static_argnames="num_classes")


def logits(shape=(6, 5), dtype=jnp.float32):
    return jnp.asarray(3.0 * np.random.default_rng(0).normal(size=shape), dtype)


def ids(shape=(6,), num_classes=5):
    return jnp.asarray(np.random.default_rng(1).integers(num_classes, size=shape), jnp.int32)


def distributions(shape=(6, 5)):
    return jnp.asarray(np.random.default_rng(2).dirichlet(np.ones(shape[-1]), shape[:-1]), jnp.float32)


@jax.jit
@jax.value_and_grad
def explicit(z, labels, smoothing):
    q = (1.0 - smoothing) * labels + smoothing / z.shape[-1]
    return jnp.mean(-jnp.sum(q * jax.nn.log_softmax(z), axis=-1))


def assert_close(first, second, rtol=1e-5):
    """Compare two pairs of value and gradient."""
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-6)


def test_the_worked_example_of_targets():
    q = targets.smooth_labels(jnp.array(1), 0.1, num_classes=3)
    np.testing.assert_allclose(q, [0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3], rtol=1e-6)
    entropy = -jnp.sum(q * jnp.log(q))
    np.testing.assert_allclose(entropy, 0.2911398, rtol=1e-6)
    np.testing.assert_allclose(compiled(jnp.log(q), jnp.array(1), 0.1), entropy, rtol=1e-6)


def test_the_worked_example_of_the_loss():
    z = jnp.array([2.0, 1.0, 0.1])
    np.testing.assert_allclose(loss(z, jnp.array(0), 0.1), 0.5136966829, rtol=1e-6)
    np.testing.assert_allclose(compiled(z[None], jnp.array([0]), 0.1), 0.5136966829, rtol=1e-6)


def test_no_smoothing_is_the_cross_entropy():
    def plain(z):
        return optax.softmax_cross_entropy_with_integer_labels(z, ids()).mean()

    assert_close(gradient_too(logits(), ids(), 0.0), jax.jit(jax.value_and_grad(plain))(logits()))


@every_smoothing
def test_the_closed_form_is_the_explicit_sum(smoothing):
    one_hot = jax.nn.one_hot(ids(), 5)
    assert_close(gradient_too(logits(), ids(), smoothing), explicit(logits(), one_hot, smoothing))
    assert_close(gradient_too(logits(), distributions(), smoothing), explicit(logits(), distributions(), smoothing))


@every_smoothing
def test_the_loss_of_smoothed_labels_is_the_smoothed_loss(smoothing):
    q = targets.smooth_labels(ids(), smoothing, num_classes=5)
    assert_close(gradient_too(logits(), q, 0.0), gradient_too(logits(), ids(), smoothing))


@every_smoothing
def test_hard_and_soft_labels_agree(smoothing):  # optax#1335
    one_hot, where = jax.nn.one_hot(ids(), 5), jnp.arange(6) % 3 > 0
    for rows in (None, where):
        assert_close(
            gradient_too(logits(), ids(), smoothing, where=rows), gradient_too(logits(), one_hot, smoothing, where=rows)
        )


def test_rows_that_do_not_sum_to_one_are_taken_as_they_are():
    labels = 2.0 * distributions()
    assert_close(gradient_too(logits(), labels, 0.1), explicit(logits(), labels, 0.1), rtol=1e-4)


def test_compiled_or_not_the_loss_is_the_same():
    for labels in (ids(), distributions()):
        assert_close(jax.value_and_grad(loss)(logits(), labels, 0.1), gradient_too(logits(), labels, 0.1))


def test_large_logits_and_a_common_shift_change_nothing():
    np.testing.assert_allclose(compiled(logits() + 1e3, ids(), 0.1), compiled(logits(), ids(), 0.1), rtol=1e-3)
    assert jnp.isfinite(loss(jnp.array([[1e4, -1e4]]), jnp.array([1]), 0.1))


@pytest.mark.parametrize("batch", [(), (1,), (6,), (2, 3), (2, 1, 3)])
def test_every_batch_shape_gives_the_mean_over_rows(batch):
    z, labels = logits((*batch, 5)), ids(batch)
    flat = compiled(z.reshape(-1, 5), labels.reshape(-1), 0.1)
    np.testing.assert_allclose(compiled(z, labels, 0.1), flat, rtol=1e-6)
    np.testing.assert_allclose(compiled(z, labels, 0.1, where=jnp.ones(batch, bool)), flat, rtol=1e-6)
    assert targets.smooth_labels(labels, 0.1, num_classes=5).shape == (*batch, 5)


@every_smoothing
@pytest.mark.parametrize("hard", [True, False], ids=["ids", "distributions"])
def test_ignored_rows_change_neither_value_nor_gradient(smoothing, hard):  # pytorch#73205, #72056
    where = jnp.array([True, False, True, True, False, False])
    kept = np.flatnonzero(where)
    labels = ids() if hard else distributions()
    garbage = jnp.full_like(labels, -100) if hard else jnp.full_like(labels, jnp.nan)
    labels = jnp.where(where.reshape(-1, *[1] * (labels.ndim - 1)), labels, garbage)
    value, gradient = gradient_too(logits()[kept], labels[kept], smoothing)
    for poison in (0.0, jnp.nan, jnp.inf, -jnp.inf):
        z = jnp.where(where[:, None], logits(), poison)
        masked, by_logits = gradient_too(z, labels, smoothing, where=where)
        np.testing.assert_allclose(masked, value, rtol=1e-6)
        np.testing.assert_allclose(by_logits[kept], gradient, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(np.asarray(by_logits)[~np.asarray(where)], np.zeros((3, 5)))
    np.testing.assert_allclose(loss(z, labels, smoothing, where=where), value, rtol=1e-6)


def test_no_row_gives_zero():
    none = jnp.zeros(6, bool)
    value, gradient = gradient_too(logits() * jnp.nan, jnp.full(6, -100), 0.1, where=none)
    assert value == 0.0
    np.testing.assert_array_equal(gradient, jnp.zeros((6, 5)))
    assert loss(jnp.zeros((0, 5)), jnp.zeros(0, int), 0.1) == 0.0


@pytest.mark.parametrize("hard", [True, False], ids=["ids", "distributions"])
def test_impossible_classes_of_no_weight_are_harmless(hard):  # optax#896
    z = jnp.array([[-jnp.inf, 1.0, 2.0]])
    labels = jnp.array([1]) if hard else jnp.array([[0.0, 1.0, 0.0]])
    expected, by_rest = gradient_too(z[:, 1:], labels - 1 if hard else labels[:, 1:], 0.0)
    for function in (jax.value_and_grad(loss), gradient_too):
        value, gradient = function(z, labels, 0.0)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_allclose(gradient, jnp.pad(by_rest, ((0, 0), (1, 0))), rtol=1e-6)


def test_impossible_classes_of_some_weight_give_an_infinite_loss():
    z = jnp.array([[-jnp.inf, 1.0, 2.0]])
    assert loss(z, jnp.array([0]), 0.0) == jnp.inf
    assert loss(z, jnp.array([1]), 0.1) == jnp.inf


@pytest.mark.parametrize("bad", [-1, 5, 100, -(2**31)])
def test_ids_out_of_range_raise(bad):  # optax#1185
    labels = ids().at[2].set(bad)
    with pytest.raises(ValueError, match=rf"smoothed_cross_entropy: labels must be in \[0, 5\); got {bad}"):
        loss(logits(), labels, 0.1)
    with pytest.raises(ValueError, match=rf"smooth_labels: labels must be in \[0, 5\); got {bad}"):
        targets.smooth_labels(np.asarray(labels), 0.1, num_classes=5)


@every_smoothing
@pytest.mark.parametrize("bad", [-1, 5])
def test_traced_ids_out_of_range_give_nan(bad, smoothing):  # optax#1185
    labels = ids().at[2].set(bad)
    assert jnp.isnan(compiled(logits(), labels, smoothing))
    q = compiled_rows(labels, smoothing, num_classes=5)
    np.testing.assert_array_equal(jnp.isnan(q).all(-1), jnp.arange(6) == 2)
    assert np.isfinite(np.delete(q, 2, axis=0)).all()


@pytest.mark.parametrize("bad", [-1, 5])
def test_traced_ids_out_of_range_give_a_gradient_of_nan(bad):
    _, gradient = gradient_too(logits(), ids().at[2].set(bad), 0.1)
    assert jnp.isnan(gradient[2]).all()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint32"])
def test_ids_of_every_integer_type_give_the_same(dtype):
    labels = ids().astype(dtype)
    assert loss(logits(), labels, 0.1) == loss(logits(), ids(), 0.1)
    np.testing.assert_array_equal(
        targets.smooth_labels(labels, 0.1, num_classes=5), targets.smooth_labels(ids(), 0.1, num_classes=5)
    )
    beyond = labels.at[2].set(7)
    assert jnp.isnan(compiled(logits(), beyond, 0.1))
    with pytest.raises(ValueError, match=r"labels must be in \[0, 5\); got 7"):
        loss(logits(), beyond, 0.1)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("num_classes", [256, 300])
def test_more_classes_than_the_type_of_the_ids_can_count(dtype, num_classes):
    z, labels = logits((4, num_classes)), jnp.array([0, 5, 44, 127])
    expected = compiled(z, labels, 0.1)
    np.testing.assert_allclose(loss(z, labels.astype(dtype), 0.1), expected, rtol=1e-6)
    np.testing.assert_allclose(compiled(z, labels.astype(dtype), 0.1), expected, rtol=1e-6)
    q = targets.smooth_labels(labels.astype(dtype), 0.1, num_classes=num_classes)
    np.testing.assert_allclose(q.sum(-1), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((2, 3), jnp.array([0, 1, 2])),
        ((2, 3), jnp.array(0)),
        ((2, 3), jnp.array([[0, 1, 0], [1, 0, 0]])),
        ((2, 3), jnp.array([0.0, 1.0])),
        ((2, 3), jnp.ones((1, 3))),
        ((2, 3), jnp.ones(3)),
        ((3,), jnp.array([0])),
    ],
)
def test_shapes_are_never_broadcast(shape, labels):
    with pytest.raises(ValueError, match="smoothed_cross_entropy: labels must have shape"):
        loss(jnp.zeros(shape), labels, 0.1)


@pytest.mark.parametrize("where", [jnp.ones((1,), bool), jnp.ones((6, 1), bool), jnp.ones(6, int), jnp.array(True)])
def test_where_is_a_bool_per_row(where):
    with pytest.raises(ValueError, match=r"smoothed_cross_entropy: where must hold bools of shape \(6,\)"):
        loss(logits(), ids(), 0.1, where=where)


def test_fewer_than_two_classes_raise():
    with pytest.raises(ValueError, match="two classes or more"):
        loss(jnp.zeros((2, 1)), jnp.zeros(2, int), 0.1)
    with pytest.raises(ValueError, match="two classes or more"):
        loss(jnp.zeros(()), jnp.zeros((), int), 0.1)
    with pytest.raises(ValueError, match="two classes or more"):
        targets.smooth_labels(jnp.zeros((2, 1)), 0.1)
    with pytest.raises(ValueError, match="num_classes must be at least 2"):
        targets.smooth_labels(jnp.zeros(2, int), 0.1, num_classes=1)


def test_wrong_types_raise():
    with pytest.raises(TypeError, match="num_classes must be given"):
        targets.smooth_labels(ids(), 0.1)
    with pytest.raises(TypeError, match="num_classes must be None"):
        targets.smooth_labels(distributions(), 0.1, num_classes=5)
    with pytest.raises(TypeError, match="logits must be an array of floats"):
        loss(jnp.ones((6, 5), int), ids(), 0.1)
    with pytest.raises(TypeError, match="labels must be an array; got list"):
        loss(logits(), [0] * 6, 0.1)
    with pytest.raises(TypeError, match="labels must hold class ids or floats"):
        loss(logits(), jnp.ones(6, bool), 0.1)


def test_complex_logits_raise():
    with pytest.raises(TypeError, match="logits must be an array of floats"):
        loss(logits().astype(jnp.complex64), ids(), 0.1)


@pytest.mark.parametrize("smoothing", [1.5, -0.1, float("nan"), float("inf")])
def test_a_bad_smoothing_raises_when_concrete_and_gives_nan_when_traced(smoothing):
    with pytest.raises(ValueError, match=r"smoothed_cross_entropy: smoothing must be in \[0, 1\]; got"):
        loss(logits(), ids(), smoothing)
    with pytest.raises(ValueError, match=r"smooth_labels: smoothing must be in \[0, 1\]; got"):
        targets.smooth_labels(distributions(), smoothing)
    value, gradient = gradient_too(logits(), ids(), smoothing)
    assert jnp.isnan(value)
    assert jnp.isnan(gradient).all()
    assert jnp.isnan(compiled_rows(distributions(), smoothing)).all()


@pytest.mark.parametrize("smoothing", [None, "0.1", True])
def test_a_smoothing_that_is_no_number_raises(smoothing):
    with pytest.raises(TypeError, match="smoothing must be a real number"):
        loss(logits(), ids(), smoothing)


def test_a_smoothing_per_row_raises():
    with pytest.raises(ValueError, match="smoothing must be a scalar"):
        loss(logits(), ids(), jnp.full(6, 0.1))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_logits_are_reduced_in_float32(dtype):
    z = logits((64, 1000), dtype)
    labels = ids((64,), 1000)
    value, gradient = gradient_too(z, labels, 0.1)
    assert value.dtype == jnp.float32
    assert gradient.dtype == jnp.dtype(dtype)
    np.testing.assert_allclose(value, compiled(z.astype(jnp.float32), labels, 0.1), rtol=1e-6)


def test_dtypes_of_targets_are_kept():
    assert targets.smooth_labels(ids(), 0.1, num_classes=5).dtype == jnp.float32
    for dtype in ("bfloat16", "float16", "float32"):
        assert targets.smooth_labels(distributions().astype(dtype), 0.1).dtype == jnp.dtype(dtype)
    with jax.enable_x64(True):
        z = logits(dtype=jnp.float64)
        assert compiled(z, ids(), 0.1).dtype == jnp.float64
        assert compiled(logits(), ids(), 0.1).dtype == jnp.float32


def test_smoothings_are_traced_mapped_and_differentiated():
    traces = 0

    @jax.jit
    def smoothed(smoothing):
        nonlocal traces
        traces += 1
        return loss(logits(), ids(), smoothing)

    smoothings = jnp.array(SMOOTHINGS)
    values = jnp.stack([smoothed(smoothing) for smoothing in smoothings])
    assert traces == 1
    np.testing.assert_allclose(jax.vmap(smoothed)(smoothings), values, rtol=1e-6)
    # The loss is linear in the smoothing.
    np.testing.assert_allclose(jax.grad(smoothed)(0.1), values[-1] - values[0], rtol=1e-5)


def test_losses_per_row_come_from_vmap():
    rows = jax.jit(jax.vmap(loss, in_axes=(0, 0, None)))(logits(), ids(), 0.1)
    np.testing.assert_allclose(rows.mean(), compiled(logits(), ids(), 0.1), rtol=1e-6)


def test_second_derivatives_are_those_of_the_softmax():
    z, label = logits()[0], ids()[0]
    hessian = jax.jit(jax.hessian(loss))(z, label, 0.1)
    p = np.asarray(jax.nn.softmax(z))
    np.testing.assert_allclose(hessian, np.diag(p) - np.outer(p, p), atol=1e-6)


def test_the_gradient_needs_no_array_of_targets():
    shapes = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in (((512, 50000), "float32"), ((512,), "int32"))]
    rows, number = jax.ShapeDtypeStruct((512,), bool), jax.ShapeDtypeStruct((), "float32")
    for where in (None, rows):
        program = jax.jit(jax.value_and_grad(loss)).lower(*shapes, number, where=where)
        assert program.compile().memory_analysis().temp_size_in_bytes < 2**20


# import numpy as np, torch
# rng = np.random.default_rng(0)
# z = torch.tensor(3 * rng.normal(size=(4, 3)), requires_grad=True)
# loss = torch.nn.functional.cross_entropy(
#     z, torch.tensor([0, 2, -100, 1]), torch.tensor([1.0, 2.0, 0.5], dtype=z.dtype), label_smoothing=0.2)
# loss.backward()
# print(loss.item(), z.grad.numpy().round(7).tolist())
OF_TORCH = (
    1.8830798,
    [
        [-0.1995741, -0.0159276, 0.2155018],
        [0.0356819, -0.0300852, -0.0055966],
        [0.0, 0.0, 0.0],
        [-0.0100595, -0.433534, 0.4435935],
    ],
)


def test_class_weights_and_ignored_rows_are_those_of_torch():  # pytorch#104776, #73205
    z = jnp.asarray(3 * np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)
    labels, where = jnp.array([0, 2, -100, 1]), jnp.array([True, True, False, True])
    value, gradient = gradient_too(z, labels, 0.2, where=where, class_weights=jnp.array([1.0, 2.0, 0.5]))
    np.testing.assert_allclose(value, OF_TORCH[0], rtol=1e-5)
    np.testing.assert_allclose(gradient, OF_TORCH[1], atol=1e-6)


def test_class_weights_have_the_documented_formula():  # pytorch#104776
    weights, p = jnp.array([1.0, 2.0, 0.5, 0.0, 3.0]), distributions()
    q = 0.8 * p + 0.2 / 5
    losses = -jnp.sum(weights[None] * q * jax.nn.log_softmax(logits()), axis=1)
    expected = losses.sum() / jnp.sum(weights[None] * p)
    np.testing.assert_allclose(loss(logits(), p, 0.2, class_weights=weights), expected, rtol=1e-5)
    one_hot = jax.nn.one_hot(ids(), 5)
    np.testing.assert_allclose(
        loss(logits(), ids(), 0.2, class_weights=weights),
        loss(logits(), one_hot, 0.2, class_weights=weights),
        rtol=1e-5,
    )
    alike = loss(logits(), p, 0.2, class_weights=jnp.full(5, 7.0))
    np.testing.assert_allclose(alike, loss(logits(), p, 0.2), rtol=1e-5)


def test_impossible_classes_of_weight_zero_are_harmless():  # optax#896
    z = logits().at[:, 3].set(-jnp.inf)
    weights = jnp.ones(5).at[3].set(0.0)
    value, gradient = gradient_too(z, jnp.zeros(6, int), 0.3, class_weights=weights)
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()
    assert loss(z, jnp.full(6, 3), 0.3, class_weights=weights) == 0.0


def test_bad_class_weights_raise():
    with pytest.raises(ValueError, match=r"smoothed_cross_entropy: class_weights must be finite and at least 0; got"):
        loss(logits(), ids(), 0.1, class_weights=-jnp.ones(5))
    with pytest.raises(
        ValueError, match=r"smoothed_cross_entropy: class_weights must have shape \(5,\); got shape \(4,\)"
    ):
        loss(logits(), ids(), 0.1, class_weights=jnp.ones(4))
    assert jnp.isnan(jax.jit(lambda w: loss(logits(), ids(), 0.1, class_weights=w))(-jnp.ones(5)))


@pytest.mark.parametrize("hard", [True, False], ids=["ids", "distributions"])
def test_the_class_axis_may_be_anywhere(hard):  # optax#1486
    z, labels = logits((2, 3, 5)), ids((2, 3)) if hard else distributions((2, 3, 5))
    expected, by_logits = gradient_too(z, labels, 0.1)
    apart = labels if hard else jnp.moveaxis(labels, -1, 1)
    moved = jax.jit(jax.value_and_grad(lambda z: loss(z, apart, 0.1, axis=1)))
    value, gradient = moved(jnp.moveaxis(z, -1, 1))
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(jnp.moveaxis(gradient, 1, -1), by_logits, rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="axis must name axes of a 3-dimensional array; got 3"):
        loss(z, labels, 0.1, axis=3)


def test_forward_mode_is_reverse_mode():
    for labels in (ids(), distributions()):
        z, tangent = logits(), logits()[::-1]
        _, forward = jax.jvp(lambda z, labels=labels: loss(z, labels, 0.1), (z,), (tangent,))
        gradient = jax.grad(loss)(z, labels, 0.1)
        np.testing.assert_allclose(forward, jnp.sum(gradient * tangent), rtol=1e-4)


def test_names_are_left_in_the_jaxpr():
    text = str(jax.make_jaxpr(loss)(logits(), ids(), 0.1))
    assert "name=jreg.smoothed_cross_entropy.input" in text
    assert "name=jreg.smoothed_cross_entropy]" in text
