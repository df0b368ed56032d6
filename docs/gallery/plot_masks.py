"""
plot_masks: what does each noise drop?
======================================

Four examples of two channels under every function of `jreg.noise` that drops, all at one rate: single elements,
whole maps, blocks, steps of a sequence, branches, patches.
"""

import jax

from jreg import diagnose

diagnose.plot_masks(jax.random.key(0), 0.3)
