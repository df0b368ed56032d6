"""Student's t, for intervals of means over seeds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def quantile(num: int | Int[np.ndarray, "*places"]) -> Float[np.ndarray, "*places"]:
    """Half the 95 % interval of a mean of `num` values, in standard errors; NaN where they are fewer than two."""
    from scipy.special import stdtrit

    num = np.asarray(num)
    return np.asarray(stdtrit(np.where(num > 1, num - 1.0, np.nan), 0.975))
