"""Dropout as a Nengo process."""

import nengo
from nengo.exceptions import ValidationError
from nengo.params import NumberParam


class Dropout(nengo.Process):
    """
    Zero each value with probability ``rate`` during training; do nothing otherwise.

    Use as the output of a node, ``nengo.Node(Dropout(0.5), size_in=n)``. NengoDL's
    training drops values and divides the others by ``1 - rate``; everywhere else, and
    in every other simulator, the node passes its input on.

    Parameters
    ----------
    rate : float
        Share of values to drop, in [0, 1).

    Raises
    ------
    ValidationError
        If ``rate`` is outside [0, 1).
    """

    rate = NumberParam("rate", low=0, high=1)

    def __init__(self, rate):
        super().__init__(default_size_in=1)
        self.rate = rate
        if rate == 1:
            raise ValidationError(
                "got 1, expected at least 0 and less than 1.", "rate", obj=self
            )

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Pass the input on."""
        if shape_in != shape_out:
            raise ValidationError(
                f"got size_in={shape_in} and size_out={shape_out}, expected the same.",
                attr="size_out",
                obj=self,
            )
        return lambda t, x: x
