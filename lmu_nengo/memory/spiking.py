"""The Legendre memory in spiking neurons."""

import warnings
from dataclasses import dataclass

import nengo
import numpy as np

from lmu_nengo._validation import (
    check_choice,
    check_integer,
    check_non_negative,
    check_positive,
)
from lmu_nengo.memory.realization import Realization, refuse_start
from lmu_nengo.nef.input_model import Band, Expected
from lmu_nengo.nef.mapping import principle3
from lmu_nengo.nef.populations import (
    make_neurons,
    measure_lead,
    safe_lead,
    share_neurons,
)
from lmu_nengo.nef.stability import loop_poles
from lmu_nengo.nef.synapses import discrete_synapse, split
from lmu_nengo.signal.balancing import COORDINATES, state_transform, window_energy
from lmu_nengo.signal.discretization import DISCRETIZERS

OUTPUTS = ("state", "spikes")
POLE_STEPS = 20  # steps that a synapse's delay is divided into to look at the poles


@dataclass(frozen=True)
class Spiking(Realization):
    """
    Ensembles of neurons whose recurrent connections implement A and B.

    The ensembles hold the state in coordinates of their own, each dimension divided by the
    largest magnitude that it is expected to have; discrete Principle 3 maps the memory onto
    the synapse, and onto the lead of the neurons. The memory's output is its state, the
    synapses' filtered sum that drives the ensembles, as Legendre coefficients: were the
    neurons exact and all dimensions kept, it would equal that of `Linear`.

    Parameters
    ----------
    n_neurons : int
        Neurons in all, at least one for each dimension of each channel.
    neuron_type : nengo.neurons.NeuronType
        Any neuron type; see the documentation for which to choose.
    synapse : float or nengo.synapses.Synapse or list of these
        On the recurrent connection: the time constant of a lowpass in seconds, any
        `nengo.LinearFilter` or a `DelayedLowpass`; a list has one for each dimension.
    expected_input : Band or nengo.Process, optional
        What one channel will get: a band of frequencies and a level, or a signal of size
        1. ``None`` is a band up to ``order / (6 theta)`` Hz with an rms of 0.3.
    coordinates : {"balanced", "legendre", "principal"}
        What the dimensions are; see `lmu_nengo.signal.state_transform`.
    state_d : int, optional
        Dimensions kept, the first ones of the coordinates. Fewer leave more neurons to
        each, but what the others hold is lost. ``None`` keeps a few more than a window of
        the expected band has degrees of freedom (``2.2 theta frequency + 5``, at most
        ``order``); for an expected process, or in Legendre coordinates, all.
    points : array_like, optional
        What will be read, delay / theta, each in [0, 1]: the balanced coordinates and the
        neurons' shares serve these. ``None`` is the whole window.
    ensemble_d : int
        Dimensions in each ensemble: 1 is the most accurate, ``order`` is a single
        ensemble a channel, from which products of dimensions can be decoded.
    margin : float
        Range of a dimension over its largest expected magnitude.
    max_rates, intercepts : nengo.dists.Distribution, optional
        As for `nengo.Ensemble`; Uniform ones are spread evenly in one-dimensional
        ensembles. Intercepts below -1 leave some neurons always active. ``None`` is
        Uniform(200, 400) Hz and Uniform(-1.5, 1); for SpikingRectifiedLinear in
        one-dimensional populations 300 Hz and -1.5 for all, with staggered first voltages,
        so that they fire in turn.
    solver : nengo.solvers.Solver
        Finds the decoders. Regularization weakens the recurrence a little, which steadies
        fast memories and costs slow ones accuracy.
    lead : float, optional
        Seconds by which the neurons' decoded output is ahead of their input. ``None``
        measures it; 0 neglects it.
    output : {"state", "spikes"}
        What ``.output`` gives: the state, or what is decoded from the spikes of the step,
        which needs a filter and errs by one more decoding.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.

    Raises
    ------
    ValidationError
        If an argument is out of range.

    References
    ----------
    Slepian, "On bandwidth", Proc. IEEE 1976 (degrees of freedom).

    Voelker and Eliasmith, "Improving Spiking Dynamical Networks: Accurate Delays,
    Higher-Order Synapses, and Time Cells", Neural Computation 2018.
    """

    n_neurons: int
    neuron_type: nengo.neurons.NeuronType = nengo.LIF()
    synapse: float | nengo.synapses.Synapse | list = 0.1
    expected_input: Band | nengo.Process | None = None
    coordinates: str = "balanced"
    state_d: int | None = None
    points: list | None = None
    ensemble_d: int = 1
    margin: float = 1.0
    max_rates: nengo.dists.Distribution | None = None
    intercepts: nengo.dists.Distribution | None = None
    solver: nengo.solvers.Solver = nengo.solvers.LstsqL2(reg=2e-3)
    lead: float | None = None
    output: str = "state"
    discretizer: str = "zoh"
    is_spiking = True

    def __post_init__(self):
        check_integer(self.n_neurons, "n_neurons", obj=self)
        check_integer(self.ensemble_d, "ensemble_d", obj=self)
        check_positive(self.margin, "margin", unit="", obj=self)
        check_choice(self.coordinates, COORDINATES, "coordinates", obj=self)
        check_choice(self.output, OUTPUTS, "output", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)
        if self.state_d is not None:
            check_integer(self.state_d, "state_d", obj=self)
        if self.lead is not None:
            check_non_negative(self.lead, "lead", obj=self)
        for synapse in self.synapse if isinstance(self.synapse, list) else [self.synapse]:
            split(synapse)  # refuses what cannot be mapped

    def make(self, memory):
        """Add the objects that compute the memory to the current network."""
        refuse_start(memory, self)
        Ad, Bd = memory.discrete(self.discretizer)
        expected = Expected(self.expected_input, memory, Ad, Bd)
        state_d = expected.dimensions(self.coordinates, self.state_d, obj=self)
        groups = [
            slice(i, min(i + self.ensemble_d, state_d))
            for i in range(0, state_d, self.ensemble_d)
        ]
        check_integer(
            self.n_neurons,
            "n_neurons",
            low=memory.memory_d * len(groups),
            advice=f"{memory.memory_d} x {state_d} dimensions are held by "
            f"{memory.memory_d * len(groups)} populations.",
            obj=self,
        )
        # x = inverse @ m, scaled; m = transform @ x
        energy = window_energy(Ad, self.points)
        transform, inverse = state_transform(
            self.coordinates, expected.covariance, energy, state_d
        )
        scale = self.margin * expected.magnitudes(inverse)
        transform, inverse = transform * scale, inverse / scale[:, None]
        Ax, Bx = inverse @ Ad @ transform, inverse @ Bd
        trajectory = expected.settled @ inverse.T

        costs = np.diag(transform.T @ self.noise_energy(Ad, energy, memory.dt) @ transform)
        weights = [np.sqrt(costs[group].sum()) for group in groups]
        channel_neurons = np.diff(
            np.linspace(0, self.n_neurons, memory.memory_d + 1).astype(int)
        )
        lead = self.lead
        if isinstance(self.neuron_type, nengo.Direct):
            lead = 0.0
        elif lead is None:
            shares = share_neurons(channel_neurons[0], weights)
            lead = measure_lead(trajectory, groups, shares, self, memory.theta, memory.dt)
            lead = safe_lead(lead, *self._coarse(Ax, memory.dt))
        mapping = principle3(Ax, Bx, self.synapse, memory.dt, lead)
        self._warn_if_impossible(Ax, lead, memory.dt)

        for c, channel in enumerate(memory.channels()):
            state = nengo.Node(size_in=state_d, label=f"state{c}")
            decoded = nengo.Node(size_in=state_d, label=f"decoded{c}")
            if isinstance(self.neuron_type, nengo.Direct):
                nengo.Connection(state, decoded, synapse=None)
            else:
                shares = share_neurons(channel_neurons[c], weights)
                neurons = make_neurons(trajectory, groups, shares, self)
                neurons.connect(state, decoded, label=f"neurons{c}")
            self._connect(memory.input[c], decoded, state, mapping)
            to_output = memory.output[channel]
            if self.output == "spikes":
                nengo.Connection(decoded, to_output, transform=transform, synapse=None)
                continue
            # m[t] = Ad m[t-1] + Bd u[t]; the state is that of the step before
            nengo.Connection(state, to_output, transform=transform @ Ax, synapse=None)
            nengo.Connection(
                memory.input[c], to_output, transform=transform @ Bx, synapse=None
            )

    def _connect(self, u, decoded, state, mapping):
        """Connect input and decoded state to the state through the synapses."""
        recurrent, drive = mapping.recurrent, mapping.input_transform
        source = decoded
        if drive is None:
            filtered = nengo.Node(mapping.input_filter(), size_in=1, label="filtered input")
            nengo.Connection(u, filtered, synapse=None)
            nengo.Connection(filtered, state, synapse=None)
        else:  # one synapse for both is faster than two
            source = nengo.Node(size_in=len(recurrent) + 1, label="decoded and input")
            nengo.Connection(decoded, source[:-1], synapse=None)
            nengo.Connection(u, source[-1], synapse=None)
            recurrent = np.hstack([recurrent, drive])
        several = isinstance(self.synapse, list)
        for i, synapse in enumerate(self.synapse if several else [self.synapse]):
            row = slice(i, i + 1) if several else slice(None)
            nengo.Connection(source, state[row], transform=recurrent[row], synapse=synapse)

    def noise_energy(self, Ad, energy, dt):
        """
        Energy that noise in the decoded state gives the read-out.

        Parameters
        ----------
        Ad, energy : ndarray of shape (order, order)
            Discrete state matrix, and what a state is worth.
        dt : float
            Step in seconds.

        Returns
        -------
        noise_energy : ndarray of shape (order, order)
            Quadratic form of the noise, in Legendre coordinates.
        """
        synapse = self.synapse[0] if isinstance(self.synapse, list) else self.synapse
        synapse, _ = split(synapse)
        memory_of_synapse = np.exp(-dt / synapse.tau) if hasattr(synapse, "tau") else 1.0
        added = Ad - memory_of_synapse * np.eye(len(Ad))  # e[t] = Ad e[t-1] + added noise
        return added.T @ energy @ added

    def _coarse(self, Ax, dt):
        """State matrix, synapse and step for poles, coarser where a delay is long."""
        synapses = self.synapse if isinstance(self.synapse, list) else [self.synapse]
        delay = max(split(synapse)[1] for synapse in synapses)
        n_steps = max(1, round(delay / dt / POLE_STEPS))
        return np.linalg.matrix_power(Ax, n_steps), self.synapse, n_steps * dt

    def _warn_if_impossible(self, Ax, lead, dt):
        """Warn if a synapse is too fast, or the loop with exact neurons would grow."""
        for synapse in self.synapse if isinstance(self.synapse, list) else [self.synapse]:
            _, den = discrete_synapse(synapse, dt)
            tau = -dt / np.log(np.abs([*np.roots(den), 1e-300]).max())
            if tau < dt:
                warnings.warn(
                    f"the time constant of {synapse!r}, {tau:.3g} s, is shorter than a "
                    f"step, dt={dt:g} s, so that single spikes drive the memory. Take "
                    "a longer one; 0.1 s is the default.",
                    stacklevel=2,
                )
        Ax, synapse, step = self._coarse(Ax, dt)
        mapping = principle3(Ax, np.zeros((len(Ax), 1)), synapse, step, lead)
        pole = np.abs(loop_poles(mapping)).max()
        if pole >= 1:
            rate = np.log(pole) / step
            fastest = -np.log(np.abs(np.linalg.eigvals(Ax)).min()) / step
            warnings.warn(
                f"the memory is unstable through {self.synapse!r}: errors grow at "
                f"{rate:.3g} a second. Its fastest mode decays at {fastest:.3g} a second, "
                "and every further time constant or delay of the synapse must be shorter "
                "than that. Take a Lowpass, shorter time constants, a lower order or fewer "
                "dimensions (state_d).",
                stacklevel=2,
            )
