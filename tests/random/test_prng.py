"""`hash_prng` under jax's own samplers, its transformations, and the dropout of other libraries."""

import copy
import pickle
import subprocess
import sys

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from scipy import stats

from jreg import noise, random

KEY = jax.random.key(0, impl=random.hash_prng)
WIDTHS = (8, 16, 32)


def new_key(seed):
    return jax.random.key(seed, impl=random.hash_prng)


def data(keys) -> np.ndarray:
    return np.asarray(jax.random.key_data(keys))


def rows(keys) -> set[tuple[int, ...]]:
    return set(map(tuple, data(keys).reshape(-1, 3).tolist()))


def test_the_numbers_of_a_seed_stay_what_they_are():
    np.testing.assert_array_equal(data(KEY), [1317927411, 629974420, 1094723158])
    np.testing.assert_array_equal(jax.random.bits(KEY, (3,)), [3263601416, 1508524041, 3258500058])
    np.testing.assert_array_equal(data(jax.random.split(KEY))[1], [3684467943, 2043828473, 2822601777])
    np.testing.assert_array_equal(data(jax.random.fold_in(KEY, 2)), [3566595651, 2389754420, 109356984])


def test_seeds_are_mixed():
    seeds = jnp.arange(4096)
    keys = jax.vmap(new_key)(seeds)
    np.testing.assert_array_equal(data(keys[1]), data(new_key(1)))
    bits = np.unpackbits(data(keys).view(np.uint8), axis=1)
    flips = (bits[1:] != bits[:-1]).sum(1)
    assert abs(flips.mean() - 48) < 5 * (24 / flips.size) ** 0.5
    assert flips.min() > 20
    legacy = np.asarray(jax.vmap(jax.random.PRNGKey)(seeds))
    assert not np.isin(data(keys), legacy).any()


def test_seeds_of_every_width_and_mode_agree():
    for seed in (0, 7, 2**31 - 1):
        expected = data(new_key(seed))
        np.testing.assert_array_equal(data(jax.jit(new_key)(seed)), expected)
        np.testing.assert_array_equal(data(new_key(np.uint32(seed))), expected)
        with jax.enable_x64(True):
            np.testing.assert_array_equal(data(new_key(seed)), expected)
    with jax.enable_x64(True):
        assert len(rows(jax.vmap(new_key)(jnp.arange(64, dtype=jnp.uint64) << 32))) == 64


def test_a_seed_that_is_no_whole_number_is_refused():
    with pytest.raises(TypeError, match="hash_prng: seed must be a whole number; got float32"):
        new_key(1.5)


@pytest.mark.parametrize("width", WIDTHS)
def test_bits_of_every_width_are_uniform(width):
    bits = np.asarray(jax.random.bits(KEY, (2**18,), f"uint{width}"))
    assert bits.dtype == f"uint{width}"
    for shift in (0, width - 8):
        counts = np.bincount((bits >> shift & 255).astype(int), minlength=256)
        assert 1e-4 < stats.chisquare(counts).pvalue < 1 - 1e-4


def test_narrow_and_wide_words_share_their_high_bits():
    words = np.asarray(jax.random.bits(KEY, (1000,)))
    np.testing.assert_array_equal(jax.random.bits(KEY, (1000,), "uint8"), words >> 24)
    np.testing.assert_array_equal(jax.random.bits(KEY, (1000,), "uint16"), words >> 16)
    with jax.enable_x64(True):
        wide = np.asarray(jax.random.bits(KEY, (1000,), "uint64"))
    assert wide.dtype == np.uint64
    np.testing.assert_array_equal(wide >> np.uint64(32), words)
    low = (wide & np.uint64(2**32 - 1)).astype(np.uint32)
    assert abs(correlation(low, words)) < 5
    assert not np.isin(low, words).any()


def test_uniform_numbers_differ_by_precision_alone():
    single = np.asarray(jax.random.uniform(KEY, (1000,)), np.float64)
    half = np.asarray(jax.random.uniform(KEY, (1000,), "bfloat16"), np.float64)
    with jax.enable_x64(True):
        double = np.asarray(jax.random.uniform(KEY, (1000,), "float64"))
    assert 0 <= (single - half).min() <= (single - half).max() < 2**-7
    assert 0 <= (double - single).min() <= (double - single).max() < 2**-23


def test_positions_beyond_one_word_get_words_of_their_own():
    shape = (4, 2**16, 2**16)
    corners = jax.jit(lambda key: jax.random.bits(key, shape)[:, :3, :5])(KEY)
    assert np.unique(corners).size == corners.size


def test_samplers_have_their_distributions():
    assert stats.kstest(jax.random.uniform(KEY, (2**16,)), "uniform").pvalue > 1e-4
    assert stats.kstest(jax.random.normal(KEY, (2**16,)), "norm").pvalue > 1e-4
    assert abs(jax.random.bernoulli(KEY, 0.3, (2**18,)).mean() - 0.3) < 5 * (0.21 / 2**18) ** 0.5
    counts = np.bincount(jax.random.randint(KEY, (70_000,), 0, 7))
    assert stats.chisquare(counts).pvalue > 1e-4
    np.testing.assert_array_equal(jnp.sort(jax.random.permutation(KEY, 1000)), jnp.arange(1000))
    assert jax.random.gamma(KEY, 2.0, (100,)).min() > 0
    with jax.enable_x64(True):
        doubles = jax.random.uniform(KEY, (2**16,), "float64")
        assert doubles.dtype == jnp.float64
        assert stats.kstest(doubles, "uniform").pvalue > 1e-4


def test_permutations_are_uniform():
    orders = jax.vmap(lambda key: jax.random.permutation(key, 4))(jax.random.split(KEY, 24_000))
    counts = np.unique(np.asarray(orders) @ np.array([64, 16, 4, 1]), return_counts=True)[1]
    assert counts.size == 24
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_split_does_not_depend_on_how_many_or_in_which_shape():
    np.testing.assert_array_equal(data(jax.random.split(KEY, 3)), data(jax.random.split(KEY, 8))[:3])
    np.testing.assert_array_equal(data(jax.random.split(KEY, (2, 3))).reshape(6, 3), data(jax.random.split(KEY, 6)))
    assert jax.random.split(KEY, 0).shape == (0,)


def test_children_of_split_and_fold_in_and_the_bits_never_coincide():
    num = 2**15
    split, folded = jax.random.split(KEY, num), jax.vmap(lambda i: jax.random.fold_in(KEY, i))(jnp.arange(num))
    deeper = jax.random.split(split[0], num), jax.random.split(folded[0], num)
    families = [split, folded, *deeper, jax.vmap(new_key)(jnp.arange(num))]
    assert len(set().union(*map(rows, families))) == num * len(families)
    words = np.stack([np.asarray(random.hash_bits(KEY, (num,))), np.asarray(jax.random.bits(KEY, (num,)))])
    z = [correlation(words[0], words[1])] + [correlation(w, d) for w in words for d in data(split).T]
    assert np.abs(z).max() < 5


def test_neighbouring_keys_draw_independent_bits():
    keys = jax.random.split(KEY, 64)
    for family in (
        keys,
        jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.arange(64)),
        jax.vmap(new_key)(jnp.arange(64)),
    ):
        words = np.asarray(jax.vmap(lambda key: jax.random.bits(key, (4096,)))(family))
        z = [correlation(np.roll(a, lag), b) for a, b in zip(words[1:], words[:-1], strict=True) for lag in range(4)]
        assert np.abs(z).max() < 5


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """A standard normal number if the words are uniform and independent."""
    a, b = (words.astype(np.float64) / 2**32 - 0.5 for words in (first, second))
    return 12 * float((a * b).sum()) / a.size**0.5


def test_eager_jit_and_vmap_agree_bit_for_bit():
    keys = jax.random.split(KEY, 5)
    loop = jnp.stack([jax.random.bits(key, (3, 4)) for key in keys])
    np.testing.assert_array_equal(loop, jax.vmap(lambda key: jax.random.bits(key, (3, 4)))(keys))
    np.testing.assert_array_equal(loop[0], jax.jit(lambda key: jax.random.bits(key, (3, 4)))(keys[0]))
    loop = jnp.stack([jax.random.key_data(jax.random.fold_in(key, i)) for i, key in enumerate(keys)])
    np.testing.assert_array_equal(loop, data(jax.vmap(jax.random.fold_in)(keys, jnp.arange(5))))
    loop = jnp.stack([jax.random.key_data(jax.random.split(key)) for key in keys])
    np.testing.assert_array_equal(loop, data(jax.vmap(jax.random.split)(keys)))


@pytest.mark.parametrize("num_shards", [1, 2, 4, 8])
def test_the_bits_do_not_depend_on_the_number_of_shards(num_shards):
    mesh = Mesh(np.array(jax.devices()[:num_shards]), ("data",))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    draw = jax.jit(lambda key: jax.random.normal(key, (16, 8)), out_shardings=sharding)
    np.testing.assert_array_equal(draw(KEY), jax.jit(lambda key: jax.random.normal(key, (16, 8)))(KEY))
    text = draw.lower(KEY).compile().as_text()
    assert not any(word in text for word in ("all-reduce", "all-gather", "collective-permute", "all-to-all"))


def test_the_bits_fuse_into_their_consumer():
    def fused(key, x):
        return jnp.where(jax.random.bernoulli(key, 0.9, x.shape), x / 0.9, 0.0)

    compiled = jax.jit(fused).lower(KEY, jnp.ones((256, 1024))).compile()
    assert " while(" not in compiled.as_text()
    assert compiled.memory_analysis().temp_size_in_bytes < 1024


def test_hash_bits_of_such_a_key_are_another_stream():
    first, second = random.hash_bits(KEY, (4096,)), jax.random.bits(KEY, (4096,))
    assert not np.isin(first, second).any()
    dropped = noise.dropout(KEY, jnp.ones((256, 256)), 0.3) == 0
    assert abs(dropped.mean() - 0.3) < 5 * (0.21 / 2**16) ** 0.5
    mask = random.keep_mask(KEY, (4096,), 0.5, bits=jax.random.bits)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(mask, random.keep_mask(KEY, (4096,), 0.5, bits=jax.random.bits))


def linen_dropout(key, x):
    return nn.Dropout(0.3, deterministic=False).apply({}, x, rngs={"dropout": key})


def nnx_dropout(key, x):
    return nnx.Dropout(0.3, deterministic=False, rngs=nnx.Rngs(dropout=key))(x)


def equinox_dropout(key, x):
    return eqx.nn.Dropout(0.3)(x, key=key)


@jax.numpy_dtype_promotion("standard")
def haiku_dropout(key, x):
    return hk.transform(lambda x: hk.dropout(hk.next_rng_key(), 0.3, x)).apply({}, key, x)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("dropout", [linen_dropout, nnx_dropout, equinox_dropout, haiku_dropout])
def test_the_dropout_of_other_libraries_fuses_and_has_its_rate(dropout):
    x = jnp.ones((512, 512))
    y = jax.jit(dropout)(KEY, x)
    assert abs((y == 0).mean() - 0.3) < 5 * (0.21 / x.size) ** 0.5
    assert not np.array_equal(y, dropout(new_key(1), x))
    compiled = jax.jit(dropout).lower(KEY, x).compile()
    assert " while(" not in compiled.as_text()
    assert compiled.memory_analysis().temp_size_in_bytes < 1024


def test_keys_survive_pickling_copying_and_their_data():
    for twin in (pickle.loads(pickle.dumps(KEY)), copy.deepcopy(KEY)):
        assert twin.dtype == KEY.dtype
        np.testing.assert_array_equal(data(twin), data(KEY))
    again = jax.random.wrap_key_data(jax.random.key_data(KEY), impl=random.hash_prng)
    np.testing.assert_array_equal(jax.random.bits(again, (8,)), jax.random.bits(KEY, (8,)))


def test_keys_are_accepted_where_jreg_takes_keys():
    first, second = random.split(KEY)
    assert rows(first) != rows(second)
    assert rows(random.fold_in(KEY, 1)) != rows(second)
    carried, drawn = jax.lax.scan(lambda key, _: tuple(jax.random.split(key)), KEY, length=4)
    assert drawn.shape == (4,)
    assert len(rows(drawn) | rows(carried)) == 5


def test_importing_starts_no_backend():
    code = "import jreg.random; from jax._src import xla_bridge; assert not xla_bridge._backends"
    subprocess.run([sys.executable, "-c", code], check=True)
