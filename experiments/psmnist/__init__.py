"""Permuted sequential MNIST."""
