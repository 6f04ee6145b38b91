"""Data sets: handwritten digits and chaotic time series."""

from lmu_nengo.datasets.chaotic import lorenz, mackey_glass
from lmu_nengo.datasets.digits import (
    Digits,
    load_mnist,
    load_small_digits,
    permuted_sequences,
)

__all__ = [
    "Digits",
    "load_mnist",
    "load_small_digits",
    "lorenz",
    "mackey_glass",
    "permuted_sequences",
]
