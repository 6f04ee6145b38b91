"""NengoDL as a target."""

from lmu_nengo.targets.base import (
    TargetSimulator,
    add_spike_probes,
    need,
    refuse_limits,
)
from lmu_nengo.targets.core import check, prepare

__all__ = ["Simulator", "check", "prepare"]


class Simulator(TargetSimulator):
    """
    `lmu_nengo.training.Simulator` of a copy of the network, step by step.

    Parameters
    ----------
    network : nengo.Network
        The network.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random, where the network has none.
    count_spikes : bool
        Whether ``spikes`` and ``synaptic_operations`` can be read afterwards; it takes a
        number for each neuron and step.
    **options
        For NengoDL: ``unroll_simulation``, ``device``, ``progress_bar`` and so on.

    Raises
    ------
    ValidationError
        If the network does not fit, or NengoDL is not installed.
    """

    def __init__(self, network, dt=0.001, seed=None, count_spikes=False, **options):
        refuse_limits(check(network, dt), "dl", network)
        training = need("lmu_nengo.training", "dl")
        prepared = prepare(network, dt, seed)
        costs = add_spike_probes(prepared) if count_spikes else None
        options = {"progress_bar": False, **options}
        simulator = training.Simulator(prepared.network, dt=dt, seed=seed, **options)
        super().__init__(prepared, simulator, costs)
