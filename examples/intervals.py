"""The interval that the studies print beside a mean."""

from typing import Any

import numpy as np
from scipy import stats


def interval(values: Any) -> float:
    """Half the width of the 95 % interval of a mean over seeds (Student's t)."""
    values = np.asarray(values)
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
