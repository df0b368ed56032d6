"""The penalties on weights, one row each, and a tree to measure: every law of test_laws.py holds for every row."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import penalty


def to_origin(tree, **options):
    """`l2_sp` with zeros as its reference."""
    origin = jax.tree.map(lambda leaf: np.zeros(getattr(leaf, "shape", ()), np.float32), tree)
    return penalty.l2_sp(tree, origin, **options)


ELEMENTWISE = {
    "l1": penalty.l1,
    "l2": penalty.l2,
    "elastic_net": lambda tree, **options: penalty.elastic_net(tree, 0.3, **options),
    "l2_sp": to_origin,
}
MATRIX = {
    "group_lasso": partial(penalty.group_lasso, axis=0),
    "orthogonality": penalty.orthogonality,
    "spectral": partial(penalty.spectral, num_steps=100),
}
PENALTIES = ELEMENTWISE | MATRIX
SMOOTH = ("l2", "l2_sp", "group_lasso", "orthogonality")

every_penalty = pytest.mark.parametrize("measure", PENALTIES.values(), ids=PENALTIES)
every_elementwise = pytest.mark.parametrize("measure", ELEMENTWISE.values(), ids=ELEMENTWISE)


def tree(dtype=jnp.float32):
    rng = np.random.default_rng(0)
    kernel, bias, head = (jnp.asarray(rng.normal(size=shape), dtype) for shape in [(4, 3), (3,), (3, 2)])
    return {"body": {"kernel": kernel, "bias": bias}, "head": [head, None]}


def kernel_values(params) -> np.ndarray:
    return np.concatenate([np.ravel(params["body"]["kernel"]), np.ravel(params["head"][0])]).astype(np.float64)
