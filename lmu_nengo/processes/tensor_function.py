"""A function of tensors, of TensorFlow or JAX, as a Nengo process."""

from collections.abc import Callable

import nengo
import numpy as np

from lmu_nengo._validation import check_integer


class TensorFunction(nengo.Process):
    """
    Applies a function of a tensor to its input, element by element.

    `lmu_nengo.training` trains through it: `Simulator` through functions of TensorFlow,
    `Trainer` through functions of JAX. Other simulators call it at every step, which is
    slow.

    Parameters
    ----------
    function : callable
        Maps a tensor of shape (rows, size), or in `Trainer` (size,), to one of the same
        shape, such as ``tf.nn.gelu`` or ``jax.nn.gelu``.
    size : int
        Number of values.

    Raises
    ------
    ValidationError
        If ``size`` is not an integer of at least 1.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.processes import TensorFunction
    >>> def squared(x):
    ...     return x**2
    >>> with nengo.Network():
    ...     node = nengo.Node(TensorFunction(squared, size=3))
    >>> node.size_in, node.size_out
    (3, 3)
    """

    def __init__(self, function: Callable, size: int):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(default_size_in=size, default_size_out=size)
        self.function = function

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Call the function."""
        return lambda t, x: np.asarray(self.function(x[None]))[0]
