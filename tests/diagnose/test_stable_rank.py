"""The stable rank against singular values from numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import diagnose, optim


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 3, 4, 5), (1, 4), (4, 1)])
@pytest.mark.parametrize("dtype", ["float32", "complex64", "bfloat16"])
def test_it_is_that_of_the_singular_values(shape, dtype):
    rng = np.random.default_rng(0)
    imaginary = 1j * rng.normal(size=shape) if dtype == "complex64" else 0.0
    w = jnp.asarray(rng.normal(size=shape) + imaginary).astype(dtype)
    wide = np.asarray(w).astype(np.complex128 if dtype == "complex64" else np.float64)
    sizes = np.linalg.svd(wide.reshape(-1, shape[-1]), compute_uv=False)
    found = diagnose.stable_rank({"kernel": w})["kernel"]
    np.testing.assert_allclose(found, np.sum(sizes**2) / sizes[0] ** 2, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_the_scale_does_not_matter(scale):
    np.testing.assert_allclose(diagnose.stable_rank(scale * jnp.diag(jnp.array([2.0, 1.0])))["params"], 1.25, rtol=1e-6)


def test_it_is_1_for_an_outer_product_and_the_side_for_a_rotation():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    outer = np.outer(rng.normal(size=6), rng.normal(size=4))
    found = jax.jit(diagnose.stable_rank)(
        {"x": jnp.asarray(outer, jnp.float32), "y": jnp.asarray(rotation, jnp.float32)}
    )
    np.testing.assert_allclose([found["x"], found["y"]], [1.0, 6.0], rtol=1e-5)


def test_zeros_and_empty_kernels_have_none():
    found = diagnose.stable_rank({"a": jnp.zeros((3, 3)), "b": jnp.ones((0, 3)), "c": jnp.ones((3, 0))}, mask=None)
    assert {path: float(rank) for path, rank in found.items()} == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_the_kernels_are_taken_by_default():
    params = {"dense": {"kernel": jnp.eye(3), "bias": jnp.ones(3)}, "norm": {"scale": jnp.ones(3)}}
    assert list(diagnose.stable_rank(params)) == ["dense/kernel"]
    assert float(diagnose.stable_rank(params, mask=optim.matching("bias"))["dense/bias"]) == 1.0
    with pytest.raises(ValueError, match=r"^stable_rank: mask must select at least one leaf"):
        diagnose.stable_rank({"bias": jnp.ones(3)})
