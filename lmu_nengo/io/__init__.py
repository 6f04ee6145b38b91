"""Saved networks, and files that are written whole or not at all."""

from lmu_nengo.io.saved_networks import load_network, save_network

__all__ = [
    "load_network",
    "save_network",
]
