"""Gaussian noise as a Nengo process."""

import nengo
from nengo.exceptions import ValidationError
from nengo.params import NumberParam

from lmu_nengo.validation import check_integer


class GaussianNoise(nengo.Process):
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
        size = check_integer(size, "size", obj=type(self).__name__)
        super().__init__(default_size_in=size, default_size_out=size)
        self.std = std

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Pass the input on."""
        if shape_in != shape_out:
            raise ValidationError(
                f"got a node of {shape_in[0]} inputs and {shape_out[0]} outputs, "
                "expected the same. Leave the node's size_in and size_out out.",
                attr="size",
                obj=self,
            )
        return lambda t, x: x
