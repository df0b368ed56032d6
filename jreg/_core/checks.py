"""Checks of arguments: concrete bad values raise and name themselves, traced bad numbers become NaN.

Every message reads `function: argument must ...; got value`. A traced number cannot be looked at, so an invalid one
turns into NaN here and its NaN reaches the result: never a plausible value.
"""

from collections.abc import Collection, Sequence
from math import inf
from numbers import Real
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Inexact

from .types import Key

T = TypeVar("T")


def is_traced(value: Any) -> bool:
    """Whether a value cannot be looked at."""
    return isinstance(value, Tracer)


def valid_number(
    function: str, argument: str, value: Any, low: float = -inf, high: float = inf, *, ends: str = "[]"
) -> None:
    """Raise unless `value` is a real number, or an array of them, between `low` and `high`.

    A traced value is not looked at. `ends` are the brackets of the interval: "[)" leaves out `high`. Nothing here
    touches a device, so that factories may check what they are given before any device is chosen.
    """
    if is_traced(value):
        if not jnp.issubdtype(value.dtype, jnp.number) or jnp.iscomplexobj(value):
            raise TypeError(f"{function}: {argument} must be a real number; got a traced {value.dtype}")
        return
    if not is_real(value):
        raise TypeError(f"{function}: {argument} must be a real number; got {value!r}")
    if not np.all(_is_within(np.asarray(value, dtype=np.float64), low, high, ends)):
        raise ValueError(f"{function}: {argument} must be {_interval(low, high, ends)}; got {value!r}")


def number(
    function: str, argument: str, value: Any, low: float = -inf, high: float = inf, *, ends: str = "[]"
) -> Float[Array, "..."]:
    """Return `value` as a strongly typed float array; where a traced one is not valid, as NaN."""
    valid_number(function, argument, value, low, high, ends=ends)
    if not is_traced(value):
        return jnp.asarray(np.asarray(value, dtype=np.float64), dtype=float)
    wide = value.astype(float)
    return jnp.where(_is_within(wide, low, high, ends), wide, jnp.nan)


def scalar(
    function: str, argument: str, value: Any, low: float = -inf, high: float = inf, *, ends: str = "[]"
) -> Float[Array, ""]:
    """Return one number as `number` does; an array of them is refused."""
    return broadcastable(function, argument, number(function, argument, value, low, high, ends=ends), ())


def rate(function: str, value: Any, argument: str = "rate") -> Float[Array, "..."]:
    """Return a probability as a float array; it lies in [0, 1] or is NaN."""
    return number(function, argument, value, 0.0, 1.0)


def integer(function: str, argument: str, value: Any, low: int = 1) -> int:
    """Return a static whole number that is at least `low`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{function}: {argument} must be a Python int; got {value!r}")
    if value < low:
        raise ValueError(f"{function}: {argument} must be at least {low}; got {value!r}")
    return int(value)


def choice(function: str, argument: str, value: Any, options: Collection[str]) -> str:
    """Return a mode's name if it is one of `options`."""
    if value not in options:
        listed = ", ".join(map(repr, options))
        raise ValueError(f"{function}: {argument} must be one of {listed}; got {value!r}")
    return value


def inexact(function: str, argument: str, value: Any) -> Inexact[Array, "..."]:
    """Return `value` as an array of floats or complex numbers."""
    if not isinstance(value, jax.Array | np.ndarray | np.generic):
        raise TypeError(f"{function}: {argument} must be an array; got {type(value).__name__}")
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        raise TypeError(f"{function}: {argument} must be an array of floats; got dtype {value.dtype}")
    return jnp.asarray(value)


def floating(function: str, argument: str, value: Any) -> Float[Array, "..."]:
    """Return `value` as an array of real floats."""
    value = inexact(function, argument, value)
    if jnp.iscomplexobj(value):
        raise TypeError(f"{function}: {argument} must be an array of floats; got dtype {value.dtype}")
    return value


def key(function: str, value: Any) -> Key:
    """Return `value` if it is one PRNG key, typed or of as many words as the default implementation has."""
    if value is None:
        raise TypeError(f"{function}: key must be a PRNG key, since the result is the noise itself; got None")
    dtype = getattr(value, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        if value.ndim:
            raise ValueError(
                f"{function}: key must be a single key; got an array of keys of shape {value.shape}. "
                "Map over it with jax.vmap"
            )
        return value
    if isinstance(value, jax.Array | np.ndarray) and dtype == np.uint32 and value.shape == _legacy_shape():
        return jnp.asarray(value)
    shown = f"{dtype}{list(value.shape)}" if isinstance(value, jax.Array | np.ndarray) else repr(value)
    raise TypeError(f"{function}: key must be a PRNG key such as jax.random.key(0); got {shown}")


def _legacy_shape() -> tuple[int, ...]:
    config: Any = jax.config
    return (2,) if config.jax_default_prng_impl == "threefry2x32" else jax.eval_shape(jax.random.PRNGKey, 0).shape


def axes(function: str, argument: str, value: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return axes as sorted non-negative numbers, each given once."""
    given = (value,) if isinstance(value, int | np.integer) else tuple(value)
    for axis in given:
        if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
            raise TypeError(f"{function}: {argument} must hold ints; got {value!r}")
        if not -ndim <= axis < ndim:
            raise ValueError(f"{function}: {argument} must name axes of a {ndim}-dimensional array; got {value!r}")
    normal = tuple(sorted(int(axis) % ndim for axis in given))
    if len(set(normal)) < len(normal):
        raise ValueError(f"{function}: {argument} must name each axis once; got {value!r}")
    return normal


def broadcastable(function: str, argument: str, value: T, shape: tuple[int, ...]) -> T:
    """Return `value` if it is a scalar or broadcasts against `shape` axis by axis."""
    given = jnp.shape(cast(Any, value))
    if not given:
        return value
    fits = len(given) == len(shape) and all(a in (1, b) for a, b in zip(given, shape, strict=True))
    if not fits:
        raise ValueError(
            f"{function}: {argument} must be a scalar or broadcast against shape {shape} with as many axes; "
            f"got shape {given}"
        )
    return value


def is_real(value: Any) -> bool:
    """Whether a value is a real number or an array of them; bools are not."""
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return jnp.issubdtype(value.dtype, jnp.integer) or jnp.issubdtype(value.dtype, jnp.floating)
    return False


def is_known(rate: Any, value: float) -> bool:
    """Whether a rate is a Python number, so known now, of one value."""
    return isinstance(rate, Real) and float(rate) == value


def _is_within(value: Any, low: float, high: float, ends: str) -> Any:
    above = value > low if ends[0] == "(" else value >= low
    below = value < high if ends[1] == ")" else value <= high
    return above & below


def _interval(low: float, high: float, ends: str) -> str:
    if high == inf:
        finite = "finite and " if ends[1] == ")" else ""
        return (
            "a number other than NaN" if low == -inf else f"{finite}{'above' if ends[0] == '(' else 'at least'} {low:g}"
        )
    return f"in {ends[0]}{low:g}, {high:g}{ends[1]}"
