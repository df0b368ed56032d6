"""New examples between two: blended, or cut together."""

from ._cut import cut as cut
from ._cut import cutmix as cutmix
from ._cut import mixup_or_cutmix as mixup_or_cutmix
from ._manifold import manifold_mixup as manifold_mixup
from ._mix import mix as mix
from ._mix import mixup as mixup
