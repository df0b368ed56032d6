"""What went wrong, found and named."""

from ._curves import Diagnosis as Diagnosis
from ._curves import curves as curves
from ._sparsity import Sparsity as Sparsity
from ._sparsity import sparsity as sparsity
