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


def loss_fn(params, model_state, key, batch, hyper, axis_name=None):
    stats, _ = model_state
    first_key, second_key = random.split(key)
    dropped = noise.dropout(first_key, batch[0], hyper["rate"])
    x, stats = norm.batch_norm(params["norm"], stats, dropped @ params["hidden"], decay=0.5, axis_name=axis_name)
    outputs = noise.dropout(second_key, jax.nn.relu(x), hyper["rate"]) @ params["head"]
    return jnp.mean((outputs - batch[1]) ** 2), ((stats, dropped != 0), {})


def make_state():
    norm_params, stats = norm.init_batch_norm(8)
    hidden, head = (
        0.3 * jax.random.normal(key, shape) for key, shape in zip(random.split(KEY), ((8, 8), (8, 4)), strict=True)
    )
    return train.init_state({"hidden": hidden, "norm": norm_params, "head": head}, OPTIMIZER, (stats, X != 0))


def three_steps(place, step):
    state, data = place(make_state(), (X, Y))
    found = []
    for key in random.split(KEY, 3):
        state, metrics = step(state, key, data, {"rate": 0.4})
        found.append((metrics, state.model_state[1]))
    return jax.device_get((found, state))


@pytest.fixture(scope="module")
def expected():
    with jax.numpy_rank_promotion("allow"):
        return three_steps(lambda *given: given, jax.jit(train.make_step(loss_fn, OPTIMIZER)))


def assert_same(found, expected):
    for got, alone in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(got[1], alone[1])
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
            loss, ((stats, _), _) = loss_fn(state.params, state.model_state, KEY, batch, {"rate": 0.0}, axis_name)
            return jax.lax.pmean(loss, "data"), jax.tree.map(lambda leaf: leaf[None], stats)

        spec = PartitionSpec("data")
        run = jax.shard_map(shard, mesh=mesh, in_specs=(spec,), out_specs=(PartitionSpec(), spec), check_vma=False)
        return jax.jit(run)((X, Y))

    with jax.numpy_rank_promotion("allow"):
        loss, stats = statistics("data")
        whole, ((whole_stats, _), _) = loss_fn(state.params, state.model_state, KEY, (X, Y), {"rate": 0.0})
        np.testing.assert_allclose(loss, whole, rtol=1e-5)
        for found, alone in zip(stats, whole_stats, strict=True):
            np.testing.assert_allclose(found, jnp.tile(alone[None], (4, 1)), rtol=1e-5, atol=1e-6)
        assert not np.allclose(statistics(None)[0], whole, rtol=1e-5)


ROWS = PartitionSpec("rows")
TARGETS = X @ jnp.ones((8, 1))


def fitted(params, rows, share=lambda loss: loss, **options):
    """Full batches, so that each epoch is one step down the slope; `share` is what a shard makes of its loss."""

    def loss_of(params, batch):
        return share(jnp.mean((batch[0] @ params - batch[1]) ** 2))

    step = train.make_step(lambda params, state, key, batch, hyper: (loss_of(params, batch), (state, {})), OPTIMIZER)
    evaluate = train.make_eval(lambda params, state, batch, hyper: {"loss": loss_of(params, batch)})
    state = train.init_state(params, OPTIMIZER)
    given = {"batch_size": len(rows[0]), "epochs": 4} | options
    result = train.fit(step, evaluate, state, KEY, rows, rows, None, **given)
    return result.best.params, result.best_value[None]


def over_shards(fn, in_specs, out_specs):
    mesh = Mesh(np.array(jax.devices()[:4]), "rows")
    return jax.jit(jax.shard_map(fn, mesh=mesh, in_specs=in_specs, out_specs=out_specs))


@pytest.mark.parametrize("patience", [None, 2])
def test_a_fit_over_shards_is_that_of_all_rows(patience):
    def shard(params, rows):
        return fitted(params, rows, lambda loss: jax.lax.pmean(loss, "rows"), patience=patience)

    start = jnp.zeros((8, 1))
    found = over_shards(shard, (PartitionSpec(), ROWS), PartitionSpec())(start, (X, TARGETS))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, fitted(start, (X, TARGETS))
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("options", [{}, {"patience": 2}, {"last_batch": "keep", "batch_size": 3}], ids=repr)
def test_shards_with_parameters_of_their_own_are_fits_of_their_own(options):
    def shard(params, rows):
        best, value = fitted(params[0], rows, **options)
        return best[None], value

    starts = jnp.stack([jnp.full((8, 1), value) for value in (0.0, 0.5, 1.0, 2.0)])
    found = over_shards(shard, (ROWS, ROWS), (ROWS, ROWS))(starts, (X, TARGETS))
    parts = zip(starts, jnp.split(X, 4), jnp.split(TARGETS, 4), strict=True)
    alone = [fitted(start, rows, **options) for start, *rows in parts]
    for index, (best, value) in enumerate(alone):
        np.testing.assert_allclose(found[0][index], best, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[1][index], value[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("patience", [None, 2])
def test_shards_of_one_model_that_would_decide_alone_are_refused(patience):
    message = r"^fit: monitor must be the same in all shards that hold the same parameters; average it .*jax.lax.pmean"
    with pytest.raises(ValueError, match=message):
        over_shards(
            lambda params, rows: fitted(params, rows, patience=patience),
            (PartitionSpec(), ROWS),
            (PartitionSpec(), ROWS),
        )(jnp.zeros((8, 1)), (X, TARGETS))


def test_micro_batches_of_a_shard_have_the_gradient_of_all_rows():
    def loss_of(params, model_state, key, batch, hyper):
        return jnp.mean((batch[0] @ params - batch[1]) ** 2) / hyper, (model_state, {})

    step, state = train.make_step(loss_of, OPTIMIZER, accumulate=2), train.init_state(jnp.zeros((8, 1)), OPTIMIZER)
    run = over_shards(lambda rows: step(state, KEY, rows, 4.0)[0].params, ROWS, PartitionSpec())
    expected = step(state, KEY, (X, TARGETS), 1.0)[0].params
    np.testing.assert_allclose(run((X, TARGETS)), expected, rtol=1e-5)
