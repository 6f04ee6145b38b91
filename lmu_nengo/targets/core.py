"""Core Nengo as a target: the reference for all others."""

# nengo.Simulator itself is refused by Nengo GUI while it reads a script
from nengo.simulator import Simulator as NengoSimulator

from lmu_nengo.targets.base import TargetSimulator


class Simulator(TargetSimulator):
    """
    `nengo.Simulator` on a copy of the network.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    count_spikes : bool
        Whether to count spikes, for ``spikes`` and ``synaptic_operations``.
    **options
        For `nengo.Simulator`: ``progress_bar``, ``optimize`` and so on.

    Raises
    ------
    ValidationError
        If the network does not fit.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.targets.core import Simulator
    >>> with nengo.Network() as network:
    ...     memory = LegendreMemory(0.1, 6)
    ...     m = nengo.Probe(memory.output)
    >>> with Simulator(network) as sim:
    ...     sim.run(0.05)
    >>> sim.data[m].shape
    (50, 6)
    """

    target = "core"

    def build(self, prepared, dt, seed, **options):
        """Make `nengo.Simulator`."""
        options = {"progress_bar": False, **options}
        return NengoSimulator(prepared.network, dt=dt, seed=seed, **options)
