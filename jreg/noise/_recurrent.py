"""Noise for recurrent networks, where a new mask at each step would wipe out what the state remembers.

`variational_dropout` shares one mask along the time axis of a sequence of inputs. Inside a scan, the same key at every
step gives the same mask at every step, because a mask depends only on key, shape and rate:

>>> import jax, jax.numpy as jnp
>>> from jreg import noise, random
>>> def run(key, inputs, rate):
...     input_key, state_key = random.split(key)
...     inputs = noise.variational_dropout(input_key, inputs, rate, time_axis=0)
...
...     def step(state, x):
...         state = jnp.tanh(x + noise.dropout(state_key, state, rate))
...         return state, state
...
...     return jax.lax.scan(step, jnp.zeros(inputs.shape[1:]), inputs)[1]
>>> run(jax.random.key(0), jnp.ones((7, 2, 3)), 0.5).shape
(7, 2, 3)

`zoneout` is the opposite: it draws at each step, so give it a key per step (`random.split_array`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact

from .._core import dtypes, masks, placement, trees
from .._core.checks import Checks
from .._core.types import Key, Numbers, Tree
from ..random import hash_bits, keep_mask, split, split_like
from ._dropout import drop_slices


def variational_dropout(
    key: Key | None, x: Inexact[Array, "*shape"], rate: Numbers, *, time_axis: int = 1
) -> Inexact[Array, "*shape"]:
    """Drop the same elements at every step of a sequence: `dropout` with one mask over time.

        y[:, t] = m * x[:, t] / (1 - rate),   m ~ Bernoulli(1 - rate)

    `variational_dropout(None, x, rate)` is x.

    Args:
      key: one key, or None for no noise.
      x: by default (batch, time, ...).
      rate: probability of dropping, in [0, 1]; a scalar, or an array with x's number of axes. Its gradient is zero.
      time_axis: the axis along which the mask is constant; a negative one counts from the end.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or an axis that x does not have.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.variational_dropout(jax.random.key(0), jnp.ones((2, 5, 3)), 0.5)
    >>> bool((y == y[:, :1]).all())
    True

    Gal, Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural Networks, NIPS 2016.
    """
    return drop_slices(Checks("variational_dropout"), key, x, rate, (time_axis,), hash_bits, "time_axis")


def zoneout(key: Key | None, previous: Tree, proposed: Tree, rate: Numbers | tuple[Numbers, ...]) -> Tree:
    """Keep each element of a recurrent state at its previous value with probability `rate`.

        y = z * previous + (1 - z) * proposed,   z ~ Bernoulli(rate)

    Without a key it returns the expectation, rate * previous + (1 - rate) * proposed. The paper uses rate 0.5 for the
    cell of an LSTM and 0.05 for its output: `zoneout(key, (c, h), (new_c, new_h), (0.5, 0.05))`.

    Args:
      key: one key, or None for the expectation. Every leaf draws from its own child key, a bare array from the key
        itself.
      previous: the state before the step, an array or a pytree of arrays.
      proposed: the state that the cell computed, with the structure, shapes and dtypes of `previous`.
      rate: probability of keeping the previous value, in [0, 1]; a scalar, or an array with as many axes as every leaf.
        If the state is a tuple, it may be a tuple of these, one per part; each part then draws from its own key. With a
        key, its gradient is zero.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or states that differ in structure or shape.
      TypeError: states that differ in dtype, or hold integers.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.zoneout(jax.random.key(0), jnp.zeros(1000), jnp.ones(1000), 0.1)
    >>> sorted(set(y.tolist()))
    [0.0, 1.0]
    >>> noise.zoneout(None, jnp.zeros(2), jnp.ones(2), 0.25).tolist()
    [0.75, 0.75]

    Krueger et al., Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations, ICLR 2017.
    """
    check = Checks("zoneout")
    trees.same_structure(check, "proposed", proposed, previous, model="previous")
    if isinstance(rate, tuple):
        if not isinstance(previous, tuple) or len(rate) != len(previous):
            raise ValueError(f"zoneout: rate must be one number or one for each part of the state; got {rate!r}")
        keys = split(None if key is None else check.key(key), len(rate))
        return _like(previous, map(zoneout, keys, previous, proposed, rate))
    rate = check.rate("rate", rate)
    jax.tree.map(partial(_check_leaves, check, rate), previous, proposed)
    if key is None:
        return jax.tree.map(partial(_expect, rate), previous, proposed)
    key = check.key(key)
    keys = key if jax.tree.structure(previous) == jax.tree.structure(0) else split_like(key, previous)
    return jax.tree.map(partial(_zone, rate), keys, previous, proposed)


def _like(state: tuple, parts: Iterable[Tree]) -> Tree:
    """The parts of a new state, in the tuple or the named tuple of the old one."""
    return jax.tree.unflatten(jax.tree.structure(state, is_leaf=lambda node: node is not state), parts)


def _check_leaves(check: Checks, rate: Array, previous: Array, proposed: Array) -> None:
    previous = check.inexact("previous", previous)
    proposed = check.inexact("proposed", proposed)
    check.broadcastable("rate", rate, previous.shape)
    if previous.dtype != proposed.dtype:
        raise TypeError(f"zoneout: proposed must have previous's dtype, {previous.dtype}; got {proposed.dtype}")


@partial(jax.jit, inline=True)
def _expect(rate: Array, previous: Array, proposed: Array) -> Array:
    check = Checks("zoneout")
    wide = dtypes.widened(previous.dtype)
    before, after = (check.reads(state).astype(wide) for state in (previous, proposed))
    mean = rate.astype(wide) * before + (1.0 - rate).astype(wide) * after
    return check.returns(mean.astype(previous.dtype))


@partial(jax.jit, inline=True)
def _zone(rate: Array, key: Key, previous: Array, proposed: Array) -> Array:
    """Draw the mask again in the backward pass, as `_drop.drop` does."""
    check = Checks("zoneout")
    states = check.reads(previous), check.reads(proposed)
    y = jax.checkpoint(_zoned, prevent_cse=False)(key, *states, lax.stop_gradient(rate))
    return check.returns(y)


def _zoned(key: Key, previous: Array, proposed: Array, rate: Array) -> Array:
    kept = keep_mask(key, previous.shape, rate)
    spec = placement.spec_like(previous, previous.shape)
    zoned = placement.as_on_auto_axes(masks.where, spec, kept, proposed, previous)
    return jnp.where(jnp.isnan(rate), jnp.asarray(jnp.nan, zoned.dtype), zoned)
