"""Exact realizations of a Legendre memory: step by step, and for whole windows."""

from dataclasses import dataclass
from functools import cached_property

import nengo
import numpy as np

from lmu_nengo._validation import check_choice, check_integer
from lmu_nengo.memory.realization import Realization
from lmu_nengo.processes.sequence import Sequence
from lmu_nengo.signal.discretization import DISCRETIZERS, impulse_response


@dataclass(frozen=True)
class Linear(Realization):
    """
    Exact and step by step: ``m[t] = Ad m[t-1] + Bd u[t]`` in each channel.

    It runs in Nengo, NengoDL, Nengo GUI and any other simulator of Nengo networks. One node
    holds the state of all channels, and one recurrent connection updates it.

    Parameters
    ----------
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.

    Raises
    ------
    ValidationError
        If the discretizer is unknown.

    See Also
    --------
    Windowed : the same response, for all time steps at once.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Linear
    >>> with nengo.Network() as model:
    ...     memory = LegendreMemory(theta=0.1, order=6, realization=Linear("bilinear"))
    >>> memory.realization
    Linear(discretizer='bilinear')
    """

    discretizer: str = "zoh"

    def __post_init__(self):
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)

    def make(self, memory) -> None:
        """Add the objects that compute a memory to the current network."""
        Ad, Bd = (
            per_channel(matrix, n_channels=memory.memory_d)
            for matrix in memory.discrete(self.discretizer)
        )
        m = nengo.Node(size_in=memory.output.size_in, label="m")
        nengo.Connection(memory.input, m, transform=Bd, synapse=None)
        nengo.Connection(m, m, transform=Ad, synapse=0)  # one step
        nengo.Connection(m, memory.output, synapse=None)
        if memory.start is not None:
            nengo.Connection(memory.start, m, synapse=None)


def per_channel(*matrices, n_channels):
    """
    Return a transform that applies matrices to every channel.

    Parameters
    ----------
    *matrices : ndarray of shape ([n_channels,] size_out, size_in of a signal)
        One for each signal, the same for all channels or one for each of them. The
        transform takes the signals one after the other, and in each of them channel after
        channel; it adds up the products.
    n_channels : int
        Number of channels.

    Returns
    -------
    transform : nengo.Dense or nengo.Sparse
        Sparse if there are several channels.
    """
    if n_channels == 1:
        matrix = np.concatenate([m.reshape(m.shape[-2:]) for m in matrices], axis=1)
        return nengo.Dense(matrix.shape, init=matrix)
    from scipy.sparse import bsr_matrix, hstack  # take a while to import

    def block_diagonal(matrix):
        # dense blocks are multiplied faster than single entries
        place = np.arange(n_channels), np.arange(n_channels + 1)
        blocks = np.array(np.broadcast_to(matrix, (n_channels, *matrix.shape[-2:])))
        return bsr_matrix((blocks, *place), shape=n_channels * np.array(matrix.shape[-2:]))

    diagonals = [block_diagonal(matrix) for matrix in matrices]
    diagonal = diagonals[0] if len(diagonals) == 1 else hstack(diagonals, format="csr")
    return nengo.Sparse(diagonal.shape, init=diagonal)


@dataclass(frozen=True)
class Windowed(Realization):
    """
    Exact and for all time steps at once, for training.

    `lmu_nengo.training.Trainer` and `Simulator` run it; other simulators refuse it.
    Realize the network with `Linear` to run it elsewhere.

    Parameters
    ----------
    n_steps : int
        Steps in each sequence. A sequence of another length is refused.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.

    Raises
    ------
    ValidationError
        If an argument is out of range.

    See Also
    --------
    Linear : the same response, step by step.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Windowed, realize
    >>> with nengo.Network() as model:
    ...     memory = LegendreMemory(theta=0.1, order=6, realization=Windowed(n_steps=100))
    >>> realize(model, memory.realization.step_by_step())  # after training
    >>> memory.realization
    Linear(discretizer='zoh')
    """

    n_steps: int
    discretizer: str = "zoh"
    is_windowed = True

    def __post_init__(self):
        check_integer(self.n_steps, "n_steps", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)

    def make(self, memory) -> None:
        """Add the objects that compute a memory to the current network."""
        process = WindowResponse(
            *memory.discrete(self.discretizer),
            memory.memory_d,
            self.n_steps,
            start=memory.start is not None,
        )
        window = nengo.Node(process, label="window")
        if memory.start is None:
            nengo.Connection(memory.input, window, synapse=None)
        else:
            nengo.Connection(memory.input, window[: memory.memory_d], synapse=None)
            nengo.Connection(memory.start, window[memory.memory_d :], synapse=None)
        nengo.Connection(window, memory.output, synapse=None)

    def step_by_step(self) -> Linear:
        """Return `Linear` with the same discretizer."""
        return Linear(self.discretizer)


class WindowResponse(Sequence):
    """
    Response of a `Windowed` memory to a whole sequence.

    Parameters
    ----------
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    memory_d : int
        Number of channels, which all have the same state space.
    n_steps : int
        Steps in each sequence.
    start : bool
        Whether the input is followed by what is added to the state in each step.

    Attributes
    ----------
    discrete : tuple of (ndarray, ndarray)
        ``Ad`` and ``Bd``.
    """

    def __init__(self, Ad, Bd, memory_d, n_steps, start=False):
        state_d = memory_d * len(Ad)
        super().__init__(memory_d + (state_d if start else 0), state_d)
        self.discrete = (Ad, Bd)
        self.memory_d = memory_d
        self.start = start
        self.n_steps = n_steps
        self.state_d = state_d

    @cached_property
    def response(self):
        """Impulse response of one channel, of shape (n_steps, order)."""
        return impulse_response(*self.discrete, self.n_steps)
