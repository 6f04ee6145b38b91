"""The limits of NIR graphs of CubaLIF neurons, and adapting networks to them."""

from dataclasses import replace

import nengo
import numpy as np

from lmu_nengo.layers.lmu_cell import FEEDBACK, LMUCell
from lmu_nengo.layers.lstm import LSTM
from lmu_nengo.memory.exact import per_channel
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.realization import find_realizable
from lmu_nengo.processes.sequence import Reverse
from lmu_nengo.targets.base import Limit, TargetSimulator, describe
from lmu_nengo.targets.nir.neurons import StepLIF
from lmu_nengo.targets.nir.paths import LayerSynapses, Paths, plain, without_averages

TAU_RC = 0.05  # of neurons that have none of their own, in seconds
# The voltage of a CubaLIF can fall far below zero, and it recovers with the membrane's time
# constant only: from this one on, all neurons should always be active
LEAKY = 0.05
MAX_RATES, INTERCEPTS = (200, 400), (-1.5, -1.5)
LINE = 0.3  # the rate is fitted by a line up to this, in spikes per step
NEURON_TYPES = (nengo.LIF, nengo.SpikingRectifiedLinear, StepLIF)
PROBED = ("output", "decoded_output", "spikes")
NAMES = "LIF, SpikingRectifiedLinear, StepLIF"


class NirPreparation(TargetSimulator):
    """What is common to all targets that run NIR graphs: limits and adaptation."""

    target = "nir"

    @classmethod
    def find_limits(cls, network, dt):
        """Yield the limits of a flat graph of CubaLIF neurons that a network exceeds."""
        return find_limits(network, dt)

    @classmethod
    def adapt(cls, prepared, dt, seed):
        """
        Adapt a copy in place.

        All neurons become `StepLIF` of one membrane time constant, with decoders that are
        solved for it.
        """
        adapt(prepared, dt, seed)


def find_limits(network, dt):
    """Yield the limits that a step-by-step network exceeds."""
    memories, boxes = find_memories(network), {}
    inside = {obj for memory in memories for obj in memory.all_objects}
    outside = [ens for ens in network.all_ensembles if ens not in inside]
    for part in find_realizable(network):
        if isinstance(part, LSTM):
            advice = "An LSTM's gates are no neurons; use an LMUCell."
            yield Limit("layer", "LSTM", "memories and neurons", part, advice)
            boxes[part.output] = (part, ())
    for cell in find_cells(network):
        if "memory_encoders" in cell.paths:
            yield Limit(
                "path",
                "memory_encoders",
                "none",
                cell,
                "The memory's state has passed its synapse, and would pass it again on the "
                "way back: a CubaLIF has one filter. Make the cell without this path.",
            )
    for node in network.all_nodes:
        if isinstance(node.output, Reverse):
            yield Limit(
                "layer",
                "a sequence from its last step to its first",
                "what can be computed step by step",
                node,
                "The backward layer of a Bidirectional needs the future, and a chip or "
                "simulator gets one step after the other: use the forward layer alone.",
            )
            boxes[node] = (node, ())
    for memory in memories:
        realization = memory.realization
        if not realization.is_spiking:
            yield Limit(
                "realization",
                type(realization).__name__,
                "Spiking",
                memory,
                "Every memory must be realized as Spiking: "
                "lmu_nengo.realize(network, lmu_nengo.Spiking(...)).",
            )
            boxes[memory.output] = (memory, ())
            continue
        own = ()
        if realization.output == "state":
            own = (_as_synapse(realization.synapse_for(memory)),)
        boxes[memory.output] = (memory, own)
        yield from _neuron_limits(realization.neuron_type, realization, memory, dt)
    memories = [memory for memory in memories if memory.realization.is_spiking]
    for ensemble in outside:
        yield from _neuron_limits(ensemble.neuron_type, ensemble, ensemble, dt)
        if ensemble.noise is not None:
            yield Limit("noise", ensemble.noise, "None", ensemble)
    if not outside and not memories:
        advice = "Add an ensemble or a memory realized as Spiking."
        yield Limit("neurons", 0, "at least 1", None, advice)
    for probe in network.all_probes:
        target = probe.target
        if probe.attr not in PROBED:
            yield Limit("probe", probe.attr, ", ".join(PROBED), probe)
        owners = [memory for memory in memories if target in memory.all_objects]
        if any(target not in (m.input, m.output) for m in owners):
            yield Limit("probe", "inside a memory", "its input or output", probe)
    yield from _path_limits(network, outside, memories, boxes)


def _as_synapse(synapse):
    is_number = isinstance(synapse, int | float)
    return nengo.Lowpass(synapse) if is_number else synapse


def _neuron_limits(kind, settings, where, dt):
    """Yield the limits that a neuron type exceeds."""
    if type(kind) not in NEURON_TYPES:
        advice = "Use one of these; lmu_nengo.to_spiking converts rate neurons."
        if isinstance(kind, nengo.RegularSpiking):
            advice = (
                "A CubaLIF fires by its current alone: train with RectifiedLinear or "
                "LIFRate neurons, LMUCell(..., hidden_type=nengo.RectifiedLinear())."
            )
        yield Limit("neuron type", type(kind).__name__, NAMES, where, advice)
        return
    tau_rc = getattr(kind, "tau_rc", TAU_RC)
    if tau_rc <= dt:
        yield Limit("tau_rc", f"{tau_rc:g} s", f"above dt = {dt:g} s", where)
    rates = getattr(settings.max_rates, "high", None)
    if rates is not None and rates > 0.5 / dt:
        yield Limit("max_rates", f"{rates:g} Hz", f"at most {0.5 / dt:g} Hz", where)


def _path_limits(network, outside, memories, boxes):
    """Yield the limits that connections exceed."""
    paths, limits = Paths(network, boxes=boxes, layers=layer_synapses(network)), []
    hidden = {cell.hidden for cell in find_cells(network)}
    ends = [(ens, paths.into_neurons(ens), ()) for ens in outside]
    for memory in memories:
        own = (_as_synapse(memory.realization.synapse_for(memory)),)
        ends.append((memory, paths.into_node(memory.input), own))
    for probe in network.all_probes:
        if isinstance(probe.target, nengo.Node):
            paths.into_node(probe.target)
    tau = find_tau(network)
    seen = set()
    for where, found, own in ends:
        for source, passed in found:
            synapses = plain(without_averages(passed) + own if own else passed)
            is_constant = isinstance(source, nengo.Node) and is_constant_node(source)
            fits = len(synapses) == 1 and synapses[0] == nengo.Lowpass(tau)
            is_added = not synapses and (is_constant or where in hidden)
            if fits or is_added or (where, synapses) in seen:
                continue
            seen.add((where, synapses))
            names = ", then ".join(map(repr, synapses)) or "None"
            limits.append(
                Limit(
                    "synapses on a path",
                    names,
                    f"one Lowpass({tau:g}) on every path between neurons",
                    where,
                    f"The path starts at {source}. A CubaLIF has one filter, which is the "
                    "memory's synapse if there is a memory: use synapse=None for the other "
                    "connections.",
                )
            )
    yield from [*paths.limits, *limits]


def find_cells(network) -> list[LMUCell]:
    """All cells of a network whose hidden state is computed by neurons."""
    found = [net for net in (network, *network.all_networks) if isinstance(net, LMUCell)]
    return [cell for cell in found if isinstance(cell.hidden, nengo.Ensemble)]


def layer_synapses(network) -> LayerSynapses:
    """Find the synapses of cells and memories, which may give way to those of neurons."""
    cells, memories = find_cells(network), find_memories(network)
    return LayerSynapses(
        frozenset(c for cell in cells for k, c in cell.paths.items() if k in FEEDBACK),
        frozenset(cell.activity for cell in cells),
        frozenset(c for m in memories for c in m.all_connections if c.synapse is not None),
    )


def find_tau(network) -> float:
    """Time constant in seconds of the neurons' one synapse: the first that is found."""
    memories = [m for m in find_memories(network) if _is_spiking(m)]
    taus = [m.realization.synapse_for(m) for m in memories]
    ends = (nengo.Ensemble, nengo.ensemble.Neurons)
    taus += [c.synapse for c in network.all_connections if isinstance(c.post_obj, ends)]
    lowpasses = [s for s in map(_as_synapse, taus) if isinstance(s, nengo.Lowpass)]
    return next((s.tau for s in lowpasses if s.tau > 0), 0.005)


def _is_spiking(memory):
    return memory.realization.is_spiking


def is_constant_node(node):
    """Whether a node's output never changes."""
    return node.size_in == 0 and isinstance(node.output, np.ndarray)


def find_tau_rc(network) -> float:
    """Membrane time constant for all neurons: one CubaLIF has one."""
    memories = find_memories(network)
    inside = {obj for memory in memories for obj in memory.all_objects}
    kinds = [m.realization.neuron_type for m in memories if _is_spiking(m)]
    kinds += [e.neuron_type for e in network.all_ensembles if e not in inside]
    taus = {getattr(kind, "tau_rc", TAU_RC) for kind in kinds}
    return taus.pop() if len(taus) == 1 else TAU_RC


def adapt(prepared, dt, seed) -> None:
    """Adapt a step-by-step copy in place; see `NirPreparation.adapt`."""
    copy, changes = prepared.network, prepared.changes
    tau_rc = find_tau_rc(copy)
    if copy.seed is None:
        copy.seed = seed
    kind = StepLIF(tau_rc, dt)
    memories = find_memories(copy)
    inside = {obj for memory in memories for obj in memory.all_objects}
    kinds = {ens: ens.neuron_type for ens in copy.all_ensembles}
    sources = {conn.pre_obj for conn in copy.all_connections}
    for ensemble in copy.all_ensembles:
        if ensemble not in inside:
            changes += convert(ensemble, kind)
            if type(kinds[ensemble]) is nengo.LIF and ensemble.neurons in sources:
                changes.append(
                    f"{describe(ensemble)} has no refractory period and fires more often "
                    "than before; weights that start at its neurons are not solved anew."
                )
    for memory in memories:
        before = memory.realization
        new = {"neuron_type": kind}
        if before.max_rates is None:
            new["max_rates"] = nengo.dists.Uniform(*MAX_RATES)
        is_linear = type(before.neuron_type) is nengo.SpikingRectifiedLinear
        if before.intercepts is None and (is_linear or tau_rc >= LEAKY):
            new["intercepts"] = nengo.dists.Uniform(*INTERCEPTS)
        memory.realize(replace(before, **new))
        changes.append(
            f"{describe(memory)} has neurons of type {kind}, as the target, instead of "
            f"{before.neuron_type}; its decoders are solved for their rates, and its "
            "recurrence compensates for their lead."
        )
        if is_read(copy, memory):
            read_late(memory)
            changes.append(
                f"{describe(memory)}: neurons get its output one step later, because they "
                "cannot get an input that passes no synapse."
            )
    for cell in find_cells(copy):
        changes.append(
            f"{describe(cell)}: where its spikes lead to a memory, its own or another, "
            "they pass the memory's synapse alone, not that of the hidden neurons too."
        )
        if "input_kernel" in cell.paths:
            changes.append(
                f"{describe(cell)}: its input passes the neurons' synapse on the way to "
                "its hidden neurons."
            )
    changes.append(
        "Constant inputs and biases pass the neurons' synapse: they take some of its time "
        "constants to reach their full value."
    )
    decode_probes(prepared)


def convert(ensemble, kind):
    """Give an ensemble the target's neurons; return what changed."""
    before = ensemble.neuron_type
    gains = ensemble.gain, ensemble.bias
    amplitude = before.amplitude
    ensemble.neuron_type = StepLIF(kind.tau_rc, kind.dt, amplitude)
    if type(before) is nengo.SpikingRectifiedLinear and all(
        isinstance(value, np.ndarray) for value in gains
    ):
        offset, slope = fit_line(kind)  # its current is a rate in Hz
        ensemble.gain = slope * gains[0]
        ensemble.bias = slope * gains[1] + offset
    return [
        f"{describe(ensemble)} has neurons of type {ensemble.neuron_type}, as the target, "
        f"instead of {before}; its decoders are solved for their rates."
    ]


def fit_line(kind) -> tuple[float, float]:
    """
    Fit a line to the current that a neuron needs for a given rate.

    Parameters
    ----------
    kind : StepLIF
        The neuron.

    Returns
    -------
    offset, slope : float
        The current is ``offset + slope * rate``, the rate in Hz.
    """
    from scipy.optimize import least_squares

    wanted = np.linspace(0, LINE / kind.dt, 301)

    def errors(line):
        J = np.maximum(line[0] + kind.tau_rc * line[1] * wanted, 1 + 1e-9)
        # the mean over a step of the staircase
        return 1 / (np.log1p(-1 / J) / np.log(kind.decay) + 0.5) / kind.dt - wanted

    offset, slope = least_squares(errors, [0.8, 1.0], x_scale=[0.1, 0.1]).x
    return float(offset), float(kind.tau_rc * slope)


def is_read(network, memory) -> bool:
    """Whether a memory's output reaches neurons outside of it."""
    paths = Paths(network, boxes={memory.output: (memory, ())})
    inside = set(memory.all_ensembles)
    outside = [ens for ens in network.all_ensembles if ens not in inside]
    return any((memory, ()) in found for found in map(paths.into_neurons, outside))


def read_late(memory):
    """Change a memory's output to its state, without the input of the present step."""
    Ad, _ = memory.discrete(memory.realization.discretizer)
    for conn in [c for c in memory.connections if c.post_obj is memory.output]:
        if conn.pre_obj is memory.input:
            memory.connections.remove(conn)
        elif memory.realization.output == "state":
            # from m[t] = Ad m[t-1] + Bd u[t] back to m[t-1], which the state holds
            init = conn.transform.init
            ahead = init if memory.memory_d == 1 else init.data  # block by block
            conn.transform = per_channel(
                np.linalg.solve(Ad, ahead), n_channels=memory.memory_d
            )


def decode_probes(prepared):
    """Insert a node between each ensemble and the probe of its decoded value."""
    copy = prepared.network
    backwards = {new: old for old, new in prepared.objects.items()}
    for owner in [copy, *copy.all_networks]:
        for probe in list(owner.probes):
            if not isinstance(probe.target, nengo.Ensemble):
                continue
            owner.probes.remove(probe)
            with owner:
                node = nengo.Node(size_in=probe.size_in, label=f"decoded for {probe}")
                nengo.Connection(probe.target, node, synapse=None, solver=probe.solver)
                new = nengo.Probe(
                    node, synapse=probe.synapse, sample_every=probe.sample_every
                )
            prepared.objects[backwards[probe]] = new
