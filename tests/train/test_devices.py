"""One step on 1, 2, 4 and 8 devices: the same masks, the same statistics, the same losses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import noise, norm, random, train

KEY = jax.random.key(7)
OPTIMIZER = optax.sgd(0.1, momentum=0.9)
X = jax.random.normal(jax.random.key(1), (16, 8))
Y = jax.random.normal(jax.random.key(2), (16, 4))


def loss_fn(params, stats, key, batch, hyper, axis_name=None):
    first_key, second_key = random.split(key)
    dropped = noise.dropout(first_key, batch[0], hyper["rate"])
    x, stats = norm.batch_norm(params["norm"], stats, dropped @ params["hidden"], decay=0.5, axis_name=axis_name)
    outputs = noise.dropout(second_key, jax.nn.relu(x), hyper["rate"]) @ params["head"]
    return jnp.mean((outputs - batch[1]) ** 2), (stats, {"mask": dropped != 0})


def make_state():
    norm_params, stats = norm.init_batch_norm(8)
    hidden, head = (
        0.3 * jax.random.normal(key, shape) for key, shape in zip(random.split(KEY), ((8, 8), (8, 4)), strict=True)
    )
    return train.init_state({"hidden": hidden, "norm": norm_params, "head": head}, OPTIMIZER, stats)


def three_steps(place, step):
    state, data = place(make_state(), (X, Y))
    found = []
    for key in random.split(KEY, 3):
        state, metrics = step(state, key, data, {"rate": 0.4})
        found.append(metrics)
    return jax.device_get((found, state))


@pytest.fixture(scope="module")
def expected():
    with jax.numpy_rank_promotion("allow"):
        return three_steps(lambda *given: given, jax.jit(train.make_step(loss_fn, OPTIMIZER)))


def assert_same(found, expected):
    for got, alone in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(got["mask"], alone["mask"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 1), (4, 1), (8, 1), (2, 4)])
def test_any_mesh_gives_the_masks_and_losses_of_one_device(rows, columns, expected):
    """The batch over one axis of the mesh, the columns of the parameters over the other."""
    mesh = Mesh(np.array(jax.devices()[: rows * columns]).reshape(rows, columns), ("data", "model"))

    def place(state, data):
        def spread(leaf):
            spec = PartitionSpec(*([None] * (leaf.ndim - 1)), "model") if leaf.ndim else PartitionSpec()
            return jax.device_put(leaf, NamedSharding(mesh, spec))

        batch = jax.device_put(data, NamedSharding(mesh, PartitionSpec("data")))
        return jax.tree.map(spread, state), batch

    with jax.numpy_rank_promotion("allow"):
        assert_same(three_steps(place, jax.jit(train.make_step(loss_fn, OPTIMIZER))), expected)


def test_a_map_over_shards_synchronizes_where_it_names_the_axis():
    """apex, flax: statistics per device differ from those of the batch unless they are averaged."""
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    state = make_state()

    def statistics(axis_name):
        def shard(batch):
            loss, (stats, _) = loss_fn(state.params, state.model_state, KEY, batch, {"rate": 0.0}, axis_name)
            return jax.lax.pmean(loss, "data"), jax.tree.map(lambda leaf: leaf[None], stats)

        spec = PartitionSpec("data")
        run = jax.shard_map(shard, mesh=mesh, in_specs=(spec,), out_specs=(PartitionSpec(), spec), check_vma=False)
        return jax.jit(run)((X, Y))

    with jax.numpy_rank_promotion("allow"):
        loss, stats = statistics("data")
        whole, (whole_stats, _) = loss_fn(state.params, state.model_state, KEY, (X, Y), {"rate": 0.0})
        np.testing.assert_allclose(loss, whole, rtol=1e-5)
        for found, alone in zip(stats, whole_stats, strict=True):
            np.testing.assert_allclose(found, jnp.tile(alone[None], (4, 1)), rtol=1e-5, atol=1e-6)
        assert not np.allclose(statistics(None)[0], whole, rtol=1e-5)
