"""What all families share: argument checks, pytree selections, marks in the jaxpr. Imports nothing else from jreg."""
