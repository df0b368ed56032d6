"""Inside `shard_map`, whose types tell what differs between the shards: each shard gives what its rows give alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jreg import penalty

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (16, 3))
W = jax.random.normal(jax.random.key(1), (3, 2))
ROWS = PartitionSpec("rows")
MEASURES = {
    "l1": penalty.l1,
    "l2": penalty.l2,
    "elastic_net": lambda x: penalty.elastic_net(x, 0.5),
    "group_lasso": lambda x: penalty.group_lasso(x, axis=0),
    "orthogonality": penalty.orthogonality,
    "spectral": penalty.spectral,
    "l2_sp": lambda x: penalty.l2_sp(x, jnp.ones_like(x)),
    "activity_l1": penalty.activity_l1,
    "activity_l2": penalty.activity_l2,
    "input_gradient": lambda x: penalty.input_gradient(lambda x: jnp.tanh(x @ W).sum(1), x),
    "jacobian": lambda x: penalty.jacobian(lambda x: jnp.tanh(x @ W), KEY, x),
    "jacobian, exact": lambda x: penalty.jacobian(lambda x: jnp.tanh(x @ W), None, x),
    "total_variation": lambda x: penalty.total_variation(x, spatial_axes=(0, 1)),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("check_vma", [True, False])
@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_each_shard_gives_what_its_rows_give_alone(measure, check_vma):
    mesh = Mesh(np.array(jax.devices()[:4]), "rows")

    def of_shard(x):
        value, slope = jax.value_and_grad(measure)(x)
        return value[None], slope

    sharded = jax.shard_map(of_shard, mesh=mesh, in_specs=ROWS, out_specs=ROWS, check_vma=check_vma)
    alone = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *map(of_shard, jnp.split(X, 4)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), jax.jit(sharded)(X), alone)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["l2", "orthogonality", "spectral", "jacobian", "jacobian, exact"])
@pytest.mark.parametrize("spec", [ROWS, PartitionSpec(None, "columns")], ids=str)
def test_explicit_meshes_change_no_value(name, spec):
    x = jnp.concatenate([X, X[:, :1]], axis=1)
    w = jnp.concatenate([W, W[:1]])
    measures = MEASURES | {
        "jacobian": lambda x: penalty.jacobian(lambda x: jnp.tanh(x @ w), KEY, x),
        "jacobian, exact": lambda x: penalty.jacobian(lambda x: jnp.tanh(x @ w), None, x),
    }
    expected = jax.value_and_grad(measures[name])(x)
    mesh = jax.make_mesh((2, 2), ("rows", "columns"), axis_types=(AxisType.Explicit,) * 2)
    with jax.set_mesh(mesh):
        found = jax.value_and_grad(measures[name])(jax.device_put(x, NamedSharding(mesh, spec)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)
