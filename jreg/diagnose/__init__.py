"""What went wrong, found and named."""

from ._curves import Diagnosis, curves
from ._optimizer import Audit, LeafAudit, audit_optimizer
from ._sparsity import Sparsity, sparsity
from ._variance_shift import VarianceShift, variance_shift

__all__ = [
    "Audit",
    "Diagnosis",
    "LeafAudit",
    "Sparsity",
    "VarianceShift",
    "audit_optimizer",
    "curves",
    "sparsity",
    "variance_shift",
]
