"""PyTorch beside the others: a process of its own, without JAX, that `suites.torch_process` starts."""

RATE, LEARNING_RATE = 0.1, 1e-3
"""Those of every dropout and every training step, on both sides."""
