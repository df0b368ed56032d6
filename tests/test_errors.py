"""Bad input, as one table: what is called, and the message that names function, argument and value."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import augment, diagnose, noise, norm, optim, penalty, random, targets, train

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 4)
X = jnp.ones((4, 3))
PLAIN_POWERS = X.astype(jnp.float8_e8m0fnu)
IDS = jnp.array([0, 1, 2, 0])
IMAGE = jnp.ones((4, 8, 8, 3))
PARAMS = {"dense": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}
BN = norm.init_batch_norm(3)
SGD = optax.sgd(0.1)
STOPPING = train.init_stopping(X)
STEP = train.make_step(lambda params, model_state, key, batch, hyper: (jnp.sum(params**2), ((), {})), SGD)


WORDS = jnp.arange(3, dtype=jnp.uint32)
QUERIES = jnp.ones((2, 5, 4, 3))


def attention(**changes):
    given = {"key": KEY, "q": QUERIES, "k": QUERIES, "v": QUERIES, "rate": 0.5}
    return noise.attention(**(given | changes))


def update(transformation, updates=PARAMS, params=PARAMS):
    return transformation.update(updates, transformation.init(PARAMS), params)


def fit(**changes):
    evaluate = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.sum(params**2)})
    given = {"key": KEY, "data": X, "batch_size": 2, "epochs": 2} | changes
    options = {name: value for name, value in given.items() if name not in ("key", "data")}
    return train.fit(STEP, evaluate, train.init_state(X, SGD), given["key"], given["data"], X, None, **options)


def step_without_key():
    return STEP(train.init_state(X, SGD), None, X, None)


BAD = [
    # keys
    (lambda: noise.dropout(0, X, 0.5), TypeError, r"dropout: key must be a PRNG key .*; got 0"),
    (lambda: noise.dropout(np, X, 0.5), TypeError, r"dropout: key must be a PRNG key .*; got <module 'numpy'"),
    (lambda: noise.dropout("key", X, 0.5), TypeError, r"dropout: key must be a PRNG key .*; got 'key'"),
    (lambda: noise.dropout(KEYS, X, 0.5), ValueError, r"dropout: key must be a single key; got .*\(4,\).*jax.vmap"),
    (lambda: noise.dropout(jnp.zeros(3, jnp.uint32), X, 0.5), TypeError, r"key must be .*; got uint32\[3\]"),
    (lambda: noise.dropout(jnp.zeros(2), X, 0.5), TypeError, r"key must be .*; got float32\[2\]"),
    (lambda: random.keep_mask(None, (3,), 0.5), TypeError, r"keep_mask: key must be .*noise itself; got None"),
    (lambda: random.hash_at(None, WORDS), TypeError, r"hash_at: key must be"),
    (lambda: random.hash_at(KEY, X), TypeError, r"hash_at: places must be an array of uint32; got dtype float32"),
    (
        lambda: random.hash_at(KEY),
        ValueError,
        r"hash_at: places must be arrays whose shapes broadcast; got shapes \[\]",
    ),
    (
        lambda: random.hash_at(KEY, WORDS, WORDS[1:]),
        ValueError,
        r"hash_at: places must be arrays whose shapes broadcast; got shapes \[\(3,\), \(2,\)\]",
    ),
    (lambda: attention(drop="values"), ValueError, r"^attention: drop must be one of 'weights', 'keys', 'heads'; got"),
    (lambda: attention(q=X), ValueError, r"^attention: q must be \(batch, .*, or without batch; got shape \(4, 3\)"),
    (lambda: attention(k=QUERIES[:, :, :3]), ValueError, r"^attention: k must have .* divides that of q; got shape"),
    (
        lambda: attention(k=QUERIES[:1]),
        ValueError,
        r"^attention: k must have the batch and the features of q, of shape",
    ),
    (
        lambda: attention(v=QUERIES[:, :2]),
        ValueError,
        r"^attention: v must be of shape .* like k, but for its features",
    ),
    (
        lambda: attention(v=QUERIES.astype("bfloat16")),
        TypeError,
        r"^attention: v must have the dtype of q, float32; got",
    ),
    (lambda: attention(mask=X), TypeError, r"^attention: mask must be an array of bools, True where .*; got"),
    (lambda: attention(bias=X), ValueError, r"^attention: bias must broadcast to .*\(2, 4, 5, 5\); got shape \(4, 3\)"),
    (lambda: attention(bias=IDS), TypeError, r"^attention: bias must be an array of floats; got dtype int32"),
    (lambda: attention(block_size=0), ValueError, r"^attention: block_size must be at least 1; got 0"),
    (lambda: attention(shared_axes=4), ValueError, r"^attention: shared_axes must name axes of a 4-dimensional array"),
    (lambda: attention(offset=(0, 3)), ValueError, r"^attention: offset must be a position \(batch, .*; got \(0, 3\)"),
    (lambda: attention(offset=(0, 0, -1, 0)), ValueError, r"^attention: offset must be in \[0, 2\*\*32\); got -1"),
    (lambda: attention(is_causal=1), TypeError, r"^attention: is_causal must be a bool; got 1"),
    (lambda: attention(rate=jnp.ones(2)), ValueError, r"^attention: rate must be a scalar; got shape \(2,\)"),
    (lambda: attention(scale=float("nan")), ValueError, r"^attention: scale must be a number other than NaN; got nan"),
    (lambda: random.hash_bits(None, (3,)), TypeError, r"hash_bits: key must be"),
    (lambda: random.hash_bits(KEY, (2**32, 1)), ValueError, r"hash_bits: axis 0 must be shorter than 2\*\*32"),
    (lambda: random.split(KEY, 2.0), TypeError, r"split: num must be a Python int; got 2.0"),
    (lambda: random.split(KEY, -1), ValueError, r"split: num must be at least 0; got -1"),
    (lambda: random.split(0), TypeError, r"key must be a PRNG key"),
    (lambda: random.fold_in(KEY, 1.5), TypeError, r"fold_in: data must be a whole number; got 1.5"),
    (lambda: random.fold_in(KEY, True), TypeError, r"fold_in: data must be a whole number; got True"),
    (lambda: random.fold_in(KEY, -1), ValueError, r"fold_in: data must be in \[0, 2\*\*32\); got -1"),
    (lambda: random.fold_in(KEY, 2**32), ValueError, r"fold_in: data must be in \[0, 2\*\*32\)"),
    (
        lambda: random.keep_mask(KEY, (3,), 0.5, bits=jax.random.normal),
        TypeError,
        r"keep_mask: bits must return uint32",
    ),
    # rates
    (lambda: noise.dropout(KEY, X, 1.2), ValueError, r"^dropout: rate must be in \[0, 1\]; got 1.2$"),
    (lambda: noise.dropout(None, X, -0.1), ValueError, r"^dropout: rate must be in \[0, 1\]; got -0.1$"),
    (lambda: noise.dropout(KEY, X, jnp.float32(2.0)), ValueError, r"dropout: rate must be in \[0, 1\]"),
    (lambda: noise.dropout(KEY, X, float("nan")), ValueError, r"dropout: rate must be in \[0, 1\]; got nan"),
    (lambda: noise.dropout(KEY, X, True), TypeError, r"dropout: rate must be a real number; got True"),
    (lambda: noise.dropout(KEY, X, "0.5"), TypeError, r"dropout: rate must be a real number; got '0.5'"),
    (lambda: noise.dropout(KEY, X, None), TypeError, r"dropout: rate must be a real number; got None"),
    (lambda: noise.dropout(KEY, X, 1j), TypeError, r"dropout: rate must be a real number; got 1j"),
    (lambda: jax.jit(noise.dropout)(KEY, X, 1j), TypeError, r"dropout: rate must be a real number; got a traced"),
    (lambda: noise.dropout(KEY, X, jnp.ones(3)), ValueError, r"dropout: rate must be a scalar or broadcast .*\(3,\)"),
    (lambda: noise.dropout(KEY, X, jnp.ones((4, 2))), ValueError, r"dropout: rate must be a scalar or broadcast"),
    (lambda: noise.dropconnect(KEY, PARAMS, 1.2), ValueError, r"^dropconnect: rate must be in \[0, 1\]; got 1.2$"),
    (lambda: noise.stochastic_depth(KEY, X, 1.2), ValueError, r"^stochastic_depth: rate must be in \[0, 1\]; got 1.2$"),
    (lambda: noise.depth_rates(1.2, 3), ValueError, r"depth_rates: final_rate must be in \[0, 1\]; got 1.2"),
    (lambda: noise.depth_rates(0.5, 0), ValueError, r"depth_rates: num_layers must be at least 1; got 0"),
    (
        lambda: noise.depth_rates(0.5, 3, rule="linear"),
        ValueError,
        r"depth_rates: rule must be one of 'huang'.*'linear'",
    ),
    # data
    (lambda: noise.dropout(KEY, jnp.arange(3), 0.5), TypeError, r"dropout: x must be .* floats; got dtype int32"),
    (lambda: noise.dropout(KEY, X > 0, 0.5), TypeError, r"dropout: x must be .* floats; got dtype bool"),
    (lambda: noise.dropout(KEY, [1.0], 0.5), TypeError, r"dropout: x must be an array; got list"),
    (lambda: noise.dropout(KEY, 1.0, 0.5), TypeError, r"dropout: x must be an array; got float"),
    (lambda: noise.dropout(KEY, None, 0.5), TypeError, r"dropout: x must be an array; got NoneType"),
    (lambda: noise.dropout(KEY, PARAMS, 0.5), TypeError, r"dropout: x must be an array; got dict"),
    (lambda: noise.dropout(KEY, X, 0.5, shared_axes=2), ValueError, r"dropout: shared_axes must name axes of a 2-dim"),
    (
        lambda: noise.dropout(KEY, X, 0.5, shared_axes=(0, -2)),
        ValueError,
        r"dropout: shared_axes must name each axis once",
    ),
    (lambda: noise.dropout(KEY, X, 0.5, shared_axes=(0.0,)), TypeError, r"dropout: shared_axes must hold ints"),
    (
        lambda: noise.spatial_dropout(KEY, X, 0.5),
        ValueError,
        r"spatial_dropout: x must be \(batch, \*space, channels\)",
    ),
    (
        lambda: noise.stochastic_depth(KEY, X, 0.5, per="rows"),
        ValueError,
        r"stochastic_depth: per must be one of 'example'",
    ),
    (
        lambda: noise.stochastic_depth(KEY, X, 0.5, rescale="both"),
        ValueError,
        r"stochastic_depth: rescale must be one of",
    ),
    (lambda: noise.stochastic_depth(KEY, jnp.float32(1.0), 0.5), ValueError, r"branch must have a batch axis"),
    (lambda: random.normal(KEY, (3,), jnp.inf), ValueError, r"^normal: std must be finite and at least 0; got inf$"),
    *(
        (
            partial(call, PLAIN_POWERS),
            TypeError,
            rf"^{name}: {argument} must .* dtype float8_e8m0fnu, which has no zero$",
        )
        for name, argument, call in (
            ("dropout", "x", lambda x: noise.dropout(KEY, x, 0.5)),
            ("spatial_dropout", "x", lambda x: noise.spatial_dropout(KEY, x, 0.5, spatial_axes=0)),
            ("variational_dropout", "x", lambda x: noise.variational_dropout(KEY, x, 0.5)),
            ("stochastic_depth", "branch", lambda x: noise.stochastic_depth(KEY, x, 0.5)),
            ("dropblock", "x", lambda x: noise.dropblock(KEY, x, 0.5, block_size=2, spatial_axes=0)),
            ("dropconnect", "tree", lambda x: noise.dropconnect(KEY, x, 0.5)),
            ("dropconnect_dense", "x", lambda x: noise.dropconnect_dense(KEY, x, X.T, 0.5)),
            ("dropconnect_dense", "kernel", lambda x: noise.dropconnect_dense(KEY, X.T, x, 0.5)),
            ("residual", "x", lambda x: noise.residual(lambda key, x: x, KEY, x, 0.5, skip="cond")),
        )
    ),
    # selections
    (
        lambda: noise.dropconnect(KEY, PARAMS, 0.5, mask=optim.matching("conv")),
        ValueError,
        r"mask must select at least",
    ),
    (lambda: penalty.l2({"bias": jnp.ones(3)}), ValueError, r"l2: mask must select at least one leaf .*: bias"),
    (lambda: penalty.l1({"a": {"b": "text"}}), TypeError, r"l1: tree must hold arrays; at a/b it has 'text'"),
    (lambda: penalty.l1({"a": [jnp.ones(2), jnp.sin]}), TypeError, r"l1: tree must hold arrays; at a/1 it has"),
    (lambda: penalty.l1({"key": KEY}), TypeError, r"l1: tree must hold arrays; at key it has"),
    (
        lambda: penalty.l1(PARAMS, mask={"dense": "yes"}),
        TypeError,
        r"l1: mask must hold bools; at dense it has 'yes'",
    ),
    (lambda: penalty.l1(PARAMS, mask={"dense": 1}), TypeError, r"l1: mask must hold bools; at dense it has 1"),
    (lambda: penalty.l1(PARAMS, mask={"head": True}), ValueError, r"l1: mask must be a prefix of the tree"),
    # penalties
    (lambda: penalty.elastic_net(X, 1.5), ValueError, r"elastic_net: l1_ratio must be in \[0, 1\]; got 1.5"),
    (lambda: penalty.group_lasso(X, axis=2), ValueError, r"group_lasso: axis must name axes of a 2-dim.*; got 2"),
    (lambda: penalty.orthogonality(X[0]), ValueError, r"orthogonality: tree must hold kernels of 2 axes or more; at"),
    (
        lambda: penalty.spectral({"a": [X, X[0]]}, mask=None),
        ValueError,
        r"spectral: tree must hold kernels of 2 axes or more; at a/1 it has shape \(3,\)",
    ),
    (lambda: penalty.spectral(X, num_steps=0), ValueError, r"spectral: num_steps must be at least 1; got 0"),
    (lambda: penalty.spectral({"a": jnp.sin}), TypeError, r"spectral: tree must hold arrays; at a it has"),
    (
        lambda: penalty.l2_sp({"a": X}, {"a": X[:2]}),
        ValueError,
        r"l2_sp: reference must have the shapes of tree; at a it has \(2, 3\) for \(4, 3\)",
    ),
    (lambda: penalty.l2_sp({"a": X}, {"b": X}), ValueError, r"l2_sp: reference must have the structure of tree; .*'b'"),
    (lambda: penalty.activity_l1(jnp.float32(1.0)), ValueError, r"activity_l1: x must have a batch axis; got shape \("),
    (lambda: penalty.activity_l2(IDS), TypeError, r"activity_l2: x must be an array of floats; got dtype int32"),
    (lambda: penalty.input_gradient(jnp.mean, X), ValueError, r"input_gradient: fn must return one row per example"),
    (
        lambda: penalty.input_gradient(lambda x: x, X),
        ValueError,
        r"input_gradient: fn must return one number per example; got shape \(4, 3\)",
    ),
    (lambda: penalty.jacobian(lambda x: x, KEY, IDS), TypeError, r"jacobian: x must be an array of floats; got dtype"),
    (lambda: penalty.jacobian(lambda x: x, 0, X), TypeError, r"jacobian: key must be a PRNG key .*; got 0"),
    (
        lambda: penalty.jacobian(lambda x: x, KEY, X, num_probes=0),
        ValueError,
        r"jacobian: num_probes must be at least 1; got 0",
    ),
    (
        lambda: penalty.total_variation(X),
        ValueError,
        r"total_variation: x must be \(batch, \*space, channels\) when spatial_axes is None; got shape \(4, 3\)",
    ),
    # targets
    (
        lambda: targets.smooth_labels(IDS, 1.5, num_classes=3),
        ValueError,
        r"smooth_labels: smoothing must be in \[0, 1\]",
    ),
    (lambda: targets.smooth_labels(IDS, 0.1), TypeError, r"smooth_labels: num_classes must be given for class ids"),
    (lambda: targets.smooth_labels(X, 0.1, num_classes=3), TypeError, r"smooth_labels: num_classes must be None"),
    (
        lambda: targets.smooth_labels(IDS, 0.1, num_classes=2),
        ValueError,
        r"smooth_labels: labels must be in \[0, 2\); got 2",
    ),
    (lambda: targets.smooth_labels(IDS - 1, 0.1, num_classes=3), ValueError, r"labels must be in \[0, 3\); got -1"),
    (lambda: targets.smooth_labels(IDS, 0.1, num_classes=1), ValueError, r"num_classes must be at least 2; got 1"),
    (lambda: targets.smooth_labels(jnp.ones((3, 1)), 0.1), ValueError, r"smooth_labels: labels must have two classes"),
    (lambda: targets.smooth_labels([0, 1], 0.1, num_classes=2), TypeError, r"smooth_labels: labels must be an array"),
    (lambda: targets.smoothed_cross_entropy(X, IDS + 1, 0.1), ValueError, r"labels must be in \[0, 3\); got 3"),
    (lambda: targets.smoothed_cross_entropy(X, IDS[:3], 0.1), ValueError, r"labels must have shape \(4,\)"),
    (lambda: targets.smoothed_cross_entropy(X, X[0], 0.1), ValueError, r"labels must have shape \(4, 3\)"),
    (
        lambda: targets.smoothed_cross_entropy(X, IDS, 0.1, where=IDS),
        ValueError,
        r"where must hold bools of shape \(4,\)",
    ),
    (lambda: targets.smoothed_cross_entropy(X, IDS, 0.1, axis=0), ValueError, r"labels must have shape \(3,\)"),
    (
        lambda: targets.smoothed_cross_entropy(X, IDS, 0.1, class_weights=jnp.ones(4)),
        ValueError,
        r"smoothed_cross_entropy: class_weights must have shape \(3,\)",
    ),
    (
        lambda: targets.smooth_binary_labels(IDS, 0.1),
        ValueError,
        r"smooth_binary_labels: labels must be in \[0, 1\]",
    ),
    (lambda: targets.confidence_penalty(IDS), TypeError, r"confidence_penalty: logits must be an array of floats"),
    (
        lambda: targets.distillation(X, X, 0.0),
        ValueError,
        r"distillation: temperature must be finite and above 0; got 0.0",
    ),
    (lambda: targets.distillation(X, X[0], 1.0), ValueError, r"distillation: teacher_logits must have shape \(4, 3\)"),
    (lambda: targets.consistency(X, X[:1]), ValueError, r"consistency: other_logits must have shape \(4, 3\)"),
    (lambda: targets.consistency(X, X, axis=()), TypeError, r"^consistency: axis must be an int; got \(\)"),
    (
        lambda: targets.smooth_labels(X, 0.1, axis=(0, 1)),
        TypeError,
        r"^smooth_labels: axis must be an int; got \(0, 1\)",
    ),
    (
        lambda: targets.smooth_labels(IDS, 0.1, num_classes=3, axis=None),
        TypeError,
        r"^smooth_labels: axis must be an int; got None",
    ),
    (
        lambda: targets.confidence_penalty(X, axis=True),
        TypeError,
        r"^confidence_penalty: axis must be an int; got True",
    ),
    (lambda: targets.confidence_penalty(X, axis=2), ValueError, r"^confidence_penalty: axis must name axes of a 2-dim"),
    # augmentation
    (lambda: augment.random_swap(0, IDS, 0.1), TypeError, r"random_swap: key must be a PRNG key"),
    (lambda: augment.random_swap(KEYS, IDS, 0.1), ValueError, r"random_swap: key must be a single key"),
    (lambda: augment.token_dropout(KEY, X, 0.1, mask_id=1), TypeError, r"token_dropout: tokens must hold integers"),
    (
        lambda: augment.random_deletion(None, IDS, 1.5, padding_id=0),
        ValueError,
        r"random_deletion: rate must be in \[0, 1\]",
    ),
    (
        lambda: augment.synonym_replacement(KEY, IDS, IDS, 0.1),
        ValueError,
        r"synonym_replacement: synonyms must be \(vocabulary, width\); got shape \(4,\)",
    ),
    (lambda: augment.back_translation(3, 4, KEY, IDS, 0.1), TypeError, r"translate must be a function .*; got 3"),
    (
        lambda: augment.random_time_stretch(KEY, X, 0.5, frame_length=4),
        ValueError,
        r"random_time_stretch: max_rate must be finite and at least 1",
    ),
    (
        lambda: augment.random_pitch_shift(KEY, IDS, 1.0),
        TypeError,
        r"random_pitch_shift: audio must be an array of floats",
    ),
    (lambda: augment.random_background_noise(KEY, X, X[0], 1.0), ValueError, r"noise must be \(recordings, length\)"),
    (lambda: augment.spec_augment(KEY, X[0], 1, 1), ValueError, r"spec_augment: spectrogram must be \(\*batch, time"),
    (
        lambda: augment.smote(KEY, X, IDS, num_classes=4, num_per_class=3),
        ValueError,
        r"smote: labels must hold each class; got none of class 3",
    ),
    (lambda: augment.swap_noise(KEY, X, "0.5"), TypeError, r"swap_noise: rate must be a real number; got '0.5'"),
    (lambda: augment.feature_mixup(KEY, X, IDS, 1.0), TypeError, r"feature_mixup: labels must be an array of floats"),
    (lambda: augment.mixup(KEY, (X, IDS), 0.2), TypeError, r"mixup: batch must hold floats; got int32 at 1.*one_hot"),
    (lambda: augment.mixup(None, (X, IDS), 0.2), TypeError, r"mixup: batch must hold floats; got int32 at 1"),
    (lambda: augment.mixup(KEY, X, -1.0), ValueError, r"mixup: alpha must be at least 0; got -1.0"),
    (lambda: augment.mixup(KEY, (X, X[:2]), 0.2), ValueError, r"mixup: batch must have one size"),
    (lambda: augment.mix(X, X[:2], 0.5), ValueError, r"mix: partner must have the shape"),
    (lambda: augment.mix(X, X, 1.5), ValueError, r"mix: weight must be in \[0, 1\]; got 1.5"),
    (lambda: augment.maybe(lambda key, x: x, 1.5), ValueError, r"maybe: prob must be in \[0, 1\]; got 1.5"),
    (lambda: augment.maybe(lambda key, x: x[:1], 0.5)(KEY, X), TypeError, r"maybe: fn must keep structure, shapes"),
    (lambda: augment.cutmix(KEY, (IMAGE, IDS), 1.0), TypeError, r"cutmix: batch must hold floats; got int32 .*one_hot"),
    (lambda: augment.cutmix(KEY, (IMAGE, X), -1.0), ValueError, r"cutmix: alpha must be at least 0; got -1.0"),
    (lambda: augment.cutmix(KEY, IMAGE, 1.0), TypeError, r"cutmix: batch must be a pair \(inputs, targets\)"),
    (lambda: augment.random_flip(KEY, IMAGE, 1.5), ValueError, r"random_flip: prob must be in \[0, 1\]; got 1.5"),
    (lambda: augment.random_flip(KEY, X, 0.5), ValueError, r"random_flip: images must have shape .*; got \(4, 3\)"),
    (lambda: augment.random_crop(KEY, IMAGE, size=(9, 9)), ValueError, r"random_crop: size must be at most \(8, 8\)"),
    (
        lambda: augment.random_rotate(KEY, IMAGE, -1),
        ValueError,
        r"random_rotate: degrees must be .*at least 0; got",
    ),
    (lambda: augment.random_hue(KEY, IMAGE, 0.6), ValueError, r"random_hue: strength must be in \[0, 0.5\]; got 0.6"),
    (lambda: augment.rand_augment(KEY, IMAGE, 9), ValueError, r"rand_augment: magnitude must be in \[0, 1\]; got 9"),
    (lambda: augment.random_erase(KEY, IMAGE, 2), ValueError, r"random_erase: prob must be in \[0, 1\]; got 2"),
    (
        lambda: augment.random_swap(KEY, IDS, 0.1, special_ids=1),
        TypeError,
        r"^random_swap: special_ids must be a sequence of ints; got 1",
    ),
    (
        lambda: augment.token_dropout(KEY, IDS, 0.1, mask_id=1, special_ids=None),
        TypeError,
        r"^token_dropout: special_ids must be a sequence of ints; got None",
    ),
    (
        lambda: augment.random_deletion(KEY, IDS, 0.1, padding_id=0, special_ids="12"),
        TypeError,
        r"^random_deletion: special_ids must be a sequence of ints; got '12'",
    ),
    (
        lambda: augment.manifold_mixup(KEY, (X, X), 1.0, layers=0.5),
        TypeError,
        r"^manifold_mixup: layers must be a tuple or list of functions of \(key, x\); got 0.5",
    ),
    (
        lambda: augment.manifold_mixup(KEY, (X, X), 1.0, layers=[0.5]),
        TypeError,
        r"^manifold_mixup: fn must be a function of \(key, x\); got 0.5",
    ),
    (
        lambda: augment.manifold_mixup(KEY, X, 1.0, layers=[lambda key, x: x]),
        TypeError,
        r"^manifold_mixup: batch must be a pair \(inputs, targets\); got",
    ),
    (
        lambda: augment.random_pitch_shift(KEY, X, 1.0),
        ValueError,
        r"^random_pitch_shift: audio must be longer than half of frame_length, 1024 samples; got shape \(4, 3\)",
    ),
    (
        lambda: augment.time_stretch(jnp.ones(8), 1.5, frame_length=16),
        ValueError,
        r"^time_stretch: audio must be longer than half of frame_length, 8 samples; got shape \(8,\)",
    ),
    (
        lambda: augment.random_rotate(KEY, IMAGE, jnp.ones(3)),
        ValueError,
        r"^random_rotate: degrees must be a scalar or broadcast against shape \(4,\) .*; got shape \(3,\)",
    ),
    (
        lambda: augment.random_shear(KEY, IMAGE, jnp.ones(3)),
        ValueError,
        r"^random_shear: degrees must be a scalar or broadcast against shape \(4,\) .*; got shape \(3,\)",
    ),
    (
        lambda: augment.random_color_jitter(KEY, IMAGE, 0.1, jnp.ones(3), 0.1, 0.1),
        ValueError,
        r"^random_color_jitter: contrast must be a scalar or broadcast against shape \(4,\) .*; got shape \(3,\)",
    ),
    (
        lambda: augment.rand_augment(KEY, IMAGE, jnp.ones(3)),
        ValueError,
        r"^rand_augment: magnitude must be a scalar or broadcast against shape \(4,\) .*; got shape \(3,\)",
    ),
    (
        lambda: augment.augmix(KEY, IMAGE, jnp.ones(3)),
        ValueError,
        r"^augmix: magnitude must be a scalar or broadcast against shape \(4,\) .*; got shape \(3,\)",
    ),
    (
        lambda: augment.adjust_saturation(IMAGE[..., :2], 0.5),
        ValueError,
        r"^adjust_saturation: images must have 1 or 3 channels, the last axis; got shape \(4, 8, 8, 2\)",
    ),
    (lambda: augment.grayscale(IMAGE[..., :2]), ValueError, r"^grayscale: images must have 1 or 3 channels"),
    (lambda: augment.adjust_contrast(IMAGE[..., :2], 1.0), ValueError, r"^adjust_contrast: images must have 1 or 3"),
    (
        lambda: augment.random_saturation(KEY, IMAGE[..., :2], 0.1),
        ValueError,
        r"^random_saturation: images must have 1",
    ),
    (lambda: augment.random_grayscale(KEY, IMAGE[..., :2], 0.1), ValueError, r"^random_grayscale: images must have 1"),
    (lambda: augment.random_hue(KEY, IMAGE[..., :1], 0.1), ValueError, r"^random_hue: images must have 3 channels"),
    (lambda: augment.adjust_hue(IMAGE[..., :1], 0.1), ValueError, r"^adjust_hue: images must have 3 channels"),
    (
        lambda: augment.random_color_jitter(None, IMAGE[..., :2], 0.1, 0.1, 0.1, 0.1),
        ValueError,
        r"^random_color_jitter: images must have 3 channels",
    ),
    (
        lambda: augment.rand_augment(KEY, IMAGE[..., :2], 0.1),
        ValueError,
        r"^rand_augment: images must have 1 or 3 chan",
    ),
    (
        lambda: augment.trivial_augment(KEY, IMAGE[..., :2]),
        ValueError,
        r"^trivial_augment: images must have 1 or 3 cha",
    ),
    (lambda: augment.one_of(), ValueError, r"one_of: fns must hold at least one transform"),
    (lambda: augment.chain(0.5), TypeError, r"chain: fn must be a function of \(key, x\); got 0.5"),
    (
        lambda: augment.per_example(lambda key, x: x)(KEY, jnp.float32(1)),
        ValueError,
        r"per_example: x must have one size on the first axis",
    ),
    # norm
    (lambda: norm.batch_norm(*BN, X[:1]), ValueError, r"batch_norm: x must have two values or more per feature"),
    (lambda: norm.batch_norm(*BN, X[:0]), ValueError, r"batch_norm: x must have two values or more per feature"),
    (lambda: norm.batch_norm(*BN, jnp.ones((4, 5))), ValueError, r"batch_norm: scale must have shape \(5,\)"),
    (lambda: norm.batch_norm(*BN, X, decay=1.5), ValueError, r"batch_norm: decay must be in \[0, 1\]; got 1.5"),
    (lambda: norm.batch_norm(*BN, X, eps=-1.0), ValueError, r"batch_norm: eps must be finite and at least 0; got -1.0"),
    (lambda: norm.batch_norm(*BN, X, eps="1"), TypeError, r"batch_norm: eps must be a real number; got '1'"),
    (lambda: norm.batch_norm({}, BN[1], X), TypeError, r"batch_norm: params must be a BatchNormParams; got dict"),
    (lambda: norm.batch_norm(BN[0], None, X), TypeError, r"batch_norm: stats must be a BatchNormStats; got NoneType"),
    (
        lambda: norm.batch_norm(BN[0]._replace(scale=1.0), BN[1], X),
        TypeError,
        r"batch_norm: scale must be an array; got float",
    ),
    (
        lambda: norm.batch_norm(*BN, X, axis_index_groups=[[0, 1]]),
        ValueError,
        r"batch_norm: axis_index_groups must come with an axis_name; got \[\[0, 1\]\]",
    ),
    (
        lambda: norm.batch_norm_inference(BN[0], BN[0], X),
        TypeError,
        r"batch_norm_inference: stats must be a BatchNormStats; got BatchNormParams",
    ),
    (lambda: norm.batch_norm(*BN, jnp.ones((4, 3), int)), TypeError, r"batch_norm: x must be an array of floats"),
    (lambda: norm.batch_norm(*BN, X, ddof=2), ValueError, r"batch_norm: ddof must be 0 or 1; got 2"),
    (lambda: norm.batch_norm(*BN, X, ddof=1.0), TypeError, r"batch_norm: ddof must be a Python int; got 1.0"),
    (
        lambda: norm.batch_norm(*BN, X, axis_name="batch"),
        ValueError,
        r"batch_norm: axis_name must name axes of the vmap or shard_map around it; got 'batch'",
    ),
    (lambda: norm.batch_renorm(*BN, X, 3.0, 5.0, axis_name=0), TypeError, r"axis_name must be a string or a tuple"),
    (
        lambda: norm.recalibrate(BN[1], BN[1], X),
        TypeError,
        r"recalibrate: fn must be a function fn\(stats, batch, decay",
    ),
    (lambda: norm.batch_norm(*BN, X, ghost_size=3), ValueError, r"batch_norm: ghost_size must divide the first axis"),
    (
        lambda: norm.batch_norm(*BN, X, ghost_size=1),
        ValueError,
        r"ghost_size must leave two values or more per feature",
    ),
    (lambda: norm.batch_norm(*BN, X, where=X), TypeError, r"batch_norm: where must be an array of bools; got"),
    (
        lambda: norm.batch_norm_inference(BN[0], BN[1]._replace(variance=-X[0]), X),
        ValueError,
        r"batch_norm_inference: variance must be at least 0; got \[-1. -1. -1.\]",
    ),
    (lambda: norm.batch_renorm(*BN, X, 0.5, 0.0), ValueError, r"batch_renorm: r_max must be at least 1; got 0.5"),
    (lambda: norm.batch_renorm(*BN, X, 1.0, -1.0), ValueError, r"batch_renorm: d_max must be at least 0; got -1.0"),
    (lambda: norm.batch_renorm(None, BN[1], X, 1.0, 0.0), TypeError, r"batch_renorm: params must be a BatchNormParams"),
    (lambda: norm.batch_renorm(*BN, X, X[0], 0.0), ValueError, r"batch_renorm: r_max must be a scalar"),
    (lambda: norm.debiased_decay(1.5, 0), ValueError, r"debiased_decay: decay must be in \[0, 1\]; got 1.5"),
    (
        lambda: norm.recalibrate(lambda s, b, d: s, BN[1], X[:0]),
        ValueError,
        r"recalibrate: batches must hold arrays of",
    ),
    (lambda: norm.init_spectral_vector(None, 3), TypeError, r"init_spectral_vector: key must be a PRNG key"),
    (lambda: norm.spectral_normalize(X, X[0, :2]), ValueError, r"spectral_normalize: vector must have shape \(3,\)"),
    (lambda: norm.weight_normalize(X, X[0, :2]), ValueError, r"weight_normalize: scale must have shape \(3,\)"),
    (lambda: norm.standardize_weights(X[:1]), ValueError, r"standardize_weights: kernel must have a fan-in of two"),
    (lambda: norm.init_batch_norm(0), ValueError, r"init_batch_norm: num_features must be at least 1; got 0"),
    # transformations
    (lambda: optim.add_l1(-0.1), ValueError, r"add_l1: strength must be finite and at least 0; got -0.1"),
    (lambda: optim.add_l2(float("nan")), ValueError, r"add_l2: strength must be finite and at least 0; got nan"),
    (
        lambda: optim.with_decoupled_decay(SGD, 1.0),
        ValueError,
        r"^with_decoupled_decay: weight_decay must be below 1 without a learning_rate, .*; got 1.0. Write .*torch",
    ),
    (
        lambda: optim.with_decoupled_decay(SGD, 20.0, learning_rate=0.1),
        ValueError,
        r"with_decoupled_decay: learning_rate \* weight_decay must be below 1, .*; got 0.1 \* 20.0",
    ),
    (lambda: optim.with_float32_copy(optax.sgd), TypeError, r"inner must be an optax transformation; .*Call it first"),
    (lambda: optim.constrain(None), TypeError, r"^constrain: projection must be a function of a tree.*; got None"),
    (lambda: optim.proximal(None, 0.1, 0.1), TypeError, r"^proximal: operator must be a function of .*; got None"),
    (
        lambda: optim.with_proximal(SGD, None, 0.1),
        TypeError,
        r"^with_proximal: operator must be a function of .*; got None",
    ),
    (lambda: optim.with_l1(SGD, -0.1), ValueError, r"^with_l1: strength must be finite and at least 0; got -0.1"),
    (
        lambda: optim.with_l1(optax.adam, 0.1),
        TypeError,
        r"^with_l1: inner must be an optax transformation; .*Call it first",
    ),
    (
        lambda: optim.with_elastic_net(SGD, 0.1, -1.0),
        ValueError,
        r"^with_elastic_net: l2 must be finite and at least 0; got",
    ),
    (lambda: update(optim.with_l1(SGD, 0.1), params=None), ValueError, r"^with_l1: params must be given to update"),
    (
        lambda: update(optim.with_group_lasso(SGD, 0.1, axis=2)),
        ValueError,
        r"^with_group_lasso: axis must name axes of a 2-dimensional array; got 2 at dense/kernel",
    ),
    (
        lambda: optim.with_l1(optax.adafactor(0.1), 0.1).init(X),
        ValueError,
        r"^with_l1: inner must scale each weight's step by itself, .*; got one with FactoredState",
    ),
    (lambda: optim.constrain_unit_norm(axis=None), TypeError, r"axis must be an int or a sequence of ints; got None"),
    (
        lambda: optim.add_l2(10**400),
        ValueError,
        r"^add_l2: strength must be a number that a float can hold; got an int",
    ),
    (
        lambda: optim.add_l2(np.timedelta64(1)),
        TypeError,
        r"^add_l2: strength must be a real number; got np.timedelta64",
    ),
    (lambda: optim.add_l2(jnp.ones(2)), ValueError, r"^add_l2: strength must be a scalar; got shape \(2,\)$"),
    (
        lambda: update(optim.add_l1(0.1), updates={"dense": {"kernel": np.ones((3, 2), ">f4"), "bias": jnp.ones(2)}}),
        TypeError,
        r"^add_l1: updates must hold arrays that JAX can compute with; at dense/kernel it has dtype >f4",
    ),
    (lambda: optim.sam_gradient(jax.grad(jnp.sum), X), ValueError, r"^sam_gradient: rho must be a scalar; got shape"),
    (lambda: optim.matching("("), ValueError, r"^matching: pattern must be a regular expression; got '\('"),
    (lambda: optim.add_l2("0.1"), TypeError, r"add_l2: strength must be a real number; got '0.1'"),
    (lambda: optim.add_l2(True), TypeError, r"add_l2: strength must be a real number; got True"),
    (lambda: optim.prox_l1(0.1, None), TypeError, r"prox_l1: learning_rate must be a real number; got None"),
    (
        lambda: optim.with_decoupled_decay(SGD, -1.0),
        ValueError,
        r"with_decoupled_decay: weight_decay must be finite",
    ),
    (lambda: optim.add_l2(0.1).init({"bias": X[0]}), ValueError, r"add_l2: mask must select at least one leaf"),
    (lambda: update(optim.add_l2(0.1), params=None), ValueError, r"add_l2: params must be given to update"),
    (
        lambda: update(optim.with_decoupled_decay(SGD, 0.1), params=None),
        ValueError,
        r"with_decoupled_decay: params must",
    ),
    (
        lambda: update(optim.add_l2(0.1), updates={"dense": {"kernel": jnp.ones((1, 2)), "bias": jnp.ones(2)}}),
        ValueError,
        r"add_l2: updates must have the shapes of params; at dense/kernel it has \(1, 2\) for \(3, 2\)",
    ),
    (
        lambda: update(optim.add_l2(0.1), updates={"dense": {"kernel": jnp.ones((3, 2))}}),
        ValueError,
        r"add_l2: updates must have the structure of params; .*only in params: \['dense/bias'\]",
    ),
    (lambda: optim.soft_threshold(X, -1.0), ValueError, r"soft_threshold: threshold must be at least 0; got -1.0"),
    (lambda: optim.soft_threshold(1.0, 1.0), TypeError, r"soft_threshold: x must be an array; got float"),
    (
        lambda: optim.block_soft_threshold(X, X, axis=0),
        ValueError,
        r"block_soft_threshold: threshold must be a scalar or broadcast against shape \(1, 3\)",
    ),
    (lambda: optim.block_soft_threshold(X, 1.0, axis=2), ValueError, r"block_soft_threshold: axis must name axes of a"),
    (
        lambda: optim.elastic_net_threshold(X, 1.0, -1.0),
        ValueError,
        r"elastic_net_threshold: l2_threshold must be at least 0; got -1.0",
    ),
    (lambda: optim.add_elastic_net(-0.1, 0.1), ValueError, r"add_elastic_net: l1 must be finite and at least 0; got"),
    (lambda: optim.add_elastic_net(0.1, None), TypeError, r"add_elastic_net: l2 must be a real number; got None"),
    (lambda: optim.add_l2({"dense": -1.0}), ValueError, r"add_l2: strength must be finite and at least 0; got -1.0"),
    (lambda: update(optim.add_l2({"head": 0.1})), ValueError, r"add_l2: strength must be a prefix of the tree"),
    (lambda: update(optim.add_l2(X[0])), ValueError, r"add_l2: strength must be a scalar"),
    (
        lambda: update(optim.add_l2(0.1, mask={"dense": {"kernel": X > 0, "bias": False}})),
        ValueError,
        r"add_l2: mask must be a scalar or broadcast against shape \(3, 2\) with as many axes; got shape \(4, 3\)",
    ),
    (
        lambda: optim.prox_elastic_net(0.1, -0.1, 0.1),
        ValueError,
        r"prox_elastic_net: l2 must be finite and at least 0; got -0.1",
    ),
    (
        lambda: update(optim.prox_group_lasso(0.1, 0.1, axis=2)),
        ValueError,
        r"prox_group_lasso: axis must name axes of a 2-dimensional array; got 2",
    ),
    (
        lambda: optim.prox_group_lasso(0.1, float("inf"), axis=0),
        ValueError,
        r"prox_group_lasso: learning_rate must be finite and at least 0; got inf",
    ),
    (
        lambda: optim.with_decoupled_decay(SGD, 0.1, learning_rate=-0.1),
        ValueError,
        r"with_decoupled_decay: learning_rate must be finite and at least 0; got -0.1",
    ),
    (
        lambda: optim.decay_towards(PARAMS, float("nan")),
        ValueError,
        r"decay_towards: strength must be finite and at least 0; got nan",
    ),
    (
        lambda: update(optim.decay_towards({"dense": {"kernel": X}}, 0.1)),
        ValueError,
        r"decay_towards: reference must have the structure of params; .*only in params: \['dense/bias'\]",
    ),
    (
        lambda: update(optim.decay_towards({"dense": {"kernel": X, "bias": X[0]}}, 0.1)),
        ValueError,
        r"decay_towards: reference must have the shapes of params; at dense/bias it has \(3,\) for \(2,\)",
    ),
    (
        lambda: optim.constrain_max_norm(-1.0),
        ValueError,
        r"constrain_max_norm: limit must be finite and at least 0; got -1.0",
    ),
    (
        lambda: update(optim.constrain_max_norm(1.0, axis=(0, -2))),
        ValueError,
        r"constrain_max_norm: axis must name each",
    ),
    (lambda: update(optim.constrain_unit_norm(axis=2)), ValueError, r"constrain_unit_norm: axis must name axes of a"),
    (
        lambda: update(optim.constrain(lambda tree: [tree])),
        ValueError,
        r"constrain: what projection returns must have the structure of what it is given",
    ),
    (
        lambda: optim.constrain_spectral_norm(-1.0),
        ValueError,
        r"^constrain_spectral_norm: limit must be finite and at least 0; got -1.0",
    ),
    (lambda: diagnose.stable_rank({"bias": X[0]}), ValueError, r"^stable_rank: mask must select at least one leaf"),
    (lambda: optim.average_params(1.1), ValueError, r"average_params: decay must be in \[0, 1\]; got 1.1"),
    (lambda: update(optim.average_params(0.9), params=None), ValueError, r"average_params: params must be given"),
    (
        lambda: optim.averaged_params(SGD.init(X)),
        ValueError,
        r"averaged_params: opt_state must hold one average, or na",
    ),
    (lambda: optim.average_params(0.9, every=0), ValueError, r"average_params: every must be at least 1; got 0"),
    (lambda: optim.average_params(0.9, name=""), TypeError, r"average_params: name must be a string with .*; got ''"),
    (lambda: optim.power_average(0.3), ValueError, r"power_average: sigma_rel must be in \(0, 0.288675\]; got 0.3"),
    (lambda: optim.latest_average(0), ValueError, r"latest_average: num must be at least 1; got 0"),
    (
        lambda: optim.take_snapshots(SGD.init(X)),
        ValueError,
        r"take_snapshots: opt_state must hold the state of a power",
    ),
    (lambda: optim.merge_params([X], [0.0]), ValueError, r"merge_params: weights must have a finite sum other than 0"),
    (lambda: optim.merge_weights([0.1, 0.2]), ValueError, r"merge_weights: decay must never rise; got \[0.1, 0.2\]"),
    (lambda: optim.greedy_soup(jnp.sum, X), TypeError, r"greedy_soup: trees must be a list of models; got Array"),
    (lambda: optim.synthesize_average([], 0.1), ValueError, r"synthesize_average: snapshots must hold at least one"),
    (
        lambda: optim.swa_schedule(0.1, 0.1, 0.1, start=-1),
        ValueError,
        r"swa_schedule: start must be at least 0; got -1",
    ),
    (lambda: optim.sam_gradient(jax.grad(jnp.sum), -0.1), ValueError, r"sam_gradient: rho must be finite and at least"),
    (
        lambda: optim.sam_gradient(lambda params: 1.0, 0.1)(PARAMS),
        ValueError,
        r"sam_gradient: grad_fn must return gradients in the structure of params, or a pair with them second",
    ),
    (lambda: update(optim.with_float32_copy(SGD), params=None), ValueError, r"with_float32_copy: params must be given"),
    (lambda: optim.with_stochastic_rounding(SGD, 0), TypeError, r"with_stochastic_rounding: key must be a PRNG key"),
    # training
    (step_without_key, TypeError, r"step: key must be a PRNG key"),
    (lambda: fit(key=None), TypeError, r"fit: key must be a PRNG key"),
    (lambda: fit(batch_size=5), ValueError, r"fit: batch_size must be at most the 4 examples of train_data; got 5"),
    (lambda: fit(batch_size=0), ValueError, r"fit: batch_size must be at least 1; got 0"),
    (lambda: fit(epochs=0), ValueError, r"fit: epochs must be at least 1; got 0"),
    (lambda: fit(data=(X, X[:2])), ValueError, r"fit: train_data must hold arrays of one length"),
    (lambda: fit(data=X[:0]), ValueError, r"fit: train_data must hold arrays of one length, at least 1"),
    (lambda: fit(monitor="accuracy"), ValueError, r"fit: monitor must be one of the validation metrics \['loss'\]"),
    (lambda: fit(monitor="accuracy", patience=1), ValueError, r"fit: monitor must be one of the validation metrics"),
    (lambda: fit(patience=-1), ValueError, r"patience must be at least 0; got -1"),
    (lambda: fit(mode="up"), ValueError, r"mode must be one of 'min', 'max'; got 'up'"),
    (lambda: fit(warmup=-1), ValueError, r"warmup must be at least 0; got -1"),
    (lambda: fit(last_batch="wrap"), ValueError, r"fit: last_batch must be one of 'drop', 'keep', 'pad'; got 'wrap'"),
    (lambda: train.make_step(len, SGD, accumulate=0), ValueError, r"make_step: accumulate must be at least 1; got 0"),
    (lambda: train.make_step(len, SGD, compute_dtype=int), TypeError, r"make_step: compute_dtype must be a dtype of"),
    (
        lambda: train.make_step(len, SGD, compute_dtype="text"),
        TypeError,
        r"make_step: compute_dtype must be a dtype of",
    ),
    (lambda: train.make_step(len, SGD, wrap_gradient=0.5), TypeError, r"make_step: wrap_gradient must be a function"),
    (lambda: fit(monitor=X), ValueError, r"fit: monitor must be one of the validation metrics \['loss'\]; got"),
    (
        lambda: train.update_stopping(STOPPING, 1.0, X[:2], 1, 0.0),
        ValueError,
        r"update_stopping: params must have the shapes of the best ones; at its root it has \(2, 3\) for \(4, 3\)",
    ),
    (
        lambda: train.sweep(len, KEYS, X, devices=5),
        TypeError,
        r"sweep: devices must be a sequence of JAX's devices; got 5",
    ),
    (
        lambda: noise.dropblock(KEY, IMAGE, 0.5, block_size=2, shared_channels=1),
        TypeError,
        r"dropblock: shared_channels must be a bool; got 1",
    ),
    (lambda: noise.dropout(KEY, X, 0.5, bits=X), TypeError, r"dropout: bits must be a function bits\(key, shape\)"),
    (
        lambda: noise.dropconnect_dense(KEY, X, X.T.astype(jnp.float16), 0.5),
        TypeError,
        r"dropconnect_dense: kernel must have a dtype that promotes with float32; got float16",
    ),
    (
        lambda: augment.affine(IMAGE, X),
        ValueError,
        r"affine: matrix must have shape \(2, 3\) or \(4, 2, 3\); got \(4, 3\)",
    ),
    (
        lambda: augment.erase(IMAGE, [0, 0, 2, 2], fill=X),
        ValueError,
        r"erase: fill must be a scalar or have shape \(3,\)",
    ),
    (
        lambda: augment.swap_noise(KEY, KEYS, 0.5),
        TypeError,
        r"swap_noise: x must be an array that JAX can compute with",
    ),
    (lambda: train.reduce_on_plateau(1.5, 2), ValueError, r"reduce_on_plateau: factor must be in \[0, 1\]; got 1.5"),
    (lambda: train.reduce_on_plateau(0.5, -1), ValueError, r"reduce_on_plateau: patience must be at least 0; got"),
    (
        lambda: train.reduce_on_plateau(0.5, 2, cooldown="1"),
        TypeError,
        r"reduce_on_plateau: cooldown must be a real number",
    ),
    (
        lambda: train.reduce_on_plateau(0.5, 2, rtol=X),
        ValueError,
        r"reduce_on_plateau: rtol must be a scalar; got shape",
    ),
    (lambda: train.update_plateau((), None), TypeError, r"update_plateau: value must be a scalar; got None"),
    (
        lambda: train.update_plateau((), 1.0, mode="up"),
        ValueError,
        r"update_plateau: mode must be one of 'min', 'max'; got 'up'",
    ),
    (lambda: train.per_step(0.5), TypeError, r"per_step: schedule must be a function \(step\) -> number; got 0.5"),
    (lambda: train.per_epoch("text"), TypeError, r"per_epoch: values must be an array of real numbers or a function"),
    (lambda: train.per_epoch(None), TypeError, r"per_epoch: values must be an array of real numbers or a.*; got None"),
    (lambda: train.per_epoch(0.5), ValueError, r"per_epoch: values must have an entry per epoch.*; got shape \(\)"),
    (lambda: train.per_epoch([]), ValueError, r"per_epoch: values must have an entry per epoch.*; got shape \(0,\)"),
    (lambda: train.per_epoch([0.5, float("nan")]), ValueError, r"per_epoch: values must hold no NaN"),
    (lambda: train.per_epoch([2**40]), ValueError, r"per_epoch: values must hold numbers that fit into int32"),
    (
        lambda: STEP(train.init_state(X, SGD), KEY, X, {"rate": train.per_epoch([0.5])}),
        TypeError,
        r"step: hyper must hold numbers, arrays and schedules of the step; at rate it has a per_epoch",
    ),
    (
        lambda: train.grid({"rate": train.per_epoch([0.5])}),
        ValueError,
        r"grid: axes must hold schedules as per_epoch of an array \(values, epochs\); rate has one of shape \(1,\)",
    ),
    (lambda: train.grid({"rate": []}), ValueError, r"grid: axes must hold lists of numbers.*; rate has \[\]"),
    (
        lambda: train.reshape_to_grid({"rate": [0.5]}, X),
        ValueError,
        r"reshape_to_grid: results must hold arrays \(1 settings",
    ),
    (
        lambda: train.tabulate({}, {}, by="valid"),
        ValueError,
        r"tabulate: by must be one of the scores \[\]; got 'valid'",
    ),
    (lambda: train.update_stopping(STOPPING, X, X, 1, 0.0), TypeError, r"update_stopping: value must be a scalar"),
    (lambda: train.update_stopping(STOPPING, None, X, 1, 0.0), TypeError, r"update_stopping: value must be a scalar"),
    (
        lambda: train.update_stopping(STOPPING, 1.0, X, float("nan"), 0.0),
        ValueError,
        r"patience must be at least 0; got nan",
    ),
    (lambda: train.update_stopping(STOPPING, 1.0, X, 1, -0.1), ValueError, r"min_delta must be at least 0; got -0.1"),
    (
        lambda: train.sweep(lambda key, hyper: hyper, KEY, {"rate": X[0]}),
        ValueError,
        r"sweep: keys must be an array of keys",
    ),
    (
        lambda: train.sweep(lambda key, hyper: hyper, KEYS, {}),
        ValueError,
        r"sweep: hypers must hold arrays of one length",
    ),
    (
        lambda: train.sweep(lambda key, hyper: hyper, KEYS, 0.5),
        TypeError,
        r"sweep: hypers must hold arrays; at its root it has 0.5. Write jnp.array",
    ),
    (
        lambda: train.ensemble(len, train.init_state(X, SGD), X),
        ValueError,
        r"ensemble: states must have axes of lanes in front",
    ),
    (lambda: train.ensemble(len, X, X), TypeError, r"ensemble: states must be a TrainState, from init_state, or a Fit"),
    # diagnosis
    (lambda: diagnose.curves(X[0], X[0, :2]), ValueError, r"curves: train and valid must be histories \(steps,\) or"),
    (
        lambda: diagnose.curves(X[0], X[0], mode="low"),
        ValueError,
        r"curves: mode must be one of 'min', 'max'; got 'low'",
    ),
    (
        lambda: diagnose.curves(X[0], X[0], tolerance=-1.0),
        ValueError,
        r"curves: tolerance must be at least 0; got -1.0",
    ),
    (
        lambda: diagnose.curves({"loss": X[0]}, {"loss": X[0]}, metric="score"),
        ValueError,
        r"curves: metric must be one of \['loss'\], the names in train; got 'score'",
    ),
    (
        lambda: diagnose.majority_baseline(IDS, num_classes=2),
        ValueError,
        r"majority_baseline: labels must be in \[0, 2\)",
    ),
    (
        lambda: diagnose.selection_optimism(X, X[0]),
        ValueError,
        r"selection_optimism: valid and test must have one shape \(settings, seeds\)",
    ),
    (
        lambda: diagnose.variance_shift(noise.dropout, KEY, X, num_samples=0),
        ValueError,
        r"variance_shift: num_samples must be at least 1; got 0",
    ),
    (
        lambda: diagnose.mc_predict(noise.dropout, KEY, X, num_samples=0),
        ValueError,
        r"mc_predict: num_samples must be at least 1; got 0",
    ),
    (
        lambda: diagnose.mc_predict(noise.dropout, KEY, X, num_samples=2, batch_size=0),
        ValueError,
        r"mc_predict: batch_size must be at least 1; got 0",
    ),
    (
        lambda: diagnose.brier_score(5.0 * X, IDS),
        ValueError,
        r"brier_score: probs must sum to 1, such as jax.nn.softmax\(logits\); got \[",
    ),
    (
        lambda: diagnose.negative_log_likelihood(jnp.array([0.5, 1.5]), jnp.array([0, 1])),
        ValueError,
        r"negative_log_likelihood: probs must be in \[0, 1\], such as jax.nn.sigmoid\(logits\); got 1.5",
    ),
    (
        lambda: diagnose.calibration_error(jnp.eye(3), jnp.arange(3), norm="max", debiased=True),
        ValueError,
        r"calibration_error: norm must be 'l1' or 'l2' where debiased is True; got 'max'",
    ),
    (
        lambda: diagnose.calibration_error(jnp.eye(3), jnp.arange(3), binning="equal"),
        ValueError,
        r"calibration_error: binning must be one of 'width', 'mass'; got 'equal'",
    ),
    (
        lambda: diagnose.reliability(jnp.eye(3), jnp.arange(3), num_bins=0),
        ValueError,
        r"reliability: num_bins must be at least 1; got 0",
    ),
    (
        lambda: diagnose.reliability(jnp.eye(3), jnp.eye(3)),
        TypeError,
        r"reliability: labels must be class ids; got dtype float32. Of one-hot rows take the argmax",
    ),
    (
        lambda: diagnose.temperature_scale(jnp.eye(3), jnp.arange(1, 4)),
        ValueError,
        r"temperature_scale: labels must be in \[0, 3\); got 3",
    ),
    (
        lambda: diagnose.temperature_scale(jnp.eye(3), jnp.arange(2)),
        ValueError,
        r"temperature_scale: labels must be class ids, of shape \(3,\) for logits of shape \(3, 3\)",
    ),
    (
        lambda: diagnose.plot_masks(KEY, 1.5),
        ValueError,
        r"plot_masks: rate must be in \[0, 1\]; got 1.5",
    ),
    (
        lambda: diagnose.plot_masks(KEY, 0.5, shape=(4, 4)),
        ValueError,
        r"plot_masks: shape must hold four sizes of at least 1, and noises a function; got \(4, 4\)",
    ),
    (
        lambda: diagnose.plot_calibration({"a": X}),
        TypeError,
        r"plot_calibration: found must be a Reliability, from reliability; got",
    ),
    (
        lambda: diagnose.lint(3, X),
        TypeError,
        r"lint: fn must be a function fn\(\*args, \*\*kwargs\) that JAX can trace; got",
    ),
    (
        lambda: diagnose.linted(None),
        TypeError,
        r"linted: fn must be a function fn\(\*args, \*\*kwargs\) that JAX can trace",
    ),
    (
        lambda: diagnose.lint_optimizer(optim, PARAMS),
        TypeError,
        r"audit_optimizer: optimizer must be an optax transformation; got <module",
    ),
    (lambda: diagnose.sparsity({"bias": X[0]}), ValueError, r"sparsity: mask must select at least one leaf"),
    (
        lambda: diagnose.audit_optimizer(optim, PARAMS),
        TypeError,
        r"audit_optimizer: optimizer must be an optax transformation; got <module",
    ),
    (
        lambda: diagnose.audit_optimizer(optax.polyak_sgd(), PARAMS),
        TypeError,
        r"audit_optimizer: optimizer must work with .* alone, under jit; got .*'value'",
    ),
    (lambda: diagnose.audit_optimizer(SGD, {}), ValueError, r"audit_optimizer: params must hold at least one array of"),
    (
        lambda: diagnose.audit_optimizer(SGD, IDS),
        ValueError,
        r"audit_optimizer: params must hold at least one array of",
    ),
    (
        lambda: diagnose.audit_optimizer(SGD, {"a": [jnp.sin]}),
        TypeError,
        r"audit_optimizer: params must hold arrays; at a/0 it has",
    ),
    (
        lambda: diagnose.audit_optimizer(SGD, {"key": KEY}),
        TypeError,
        r"audit_optimizer: params must hold arrays; at key it has",
    ),
    (
        lambda: diagnose.audit_optimizer(SGD, PARAMS, learning_rate=0.1),
        TypeError,
        r"audit_optimizer: optimizer must be a function of the learning rate, as learning_rate is given; got",
    ),
    (
        lambda: diagnose.audit_optimizer(SGD, PARAMS, steps_per_epoch=0),
        ValueError,
        r"audit_optimizer: steps_per_epoch must be finite and above 0; got 0",
    ),
    (
        lambda: diagnose.audit_optimizer(SGD, PARAMS, num_steps=0),
        ValueError,
        r"audit_optimizer: num_steps must be at least 1; got 0",
    ),
    (
        lambda: diagnose.audit_optimizer(SGD, PARAMS, num_steps=1.0),
        TypeError,
        r"audit_optimizer: num_steps must be a Python int; got 1.0",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=[row[2][:60] for row in BAD])
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


TRACED = [
    (lambda v: noise.depth_rates(v, 3), 1.5),
    (lambda v: penalty.elastic_net(X, v), -0.5),
    (lambda v: targets.smooth_labels(X, v), 1.5),
    (lambda v: targets.smoothed_cross_entropy(X, IDS, v), -0.5),
    (lambda v: targets.distillation(X, X, v), -1.0),
    (lambda v: targets.smooth_binary_labels(X, v), 1.5),
    (lambda v: augment.mixup(KEY, X, v), -0.5),
    (lambda v: augment.random_brightness(KEY, IMAGE, v), -0.5),
    (lambda v: augment.cutmix(KEY, (IMAGE, X), v)[0], -0.5),
    (lambda v: augment.mix(X, X, v), 1.5),
    (lambda v: augment.maybe(lambda key, x: -x, v)(KEY, X), 1.5),
    (lambda v: norm.batch_norm(*BN, jnp.eye(4, 3), decay=v)[1].mean, 1.5),
    (lambda v: norm.batch_norm(*BN, jnp.eye(4, 3), eps=v)[0], -0.5),
    (lambda v: norm.batch_norm_inference(*BN, X, eps=v), -0.5),
    (lambda v: norm.spectral_normalize(X, X[0], eps=v)[0], -0.5),
    (lambda v: norm.standardize_weights(jnp.eye(4, 3), eps=v), -0.5),
    (lambda v: norm.batch_renorm(*BN, jnp.eye(4, 3), v, 0.0)[0], 0.5),
    (lambda v: norm.debiased_decay(v, 3), 1.5),
    (lambda v: update(optim.add_l1(v))[0]["dense"]["kernel"], -0.5),
    (lambda v: update(optim.add_l2(v))[0]["dense"]["kernel"], -0.5),
    (lambda v: update(optim.with_decoupled_decay(SGD, v))[0]["dense"]["kernel"], -0.5),
    (lambda v: update(optim.with_decoupled_decay(SGD, v))[0]["dense"]["kernel"], 1.0),
    (lambda v: update(optim.prox_l1(v, 0.1))[0]["dense"]["kernel"], -0.5),
    (lambda v: optim.soft_threshold(X, v), -0.5),
    (lambda v: train.update_stopping(STOPPING, 1.0, X, v, 0.0).best_value, -1.0),
    (lambda v: optim.merge_params([X, X], jnp.stack([v, 0.0 * v])), 0.0),
    (lambda v: optim.swa_schedule(v, 0.1, 0.1, start=1)(0), -0.5),
]


@pytest.mark.parametrize(("call", "value"), TRACED)
def test_bad_traced_numbers_give_nan(call, value):
    assert np.isnan(jax.jit(call)(value)).all()


def test_traced_labels_out_of_range_give_nan():
    for ids in (IDS + 1, IDS - 1):
        assert jnp.isnan(jax.jit(lambda ids: targets.smoothed_cross_entropy(X, ids, 0.1))(ids))
        smoothed = jax.jit(lambda ids: targets.smooth_labels(ids, 0.1, num_classes=3))(ids)
        assert jnp.isnan(smoothed).any(axis=1).sum() == jnp.sum((ids < 0) | (ids > 2))
