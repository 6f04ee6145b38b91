"""Recurrences over all time steps, with their gradients written out."""
