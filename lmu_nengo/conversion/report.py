"""What a spiking network costs and achieves: its spikes, operations and accuracy."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import copy_network, plain_config
from lmu_nengo._validation import (
    check_choice,
    check_instance,
    check_integer,
    check_mapping,
    check_network,
    check_positive,
    show,
)
from lmu_nengo._warnings import warn
from lmu_nengo.conversion.activity import probe_activity
from lmu_nengo.conversion.operations import (
    connection_sparsity,
    dense_operations,
    fan_out,
    rate_operations,
    value_operations,
)
from lmu_nengo.conversion.sequences import (
    MINIBATCH_SIZE,
    check_inputs,
    in_core,
    in_engine,
    in_nengo_dl,
    is_jax_installed,
)
from lmu_nengo.conversion.storage import footprint
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.ranges import RangeMonitor, merge_excursions

ENGINES = "jax", "dl", "core"


@dataclass(frozen=True)
class Layer:
    """
    The activity of one ensemble, or of all neurons of one memory.

    Parameters
    ----------
    name : str
        Label of the ensemble or memory.
    n_neurons : int
        Number of neurons.
    spikes, synaptic_operations : float
        Per inference; 0 for rate neurons.
    mean_rate, max_rate : float
        Firing rates in Hz over all inferences: the mean of all neurons, and the rate of
        the neuron that fires most; 0 for rate neurons.
    activation_sparsity : float
        Share of the outputs that are zero, of all neurons in all steps.
    max_spikes_per_step : int
        Most spikes of a neuron in one step; 0 for rate neurons.

    Examples
    --------
    >>> from lmu_nengo.conversion import Layer
    >>> layer = Layer("hidden", 3, 14.0, 32.0, 116.7, 250.0, 0.883, 1)
    >>> layer.spikes / layer.n_neurons < 5
    True
    """

    name: str
    n_neurons: int
    spikes: float
    synaptic_operations: float
    mean_rate: float
    max_rate: float
    activation_sparsity: float
    max_spikes_per_step: int


@dataclass(frozen=True)
class SpikingReport:
    """
    The result of `spiking_report`; ``print(report)`` shows it as a table.

    Footprint, sparsity, dense and effective operations are those of NeuroBench. All
    operations are per inference, that is of all steps of one sequence.

    Parameters
    ----------
    n_inferences, n_steps : int
        Number of sequences, and their length.
    dt : float
        Step in seconds.
    score : float or None
        What the score function made of the outputs.
    layers : tuple of Layer
        The layers of neurons.
    rate_operations : int
        Multiply-accumulates if all neurons were rate neurons and all memories linear; see
        `lmu_nengo.conversion.rate_operations`.
    dense_operations : int
        Operations of this network if no zero were skipped; see
        `lmu_nengo.conversion.dense_operations`.
    effective_macs : float
        Multiply-accumulates: non-zero weights that multiply a value other than zero. Values
        are inputs, rates, sums of spikes, and the output of a neuron that fires several
        times in a step. Results of functions, and what encoders and LSTMs multiply, count
        as non-zero.
    effective_acs : float
        Accumulates: non-zero weights that multiply a single spike, which has to be added
        only. They are the synaptic operations, but for spikes that share a step with others
        of the same neuron.
    footprint : int
        Bytes of parameters and state in single precision; see
        `lmu_nengo.conversion.footprint`.
    connection_sparsity : float
        Share of the weights that are zero.

    Notes
    -----
    NeuroBench's own code takes all operations of a layer in a step for multiply-accumulates
    if one neuron in one sequence of the batch fires several times in it. This report
    decides for each neuron and step.

    References
    ----------
    Yik et al., "The NeuroBench framework for benchmarking neuromorphic computing
    algorithms and systems", Nature Communications 2025.

    Examples
    --------
    >>> from lmu_nengo.conversion import Layer, SpikingReport
    >>> layer = Layer("hidden", 3, 14.0, 32.0, 116.7, 250.0, 0.883, 1)
    >>> report = SpikingReport(
    ...     3, 40, 0.001, 0.5, (layer,), 1040, 1200, 320.0, 32.0, 148, 0.133
    ... )
    >>> print(report)
    3 inferences of 40 steps (dt = 0.001 s); score 0.5
    per inference  neurons       spikes   synaptic ops   mean Hz    max Hz  sparsity
    hidden               3         14.0           32.0     116.7     250.0     88.3%
    total                3         14.0           32.0                         88.3%
    operations per inference: 320.0 effective MACs + 32.0 effective ACs; 1,200 dense
    as a rate network: 1,040 MACs
    footprint: 148 bytes; zero weights: 13.3%
    """

    n_inferences: int
    n_steps: int
    dt: float
    score: float | None
    layers: tuple[Layer, ...]
    rate_operations: int
    dense_operations: int
    effective_macs: float
    effective_acs: float
    footprint: int
    connection_sparsity: float

    @property
    def spikes(self) -> float:
        """Spikes per inference."""
        return float(sum(layer.spikes for layer in self.layers))

    @property
    def synaptic_operations(self) -> float:
        """Synaptic operations per inference: what `fan_out` says, for every spike."""
        return float(sum(layer.synaptic_operations for layer in self.layers))

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return sum(layer.n_neurons for layer in self.layers)

    @property
    def activation_sparsity(self) -> float:
        """Share of the outputs of all neurons in all steps that are zero."""
        zeros = sum(layer.activation_sparsity * layer.n_neurons for layer in self.layers)
        return float(zeros / self.n_neurons) if self.layers else 0.0

    @property
    def max_spikes_per_step(self) -> int:
        """Most spikes of a neuron in one step."""
        return max((layer.max_spikes_per_step for layer in self.layers), default=0)

    def __str__(self):
        heading = "per inference"
        width = max(len(heading), *(len(layer.name) for layer in self.layers), 0)
        score = "" if self.score is None else f"; score {self.score:.6g}"
        lines = [
            f"{self.n_inferences} inferences of {self.n_steps} steps "
            f"(dt = {self.dt:g} s){score}",
            f"{heading:{width}} {'neurons':>8} {'spikes':>12} {'synaptic ops':>14} "
            f"{'mean Hz':>9} {'max Hz':>9} {'sparsity':>9}",
        ]
        for layer in self.layers:
            lines.append(
                f"{layer.name:{width}} {layer.n_neurons:8,} {layer.spikes:12,.1f} "
                f"{layer.synaptic_operations:14,.1f} {layer.mean_rate:9,.1f} "
                f"{layer.max_rate:9,.1f} {layer.activation_sparsity:9.1%}"
            )
        lines += [
            f"{'total':{width}} {self.n_neurons:8,} {self.spikes:12,.1f} "
            f"{self.synaptic_operations:14,.1f} {'':19} {self.activation_sparsity:9.1%}",
            f"operations per inference: {self.effective_macs:,.1f} effective MACs + "
            f"{self.effective_acs:,.1f} effective ACs; {self.dense_operations:,} dense",
            f"as a rate network: {self.rate_operations:,} MACs",
            f"footprint: {self.footprint:,} bytes; zero weights: "
            f"{self.connection_sparsity:.1%}",
        ]
        for layer in self.layers:
            if layer.max_spikes_per_step > 1:
                lines.append(
                    f"not single spikes: up to {layer.max_spikes_per_step} of a neuron in "
                    f"one step ({layer.name})"
                )
        return "\n".join(lines)


class SpikeCounter:
    """
    Counts the spikes of each neuron of a network, in any simulator.

    For each ensemble it adds a node that sums the spikes, and a probe of that node; create
    it before the simulator. The nodes are in a network of their own, with its own seed, so
    that the seeds of all other objects stay as they were.

    Parameters
    ----------
    network : nengo.Network
        The network; the counting network is added to it.
    ensembles : iterable of nengo.Ensemble, optional
        Whose spikes to count. ``None`` counts those of all spiking ensembles.
    sample_every : float, optional
        Sampling interval of the probes in seconds; ``None`` is every step.
    per_neuron : bool
        Whether to count the spikes of each neuron, or only those of all neurons of an
        ensemble, which is faster.

    Attributes
    ----------
    ensembles : list of nengo.Ensemble
        Whose spikes are counted.
    probes : list of nengo.Probe
        One for each ensemble; its value is the number of spikes since the start, of each
        neuron or of all, divided by ``dt``.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.conversion import SpikeCounter
    >>> with nengo.Network(seed=0) as network:
    ...     neurons = nengo.Ensemble(
    ...         2,
    ...         1,
    ...         neuron_type=nengo.SpikingRectifiedLinear(),
    ...         gain=[1, 1],
    ...         bias=[101, 52],
    ...     )
    >>> counter = SpikeCounter(network)
    >>> with nengo.Simulator(network, progress_bar=False) as sim:
    ...     sim.run(0.1)
    >>> counter.counts(sim.data, sim.dt)[neurons]
    array([10., 5.])
    """

    def __init__(
        self,
        network: nengo.Network,
        ensembles: Iterable[nengo.Ensemble] | None = None,
        sample_every: float | None = None,
        per_neuron: bool = True,
    ):
        check_network(network)
        if sample_every is not None:
            check_positive(sample_every, "sample_every", obj=type(self))
        kinds = list, tuple, type(None)
        check_instance(ensembles, kinds, "ensembles", "a list of ensembles", type(self))
        for ensemble in ensembles or []:
            allowed = "a list of ensembles"
            check_instance(ensemble, nengo.Ensemble, "ensembles", allowed, type(self))
        if ensembles is None:
            ensembles = [e for e in network.all_ensembles if e.neuron_type.spiking]
        self.ensembles = list(ensembles)
        with plain_config(), nengo.Network(seed=0, add_to_container=False) as counting:
            counting.label = "spike counter"
            self.probes = [
                nengo.Probe(self._sum(ens, per_neuron), sample_every=sample_every)
                for ens in self.ensembles
            ]
        network.networks.append(counting)

    @staticmethod
    def _sum(ensemble, per_neuron):
        """Add a node that holds the number of spikes so far, over dt."""
        n_neurons, kind = ensemble.n_neurons, ensemble.neuron_type
        per_spike = 1 / getattr(kind, "amplitude", 1)
        ones = 1.0 if per_neuron else np.ones((1, n_neurons))
        total = nengo.Node(size_in=n_neurons if per_neuron else 1)
        if kind.negative:  # count negative spikes as well
            both = nengo.Ensemble(
                2 * n_neurons,
                1,
                neuron_type=nengo.RectifiedLinear(),
                gain=np.ones(2 * n_neurons),
                bias=np.zeros(2 * n_neurons),
            )
            for sign, half in ((1, slice(n_neurons)), (-1, slice(n_neurons, None))):
                half = both.neurons[half]
                nengo.Connection(
                    ensemble.neurons, half, transform=sign * per_spike, synapse=None
                )
                nengo.Connection(half, total, transform=ones, synapse=None)
        else:
            nengo.Connection(
                ensemble.neurons, total, transform=per_spike * ones, synapse=None
            )
        nengo.Connection(total, total, synapse=0)  # one step
        return total

    def counts(self, data: Mapping, dt: float) -> dict:
        """
        Spikes since the start, of each neuron or of all.

        Parameters
        ----------
        data : Mapping of {nengo.Probe: ndarray of shape (..., n_samples, size)}
            What the probes recorded: ``sim.data`` of any simulator, or the result of
            NengoDL's ``sim.predict``. The last sample counts.
        dt : float
            Step of the simulator in seconds.

        Returns
        -------
        counts : dict of {nengo.Ensemble: ndarray of shape (..., size)}
            Whole numbers; zeros before the first sample. ``size`` is the number of neurons,
            or 1.
        """
        check_mapping(data, "data", "arrays by probe", obj=type(self))
        dt = check_positive(dt, "dt", obj=type(self))
        if missing := [probe for probe in self.probes if probe not in data]:
            raise ValidationError(
                f"must have what {missing[0]} recorded: make the counter before the "
                "simulator.",
                attr="data",
                obj=type(self),
            )
        found = {}
        for ens, probe in zip(self.ensembles, self.probes, strict=True):
            values = np.asarray(data[probe], dtype=np.float64)
            if values.size == 0:
                values = np.zeros((1, probe.size_in))
            found[ens] = np.rint(values[..., -1, :] * dt)
        return found


def scored(score, values):
    """The number that a score function gives."""
    try:
        return float(score(values))
    except (TypeError, ValueError) as error:
        raise ValidationError(
            f"must be a function of an array that returns a number, got {show(score)} "
            f"({error}).",
            attr="score",
        ) from error


def spiking_report(
    network: nengo.Network,
    inputs: Mapping,
    probe: nengo.Probe | None = None,
    score: Callable | None = None,
    minibatch_size: int | None = None,
    dt: float = 0.001,
    engine: str | None = None,
    **options: Any,
) -> SpikingReport:
    """
    Run a network on many sequences, and count what it costs.

    A copy of the network is run; each sequence starts from the network's initial state.
    A warning says if populations of a spiking memory left the range for which their
    decoders were solved. `fan_out` says what a spike costs, and `SpikingReport` what
    counts as an operation.

    Parameters
    ----------
    network : nengo.Network
        The network, without a `Windowed` memory; of spiking neurons, rate neurons or both.
        It stays as it is.
    inputs : dict of {nengo.Node: array_like of shape (n_inferences, n_steps, size)}
        What the input nodes give.
    probe : nengo.Probe, optional
        The output, which ``score`` gets.
    score : callable, optional
        Turns the probe's values into a number, such as an accuracy or an error. The values
        have the shape (n_inferences, n_steps, size), or (n_inferences, 1, size) if NengoDL
        keeps the last step only.
    minibatch_size : int, optional
        Number of sequences that are run side by side; by default up to 100 in ``"jax"``
        and one in ``"dl"``. In ``"core"`` they are run one by one.
    dt : float
        Step in seconds.
    engine : {"jax", "dl", "core"}, optional
        What runs the network: `lmu_nengo.engine`, NengoDL or core Nengo. By default the
        first where JAX is installed; otherwise NengoDL with a ``minibatch_size``, and core
        Nengo without.
    **options
        For the simulator, for example ``seed`` or ``unroll_simulation``.

    Returns
    -------
    report : SpikingReport
        Score, spikes, operations, firing rates, sparsity and footprint.

    Raises
    ------
    ValidationError
        If the inputs do not fit each other or the network, only one of ``probe`` and
        ``score`` is given, or an argument is out of range.

    Examples
    --------
    A neuron that fires at 100 Hz, and is read through one weight:

    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.conversion import spiking_report
    >>> with nengo.Network(seed=0) as network:
    ...     u = nengo.Node([0], label="u")
    ...     kind = nengo.SpikingRectifiedLinear()
    ...     neuron = nengo.Ensemble(
    ...         1, 1, neuron_type=kind, gain=[1], bias=[101], label="neuron"
    ...     )
    ...     connection = nengo.Connection(u, neuron.neurons, synapse=None)
    >>> print(spiking_report(network, {u: np.zeros((3, 100, 1))}))
    3 inferences of 100 steps (dt = 0.001 s)
    per inference  neurons       spikes   synaptic ops   mean Hz    max Hz  sparsity
    neuron               1         10.0            0.0     100.0     100.0     90.0%
    total                1         10.0            0.0                         90.0%
    operations per inference: 0.0 effective MACs + 0.0 effective ACs; 0 dense
    as a rate network: 0 MACs
    footprint: 8 bytes; zero weights: 0.0%
    """
    dt = check_positive(dt, "dt")
    n_inferences, n_steps = check_inputs(network, inputs)
    if engine is None:
        other = "core" if minibatch_size is None else "dl"
        engine = "jax" if is_jax_installed() else other
    check_choice(engine, ENGINES, "engine")
    if minibatch_size is not None:
        minibatch_size = check_integer(minibatch_size, "minibatch_size")
        if engine == "core":
            raise ValidationError(
                f"core Nengo runs sequences one by one, got {minibatch_size}. Leave it "
                "out, or choose another engine.",
                attr="minibatch_size",
            )
    if (probe is None) != (score is None):
        raise ValidationError(
            f"got probe={probe} and score={score}. Give both, a probe and a function of "
            "its values, or neither.",
            attr="score",
        )
    if probe is not None:
        allowed = "a probe of the network"
        check_instance(probe, nengo.Probe, "probe", allowed)
        if probe not in network.all_probes:
            raise ValidationError(f"must be {allowed}, got {probe!r}.", attr="probe")
        if not callable(score):
            message = f"must be a function of the probe's values, got {show(score)}."
            raise ValidationError(message, attr="score")
    static = {
        "rate_operations": rate_operations(network) * n_steps,
        "dense_operations": dense_operations(network) * n_steps,
        "footprint": footprint(network, dt),
        "connection_sparsity": connection_sparsity(network),
    }
    network, objects = copy_network(network)
    inputs = {objects[node]: np.asarray(x) for node, x in inputs.items()}
    probe = objects.get(probe)
    layers = _find_layers(network)
    ensembles = [ens for _, group in layers for ens in group]
    spiking = [ens for ens in ensembles if ens.neuron_type.spiking]
    costs = {ens: fan_out(network, ens) for ens in spiking}
    by_source, others = value_operations(network)
    # only the last step, whatever the rounding of its time
    last = n_steps * dt * (1 - 1e-9)
    counter = SpikeCounter(network, spiking, sample_every=last)
    sources = dict.fromkeys([ens.neurons for ens in ensembles]) | by_source
    activity_probes = probe_activity(network, sources, sample_every=last)
    monitor = RangeMonitor(network)
    counted = [*counter.probes, *activity_probes.values()]
    options = {"dt": dt, "progress_bar": False, **options}
    if engine == "core":
        results = in_core(network, inputs, options)
    elif engine == "dl":
        results = in_nengo_dl(network, inputs, counted, minibatch_size or 1, options)
    else:
        size = minibatch_size or min(n_inferences, MINIBATCH_SIZE)
        results = in_engine(network, inputs, size, options)
    wanted = [*counted, *([] if probe is None else [probe])]
    parts, excursions = [], []
    for result in results:
        parts.append({p: np.array(result[p]) for p in wanted})
        excursions += monitor.excursions(result, dt)
    for excursion in merge_excursions(excursions, n_inferences * n_steps * dt):
        warn(str(excursion))
    values = {p: np.concatenate([part[p] for part in parts])[:n_inferences] for p in wanted}
    counts = counter.counts(values, dt)
    activity = {
        source: values[p][:, -1].reshape(n_inferences, -1, source.size_out).astype(float)
        for source, p in activity_probes.items()
    }
    macs, acs = _effective(activity, by_source, costs)
    return SpikingReport(
        n_inferences,
        n_steps,
        dt,
        None if score is None else scored(score, values[probe]),
        tuple(_layer(*layer, counts, costs, activity, n_steps, dt) for layer in layers),
        effective_macs=float(macs + others * n_steps),
        effective_acs=float(acs),
        **static,
    )


def _effective(activity, by_source, costs):
    """Multiply-accumulates of values, and accumulates of single spikes."""
    acs = macs = 0.0
    for source, weights in by_source.items():
        macs += activity[source][:, 0].mean(axis=0) @ weights
    for ens, cost in costs.items():
        active, several, _ = activity[ens.neurons].mean(axis=0)
        acs += (active - several) @ cost
        macs += several @ cost
    return macs, acs


def _layer(name, ensembles, counts, costs, activity, n_steps, dt):
    """Figures of one layer."""
    n_neurons = sum(ens.n_neurons for ens in ensembles)
    active = sum(activity[ens.neurons][:, 0].mean(axis=0).sum() for ens in ensembles)
    sparsity = 1 - active / (n_neurons * n_steps)
    spiking = [ens for ens in ensembles if ens in costs]
    if not spiking:
        return Layer(name, n_neurons, 0.0, 0.0, 0.0, 0.0, float(sparsity), 0)
    spikes = np.concatenate([counts[ens] for ens in spiking], axis=1).mean(axis=0)
    synaptic = spikes @ np.concatenate([costs[ens] for ens in spiking])
    rates = spikes / (n_steps * dt)
    figures = spikes.sum(), synaptic, rates.mean(), rates.max(), sparsity
    most = max(
        activity[ens.neurons][:, 2].max() * dt / getattr(ens.neuron_type, "amplitude", 1)
        for ens in spiking
    )
    return Layer(name, n_neurons, *(float(figure) for figure in figures), round(most))


def _find_layers(network):
    """Names and ensembles of each layer; a memory is one layer."""
    memories = find_memories(network)
    inside = {ens: memory for memory in memories for ens in memory.all_ensembles}
    layers = {}
    for i, ens in enumerate(network.all_ensembles):
        if not isinstance(ens.neuron_type, nengo.Direct):
            part = inside.get(ens, ens)
            kind = "ensemble" if part is ens else "memory"
            layers.setdefault(part, (part.label or f"{kind} {i}", []))[1].append(ens)
    return list(layers.values())
