"""
plot_curves: when did it start to over-fit?
===========================================

A training and a validation curve with their seeds, and what `diagnose.curves` reads off them: where validation was
best, how large the gap is there and at the end, and from where on the run over-fits.
"""

import jax.numpy as jnp
import numpy as np

from jreg import diagnose

epochs, noise = np.arange(60), np.random.default_rng(0).normal(size=(2, 8, 60))
train = np.exp(-epochs / 12) + 0.01 * noise[0]
valid = np.exp(-epochs / 12) + 0.2 + 0.008 * np.maximum(epochs - 20, 0) + 0.02 * noise[1]
axes = diagnose.plot_curves(jnp.asarray(train), jnp.asarray(valid))
print(diagnose.curves(jnp.asarray(train), jnp.asarray(valid)).describe("epoch"))
