"""Checks of arguments: concrete bad values raise an error that shows them, and traced bad numbers become NaN.

Every message reads `function: argument must ...; got value`. The value of a traced number is unknown, so an invalid one
becomes NaN here, and so does the result, which is then never a plausible value.
"""

from math import inf
from numbers import Real
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, Float, Inexact, UInt32

from . import dtypes, marks
from .static import FARTHEST, StaticChecks
from .static import shown as shown
from .types import Key

T = TypeVar("T")

ROUNDING = 2.0**-20
"""A traced number that misses a closed end of its interval by so little counts as that end: a compiled schedule that
runs to 0, such as `optax.linear_schedule(0.5, 0.0, 3)`, ends at -1.5e-8."""


class Checks(StaticChecks):
    """The checks of one function's arguments; every message starts with the function's name."""

    def valid_number(
        self, argument: str, value: Any, low: float = -inf, high: float = inf, *, ends: str = "[]"
    ) -> None:
        """Raise unless `value` is a real number, or an array of them, between `low` and `high`.

        Of a traced value only the dtype is checked. `ends` are the brackets of the interval: "[)" leaves out `high`.
        Nothing here touches a device, so factories can check their arguments before any device is chosen.
        """
        if is_traced(value):
            if not jnp.issubdtype(value.dtype, jnp.number) or jnp.iscomplexobj(value):
                raise TypeError(f"{self}: {argument} must be a real number; got a traced {value.dtype}")
            return
        if not is_real(value):
            raise TypeError(f"{self}: {argument} must be a real number; got {shown(value)}")
        if isinstance(value, int) and abs(value) > FARTHEST:
            raise ValueError(f"{self}: {argument} must be a number that a float can hold; got {shown(value)}")
        if not np.all(_is_within(np.asarray(value, dtype=np.float64), low, high, ends)):
            raise ValueError(f"{self}: {argument} must be {_interval(low, high, ends)}; got {shown(value)}")

    def valid_scalar(
        self, argument: str, value: Any, low: float = -inf, high: float = inf, *, ends: str = "[]"
    ) -> None:
        """Raise as `valid_number` does, and for an array of numbers."""
        self.valid_number(argument, value, low, high, ends=ends)
        if jnp.shape(value):
            raise ValueError(f"{self}: {argument} must be a scalar; got shape {jnp.shape(value)}")

    def number(
        self, argument: str, value: Any, low: float = -inf, high: float = inf, *, ends: str = "[]"
    ) -> Float[Array, "..."]:
        """Return `value` as a strongly typed float array, with NaN where a traced one is not valid."""
        self.valid_number(argument, value, low, high, ends=ends)
        return _as_array(value, low, high, ends)

    def scalar(
        self, argument: str, value: Any, low: float = -inf, high: float = inf, *, ends: str = "[]"
    ) -> Float[Array, ""]:
        """Return one number as `number` does; an array of them is refused."""
        self.valid_scalar(argument, value, low, high, ends=ends)
        return _as_array(value, low, high, ends)

    def rate(self, argument: str, value: Any) -> Float[Array, "..."]:
        """Return a probability as a float array; it lies in [0, 1] or is NaN."""
        return self.number(argument, value, 0.0, 1.0)

    def whole_number(self, argument: str, value: Any) -> Any:
        """Return a whole number in [0, 2**32), traced or not; a traced one is taken modulo 2**32."""
        if is_traced(value):
            is_whole = np.issubdtype(value.dtype, np.integer)
        else:
            is_whole = not isinstance(value, bool) and (isinstance(value, int) or np.asarray(value).dtype.kind in "iu")
        if is_whole and np.ndim(value):
            raise ValueError(
                f"{self}: {argument} must be a scalar; got shape {np.shape(value)}. Map over it with jax.vmap"
            )
        if not is_whole:
            raise TypeError(f"{self}: {argument} must be a whole number; got {shown(value)}")
        if is_traced(value):
            return value
        if not 0 <= int(value) < 2**32:
            raise ValueError(f"{self}: {argument} must be in [0, 2**32); got {shown(value)}")
        return int(value)

    def array(self, argument: str, value: Any) -> Any:
        """Return an array of numpy or JAX unchanged, if JAX can compute with it."""
        if not isinstance(value, jax.Array | np.ndarray | np.generic):
            raise TypeError(f"{self}: {argument} must be an array; got {type(value).__name__}")
        is_key = jnp.issubdtype(value.dtype, jax.dtypes.extended)
        if obstacle := f"dtype {value.dtype}" if is_key else dtypes.obstacle(value):
            raise TypeError(f"{self}: {argument} must be an array that JAX can compute with; got {obstacle}")
        return value

    def inexact(self, argument: str, value: Any) -> Inexact[Array, "..."]:
        """Return `value` as an array of floats or complex numbers."""
        if not jnp.issubdtype(getattr(value, "dtype", float), jnp.inexact):
            raise TypeError(f"{self}: {argument} must be an array of floats; got dtype {value.dtype}")
        return jnp.asarray(self.array(argument, value))

    def floating(self, argument: str, value: Any) -> Float[Array, "..."]:
        """Return `value` as an array of real floats."""
        value = self.inexact(argument, value)
        if jnp.iscomplexobj(value):
            raise TypeError(f"{self}: {argument} must be an array of floats; got dtype {value.dtype}")
        return value

    def promotable(self, argument: str, value: Any, other: Any) -> None:
        """Raise if JAX has no dtype for an operation on both arrays, as under strict promotion."""
        try:
            jnp.result_type(value, other)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{self}: {argument} must have a dtype that promotes with {jnp.result_type(other)}; "
                f"got {jnp.result_type(value)}"
            ) from error

    def words(self, argument: str, value: Any) -> UInt32[Array, "..."]:
        """Return `value` as an array of uint32."""
        if not isinstance(value, jax.Array | np.ndarray | np.generic) or value.dtype != np.uint32:
            shown = f"dtype {value.dtype}" if hasattr(value, "dtype") else repr(value)
            raise TypeError(f"{self}: {argument} must be an array of uint32; got {shown}")
        return jnp.asarray(value)

    def key(self, value: Any) -> Key:
        """Return `value` if it is one PRNG key, either typed or the raw words of the default implementation."""
        if value is None:
            raise TypeError(f"{self}: key must be a PRNG key, since the result is the noise itself; got None")
        dtype = getattr(value, "dtype", None)
        if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
            if value.ndim:
                raise ValueError(
                    f"{self}: key must be a single key; got an array of keys of shape {value.shape}. "
                    "Map over it with jax.vmap"
                )
            return value
        if isinstance(value, jax.Array | np.ndarray) and dtype == np.uint32 and value.shape == _legacy_shape():
            return jnp.asarray(value)
        shown = f"{dtype}{list(value.shape)}" if isinstance(value, jax.Array | np.ndarray) else repr(value)
        raise TypeError(f"{self}: key must be a PRNG key such as jax.random.key(0); got {shown}")

    def broadcastable(self, argument: str, value: T, shape: tuple[int, ...]) -> T:
        """Return `value` if it is a scalar or broadcasts against `shape` axis by axis."""
        given = jnp.shape(cast(Any, value))
        if not given:
            return value
        fits = len(given) == len(shape) and all(a in (1, b) for a, b in zip(given, shape, strict=True))
        if not fits:
            raise ValueError(
                f"{self}: {argument} must be a scalar or broadcast against shape {shape} with as many axes; "
                f"got shape {given}"
            )
        return value

    def reads(self, x: T) -> T:
        """Tag what the function reads; see `marks`."""
        return marks.reads(self.name, x)

    def returns(self, x: T) -> T:
        """Tag what the function returns; see `marks`."""
        return marks.returns(self.name, x)


def is_traced(value: Any) -> bool:
    """Whether a value is traced, so that its numbers are unknown."""
    return isinstance(value, Tracer)


def _legacy_shape() -> tuple[int, ...]:
    config: Any = jax.config
    return (2,) if config.jax_default_prng_impl == "threefry2x32" else jax.eval_shape(jax.random.PRNGKey, 0).shape


def is_real(value: Any) -> bool:
    """Whether a value is a real number or an array of them; bools are not."""
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    if isinstance(value, np.ma.MaskedArray) or not isinstance(value, jax.Array | np.ndarray | np.generic):
        return False
    # numpy treats a time as an integer.
    is_integer = jnp.issubdtype(value.dtype, jnp.integer) and value.dtype.kind != "m"
    return is_integer or jnp.issubdtype(value.dtype, jnp.floating)


def is_known(rate: Any, value: float) -> bool:
    """Whether a rate is one concrete number that equals `value`."""
    is_number = isinstance(rate, Real) or (isinstance(rate, jax.Array | np.ndarray) and rate.ndim == 0)
    return is_number and not is_traced(rate) and float(rate) == value


def _as_array(value: Any, low: float, high: float, ends: str) -> Float[Array, "..."]:
    if not is_traced(value):
        return jnp.asarray(np.asarray(value, dtype=np.float64), dtype=float)
    wide = value.astype(float)
    is_valid = _is_within(wide, low - ROUNDING * (ends[0] == "["), high + ROUNDING * (ends[1] == "]"), ends)
    # Not `clip`, whose gradient at the ends is not 1.
    if ends[0] == "[" and low > -inf:
        wide = lax.select(wide < low, jnp.full_like(wide, low), wide)
    if ends[1] == "]" and high < inf:
        wide = lax.select(wide > high, jnp.full_like(wide, high), wide)
    return lax.select(is_valid, wide, jnp.full_like(wide, jnp.nan))


def _is_within(value: Any, low: float, high: float, ends: str) -> Any:
    above = value > low if ends[0] == "(" else value >= low
    below = value < high if ends[1] == ")" else value <= high
    return above & below


def _interval(low: float, high: float, ends: str) -> str:
    if high < inf:
        return f"in {ends[0]}{low:g}, {high:g}{ends[1]}"
    if low == -inf:
        return "a number other than NaN"
    finite = "finite and " if ends[1] == ")" else ""
    return f"{finite}{'above' if ends[0] == '(' else 'at least'} {low:g}"
