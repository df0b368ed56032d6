"""Label smoothing, as targets and as a loss in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from .._core import checks, dtypes, marks
from .._core.types import Number


def smooth_labels(
    labels: Num[Array, "*batch"], smoothing: Number, *, num_classes: int | None = None
) -> Float[Array, "*batch classes"]:
    """Mix targets with the uniform distribution over the K classes.

        q = (1 - smoothing) * p + smoothing / K

    Args:
      labels: class ids (*batch) with `num_classes`, or distributions (*batch, K) of floats without it.
      smoothing: the share of the uniform distribution, in [0, 1]. The true class keeps 1 - smoothing + smoothing / K.
      num_classes: K, at least 2; required for class ids.

    Raises:
      ValueError: a concrete smoothing outside [0, 1] or class id outside [0, K). A traced one gives NaN.
      TypeError: class ids without `num_classes`, or floats with it.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> [f"{q:.4f}" for q in targets.smooth_labels(jnp.array(1), 0.1, num_classes=3)]
    ['0.0333', '0.9333', '0.0333']

    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """
    smoothing = _smoothing("smooth_labels", smoothing)
    labels = _array("smooth_labels", "labels", labels)
    if jnp.issubdtype(labels.dtype, jnp.integer):
        if num_classes is None:
            raise TypeError(f"smooth_labels: num_classes must be given for class ids; got labels of {labels.dtype}")
        num_classes = checks.integer("smooth_labels", "num_classes", num_classes, low=2)
        labels = _one_hot(_checked_ids("smooth_labels", labels, num_classes), num_classes)
    elif num_classes is not None:
        raise TypeError(f"smooth_labels: num_classes must be None for distributions; got labels of {labels.dtype}")
    elif labels.ndim == 0 or labels.shape[-1] < 2:
        raise ValueError(f"smooth_labels: labels must have two classes or more on the last axis; got {labels.shape}")
    p = marks.reads("smooth_labels", labels)
    smoothing = smoothing.astype(p.dtype)
    return marks.returns("smooth_labels", (1.0 - smoothing) * p + smoothing / p.shape[-1])


def smoothed_cross_entropy(
    logits: Float[Array, "*batch classes"],
    labels: Num[Array, "..."],
    smoothing: Number,
    *,
    where: Bool[Array, "*batch"] | None = None,
) -> Float[Array, ""]:
    """Mean cross-entropy against smoothed labels, in closed form: no (batch, classes) array of targets is made.

        loss = log sum_k exp z_k - (1 - smoothing) sum_k p_k z_k - smoothing / K sum_k z_k

    Use it for training and plain cross-entropy (smoothing 0) for validation; do not smooth the labels as well.

    Args:
      logits: z, one row per example. 16-bit logits are reduced in float32.
      labels: class ids (*batch), or distributions p of logits' shape.
      smoothing: in [0, 1].
      where: which rows count; the mean runs over them. The others change neither value nor gradient. No row gives 0.

    Raises:
      ValueError: a concrete smoothing outside [0, 1] or class id outside [0, K) in a row that counts; a traced one
        gives NaN. Shapes of logits, labels and `where` that do not fit: nothing is broadcast.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> f"{targets.smoothed_cross_entropy(jnp.array([2.0, 1.0, 0.1]), jnp.array(0), 0.1):.5f}"
    '0.51370'

    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """
    name = "smoothed_cross_entropy"
    smoothing = _smoothing(name, smoothing)
    logits = checks.floating(name, "logits", logits)
    labels = _array(name, "labels", labels)
    if logits.ndim == 0 or logits.shape[-1] < 2:
        raise ValueError(f"{name}: logits must have two classes or more on the last axis; got shape {logits.shape}")
    is_ids = jnp.issubdtype(labels.dtype, jnp.integer)
    expected = logits.shape[:-1] if is_ids else logits.shape
    if labels.shape != expected:
        raise ValueError(
            f"{name}: labels must have shape {expected} as {labels.dtype} for logits {logits.shape}; got {labels.shape}"
        )
    rows = _rows(name, where, expected if is_ids else expected[:-1])
    z = marks.reads(name, logits.astype(dtypes.widened(logits.dtype)))
    z = jnp.where(rows[..., None], z, 0.0)
    smoothing = smoothing.astype(z.dtype)
    if is_ids:
        labels = _checked_ids(name, jnp.where(rows, labels, 0), z.shape[-1])
        on_label = _times(1.0 - smoothing, _pick(z, labels))
        total = jnp.where(labels < 0, jnp.nan, 1.0).astype(z.dtype)
    else:
        labels = labels.astype(z.dtype)
        on_label = jnp.sum(_times((1.0 - smoothing) * labels, z), axis=-1)
        total = (1.0 - smoothing) * jnp.sum(labels, axis=-1) + smoothing
    uniform = jnp.sum(_times(smoothing / z.shape[-1], z), axis=-1)
    losses = total * jax.nn.logsumexp(z, axis=-1) - on_label - uniform
    mean = jnp.sum(jnp.where(rows, losses, 0.0)) / jnp.maximum(jnp.sum(rows), 1).astype(z.dtype)
    return marks.returns(name, mean)


def _smoothing(function: str, smoothing: Number) -> Array:
    smoothing = checks.rate(function, smoothing, "smoothing")
    return checks.broadcastable(function, "smoothing", smoothing, ())


def _array(function: str, argument: str, value: object) -> Array:
    if not isinstance(value, jax.Array | np.ndarray | np.generic):
        raise TypeError(f"{function}: {argument} must be an array; got {type(value).__name__}")
    if not (jnp.issubdtype(value.dtype, jnp.integer) or jnp.issubdtype(value.dtype, jnp.floating)):
        raise TypeError(f"{function}: {argument} must hold class ids or floats; got dtype {value.dtype}")
    return jnp.asarray(value)


def _rows(function: str, where: Array | None, shape: tuple[int, ...]) -> Array:
    if where is None:
        return jnp.ones(shape, bool)
    if jnp.shape(where) != shape or jnp.asarray(where).dtype != bool:
        raise ValueError(f"{function}: where must hold bools of shape {shape}; got {where!r}")
    return jnp.asarray(where)


def _checked_ids(function: str, ids: Array, num_classes: int) -> Array:
    """Raise for a concrete id outside [0, num_classes); a traced one becomes -1."""
    ids = ids if ids.dtype == jnp.int64 else ids.astype(jnp.int32)
    valid = (ids >= 0) & (ids < num_classes)
    if not checks.is_traced(ids) and not valid.all():
        bad = np.asarray(ids)[~np.asarray(valid)].flat[0]
        raise ValueError(f"{function}: labels must be in [0, {num_classes}); got {bad}")
    return jnp.where(valid, ids, -1)


def _is_class(ids: Array, num_classes: int) -> Bool[Array, "*batch classes"]:
    classes = jnp.arange(num_classes, dtype=ids.dtype)
    return ids[..., None] == classes.reshape((1,) * ids.ndim + (num_classes,))


def _one_hot(ids: Array, num_classes: int) -> Float[Array, "*batch classes"]:
    """One-hot rows; an id of -1 gives a row of NaN."""
    return jnp.where(ids[..., None] < 0, jnp.nan, _is_class(ids, num_classes).astype(jnp.float32))


def _pick(z: Array, ids: Array) -> Array:
    """z at the class of each row, by comparison: that fuses with the reductions beside it and needs no scatter."""
    return jnp.sum(jnp.where(_is_class(ids, z.shape[-1]), z, 0.0), axis=-1)


def _times(weight: Array, z: Array) -> Array:
    """weight * z, where an impossible class (z = -inf) of weight 0 counts 0 and not NaN."""
    return weight * jnp.where((weight == 0.0) & (z == -jnp.inf), 0.0, z)
