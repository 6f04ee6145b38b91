"""Saved networks, and files that are written completely or not at all."""

from lmu_nengo.io.arrays import DamagedFileError
from lmu_nengo.io.atomic import write_atomically
from lmu_nengo.io.keras_models import from_keras_lmu
from lmu_nengo.io.saved_networks import load_network, save_network

__all__ = [
    "DamagedFileError",
    "from_keras_lmu",
    "load_network",
    "save_network",
    "write_atomically",
]
