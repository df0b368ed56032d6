"""Pictures of runs and sweeps, on axes that the caller may pass; they read in grayscale and at half size."""

from ._calibration import plot_calibration
from ._curves import plot_curves
from ._gaps import plot_gaps
from ._masks import plot_masks
from ._path import plot_path
from ._sweep import plot_sweep

__all__ = ["plot_calibration", "plot_curves", "plot_gaps", "plot_masks", "plot_path", "plot_sweep"]
