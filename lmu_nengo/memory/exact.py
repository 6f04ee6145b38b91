"""Exact realizations of a Legendre memory: step by step, and for whole windows."""

from dataclasses import dataclass

import nengo
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_choice, check_integer
from lmu_nengo.memory.realization import Realization, refuse_start
from lmu_nengo.signal.discretization import DISCRETIZERS, impulse_response


@dataclass(frozen=True)
class Linear(Realization):
    """
    Exact and step by step, in Nengo, NengoDL and Nengo GUI: ``m = Ad m + Bd u``.

    Parameters
    ----------
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.
    """

    discretizer: str = "zoh"

    def __post_init__(self):
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)

    def make(self, memory):
        """Add the objects that compute the memory to the current network."""
        Ad, Bd = memory.discrete(self.discretizer)
        for c, channel in enumerate(memory.channels()):
            m = nengo.Node(size_in=memory.order, label=f"m{c}")
            nengo.Connection(memory.input[c], m, transform=Bd, synapse=None)
            nengo.Connection(m, m, transform=Ad, synapse=0)  # one step
            nengo.Connection(m, memory.output[channel], synapse=None)
            if memory.start is not None:
                nengo.Connection(memory.start[channel], m, synapse=None)


@dataclass(frozen=True)
class Windowed(Realization):
    """
    Exact and for all time steps at once, for training in NengoDL.

    `lmu_nengo.training.Simulator` runs it; any other simulator refuses it.

    Parameters
    ----------
    n_steps : int
        Steps in each sequence. A sequence of another length is refused.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.
    """

    n_steps: int
    discretizer: str = "zoh"
    is_windowed = True

    def __post_init__(self):
        check_integer(self.n_steps, "n_steps", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)

    def make(self, memory):
        """Add the objects that compute the memory to the current network."""
        refuse_start(memory, self)
        window = nengo.Node(
            WholeWindow(*memory.discrete(self.discretizer), self.n_steps),
            size_in=memory.memory_d,
            size_out=memory.memory_d * memory.order,
            label="window",
        )
        nengo.Connection(memory.input, window, synapse=None)
        nengo.Connection(window, memory.output, synapse=None)

    def step_by_step(self):
        """Return `Linear` with the same discretizer."""
        return Linear(self.discretizer)


class WholeWindow(nengo.Process):
    """
    What a `Windowed` memory holds: the memory's response to a whole sequence.

    Parameters
    ----------
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    n_steps : int
        Steps in each sequence.
    """

    def __init__(self, Ad, Bd, n_steps):
        super().__init__(default_size_in=1)
        self.discrete = (Ad, Bd)
        self.n_steps = n_steps
        self.response = impulse_response(Ad, Bd, n_steps)

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Refuse to be run one step at a time."""
        raise ValidationError(
            "a Windowed memory takes all time steps at once and cannot run step by "
            "step. Train it with lmu_nengo.training.Simulator, or call "
            "lmu_nengo.realize(network, lmu_nengo.Linear()) first.",
            attr="realization",
        )
