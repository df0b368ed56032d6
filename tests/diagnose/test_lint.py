"""Lint, against the corpus, and on programs built of each of JAX's transformations."""

import linecache
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import diagnose, noise, norm, random
from tests.diagnose import corpus

X, KEY = jnp.ones((16, 8)), jax.random.key(0)
KERNELS = {"first": jnp.ones((8, 8)), "second": jnp.ones((8, 8))}
FLAX, EQUINOX, HAIKU = ("linen", "nnx"), ("equinox", "eqx"), ("haiku",)


def codes(fn, *args, **kwargs):
    return [finding.code for finding in diagnose.lint(fn, *args, **kwargs)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", corpus.names("right"))
def test_right_programs_give_no_finding(name):
    assert [str(finding) for finding in corpus.findings("right", name)] == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", corpus.names("wrong"))
def test_wrong_programs_give_the_expected_finding_and_no_other(name):
    assert {finding.code for finding in corpus.findings("wrong", name)} == {corpus.expected(name)}


def test_the_corpus_has_programs_enough_and_a_wrong_one_for_each_code_that_is_documented():
    expected = {corpus.expected(name) for name in corpus.names("wrong")}
    texts = diagnose.lint.__doc__ + diagnose.lint_optimizer.__doc__
    documented = {line.split()[0] for line in texts.splitlines() if line.startswith(" " * 8) and "-" in line.split()[0]}
    assert expected == documented
    assert len(corpus.names("right")) >= 40
    assert len(corpus.names("wrong")) >= 40


@pytest.mark.parametrize("name", ["reused_linen", "vmap_equinox", "shift_haiku", "lost_stats_jreg", "rate_jreg"])
def test_the_line_is_that_of_the_user(name):
    (found,) = corpus.findings("wrong", name)
    assert found.file == corpus.module("wrong", name).__file__
    source = linecache.getline(found.file, found.line)
    assert any(word in source for word in ("Dropout", "dropout", "batch_norm"))


def twice(key, x):
    return noise.dropout(key, noise.dropout(key, x, 0.5), 0.5)


def mesh():
    return jax.sharding.Mesh(np.array(jax.devices()[:1]), ("rows",))


def through_cond(key, x):
    return jax.lax.cond(x[0, 0] > 0, lambda x: twice(key, x), lambda x: x, x)


def through_while(key, x):
    return jax.lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, twice(jax.random.fold_in(key, c[0]), c[1])), (0, x)
    )


def through_scan(key, x):
    return jax.lax.scan(lambda x, key: (twice(key, x), None), x, random.split_array(key, 3))[0]


def through_vmap(key, x):
    return jax.vmap(twice)(random.split_array(key, len(x)), x)


def through_shard_map(key, x):
    spec = jax.sharding.PartitionSpec()
    return jax.shard_map(twice, mesh=mesh(), in_specs=(spec, spec), out_specs=spec, check_vma=False)(key, x)


def through_custom_vjp(key, x):
    fn = jax.custom_vjp(twice)
    fn.defvjp(lambda key, x: (twice(key, x), None), lambda _, g: (None, g))
    return fn(key, x)


def through_custom_jvp(key, x):
    fn = jax.custom_jvp(lambda x: twice(key, x))
    fn.defjvp(lambda primals, tangents: (fn(*primals), tangents[0]))
    return fn(x)


@pytest.mark.parametrize(
    "fn",
    [
        twice,
        jax.jit(twice),
        jax.checkpoint(twice),
        jax.jit(jax.checkpoint(jax.jit(twice))),
        through_cond,
        through_while,
        through_scan,
        through_vmap,
        through_shard_map,
        through_custom_vjp,
        through_custom_jvp,
        lambda key, x: jax.grad(lambda x: jnp.sum(twice(key, x) ** 2))(x),
        lambda key, x: jax.jvp(lambda x: twice(key, x), (x,), (x,)),
        lambda key, x: jax.linearize(lambda x: twice(key, x), x)[0],
        lambda key, x: jax.vjp(jax.checkpoint(lambda x: jnp.tanh(twice(key, x))), x)[1](x),
    ],
    ids=lambda fn: getattr(fn, "__name__", "fn"),
)
def test_findings_survive_every_transformation(fn):
    assert codes(fn, KEY, X) == ["key-reused"]


def test_a_backward_pass_that_draws_again_is_no_second_draw():
    layer = jax.checkpoint(lambda key, x: jnp.where(jax.random.bernoulli(key, 0.5, x.shape), jnp.tanh(x) / 0.5, 0.0))
    loss = lambda kernels, key, x: jnp.sum(layer(key, x @ kernels["first"]) @ kernels["second"])  # noqa: E731
    assert codes(jax.value_and_grad(loss), KERNELS, KEY, X) == []


def test_keys_of_any_form_are_the_same_key():
    def words(key, x):
        return noise.dropout(jax.random.wrap_key_data(jax.random.key_data(key)), noise.dropout(key, x, 0.5), 0.5)

    def children(key, x):
        first = jax.random.split(key, 3)[2]
        second = list(jax.random.split(key, 5))[2]
        return noise.dropout(first, noise.dropout(second, x, 0.5), 0.5)

    def folded(key, x):
        second = jax.random.fold_in(key, 1)
        return noise.dropout(jax.random.fold_in(key, 1), noise.dropout(second, x, 0.5), 0.5)

    assert codes(words, KEY, X) == codes(children, KEY, X) == codes(folded, KEY, X) == ["key-reused"]
    assert codes(twice, jax.random.PRNGKey(0), X) == ["key-reused"]


def test_children_and_folds_that_differ_are_other_keys():
    def fn(key, x):
        first, second = random.split(key)
        third = random.fold_in(second, 0)
        return noise.dropout(first, noise.dropout(third, x, 0.5), 0.5)

    assert codes(fn, KEY, X) == []


@pytest.mark.parametrize(("number", "expected"), [(1, ["key-split-and-folded"]), (2, []), (2**31, [])])
def test_a_fold_beyond_the_children_does_not_collide(number, expected):
    def fn(key, x):
        first, _ = random.split(key)
        return noise.dropout(first, noise.gaussian_noise(random.fold_in(key, number), x, 0.1), 0.5)

    assert codes(fn, KEY, X) == expected


def test_what_no_result_depends_on_is_not_judged():
    def fn(key, x):
        noise.dropout(key, x, 0.5)
        return noise.dropout(key, x, 0.9 * 0.5)

    assert codes(fn, KEY, X) == []


@pytest.mark.parametrize(("rate", "expected"), [(0.0, []), (0.8, []), (0.81, ["rate-high"]), (1.0, [])])
def test_rates_are_read_from_the_program_and_from_scalar_arguments(rate, expected):
    assert codes(lambda key, x: noise.dropout(key, x, rate), KEY, X) == expected
    assert codes(noise.dropout, KEY, X, jnp.float32(rate)) == expected
    assert codes(noise.dropout, KEY, X, jax.ShapeDtypeStruct((), jnp.float32)) == []


@pytest.mark.parametrize("num_rows", [7, 8])
def test_statistics_of_fewer_than_eight_values_are_few(num_rows):
    params, stats = norm.init_batch_norm(4)
    found = codes(lambda x: norm.batch_norm(params, stats, x), jnp.ones((num_rows, 4)))
    assert found == (["batch-norm-of-few"] if num_rows < 8 else [])
    maps = codes(lambda x: norm.batch_norm(params, stats, x), jnp.ones((1, 4, 2, 4)))
    assert maps == []


def test_the_order_of_arguments_and_their_kind_do_not_matter():
    shapes = jax.ShapeDtypeStruct(X.shape, X.dtype)
    assert codes(lambda x, *, key: twice(key, x), shapes, key=KEY) == ["key-reused"]
    assert codes(lambda x, key, name: twice(key, x), np.ones((16, 8), np.float32), KEY, "name") == ["key-reused"]
    assert codes(lambda tree: twice(tree["key"], tree["x"]), {"x": X, "key": KEY, "nothing": None}) == ["key-reused"]


def test_a_function_without_arrays_or_results_gives_nothing():
    assert codes(lambda: None) == []
    assert codes(lambda x: None, X) == []
    assert codes(lambda x: x, X) == []


def test_nothing_is_compiled(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("compiled")

    monkeypatch.setattr(jax.stages.Lowered, "compile", refuse)
    with jax.log_compiles(False), jax.disable_jit(False):
        assert codes(twice, jax.ShapeDtypeStruct((), KEY.dtype), jax.ShapeDtypeStruct((16, 8), jnp.float32))


def test_it_warns_once_when_traced_and_changes_nothing():
    step = jax.jit(diagnose.linted(twice))
    with pytest.warns(UserWarning, match=r"test_lint\.py:\d+: key-reused: ") as caught:
        first = step(KEY, X)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (step(KEY, X) == first).all()
        step(KEY, X[:4])
    assert (first == twice(KEY, X)).all()


def test_what_is_no_function_is_refused():
    for function in (diagnose.lint, diagnose.linted):
        with pytest.raises(TypeError, match=rf"^{function.__name__}: fn must be a function"):
            function(3)
