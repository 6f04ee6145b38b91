"""Gaussian noise as a Nengo process."""

from nengo.params import NumberParam

from lmu_nengo.dropout import TrainingOnly


class GaussianNoise(TrainingOnly):
    """
    Add Gaussian noise to each value during training; do nothing otherwise.

    Use as the output of a node, ``nengo.Node(GaussianNoise(0.1, size=n))``: what is trained
    behind it learns to bear what spiking neurons before it will add.

    Parameters
    ----------
    std : float
        Standard deviation, at least 0, in the unit of the values.
    size : int
        Number of values.

    Raises
    ------
    ValidationError
        If ``std`` is negative, or ``size`` is not an integer of at least 1.
    """

    std = NumberParam("std", low=0)

    def __init__(self, std, size):
        super().__init__(size)
        self.std = std
