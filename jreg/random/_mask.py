"""Bernoulli masks from 32-bit words."""

from __future__ import annotations

from jaxtyping import Array, Bool, UInt32

from .._core import masks
from .._core.checks import Checks
from .._core.types import Bits, Key, Numbers
from ._block import Offset, Whole
from ._hash import hash_bits


def keep_mask(
    key: Key,
    shape: tuple[int, ...],
    rate: Numbers,
    *,
    bits: Bits = hash_bits,
    offset: Offset = None,
    whole: Whole = None,
) -> Bool[Array, "*shape"]:
    """Draw a mask that is True where an element is kept: P(kept) = 1 - rate.

    The mask depends only on key, shape and rate: not on jit, sharding or device, nor, under `hash_bits`, on x64 mode.
    At rate 0 exactly all elements are kept and at rate 1 none; in between, the rate is rounded to float32 and then down
    to a multiple of 2**-31. With an `offset` the mask is a block of a larger one, as in `hash_bits`.

    Args:
      key: one key. None is refused: a mask is the noise itself.
      rate: probability of dropping, in [0, 1]; a scalar or an array that broadcasts against `shape`.
      bits: the function that draws the uniform uint32 words, such as `hash_bits` or `jax.random.bits`. It gets `offset`
        and `whole` only if an `offset` is given.
      offset: where the block starts, a whole number for each axis.
      whole: the shape of the whole mask that the block belongs to.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one keeps nothing.

    >>> import jax
    >>> from jreg import random
    >>> mask = random.keep_mask(jax.random.key(0), (1000,), 0.3)
    >>> bool(abs(mask.mean() - 0.7) < 0.05)
    True
    """
    check = Checks("keep_mask")
    key = check.key(key)
    shape = check.shape("shape", shape)
    rate = check.broadcastable("rate", check.rate("rate", rate), shape)
    check.called("bits", bits, "bits(key, shape) that returns uint32")
    words = bits(key, shape) if offset is None else bits(key, shape, offset=offset, whole=whole)
    return masks.above(masks.narrowed(check, words, shape), rate)


def kept(words: UInt32[Array, "*shape"], rate: Numbers) -> Bool[Array, "*shape"]:
    """Tell which elements are kept, given a uniform word for each: the comparison inside `keep_mask`.

    Args:
      words: uint32, such as those of `hash_bits`.
      rate: probability of dropping, in [0, 1]; a scalar or an array that broadcasts against `words`.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one keeps nothing.
      TypeError: words of another dtype.

    >>> import jax.numpy as jnp
    >>> from jreg import random
    >>> random.kept(jnp.array([0, 2**31 - 1, 2**31], jnp.uint32), 0.5).tolist()
    [False, False, True]
    """
    check = Checks("kept")
    words = check.words("words", words)
    return masks.above(words, check.broadcastable("rate", check.rate("rate", rate), words.shape))
