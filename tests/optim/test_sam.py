"""SAM against hand computation; the key, the value and the auxiliary output of its two passes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import noise, optim, train
from tests.optim.table import assert_close_trees, tree

MATRIX = np.array([[3.0, 1.0], [1.0, 2.0]])


def quadratic(w):
    return 0.5 * w @ jnp.asarray(MATRIX, w.dtype) @ w


def test_on_a_quadratic_it_is_the_gradient_uphill():
    w = np.array([1.0, -2.0])
    g = MATRIX @ w
    for rho in (0.0, 0.3, 2):
        expected = MATRIX @ (w + rho * g / np.linalg.norm(g))
        found = optim.sam_gradient(jax.grad(quadratic), rho)(jnp.asarray(w, jnp.float32))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_adaptive_form_is_that_of_the_paper():
    w = np.array([1.0, -2.0])
    g, size = MATRIX @ w, np.abs(w) + 0.01
    expected = MATRIX @ (w + 0.3 * size**2 * g / np.linalg.norm(size * g))
    found = optim.sam_gradient(jax.grad(quadratic), 0.3, adaptive=True)(jnp.asarray(w, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_ball_has_the_radius_rho_over_all_leaves():
    seen = []

    def gradients(params):
        seen.append(params)
        return tree(seed=1)

    optim.sam_gradient(gradients, 0.3)(tree())
    moved = jax.tree.map(jnp.subtract, seen[1], seen[0])
    np.testing.assert_allclose(optax.tree.norm(moved), 0.3, rtol=1e-5)
    assert_close_trees(moved, optax.tree.scale(0.3 / optax.tree.norm(tree(seed=1)), tree(seed=1)), atol=1e-6)


def test_the_adaptive_form_does_not_see_a_change_of_scale():
    def loss(params):
        return jnp.sum(jnp.sin(0.01 * params["in"]) * params["out"])

    def worst(scale):
        params = {"in": scale * jnp.array([30.0, -50.0]), "out": jnp.array([40.0, 20.0])}
        seen = []

        def gradients(p):
            seen.append(p)
            return jax.grad(lambda p: loss({**p, "in": p["in"] / scale}))(p)

        optim.sam_gradient(gradients, 0.5, adaptive=True)(params)
        return loss({**seen[1], "in": seen[1]["in"] / scale})

    np.testing.assert_allclose(worst(1.0), worst(8.0), rtol=2e-4)


def test_both_passes_draw_the_same_noise():
    masks = []

    def loss(w, key, x):
        dropped = noise.dropout(key, x, 0.5)
        masks.append(dropped)
        return jnp.sum((dropped * w) ** 2)

    optim.sam_gradient(lambda w, key, x: jax.tree.map(lambda _: 2 * loss(w, key, x) * w, w), 0.1)(
        jnp.ones(64), jax.random.key(0), jnp.ones(64)
    )
    np.testing.assert_array_equal(*masks)
    assert (masks[0] == 0.0).any()


def test_value_and_auxiliary_output_are_those_of_the_first_pass():
    def loss(w):
        return jnp.sum(w**2), {"weights": w}

    w = jnp.array([3.0, 4.0])
    (value, aux), gradients = optim.sam_gradient(jax.value_and_grad(loss, has_aux=True), 0.5)(w)
    np.testing.assert_array_equal(value, 25.0)
    np.testing.assert_array_equal(aux["weights"], w)
    np.testing.assert_allclose(gradients, [6.6, 8.8], rtol=1e-6)
    value, second = optim.sam_gradient(jax.value_and_grad(lambda w: loss(w)[0]), 0.5)(w)
    np.testing.assert_array_equal(value, 25.0)
    np.testing.assert_array_equal(second, gradients)


@pytest.mark.parametrize("adaptive", [False, True])
def test_a_gradient_of_zero_gives_zero(adaptive):  # optax.contrib.sam gives NaN
    gradient = optim.sam_gradient(jax.grad(lambda w: jnp.sum(w**2)), 0.5, adaptive=adaptive)
    np.testing.assert_array_equal(gradient(jnp.zeros(3)), jnp.zeros(3))
    np.testing.assert_array_equal(jax.jit(gradient)(jnp.zeros(3)), jnp.zeros(3))


def test_a_gradient_that_is_not_finite_stays_visible():
    gradient = optim.sam_gradient(jax.grad(lambda w: jnp.sum(jnp.sqrt(w - 1.0))), 0.5)
    assert jnp.isnan(gradient(jnp.zeros(3))).all()


def test_rho_may_be_traced_and_mapped():
    w = jnp.array([1.0, -2.0])
    rhos = jnp.array([0.0, 0.3, 2.0])
    traces = []

    @jax.jit
    def gradient(rho):
        traces.append(rho)
        return optim.sam_gradient(jax.grad(quadratic), rho)(w)

    found = [gradient(rho) for rho in rhos]
    assert len(traces) == 1
    for rho, one in zip(rhos, found, strict=True):
        np.testing.assert_allclose(one, optim.sam_gradient(jax.grad(quadratic), float(rho))(w), rtol=1e-6)
    mapped = jax.vmap(lambda rho: optim.sam_gradient(jax.grad(quadratic), rho)(w))(rhos)
    np.testing.assert_allclose(mapped, jnp.stack(found), rtol=1e-6)
    assert jnp.isnan(gradient(jnp.float32(-1.0))).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_dtypes_are_kept_and_norms_do_not_overflow(dtype, adaptive):
    params, seen = {"a": jnp.ones((50, 20), dtype), "b": jnp.ones(3)}, []

    def gradients(params):
        seen.append(params)
        return jax.tree.map(lambda leaf: 300.0 * leaf, params)

    gradients = optim.sam_gradient(gradients, 10.0, adaptive=adaptive)(params)
    for leaf, first, perturbed in zip(*map(jax.tree.leaves, (gradients, params, seen[1])), strict=True):
        assert leaf.dtype == perturbed.dtype == first.dtype
        np.testing.assert_allclose(perturbed.astype(jnp.float32), 1 + 10 / 1003**0.5, rtol=0.02)


def test_complex_weights_move_uphill():
    def loss(w):
        return jnp.sum(jnp.abs(w - (1.0 + 2.0j)) ** 2)

    w, seen = jnp.array([0.5j]), []

    def gradient(w):
        seen.append(w)
        return jax.grad(loss)(w)

    optim.sam_gradient(gradient, 0.1)(w)
    np.testing.assert_allclose(jnp.abs(seen[1] - w), [0.1], rtol=1e-5)
    np.testing.assert_allclose(jnp.sqrt(loss(seen[1])), jnp.sqrt(loss(w)) + 0.1, rtol=1e-5)


def test_none_leaves_stay_none():
    params = {"w": jnp.ones(2), "frozen": None}
    gradients = optim.sam_gradient(jax.grad(lambda p: jnp.sum(p["w"] ** 2)), 0.1)(params)
    assert gradients["frozen"] is None


@pytest.mark.parametrize("rho", [-0.1, float("nan"), float("inf")])
def test_a_bad_rho_raises(rho):
    with pytest.raises(ValueError, match="sam_gradient: rho must be finite and at least 0; got"):
        optim.sam_gradient(jax.grad(quadratic), rho)


@pytest.mark.parametrize("result", [1.0, (tree(), 1.0), [1.0, tree()]], ids=["number", "swapped", "list"])
def test_what_is_no_gradient_raises(result):
    with pytest.raises(ValueError, match="sam_gradient: grad_fn must return gradients in the structure of params"):
        optim.sam_gradient(lambda params: result, 0.1)(tree())


def test_a_radius_is_one_number():
    for rho in (jnp.ones((1, 1, 1)), np.ones(2)):
        with pytest.raises(ValueError, match=r"^sam_gradient: rho must be a scalar; got shape \("):
            optim.sam_gradient(jax.grad(jnp.sum), rho)
    with pytest.raises(ValueError, match=r"^sam_gradient: rho must be a scalar; got shape \(1,\)"):
        jax.jit(lambda rho: optim.sam_gradient(jax.grad(jnp.sum), rho)(jnp.ones(2)))(jnp.ones(1))
    with pytest.raises(TypeError, match=r"^sam_gradient: grad_fn must be a function of \(params, ...\), .*; got None$"):
        optim.sam_gradient(None, 0.1)


# Every k steps.


def test_every_k_steps_the_second_pass_is_made():
    w = jnp.array([1.0, -2.0])
    both, plain = optim.sam_gradient(jax.grad(quadratic), 0.3)(w), jax.grad(quadratic)(w)

    @jax.jit
    def gradient(step):
        return optim.sam_gradient(jax.grad(quadratic), 0.3, every=3, step=step)(w)

    for step in range(7):
        np.testing.assert_allclose(gradient(step), both if step % 3 == 0 else plain, rtol=1e-6)
        np.testing.assert_allclose(gradient(jnp.float32(step)), both if step % 3 == 0 else plain, rtol=1e-6)


def test_steps_in_between_cost_one_pass():
    passes = []

    def gradients(w):
        jax.debug.callback(lambda: passes.append(1))
        return jax.grad(quadratic)(w)

    gradient = jax.jit(lambda step: optim.sam_gradient(gradients, 0.3, every=4, step=step)(jnp.array([1.0, -2.0])))
    for step in range(8):
        gradient(step).block_until_ready()
    jax.effects_barrier()
    assert len(passes) == 8 + 2


def test_values_and_auxiliary_outputs_come_from_the_first_pass_in_every_step():
    w, grad_fn = jnp.array([1.0, -2.0]), jax.value_and_grad(lambda w: (quadratic(w), w), has_aux=True)
    for step in (0, 1):
        (value, aux), _ = optim.sam_gradient(grad_fn, 0.3, every=2, step=step)(w)
        np.testing.assert_allclose(value, quadratic(w))
        np.testing.assert_array_equal(aux, w)


def test_bad_steps_are_named_or_spoil():
    with pytest.raises(ValueError, match=r"^sam_gradient: step must be given with every=2, .*; got None"):
        optim.sam_gradient(jax.grad(quadratic), 0.3, every=2)
    with pytest.raises(ValueError, match=r"^sam_gradient: every must be at least 1; got 0"):
        optim.sam_gradient(jax.grad(quadratic), 0.3, every=0)
    with pytest.raises(ValueError, match=r"^sam_gradient: step must be finite and at least 0; got -1"):
        optim.sam_gradient(jax.grad(quadratic), 0.3, every=2, step=-1)
    w = jnp.array([1.0, -2.0])
    spoiled = jax.jit(lambda step: optim.sam_gradient(jax.grad(quadratic), 0.3, every=2, step=step)(w))(-1.0)
    assert jnp.isnan(spoiled).all()


def test_a_training_step_knows_its_number():
    w = jnp.array([1.0, -2.0])

    def loss_fn(params, model_state, key, batch, hyper):
        return quadratic(params), (model_state, {})

    def wrap(grad_fn, hyper):
        return optim.sam_gradient(grad_fn, 0.3, every=2, step=hyper["step"])

    step = train.make_step(loss_fn, optax.sgd(1.0), wrap_gradient=wrap)
    hyper, state = {"step": train.per_step(lambda step: step)}, train.init_state(w, optax.sgd(1.0))
    for every_step in (optim.sam_gradient(jax.grad(quadratic), 0.3), jax.grad(quadratic)):
        expected = state.params - every_step(state.params)
        state, _ = step(state, jax.random.key(0), jnp.zeros(1), hyper)
        np.testing.assert_allclose(state.params, expected, rtol=1e-6)
