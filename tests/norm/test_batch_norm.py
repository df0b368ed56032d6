"""Batch norm against numpy and flax: output, gradients, running statistics, large means, shards, bad input."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jreg import norm

FEATURES = 3
compiled = jax.jit(norm.batch_norm, static_argnames=("eps", "axis_name", "ghost_size", "ddof"))
inferred = jax.jit(norm.batch_norm_inference, static_argnames="eps")


def data(shape=(8, 5, FEATURES), seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(2.0, 3.0, shape), jnp.float32)


def learned():
    params, _ = norm.init_batch_norm(FEATURES)
    return params._replace(scale=jnp.array([1.0, 2.0, -0.5]), offset=jnp.array([0.0, 1.0, -3.0]))


def state():
    return norm.init_batch_norm(FEATURES)[1]


def reference(params, x, eps=1e-5):
    x = np.asarray(x, np.float64)
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    y = np.asarray(params.scale) * (x - mean) / np.sqrt(variance + eps) + np.asarray(params.offset)
    return y, mean, variance


@pytest.mark.parametrize(
    "shape", [(2, FEATURES), (8, FEATURES), (8, 5, FEATURES), (2, 3, 4, FEATURES), (1, 4, FEATURES)]
)
def test_the_output_and_the_statistics_are_those_of_numpy(shape):
    x = data(shape)
    y, running = compiled(learned(), state(), x, decay=0.9)
    expected, mean, variance = reference(learned(), x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(running.mean, 0.1 * mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(running.variance, 0.9 + 0.1 * variance, rtol=1e-5)


def test_decay_is_the_share_of_the_old_statistics():  # pytorch/examples#289
    _, running = compiled(learned(), state(), data(), decay=1.0)
    jax.tree.map(np.testing.assert_array_equal, running, state())
    _, running = compiled(learned(), state(), data(), decay=0.0)
    _, mean, variance = reference(learned(), data())
    np.testing.assert_allclose(running.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(running.variance, variance, rtol=1e-5)


def test_flax_agrees_in_output_gradients_and_running_statistics():
    module = nn.BatchNorm(momentum=0.9, epsilon=1e-5, use_fast_variance=False)
    params, stats = learned(), state()
    flax_params = {"scale": params.scale, "bias": params.offset}
    flax_stats = {"mean": stats.mean, "var": stats.variance}
    weights = jax.random.normal(jax.random.key(9), (8, 5, FEATURES))

    @jax.jit
    def ours(params, stats, x):
        def loss(params, x):
            y, new = norm.batch_norm(params, stats, x, decay=0.9)
            return jnp.sum(weights * jnp.sin(y)), (y, new)

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)

    @jax.jit
    def theirs(params, stats, x):
        def loss(params, x):
            y, new = module.apply(
                {"params": params, "batch_stats": stats}, x, use_running_average=False, mutable=["batch_stats"]
            )
            return jnp.sum(weights * jnp.sin(y)), (y, new["batch_stats"])

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, x)

    for seed in range(4):
        x = data(seed=seed)
        (by_params, by_x), (y, stats) = ours(params, stats, x)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            (flax_by_params, flax_by_x), (flax_y, flax_stats) = theirs(flax_params, flax_stats, x)
        np.testing.assert_allclose(y, flax_y, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(by_x, flax_by_x, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(by_params.scale, flax_by_params["scale"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(by_params.offset, flax_by_params["bias"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(stats.mean, flax_stats["mean"], rtol=1e-5)
        np.testing.assert_allclose(stats.variance, flax_stats["var"], rtol=1e-5)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        variables = {"params": flax_params, "batch_stats": flax_stats}
        expected = module.apply(variables, data(seed=7), use_running_average=True)
    np.testing.assert_allclose(norm.batch_norm_inference(params, stats, data(seed=7)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mean", [1e4, -1e4, 1e6])
def test_a_large_mean_does_not_cancel_the_variance(mean):  # flax#1491, equinox#314
    x = (mean + np.random.default_rng(0).normal(size=(4096, FEATURES))).astype(np.float32)
    params, stats = norm.init_batch_norm(FEATURES)
    for function in (norm.batch_norm, compiled):
        y, running = function(params, stats, x)
        np.testing.assert_allclose(np.std(y, 0), 1.0, rtol=1e-2)
        np.testing.assert_allclose(np.mean(y, 0), 0.0, atol=0.1)
        np.testing.assert_allclose(running.variance, 0.99 + 0.01 * x.astype(np.float64).var(0), rtol=1e-3)


@pytest.mark.parametrize(("dtype", "mean"), [("bfloat16", 30.0), ("float16", 300.0)])
def test_16_bit_input_is_normalized_in_float32(dtype, mean):
    x = (mean + jax.random.normal(jax.random.key(0), (4096, FEATURES))).astype(dtype)
    params, stats = norm.init_batch_norm(FEATURES)
    y, running = compiled(params, stats, x)
    assert y.dtype == jnp.dtype(dtype)
    assert {leaf.dtype for leaf in running} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(np.std(np.asarray(y, np.float32), 0), 1.0, rtol=1e-2)
    assert inferred(params, running, x).dtype == jnp.dtype(dtype)
    by_x = jax.grad(lambda x: jnp.sum(compiled(params, stats, x)[0].astype(jnp.float32) ** 3))(x)
    assert by_x.dtype == jnp.dtype(dtype)


def test_float64_input_is_normalized_in_float64():
    with jax.enable_x64(True):
        params, stats = norm.init_batch_norm(FEATURES)
        x = np.random.default_rng(0).normal(1e8, 1.0, (4096, FEATURES))
        y, running = compiled(params, stats, jnp.asarray(x))
        assert y.dtype == jnp.float64
        assert {leaf.dtype for leaf in (*params, *running)} == {jnp.dtype(jnp.float32)}
        np.testing.assert_allclose(np.std(y, 0), 1.0, rtol=1e-4)


def test_the_gradient_is_that_of_finite_differences():
    with jax.enable_x64(True):
        params, stats = norm.init_batch_norm(FEATURES)
        x = jnp.asarray(np.random.default_rng(0).normal(size=(4, FEATURES)))
        weights = jnp.asarray(np.random.default_rng(1).normal(size=(4, FEATURES)))
        loss = jax.jit(lambda x: jnp.sum(weights * norm.batch_norm(params, stats, x)[0] ** 2))
        gradient = jax.grad(loss)(x)
        for index in np.ndindex(2, FEATURES):
            step = np.zeros(x.shape)
            step[index] = 1e-6
            difference = (loss(x + step) - loss(x - step)) / 2e-6
            np.testing.assert_allclose(gradient[index], difference, rtol=1e-5, atol=1e-7)


def test_the_output_does_not_depend_on_scale_and_shift_of_the_batch():
    params, stats = norm.init_batch_norm(FEATURES)
    x = data()
    np.testing.assert_allclose(compiled(params, stats, 10.0 * x - 7.0)[0], compiled(params, stats, x)[0], atol=1e-4)


def test_a_constant_feature_gives_the_offset():
    y, running = compiled(learned(), state(), jnp.full((8, FEATURES), 5.0), decay=0.0)
    np.testing.assert_array_equal(y, jnp.tile(learned().offset, (8, 1)))
    np.testing.assert_array_equal(running.variance, jnp.zeros(FEATURES))
    gradient = jax.grad(lambda x: jnp.sum(compiled(learned(), state(), x)[0] ** 2))(jnp.full((8, FEATURES), 5.0))
    assert jnp.isfinite(gradient).all()


def test_inference_before_training_is_the_identity():  # equinox#955
    params, stats = norm.init_batch_norm(FEATURES)
    np.testing.assert_allclose(norm.batch_norm_inference(params, stats, data()), data(), rtol=1e-5)


def test_inference_returns_the_output_alone_and_reads_each_example_alone():
    stats = norm.BatchNormStats(jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 1.0, 0.25]))
    x = data()
    y = inferred(learned(), stats, x)
    assert isinstance(y, jax.Array)
    expected = learned().scale[None, None] * (x - stats.mean[None, None])
    expected = expected / jnp.sqrt(stats.variance + 1e-5)[None, None] + learned().offset[None, None]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(inferred(learned(), stats, x[:1]), y[:1])
    np.testing.assert_array_equal(inferred(learned(), stats, x[0, 0]), y[0, 0])
    assert inferred(learned(), stats, x[:0]).shape == (0, 5, FEATURES)


def test_the_running_statistics_carry_no_gradient():
    def loss(x, params, stats):
        running = norm.batch_norm(params, stats, x)[1]
        return jnp.sum(running.mean) + jnp.sum(running.variance)

    by_x, by_params = jax.grad(loss, argnums=(0, 1))(data(), learned(), state())
    for gradient in jax.tree.leaves((by_x, by_params)):
        np.testing.assert_array_equal(gradient, jnp.zeros_like(gradient))


def test_the_state_keeps_its_type_through_scan():
    def step(stats, x):
        y, stats = compiled(learned(), stats, x)
        return stats, y

    batches = data((6, 8, FEATURES))
    scanned, _ = jax.lax.scan(step, state(), batches)
    looped = state()
    for x in batches:
        looped = step(looped, x)[0]
    assert isinstance(scanned, norm.BatchNormStats)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), scanned, looped)
    assert jax.tree.map(jax.typeof, looped) == jax.tree.map(jax.typeof, state())


def test_named_axes_give_the_statistics_of_the_whole_batch():  # equinox#49, timm#245
    # Shards of different means: averaging the shards' own variances would be wrong.
    x = data((4, 8, FEATURES)) + 10.0 * jnp.arange(4.0)[:, None, None]
    whole, expected = compiled(learned(), state(), x.reshape(32, FEATURES))
    sync = partial(norm.batch_norm, learned(), state(), axis_name="shards")
    y, running = jax.jit(jax.vmap(sync, axis_name="shards"))(x)
    np.testing.assert_allclose(y.reshape(32, FEATURES), whole, rtol=1e-4, atol=1e-5)
    for mine, one in zip(running, expected, strict=True):
        np.testing.assert_array_equal(mine, jnp.tile(mine[:1], (4, 1)))
        np.testing.assert_allclose(mine[0], one, rtol=1e-5)


def test_gradients_cross_named_axes():
    x = data((4, 8, FEATURES)) + 10.0 * jnp.arange(4.0)[:, None, None]
    weights = jax.random.normal(jax.random.key(3), (32, FEATURES))
    sync = jax.vmap(lambda x: norm.batch_norm(learned(), state(), x, axis_name="shards")[0], axis_name="shards")
    sharded = jax.jit(jax.grad(lambda x: jnp.sum(weights * sync(x).reshape(32, FEATURES))))(x)
    whole = jax.grad(lambda x: jnp.sum(weights * compiled(learned(), state(), x)[0]))(x.reshape(32, FEATURES))
    np.testing.assert_allclose(sharded.reshape(32, FEATURES), whole, rtol=1e-3, atol=1e-6)


def test_several_named_axes_and_devices_work():
    x = data((2, 4, 8, FEATURES))
    sync = partial(norm.batch_norm, learned(), state(), axis_name=("a", "b"))
    y, _ = jax.jit(jax.vmap(jax.vmap(sync, axis_name="b"), axis_name="a"))(x)
    whole, expected = compiled(learned(), state(), x)
    np.testing.assert_allclose(y, whole, rtol=1e-4, atol=1e-5)
    mesh = Mesh(np.array(jax.devices()[:4]), ("batch",))
    rows, everywhere = PartitionSpec("batch"), PartitionSpec()
    sharded = jax.jit(
        jax.shard_map(
            partial(norm.batch_norm, learned(), state(), axis_name="batch"),
            mesh=mesh,
            in_specs=rows,
            out_specs=(rows, everywhere),
        )
    )
    y, running = sharded(x.reshape(64, FEATURES))
    np.testing.assert_allclose(y, whole.reshape(64, FEATURES), rtol=1e-4, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), running, expected)


def test_an_axis_that_is_not_bound_is_named():
    with pytest.raises(ValueError, match=r"^batch_norm: axis_name must name axes of the vmap or shard_map .*'shards'"):
        norm.batch_norm(learned(), state(), data(), axis_name="shards")


@pytest.mark.parametrize("shape", [(1, FEATURES), (1, 1, FEATURES), (FEATURES,), (0, FEATURES)])
def test_one_value_per_feature_or_none_raises_in_training(shape):  # Flux.jl#1992
    with pytest.raises(ValueError, match="batch_norm: x must have two values or more per feature"):
        norm.batch_norm(learned(), state(), jnp.ones(shape))


def test_one_value_per_feature_over_all_shards_raises_too():
    sync = jax.jit(jax.vmap(partial(norm.batch_norm, learned(), state(), axis_name="shards"), axis_name="shards"))
    y, _ = sync(data((2, 1, FEATURES)))
    np.testing.assert_allclose(y[:, 0], reference(learned(), data((2, FEATURES)))[0], rtol=1e-4)
    with pytest.raises(ValueError, match="two values or more per feature"):
        sync(data((1, 1, FEATURES)))


@pytest.mark.parametrize("function", [norm.batch_norm, norm.batch_norm_inference], ids=["training", "inference"])
def test_a_wrong_number_of_features_raises(function):
    name = function.__name__
    with pytest.raises(ValueError, match=rf"{name}: scale must have shape \(5,\) for x \(8, 5\); got \(3,\)"):
        function(learned(), state(), jnp.ones((8, 5)))
    wrong = norm.init_batch_norm(4)[1]
    with pytest.raises(ValueError, match=rf"{name}: mean must have shape \(3,\)"):
        function(learned(), wrong, jnp.ones((8, FEATURES)))
    with pytest.raises(ValueError, match=rf"{name}: scale must have shape"):
        function(learned(), state(), jnp.ones((8, 1)))


def renormed(params, stats, x, **options):
    return norm.batch_renorm(params, stats, x, 3.0, 5.0, **options)


TAKE_EPS = pytest.mark.parametrize("function", [norm.batch_norm, norm.batch_norm_inference, renormed])


@TAKE_EPS
@pytest.mark.parametrize("eps", [-1e-5, float("nan"), float("inf")])
def test_eps_below_zero_raises_when_concrete_and_gives_nan_when_traced(function, eps):  # pytorch#173337
    with pytest.raises(ValueError, match="eps must be finite and at least 0; got"):
        function(learned(), state(), data(), eps=eps)
    y = jax.jit(lambda eps: jax.tree.leaves(function(learned(), state(), data(), eps=eps))[0])(eps)
    assert jnp.isnan(y).all()


@TAKE_EPS
@pytest.mark.parametrize("eps", [np.float32(1e-5), np.float64(1e-5), 1, 0.0, 0])
def test_eps_is_any_number_from_zero_on_traced_or_not(function, eps):
    expected = function(learned(), state(), data(), eps=float(eps))
    traced = jax.jit(lambda eps: function(learned(), state(), data(), eps=eps))(eps)
    for found in (function(learned(), state(), data(), eps=eps), traced):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), found, expected)


@pytest.mark.parametrize("function", [norm.batch_norm, norm.batch_norm_inference], ids=["training", "inference"])
def test_input_that_is_no_float_array_raises(function):
    for x in (jnp.ones((8, FEATURES), int), jnp.ones((8, FEATURES), bool), [[1.0, 2.0, 3.0]], 1.0):
        with pytest.raises(TypeError, match=f"{function.__name__}: x must be an array"):
            function(learned(), state(), x)


def test_complex_input_has_a_complex_mean_and_a_real_variance():
    x = data((2, 8, FEATURES))
    x = jax.lax.complex(x[0], x[1])
    with pytest.raises(TypeError, match="batch_norm: mean must be complex for x of complex64; got float32"):
        norm.batch_norm(learned(), state(), x)
    stats = state()._replace(mean=jnp.zeros(FEATURES, jnp.complex64))
    y, running = compiled(norm.init_batch_norm(FEATURES)[0], stats, x, decay=0.0)
    np.testing.assert_allclose(running.mean, np.mean(x, 0), rtol=1e-5)
    np.testing.assert_allclose(running.variance, np.var(x, 0), rtol=1e-5)
    np.testing.assert_allclose(np.mean(np.abs(y) ** 2, 0), 1.0, rtol=1e-4)
    again = inferred(norm.init_batch_norm(FEATURES)[0], running, x)
    np.testing.assert_allclose(again, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decay", [1.5, -0.1, float("nan")])
def test_a_bad_decay_raises_when_concrete_and_gives_nan_when_traced(decay):
    with pytest.raises(ValueError, match=r"batch_norm: decay must be in \[0, 1\]; got"):
        norm.batch_norm(learned(), state(), data(), decay=decay)
    y, running = jax.jit(lambda d: norm.batch_norm(learned(), state(), data(), decay=d))(decay)
    assert jnp.isnan(jnp.stack(running)).all()
    np.testing.assert_allclose(y, norm.batch_norm(learned(), state(), data())[0], rtol=1e-5, atol=1e-5)


def test_decays_are_traced_and_mapped():
    traces = 0

    @jax.jit
    def running(decay):
        nonlocal traces
        traces += 1
        return norm.batch_norm(learned(), state(), data(), decay=decay)[1]

    decays = jnp.array([0.0, 0.9, 1.0])
    each = [running(decay) for decay in decays]
    assert traces == 1
    mapped = jax.vmap(running)(decays)
    np.testing.assert_allclose(mapped.mean, jnp.stack([stats.mean for stats in each]), rtol=1e-6)
    with pytest.raises(ValueError, match="decay must be a scalar"):
        norm.batch_norm(learned(), state(), data(), decay=jnp.full(FEATURES, 0.9))


@pytest.mark.parametrize("num_features", [0, -1])
def test_a_bad_number_of_features_raises(num_features):
    with pytest.raises(ValueError, match="init_batch_norm: num_features must be at least 1"):
        norm.init_batch_norm(num_features)


def test_one_nan_spoils_its_feature_alone():
    y, running = compiled(learned(), state(), data((8, FEATURES)).at[0, 1].set(jnp.nan))
    np.testing.assert_array_equal(jnp.isnan(y).all(0), [False, True, False])
    np.testing.assert_array_equal(jnp.isnan(running.mean), [False, True, False])


# import torch
# layer = torch.nn.BatchNorm1d(2, eps=1e-5, momentum=0.1)
# layer.weight, layer.bias = [2.0, -0.5], [0.0, 1.0]
# for each batch: y = layer(x); (y * cotangent).sum().backward()
# then layer.eval()(batches[0])
TORCH_BATCHES = [
    [[0.5, -2.0], [1.5, 3.0], [-1.0, 0.0], [2.0, 7.0]],
    [[4.0, 1.0], [-3.0, 2.0], [0.0, 2.5], [1.0, -1.0]],
    [[10.0, 0.25], [12.0, -0.5], [9.0, 0.0], [11.5, 0.75]],
]
TORCH_COTANGENT = [[1.0, -1.0], [0.5, 2.0], [-2.0, 0.0], [0.25, 1.0]]
TORCH_Y = [
    [[-0.4364341, 1.5897675], [1.3093023, 0.852558], [-3.055039, 1.2948837], [2.1821706, 0.2627905]],
    [[2.7999978, 1.0466251], [-2.7999978, 0.6736242], [-0.3999997, 0.4871238], [0.3999997, 1.7926269]],
    [[-1.0482819, 0.8613284], [2.3062177, 1.6933582], [-2.7255316, 1.1386716], [1.4675927, 0.3066418]],
]
TORCH_X_GRADIENT = [
    [[2.182168, 0.0801316], [7.4918883e-06, -0.185905], [-1.0911028, 0.0032053], [-1.0910728, 0.1025681]],
    [[0.5280001, 0.5611231], [0.7719988, -0.5708535], [-1.5039989, 0.1686614], [0.2039999, -0.158931]],
    [[2.4329293, 1.5360613], [-0.4884197, -1.0240682], [-1.5574583, 0.6826848], [-0.3870511, -1.1946782]],
]
TORCH_SCALE_GRADIENT = [[3.4369187, 3.2437218], [1.149999, -0.1865004], [2.9613941, -1.6640596]]
TORCH_MEAN = [[0.075, 0.2], [0.1175, 0.2925], [1.16825, 0.27575]]
TORCH_VARIANCE = [[1.075, 2.4333334], [1.8008332, 2.4295833], [1.8103331, 2.2137084]]
TORCH_EVALUATED = [[-0.9933183, 1.7647746], [0.493129, 0.0845054], [-3.222989, 1.0926669], [1.2363527, -1.2597098]]


@pytest.mark.parametrize("ddof", [0, 1])
def test_torch_agrees_in_output_gradients_and_running_statistics(ddof):  # pytorch#19902
    params = norm.BatchNormParams(jnp.array([2.0, -0.5]), jnp.array([0.0, 1.0]))
    stats, biased = norm.init_batch_norm(2)[1], np.ones(2)

    @jax.jit
    def step(params, stats, x):
        y, pullback, stats = jax.vjp(
            lambda params, x: norm.batch_norm(params, stats, x, decay=0.9, ddof=ddof), params, x, has_aux=True
        )
        return y, stats, *pullback(jnp.array(TORCH_COTANGENT))

    for t, batch in enumerate(TORCH_BATCHES):
        y, stats, by_params, by_x = step(params, stats, jnp.array(batch))
        biased = 0.9 * biased + 0.1 * np.var(batch, 0)
        np.testing.assert_allclose(y, TORCH_Y[t], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(by_x, TORCH_X_GRADIENT[t], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(by_params.scale, TORCH_SCALE_GRADIENT[t], rtol=1e-5)
        np.testing.assert_allclose(by_params.offset, [-0.25, 2.0], rtol=1e-6)
        np.testing.assert_allclose(stats.mean, TORCH_MEAN[t], rtol=1e-5)
        np.testing.assert_allclose(stats.variance, TORCH_VARIANCE[t] if ddof else biased, rtol=1e-5)
    if ddof:
        evaluated = inferred(params, stats, jnp.array(TORCH_BATCHES[0]))
        np.testing.assert_allclose(evaluated, TORCH_EVALUATED, rtol=1e-5, atol=1e-5)


def test_the_formula_of_keras_holds():
    # gamma * (batch - mean(batch)) / sqrt(var(batch) + epsilon) + beta
    # moving = moving * momentum + batch * (1 - momentum)
    x = data((16, FEATURES))
    expected, mean, variance = reference(learned(), x, eps=1e-3)
    y, running = compiled(learned(), state(), x, decay=0.99, eps=1e-3)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(running.mean, 0.01 * mean, rtol=1e-4)
    np.testing.assert_allclose(running.variance, 0.99 + 0.01 * variance, rtol=1e-5)


def test_a_bad_ddof_raises():
    for ddof in (2, -1, True, 0.5):
        with pytest.raises(
            (TypeError, ValueError), match=r"^batch_norm: ddof must be (0 or 1|at least 0|a Python int);"
        ):
            norm.batch_norm(learned(), state(), data(), ddof=ddof)


def test_both_ends_of_decay_are_exact_also_beside_nan():
    spoilt = norm.BatchNormStats(jnp.full(FEATURES, jnp.nan), jnp.full(FEATURES, jnp.nan))
    _, running = compiled(learned(), spoilt, data(), decay=0.0)
    assert jnp.isfinite(jnp.stack(running)).all()
    _, running = compiled(learned(), state(), data().at[0].set(jnp.nan), decay=1.0)
    jax.tree.map(np.testing.assert_array_equal, running, state())


def test_a_negative_running_variance_raises_or_gives_nan():  # FL4Health#39
    stats = state()._replace(variance=jnp.array([1.0, -1e-6, 1.0]))
    with pytest.raises(ValueError, match="batch_norm_inference: variance must be at least 0; got"):
        norm.batch_norm_inference(learned(), stats, data())
    np.testing.assert_array_equal(jnp.isnan(inferred(learned(), stats, data())).all((0, 1)), [False, True, False])


def test_a_frozen_norm_passes_gradients_to_parameters_and_data():
    stats = norm.BatchNormStats(jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 1.0, 0.25]))

    def loss(params, x):
        return jnp.sum(norm.batch_norm_inference(params, stats, x) ** 2)

    by_params, by_x = jax.jit(jax.grad(loss, argnums=(0, 1)))(learned(), data())
    y = inferred(learned(), stats, data())
    np.testing.assert_allclose(by_params.offset, 2 * y.sum((0, 1)), rtol=1e-4)
    factor = learned().scale / jnp.sqrt(stats.variance + 1e-5)
    np.testing.assert_allclose(by_x, 2 * y * factor[None, None], rtol=1e-4, atol=1e-4)


def closed_form(params, x, eps=1e-5):
    """Batch norm with the textbook gradient."""

    @jax.custom_vjp
    def normalize(scale, offset, x):
        return forward(scale, offset, x)[0]

    def forward(scale, offset, x):
        mean = jnp.mean(x, 0, keepdims=True)
        inverse = jax.lax.rsqrt(jnp.mean((x - mean) ** 2, 0, keepdims=True) + eps)
        return (x - mean) * (scale[None] * inverse) + offset[None], (scale, x, mean, inverse)

    def backward(residuals, dy):
        scale, x, mean, inverse = residuals
        normal = (x - mean) * inverse
        by_scale, by_offset = jnp.sum(dy * normal, 0), jnp.sum(dy, 0)
        by_x = scale[None] * inverse * (dy - (by_offset[None] + normal * by_scale[None]) / len(x))
        return by_scale, by_offset, by_x

    normalize.defvjp(forward, backward)
    return normalize(*params, x)


def test_the_gradient_costs_what_the_closed_form_costs():
    x, cotangent = data((256, 64)), data((256, 64), 1)
    params, stats = norm.init_batch_norm(64)
    found = []
    for apply in (lambda params, x: norm.batch_norm(params, stats, x)[0], closed_form):
        gradient = jax.jit(
            jax.grad(lambda params, x, apply=apply: jnp.sum(cotangent * apply(params, x)), argnums=(0, 1))
        )
        found.append((gradient.lower(params, x).compile(), gradient(params, x)))
    (ours, gradients), (theirs, expected) = found
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), gradients, expected)
    assert ours.cost_analysis()["flops"] < 1.02 * theirs.cost_analysis()["flops"]
    assert ours.cost_analysis()["bytes accessed"] < 1.15 * theirs.cost_analysis()["bytes accessed"]


def test_the_backward_pass_keeps_one_array_of_the_size_of_the_data():
    params, stats = norm.init_batch_norm(64)
    _, pullback = jax.vjp(lambda params, x: norm.batch_norm(params, stats, x)[0], params, data((256, 64)))
    held = [leaf for leaf in jax.tree.leaves(pullback) if jnp.size(leaf) >= 256 * 64]
    assert len(held) == 1


def test_forward_mode_and_second_derivatives_agree_with_reverse_mode():
    x, direction = data((4, FEATURES)), data((4, FEATURES), 1)

    def loss(x):
        return jnp.sum(norm.batch_norm(learned(), state(), x)[0] ** 3)

    slope = jax.jit(lambda x: jax.jvp(loss, (x,), (direction,))[1])(x)
    np.testing.assert_allclose(slope, jnp.sum(jax.jit(jax.grad(loss))(x) * direction), rtol=1e-3)
    forward = jax.jit(lambda x: jax.jvp(jax.grad(loss), (x,), (direction,))[1])(x)
    reverse = jax.jit(jax.grad(lambda x: jnp.sum(jax.grad(loss)(x) * direction)))(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("num_shards", [2, 8])
def test_a_sharded_batch_is_normalized_as_one(num_shards):
    mesh = Mesh(np.array(jax.devices()[:num_shards]), ("batch",))
    x = data((16, 4, FEATURES)) + 10.0 * jnp.arange(16.0)[:, None, None]
    sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
    for ghost_size in (None, 2):
        y, running = compiled(learned(), state(), sharded, ghost_size=ghost_size)
        whole, expected = compiled(learned(), state(), x, ghost_size=ghost_size)
        np.testing.assert_allclose(y, whole, rtol=1e-4, atol=1e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), running, expected)


def test_groups_along_a_named_axis_are_synchronous_among_themselves():
    x = data((4, 8, FEATURES)) + 10.0 * jnp.arange(4.0)[:, None, None]
    mesh = Mesh(np.array(jax.devices()[:4]), ("shards",))
    sync = partial(norm.batch_norm, learned(), state(), axis_name="shards", axis_index_groups=[[0, 1], [2, 3]])
    rows = PartitionSpec("shards")
    grouped = jax.jit(jax.shard_map(lambda x: sync(x)[0], mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False))
    y = grouped(x.reshape(32, FEATURES))
    for half in (slice(0, 16), slice(16, 32)):
        expected, _ = compiled(learned(), state(), x.reshape(32, FEATURES)[half])
        np.testing.assert_allclose(y[half], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [[[0], [1, 2, 3]], [[3, 0], [1], [2]], np.array([[0, 2], [1, 3]])])
def test_groups_may_be_of_different_sizes(groups):
    x = data((4, 8, FEATURES)) + 10.0 * jnp.arange(4.0)[:, None, None]
    mesh, rows = Mesh(np.array(jax.devices()[:4]), ("shards",)), PartitionSpec("shards")
    sync = partial(norm.batch_norm, learned(), state(), axis_name="shards", axis_index_groups=groups)

    def apply(x, where):
        y, running = sync(x, where=where)
        return y, sync(x)[0], running.mean[None]

    grouped = jax.jit(jax.shard_map(apply, mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False))
    where = jnp.ones((32, 1), bool)
    masked, whole, means = grouped(x.reshape(32, FEATURES), where)
    for group in map(list, groups):
        expected, running = compiled(learned(), state(), x[np.array(group)].reshape(-1, FEATURES))
        for y in (masked, whole):
            found = y.reshape(4, 8, FEATURES)[np.array(group)].reshape(-1, FEATURES)
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(means[group[0]], running.mean, rtol=1e-5)


def test_the_smallest_group_must_have_two_values_per_feature():
    mesh, rows = Mesh(np.array(jax.devices()[:4]), ("shards",)), PartitionSpec("shards")
    sync = partial(norm.batch_norm, learned(), state(), axis_name="shards", axis_index_groups=[[0], [1, 2, 3]])
    alone = jax.shard_map(lambda x: sync(x)[0], mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False)
    with pytest.raises(ValueError, match="x must have two values or more per feature"):
        alone(data((4, FEATURES)))


def test_groups_that_jax_cannot_sum_in_are_refused_in_a_sentence():
    mesh, rows = Mesh(np.array(jax.devices()[:4]), ("shards",)), PartitionSpec("shards")

    def sync(groups):
        return lambda x: norm.batch_norm(learned(), state(), x, axis_name="shards", axis_index_groups=groups)[0]

    halves, x = sync([[0, 1], [2, 3]]), data((32, FEATURES))
    for apply in (
        jax.shard_map(halves, mesh=mesh, in_specs=rows, out_specs=rows),
        lambda x: jax.vmap(halves, axis_name="shards")(x.reshape(4, 8, FEATURES)),
    ):
        with pytest.raises(
            ValueError, match=r"batch_norm: axis_index_groups must be None under vmap, and in shard_map"
        ):
            apply(x)
    for groups in ([[0, 1]], [[0, 1], [1, 2, 3]], [0, 1, 2, 3], 2):
        grouped = jax.shard_map(sync(groups), mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False)
        with pytest.raises(ValueError, match="axis_index_groups must hold each of the 4 indices of axis 'shards' once"):
            grouped(x)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("spec", [("a", None), (None, "b"), ("a", "b")])
def test_meshes_with_explicit_axes_shard_features_beside_replicated_statistics(spec):
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(AxisType.Explicit,) * 2)
    params, stats = norm.init_batch_norm(4)
    x, where = data((16, 4)), data((16, 1), 1) > 0.0
    calls = (
        lambda *given: norm.batch_norm(*given),
        lambda *given: norm.batch_norm(*given, ghost_size=4),
        lambda *given: norm.batch_norm(*given, where=where),
        lambda *given: norm.batch_renorm(*given, 3.0, 5.0),
        lambda *given: (norm.batch_norm_inference(*given), stats),
    )
    for call in calls:
        expected = call(params, stats, x)
        with jax.set_mesh(mesh):
            whole = NamedSharding(mesh, PartitionSpec(None))
            given = jax.device_put((params, stats), whole)
            y, running = jax.jit(call)(*given, jax.device_put(x, NamedSharding(mesh, PartitionSpec(*spec))))
        assert jax.typeof(y).sharding.spec == PartitionSpec(*spec)
        np.testing.assert_allclose(y, expected[0], rtol=1e-4, atol=1e-5)
        for found, right in zip(running, expected[1], strict=True):
            assert not any(jax.typeof(found).sharding.spec)
            np.testing.assert_allclose(found, right, rtol=1e-5)


@pytest.mark.parametrize("decay", [0.999, 0.99])
def test_statistics_that_were_cast_to_16_bits_move_in_float32(decay):
    x = jnp.asarray(np.random.default_rng(0).normal(5.0, 2.0, (64, FEATURES)), jnp.bfloat16)
    params, stats = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), norm.init_batch_norm(FEATURES))
    module = nn.BatchNorm(momentum=decay)
    theirs = {"mean": stats.mean, "var": stats.variance}

    def flax_step(theirs):
        variables = {"params": {"scale": params.scale, "bias": params.offset}, "batch_stats": theirs}
        return module.apply(variables, x, use_running_average=False, mutable=["batch_stats"])[1]["batch_stats"]

    def many(step, state):
        return jax.jit(lambda state: jax.lax.fori_loop(0, 3999, lambda _, state: step(state), state))(step(state))

    ours = many(lambda stats: norm.batch_norm(params, stats, x, decay=decay)[1], stats)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        theirs = many(flax_step, theirs)
    assert {leaf.dtype for leaf in (*ours, *theirs.values())} == {jnp.dtype(jnp.float32)}
    np.testing.assert_allclose(ours.mean, theirs["mean"], rtol=1e-3)
    np.testing.assert_allclose(ours.variance, theirs["var"], rtol=1e-3)
    assert (jnp.abs(ours.mean - 5.0) < 0.7).all()


def test_the_state_of_batch_norm_leaves_its_name_in_the_jaxpr():
    text = str(jax.make_jaxpr(lambda x: norm.batch_norm(learned(), state(), x))(data()))
    assert "name=jreg.batch_norm.input" in text
    assert "name=jreg.batch_norm]" in text
