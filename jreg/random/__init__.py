"""Keys that may be None, a counter hash that fuses into its consumer, and the masks made from it."""

from ._hash import hash_at, hash_bits
from ._keys import fold_in, split, split_array, split_like
from ._mask import keep_mask, kept
from ._normal import normal, signed_uniform
from ._prng import hash_prng

__all__ = [
    "fold_in",
    "hash_at",
    "hash_bits",
    "hash_prng",
    "keep_mask",
    "kept",
    "normal",
    "signed_uniform",
    "split",
    "split_array",
    "split_like",
]
