"""Regularization as Nengo processes: dropout and Gaussian noise."""

import nengo
from nengo.exceptions import ValidationError
from nengo.params import NumberParam

from lmu_nengo._validation import check_integer


class TrainingOnly(nengo.Process):
    """
    The base of processes that change values in training and pass them on otherwise.

    Parameters
    ----------
    size : int
        Number of values.
    """

    def __init__(self, size):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(default_size_in=size, default_size_out=size)

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


class Dropout(TrainingOnly):
    """
    Zero each value with probability ``rate`` during training; do nothing otherwise.

    Use as the output of a node, ``nengo.Node(Dropout(0.5, size=n))``. NengoDL's
    training drops values and divides the others by ``1 - rate``; everywhere else, and
    in every other simulator, the node passes its input on.

    Parameters
    ----------
    rate : float
        Share of values to drop, in [0, 1).
    size : int
        Number of values.

    Raises
    ------
    ValidationError
        If ``rate`` is outside [0, 1), or ``size`` is not an integer of at least 1.

    References
    ----------
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", JMLR 2014.
    """

    rate = NumberParam("rate", low=0, high=1, high_open=True)

    def __init__(self, rate, size):
        super().__init__(size)
        self.rate = rate


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
