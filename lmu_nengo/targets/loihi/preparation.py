"""How a network's memories are adapted to Loihi."""

from dataclasses import replace

import nengo

from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.spiking import Spiking
from lmu_nengo.targets.base import Limit, describe
from lmu_nengo.targets.loihi.chip import ChipNeurons
from lmu_nengo.targets.loihi.memory import OnChip
from lmu_nengo.targets.loihi.population import AXONS
from lmu_nengo.targets.loihi.thresholds import ThresholdNeurons

NAMES = {
    ChipNeurons: "integrate-and-fire neurons",
    ThresholdNeurons: "neurons with graded thresholds",
}
PER_DIMENSION = 200  # neurons, where the network does not say how many


def choose_realization(memory) -> OnChip:
    """
    Choose how a memory will be computed on the chip.

    Parameters
    ----------
    memory : LegendreMemory
        The memory, in a step-by-step realization.

    Returns
    -------
    realization : OnChip
        The memory's own; or one with the settings of its `Spiking`; or else one with 200
        neurons for each Legendre polynomial of each channel, as far as there are axons.
    """
    present = memory.realization
    if isinstance(present, OnChip):
        return present
    if not present.is_spiking:
        each = min(PER_DIMENSION * memory.order, AXONS // 2)
        return OnChip(each * memory.memory_d, discretizer=present.discretizer)
    same = (
        *("expected_input", "radius", "coordinates", "state_d", "points", "margin"),
        "discretizer",
    )
    settings = {name: getattr(present, name) for name in same}
    for name in ("max_rates", "intercepts", "solver"):
        if getattr(present, name) is not None:
            settings[name] = getattr(present, name)
    tau = lowpass_tau(present.synapse_for(memory))
    if tau is not None:
        settings["tau"] = tau
    return OnChip(present.n_neurons, **settings)


def lowpass_tau(synapse):
    """Time constant of a lowpass in seconds, or None for any other synapse."""
    tau = synapse.tau if isinstance(synapse, nengo.Lowpass) else synapse
    return float(tau) if isinstance(tau, int | float) and tau > 0 else None


def memory_limits(memory, dt):
    """Yield the settings of a memory that have no counterpart on the chip."""
    if memory.start is not None:
        advice = "Make the memory with start=False."
        yield Limit("nodes that start a memory", 1, 0, memory, advice)
    present = memory.realization
    if not isinstance(present, Spiking):
        return
    synapse = present.synapse_for(memory)
    if lowpass_tau(synapse) is None:
        advice = "A neuron on the chip has one filter: use Spiking(..., synapse=0.1)."
        yield Limit("synapse", synapse, "one Lowpass", memory, advice)
    if present.lead is not None:
        advice = "The delays on the chip are known: leave lead out."
        yield Limit("lead", f"{present.lead:g} s", "None", memory, advice)
    if present.output != "state":
        advice = 'Use Spiking(..., output="state").'
        yield Limit("output", repr(present.output), "'state'", memory, advice)
    if present.ensemble_d != 1:
        advice = "On the chip, each neuron of a memory has one dimension."
        yield Limit("ensemble_d", present.ensemble_d, 1, memory, advice)
    highest = getattr(present.max_rates, "high", 0)
    if highest >= 0.5 / dt:
        advice = "Neurons on the chip fire in every other step at most."
        allowed = f"below {0.5 / dt:g} Hz"
        yield Limit("max_rates", f"{highest:g} Hz", allowed, memory, advice)


def adapt(prepared) -> None:
    """
    Realize all memories of a step-by-step copy on the chip, in place.

    Parameters
    ----------
    prepared : Prepared
        The copy; its list of changes gets longer.
    """
    network, changes = prepared.network, prepared.changes
    memories = find_memories(network)
    inside = {ens for memory in memories for ens in memory.all_ensembles}
    for memory in memories:
        before = memory.realization
        realization = choose_realization(memory)
        memory.realize(replace(realization, deployed=True))
        kind = NAMES[type(memory.all_ensembles[0].neuron_type)]
        changes.append(
            f"{describe(memory)} is realized as {realization} instead of {before}: on the "
            f"chip, a memory is one ensemble of {kind} per channel, "
            "with full recurrent weights that are rounded as on the chip. Its input passes "
            "the neurons' synapse and is clipped beyond the expected input; its output "
            "compensates for the step that spikes take to the host."
        )
    others = [ens for ens in network.all_ensembles if ens not in inside]
    if any("voltage" in (ens.neuron_type.state or {}) for ens in others):
        changes.append(
            "Initial voltages of all ensembles are 0: the chip supports no others."
        )
