"""What went wrong, found and named."""

from ._curves import Diagnosis as Diagnosis
from ._curves import curves as curves
from ._optimizer import Audit as Audit
from ._optimizer import LeafAudit as LeafAudit
from ._optimizer import audit_optimizer as audit_optimizer
from ._sparsity import Sparsity as Sparsity
from ._sparsity import sparsity as sparsity
from ._variance_shift import VarianceShift as VarianceShift
from ._variance_shift import variance_shift as variance_shift
