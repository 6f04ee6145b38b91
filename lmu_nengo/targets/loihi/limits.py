"""The resources of a Loihi board that a network takes, and the limits that it exceeds."""

from dataclasses import dataclass, field

import nengo
import numpy as np
from nengo.ensemble import Neurons

from lmu_nengo.memory.network import find_memories
from lmu_nengo.targets.base import Limit
from lmu_nengo.targets.loihi._nengo_loihi import is_asked_off_chip
from lmu_nengo.targets.loihi.chip import (
    DECAY,
    ChipNeurons,
    kept_current,
    kept_voltage,
    weight_grid,
)
from lmu_nengo.targets.loihi.population import AXONS, INPUT_PAIRS
from lmu_nengo.targets.loihi.preparation import choose_realization, memory_limits
from lmu_nengo.targets.loihi.thresholds import ThresholdNeurons

COMPARTMENTS = 1024  # of a core
SYNAPSE_BITS = 16384 * 64  # of a core
CORES = 128 * 32  # of the largest board that nengo-loihi was run on
REFRACTORY_STEPS = 63
DECODE_PAIRS = 10  # pairs of neurons for each dimension of a decoded connection
NEURONS = (
    nengo.LIF,
    nengo.SpikingRectifiedLinear,
    nengo.RegularSpiking,
    ChipNeurons,
    ThresholdNeurons,
)
NAMES = "LIF, SpikingRectifiedLinear, RegularSpiking(LIFRate or RectifiedLinear)"


@dataclass(eq=False)
class Block:
    """
    What nengo-loihi puts on one core, or splits among several.

    Parameters
    ----------
    where : object
        Ensemble, connection or memory that it is made for.
    compartments : int
        Its neurons.
    inputs : list of int
        Axons into it; each reaches all compartments.
    outputs : list of (int, Block)
        Axons out of it, and where to.
    """

    where: object
    compartments: int
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)

    @property
    def synapse_bits(self):
        """Memory for its weights: 64 weights of 8 bits to a bundle, in words of 64."""
        full, rest = divmod(self.compartments, 64)
        words = full * -(-(64 * 8 + 10) // 64) + (-(-(rest * 8 + 10) // 64) if rest else 0)
        return sum(self.inputs) * words * 64

    @property
    def cores(self):
        """Cores that it is split among."""
        wanted = (
            (self.compartments, COMPARTMENTS),
            (sum(self.inputs), AXONS),
            (sum(n for n, _ in self.outputs), AXONS),
            (self.synapse_bits, SYNAPSE_BITS),
        )
        return max(-(-value // limit) for value, limit in wanted)

    @property
    def axons_out(self):
        """Axons out of its largest core: one to each core of where they go."""
        share = -(-self.compartments // self.cores) / self.compartments
        return int(np.ceil(share * sum(n * post.cores for n, post in self.outputs)))


def find_limits(network, dt):
    """Yield the limits of a board that a step-by-step network exceeds."""
    memories = find_memories(network)
    inside = {obj for memory in memories for obj in memory.all_objects}
    ensembles = [
        ens
        for ens in network.all_ensembles
        if ens not in inside and is_on_chip(network, ens)
    ]
    for memory in memories:
        yield from memory_limits(memory, dt)
    if not memories and not ensembles:
        advice = "Add a LegendreMemory or an ensemble, or run the network in core Nengo."
        yield Limit("objects for the chip", 0, "at least 1", network, advice)
    for ens in ensembles:
        yield from neuron_limits(ens, dt)
    for conn in network.all_connections:
        if conn not in inside:
            yield from connection_limits(conn, ensembles, dt)
    for probe in network.all_probes:
        if probe.sample_every is not None:
            advice = "Probe every step, and take every nth value."
            yield Limit("sample_every", f"{probe.sample_every:g} s", "None", probe, advice)
    yield from resource_limits(plan_blocks(network, memories, ensembles))
    for ens in ensembles:
        yield from precision_limits(network, ens, dt)


def is_on_chip(network, ensemble):
    """Whether nengo-loihi puts an ensemble on the chip."""
    is_direct = type(ensemble.neuron_type) is nengo.Direct
    return not is_direct and not is_asked_off_chip(network, ensemble)


def neuron_limits(ensemble, dt):
    """Yield the limits that an ensemble's neurons exceed."""
    kind = ensemble.neuron_type
    name = type(kind).__name__
    known = type(kind) in NEURONS
    if type(kind) is nengo.RegularSpiking:
        name = f"RegularSpiking({type(kind.base_type).__name__})"
        known = type(kind.base_type) in (nengo.LIFRate, nengo.RectifiedLinear)
        kind = kind.base_type
    if not known:
        advice = (
            "Choose one of these neuron types, convert rate neurons with "
            "lmu_nengo.to_spiking, or keep the ensemble on the host: "
            "nengo_loihi.add_params(network); network.config[ensemble].on_chip = False."
        )
        yield Limit("neuron type", name, NAMES, ensemble, advice)
    if ensemble.noise is not None:
        advice = "The chip adds no noise to an ensemble."
        yield Limit("noise", ensemble.noise, "None", ensemble, advice)
    if known and hasattr(kind, "tau_ref"):
        steps = round(kind.tau_ref / dt) + 1
        if steps > REFRACTORY_STEPS:
            advice = "Use a shorter tau_ref."
            allowed = f"at most {REFRACTORY_STEPS}"
            yield Limit("refractory steps", steps, allowed, ensemble, advice)
        if kind.tau_rc > 2 * DECAY * dt:
            longest = f"at most {2 * DECAY * dt:.3g} s"
            advice = "Use a shorter one, or SpikingRectifiedLinear, which does not leak."
            yield Limit("tau_rc", f"{kind.tau_rc:g} s", longest, ensemble, advice)


def base(obj):
    """The object under a view, and the ensemble of neurons."""
    obj = getattr(obj, "obj", obj)
    return obj.ensemble if isinstance(obj, Neurons) else obj


def connection_limits(conn, ensembles, dt):
    """Yield the limits that a connection exceeds."""
    touches_chip = base(conn.pre) in ensembles or base(conn.post) in ensembles
    if not touches_chip:
        return
    if conn.learning_rule is not None and not isinstance(
        conn.learning_rule_type, nengo.PES
    ):
        kind = type(conn.learning_rule_type).__name__
        advice = "Learn with PES, or before the network is run on the chip."
        yield Limit("learning rule", kind, "PES", conn, advice)
    if not isinstance(conn.transform, nengo.Dense | nengo.transforms.NoTransform):
        kind = type(conn.transform).__name__
        advice = "Use the transform's matrix as a dense transform."
        yield Limit("transform", kind, "Dense or NoTransform", conn, advice)
    if base(conn.pre) in ensembles and base(conn.post) in ensembles:
        synapse = conn.synapse
        if synapse is not None and not isinstance(synapse, nengo.Lowpass):
            kind = type(synapse).__name__
            yield Limit("synapse", kind, "Lowpass or None", conn, "Use a Lowpass.")
        elif synapse is not None and synapse.tau > 2 * DECAY * dt:
            longest = f"at most {2 * DECAY * dt:.3g} s"
            advice = "Use a shorter one."
            yield Limit("synapse", f"{synapse.tau:g} s", longest, conn, advice)


def plan_blocks(network, memories, ensembles):
    """
    Plan the blocks that nengo-loihi will make.

    Nodes are on the host, and what passes through a node passes through the host.
    Population spikes of convolutions are not considered.

    Parameters
    ----------
    network : nengo.Network
        The network.
    memories : list of LegendreMemory
        Its memories.
    ensembles : list of nengo.Ensemble
        Its other ensembles on the chip.

    Returns
    -------
    blocks : list of Block
        Of memories, ensembles, and the decoded connections between them.
    """
    blocks = []
    for memory in memories:
        realization = choose_realization(memory)
        for n in realization.channel_neurons(memory):
            block = Block(memory, int(n), [int(n), 2 * INPUT_PAIRS])
            block.outputs = [(int(n), block)]
            blocks.append(block)
    of = {ens: Block(ens, ens.n_neurons) for ens in ensembles}
    blocks += of.values()
    encoders = set()  # blocks and kinds of input that share axons
    for conn in network.all_connections:
        pre, post = of.get(base(conn.pre)), of.get(base(conn.post))
        to_neurons = isinstance(conn.post_obj, Neurons)
        if pre is None and post is not None:
            if to_neurons:
                post.inputs.append(2 * conn.size_mid)
            elif (post, "node") not in encoders:
                encoders.add((post, "node"))
                post.inputs.append(2 * conn.post_obj.size_in)
        elif pre is not None and post is None:
            if not isinstance(conn.pre_obj, Neurons):
                blocks.append(decoder(pre, conn, 2 * conn.size_out))
        elif pre is not None:
            direct = to_neurons or getattr(conn.solver, "weights", False)
            if direct:
                post.inputs.append(conn.size_mid if to_neurons else pre.compartments)
                pre.outputs.append((post.inputs[-1], post))
                continue
            block = decoder(pre, conn, 2 * DECODE_PAIRS * conn.size_out)
            block.outputs.append((block.compartments, post))
            blocks.append(block)
            if (post, "decoded") not in encoders:
                encoders.add((post, "decoded"))
                post.inputs.append(2 * conn.post_obj.size_in)
    for probe in network.all_probes:
        pre = of.get(probe.target)
        if pre is not None and probe.attr == "decoded_output":
            blocks.append(decoder(pre, probe, 2 * probe.size_in))
    return blocks


def decoder(pre, where, compartments):
    """Block between an ensemble and what reads its decoded value."""
    block = Block(where, compartments, [pre.compartments])
    pre.outputs.append((pre.compartments, block))
    return block


def resource_limits(blocks):
    """Yield the limits of cores and of the board that the blocks exceed."""
    for block in blocks:
        n_in = sum(block.inputs)
        if n_in > AXONS:
            advice = (
                "Each core that holds a part of it needs all of them: use fewer neurons or "
                "dimensions, or several smaller memories or ensembles."
            )
            allowed = f"at most {AXONS}"
            yield Limit("axons into a core", n_in, allowed, block.where, advice)
        elif block.axons_out > AXONS:
            advice = "Use fewer neurons, or several smaller memories or ensembles."
            n_out, allowed = block.axons_out, f"at most {AXONS}"
            yield Limit("axons out of a core", n_out, allowed, block.where, advice)
    cores = sum(block.cores for block in blocks)
    if cores > CORES:
        advice = (
            "Use fewer neurons: recurrent weights of n neurons take n^2 / 115,000 cores, "
            f"and a core holds {COMPARTMENTS} neurons."
        )
        yield Limit("cores", cores, f"at most {CORES}", None, advice)


def precision_limits(network, ensemble, dt):
    """Yield a limit if all weights onto an ensemble's neurons would be rounded away."""
    if not isinstance(ensemble.gain, np.ndarray) or not isinstance(
        ensemble.bias, np.ndarray
    ):
        return
    weights, taus = [], [0.005]  # the filter of inputs from the host
    for conn in network.all_connections:
        if conn.post_obj != ensemble.neurons:
            if base(conn.post) is ensemble:
                return  # through encoders that are not drawn yet
            continue
        matrix = getattr(conn.transform, "init", np.array(1.0))
        if not isinstance(matrix, np.ndarray):
            return
        from_neurons = isinstance(conn.pre_obj, Neurons)
        weights.append(
            np.abs(matrix).max() * ensemble.gain.max() * (1 if from_neurons else dt)
        )
        if from_neurons and isinstance(conn.synapse, nengo.Lowpass):
            taus.append(conn.synapse.tau)
    if not weights or max(weights) == 0:
        return
    kind = getattr(ensemble.neuron_type, "base_type", ensemble.neuron_type)
    kept_v = kept_voltage(kind.tau_rc, dt) if hasattr(kind, "tau_rc") else None
    kept = kept_current(max(taus), dt)
    _, quantum = weight_grid(0, np.abs(ensemble.bias).max(), kept, dt, kept_v)
    steps = max(weights) / quantum
    if steps < 2:
        advice = (
            "Even the largest weight is lost in rounding: increase gain and weights "
            "together with the firing rates, lower the bias, or shorten the synapse."
        )
        where = ensemble
        yield Limit("weight precision", f"{steps:.2g} steps", "at least 2", where, advice)
