"""What a spiking network costs and achieves, beside its rate network."""

from contextlib import contextmanager
from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import BoolParam

# nengo.Simulator itself is refused by Nengo GUI while it reads a script
from nengo.simulator import Simulator

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_integer
from lmu_nengo.conversion.operations import fan_out, rate_operations, remaining_operations
from lmu_nengo.memory.network import find_memories


@dataclass(frozen=True)
class Layer:
    """
    The spikes of an ensemble, or of all neurons of a memory.

    Parameters
    ----------
    name : str
        Its label.
    n_neurons : int
        Its neurons.
    spikes, synaptic_operations : float
        Per inference.
    mean_rate, max_rate : float
        Firing rate in Hz over all inferences: mean of all neurons, and that of the one
        that fires most.
    """

    name: str
    n_neurons: int
    spikes: float
    synaptic_operations: float
    mean_rate: float
    max_rate: float


@dataclass(frozen=True)
class SpikingReport:
    """
    What `spiking_report` found; ``str`` of it is a table.

    Parameters
    ----------
    n_inferences, n_steps : int
        How many sequences, and their length.
    dt : float
        Step in seconds.
    score : float or None
        What the given function made of the outputs.
    layers : tuple of Layer
        Layers that spike.
    rate_operations : int
        Multiply-accumulates per inference, were all neurons rate neurons and all memories
        linear.
    remaining_operations : int
        Multiply-accumulates per inference that the spiking network needs beside its
        synaptic operations.
    """

    n_inferences: int
    n_steps: int
    dt: float
    score: float | None
    layers: tuple
    rate_operations: int
    remaining_operations: int

    @property
    def spikes(self) -> float:
        """Spikes per inference."""
        return float(sum(layer.spikes for layer in self.layers))

    @property
    def synaptic_operations(self) -> float:
        """Synaptic operations per inference."""
        return float(sum(layer.synaptic_operations for layer in self.layers))

    def __str__(self):
        names = [layer.name for layer in self.layers]
        width = max([len(name) for name in names] + [5])
        score = "" if self.score is None else f"; score {self.score:.6g}"
        lines = [
            f"{self.n_inferences} inferences of {self.n_steps} steps{score}",
            f"{'layer':{width}} {'neurons':>8} {'spikes':>12} {'synaptic ops':>14} "
            f"{'mean Hz':>9} {'max Hz':>9}",
        ]
        for layer in self.layers:
            lines.append(
                f"{layer.name:{width}} {layer.n_neurons:8,} {layer.spikes:12,.1f} "
                f"{layer.synaptic_operations:14,.1f} {layer.mean_rate:9,.1f} "
                f"{layer.max_rate:9,.1f}"
            )
        n_neurons = sum(layer.n_neurons for layer in self.layers)
        return "\n".join(
            [
                *lines,
                f"{'all':{width}} {n_neurons:8,} {self.spikes:12,.1f} "
                f"{self.synaptic_operations:14,.1f}",
                f"multiply-accumulates: {self.rate_operations:,} of the rate network, "
                f"{self.remaining_operations:,} remain",
            ]
        )


def spiking_report(
    network, inputs, probe=None, score=None, minibatch_size=None, dt=0.001, **options
):
    """
    Run a network on many sequences, and count what it costs.

    Each sequence starts from the network's first state. What a spike costs is told in
    `lmu_nengo.conversion.operations.fan_out`, what counts as a multiply-accumulate in
    `lmu_nengo.conversion.operations.rate_operations` and ``remaining_operations``. The
    network is left as it was.

    Parameters
    ----------
    network : nengo.Network
        The spiking network; a rate network, without a layer that spikes, is possible too.
        No memory is `Windowed`.
    inputs : dict of {nengo.Node: ndarray of shape (n_inferences, n_steps, size)}
        What input nodes give.
    probe : nengo.Probe, optional
        The output, which ``score`` gets.
    score : callable, optional
        Makes a number, accuracy or error, of the probe's values: an array of shape
        (n_inferences, n_steps, size), or (n_inferences, 1, size) if NengoDL keeps the last
        step only.
    minibatch_size : int, optional
        Sequences that NengoDL runs side by side; ``None`` runs them one by one in core
        Nengo.
    dt : float
        Step in seconds.
    **options
        For the simulator: ``seed``, ``unroll_simulation`` and so on.

    Returns
    -------
    report : SpikingReport
        Accuracy or error, spikes, operations, rates.

    Raises
    ------
    ValidationError
        If the inputs do not fit each other or the network, or only one of ``probe`` and
        ``score`` is given.
    """
    n_inferences, n_steps = check_inputs(network, inputs)
    if (probe is None) != (score is None):
        raise ValidationError(
            f"got {probe} and {score}, expected both a probe and a function of its values, "
            "or neither.",
            attr="score",
        )
    operations = rate_operations(network), remaining_operations(network)
    layers = find_layers(network)
    costs = [[fan_out(network, ens) for ens in ensembles] for _, ensembles in layers]
    ensembles = [ens for _, group in layers for ens in group]
    with counters(network, ensembles) as nodes:
        if minibatch_size is None:
            counts, outputs = run_in_core(network, inputs, nodes, probe, dt, options)
        else:
            minibatch_size = check_integer(minibatch_size, "minibatch_size")
            options = dict(options, minibatch_size=minibatch_size, dt=dt)
            counts, outputs = run_in_nengo_dl(network, inputs, nodes, probe, options)
    counts = iter(counts)
    rows = []
    for (name, group), cost in zip(layers, costs, strict=True):
        spikes = np.concatenate([next(counts) for _ in group], axis=1)
        spikes = spikes.mean(axis=0, dtype=np.float64)
        rates = spikes / (n_steps * dt)
        synaptic = spikes @ np.concatenate(cost)
        figures = spikes.sum(), synaptic, rates.mean(), rates.max()
        rows.append(Layer(name, len(spikes), *(float(figure) for figure in figures)))
    return SpikingReport(
        n_inferences,
        n_steps,
        dt,
        None if score is None else float(score(outputs)),
        tuple(rows),
        *(int(per_step) * n_steps for per_step in operations),
    )


def check_inputs(network, inputs):
    """Numbers of sequences and of steps, or ValidationError."""
    shapes = {np.shape(x)[:2] for x in inputs.values()}
    for node, x in inputs.items():
        is_input = node in network.all_nodes and node.size_in == 0
        if not is_input or np.ndim(x) != 3 or np.shape(x)[2] != node.size_out:
            raise ValidationError(
                f"got {node!r} with an array of shape {np.shape(x)}, expected an input "
                "node of the network and shape (n_inferences, n_steps, size of the node).",
                attr="inputs",
            )
    if len(shapes) != 1 or 0 in min(shapes):
        raise ValidationError(
            f"got arrays for {sorted(shapes)} inferences and steps, expected at least one "
            "input node, and the same numbers above 0 for all.",
            attr="inputs",
        )
    return shapes.pop()


def find_layers(network):
    """Names and spiking ensembles of each layer; a memory is one layer."""
    memories = find_memories(network)
    inside = {ens: memory for memory in memories for ens in memory.all_ensembles}
    layers = {}
    for i, ens in enumerate(network.all_ensembles):
        if ens.neuron_type.spiking:
            part = inside.get(ens, ens)
            kind = "ensemble" if part is ens else "memory"
            layers.setdefault(part, (part.label or f"{kind} {i}", []))[1].append(ens)
    return list(layers.values())


@contextmanager
def counters(network, ensembles):
    """Nodes that count each neuron's spikes, in the network for a while."""
    # with a seed of its own, and last, it leaves the seeds of all others as they are
    with plain_config(), nengo.Network(seed=0, add_to_container=False) as counting:
        nodes = [add_counter(ens) for ens in ensembles]
    network.networks.append(counting)
    try:
        yield nodes
    finally:
        network.networks.remove(counting)


def add_counter(ensemble):
    """Add a node that holds the number of each neuron's spikes so far, over dt."""
    n_neurons, kind = ensemble.n_neurons, ensemble.neuron_type
    per_spike = 1 / getattr(kind, "amplitude", 1)
    total = nengo.Node(size_in=n_neurons)
    if kind.negative:
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
            nengo.Connection(half, total, synapse=None)
    else:
        nengo.Connection(ensemble.neurons, total, transform=per_spike, synapse=None)
    nengo.Connection(total, total, synapse=0)  # one step
    return total


def run_in_core(network, inputs, nodes, probe, dt, options):
    """Counts of shape (n_inferences, n_neurons) for each node, and the probe's values."""
    n_inferences, n_steps = np.shape(next(iter(inputs.values())))[:2]
    inference = 0
    before = {node: node.output for node in inputs}
    try:
        for node, x in inputs.items():
            node.output = lambda t, x=x: x[inference][round(t / dt) - 1]
        with Simulator(network, dt=dt, **{"progress_bar": False, **options}) as sim:
            counts, outputs = [[] for _ in nodes], []
            signals = [sim.model.sig[node]["out"] for node in nodes]
            for inference in range(n_inferences):  # noqa: B007  read by the nodes
                sim.reset()
                sim.run_steps(n_steps)
                for found, signal in zip(counts, signals, strict=True):
                    found.append(np.rint(sim.signals[signal] * dt))
                if probe is not None:
                    outputs.append(np.array(sim.data[probe]))
    finally:
        for node, output in before.items():
            node.output = output
    return [np.array(found) for found in counts], np.array(outputs)


def run_in_nengo_dl(network, inputs, nodes, probe, options):
    """As `run_in_core`, in batches."""
    from lmu_nengo.training import Simulator as BatchSimulator

    n_inferences, size = len(next(iter(inputs.values()))), options["minibatch_size"]
    missing = -n_inferences % size
    padded = {}
    for node, x in inputs.items():
        x = np.asarray(x, dtype=np.float32)
        padded[node] = np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)])
    config = network.config[nengo.Probe]
    if not hasattr(config, "keep_history"):
        config.set_param("keep_history", BoolParam("keep_history", default=True))
    with plain_config(), network.networks[-1]:
        counts = [nengo.Probe(node) for node in nodes]
    for count in counts:
        network.config[count].keep_history = False
    try:
        with BatchSimulator(network, **{"progress_bar": False, **options}) as sim:
            # one call each: NengoDL cannot generate the inputs of several batches
            batches = []
            for i in range(0, n_inferences, size):
                batch = {node: x[i : i + size] for node, x in padded.items()}
                batches.append(sim.predict(batch, verbose=0))
    finally:
        for count in counts:
            del network.config.params[count]

    def values(p):
        return np.concatenate([batch[p] for batch in batches])[:n_inferences]

    outputs = None if probe is None else values(probe)
    return [np.rint(values(p)[:, -1] * options["dt"]) for p in counts], outputs
