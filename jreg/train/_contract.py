"""What the functions of the user must return, checked where they are traced; each message shows the right form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._core import checks, trees
from .._core.checks import Checks
from .._core.types import Tree

T = TypeVar("T")
LOSS_FORM = "(params, model_state, key, batch, hyper) -> (loss, (model_state, metrics))"
METRIC_FORM = "(params, model_state, batch, hyper) -> metrics"


def loss_parts(returned: Any) -> tuple[Array, Tree, dict[str, Array]]:
    """What a `loss_fn` returned, taken apart: a scalar loss, the model state, a dict of scalars."""
    is_pair = isinstance(returned, tuple) and len(returned) == 2
    if not is_pair or not isinstance(returned[1], tuple) or len(returned[1]) != 2:
        raise TypeError(
            "step: loss_fn must return (loss, (model_state, metrics)), such as (loss, (model_state, {})); "
            f"got {_form(returned)}"
        )
    loss, (model_state, metrics) = returned
    if not _is_array(loss) or not jnp.issubdtype(jnp.result_type(loss), jnp.floating):
        raise TypeError(f"step: loss_fn must return a loss of floats; got {_form(loss)}")
    if jnp.shape(loss):
        raise ValueError(f"step: loss_fn must return a scalar loss, such as a mean; got shape {jnp.shape(loss)}")
    return loss, model_state, scalars("step: loss_fn", metrics)


def scalars(source: str, metrics: Any) -> dict[str, Array]:
    """A dict of metrics by name, each one number."""
    if not isinstance(metrics, Mapping):
        raise TypeError(
            f'{source} must return metrics as a dict of scalars, such as {{"loss": loss}}; got {_form(metrics)}'
        )
    for name, value in metrics.items():
        if not _is_array(value) or jnp.iscomplexobj(value):
            raise TypeError(f"{source} must return metrics that are real numbers; {name!r} is {_form(value)}")
        if jnp.shape(value):
            raise ValueError(
                f"{source} must return metrics that are scalars, such as means; {name!r} has shape {jnp.shape(value)}"
            )
    return dict(metrics)


def transformation_of(optimizer: Any, hyper: Tree) -> Any:
    """The optimizer, made from `hyper` where it is a function of them."""
    if hasattr(optimizer, "update"):
        return Checks("make_step").transformation("optimizer", optimizer)
    made = optimizer(hyper)
    if not hasattr(made, "update"):
        raise TypeError(f"make_step: optimizer must be or make an optax transformation; it makes {checks.shown(made)}")
    return made


def _require_arrays(check: Checks, argument: str, tree: Tree) -> None:
    """Raise for a tree with a leaf that is no array: a list is a tree of its elements, and has no first axis."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        place = f"{check}: {argument} must hold arrays; at {trees.path_name(path) or 'its root'} it has"
        if isinstance(leaf, str | bytes):
            raise TypeError(f"{place} {leaf!r}, which is no number")
        if not isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct):
            is_listed = path and isinstance(path[-1], jax.tree_util.SequenceKey)
            hint = "A list is a tree of its elements: write" if is_listed else "Write"
            raise TypeError(f"{place} {checks.shown(leaf)}. {hint} jnp.array([...])")
        trees.refuse_foreign(check, argument, path, leaf)


def length(check: Checks, argument: str, tree: Tree) -> int:
    """The length of the first axis, which all arrays of a tree share."""
    _require_arrays(check, argument, tree)
    found = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(tree)}
    if len(found) != 1 or found & {(), (0,)}:
        raise ValueError(
            f"{check}: {argument} must hold arrays of one length, at least 1, on the first axis; got {sorted(found)}"
        )
    return found.pop()[0]


def refuse_misfits(check: Checks, place: str, values: np.ndarray) -> None:
    """Raise for settings that would not run as written: NaN, and what JAX would wrap or make infinite."""
    if not jnp.issubdtype(values.dtype, jnp.number) or jnp.iscomplexobj(values):
        return
    if np.isnan(values).any():
        raise ValueError(f"{check}: {place} must hold no NaN; got {values!r}")
    with np.errstate(over="ignore"):
        held = values.astype(jax.dtypes.canonicalize_dtype(values.dtype))
    is_changed = (
        held.astype(values.dtype) != values
        if jnp.issubdtype(values.dtype, jnp.integer)
        else np.isinf(held) & ~np.isinf(values)
    )
    if is_changed.any():
        raise ValueError(f"{check}: {place} must hold numbers that fit into {held.dtype}; got {values[is_changed][0]}")


def monitored(check: Checks, metrics: Mapping[str, T], monitor: str) -> T:
    """The validation metric that decides which epoch is best."""
    if not isinstance(monitor, str) or monitor not in metrics:
        raise ValueError(f"{check}: monitor must be one of the validation metrics {sorted(metrics)}; got {monitor!r}")
    return metrics[monitor]


def _is_array(value: Any) -> bool:
    return isinstance(value, bool | int | float | complex | jax.Array | np.ndarray | np.generic)


def _form(value: Any) -> str:
    """A value as its types: the numbers that a function returned seldom matter."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_form, value))}{',' if len(value) == 1 else ''})"
    if _is_array(value):
        return f"{jnp.result_type(value)}{list(jnp.shape(value))}"
    return checks.shown(value) if value is None or isinstance(value, str) else f"a {type(value).__name__}"
