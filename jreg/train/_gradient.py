"""The gradient of a loss with its model state and metrics: in a narrower dtype, and over micro-batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from .._core import keys
from .._core.placement import settled
from .._core.types import Key, Tree
from ..random import split_array
from ._contract import loss_parts

Metrics: TypeAlias = dict[str, Array]
LossFn: TypeAlias = Callable[[Tree, Tree, Key, Tree, Tree], tuple[Array, tuple[Tree, Mapping[str, Array]]]]
Gradient: TypeAlias = Callable[[Tree, Tree, Key, Tree, Tree], tuple[Array, Tree, Tree, Metrics]]
"""`(params, model_state, key, batch, hyper) -> (loss, grads, model_state, metrics)`"""
Wrap: TypeAlias = Callable[[Callable[..., Any], Tree], Callable[..., Any]]
"""`(grad_fn, hyper) -> grad_fn`"""


def gradient_of(loss_fn: LossFn, compute_dtype: DTypeLike | None, wrap: Wrap | None) -> Gradient:
    """The gradient of a loss that sees floats of params and batch in `compute_dtype`, if one is given."""
    computed = _computed(loss_fn, compute_dtype)

    def gradient(
        params: Tree, model_state: Tree, key: Key, batch: Tree, hyper: Tree
    ) -> tuple[Array, Tree, Tree, Metrics]:
        value_and_gradient = jax.value_and_grad(computed, has_aux=True)
        if wrap is not None:
            value_and_gradient = wrap(value_and_gradient, hyper)
        (loss, (model_state, metrics)), grads = value_and_gradient(params, model_state, key, batch, hyper)
        return loss, grads, model_state, metrics

    return gradient


def value_of(loss_fn: LossFn, compute_dtype: DTypeLike | None) -> Gradient:
    """The same with an empty tuple of gradients; to differentiate it itself takes no more memory than its arguments."""
    computed = _computed(loss_fn, compute_dtype)

    @jax.checkpoint
    def value(params: Tree, model_state: Tree, key: Key, batch: Tree, hyper: Tree) -> tuple[Array, Tree, Tree, Metrics]:
        loss, (model_state, metrics) = computed(params, model_state, key, batch, hyper)
        return loss, (), model_state, dict(metrics)

    return value


def accumulated(gradient: Gradient, num_parts: int) -> Gradient:
    """The gradient of a batch as the mean over its parts, by their weight; the parts run one after another."""

    def whole(params: Tree, model_state: Tree, key: Key, batch: Tree, hyper: Tree) -> tuple[Array, Tree, Tree, Metrics]:
        def weighed(model_state: Tree, inputs: tuple[Key, Tree]) -> tuple[Tree, Any]:
            """Loss, gradients and metrics times their weight. At weight 0 even NaN leaves no trace."""
            loss, grads, changed, metrics = gradient(params, model_state, *inputs, hyper)
            given = {"weight": jnp.asarray(metrics["weight"], jnp.float32)} if "weight" in metrics else {}
            others = {name: value for name, value in metrics.items() if name != "weight"}
            weight = given.get("weight", jnp.ones((), jnp.float32))
            terms = jax.tree.map(
                lambda leaf: jnp.where(weight > 0.0, leaf * weight.astype(leaf.dtype), jnp.zeros_like(leaf)),
                (loss, grads, _as_floats(others)),
            )
            changed = jax.tree.map(lambda new, old: jnp.where(weight > 0.0, new, old), changed, model_state)
            return changed, (*terms, given)

        def add_part(carry: Any, inputs: tuple[Key, Tree]) -> Any:
            model_state, terms = weighed(carry[0], inputs)
            return (model_state, jax.tree.map(jnp.add, carry[1], terms)), None

        inputs = split_array(key, num_parts), jax.tree.map(lambda leaf: _parts(leaf, num_parts), batch)
        first = jax.tree.map(lambda leaf: leaf[0], inputs)
        _, terms = jax.eval_shape(weighed, model_state, first)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), terms)
        start = settled(lambda carry: add_part(carry, first)[0], (model_state, zeros), params, batch, hyper)
        (model_state, (*sums, given)), _ = keys.scan(add_part, start, *inputs)
        total = given.get("weight", jnp.asarray(num_parts, jnp.float32))
        loss, grads, metrics = jax.tree.map(lambda summed: summed / total.astype(summed.dtype), sums)
        return loss, grads, model_state, {**metrics, **given}

    return whole


def _computed(loss_fn: LossFn, dtype: DTypeLike | None) -> LossFn:
    checked = _checked(loss_fn)
    return checked if dtype is None else _narrowed(checked, dtype)


def _checked(loss_fn: LossFn) -> LossFn:
    def checked(params: Tree, model_state: Tree, key: Key, batch: Tree, hyper: Tree) -> tuple[Array, tuple[Tree, Any]]:
        loss, changed, metrics = loss_parts(loss_fn(params, model_state, key, batch, hyper))
        return loss, (changed, metrics)

    return checked


def _narrowed(loss_fn: LossFn, dtype: DTypeLike) -> LossFn:
    def narrow(params: Tree, model_state: Tree, key: Key, batch: Tree, hyper: Tree) -> tuple[Array, tuple[Tree, Any]]:
        loss, (changed, metrics) = loss_fn(_cast(params, dtype), model_state, key, _cast(batch, dtype), hyper)
        changed = jax.tree.map(lambda new, old: new.astype(old.dtype), changed, model_state)
        return jnp.asarray(loss).astype(jnp.float32), (changed, _cast(metrics, jnp.float32))

    return narrow


def _cast(tree: Tree, dtype: DTypeLike) -> Tree:
    def cast(leaf: Any) -> Any:
        return jnp.asarray(leaf).astype(dtype) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf

    return jax.tree.map(cast, tree)


def _as_floats(metrics: Metrics) -> Metrics:
    """A metric may be a count, whose mean is no whole number."""

    def as_float(value: Array) -> Array:
        value = jnp.asarray(value)
        return value if jnp.issubdtype(value.dtype, jnp.inexact) else value.astype(jnp.float32)

    return {name: as_float(value) for name, value in metrics.items()}


def _parts(leaf: Array, num_parts: int) -> Array:
    if jnp.ndim(leaf) == 0 or leaf.shape[0] % num_parts:
        raise ValueError(f"step: accumulate must divide the rows of the batch; got {num_parts} for {jnp.shape(leaf)}")
    return leaf.reshape(num_parts, leaf.shape[0] // num_parts, *leaf.shape[1:])
