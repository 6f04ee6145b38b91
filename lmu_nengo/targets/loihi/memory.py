"""The Legendre memory as Loihi wants it: one ensemble, and full weights to itself."""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_choice, check_integer, check_positive
from lmu_nengo.memory.realization import Realization, refuse_start
from lmu_nengo.nef.input_model import Band, Expected
from lmu_nengo.nef.mapping import principle3
from lmu_nengo.nef.populations import GOLDEN, quantiles
from lmu_nengo.signal.balancing import COORDINATES, state_transform, window_energy
from lmu_nengo.signal.discretization import DISCRETIZERS
from lmu_nengo.targets.loihi.chip import (
    ChipNeurons,
    firing_rates,
    gain_bias,
    kept_current,
    round_weights,
    share_out,
    weight_grid,
)

LOUD = 4.0  # largest input in root mean squares of a band
BEYOND = 1.2  # largest input in magnitudes of an expected process
AXONS = 4096  # into a core, and as many out of it
INPUT_PAIRS = 4  # of spike trains, at least: their errors show in small dimensions
CANCELLING = 10.0  # largest factor of a dimension, over the fastest mode's
POINTS = 4000  # states of the expected trajectory on which weights are rounded


@dataclass(frozen=True)
class OnChip(Realization):
    """
    A spiking memory within the means of a Loihi chip.

    Each channel is one ensemble that drives itself through full weights: the recurrent
    matrix between decoders and encoders, rounded to the chip's weights so that the sums
    stay. Neurons integrate and fire, and are always active in the range of their
    dimension. The input is two spike trains from the host, on and off, straight into the
    neurons: a compartment has one filter, which so is the memory's. The last neuron never
    fires; its weights set the scale to which nengo-loihi rounds the others.

    The memory's output is its state, which the host gets from the spikes by the filter of
    the chip, ahead by as many steps as the spikes took to arrive. In core Nengo the same
    network does what the chip would, but for the spikes of the input.

    `lmu_nengo.targets.prepare` turns any memory into this one.

    Parameters
    ----------
    n_neurons : int
        Neurons in all, at least two for each dimension of each channel and one more.
        Memory for their weights grows as the square: 800 of one channel fill 6 cores.
    tau : float
        Time constant in seconds of the compartments' filter.
    expected_input : Band or nengo.Process, optional
        What one channel will get, as for `lmu_nengo.Spiking`.
    input_range : float, optional
        Magnitude of input beyond which it is clipped. ``None`` is 4 times the rms of an
        expected band, or 1.2 times the largest magnitude of an expected process.
    coordinates : {"balanced", "legendre", "principal"}
        What the dimensions are; see `lmu_nengo.signal.state_transform`.
    state_d : int, optional
        Dimensions kept, as for `lmu_nengo.Spiking`.
    points : array_like, optional
        What will be read, delay / theta, each in [0, 1]. ``None`` is the whole window.
    margin : float
        Range of a dimension over its largest expected magnitude.
    max_rates, intercepts : nengo.dists.Distribution
        As for `nengo.Ensemble`; Uniform ones are spread evenly. Higher rates need finer
        weights than the chip has; lower ones are noisier.
    solver : nengo.solvers.Solver
        Finds the decoders.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.
    deployed : bool
        Whether it is made for nengo-loihi, which filters the input on the host a second
        time and sends spikes to the host a step late. `lmu_nengo.targets.prepare` sets it.

    Raises
    ------
    ValidationError
        If an argument is out of range.
    """

    n_neurons: int
    tau: float = 0.1
    expected_input: Band | nengo.Process | None = None
    input_range: float | None = None
    coordinates: str = "balanced"
    state_d: int | None = None
    points: list | None = None
    margin: float = 1.0
    max_rates: nengo.dists.Distribution = nengo.dists.Uniform(100, 120)
    intercepts: nengo.dists.Distribution = nengo.dists.Uniform(-1.5, -1)
    solver: nengo.solvers.Solver = nengo.solvers.LstsqL2(reg=0.01)
    discretizer: str = "zoh"
    deployed: bool = False
    is_spiking = True
    neuron_type = ChipNeurons()
    output = "state"

    @property
    def synapse(self):
        """Filter of the compartments."""
        return nengo.Lowpass(self.tau)

    def __post_init__(self):
        check_integer(self.n_neurons, "n_neurons", obj=self)
        check_positive(self.tau, "tau", obj=self)
        check_positive(self.margin, "margin", unit="", obj=self)
        check_choice(self.coordinates, COORDINATES, "coordinates", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)
        if self.state_d is not None:
            check_integer(self.state_d, "state_d", obj=self)
        if self.input_range is not None:
            check_positive(
                self.input_range, "input_range", unit="the input's unit", obj=self
            )

    def channel_neurons(self, memory):
        """
        Neurons of each channel.

        Parameters
        ----------
        memory : LegendreMemory
            The memory.

        Returns
        -------
        channel_neurons : ndarray of int of shape (memory_d,)
            They sum to ``n_neurons``.
        """
        return np.diff(np.linspace(0, self.n_neurons, memory.memory_d + 1).astype(int))

    def make(self, memory):
        """Add the objects that compute the memory to the current network."""
        refuse_start(memory, self)
        design = Design(self, memory)
        for c, channel in enumerate(memory.channels()):
            self._make_channel(memory, c, channel, design)

    def _make_channel(self, memory, c, channel, design):
        """Add the objects of one channel."""
        # the synapse that nengo-loihi rounds to the decay meant
        synapse = nengo.Lowpass(design.tau)
        neurons = design.neurons(self.channel_neurons(memory)[c])
        ensemble = nengo.Ensemble(
            len(neurons.bias),
            1,
            neuron_type=ChipNeurons(),
            encoders=np.ones((len(neurons.bias), 1)),
            gain=np.ones(len(neurons.bias)),
            bias=neurons.bias,
            label=f"memory{c}",
        )
        nengo.Connection(
            ensemble.neurons, ensemble.neurons, transform=neurons.weights, synapse=synapse
        )
        axons = neurons.input_weights.shape[1]
        scaled = nengo.Node(size_in=axons, label=f"input{c}, scaled")
        if self.deployed:
            stagger = nengo.Node(Stagger(axons, memory.dt), label="stagger")
            nengo.Connection(stagger, scaled, synapse=None)
        nengo.Connection(
            memory.input[c],
            scaled,
            transform=np.full((axons, 1), 1 / design.input_range),
            synapse=None,
        )
        nengo.Connection(
            scaled,
            ensemble.neurons,
            transform=neurons.input_weights,
            synapse=None if self.deployed else synapse,
        )
        # the chip's state, once more on the host
        state = nengo.Node(size_in=len(design.Ax), label=f"state{c}")
        nengo.Connection(
            ensemble.neurons,
            state,
            transform=design.recurrent @ neurons.decoders,
            synapse=synapse,
        )
        # m[t] = Ad m[t-1] + Bd u[t]; the state is that of one step before, or of two
        past, late = memory.input[c], int(self.deployed)
        ahead = design.transform
        for step in range(1 + late):
            if step:
                before = nengo.Node(size_in=1, label=f"input{c}, a step before")
                nengo.Connection(past, before, synapse=0)
                past = before
            nengo.Connection(
                past, memory.output[channel], transform=ahead @ design.Bx, synapse=None
            )
            ahead = ahead @ design.Ax
        nengo.Connection(past, state, transform=design.drive, synapse=synapse)
        nengo.Connection(state, memory.output[channel], transform=ahead, synapse=None)


class Stagger:
    """
    Sets the spike trains of the input apart, in the first step.

    nengo-loihi makes two trains of a value, by neurons that all start at zero. Those of the
    same value keep their distances, so that the errors of k pairs fall as 1/k.

    Parameters
    ----------
    n_axons : int
        Number of pairs.
    dt : float
        Step in seconds.
    """

    def __init__(self, n_axons, dt):
        self.dt = dt
        self.first = (2 * np.arange(n_axons) + 1) / n_axons - 1
        self.later = np.zeros(n_axons)

    def __call__(self, t):
        return self.first if t < 1.5 * self.dt else self.later


class Design:
    """
    What all channels of a memory have in common.

    Parameters
    ----------
    on_chip : OnChip
        Says how.
    memory : LegendreMemory
        The memory.

    Attributes
    ----------
    tau : float
        Time constant in seconds that the chip really has.
    input_range : float
        Magnitude of the largest input.
    transform : ndarray of shape (order, state_d)
        From the state, which is in [-1, 1], to Legendre coefficients.
    Ax, Bx : ndarray of shape (state_d, state_d) and (state_d, 1)
        Discrete state space of the state.
    recurrent, drive : ndarray of shape (state_d, state_d) and (state_d, 1)
        What goes through the filter.
    """

    def __init__(self, on_chip, memory):
        self.on_chip = on_chip
        self.dt = memory.dt
        self.kept = kept_current(on_chip.tau, memory.dt)
        self.tau = -memory.dt / np.log(self.kept)
        Ad, Bd = memory.discrete(on_chip.discretizer)
        expected = Expected(on_chip.expected_input, memory, Ad, Bd)
        state_d = expected.dimensions(on_chip.coordinates, on_chip.state_d, obj=on_chip)
        self.input_range = on_chip.input_range
        if self.input_range is None:
            loudest = BEYOND * np.abs(expected.u).max()
            if expected.is_band:
                loudest = LOUD * np.sqrt(np.mean(expected.u**2))
            self.input_range = float(loudest)
        transform, inverse = state_transform(
            on_chip.coordinates,
            expected.covariance,
            window_energy(Ad, on_chip.points),
            state_d,
        )
        scale = on_chip.margin * expected.magnitudes(inverse)
        self.transform, inverse = transform * scale, inverse / scale[:, None]
        self.Ax, self.Bx = inverse @ Ad @ self.transform, inverse @ Bd
        # a small dimension that is the difference of large ones gets a wider range, or
        # its weights would be the coarsest, and its noise beyond its range
        rows = self._map(memory)[0]
        speed = max(1.0, np.abs(np.linalg.eigvals(rows)).max())
        wider = np.maximum(1, np.abs(rows).max(axis=1) / (CANCELLING * speed))
        self.transform, inverse = self.transform * wider, inverse / wider[:, None]
        self.Ax, self.Bx = inverse @ Ad @ self.transform, inverse @ Bd
        self.recurrent, self.drive = self._map(memory)
        stride = max(1, len(expected.settled) // POINTS)
        self.trajectory = expected.settled[::stride] @ inverse.T
        self.made = {}

    def _map(self, memory):
        """Principle 3: what goes through the filter, of the state and of the input."""
        mapping = principle3(self.Ax, self.Bx, self.tau, memory.dt)
        return mapping.recurrent, mapping.input_transform

    def neurons(self, n_neurons):
        """
        Neurons of a channel.

        Parameters
        ----------
        n_neurons : int
            How many.

        Returns
        -------
        neurons : ChannelNeurons
            The same ones for the same number.

        Raises
        ------
        ValidationError
            If there are too few.
        """
        if n_neurons not in self.made:
            self.made[n_neurons] = self._make_neurons(int(n_neurons))
        return self.made[n_neurons]

    def _make_neurons(self, n_neurons):
        state_d, on_chip, dt = len(self.Ax), self.on_chip, self.dt
        check_integer(
            n_neurons,
            "n_neurons",
            low=2 * state_d + 1,
            advice=f"A channel has {state_d} dimensions; each takes two neurons at least, "
            "and one more sets the scale of the weights.",
            obj=on_chip,
        )
        if n_neurons > AXONS - 2 * INPUT_PAIRS:
            raise ValidationError(
                f"got {n_neurons} neurons a channel, expected at most "
                f"{AXONS - 2 * INPUT_PAIRS}: each core of an ensemble takes in all of it. "
                "Take fewer neurons or more channels.",
                attr="n_neurons",
                obj=on_chip,
            )
        shares = np.diff(np.linspace(0, n_neurons - 1, state_d + 1).astype(int))
        encoders, decoders = np.zeros((n_neurons, state_d)), np.zeros((state_d, n_neurons))
        bias = np.zeros(n_neurons)
        points = np.linspace(-1, 1, 501)[:, None]
        for i, end in enumerate(np.cumsum(shares)):
            own = slice(end - shares[i], end)
            k = np.arange(shares[i])
            rng = np.random.RandomState(i)
            places = (0.5 + GOLDEN * (k + i)) % 1, (k + 0.5) / len(k)
            rates, intercepts = (
                nengo.dists.get_samples(quantiles(distribution, where), len(k), rng=rng)
                for distribution, where in zip(
                    (on_chip.max_rates, on_chip.intercepts), places, strict=True
                )
            )
            if np.max(rates) >= 0.5 / dt or np.min(rates) <= 0 or np.max(intercepts) >= 1:
                raise ValidationError(
                    f"got {on_chip.max_rates!r} and {on_chip.intercepts!r}, expected rates "
                    f"above 0 and below {0.5 / dt:g} Hz, and intercepts below 1.",
                    attr="max_rates",
                    obj=on_chip,
                )
            gain, bias[own] = gain_bias(rates, intercepts, dt)
            encoders[own, i] = np.where(k % 2 == 0, gain, -gain)
            activities = firing_rates(points @ encoders[own, i : i + 1].T + bias[own], dt)
            decoders[i, own] = on_chip.solver(activities, points, rng=rng)[0].T
        activities = firing_rates(self.trajectory @ encoders.T + bias, dt)
        weights = encoders @ self.recurrent @ decoders
        # a spike of the input in each step is an input of input_range
        input_weights = encoders @ self.drive * self.input_range
        reference, quantum = weight_grid(
            np.abs(weights).max(), np.abs(bias).max(), self.kept, dt
        )
        weights = round_weights(weights, activities, quantum)
        weights[:, -1] = reference
        # a spike says more than a neuron's: its weight is shared out to several axons
        input_weights = share_out(input_weights[:, 0], quantum / dt, INPUT_PAIRS)
        return ChannelNeurons(bias, decoders, weights, input_weights, quantum)


@dataclass(frozen=True, eq=False)
class ChannelNeurons:
    """
    Neurons of a channel.

    Parameters
    ----------
    bias : ndarray of shape (n_neurons,)
        In Hz.
    decoders : ndarray of shape (state_d, n_neurons)
        From spikes to the state.
    weights : ndarray of shape (n_neurons, n_neurons)
        Recurrent ones, multiples of the quantum; the last column is the reference.
    input_weights : ndarray of shape (n_neurons, n_axons)
        For an input in [-1, 1], the same through all axons.
    quantum : float
        Step of the weights.
    """

    bias: np.ndarray
    decoders: np.ndarray
    weights: np.ndarray
    input_weights: np.ndarray
    quantum: float
