"""The functions of augment with a key, one row each: every law of test_laws.py holds for every row.

Those of images alone are the rows of test_parts.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jreg import augment

SYNONYMS = jnp.where(jnp.arange(24).reshape(12, 2) < 5, -1, 11 - jnp.arange(24).reshape(12, 2) % 8)
TOKENS = jnp.asarray([[1, *range(3, 11), 2, 0, 0]] * 3)
SOUNDS = jnp.asarray(np.random.default_rng(0).normal(size=(3, 64)), jnp.float32)
HUM = jnp.sin(jnp.arange(48.0)).reshape(2, 24)
SPECTRA = jnp.asarray(np.random.default_rng(1).normal(size=(3, 12, 9)), jnp.float32)
WORDS: Any = {"special_ids": (1, 2), "padding_id": 0}
IMAGES = jax.random.uniform(jax.random.key(1), (6, 8, 12, 3))
BATCH = (IMAGES, jnp.eye(6))
TABLE = (jax.random.normal(jax.random.key(7), (6, 5)), jnp.eye(6))
CLASSES = (TABLE[0] + jnp.arange(6.0)[:, None], jnp.array([0, 1, 0, 1, 1, 1]))
PARTS = {"image": IMAGES, "mask": IMAGES[..., 0] > 0.5, "boxes": jnp.ones((6, 2, 4)), "label": jnp.arange(6)}


@dataclass(frozen=True, eq=False)
class Row:
    """A function of (key, x, number), where x is any pytree."""

    name: str
    apply: Callable[[Any, Any, Any], Any]
    x: Any
    number: float = 0.5
    identity: float | None = 0.0
    """The number at which the result is the deterministic member, if there is one."""
    bad: tuple[float, ...] = (-0.1, 1.5, nan)
    domain: str = r"rate must be in \[0, 1\]"
    member: Callable[[Any], Any] | None = None
    """The deterministic member, which the key None gives, where it is not x itself."""
    tolerance: float = 1e-5

    def __str__(self) -> str:
        return self.name


def there(key, tokens):
    return tokens + 100


def back(key, tokens):
    return tokens - 99


def layer(key, x):
    return 2.0 * x


def balanced(key, x, number):
    return augment.smote(key, *x, num_classes=2, num_per_class=8)


def repeated(x):
    rows, labels = x
    order = np.concatenate([np.resize(np.flatnonzero(labels == c), 8) for c in (0, 1)])
    return rows[order], labels[order]


def cropped(x):
    whole = {name: x[name][:, 2:6, 3:8] for name in ("image", "mask")}
    return {**x, **whole, "boxes": jnp.zeros_like(x["boxes"])}


def switched(per):
    return lambda key, x, n: augment.mixup_or_cutmix(key, x, n, n, 0.5, per=per)


snr = {"number": 10.0, "identity": inf, "bad": (-inf, nan), "domain": "snr_db must be a number other than NaN"}
alpha = {"number": 0.7, "bad": (-0.1, nan), "domain": "alpha must be at least 0"}
either = {**alpha, "domain": "mixup_alpha must be at least 0"}

SEQUENCES = (
    Row("token_dropout", partial(augment.token_dropout, mask_id=11, **WORDS), TOKENS),
    Row("random_swap", partial(augment.random_swap, **WORDS), TOKENS),
    Row("random_deletion", partial(augment.random_deletion, **WORDS), TOKENS),
    Row("synonym_replacement", lambda k, x, r: augment.synonym_replacement(k, x, SYNONYMS, r, **WORDS), TOKENS),
    Row("random_insertion", lambda k, x, r: augment.random_insertion(k, x, SYNONYMS, r, **WORDS), TOKENS, 0.25),
    Row("back_translation", partial(augment.back_translation, there, back), TOKENS),
    Row("swap_noise", augment.swap_noise, SPECTRA),
    Row(
        "random_time_stretch",
        partial(augment.random_time_stretch, frame_length=16),
        SOUNDS,
        1.3,
        1.0,
        (0.5, inf, nan),
        "max_rate must be finite and at least 1",
        tolerance=1e-4,
    ),
    Row(
        "random_pitch_shift",
        partial(augment.random_pitch_shift, frame_length=16),
        SOUNDS,
        3.0,
        bad=(-1.0, 121.0, nan),
        domain=r"max_semitones must be in \[0, 120\]",
        tolerance=1e-4,
    ),
    Row("random_background_noise", lambda k, x, r: augment.random_background_noise(k, x, HUM, r), SOUNDS, **snr),
    Row("random_white_noise", augment.random_white_noise, SOUNDS, **snr),
    Row(
        "random_gain",
        augment.random_gain,
        SOUNDS,
        6.0,
        bad=(-1.0, inf, nan),
        domain="max_decibels must be finite and at least 0",
    ),
    Row("random_time_shift", augment.random_time_shift, SOUNDS, domain=r"max_share must be in \[0, 1\]"),
    Row(
        "spec_augment",
        lambda k, x, r: augment.spec_augment(k, x, r, r, num_time_masks=2),
        SPECTRA,
        4.0,
        bad=(-1.0, nan),
        domain="frequency_width must be at least 0",
    ),
    Row(
        "random_time_warp",
        augment.random_time_warp,
        SPECTRA,
        4.0,
        bad=(-1.0, nan),
        domain="distance must be at least 0",
    ),
)
"""Of arrays with any leading axes, whose examples draw for themselves, each by a number of its own if it has one."""

MIXTURES = (
    Row("mixup", augment.mixup, BATCH, **alpha),
    Row("mixup, example", partial(augment.mixup, per="example"), BATCH, **alpha),
    Row("cutmix", augment.cutmix, BATCH, **alpha),
    Row("cutmix, example", partial(augment.cutmix, per="example"), BATCH, **alpha),
    Row("mixup_or_cutmix", switched("batch"), BATCH, **either),
    Row("mixup_or_cutmix, example", switched("example"), BATCH, **either),
    Row(
        "manifold_mixup",
        partial(augment.manifold_mixup, layers=[layer, layer]),
        BATCH,
        member=lambda x: (4.0 * x[0], x[1]),
        **alpha,
    ),
    Row("feature_mixup", lambda key, x, n: augment.feature_mixup(key, *x, n), TABLE, **alpha),
    Row("smote", balanced, CLASSES, identity=None, bad=(), member=repeated),
    Row(
        "random_crop",
        lambda key, x, n: augment.random_crop(key, x, size=(4, 5)),
        PARTS,
        identity=None,
        bad=(),
        member=cropped,
    ),
)
"""Of any pytree."""
