"""
Intel's Loihi as a target: nengo-loihi's emulator, or a board where one is attached.

nengo-loihi 1.1.0 is used as it is. It was written for NumPy 1: its modules get a NumPy
whose ``array`` takes ``copy=False`` as it was meant then.
"""

import sys
import warnings
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.spiking import Spiking
from lmu_nengo.targets.base import TargetSimulator, need, refuse_limits, step_by_step
from lmu_nengo.targets.loihi.limits import SYNAPSE_BITS, check
from lmu_nengo.targets.loihi.memory import AXONS, OnChip

PER_DIMENSION = 200  # neurons, where the network does not say how many

__all__ = ["Report", "Simulator", "check", "choose_realization", "prepare"]


def choose_realization(memory):
    """
    How a memory will be computed on the chip.

    Parameters
    ----------
    memory : LegendreMemory
        The memory.

    Returns
    -------
    realization : OnChip
        The memory's own; or one with the neurons and the expectations of its `Spiking`; or
        else with 200 neurons for each Legendre polynomial of each channel, as far as axons
        go.
    """
    present = memory.realization
    if isinstance(present, OnChip):
        return present
    if isinstance(present, Spiking):
        return OnChip(
            present.n_neurons,
            expected_input=present.expected_input,
            coordinates=present.coordinates,
            state_d=present.state_d,
            points=present.points,
            margin=present.margin,
            discretizer=present.discretizer,
        )
    each = min(PER_DIMENSION * memory.order, AXONS // 2)
    return OnChip(each * memory.memory_d, discretizer=present.discretizer)


def prepare(network, dt=0.001, seed=None):
    """Adapted copy; see `lmu_nengo.targets.prepare`."""
    prepared = step_by_step(network)
    for memory in find_memories(prepared.network):
        present, chosen = memory.realization, choose_realization(memory)
        memory.realize(replace(chosen, deployed=True))
        prepared.changes.append(
            f"{memory} is {chosen}, and was {present}: on the chip a memory is ensembles "
            "with full weights, rounded as the chip does; its input has the filter of the "
            "neurons and is clipped where the expected input ends; its output makes up for "
            "the step that spikes take to the host"
        )
    inside = {e for m in find_memories(prepared.network) for e in m.all_ensembles}
    others = [e for e in prepared.network.all_ensembles if e not in inside]
    if any("voltage" in (e.neuron_type.state or {}) for e in others):
        prepared.changes.append(
            "first voltages of ensembles are 0: the chip starts with no others"
        )
    return prepared


def load_backend():
    """
    Import nengo-loihi, and let it work with NumPy 2.

    Returns
    -------
    nengo_loihi : module
        The package, unmodified but for the NumPy that two of its modules use.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*has not been tested")  # but here it is
        nengo_loihi = need("nengo_loihi", "loihi")
    for name in ("block", "neurons"):
        module = sys.modules[f"nengo_loihi.{name}"]
        if not isinstance(module.np, EarlierNumpy) and int(np.__version__[0]) > 1:
            module.np = EarlierNumpy()
    return nengo_loihi


class EarlierNumpy(ModuleType):
    """NumPy whose ``array`` takes ``copy=False`` as: copy only if needed."""

    def __init__(self):
        super().__init__("numpy")

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def array(*args, copy=True, **kwargs):
        """As `numpy.array` of NumPy 1."""
        return np.array(*args, copy=copy or None, **kwargs)


@dataclass(frozen=True)
class Report:
    """
    What a network takes of the chip.

    Parameters
    ----------
    cores : int
        Cores in use.
    compartments : int
        Neurons, those that decode included.
    synapses : int
        Weights.
    synapse_memory : float
        Share of the used cores' memory for weights.
    axons_in, axons_out : int
        Axons into and out of all cores.
    fullest_axons : float
        Share of a core's axons, in or out, of the core that has most.
    spikes_per_second : float or None
        Of all neurons on the chip, so far; None before the first step, and on a board.
    """

    cores: int
    compartments: int
    synapses: int
    synapse_memory: float
    axons_in: int
    axons_out: int
    fullest_axons: float
    spikes_per_second: float | None

    def __str__(self):
        rate = self.spikes_per_second
        spikes = "" if rate is None else f"; {rate:,.0f} spikes a second"
        return (
            f"{self.cores} cores: {self.compartments:,} compartments, {self.synapses:,} "
            f"synapses ({self.synapse_memory:.0%} of the memory for them), "
            f"{self.axons_in:,} axons in, {self.axons_out:,} out (at most "
            f"{self.fullest_axons:.0%} of a core's){spikes}"
        )


class Simulator(TargetSimulator):
    """
    `nengo_loihi.Simulator` of a copy of the network.

    Parameters
    ----------
    network : nengo.Network
        The network.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random, where the network has none.
    count_spikes : bool
        As of the other targets; the emulator always counts spikes.
    **options
        For nengo-loihi: ``target`` ("sim" for the emulator, "loihi" for a board; by default
        the board if Intel's NxSDK is installed), ``hardware_options`` and so on.

    Raises
    ------
    ValidationError
        If the network does not fit, or nengo-loihi is not installed.
    """

    def __init__(self, network, dt=0.001, seed=None, count_spikes=True, **options):
        refuse_limits(check(network, dt), "loihi", network)
        nengo_loihi = load_backend()
        prepared = prepare(network, dt, seed)
        # nodes between ensembles stay, with their connections' own synapses
        options = {"progress_bar": False, "remove_passthrough": False, **options}
        with warnings.catch_warnings():
            # told in the changes; the one filter of a compartment is the memory's
            warnings.filterwarnings("ignore", "tau_s is already set to")
            warnings.filterwarnings("ignore", "NengoLoihi does not support initial values")
            # rounding is done before, so that nothing is lost
            warnings.filterwarnings("ignore", "Lost .* extra bits in weight rounding")
            # nengo-loihi fills arrays of whole numbers with a value that NumPy 2 questions
            warnings.filterwarnings("ignore", "invalid value encountered in cast")
            simulator = nengo_loihi.Simulator(prepared.network, dt=dt, seed=seed, **options)
        super().__init__(prepared, simulator)
        self._counts_by_block = None

    def close(self):
        """Free what the backend holds; the data and the report stay."""
        if self._emulates():
            list(self._counts())  # while it is there
        self.simulator.close()

    @property
    def report(self):
        """What the network takes of the chip: a `Report`."""
        used = [block.utilization() for block in self.simulator.model.blocks]
        synapses = [s for block in self.simulator.model.blocks for s in block.synapses]
        rate = None
        if self._emulates() and self.simulator.time > 0:
            rate = self.spikes / self.simulator.time
        ins, outs = ([core[name][0] for core in used] for name in ("in-axons", "out-axons"))
        return Report(
            cores=len(used),
            compartments=sum(core["compartments"][0] for core in used),
            synapses=sum(s.size() for s in synapses),
            synapse_memory=sum(core["synapses"][0] for core in used)
            / (SYNAPSE_BITS * len(used)),
            axons_in=sum(ins),
            axons_out=sum(outs),
            fullest_axons=max(ins + outs) / AXONS,
            spikes_per_second=rate,
        )

    def _emulates(self):
        """Whether there are spikes to count: there are none on a board."""
        return "emulator" in self.simulator.sims

    def _counts(self):
        """Spikes of each compartment of a block, and the weights that each meets."""
        if not self._emulates():
            raise ValidationError(
                "spikes are counted by the emulator only, not on a board.",
                attr="count_spikes",
                obj=type(self),
            )
        if not self.simulator.closed:
            compartments = self.simulator.sims["emulator"].compartment
            self._counts_by_block = [
                compartments.spike_count[compartments.slices[block.compartment]].copy()
                for block in self.simulator.model.blocks
            ]
        for block, counts in zip(
            self.simulator.model.blocks, self._counts_by_block, strict=True
        ):
            yield counts, weights_met(block)


def weights_met(block):
    """
    Weights that a spike of each compartment meets on the chip.

    Parameters
    ----------
    block : nengo_loihi.block.LoihiBlock
        Compartments and their axons.

    Returns
    -------
    weights : ndarray of shape (n_compartments,)
        Numbers of weights.
    """
    n = block.compartment.n_compartments
    total = np.zeros(n)
    for axon in block.axons:
        synapse, targets = axon.target, axon.map_axon(np.arange(n))
        for compartment, target in enumerate(targets):
            if target >= 0:
                row = synapse.axon_weight_idx(target)
                total[compartment] += np.shape(synapse.weights[row])[1]
    return total
