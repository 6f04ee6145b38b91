"""Spiking memories: accuracy, cost and targets."""
