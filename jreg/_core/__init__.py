"""What every family shares: argument checks, pytree selections, marks in the jaxpr. Imports nothing of jreg."""
