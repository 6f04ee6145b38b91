"""The Legendre memory in spiking neurons."""

from dataclasses import dataclass, replace

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.solvers import NoSolver

from lmu_nengo._progress import progress
from lmu_nengo._validation import (
    MOST_NEURONS,
    check_array,
    check_choice,
    check_instance,
    check_integer,
    check_non_negative,
    check_positive,
    check_state_space,
)
from lmu_nengo._warnings import warn
from lmu_nengo.memory.exact import per_channel
from lmu_nengo.memory.realization import Realization, refuse_start
from lmu_nengo.nef.coordinates import choose_coordinates
from lmu_nengo.nef.input_model import (
    HEADROOM,
    Band,
    InputModel,
    Recording,
    as_expected_input,
)
from lmu_nengo.nef.mapping import principle3
from lmu_nengo.nef.measurement import (
    fit_response,
    follows_rates,
    measure_lead,
    measure_noise,
)
from lmu_nengo.nef.populations import (
    dense_dimensions,
    fit_for_purpose,
    make_neurons,
    share_neurons,
    side_by_side,
)
from lmu_nengo.nef.response import Response
from lmu_nengo.nef.stability import loop_poles, mapped_for, safe_response
from lmu_nengo.nef.synapses import discrete_synapse, split
from lmu_nengo.signal.balancing import COORDINATES, window_energy
from lmu_nengo.signal.discretization import DISCRETIZERS, simulate
from lmu_nengo.signal.legendre import delay_decoders

OUTPUTS = ("state", "spikes")
SHORTEST_SYNAPSE = 0.1  # "auto", in seconds
SYNAPSE_SHARE = 0.1  # "auto", of theta
POLE_STEPS = 20  # steps that a synapse's delay is divided into to look at the poles
LEAD_STEPS = 5000  # of the trajectory on which a lead is measured, at least
LEAD_WINDOWS = 5
LEAD_NEURONS = 100  # a dimension, at most
LEAD_LIMITS = 0.65, 1.5  # how far to trust a lead, measured at order 27; see safe_response
LEAST_DAMPING = 2 / 3  # of the memory's slowest mode; less is warned of
REGULARIZATION = 2e-3  # with synapses up to SHORTEST_SYNAPSE
SMOOTH = nengo.solvers.LstsqL2(reg=1e-2)  # decoders with little noise
FITTED_LIMITS = 0.8, 5.0  # a response to which decoders are fitted
FIT_STEPS = 20_000  # of the trajectory for which decoders are solved, at most


@dataclass(frozen=True)
class Spiking(Realization):
    """
    Ensembles of neurons whose recurrent connections implement A and B.

    The ensembles hold the state in balanced coordinates, each dimension divided by the
    largest magnitude that it is expected to have. Discrete Principle 3 maps the memory onto
    the synapse and the response of the neurons. The output is the state that drives the
    ensembles, the filtered sum of their decoded spikes, as Legendre coefficients. With
    exact neurons and all dimensions, it would equal that of `Linear`.

    Without an ``expected_input``, no signal within the ``radius`` and up to
    ``order / (6 theta)`` Hz leaves the range of any population. Accuracy degrades for
    larger and faster inputs, for inputs of a small part of the radius, and for windows
    that are shorter than the synapse. `lmu_nengo.targets.run` and
    `lmu_nengo.conversion.spiking_report` warn if a population left its range.

    Parameters
    ----------
    n_neurons : int
        Total number of neurons, at least one for each dimension of each channel.
    neuron_type : nengo.neurons.NeuronType
        Any neuron type; the guide to spiking memories says which to choose. For types with
        a state of their own, as adaptation, decoders are solved for what the neurons do
        when the memory's state moves.
    synapse : "auto" or float or nengo.synapses.Synapse or list of these
        Synapse of the recurrent connection: the time constant of a lowpass in seconds, any
        `nengo.LinearFilter` or a `DelayedLowpass`; a list has one for each dimension. 0
        is one time step. ``"auto"`` is 0.1 s, or a tenth of theta if that is longer.
    expected_input : Band or nengo.Process or array_like, optional
        What the memory will get: a band of frequencies with an rms or a process of size 1,
        for each channel; or recorded data of all channels, of shape (n_steps, memory_d) or
        (n_sequences, n_steps, memory_d), whose sequences start with an empty memory.
        ``None`` is what `lmu_nengo.calibrate` has recorded, or else any signal within the
        radius.
    radius : float
        Largest magnitude of the input if nothing else is expected.
    coordinates : {"balanced", "legendre", "principal"}
        Coordinates of the state; see `lmu_nengo.signal.state_transform`.
    state_d : int, optional
        Number of dimensions to keep, the first ones of the coordinates. Fewer dimensions
        have more neurons each, but lose what the others hold. ``None`` keeps all; for an
        expected band, in other than Legendre coordinates, a few more than a window of it
        has degrees of freedom (``2.2 theta frequency + 5``, at most ``order``).
    points : array_like, optional
        Points of the window that will be read, delay / theta, each in [0, 1], for which the
        balanced coordinates and the neurons' shares are optimized. ``None`` is the whole
        window.
    ensemble_d : int
        Dimensions of each population: 1 is the most accurate, ``order`` is a single
        population for each channel, from which products of dimensions can be decoded.
    margin : float
        Range of a dimension over its largest expected magnitude.
    max_rates, intercepts : nengo.dists.Distribution, optional
        As for `nengo.Ensemble`; Uniform ones are spread evenly in one-dimensional
        populations. Intercepts below -1 leave some neurons always active. ``None`` is
        Uniform(200, 400) Hz and Uniform(-1.5, 1). For SpikingRectifiedLinear in
        one-dimensional populations it is 300 Hz and -1.5 for all neurons, with staggered
        initial voltages, so that they fire in turn.
    solver : nengo.solvers.Solver, optional
        Finds the decoders. ``None`` is least squares with a regularization of 0.002, and
        less in proportion for synapses longer than 0.1 s, which let less of the spikes'
        noise through. Regularization weakens the recurrence a little, which stabilizes fast
        memories and makes slow ones less accurate.
    lead : float, optional
        Seconds by which the neurons' decoded output is ahead of their input. ``None``
        measures it (and remembers the result for the next time), and the whole `Response`
        of neurons that adapt; 0 neglects it.
    output : {"state", "spikes"}
        Output of the memory: its state, or the value decoded from the present spikes, which
        needs a filter and has the error of one more decoding.
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

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import Band, LegendreMemory, Spiking
    >>> with nengo.Network(seed=0) as model:
    ...     memory = LegendreMemory(
    ...         theta=0.1,
    ...         order=6,
    ...         realization=Spiking(
    ...             n_neurons=600,
    ...             neuron_type=nengo.SpikingRectifiedLinear(),
    ...             expected_input=Band(frequency=5.0, rms=0.3),
    ...         ),
    ...     )
    >>> sum(ensemble.n_neurons for ensemble in memory.all_ensembles)
    600
    """

    n_neurons: int
    neuron_type: nengo.neurons.NeuronType = nengo.LIF()
    synapse: str | float | nengo.synapses.Synapse | list = "auto"
    expected_input: Band | nengo.Process | Recording | None = None
    radius: float = 1.0
    coordinates: str = "balanced"
    state_d: int | None = None
    points: list | None = None
    ensemble_d: int = 1
    margin: float = 1.0
    max_rates: nengo.dists.Distribution | None = None
    intercepts: nengo.dists.Distribution | None = None
    solver: nengo.solvers.Solver | None = None
    lead: float | None = None
    output: str = "state"
    discretizer: str = "zoh"
    is_spiking = True

    def __post_init__(self):
        check_integer(self.n_neurons, "n_neurons", high=MOST_NEURONS, obj=self)
        allowed = "an instance of a Nengo neuron type, as nengo.LIF()"
        check_instance(
            self.neuron_type, nengo.neurons.NeuronType, "neuron_type", allowed, self
        )
        allowed = "an instance of a Nengo solver, as nengo.solvers.LstsqL2()"
        kinds = nengo.solvers.Solver, type(None)
        check_instance(self.solver, kinds, "solver", f"{allowed}, or None", self)
        if self.solver is not None and (
            not self.solver.compositional or isinstance(self.solver, NoSolver)
        ):
            raise ValidationError(
                f"must find decoders for the neurons' activity, got {self.solver!r}. Use "
                "nengo.solvers.LstsqL2(), for example.",
                attr="solver",
                obj=self,
            )
        for name in "max_rates", "intercepts":
            kinds, allowed = (nengo.dists.Distribution, type(None)), "a Nengo distribution"
            check_instance(getattr(self, name), kinds, name, f"{allowed} or None", self)
        if self.points is not None:
            delay_decoders(1, self.points)  # refuses what lies outside the window
        check_integer(self.ensemble_d, "ensemble_d", obj=self)
        check_positive(self.margin, "margin", unit="", obj=self)
        check_positive(self.radius, "radius", unit="the input's unit", obj=self)
        check_choice(self.coordinates, COORDINATES, "coordinates", obj=self)
        check_choice(self.output, OUTPUTS, "output", obj=self)
        check_choice(self.discretizer, DISCRETIZERS, "discretizer", obj=self)
        if self.state_d is not None:
            check_integer(self.state_d, "state_d", obj=self)
        if self.lead is not None:
            check_non_negative(self.lead, "lead", obj=self)
        expected = as_expected_input(self.expected_input, obj=self)
        object.__setattr__(self, "expected_input", expected)
        if isinstance(self.synapse, str):
            if self.synapse != "auto":
                raise ValidationError(
                    "must be 'auto', a time constant in seconds or a synapse, got "
                    f"{self.synapse!r}.",
                    attr="synapse",
                    obj=self,
                )
        else:
            if isinstance(self.synapse, list) and not self.synapse:
                raise ValidationError(
                    "must have a synapse for each dimension, got an empty list.",
                    attr="synapse",
                    obj=self,
                )
            for synapse in as_list(self.synapse):
                split(synapse, obj=self)  # refuses what cannot be mapped

    def make(self, memory) -> np.ndarray:
        """Add the objects that compute a memory to the current network."""
        refuse_start(memory, self)
        synapse = self.synapse_for(memory)
        if self.solver is None:
            tau = min(time_constant(each, memory.dt) for each in as_list(synapse))
            reg = REGULARIZATION * min(1.0, SHORTEST_SYNAPSE / tau)
            return replace(self, solver=nengo.solvers.LstsqL2(reg=reg)).make(memory)
        with progress(f"a memory of {self.n_neurons:,} neurons", 4) as reach:
            return self._make(memory, synapse, reach)

    def _make(self, memory, synapse, reach):
        """Add the objects, and tell which of four parts of the work are done."""
        dt, memory_d = memory.dt, memory.memory_d
        Ad, Bd = memory.discrete(self.discretizer)
        models = input_models(memory, self, Ad, Bd)
        reach(1)
        energy = window_energy(Ad, self.points)
        states = [
            choose_coordinates(
                self.coordinates, inputs, energy, Ad, Bd, self.state_d, self.margin, self
            )
            for inputs in models
        ]
        state_d = states[0].state_d
        groups = [
            slice(i, min(i + self.ensemble_d, state_d))
            for i in range(0, state_d, self.ensemble_d)
        ]
        check_integer(
            self.n_neurons,
            "n_neurons",
            low=memory_d * len(groups),
            advice=f"{memory_d} x {state_d} dimensions are held by "
            f"{memory_d * len(groups)} populations, which need a neuron each.",
            obj=self,
        )
        moving = None
        if models[0].is_recorded:
            # data may be too slow for a lead to show; noise of the band is not
            noise = InputModel(None, memory.theta, Ad, Bd, dt).settled @ states[0].inverse.T
            moving = noise / np.abs(noise).max(axis=0)
            states = self._make_room(states, moving, groups, synapse, memory_d, dt)
        reach(2)
        trajectory = models[0].settled @ states[0].inverse.T
        noise_energy = np.mean(
            [
                np.diag(
                    x.transform.T @ self.noise_energy(Ad, energy, synapse, dt) @ x.transform
                )
                for x in states
            ],
            axis=0,
        )
        weights = [np.sqrt(noise_energy[group].sum()) for group in groups]
        shares = [
            share_neurons(n, weights)
            for n in np.diff(np.linspace(0, self.n_neurons, memory_d + 1).astype(int))
        ]
        matrices = [state.Ax for state in states]
        how = trajectory, groups, shares
        moving = trajectory if moving is None else moving
        response = self._response(*how, moving, matrices, synapse, memory.theta, dt)
        reach(3)
        mappings = [principle3(x.Ax, x.Bx, synapse, dt, response) for x in states]
        for Ax in matrices:
            self._warn_if_impossible(Ax, synapse, response, dt)
        self._add(memory, states, mappings, synapse, response, *how)
        transforms = [state.inverse for state in states]
        return np.array(np.broadcast_to(transforms, (memory_d, *transforms[0].shape)))

    def synapse_for(self, memory: nengo.Network) -> float | nengo.synapses.Synapse | list:
        """
        Return the synapse that a memory gets.

        Parameters
        ----------
        memory : LegendreMemory
            The memory, whose theta ``"auto"`` depends on.

        Returns
        -------
        synapse : float or nengo.synapses.Synapse or list of these
            As for ``synapse``.
        """
        check_instance(memory, nengo.Network, "memory", "a LegendreMemory", obj=self)
        if isinstance(self.synapse, str):
            return max(SHORTEST_SYNAPSE, SYNAPSE_SHARE * memory.theta)
        return self.synapse

    def _neurons(self, trajectory, groups, shares, solver=None):
        """Populations of one channel."""
        tuning = fit_for_purpose(
            self.neuron_type, self.max_rates, self.intercepts, self.ensemble_d
        )
        solver = (solver or self.solver) if follows_rates(self.neuron_type) else None
        return make_neurons(trajectory, groups, shares, *tuning, solver, obj=self)

    def _make_room(self, states, moving, groups, synapse, memory_d, dt):
        """Coordinates with ranges that hold what other dimensions' noise adds as well."""
        if isinstance(self.neuron_type, nengo.Direct) or not follows_rates(
            self.neuron_type
        ):
            return states
        n_each = self.n_neurons // (memory_d * len(groups))
        n_each = min(n_each, LEAD_NEURONS * self.ensemble_d)
        moving = moving[:LEAD_STEPS]
        neurons = self._neurons(moving, groups, [n_each] * len(groups))
        noise = measure_noise(neurons, moving, dt)
        kept = kept_by(synapse, dt)
        rooms = []
        for x in states:
            added = noise @ (x.Ax - kept * np.eye(len(x.Ax))).T
            largest = np.abs(simulate(x.Ax, np.eye(len(x.Ax)), added)).max(axis=0)
            rooms.append(x.widen(np.maximum(1, np.hypot(1 / HEADROOM, largest))))
        return rooms

    def _response(self, trajectory, groups, shares, moving, matrices, synapse, theta, dt):
        """Response of the neurons that is mapped for."""
        if isinstance(self.neuron_type, nengo.Direct):
            return Response()
        if self.lead == 0:
            return Response()
        if not follows_rates(self.neuron_type):
            neurons = self._neurons(trajectory, groups, shares[0])
            _, response = self._fit(neurons, trajectory, theta, dt)
            limits = FITTED_LIMITS
        else:
            states = moving[: max(LEAD_STEPS, round(LEAD_WINDOWS * theta / dt))]
            most = [LEAD_NEURONS * (group.stop - group.start) for group in groups]
            how = states, groups, np.minimum(shares[0], most)
            neurons = self._neurons(*how)
            lead = measure_lead(neurons, states, dt)
            if not lead:  # or too small for the noise of these decoders
                lead = measure_lead(self._neurons(*how, SMOOTH), states, dt)
            response, limits = Response(lead), LEAD_LIMITS
        if self.lead is not None:
            for A in matrices:
                self._warn_if_wrong(*coarse(A, synapse, dt), response)
            return Response(self.lead)
        safe = [safe_response(response, *coarse(A, synapse, dt), *limits) for A in matrices]
        return min(safe, key=lambda each: (each.lead, abs(each.onset)))

    def _fit(self, neurons, trajectory, theta, dt, response=None):
        """Neurons with decoders for what they do when the state moves, and the response."""
        states = trajectory[: max(FIT_STEPS, round(LEAD_WINDOWS * theta / dt))]
        return fit_response(neurons, states, dt, self.solver, response)

    def _add(self, memory, states, mappings, synapse, response, trajectory, groups, shares):
        """Add the objects of all channels, side by side, to the current network."""
        memory_d, state_d = memory.memory_d, states[0].state_d
        state = nengo.Node(size_in=memory_d * state_d, label="state")
        decoded = nengo.Node(size_in=memory_d * state_d, label="decoded")
        if isinstance(self.neuron_type, nengo.Direct):
            nengo.Connection(state, decoded, synapse=None)
        else:
            solved = {}  # channels with equally many neurons have equal ones
            for share in map(tuple, shares):
                if share in solved:
                    continue
                solved[share] = self._neurons(trajectory, groups, share)
                if not follows_rates(self.neuron_type):
                    solved[share], _ = self._fit(
                        solved[share], trajectory, memory.theta, memory.dt, response
                    )
            together = dense_dimensions(self.n_neurons, memory_d * state_d, self.ensemble_d)
            together = max(1, together // state_d)
            for c in range(0, memory_d, together):
                channels = [solved[tuple(share)] for share in shares[c : c + together]]
                neurons = side_by_side(channels)
                neurons.connect(state, decoded, c * state_d, label="neurons")
        self._connect(memory, decoded, state, mappings, synapse)

        def to_output(matrices):
            return per_channel(np.array(matrices), n_channels=memory_d)

        if self.output == "spikes":
            transform = to_output([x.transform for x in states])
            nengo.Connection(decoded, memory.output, transform=transform, synapse=None)
            return
        # m[t] = Ad m[t-1] + Bd u[t]; the state is that of the step before
        ahead = to_output([x.transform @ x.Ax for x in states])
        present = to_output([x.transform @ x.Bx for x in states])
        nengo.Connection(state, memory.output, transform=ahead, synapse=None)
        nengo.Connection(memory.input, memory.output, transform=present, synapse=None)

    def _connect(self, memory, decoded, state, mappings, synapse):
        """Connect input and decoded state to the state through the synapses."""
        memory_d, state_d = memory.memory_d, len(mappings[0].recurrent)
        source, transforms = decoded, [np.array([x.recurrent for x in mappings])]
        if mappings[0].input_transform is None:
            for c in range(memory_d):
                rows = slice(c * state_d, (c + 1) * state_d)
                mapping = mappings[c if len(mappings) > 1 else 0]
                filtered = nengo.Node(
                    mapping.input_filter(), size_in=1, label="filtered input"
                )
                nengo.Connection(memory.input[c], filtered, synapse=None)
                nengo.Connection(filtered, state[rows], synapse=None)
        else:  # one synapse for both is faster than two
            size = decoded.size_in
            source = nengo.Node(size_in=size + memory_d, label="decoded and input")
            nengo.Connection(decoded, source[:size], synapse=None)
            nengo.Connection(memory.input, source[size:], synapse=None)
            transforms.append(np.array([x.input_transform for x in mappings]))
        several = isinstance(synapse, list)
        for i, each in enumerate(as_list(synapse)):
            rows = slice(i, i + 1) if several else slice(None)
            matrices = [matrix[:, rows] for matrix in transforms]
            transform = per_channel(*matrices, n_channels=memory_d)
            target = state
            if several:  # the same dimension of every channel; Nengo takes no strides
                indices = list(range(i, state.size_in, state_d))
                target = state[indices] if memory_d > 1 else state[rows]
            nengo.Connection(source, target, transform=transform, synapse=each)

    def _warn_if_wrong(self, Ax, synapse, dt, measured):
        """Warn if neurons with the measured response would hardly damp the memory."""
        own = np.log(np.abs(np.linalg.eigvals(Ax)).max()) / dt
        poles = loop_poles(mapped_for(Response(self.lead), Ax, synapse, dt, measured))
        rate = np.log(np.abs(poles).max()) / dt
        if rate > LEAST_DAMPING * own:
            fate = f"decay at {-rate:.3g}" if rate < 0 else f"grow at {rate:.3g}"
            warn(
                f"lead={self.lead:g} s is not the lead of these neurons, "
                f"{measured.lead:.2g} s: errors of the memory {fate} per second instead of "
                f"decaying at {-own:.3g}. Leave out lead, which is then measured."
            )

    @staticmethod
    def noise_energy(
        Ad: np.ndarray,
        energy: np.ndarray,
        synapse: float | nengo.synapses.Synapse | list,
        dt: float,
    ) -> np.ndarray:
        """
        Return the energy that noise in the decoded state gives the read-out.

        Parameters
        ----------
        Ad, energy : ndarray of shape (order, order)
            Discrete state matrix, and energy that a state gives the read-out.
        synapse : float or nengo.synapses.Synapse or list of these
            Synapse of the recurrent connection.
        dt : float
            Time step in seconds.

        Returns
        -------
        noise_energy : ndarray of shape (order, order)
            Quadratic form of the noise, in Legendre coordinates.
        """
        Ad = check_array(Ad, "Ad", ("order", "order"))
        Ad, _ = check_state_space(Ad, np.zeros((len(Ad), 1)), "Ad")
        energy = check_array(energy, "energy", Ad.shape, "It must fit Ad.")
        dt = check_positive(dt, "dt")
        if isinstance(synapse, list) and not synapse:
            raise ValidationError("must not be an empty list.", attr="synapse")
        # e[t] = Ad e[t-1] + added noise
        added = Ad - kept_by(synapse, dt) * np.eye(len(Ad))
        return added.T @ energy @ added

    @staticmethod
    def _warn_if_impossible(Ax, synapse, response, dt):
        """Warn if a synapse is too fast, or the loop with exact neurons would grow."""
        for each in as_list(synapse):
            if time_constant(each, dt) < dt:
                warn(
                    f"The synapse {each!r} is shorter than a time step (dt={dt:g} s), "
                    "so that single spikes drive the memory. Use a longer time constant, "
                    "0.1 s for example."
                )
        Ax, _, step = coarse(Ax, synapse, dt)
        mapping = principle3(Ax, np.zeros((len(Ax), 1)), synapse, step, response)
        pole = np.abs(loop_poles(mapping)).max()
        if pole >= 1:
            rate = np.log(pole) / step
            fastest = -np.log(np.abs(np.linalg.eigvals(Ax)).min()) / step
            warn(
                f"The memory is unstable with the synapse {synapse!r}: errors grow at "
                f"a rate of {rate:.3g} per second. All time constants of the synapse but "
                "one, and its delay, must be shorter than the memory's fastest mode, "
                f"{1 / fastest:.3g} s. Use a Lowpass, shorter time constants, a lower "
                "order or fewer dimensions (state_d)."
            )


def as_list(synapse):
    """Return a list of synapses: of one for all dimensions, or of one for each."""
    return synapse if isinstance(synapse, list) else [synapse]


def time_constant(synapse, dt):
    """Seconds in which the slowest mode of a synapse decays to 1 / e."""
    _, den = discrete_synapse(synapse, dt)
    return -dt / np.log(np.abs([*np.roots(den), 1e-300]).max())


def kept_by(synapse, dt):
    """Share of its value that a lowpass keeps in a step; 1 for other synapses."""
    synapse, _ = split(as_list(synapse)[0])
    if not hasattr(synapse, "tau"):
        return 1.0
    return np.exp(-dt / synapse.tau) if synapse.tau > 0 else 0.0


def coarse(Ax, synapse, dt):
    """State matrix, synapse and step for poles, coarser where a delay is long."""
    delay = max(split(each)[1] for each in as_list(synapse))
    n_steps = max(1, round(delay / dt / POLE_STEPS))
    return np.linalg.matrix_power(Ax, n_steps), synapse, n_steps * dt


def input_models(memory, realization, Ad, Bd) -> list[InputModel]:
    """
    Model the input that a memory will get.

    Parameters
    ----------
    memory : LegendreMemory
        The memory, whose ``expected_input`` counts if the realization has none.
    realization : Realization
        Has the attributes ``expected_input`` and ``radius`` of `Spiking`.
    Ad, Bd : ndarray of shape (order, order) and (order, 1)
        Discrete state space.

    Returns
    -------
    models : list of InputModel
        One for all channels; for recorded data, one for each.

    Raises
    ------
    ValidationError
        If data have another number of channels than the memory.
    """
    expected = realization.expected_input
    if expected is None:
        expected = memory.expected_input
    how = memory.theta, Ad, Bd, memory.dt, realization.radius
    if not isinstance(expected, Recording):
        return [InputModel(expected, *how)]
    if expected.size != memory.memory_d:
        raise ValidationError(
            f"must have as many channels as the memory, {memory.memory_d}, got "
            f"{expected!r}.",
            attr="expected_input",
            obj=realization,
        )
    return [InputModel(expected.channel(c), *how) for c in range(memory.memory_d)]
