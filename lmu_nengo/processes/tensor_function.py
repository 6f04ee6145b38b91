"""A function of TensorFlow tensors as a Nengo process."""

import nengo

from lmu_nengo._validation import check_integer


class TensorFunction(nengo.Process):
    """
    Applies a function of a TensorFlow tensor to its input, element by element.

    NengoDL trains through it; other simulators call TensorFlow at every step.

    Parameters
    ----------
    function : callable
        Takes and gives a tensor of shape (rows, size).
    size : int
        Number of values.
    """

    def __init__(self, function, size):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(default_size_in=size, default_size_out=size)
        self.function = function

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Call the function."""
        import tensorflow as tf

        return lambda t, x: self.function(tf.constant(x[None])).numpy()[0]
