"""A valid call of every public function: test_modes.py runs each in every mode, and test_fuzz.py spoils its arguments.

To put a new function under both, add its row to CALLS.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx as flax_nnx

import jreg
from jreg import augment, diagnose, linen, nnx, noise, norm, optim, penalty, random, targets, train
from tests.augment import table as augment_table
from tests.optim.table import LEARNING_RATE, updated
from tests.penalty.table import PENALTIES
from tests.penalty.table import tree as weights
from tests.table import NOISE

KEY = jax.random.key(7)


@dataclass(frozen=True, eq=False)
class Call:
    """A function, and arguments that it takes. The arrays among them are data; whatever else there is, is static."""

    name: str
    """The function's name after `jreg.`, and what is particular after a comma."""
    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[..., Any] | None = None
    """What is done with a function or a layer that is returned: `then(result, *data)` gives arrays."""
    data: tuple[Any, ...] = ()
    whole: tuple[int, ...] = ()
    """Places among `args + data` that have no batch axis: every shard and every batch gets them as they are."""
    without: Mapping[str, str] = field(default_factory=dict)
    """The modes that it cannot have, each with the reason."""
    tolerance: float = 1e-5
    """How far results in other modes may be: sums in another order are off by a rounding."""

    def __str__(self) -> str:
        return self.name

    def __call__(self, *given: Any) -> Any:
        result = self.function(*given[: len(self.args)], **self.options)
        return result if self.then is None else self.then(result, *given[len(self.args) :])

    @property
    def given(self) -> tuple[Any, ...]:
        return (*self.args, *self.data)


def of(namespace: Any, name: str, *args: Any, **settings: Any) -> Call:
    """A row of a public function under its own name; a name may go on after a comma."""
    return Call(f"{namespace.__name__.split('.')[-1]}.{name}", getattr(namespace, name.split(",")[0]), args, **settings)


def is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def normals(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


NO_BATCH = dict.fromkeys(("empty batch", "one row"), "takes no batch")
WEIGHTS = dict.fromkeys(("empty batch", "one row"), "takes weights, which have no batch")
MOMENTS = {"empty batch": "takes moments over the batch, which an empty one has none of", "one row": "needs two rows"}
X = normals(4, 3)
CUBE = normals(4, 6, 5)
IMAGES = np.random.default_rng(2).uniform(size=(4, 8, 8, 3)).astype(np.float32)
LABELS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
IDS = np.array([0, 1, 2, 0], np.int32)
PARAMS = jax.tree.map(np.asarray, weights())
GRADIENTS = jax.tree.map(lambda leaf: 0.5 * leaf, PARAMS)


# noise: the rows of the laws, with their data, and direct calls where those wrap the function.


def ones_to_two(*shape: int) -> np.ndarray:
    return 1.0 + np.random.default_rng(1).uniform(size=shape).astype(np.float32)


QKV = (normals(4, 6, 2, 3), normals(4, 6, 1, 3, seed=1), normals(4, 6, 1, 3, seed=2))


def attention_gradient(key: Any, q: Any, k: Any, v: Any) -> Any:
    def loss(q: Any, k: Any, v: Any) -> Any:
        return jnp.sum(jnp.sin(noise.attention(key, q, k, v, 0.5, block_size=3)))

    return jax.grad(loss, argnums=(0, 1, 2))(q, k, v)


def doubled(key: Any, x: Any) -> Any:
    return x + x


WRAPPED = {"attention", "zoneout", "dropconnect_dense", "residual"}
NOISE_CALLS = (
    *(
        Call(f"noise.{row.name}", row.apply, (KEY, ones_to_two(*row.shape), 0.5))
        for row in NOISE
        if row.name.split(",")[0] not in WRAPPED
    ),
    of(noise, "attention", KEY, *QKV, 0.5, options={"block_size": 3}),
    of(noise, "attention, no key", None, *QKV, 0.5, options={"is_causal": True}),
    of(noise, "attention, keys", KEY, *QKV, 0.5, options={"drop": "keys", "is_causal": True, "shared_axes": (0, 1)}),
    of(noise, "attention, heads", KEY, *QKV, 0.5, options={"drop": "heads", "bias": normals(1, 2, 6, 6)}),
    Call("noise.attention, gradient", attention_gradient, (KEY, *QKV)),
    of(noise, "zoneout", KEY, X, 2.0 * X, 0.5),
    of(noise, "zoneout, tree", KEY, {"a": X, "b": CUBE}, {"a": 2.0 * X, "b": 2.0 * CUBE}, 0.5),
    of(noise, "zoneout, no key", None, X, 2.0 * X, 0.5),
    *(
        of(noise, f"dropconnect_dense, {per}", KEY, X, normals(3, 2), 0.5, options={"per": per}, whole=(2,))
        for per in ("example", "batch", "gaussian")
    ),
    of(
        noise,
        "dropconnect_dense, groups",
        KEY,
        X,
        normals(3, 2),
        0.5,
        options={"per": 2},
        whole=(2,),
        without={"one row": "the groups must divide the batch"},
    ),
    of(noise, "dropconnect_dense, no key", None, X, normals(3, 2), 0.5, whole=(2,)),
    of(noise, "dropconnect_dense, sequences", KEY, CUBE, normals(5, 2), 0.5, whole=(2,)),
    of(noise, "dropconnect_moments", X, normals(3, 2), 0.5, whole=(1,)),
    *(
        of(noise, f"residual, {skip}", doubled, KEY, CUBE, 0.25, options={"skip": skip})
        for skip in ("mask", "subset", "cond")
    ),
    of(noise, "patch_dropout", KEY, CUBE, 0.5, options={"num_prefix": 1}),
    of(noise, "concrete_regularizer", PARAMS, np.float32(0.5), 1e-3, options={"num_features": 12}, without=WEIGHTS),
    of(noise, "depth_rates", np.float32(0.5), 4, without=NO_BATCH),
)


# augment


TEXT: Any = augment_table.WORDS


def four(x: Any) -> np.ndarray:
    """Four rows, so that two shards share them."""
    return np.resize(np.asarray(x), (4, *x.shape[1:]))


def applied(transform: Any, key: Any, x: Any) -> Any:
    return transform(key, x)


def negated(key: Any, x: Any) -> Any:
    return -x


TOKENS, SOUNDS, SPECTRA = four(augment_table.TOKENS), four(augment_table.SOUNDS), four(augment_table.SPECTRA)
SYNONYMS, HUM = np.asarray(augment_table.SYNONYMS), np.asarray(augment_table.HUM)
BATCH = (IMAGES, LABELS)
MIXING_KEY = jax.random.key(8)
"""Under the other key every row is its own partner."""
BOXES = np.array([[1, 2, 5, 6]] * 4, np.float32)
WITH_TABLES = {"synonym_replacement", "random_insertion", "random_background_noise", "spec_augment"}
image = partial(of, augment)
IMAGE_CALLS = (
    image("adjust_brightness", IMAGES, 1.2),
    image("adjust_contrast", IMAGES, 1.2),
    image("adjust_hue", IMAGES, 0.1),
    image("adjust_saturation", IMAGES, 1.2),
    image("adjust_sharpness", IMAGES, 1.2),
    image("affine", IMAGES, np.array([[1.0, 0.25, 0.0], [0.0, 1.0, 1.0]], np.float32), whole=(1,)),
    image("augmix", KEY, IMAGES, 0.3, options={"width": 1, "depth": 1}, tolerance=1e-4),
    image("autocontrast", IMAGES),
    image("random_color_jitter", KEY, IMAGES, 0.2, 0.2, 0.2, 0.1),
    image("crop", IMAGES, np.array([1, 2]), options={"size": (4, 4)}, whole=(1,)),
    image("cutout", KEY, IMAGES, options={"size": 4}),
    image("cutout, pixels", KEY, IMAGES, options={"size": 4, "pattern": "pixel"}),
    image("equalize", IMAGES),
    image("erase", IMAGES, BOXES),
    image("flip", IMAGES),
    image("gaussian_blur", IMAGES, 1.0, options={"size": 3}),
    image("grayscale", IMAGES),
    image("grid_mask", KEY, IMAGES, 0.5),
    image("invert", IMAGES),
    image("posterize", IMAGES, 3),
    image("rand_augment", KEY, IMAGES, 0.3, options={"num_ops": 1}, tolerance=1e-4),
    image("random_affine", KEY, IMAGES, options={"degrees": 10.0}, tolerance=1e-4),
    image("random_gaussian_blur", KEY, IMAGES, options={"size": 3}),
    image("random_brightness", KEY, IMAGES, 0.2),
    image("random_contrast", KEY, IMAGES, 0.2),
    image("random_crop", KEY, IMAGES, options={"size": (4, 4), "padding": 1}),
    image("random_erase", KEY, IMAGES, 0.5),
    image("random_erase, pixels", KEY, IMAGES, 0.5, options={"pattern": "pixel"}),
    image("random_flip", KEY, IMAGES, 0.5),
    image("random_flip, boxes", KEY, {"image": IMAGES, "boxes": BOXES[:, None]}, 0.5),
    image("random_grayscale", KEY, IMAGES, 0.5),
    image("random_hue", KEY, IMAGES, 0.1),
    image("random_gaussian_noise", KEY, IMAGES, 0.1),
    image("random_resized_crop", KEY, IMAGES, options={"size": (4, 4)}, tolerance=1e-4),
    image("random_rotate", KEY, IMAGES, 10.0, tolerance=1e-4),
    image("random_saturation", KEY, IMAGES, 0.2),
    image("random_shear", KEY, IMAGES, 10.0, tolerance=1e-4),
    image("random_translate", KEY, IMAGES, 0.2, tolerance=1e-4),
    image("resized_crop", IMAGES, BOXES, options={"size": (4, 4)}),
    image("rotate", IMAGES, 10.0, tolerance=1e-4),
    image("shear", IMAGES, 10.0, tolerance=1e-4),
    image("solarize", IMAGES, 0.5),
    image("translate", IMAGES, np.array([1.0, 0.5], np.float32), whole=(1,)),
    image("trivial_augment", KEY, IMAGES, tolerance=1e-4),
)
AUGMENT_CALLS = (
    *(
        of(augment, row.name, KEY, four(row.x), row.number, options=row.apply.keywords)
        if isinstance(row.apply, partial) and not row.apply.args
        else Call(f"augment.{row.name}", row.apply, (KEY, four(row.x), row.number))
        for row in augment_table.SEQUENCES
        if row.name not in WITH_TABLES
    ),
    of(augment, "synonym_replacement", KEY, TOKENS, SYNONYMS, 0.5, options=TEXT, whole=(2,)),
    of(augment, "random_insertion", KEY, TOKENS, SYNONYMS, 0.25, options=TEXT, whole=(2,)),
    of(augment, "random_background_noise", KEY, SOUNDS, HUM, 10.0, whole=(2,)),
    of(augment, "spec_augment", KEY, SPECTRA, 4.0, 4.0, options={"num_time_masks": 2}),
    of(augment, "mix_at_snr", SOUNDS, SOUNDS[::-1], 10.0),
    of(augment, "pitch_shift", SOUNDS, 2.0, options={"frame_length": 16}, tolerance=1e-4),
    of(augment, "time_stretch", SOUNDS, 1.2, options={"frame_length": 16}, tolerance=1e-4),
    *IMAGE_CALLS,
    of(augment, "chain", doubled, doubled, then=applied, data=(KEY, X)),
    of(augment, "maybe", doubled, 0.5, then=applied, data=(KEY, X)),
    of(augment, "one_of", doubled, negated, then=applied, data=(KEY, X)),
    of(augment, "per_example", augment.maybe(doubled, 0.5), then=applied, data=(KEY, X)),
    of(augment, "paste_box", BATCH, (IMAGES[::-1], LABELS[::-1]), np.array([1, 2]), np.array([5, 6]), whole=(2, 3)),
    of(augment, "cutmix", MIXING_KEY, BATCH, 1.0),
    of(augment, "cutmix, examples", MIXING_KEY, BATCH, 1.0, options={"per": "example"}),
    of(augment, "manifold_mixup", MIXING_KEY, (X, LABELS), 1.0, options={"layers": (doubled, doubled)}),
    of(augment, "mix", BATCH, (IMAGES[::-1], LABELS[::-1]), 0.3),
    of(augment, "mixup", MIXING_KEY, BATCH, 0.4),
    of(augment, "mixup, examples", MIXING_KEY, BATCH, 0.4, options={"per": "example"}),
    of(augment, "mixup_or_cutmix", MIXING_KEY, BATCH, 0.8, 1.0, 0.5),
    of(augment, "feature_mixup", MIXING_KEY, X, LABELS, 1.0),
    of(
        augment,
        "smote",
        KEY,
        normals(12, 2),
        np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1], np.int32),
        options={"num_classes": 2, "num_per_class": 8, "num_neighbors": 2},
        without={"empty batch": "needs rows of each class", "one row": "needs rows of each class"},
    ),
)


# targets, penalty


def squared(x: Any) -> Any:
    return jnp.sum(x * x, axis=-1)


def squares(x: Any) -> Any:
    return x * x


def to_origin(tree: Any) -> Any:
    return penalty.l2_sp(tree, jax.tree.map(np.zeros_like, PARAMS))


TARGET_CALLS = (
    of(targets, "confidence_penalty", X),
    of(targets, "consistency", X, X[::-1]),
    of(targets, "distillation", X, X[::-1], 2.0),
    of(targets, "smooth_binary_labels", LABELS, 0.1),
    of(targets, "smooth_labels", LABELS, 0.1),
    of(targets, "smooth_labels, ids", IDS, 0.1, options={"num_classes": 3}),
    of(targets, "smoothed_cross_entropy", X, LABELS, 0.1),
    of(targets, "smoothed_cross_entropy, ids", X, IDS, 0.1, options={"class_weights": np.ones(3, np.float32)}),
)
DIRECT = {"l2_sp": (PARAMS, jax.tree.map(np.zeros_like, PARAMS)), "elastic_net": (PARAMS, 0.3)}
PENALTY_OPTIONS = {"group_lasso": {"axis": 0}, "spectral": {"num_steps": 20}}
PENALTY_CALLS = (
    *(
        of(penalty, name, *DIRECT.get(name, (PARAMS,)), options=PENALTY_OPTIONS.get(name, {}), without=WEIGHTS)
        for name in PENALTIES
    ),
    of(penalty, "activity_l1", X),
    of(penalty, "activity_l2", X),
    of(penalty, "input_gradient", squared, X),
    of(penalty, "jacobian", squares, KEY, X),
    of(penalty, "jacobian, exact", squares, None, X),
    of(penalty, "total_variation", IMAGES),
)


# norm


BN = jax.tree.map(np.asarray, norm.init_batch_norm(3))


def running_mean(stats: Any, batch: Any, decay: Any) -> Any:
    mean, decay = stats.mean, jnp.asarray(decay, stats.mean.dtype)
    return stats._replace(mean=decay * mean + (1.0 - decay) * jnp.mean(batch, axis=0, dtype=mean.dtype))


NORM_CALLS = (
    of(norm, "init_batch_norm", 3, without=NO_BATCH),
    of(norm, "batch_norm", *BN, CUBE[..., :3], whole=(0, 1), without=MOMENTS),
    of(norm, "batch_norm, ghosts", *BN, normals(8, 3), options={"ghost_size": 2}, whole=(0, 1), without=MOMENTS),
    of(
        norm,
        "batch_norm, where",
        *BN,
        X,
        options={"where": np.array([[True], [True], [True], [False]])},
        whole=(0, 1),
        without=MOMENTS,
    ),
    of(norm, "batch_norm_inference", *BN, X, whole=(0, 1)),
    of(norm, "batch_renorm", *BN, X, 3.0, 5.0, whole=(0, 1), without=MOMENTS),
    of(norm, "debiased_decay", 0.9, np.float32(3.0), without=NO_BATCH),
    of(
        norm,
        "recalibrate",
        running_mean,
        BN[1],
        normals(2, 4, 3),
        whole=(1,),
        without={**MOMENTS, "explicit mesh": "the leading axis counts the batches, which a scan takes one by one"},
    ),
    of(norm, "init_spectral_vector", KEY, 3, without=NO_BATCH),
    of(norm, "init_weight_norm", normals(4, 2), without=WEIGHTS),
    of(norm, "spectral_normalize", normals(4, 2), np.full(2, 0.5**0.5, np.float32), whole=(1,), without=WEIGHTS),
    of(norm, "standardize_weights", normals(4, 2), without=WEIGHTS),
    of(norm, "weight_normalize", normals(4, 2), np.ones(2, np.float32), whole=(1,), without=WEIGHTS),
)


# optim: each transformation updates a tree once.


def update(transformation: Any, gradients: Any, params: Any) -> Any:
    return updated(transformation, gradients, params)


def called(function: Any, *data: Any) -> Any:
    return function(*data)


def half_ball(tree: Any) -> Any:
    return optax.projections.projection_l2_ball(tree, scale=0.5)


def shrunk(w: Any, threshold: Any) -> Any:
    return w / (1.0 + threshold)


def mean_of(transformation: Any, params: Any) -> Any:
    return optim.averaged_params(transformation.init(params))


def mean_after(transformation: Any, gradients: Any, params: Any) -> Any:
    state = transformation.init(params)
    for _ in range(3):
        _, state = transformation.update(gradients, state, params)
    return optim.averaged_params(state, params=params)


OF_TREES: Any = {"then": update, "data": (GRADIENTS, PARAMS), "without": WEIGHTS}
SGD = optax.sgd(LEARNING_RATE, momentum=0.9)
transformation = partial(of, optim, **OF_TREES)
OPTIM_CALLS = (
    transformation("add_l1", 0.1),
    transformation("add_l2", 0.1),
    transformation("add_elastic_net", 0.1, 0.1),
    transformation("with_decoupled_decay", SGD, 0.1, options={"learning_rate": LEARNING_RATE}),
    transformation("with_decoupled_decay, cautious", SGD, 0.1, options={"cautious": True}),
    transformation("decay_towards", PARAMS, 0.1),
    transformation("proximal", shrunk, 0.1, LEARNING_RATE),
    transformation("prox_l1", 0.1, LEARNING_RATE),
    transformation("prox_elastic_net", 0.1, 0.1, LEARNING_RATE),
    transformation("prox_group_lasso", 0.1, LEARNING_RATE, options={"axis": 0}),
    transformation("with_proximal", SGD, optim.soft_threshold, 0.1),
    transformation("with_l1", SGD, 0.1),
    transformation("with_l1, adagrad", optax.adagrad(LEARNING_RATE), 0.1),
    transformation("with_elastic_net", SGD, 0.1, 0.1),
    transformation("with_group_lasso", SGD, 0.1, options={"axis": 0}),
    transformation("constrain_max_norm", 1.0),
    transformation("constrain_spectral_norm", 1.0),
    transformation("constrain_unit_norm"),
    transformation("constrain", half_ball),
    transformation("average_params", 0.9),
    transformation("power_average", 0.1),
    transformation("latest_average", 2),
    transformation("with_float32_copy", SGD),
    transformation("with_stochastic_rounding", SGD, KEY),
    Call("optim.average_params, read", optim.average_params, (0.9,), then=mean_of, data=(PARAMS,), without=WEIGHTS),
    Call(
        "optim.power_average, read",
        optim.power_average,
        (0.1,),
        then=mean_after,
        data=OF_TREES["data"],
        without=WEIGHTS,
    ),
    Call(
        "optim.latest_average, read",
        optim.latest_average,
        (2,),
        then=mean_after,
        data=OF_TREES["data"],
        without=WEIGHTS,
    ),
    Call(
        "optim.average_params, now and then",
        optim.average_params,
        (0.9,),
        {"start": 1, "every": 2, "warmup": 3.0, "mask": optim.kernels},
        then=mean_after,
        data=OF_TREES["data"],
        without=WEIGHTS,
    ),
    of(optim, "averaged_params", optim.average_params(0.9).init(PARAMS), without=WEIGHTS),
    of(optim, "take_snapshots", optim.power_average(0.1).init(PARAMS), without=WEIGHTS),
    of(
        optim,
        "synthesize_average",
        [optim.Snapshot(step, 0.1, PARAMS) for step in (8, 16)],
        0.12,
        options={"tolerance": 0.5},
        without=WEIGHTS,
    ),
    of(optim, "merge_params", [PARAMS, GRADIENTS], np.array([1.0, 3.0], np.float32), without=WEIGHTS),
    of(optim, "merge_weights", np.array([0.5, 0.25], np.float32), without=NO_BATCH),
    of(
        optim,
        "swa_schedule",
        0.5,
        0.2,
        0.1,
        options={"start": 1, "anneal": 2},
        then=called,
        data=(np.int32(2),),
        without=NO_BATCH,
    ),
    of(optim, "sam_gradient", jax.grad(lambda w: jnp.sum(w * w)), 0.5, then=called, data=(X,), without=WEIGHTS),
    of(optim, "soft_threshold", X, 0.1),
    of(optim, "block_soft_threshold", X, 0.1, options={"axis": 1}),
    of(optim, "elastic_net_threshold", X, 0.1, 0.1),
    of(optim, "kernels", PARAMS, without=WEIGHTS),
    of(optim, "matching", "kernel", then=called, data=(PARAMS,), without=WEIGHTS),
)


# random, train, diagnose


def loss_fn(params: Any, model_state: Any, key: Any, batch: Any, hyper: Any) -> Any:
    x = noise.dropout(key, batch, hyper)
    return jnp.mean(jnp.square(x @ params)), (model_state, {})


def metrics(params: Any, model_state: Any, batch: Any, hyper: Any) -> Any:
    return {"loss": jnp.mean(jnp.square(batch @ params))}


def dropped(key: Any, hyper: Any) -> Any:
    return noise.dropout(key, jnp.ones(8), hyper)


STEP, EVALUATE = train.make_step(loss_fn, optax.sgd(0.1)), train.make_eval(metrics)
VECTOR = normals(3)
STATE = jax.tree.map(np.asarray, train.init_state(VECTOR, optax.sgd(0.1)))
OF_FIT = {
    "empty batch": "needs a batch",
    "one row": "needs a batch",
    "shard_map": "shards of one model stop together: metrics are averaged first (tests/train/test_devices.py)",
}
PER_EPOCH = np.array([0.5, 0.25], np.float32)

PLATEAU = jax.tree.map(np.asarray, optax.chain(SGD, train.reduce_on_plateau(0.5, 1)).init(PARAMS))


def evaluated(schedule: Any, state: Any, x: Any) -> Any:
    judge = train.make_eval(lambda params, model_state, batch, rate: {"loss": jnp.mean(batch @ params) * rate})
    return judge(state, x, schedule)


def fitted(schedule: Any, state: Any, key: Any, x: Any) -> Any:
    return train.fit(STEP, EVALUATE, state, key, x, x, schedule, batch_size=2, epochs=3)


LANES = jax.tree.map(lambda leaf: np.stack([leaf, 2.0 * leaf, leaf - leaf]).astype(leaf.dtype), STATE)


def predicted(params: Any, model_state: Any, x: Any) -> Any:
    return {"mean": x @ params}


TRAIN_CALLS = (
    of(
        train,
        "ensemble",
        predicted,
        LANES,
        X,
        options={"top": 2, "values": jnp.array([0.5, 0.1, 0.3])},
        whole=(1,),
    ),
    of(train, "init_state", PARAMS, SGD, without=WEIGHTS),
    of(train, "make_step", loss_fn, optax.sgd(0.1), then=called, data=(STATE, KEY, X, 0.5), whole=(2,)),
    of(train, "make_eval", metrics, then=called, data=(STATE, X, 0.5), whole=(1,)),
    of(train, "per_step", jnp.sqrt, then=evaluated, data=(STATE, X), whole=(1,)),
    of(
        train,
        "per_epoch",
        PER_EPOCH,
        then=fitted,
        data=(STATE, KEY, normals(8, 3)),
        whole=(0, 1),
        without=OF_FIT,
    ),
    of(train, "reduce_on_plateau", 0.5, 2, **OF_TREES),
    of(train, "update_plateau", PLATEAU, np.float32(0.5), without=WEIGHTS),
    of(train, "init_stopping", PARAMS, without={**WEIGHTS, "debug_nans": "starts with no best value, which is NaN"}),
    of(
        train,
        "update_stopping",
        jax.tree.map(np.asarray, train.init_stopping(X)),
        np.float32(0.5),
        X,
        3,
        0.0,
        without=WEIGHTS,
    ),
    of(
        train,
        "fit",
        STEP,
        EVALUATE,
        STATE,
        KEY,
        normals(8, 3),
        X,
        0.5,
        options={"batch_size": 2, "epochs": 2, "patience": 1.0},
        whole=(2,),
        without=OF_FIT,
    ),
    of(
        train,
        "sweep",
        dropped,
        jax.random.split(KEY, 2),
        np.array([0.2, 0.6], np.float32),
        options={"devices": jax.devices()[:1]},
        whole=(1, 2),
        without={
            **dict.fromkeys(("auto mesh", "explicit mesh", "shard_map"), "spreads its lanes over devices itself"),
            **dict.fromkeys(("legacy keys",), "takes an array of typed keys"),
            **NO_BATCH,
        },
    ),
)
RANDOM_CALLS = (
    of(random, "fold_in", KEY, np.uint32(3), without=NO_BATCH),
    of(random, "hash_at", KEY, np.arange(4, dtype=np.uint32)[:, None], np.arange(3, dtype=np.uint32)[None]),
    of(random, "hash_bits", KEY, (4, 3), without=NO_BATCH),
    of(random, "keep_mask", KEY, (4, 3), 0.5, without=NO_BATCH),
    of(random, "kept", np.arange(12, dtype=np.uint32).reshape(4, 3) << 28, 0.5),
    of(random, "normal", KEY, (4, 3), 1.0, without=NO_BATCH),
    of(random, "signed_uniform", KEY, (4, 3), without=NO_BATCH),
    of(random, "split", KEY, 2, without=NO_BATCH),
    of(random, "split_array", KEY, 2, without=NO_BATCH),
    of(random, "split_like", KEY, PARAMS, without=WEIGHTS),
)


def likely(key: Any, x: Any) -> Any:
    return jax.nn.softmax(noise.dropout(key, x, 0.5))


PROBS = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.5, 0.2], [0.1, 0.1, 0.8]], np.float32)
DIAGNOSE_CALLS = (
    of(
        diagnose,
        "curves",
        np.array([1.0, 0.5, 0.2, 0.1], np.float32),
        np.array([1.1, 0.7, 0.8, 0.9], np.float32),
        whole=(0, 1),
        without=dict.fromkeys(("empty batch", "one row"), "takes a history"),
    ),
    of(
        diagnose,
        "selection_optimism",
        np.random.default_rng(3).uniform(size=(4, 3)).astype(np.float32),
        np.random.default_rng(4).uniform(size=(4, 3)).astype(np.float32),
        whole=(0, 1),
        without=NO_BATCH,
    ),
    of(
        diagnose,
        "majority_baseline",
        np.array([0, 1, 1, 2]),
        options={"num_classes": 3},
        whole=(0,),
        without=NO_BATCH,
    ),
    of(diagnose, "sparsity", PARAMS, without=WEIGHTS),
    of(diagnose, "stable_rank", PARAMS, without=WEIGHTS),
    of(diagnose, "variance_shift", partial(noise.dropout, rate=0.5), KEY, X, without=MOMENTS),
    of(diagnose, "brier_score", PROBS, IDS),
    of(diagnose, "brier_score, two classes", PROBS[:, 0], IDS % 2),
    of(diagnose, "negative_log_likelihood", PROBS, IDS),
    of(diagnose, "calibration_error", PROBS, IDS, options={"num_bins": 3, "debiased": True}),
    of(diagnose, "calibration_error, mass", PROBS, IDS, options={"num_bins": 2, "binning": "mass", "norm": "l2"}),
    of(diagnose, "reliability", PROBS, IDS, options={"num_bins": 1}),
    of(
        diagnose,
        "temperature_scale",
        np.log(PROBS),
        np.array([0, 1, 1, 0], np.int32),
        tolerance=1e-3,
        without={"shard_map": "optax's line search cannot run on values that vary over shards"},
    ),
    of(diagnose, "mc_predict", likely, KEY, X, options={"num_samples": 5, "batch_size": 2}, tolerance=1e-4),
    of(diagnose, "mc_predict, no key", likely, None, X, options={"num_samples": 5}),
)


# The layers: made, initialized and called with noise.


def linen_applied(layer: Any, key: Any, *inputs: Any) -> Any:
    variables = layer.init({"params": KEY, "dropout": KEY}, *inputs)
    return layer.apply(variables, *inputs, rngs={"dropout": key}, mutable=["batch_stats"])


def nnx_applied(layer: Any, key: Any, *inputs: Any) -> Any:
    return layer(*inputs, rngs=key)


def nnx_plain(layer: Any, x: Any) -> Any:
    return layer(x), layer.mean[...]


def rngs() -> flax_nnx.Rngs:
    return flax_nnx.Rngs(0)


def made(make: Callable[..., Any]) -> Callable[..., Any]:
    """Make the layer inside the call: what flax stores belongs to the trace that it is used in."""
    return lambda *args, **options: make(*args, **options, rngs=rngs())


DROPPING = {
    "Dropout": {},
    "SpatialDropout": {"spatial_axes": 1},
    "AlphaDropout": {},
    "VariationalDropout": {},
    "DropBlock": {"block_size": 2, "spatial_axes": 1},
    "GaussianDropout": {},
    "GaussianNoise": {},
    "StochasticDepth": {},
}
TRAINING = {"deterministic": False}
NARROW = {"x64 mode": "flax keeps parameters in float32, and strict promotion refuses to mix them with wider inputs"}


def attended_in_flax(family: Any, q: Any, k: Any, v: Any, key: Any) -> Any:
    return family.dot_product_attention(q, k, v, broadcast_dropout=False, dropout_rng=key, dropout_rate=0.5)


TO_ATTEND = (*QKV[:1], *(normals(4, 6, 2, 3, seed=seed) for seed in (1, 2)))
LAYER_CALLS = (
    *(
        Call(
            f"{family.__name__.split('.')[-1]}.dot_product_attention",
            partial(attended_in_flax, family),
            (*TO_ATTEND, KEY),
        )
        for family in (linen, nnx)
    ),
    *(
        of(linen, name, 0.5, options={**options, **TRAINING}, then=linen_applied, data=(KEY, CUBE))
        for name, options in DROPPING.items()
    ),
    of(
        linen,
        "BatchNorm",
        options={"use_running_average": False},
        then=linen_applied,
        data=(KEY, X),
        without={**MOMENTS, **NARROW},
    ),
    *(
        of(linen, name, *args, options=TRAINING, then=linen_applied, data=(KEY, *inputs), without=NARROW)
        for name, args, inputs in (
            ("DropConnectDense", (2, 0.5), (X,)),
            ("Residual", (nn.Dense(3), 0.5), (X,)),
            ("Zoneout", (nn.SimpleCell(3), 0.5), (X, X)),
        )
    ),
    *(
        Call(f"nnx.{name}", made(getattr(nnx, name)), (0.5,), options, then=nnx_applied, data=(KEY, CUBE))
        for name, options in DROPPING.items()
    ),
    Call("nnx.BatchNorm", made(nnx.BatchNorm), (3,), then=nnx_plain, data=(X,), without={**MOMENTS, **NARROW}),
    Call(
        "nnx.DropConnectLinear",
        made(nnx.DropConnectLinear),
        (3, 2, 0.5),
        then=nnx_applied,
        data=(KEY, X),
        without=NARROW,
    ),
    Call(
        "nnx.Residual",
        lambda rate: nnx.Residual(flax_nnx.Linear(3, 3, rngs=rngs()), rate, rngs=rngs()),
        (0.5,),
        then=nnx_applied,
        data=(KEY, X),
        without=NARROW,
    ),
    Call(
        "nnx.Zoneout",
        lambda rate: nnx.Zoneout(flax_nnx.SimpleCell(3, 3, rngs=rngs()), rate, rngs=rngs()),
        (0.5,),
        then=nnx_applied,
        data=(KEY, X, X),
        without=NARROW,
    ),
)
CALLS = (
    *NOISE_CALLS,
    *AUGMENT_CALLS,
    *TARGET_CALLS,
    *PENALTY_CALLS,
    *NORM_CALLS,
    *OPTIM_CALLS,
    *TRAIN_CALLS,
    *RANDOM_CALLS,
    *DIAGNOSE_CALLS,
    *LAYER_CALLS,
)
HOST = {
    "diagnose.audit_optimizer": "writes a report on the host",
    **{
        f"diagnose.plot_{name}": "draws on the host"
        for name in ("calibration", "curves", "gaps", "masks", "path", "sweep")
    },
    "diagnose.lint": "traces a function and writes a report on the host",
    "diagnose.lint_optimizer": "writes a report on the host",
    "diagnose.linted": "traces a function and warns on the host",
    "linen.as_function": "takes a module apart on the host",
    "nnx.as_function": "takes a module apart on the host",
    "optim.greedy_soup": "chooses models by numbers on the host",
    "train.grid": "makes the settings of a sweep on the host",
    "train.halving": "chooses the settings of each rung on the host",
    "train.reshape_to_grid": "names the axes of a result on the host",
    "train.run": "a loop on the host",
    "train.tabulate": "makes a table on the host",
}
"""The public functions that no program can trace, each with the reason."""


def public() -> dict[str, Any]:
    """Every public function and every layer, under its name after `jreg.`."""
    found = {}
    for namespace in jreg.NAMESPACES:
        for name, value in vars(import_module(f"jreg.{namespace}")).items():
            is_layer = inspect.isclass(value) and namespace in ("linen", "nnx")
            if not name.startswith("_") and (inspect.isfunction(inspect.unwrap(value)) or is_layer):
                found[f"{namespace}.{name}"] = value
    return found
