"""The ways to realise a Legendre memory: exact, windowed, in spiking neurons."""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.discretize import DISCRETIZERS, impulse_response, simulate
from lmu_nengo.principle3 import lowpass_principle3
from lmu_nengo.validation import check_choice, check_integer, check_positive


@dataclass(frozen=True)
class Linear:
    """
    Exact and step by step, in Nengo, NengoDL and Nengo GUI: ``m = Ad m + Bd u``.

    Parameters
    ----------
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.discretize`.
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


@dataclass(frozen=True)
class Windowed:
    """
    Exact and for all time steps at once, for training in NengoDL.

    `lmu_nengo.training.Simulator` runs it; any other simulator refuses it.

    Parameters
    ----------
    n_steps : int
        Steps in each sequence. A sequence of another length is refused.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.discretize`.
    """

    n_steps: int
    discretizer: str = "zoh"

    def __post_init__(self):
        check_integer(self.n_steps, "n_steps", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)

    def make(self, memory):
        """Add the objects that compute the memory to the current network."""
        response = impulse_response(*memory.discrete(self.discretizer), self.n_steps)
        window = nengo.Node(
            WholeWindow(response),
            size_in=memory.memory_d,
            size_out=memory.memory_d * memory.order,
            label="window",
        )
        nengo.Connection(memory.input, window, synapse=None)
        nengo.Connection(window, memory.output, synapse=None)


class WholeWindow(nengo.Process):
    """
    What a `Windowed` memory holds: the memory's response to a whole sequence.

    Parameters
    ----------
    response : ndarray of shape (n_steps, order)
        Impulse response of one channel.
    """

    def __init__(self, response):
        super().__init__(default_size_in=1)
        self.response = response

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Refuse to be run one step at a time."""
        raise ValidationError(
            "a Windowed memory takes all time steps at once and cannot run step by "
            "step. Train it with lmu_nengo.training.Simulator, or call "
            "lmu_nengo.realize(network, lmu_nengo.Linear()) first.",
            attr="realization",
        )


@dataclass(frozen=True)
class Spiking:
    """
    Ensembles of neurons whose recurrent connections implement A and B.

    One ensemble holds each coefficient, divided by the largest magnitude that it is
    expected to have, so that each uses its ensemble's range. Discrete Principle 3 maps
    the memory onto the synapse.

    Parameters
    ----------
    n_neurons : int
        Neurons in all, at least one for each of the ``memory_d * order`` coefficients.
    neuron_type : nengo.neurons.NeuronType
        Any neuron type; SpikingRectifiedLinear is several times more accurate than LIF.
    tau : float
        Time constant in seconds of the lowpass synapse, on recurrence and input.
    expected_input : nengo.Process, optional
        A signal such as one channel will get (size 1); the state is scaled to it.
        ``None`` is white noise of rms 0.3, limited to ``order / (6 theta)`` Hz.
    margin : float
        Range of an ensemble over the largest magnitude seen with ``expected_input``.
    max_rates, intercepts : nengo.dists.Distribution
        As for `nengo.Ensemble`. Intercepts below -1 leave some neurons always active.
    solver : nengo.solvers.Solver
        Finds the decoders.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.discretize`.

    References
    ----------
    Voelker and Eliasmith, "Improving Spiking Dynamical Networks: Accurate Delays,
    Higher-Order Synapses, and Time Cells", Neural Computation 2018.
    """

    n_neurons: int
    neuron_type: nengo.neurons.NeuronType = nengo.LIF()
    tau: float = 0.1
    expected_input: nengo.Process | None = None
    margin: float = 1.3
    max_rates: nengo.dists.Distribution = nengo.dists.Uniform(200, 400)
    intercepts: nengo.dists.Distribution = nengo.dists.Uniform(-1.5, 1)
    solver: nengo.solvers.Solver = nengo.solvers.LstsqL2(reg=1e-3)
    discretizer: str = "zoh"

    def __post_init__(self):
        check_integer(self.n_neurons, "n_neurons", obj=self)
        check_positive(self.tau, "tau", obj=self)
        check_positive(self.margin, "margin", unit="ranges", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)

    def make(self, memory):
        """Add the objects that compute the memory to the current network."""
        size = memory.memory_d * memory.order
        check_integer(
            self.n_neurons,
            "n_neurons",
            low=size,
            advice=f"The memory holds {memory.memory_d} x {memory.order} coefficients, "
            "each in an ensemble of its own.",
            obj=self,
        )
        Ad, Bd = memory.discrete(self.discretizer)
        scale = self.margin * self.expected_magnitudes(memory, Ad, Bd)  # (order,)
        # in scaled coordinates x = m / scale
        recurrent, drive = lowpass_principle3(
            Ad * scale / scale[:, None], Bd / scale[:, None], self.tau, memory.dt
        )
        shares = np.diff(np.linspace(0, self.n_neurons, size + 1).astype(int))
        for c, channel in enumerate(memory.channels()):
            state = nengo.Node(size_in=memory.order, label=f"state{c}")
            decoded = nengo.Node(size_in=memory.order, label=f"decoded{c}")
            for i, n_neurons in enumerate(shares[channel]):
                ensemble = nengo.Ensemble(
                    n_neurons,
                    1,
                    neuron_type=self.neuron_type,
                    max_rates=self.max_rates,
                    intercepts=self.intercepts,
                    label=f"m{c}[{i}]",
                )
                nengo.Connection(state[i], ensemble, synapse=None)
                nengo.Connection(ensemble, decoded[i], synapse=None, solver=self.solver)
            nengo.Connection(decoded, state, transform=recurrent, synapse=self.tau)
            nengo.Connection(memory.input[c], state, transform=drive, synapse=self.tau)
            nengo.Connection(decoded, memory.output[channel], transform=scale, synapse=None)

    def expected_magnitudes(self, memory, Ad, Bd):
        """
        Largest magnitude of each coefficient over 20 windows of ``expected_input``.

        Parameters
        ----------
        memory : LegendreMemory
            Gives window, order and step.
        Ad, Bd : ndarray
            Its discrete state space.

        Returns
        -------
        magnitudes : ndarray of shape (order,)
            All above zero.
        """
        duration = 20 * memory.theta
        process = self.expected_input
        if process is None:
            high = min(memory.order / (6 * memory.theta), 0.5 / memory.dt)
            process = nengo.processes.WhiteSignal(
                duration, max(high, 2 / duration), rms=0.3, seed=0
            )
        u = process.run(
            duration, d=1, dt=memory.dt, rng=np.random.RandomState(process.seed or 0)
        )
        magnitudes = np.abs(simulate(Ad, Bd, u)).max(axis=0)
        if not np.all(np.isfinite(magnitudes)) or np.any(magnitudes == 0):
            raise ValidationError(
                f"{process!r} gives coefficients between {magnitudes.min():g} and "
                f"{magnitudes.max():g}; each must be finite and move. Expect a signal "
                "that changes within theta.",
                attr="expected_input",
                obj=self,
            )
        return magnitudes
