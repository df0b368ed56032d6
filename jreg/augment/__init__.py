"""Noise on data: transforms `(key, x) -> x`, the words that compose them, and the mixing of examples."""

from ._compose import chain as chain
from ._compose import maybe as maybe
from ._compose import one_of as one_of
from ._compose import per_example as per_example
from ._mixing import mix as mix
from ._mixing import mixup as mixup
