"""The Legendre memory on Loihi: an ensemble per channel, with full recurrent weights."""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import (
    MOST_NEURONS,
    check_choice,
    check_flag,
    check_integer,
    check_positive,
)
from lmu_nengo.memory.realization import Realization, refuse_start
from lmu_nengo.memory.spiking import input_models
from lmu_nengo.nef.coordinates import choose_coordinates
from lmu_nengo.nef.input_model import Band, Recording, as_expected_input
from lmu_nengo.nef.mapping import principle3
from lmu_nengo.nef.populations import make_neurons, share_neurons
from lmu_nengo.signal.balancing import COORDINATES, window_energy
from lmu_nengo.signal.discretization import DISCRETIZERS
from lmu_nengo.targets.loihi.chip import ChipNeurons, kept_current, kept_voltage
from lmu_nengo.targets.loihi.population import AXONS, INPUT_PAIRS, Population
from lmu_nengo.targets.loihi.thresholds import MEMBRANE, ThresholdNeurons, graded_neurons

WIDEST = 1e6  # range of an input, in radii
LOUD = 4.0  # largest input over the rms of a band
BEYOND = 1.2  # largest input over the largest magnitude of an expected process
CANCELLING = 10.0  # largest recurrent weight between dimensions, over the fastest mode's
POINTS = 4000  # states of the expected trajectory on which weights are rounded
FINE = 5.0  # quanta of the largest weight, at least, for graded thresholds
PACE = 2.0  # pairs of neurons of a dimension times tau / theta, at least, for the same
SHORT = 0.5  # tau / theta, at most, for the same
MAX_RATES = nengo.dists.Uniform(100, 120)
INTERCEPTS = nengo.dists.Uniform(-1.5, -1)


@dataclass(frozen=True)
class OnChip(Realization):
    """
    A spiking memory within the limits of a Loihi chip.

    Each channel is one ensemble with full recurrent weights: encoders times recurrent
    matrix times decoders, rounded to the chip's weights in such a way that the sums are
    preserved. The input arrives as two spike trains from the host, on and off, directly at
    the neurons, because a compartment has only one filter, which is the memory's. The last
    neuron never fires; its weights set the scale to which nengo-loihi rounds the others.

    With short filters, neurons have graded thresholds: each fires in every step in which
    its dimension is beyond its own threshold, so that their number rounds the dimension.
    That error is a tenth of the noise of other neurons. But many spikes need small weights,
    finer than the chip's if the filter is long; and what moves by less than a threshold
    within the filter's length would get stuck. Then neurons integrate and fire instead,
    always active in the range of their dimension.

    The output is the memory's state, which the host computes from the spikes with the
    chip's filter, and advances by the steps that the spikes took to arrive. In core Nengo
    the same network does what the chip would do, except that the input is not spikes.

    `lmu_nengo.targets.prepare` gives any memory this realization.

    Parameters
    ----------
    n_neurons : int
        Total number of neurons, at least two for each dimension of each channel and one
        more. The memory for weights grows as the square: 800 neurons of one channel fill 6
        cores.
    tau : float
        Time constant in seconds of the compartments' filter.
    expected_input : Band or nengo.Process or array_like, optional
        What the memory will get, as for `lmu_nengo.Spiking`.
    radius : float
        Largest magnitude of the input if ``expected_input`` is None.
    input_range : float, optional
        Magnitude of input beyond which it is clipped. ``None`` is the radius, 4 times the
        rms of an expected band, or 1.2 times the largest magnitude of an expected process
        or of recorded data.
    coordinates : {"balanced", "legendre", "principal"}
        Coordinates of the state; see `lmu_nengo.signal.state_transform`.
    state_d : int, optional
        Number of dimensions to keep, as for `lmu_nengo.Spiking`.
    points : array_like, optional
        Points that will be read, delay / theta, each in [0, 1]. ``None`` is the whole
        window.
    margin : float
        Range of a dimension over its largest expected magnitude.
    max_rates, intercepts : nengo.dists.Distribution, optional
        Of neurons that integrate and fire, and the wish for these; as for
        `nengo.Ensemble`. Uniform ones are spread evenly. Higher rates need finer weights
        than the chip has; lower ones are noisier. The defaults are Uniform(100, 120) and
        Uniform(-1.5, -1).
    solver : nengo.solvers.Solver
        Finds the decoders of neurons that integrate and fire.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.
    deployed : bool
        Whether it is made for nengo-loihi, which filters the input on the host a second
        time and sends spikes to the host a step late. `lmu_nengo.targets.prepare` sets it.
    graded : bool, optional
        Whether neurons have graded thresholds. ``None`` chooses them if the largest weight
        is at least 5 of the chip's steps, and ``tau`` is at most ``theta / 2`` and at
        least ``2 theta`` over the pairs of neurons of the largest dimension.

    Raises
    ------
    ValidationError
        If an argument is out of range.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.targets.loihi import OnChip
    >>> with nengo.Network(seed=0) as network:
    ...     memory = LegendreMemory(theta=0.1, order=2, realization=OnChip(40))
    >>> [ensemble.n_neurons for ensemble in memory.all_ensembles]
    [40]
    """

    n_neurons: int
    tau: float = 0.1
    expected_input: Band | nengo.Process | Recording | None = None
    radius: float = 1.0
    input_range: float | None = None
    coordinates: str = "balanced"
    state_d: int | None = None
    points: list | None = None
    margin: float = 1.0
    max_rates: nengo.dists.Distribution | None = None
    intercepts: nengo.dists.Distribution | None = None
    solver: nengo.solvers.Solver = nengo.solvers.LstsqL2(reg=0.01)
    discretizer: str = "zoh"
    deployed: bool = False
    graded: bool | None = None
    is_spiking = True
    neuron_type = ChipNeurons()
    output = "state"

    @property
    def synapse(self):
        """Filter of the compartments."""
        return nengo.Lowpass(self.tau)

    def synapse_for(self, memory: nengo.Network) -> nengo.Lowpass:
        """Return the same, for any memory."""
        return self.synapse

    def __post_init__(self):
        check_integer(self.n_neurons, "n_neurons", high=MOST_NEURONS, obj=self)
        check_flag(self.deployed, "deployed", obj=self)
        check_flag(self.graded, "graded", allow_none=True, obj=self)
        check_positive(self.tau, "tau", obj=self)
        check_positive(self.margin, "margin", unit="", obj=self)
        check_positive(self.radius, "radius", unit="the input's unit", obj=self)
        expected = as_expected_input(self.expected_input, obj=self)
        object.__setattr__(self, "expected_input", expected)
        check_choice(self.coordinates, COORDINATES, "coordinates", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)
        if self.state_d is not None:
            check_integer(self.state_d, "state_d", obj=self)
        if self.input_range is not None:
            check_positive(
                self.input_range, "input_range", unit="the input's unit", obj=self
            )
            if self.input_range > WIDEST * self.radius:
                raise ValidationError(
                    f"must be at most {WIDEST:g} times the radius, got "
                    f"{self.input_range:g}. Use the largest input.",
                    attr="input_range",
                    obj=self,
                )
        if self.graded and not (self.max_rates is None and self.intercepts is None):
            raise ValidationError(
                "neurons with graded thresholds have no max_rates or intercepts to choose: "
                "leave these out, or use graded=False.",
                attr="graded",
                obj=self,
            )

    def channel_neurons(self, memory: nengo.Network) -> np.ndarray:
        """
        Share the neurons among the channels.

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
        """Add the objects that compute a memory to the current network."""
        refuse_start(memory, self)
        dt = memory.dt
        Ad, Bd = memory.discrete(self.discretizer)
        energy = window_energy(Ad, self.points)
        tau = -dt / np.log(kept_current(self.tau, dt))  # of the chip, which rounds it
        models = input_models(memory, self, Ad, Bd)
        planned = [self._plan(inputs, energy, Ad, Bd, tau, dt) for inputs in models]
        solved = {}  # channels with equally many neurons and one model have equal ones
        for c, n_neurons in enumerate(self.channel_neurons(memory)):
            index = c if len(models) > 1 else 0
            state, mapping, trajectory, input_range, noise = planned[index]
            if (n_neurons, index) not in solved:
                solved[n_neurons, index] = self._neurons(
                    int(n_neurons),
                    memory.theta,
                    trajectory,
                    mapping,
                    input_range,
                    noise,
                    dt,
                )
            neurons = solved[n_neurons, index]
            self._make_channel(memory, c, state, mapping, neurons, input_range, tau)
        transforms = [state.inverse for state, *_ in planned]
        return np.array(
            np.broadcast_to(transforms, (memory.memory_d, *transforms[0].shape))
        )

    def _plan(self, inputs, energy, Ad, Bd, tau, dt):
        """Coordinates, mapping, trajectory, input range and noise of a channel."""
        state = choose_coordinates(
            self.coordinates, inputs, energy, Ad, Bd, self.state_d, self.margin, obj=self
        )
        # a small dimension that is the difference of large ones gets a wider range, or
        # its weights would be the coarsest, and its noise beyond its range
        rows = principle3(state.Ax, state.Bx, tau, dt).recurrent
        speed = max(1.0, np.abs(np.linalg.eigvals(rows)).max())
        state = state.widen(np.maximum(1, np.abs(rows).max(axis=1) / (CANCELLING * speed)))
        mapping = principle3(state.Ax, state.Bx, tau, dt)
        stride = max(1, len(inputs.settled) // POINTS)
        trajectory = inputs.settled[::stride] @ state.inverse.T
        noise = (1 - kept_current(self.tau, dt)) * mapping.recurrent
        noise = noise.T @ state.transform.T @ energy @ state.transform @ noise
        noise = np.sqrt(np.diag(noise))  # that of each dimension in what is read
        return state, mapping, trajectory, self._input_range(inputs), noise

    def _input_range(self, inputs):
        """Magnitude beyond which the input is clipped."""
        if self.input_range is not None:
            return self.input_range
        if not inputs.is_told:
            return float(self.radius)
        if inputs.is_band:
            return float(LOUD * np.sqrt(np.mean(inputs.u**2)))
        return float(BEYOND * np.abs(inputs.u).max())

    def _neurons(self, n_neurons, theta, trajectory, mapping, input_range, noise, dt):
        """Neurons of a channel and their weights, as the chip has them."""
        state_d = len(mapping.recurrent)
        check_integer(
            n_neurons,
            "n_neurons",
            low=2 * state_d + 1,
            advice=f"A channel has {state_d} dimensions; each takes at least two neurons, "
            "and one more sets the scale of the weights.",
            obj=self,
        )
        if n_neurons > AXONS - 2 * INPUT_PAIRS:
            raise ValidationError(
                f"must be at most {AXONS - 2 * INPUT_PAIRS} for each channel, got "
                f"{n_neurons}: each core of an ensemble has an axon for each of its "
                "neurons. Use fewer neurons or more channels.",
                attr="n_neurons",
                obj=self,
            )
        if self.graded is not False and self.max_rates is None and self.intercepts is None:
            n_pairs = share_neurons((n_neurons - 1) // 2, noise)
            population = self._graded(n_neurons, n_pairs, mapping, input_range, dt)
            is_fine = np.abs(population.weights).max() >= FINE * population.quantum
            is_between = PACE * theta / n_pairs.max() <= self.tau <= SHORT * theta
            if self.graded or (is_fine and is_between):
                return population.rounded(trajectory, mapping, input_range, dt)
        population = self._integrating(n_neurons, trajectory, mapping, dt)
        return population.rounded(trajectory, mapping, input_range, dt)

    def _graded(self, n_neurons, n_pairs, mapping, input_range, dt):
        """Neurons with graded thresholds."""
        kept = kept_current(self.tau, dt)
        largest = np.abs(mapping.recurrent).sum(axis=1)  # each decoded one is at most 1
        largest += input_range * np.abs(mapping.input_transform[:, 0])
        neurons = graded_neurons(n_pairs, largest, kept, dt)
        grid = 1.0, kept, dt, kept_voltage(MEMBRANE * dt, dt)
        return Population.make(ThresholdNeurons(dt), *neurons, n_neurons, mapping, grid)

    def _integrating(self, n_neurons, trajectory, mapping, dt):
        """Integrate-and-fire neurons."""
        state_d = len(mapping.recurrent)
        neurons = make_neurons(
            trajectory,
            [slice(i, i + 1) for i in range(state_d)],
            np.diff(np.linspace(0, n_neurons - 1, state_d + 1).astype(int)),
            ChipNeurons(dt=dt),
            MAX_RATES if self.max_rates is None else self.max_rates,
            INTERCEPTS if self.intercepts is None else self.intercepts,
            self.solver,
            obj=self,
        )
        encoders = neurons.encoders * neurons.gain[:, None]
        grid = np.abs(neurons.bias).max(), kept_current(self.tau, dt), dt
        return Population.make(
            neurons.neuron_type,
            encoders,
            neurons.bias,
            neurons.decoders,
            n_neurons,
            mapping,
            grid,
        )

    def _make_channel(self, memory, c, coordinates, mapping, neurons, input_range, tau):
        """Add the objects of one channel."""
        channel = memory.channels()[c]
        # the synapse that nengo-loihi rounds to the decay meant
        synapse = nengo.Lowpass(tau)
        ensemble = nengo.Ensemble(
            len(neurons.bias),
            1,
            neuron_type=neurons.neuron_type,
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
            transform=np.full((axons, 1), 1 / input_range),
            synapse=None,
        )
        nengo.Connection(
            scaled,
            ensemble.neurons,
            transform=neurons.input_weights,
            synapse=None if self.deployed else synapse,
        )
        # the state on the chip is computed once more on the host
        state = nengo.Node(size_in=coordinates.state_d, label=f"state{c}")
        nengo.Connection(
            ensemble.neurons,
            state,
            transform=mapping.recurrent @ neurons.decoders,
            synapse=synapse,
        )
        # m[t] = Ad m[t-1] + Bd u[t]; the state is that of one step before, or of two
        past, late = memory.input[c], int(self.deployed)
        ahead = coordinates.transform
        for step in range(1 + late):
            if step:
                before = nengo.Node(size_in=1, label=f"input{c}, a step before")
                nengo.Connection(past, before, synapse=0)
                past = before
            nengo.Connection(
                past, memory.output[channel], transform=ahead @ coordinates.Bx, synapse=None
            )
            ahead = ahead @ coordinates.Ax
        nengo.Connection(past, state, transform=mapping.input_transform, synapse=synapse)
        nengo.Connection(state, memory.output[channel], transform=ahead, synapse=None)


class Stagger:
    """
    Node function that shifts the phases of the input's spike trains in the first step.

    nengo-loihi turns a value into two spike trains, with neurons that all start at zero.
    Pairs for the same value keep the distances between their phases, so that the error of
    k pairs falls as 1/k.

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
