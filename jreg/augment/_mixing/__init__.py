"""New examples between two: blended, or pasted together."""

from ._cutmix import cutmix as cutmix
from ._cutmix import mixup_or_cutmix as mixup_or_cutmix
from ._cutmix import paste_box as paste_box
from ._manifold import manifold_mixup as manifold_mixup
from ._mix import mix as mix
from ._mix import mixup as mixup
