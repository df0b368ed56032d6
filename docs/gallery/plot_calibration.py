"""
plot_calibration: is it as sure as it is right?
===============================================

Confidence against accuracy, with Wilson's interval for each bin. The logits of the second model are three times
those of the first: the same predictions, far too sure.
"""

import jax

from jreg import diagnose

logits_key, label_key = jax.random.split(jax.random.key(0))
logits = 2.0 * jax.random.normal(logits_key, (4000, 5))
labels = jax.random.categorical(label_key, logits)
found = {
    name: diagnose.reliability(jax.nn.softmax(factor * logits), labels, num_bins=10)
    for name, factor in {"as sure as it is right": 1.0, "too sure": 3.0}.items()
}
diagnose.plot_calibration(found)
temperature = diagnose.temperature_scale(3.0 * logits, labels)
print(f"temperature that repairs it: {float(temperature):.2f}")
