"""
plot_sweep: which strengths are worth trying?
=============================================

A score over a grid of two strengths, as a map. The best setting is marked, and so is each that the best does not
beat beyond the interval of their paired difference: any of these is as good a choice.
"""

import jax.numpy as jnp
import numpy as np

from jreg import diagnose, train

settings = train.grid({"rate": [0.0, 0.2, 0.4, 0.6], "decay": [0.0, 0.1, 0.3, 1.0]})
rate, decay = np.asarray(settings["rate"]), np.asarray(settings["decay"])
means = 0.93 - 0.2 * (rate - 0.25) ** 2 - 0.01 * (np.log10(decay + 0.03) + 0.7) ** 2
scores = means[:, None] + 0.003 * np.random.default_rng(0).normal(size=(16, 8))
table = train.tabulate(settings, {"accuracy": jnp.asarray(scores)}, by="accuracy")
diagnose.plot_sweep(table, "accuracy")
