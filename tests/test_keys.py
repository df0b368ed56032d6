"""No key is used twice: in the program of any function that takes one, and as JAX's own checker sees it from outside.

JAX's checker (`jax.debug_key_reuse`) follows keys through a jaxpr. `hash_bits` reads the data of a key, which the
checker alone would overlook, so it draws nothing from the key while the checker looks.
"""

import importlib
import inspect
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jreg
from jreg import augment, diagnose, noise, norm, optim, penalty, random, train
from jreg import linen as jreg_linen
from jreg import nnx as jreg_nnx
from tests.table import NOISE, data

pytestmark = pytest.mark.sampled(3)

KEY = jax.random.key(7)
X = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6)), jnp.float32)
MAPS = jnp.asarray(np.random.default_rng(1).normal(size=(2, 8, 8, 3)), jnp.float32)
IMAGES = jnp.asarray(np.random.default_rng(2).uniform(size=(2, 8, 8, 3)), jnp.float32)
SOUNDS = jnp.asarray(np.random.default_rng(3).normal(size=(2, 64)), jnp.float32)
SPECTRA = jnp.asarray(np.random.default_rng(4).normal(size=(2, 12, 9)), jnp.float32)
TOKENS = jnp.asarray([[1, *range(3, 11), 2, 0, 0]] * 3)
SYNONYMS = jnp.arange(24).reshape(12, 2) % 12
LABELS = jnp.array([0, 0, 0, 1])
ONE_HOT = jax.nn.one_hot(LABELS, 2)
PARAMS = {"kernel": jnp.ones((6, 3), jnp.bfloat16), "bias": jnp.ones(3, jnp.bfloat16)}
WORDS: Any = {"special_ids": (1, 2), "padding_id": 0}
IMPLEMENTATIONS = {"threefry": None, "rbg": "rbg", "philox2x32": "philox2x32", "hash_prng": random.hash_prng}


def dropped(key, x):
    return noise.dropout(key, x, 0.5)


def swap(key, tokens):
    return augment.random_swap(key, tokens, 0.5)


def there(key, x):
    return x + 1


def stochastic_rounding(key):
    optimizer = optim.with_stochastic_rounding(optax.sgd(0.1), key)
    return optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)


def fit(key):
    def loss_fn(params, model_state, key, batch, hyper):
        return jnp.mean(noise.dropout(key, batch, 0.5) @ params), (model_state, {})

    step = train.make_step(loss_fn, optax.sgd(0.1))
    evaluate = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.mean(batch @ params)})
    return train.fit(step, evaluate, train.init_state(X[0], optax.sgd(0.1)), key, X, X, None, batch_size=2, epochs=2)


def layer(made, *args):
    """A linen layer, whose parameters are made from a key of their own."""
    return lambda key: made.init_with_output({"dropout": key, "params": jax.random.key(1)}, *args)[0]


def module(make, *args):
    return lambda key: make(nnx.Rngs(dropout=key, params=jax.random.key(1)))(*args)


AUGMENT = {
    "augmix": lambda key: augment.augmix(key, IMAGES, 0.3),
    "random_background_noise": lambda key: augment.random_background_noise(key, SOUNDS, SOUNDS[:, :24], 10.0),
    "back_translation": lambda key: augment.back_translation(swap, there, key, TOKENS, 0.5),
    "random_color_jitter": lambda key: augment.random_color_jitter(key, IMAGES, 0.2, 0.2, 0.2, 0.1),
    "cutmix": lambda key: augment.cutmix(key, (IMAGES, ONE_HOT[:2]), 1.0),
    "cutout": lambda key: augment.cutout(key, IMAGES, size=3),
    "feature_mixup": lambda key: augment.feature_mixup(key, X, ONE_HOT, 1.0),
    "grid_mask": lambda key: augment.grid_mask(key, IMAGES, 0.6),
    "manifold_mixup": lambda key: augment.manifold_mixup(key, (X, ONE_HOT), 1.0, layers=(dropped, there)),
    "mixup": lambda key: augment.mixup(key, (X, ONE_HOT), 1.0),
    "mixup_or_cutmix": lambda key: augment.mixup_or_cutmix(key, (IMAGES, ONE_HOT[:2]), 1.0, 1.0, 0.5),
    "random_pitch_shift": lambda key: augment.random_pitch_shift(key, SOUNDS, 3.0, frame_length=16),
    "rand_augment": lambda key: augment.rand_augment(key, IMAGES, 0.5),
    "random_affine": lambda key: augment.random_affine(
        key, IMAGES, degrees=9.0, shear=9.0, translation=0.2, scale=(0.8, 1.2)
    ),
    "random_gaussian_blur": lambda key: augment.random_gaussian_blur(key, IMAGES, size=3),
    "random_brightness": lambda key: augment.random_brightness(key, IMAGES, 0.2),
    "random_contrast": lambda key: augment.random_contrast(key, IMAGES, 0.2),
    "random_crop": lambda key: augment.random_crop(key, IMAGES, size=(4, 4), padding=1),
    "random_deletion": lambda key: augment.random_deletion(key, TOKENS, 0.3, **WORDS),
    "random_erase": lambda key: augment.random_erase(key, IMAGES, 0.5, pattern="pixel"),
    "random_flip": lambda key: augment.random_flip(key, IMAGES, 0.5),
    "random_gain": lambda key: augment.random_gain(key, SOUNDS, 6.0),
    "random_grayscale": lambda key: augment.random_grayscale(key, IMAGES, 0.5),
    "random_hue": lambda key: augment.random_hue(key, IMAGES, 0.1),
    "random_insertion": lambda key: augment.random_insertion(key, TOKENS, SYNONYMS, 0.3, **WORDS),
    "random_gaussian_noise": lambda key: augment.random_gaussian_noise(key, IMAGES, 0.1),
    "random_resized_crop": lambda key: augment.random_resized_crop(key, IMAGES, size=(4, 4)),
    "random_rotate": lambda key: augment.random_rotate(key, IMAGES, 9.0),
    "random_saturation": lambda key: augment.random_saturation(key, IMAGES, 0.2),
    "random_shear": lambda key: augment.random_shear(key, IMAGES, 9.0),
    "random_swap": lambda key: augment.random_swap(key, TOKENS, 0.3, **WORDS),
    "random_translate": lambda key: augment.random_translate(key, IMAGES, 0.2),
    "smote": lambda key: augment.smote(key, X, LABELS, num_classes=2, num_per_class=3, num_neighbors=2),
    "spec_augment": lambda key: augment.spec_augment(key, SPECTRA, 3.0, 3.0, num_frequency_masks=2, num_time_masks=2),
    "swap_noise": lambda key: augment.swap_noise(key, X, 0.5),
    "synonym_replacement": lambda key: augment.synonym_replacement(key, TOKENS, SYNONYMS, 0.3, **WORDS),
    "random_time_shift": lambda key: augment.random_time_shift(key, SOUNDS, 0.5),
    "random_time_stretch": lambda key: augment.random_time_stretch(key, SOUNDS, 1.2, frame_length=16),
    "random_time_warp": lambda key: augment.random_time_warp(key, SPECTRA, 3.0),
    "token_dropout": lambda key: augment.token_dropout(key, TOKENS, 0.3, mask_id=11, **WORDS),
    "trivial_augment": lambda key: augment.trivial_augment(key, IMAGES),
    "random_white_noise": lambda key: augment.random_white_noise(key, SOUNDS, 10.0),
}
COMPOSED = {
    "chain": lambda key: augment.chain(dropped, dropped)(key, X),
    "maybe": lambda key: augment.maybe(dropped, 0.5)(key, X),
    "one_of": lambda key: augment.one_of(dropped, there)(key, X),
    "per_example": lambda key: augment.per_example(dropped)(key, X),
}
NOISES = {str(row): lambda key, row=row: row.apply(key, data(row), 0.5) for row in NOISE} | {
    "patch_dropout": lambda key: noise.patch_dropout(key, MAPS.reshape(2, -1, 3), 0.5),
}
REST = {
    "hash_at": lambda key: random.hash_at(key, jnp.arange(3, dtype=jnp.uint32)),
    "hash_bits": lambda key: random.hash_bits(key, (3,)),
    "keep_mask": lambda key: random.keep_mask(key, (3,), 0.5),
    "normal": lambda key: random.normal(key, (3,), 1.0),
    "signed_uniform": lambda key: random.signed_uniform(key, (3,)),
    "fold_in": lambda key: random.fold_in(key, 3),
    "split": random.split,
    "split_array": lambda key: random.split_array(key, 3),
    "split_like": lambda key: random.split_like(key, PARAMS),
    "init_spectral_vector": lambda key: norm.init_spectral_vector(key, 6),
    "jacobian": lambda key: penalty.jacobian(jnp.tanh, key, X),
    "variance_shift": lambda key: diagnose.variance_shift(dropped, key, X),
    "mc_predict": lambda key: diagnose.mc_predict(dropped, key, X, num_samples=5, batch_size=2),
    "with_stochastic_rounding": stochastic_rounding,
    "fit": fit,
}
HOST_LOOPS = {"plot_masks", "run"}
"""They take a key, and are no program that can be traced."""
QKV = (jnp.ones((2, 3, 1, 4)),) * 3
LAYERS = {
    "dot_product_attention, linen": lambda key: jreg_linen.dot_product_attention(
        *QKV, dropout_rng=key, dropout_rate=0.5
    ),
    "dot_product_attention, nnx": lambda key: jreg_nnx.dot_product_attention(*QKV, dropout_rng=key, dropout_rate=0.5),
    "linen.Dropout": layer(jreg_linen.Dropout(0.5, deterministic=False), X),
    "nnx.Dropout": module(lambda rngs: jreg_nnx.Dropout(0.5, rngs=rngs), X),
}
CALLS = AUGMENT | COMPOSED | NOISES | REST | LAYERS


def is_reused(function, *keys) -> bool:
    """Whether JAX's checker finds a key that is used twice, when a program is traced."""
    with jax.debug_key_reuse(True):
        try:
            jax.jit(function).trace(*keys)
        except jax.errors.KeyReuseError:
            return True
    return False


@pytest.mark.parametrize("name", CALLS)
def test_no_key_is_used_twice(name):
    assert not is_reused(CALLS[name], KEY)
    assert not is_reused(jax.vmap(CALLS[name]), jax.random.split(KEY, 2))


def test_every_public_function_with_a_key_is_called_above():
    found = set()
    for namespace in jreg.NAMESPACES:
        for name, value in vars(importlib.import_module(f"jreg.{namespace}")).items():
            if not name.startswith("_") and inspect.isfunction(value):
                found |= {name} if "key" in inspect.signature(value).parameters else set()
    assert found <= {name.split(",")[0] for name in CALLS} | HOST_LOOPS


def ours(key):
    return noise.dropout(key, X, 0.5)


REUSES = {
    "used twice": lambda key: ours(key) + noise.dropout(key, X, 0.3),
    "used here and by jax": lambda key: ours(key) + jax.random.normal(key, X.shape),
    "split, and used": lambda key: ours(key) + noise.dropout(random.split(key)[0], X, 0.3),
    "folded in, and used after": lambda key: ours(random.split(key)[1]) + ours(key),
    "closed over by scan": lambda key: jax.lax.scan(lambda c, x: (c, noise.dropout(key, x, 0.5)), 0.0, X),
    "used in both passes of a loop": lambda key: sum(ours(key) for _ in range(2)),
    "used twice in a gradient": jax.grad(
        lambda x, key: jnp.sum(noise.dropout(key, noise.dropout(key, x, 0.5), 0.5)), argnums=0
    ),
}
every_reuse = pytest.mark.parametrize("reuse", REUSES)
every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def with_key(name):
    """The misuse as a function of the key alone."""
    return partial(REUSES[name], X) if name == "used twice in a gradient" else REUSES[name]


@every_reuse
@every_implementation
def test_jax_finds_our_keys_used_twice(reuse, implementation):
    assert is_reused(with_key(reuse), jax.random.key(7, impl=IMPLEMENTATIONS[implementation]))


@pytest.mark.parametrize("reuse", [name for name in REUSES if "scan" not in name])
@every_implementation
def test_jax_finds_them_without_jit_too(reuse, implementation):
    with jax.debug_key_reuse(True), pytest.raises(jax.errors.KeyReuseError):
        with_key(reuse)(jax.random.key(7, impl=IMPLEMENTATIONS[implementation]))


@pytest.mark.parametrize("name", ["dropout", "normal", "smote", "fit", "linen.Dropout"])
@every_implementation
def test_jax_finds_nothing_where_nothing_is_wrong(name, implementation):
    key = jax.random.key(7, impl=IMPLEMENTATIONS[implementation])
    assert not is_reused(CALLS[name], key)
    with jax.debug_key_reuse(True):
        jax.block_until_ready(CALLS[name](key))


def test_a_gradient_uses_a_key_once():
    """The backward pass draws the mask again, from what the forward pass kept."""
    assert not is_reused(jax.grad(lambda x, key: jnp.sum(noise.dropout(key, x, 0.5) ** 2)), X, KEY)


def test_nothing_is_added_to_a_program_while_the_checker_is_off():
    program = str(jax.make_jaxpr(ours)(KEY))
    assert "random_bits" not in program
    with jax.debug_key_reuse(True):
        assert "random_bits" in str(jax.make_jaxpr(ours)(KEY))


def test_the_masks_are_the_same_while_the_checker_looks():
    expected = ours(KEY)
    with jax.debug_key_reuse(True):
        np.testing.assert_array_equal(ours(jax.random.key(7)), expected)
