"""Sparsity: exact zeros, among the leaves that were asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import diagnose, noise, optim

PARAMS = {"dense": {"kernel": jnp.eye(4), "bias": jnp.zeros(4)}, "head": {"kernel": jnp.ones((4, 2))}}


@pytest.mark.parametrize(
    ("mask", "zeros", "size"),
    [
        (optim.kernels, 12, 24),
        (None, 16, 28),
        (optim.matching("bias"), 4, 4),
        ({"dense": False, "head": True}, 0, 8),
    ],
    ids=["kernels", "all", "matching", "a prefix"],
)
def test_zeros_are_counted_among_the_selected_leaves(mask, zeros, size):
    found = diagnose.sparsity(PARAMS, mask=mask)
    assert (int(found.zeros), found.size) == (zeros, size)
    np.testing.assert_allclose(found.fraction, zeros / size, rtol=1e-6)


def test_only_exact_zeros_count():
    tiny = jnp.array([[0.0, -0.0, 1e-30], [jnp.nan, jnp.inf, -1.0]])
    assert int(diagnose.sparsity(tiny).zeros) == 2


def test_the_fraction_after_dropconnect_is_the_rate():
    found = diagnose.sparsity(noise.dropconnect(jax.random.key(7), {"kernel": jnp.ones((128, 128))}, 0.3))
    assert abs(found.fraction - 0.3) < 5 * (0.3 * 0.7) ** 0.5 / 128


def test_every_float_leaf_counts_and_no_other():
    tree = {
        "half": jnp.zeros(3, jnp.bfloat16),
        "complex": jnp.zeros(2, jnp.complex64),
        "numpy": np.zeros(4, np.float32),
        "table": jnp.zeros(5, jnp.int32),
        "none": None,
        "number": 0.0,
    }
    found = diagnose.sparsity(tree, mask=None)
    assert (int(found.zeros), found.size) == (10, 10)


def test_it_runs_under_jit_and_vmap():
    zeros = jax.jit(jax.vmap(lambda kernel: diagnose.sparsity({"kernel": kernel}).zeros))
    assert zeros(jnp.stack([jnp.eye(3), jnp.ones((3, 3))])).tolist() == [6, 0]


def test_a_tree_without_leaves_is_not_sparse():
    found = diagnose.sparsity({})
    assert (int(found.zeros), found.size, float(found.fraction)) == (0, 0, 0.0)


def test_a_selection_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^sparsity: mask must select at least one leaf of floats"):
        diagnose.sparsity({"bias": jnp.zeros(3)})


def test_a_leaf_that_is_no_array_is_refused_with_its_path():
    with pytest.raises(TypeError, match=r"^sparsity: tree must hold arrays; at activation it has"):
        diagnose.sparsity({"activation": jnp.tanh, "kernel": jnp.ones((2, 2))})


def test_every_layer_has_a_fraction_of_its_own():
    assert {path: float(share) for path, share in diagnose.sparsity(PARAMS).by_layer.items()} == {
        "dense/kernel": 0.75,
        "head/kernel": 0.0,
    }
    assert list(diagnose.sparsity(jnp.zeros(3)).by_layer) == ["params"]


@pytest.mark.parametrize(("threshold", "zeros"), [(0.0, 1), (0.01, 3), (0.5, 4), (jnp.float32(2.0), 6)])
def test_a_threshold_says_what_else_counts(threshold, zeros):
    w = jnp.array([[0.0, 0.01, -0.01], [0.3, -1.0, 2.0]])
    assert int(diagnose.sparsity(w, threshold=threshold).zeros) == zeros
    assert int(jax.jit(lambda t: diagnose.sparsity(w, threshold=t).zeros)(threshold)) == zeros


def test_a_bad_threshold_raises_or_spoils():
    with pytest.raises(ValueError, match=r"^sparsity: threshold must be at least 0; got -1"):
        diagnose.sparsity(PARAMS, threshold=-1)
    found = jax.jit(lambda t: diagnose.sparsity(PARAMS, threshold=t))(-1.0)
    assert int(found.zeros) == -1
    assert np.isnan([found.fraction, *found.by_layer.values()]).all()
