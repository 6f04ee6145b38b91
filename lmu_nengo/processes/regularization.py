"""Regularization as Nengo processes: dropout and Gaussian noise."""

from collections.abc import Callable

import nengo
from nengo.exceptions import ValidationError
from nengo.params import NumberParam

from lmu_nengo._validation import check_integer, check_non_negative


class TrainingOnly(nengo.Process):
    """
    The base of processes that change values in training and pass them on otherwise.

    Parameters
    ----------
    size : int
        Number of values.
    """

    def __init__(self, size: int):
        size = check_integer(size, "size", obj=type(self))
        super().__init__(default_size_in=size, default_size_out=size)

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Pass the input on."""
        if shape_in != shape_out:
            raise ValidationError(
                "input and output must have the same size, got a node with size_in="
                f"{shape_in[0]} and size_out={shape_out[0]}. Leave out the node's size_in "
                "and size_out.",
                attr="size",
                obj=self,
            )
        return lambda t, x: x

    def make_jax_step(
        self, shape_in: tuple[int, ...], shape_out: tuple[int, ...], dt: float
    ) -> Callable:
        """Pass the input on, in `lmu_nengo.engine`."""
        return lambda t, x: (x, {})


class Dropout(TrainingOnly):
    """
    Zero each value with probability ``rate`` during training; do nothing otherwise.

    Use it as the output of a node, ``nengo.Node(Dropout(0.5, size=n))``. During training in
    NengoDL the values that are kept are divided by ``1 - rate``; outside training, and in
    every other simulator, the node passes its input on.

    Parameters
    ----------
    rate : float
        Probability with which a value is dropped, in [0, 1).
    size : int
        Number of values.

    Raises
    ------
    ValidationError
        If ``rate`` is outside [0, 1), or ``size`` is not an integer of at least 1.

    See Also
    --------
    GaussianNoise : Adds noise instead.

    References
    ----------
    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", JMLR 2014.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.processes import Dropout
    >>> with nengo.Network() as model:
    ...     source = nengo.Node([1, 2, 3])
    ...     dropout = nengo.Node(Dropout(0.5, size=3))
    ...     connection = nengo.Connection(source, dropout, synapse=None)
    ...     probe = nengo.Probe(dropout)
    >>> with nengo.Simulator(model, progress_bar=False) as sim:  # not training
    ...     sim.run_steps(1)
    >>> sim.data[probe]
    array([[1., 2., 3.]])
    """

    rate = NumberParam("rate", low=0, high=1, high_open=True)

    def __init__(self, rate: float, size: int):
        super().__init__(size)
        if check_non_negative(rate, "rate", unit="", obj=type(self)) >= 1:
            raise ValidationError(f"must be below 1, got {rate}.", "rate", type(self))
        self.rate, self.size = rate, size


class GaussianNoise(TrainingOnly):
    """
    Add Gaussian noise to each value during training; do nothing otherwise.

    Use it as the output of a node, ``nengo.Node(GaussianNoise(0.1, size=n))``: the layers
    above it become robust to the noise that spiking neurons below will add.

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

    See Also
    --------
    Dropout : Zeros values instead.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.processes import GaussianNoise
    >>> with nengo.Network() as model:
    ...     source = nengo.Node([1, 2, 3])
    ...     noise = nengo.Node(GaussianNoise(0.1, size=3))
    ...     connection = nengo.Connection(source, noise, synapse=None)
    ...     probe = nengo.Probe(noise)
    >>> with nengo.Simulator(model, progress_bar=False) as sim:  # not training
    ...     sim.run_steps(1)
    >>> sim.data[probe]
    array([[1., 2., 3.]])
    """

    std = NumberParam("std", low=0)

    def __init__(self, std: float, size: int):
        super().__init__(size)
        self.std = check_non_negative(std, "std", unit="", obj=type(self))
        self.size = size
