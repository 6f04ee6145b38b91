"""Intel's Loihi as a target: nengo-loihi's emulator, or a board if one is attached."""

import warnings
from dataclasses import dataclass

from nengo.exceptions import ValidationError

from lmu_nengo.targets.base import TargetSimulator
from lmu_nengo.targets.loihi import _nengo_loihi
from lmu_nengo.targets.loihi.limits import SYNAPSE_BITS, find_limits
from lmu_nengo.targets.loihi.population import AXONS
from lmu_nengo.targets.loihi.preparation import adapt


@dataclass(frozen=True)
class ChipReport:
    """
    The resources of the chip that a network takes; ``print(report)`` is a sentence.

    Parameters
    ----------
    cores : int
        Cores in use.
    compartments : int
        Neurons, including those that decode.
    synapses : int
        Weights.
    synapse_memory : float
        Share of the used cores' memory for weights.
    axons_in, axons_out : int
        Axons into and out of all cores.
    fullest_axons : float
        Largest share of a core's axons, in or out, that is in use on any core.
    spikes_per_second : float or None
        Of all neurons on the chip, so far; None before the first step, and on a board.

    Examples
    --------
    >>> from lmu_nengo.targets.loihi import ChipReport
    >>> print(ChipReport(6, 800, 645000, 0.94, 4848, 4800, 0.2, 49452.0))
    6 cores with 800 compartments and 645,000 synapses (94% of their synapse memory), 4,848
    axons in and 4,800 out (at most 20% of a core's axons); 49,452 spikes per second
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
        spikes = "" if rate is None else f"; {rate:,.0f} spikes per second"
        return (
            f"{self.cores} cores with {self.compartments:,} compartments and "
            f"{self.synapses:,} synapses ({self.synapse_memory:.0%} of their synapse "
            f"memory), {self.axons_in:,} axons in and {self.axons_out:,} out (at most "
            f"{self.fullest_axons:.0%} of a core's axons){spikes}"
        )


class Simulator(TargetSimulator):
    """
    `nengo_loihi.Simulator` on a copy of the network.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    count_spikes : bool
        As for the other targets; the emulator always counts spikes.
    **options
        For nengo-loihi: ``target`` ("sim" for the emulator, "loihi" for a board; by default
        the board if Intel's NxSDK is installed), ``hardware_options`` and so on.

    Raises
    ------
    ValidationError
        If the network does not fit, or nengo-loihi is not installed.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.targets.loihi import OnChip, Simulator
    >>> with nengo.Network(seed=0) as network:
    ...     memory = LegendreMemory(0.1, 2, realization=OnChip(40))
    ...     m = nengo.Probe(memory.output)
    >>> with Simulator(network) as sim:
    ...     sim.run(0.02)
    >>> sim.data[m].shape, sim.report.cores, sim.report.compartments
    ((20, 2), 1, 40)
    """

    target = "loihi"
    records_every_step = True
    _counts_by_block = None

    @classmethod
    def import_backend(cls):
        """Import nengo-loihi."""
        _nengo_loihi.load()

    @classmethod
    def find_limits(cls, network, dt):
        """Yield the limits of a board that the network exceeds."""
        return find_limits(network, dt)

    @classmethod
    def adapt(cls, prepared, dt, seed):
        """Realize the memories as `OnChip`."""
        adapt(prepared)

    @classmethod
    def make_counter(cls, network):
        """None: the emulator counts spikes by itself."""
        return None

    def build(self, prepared, dt, seed, **options):
        """Make `nengo_loihi.Simulator`."""
        nengo_loihi = _nengo_loihi.load()
        # nodes between ensembles stay, with their connections' own synapses
        options = {"progress_bar": False, "remove_passthrough": False, **options}
        with warnings.catch_warnings():
            # the one filter of a compartment is the memory's; the changes say so
            warnings.filterwarnings("ignore", "tau_s is already set to")
            warnings.filterwarnings("ignore", "NengoLoihi does not support initial values")
            # weights are rounded in advance, so that nothing is lost
            warnings.filterwarnings("ignore", "Lost .* extra bits in weight rounding")
            # nengo-loihi fills arrays of whole numbers with a value that NumPy 2 questions
            warnings.filterwarnings("ignore", "invalid value encountered in cast")
            return nengo_loihi.Simulator(prepared.network, dt=dt, seed=seed, **options)

    def close(self):
        """Free what the backend holds; the data and the report remain."""
        if _nengo_loihi.has_emulator(self.simulator):
            list(self.counts())  # keeps what the emulator has counted
        super().close()

    @property
    def report(self) -> ChipReport:
        """The resources of the chip that the network takes."""
        used = _nengo_loihi.utilization(self.simulator)
        rate = None
        if _nengo_loihi.has_emulator(self.simulator) and self.simulator.time > 0:
            rate = self.spikes / self.simulator.time
        ins, outs = ([core[name] for core in used] for name in ("in-axons", "out-axons"))
        return ChipReport(
            cores=len(used),
            compartments=sum(core["compartments"] for core in used),
            synapses=_nengo_loihi.count_synapses(self.simulator),
            synapse_memory=sum(core["synapses"] for core in used)
            / (SYNAPSE_BITS * len(used)),
            axons_in=sum(ins),
            axons_out=sum(outs),
            fullest_axons=max(ins + outs) / AXONS,
            spikes_per_second=rate,
        )

    def counts(self):
        """For each block: spikes of each compartment, and the weights that each meets."""
        if not _nengo_loihi.has_emulator(self.simulator):
            raise ValidationError(
                "only the emulator counts spikes, a board does not.",
                attr="count_spikes",
                obj=type(self),
            )
        if not self.simulator.closed:
            self._counts_by_block = _nengo_loihi.emulated_spikes(self.simulator)
        blocks = _nengo_loihi.blocks_of(self.simulator)
        for block, counts in zip(blocks, self._counts_by_block, strict=True):
            yield counts, _nengo_loihi.weights_met(block)
