"""What went wrong, found and named."""

from ._baseline import Baseline, majority_baseline
from ._calibration import Reliability, calibration_error, reliability
from ._curves import Diagnosis, curves
from ._lint import Finding, lint, lint_optimizer, linted
from ._optimism import Optimism, selection_optimism
from ._optimizer import Audit, LeafAudit, audit_optimizer
from ._plots import plot_calibration, plot_curves, plot_gaps, plot_masks, plot_path, plot_sweep
from ._scores import brier_score, negative_log_likelihood
from ._sparsity import Sparsity, sparsity
from ._stable_rank import stable_rank
from ._temperature import temperature_scale
from ._uncertainty import Uncertainty, mc_predict
from ._variance_shift import VarianceShift, variance_shift

__all__ = [
    "Audit",
    "Baseline",
    "Diagnosis",
    "Finding",
    "LeafAudit",
    "Optimism",
    "Reliability",
    "Sparsity",
    "Uncertainty",
    "VarianceShift",
    "audit_optimizer",
    "brier_score",
    "calibration_error",
    "curves",
    "lint",
    "lint_optimizer",
    "linted",
    "majority_baseline",
    "mc_predict",
    "negative_log_likelihood",
    "plot_calibration",
    "plot_curves",
    "plot_gaps",
    "plot_masks",
    "plot_path",
    "plot_sweep",
    "reliability",
    "selection_optimism",
    "sparsity",
    "stable_rank",
    "temperature_scale",
    "variance_shift",
]
