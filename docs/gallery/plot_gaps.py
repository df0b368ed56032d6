"""
plot_gaps: did it close the gap?
================================

Three recipes over eight seeds each. Beside the gap of each recipe stands its difference from the baseline, paired
by seed: the luck of a seed is in both, so it cancels, and the interval of the difference is narrower than those of
the means.
"""

import jax.numpy as jnp
import numpy as np

from jreg import diagnose, train

luck = 0.02 * np.random.default_rng(0).normal(size=8)
noise = 0.005 * np.random.default_rng(1).normal(size=(3, 8))
gaps = np.array([0.10, 0.08, 0.095])[:, None] + luck + noise
settings = {"rate": jnp.array([0.0, 0.3, 0.0]), "decay": jnp.array([0.0, 0.0, 0.1])}
table = train.tabulate(settings, {"gap": jnp.asarray(gaps)}, by="gap", mode="min", baseline=0)
diagnose.plot_gaps(table, "gap")
print(table)
