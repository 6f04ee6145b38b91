"""The limits of NIR graphs of CubaLIF neurons, and adapting networks to them."""

from dataclasses import replace

import nengo
import numpy as np

from lmu_nengo.memory.exact import per_channel
from lmu_nengo.memory.network import LegendreMemory, find_memories
from lmu_nengo.memory.realization import find_realizable
from lmu_nengo.targets.base import Limit, TargetSimulator, describe
from lmu_nengo.targets.nir.neurons import StepLIF
from lmu_nengo.targets.nir.paths import Paths

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
    memories = [part for part in find_realizable(network) if _is_spiking_memory(part)]
    inside = {obj for memory in memories for obj in memory.all_objects}
    outside = [ens for ens in network.all_ensembles if ens not in inside]
    boxes = {}
    for part in find_realizable(network):
        realization = part.realization
        if part not in memories:
            yield Limit(
                "realization",
                type(realization).__name__,
                "a LegendreMemory realized as Spiking",
                part,
                "Every memory must be realized as Spiking: "
                "lmu_nengo.realize(network, lmu_nengo.Spiking(...)).",
            )
            boxes[part.output] = (part, ())
            continue
        own = ()
        if realization.output == "state":
            own = (_as_synapse(realization.synapse_for(part)),)
        boxes[part.output] = (part, own)
        yield from _neuron_limits(realization.neuron_type, realization, part, dt)
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
    paths, limits = Paths(network, boxes=boxes), []
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
            synapses = passed + own
            is_constant = isinstance(source, nengo.Node) and is_constant_node(source)
            fits = len(synapses) == 1 and synapses[0] == nengo.Lowpass(tau)
            if fits or (is_constant and not own) or (where, synapses) in seen:
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


def _is_spiking_memory(part):
    return isinstance(part, LegendreMemory) and _is_spiking(part)


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
        if outer_ensembles(copy, memory):
            read_late(memory)
            changes.append(
                f"{describe(memory)}: neurons get its output one step later, because they "
                "cannot get an input that passes no synapse."
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


def outer_ensembles(network, memory):
    """Ensembles outside of a memory that its output reaches."""
    paths = Paths(network, boxes={memory.output: (memory, ())})
    inside = set(memory.all_ensembles)
    return [
        ens
        for ens in network.all_ensembles
        if ens not in inside and (memory, ()) in paths.into_neurons(ens)
    ]


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
