"""PyTorch beside the others: a process of its own, without JAX, that `suites.torch_process` starts."""
