"""A network as a function of what is trained, in JAX."""
