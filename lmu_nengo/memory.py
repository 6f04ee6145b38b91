"""The Legendre memory as a Nengo network, and the three ways to realise it."""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.builder import Builder
from nengo.builder.network import build_network
from nengo.exceptions import ValidationError
from nengo.params import BoolParam

from lmu_nengo.discretize import DISCRETIZERS, discretize, impulse_response, simulate
from lmu_nengo.legendre import state_space
from lmu_nengo.principle3 import lowpass_principle3
from lmu_nengo.validation import check_choice, check_integer, check_positive


class LegendreMemory(nengo.Network):
    """
    A sliding window of its input, kept as Legendre coefficients: ``theta m' = A m + B u``.

    Connect to ``.input``, read the coefficients from ``.output``, both with ordinary
    connections and probes. The same memory can be realised exactly and step by step
    (`Linear`), exactly and for all time steps at once (`Windowed`, for training), or in
    neurons (`Spiking`); `realize` swaps one for another.

    Parameters
    ----------
    theta : float
        Length of the window in seconds, at least ``dt``.
    order : int
        Number of Legendre polynomials per channel, at least 1. A signal of up to
        ``order / (6 theta)`` Hz comes back with an error below 1%; a higher frequency
        is lost.
    memory_d : int
        Number of channels; each has a memory of its own.
    realization : Linear or Windowed or Spiking, optional
        How the memory is computed; ``None`` is ``Linear()``.
    dt : float
        Step in seconds for which the memory is made. A simulator with another step is
        refused.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        Takes the input ``u``, of size ``memory_d``.
    output : nengo.Node
        Gives the coefficients ``m``, of size ``memory_d * order``, channel after
        channel.
    realization : Linear or Windowed or Spiking
        The present realisation.

    Raises
    ------
    ValidationError
        If an argument is out of range, or ``theta`` is shorter than ``dt``.

    Notes
    -----
    NengoDL leaves everything inside the memory as it is when it trains.

    References
    ----------
    Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time
    Representation in Recurrent Neural Networks", NeurIPS 2019.
    """

    def __init__(
        self,
        theta,
        order,
        memory_d=1,
        realization=None,
        dt=0.001,
        label=None,
        seed=None,
        add_to_container=None,
    ):
        theta = check_positive(theta, "theta", obj=type(self).__name__)
        order = check_integer(order, "order", obj=type(self).__name__)
        memory_d = check_integer(memory_d, "memory_d", obj=type(self).__name__)
        dt = check_positive(dt, "dt", obj=type(self).__name__)
        if theta < dt:
            raise ValidationError(
                f"got {theta:g} s, expected at least one step, dt={dt:g} s. theta is in "
                "seconds: multiply a window counted in steps by dt.",
                attr="theta",
                obj=type(self).__name__,
            )
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        self.theta = theta
        self.order = order
        self.memory_d = memory_d
        self.dt = dt
        for kind in (nengo.Ensemble, nengo.ensemble.Neurons, nengo.Connection):
            if kind not in self.config.params:
                self.config.configures(kind)
            self.config[kind].set_param(
                "trainable", BoolParam("trainable", default=False, optional=True)
            )
        with self:
            self.input = nengo.Node(size_in=memory_d, label="input")
            self.output = nengo.Node(size_in=memory_d * order, label="output")
        self.realization = None
        self.realize(Linear() if realization is None else realization)

    def realize(self, realization):
        """
        Swap the way the memory is computed, in place.

        ``.input``, ``.output``, seeds and everything outside stay as they were.

        Parameters
        ----------
        realization : Linear or Windowed or Spiking
            The new realisation.

        Raises
        ------
        ValidationError
            If it is not a realisation, or does not fit the memory; the memory then
            keeps the one it has.
        """
        if not isinstance(realization, (Linear, Windowed, Spiking)):
            raise ValidationError(
                f"got {realization!r}, expected a Linear(), Windowed(n_steps) or "
                "Spiking(n_neurons).",
                attr="realization",
                obj=self,
            )
        with nengo.Network(add_to_container=False) as inside:
            realization.make(self)
        for kind, objects in self.objects.items():
            objects[:] = [obj for obj in objects if obj in (self.input, self.output)]
            objects.extend(inside.objects[kind])
        self.realization = realization

    def discrete(self, discretizer="zoh"):
        """
        Discrete state space of one channel.

        Parameters
        ----------
        discretizer : {"zoh", "euler", "bilinear"}
            See `lmu_nengo.discretize`.

        Returns
        -------
        Ad : ndarray of shape (order, order)
            Discrete state matrix for the memory's ``dt``.
        Bd : ndarray of shape (order, 1)
            Discrete input matrix.
        """
        return discretize(*state_space(self.order, self.theta), self.dt, discretizer)

    def channels(self):
        """Slices of ``.output``, one for each channel."""
        starts = range(0, self.memory_d * self.order, self.order)
        return [slice(start, start + self.order) for start in starts]


@Builder.register(LegendreMemory)
def build_memory(model, memory, progress=None):
    """Build the network, unless the simulator's step is not the memory's."""
    if not np.isclose(model.dt, memory.dt, rtol=1e-9, atol=0):
        raise ValidationError(
            f"the simulator's step is dt={model.dt:g} s, the memory was made for "
            f"dt={memory.dt:g} s. Give both the same: LegendreMemory(..., dt=...), "
            "Simulator(..., dt=...).",
            attr="dt",
            obj=memory,
        )
    build_network(model, memory, progress)


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
        Any neuron type. LIF is limited by the distortion of its decoded value,
        SpikingRectifiedLinear is several times more accurate.
    tau : float
        Time constant in seconds of the lowpass synapse, on recurrence and input.
    expected_input : nengo.Process, optional
        A signal such as one channel will get (size 1); the state is scaled to it.
        ``None`` is white noise of rms 0.3, limited to ``order / (6 theta)`` Hz.
    margin : float
        Range of an ensemble over the largest magnitude seen with ``expected_input``.
    max_rates, intercepts : nengo.dists.Distribution
        As for `nengo.Ensemble`. Intercepts below -1 leave some neurons always active,
        which halves the distortion of LIF.
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
                nengo.Connection(
                    ensemble, decoded[i], synapse=None, solver=self.solver
                )
            nengo.Connection(decoded, state, transform=recurrent, synapse=self.tau)
            nengo.Connection(
                memory.input[c], state, transform=drive, synapse=self.tau
            )
            nengo.Connection(
                decoded, memory.output[channel], transform=scale, synapse=None
            )

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


def realize(network, realization):
    """
    Swap the realisation of every memory in a network, in place.

    Parameters
    ----------
    network : nengo.Network
        Searched with all its subnetworks.
    realization : Linear or Windowed or Spiking
        The new realisation. ``Spiking.n_neurons`` counts for each memory.

    Raises
    ------
    ValidationError
        If the network holds no memory, or the realisation does not fit one.
    """
    memories = find_memories(network)
    if not memories:
        raise ValidationError(
            f"{network} holds no LegendreMemory, expected at least one.", attr="network"
        )
    for memory in memories:
        memory.realize(realization)


def find_memories(network):
    """All `LegendreMemory` in ``network`` and its subnetworks, itself included."""
    networks = [network, *network.all_networks]
    return [net for net in networks if isinstance(net, LegendreMemory)]
