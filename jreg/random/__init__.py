"""Keys that may be None, a counter hash that fuses into its consumer, and the masks made of it."""

from ._hash import hash_bits as hash_bits
from ._keys import fold_in as fold_in
from ._keys import split as split
from ._keys import split_array as split_array
from ._keys import split_like as split_like
from ._mask import keep_mask as keep_mask
from ._mask import kept as kept
from ._normal import normal as normal
from ._normal import signed_uniform as signed_uniform
from ._prng import hash_prng as hash_prng
