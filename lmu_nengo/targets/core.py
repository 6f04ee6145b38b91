"""Core Nengo as a target: the reference of the others."""

# nengo.Simulator itself is refused by Nengo GUI while it reads a script
from nengo.simulator import Simulator as NengoSimulator

from lmu_nengo._validation import is_same_dt
from lmu_nengo.memory.network import find_memories
from lmu_nengo.targets.base import (
    Limit,
    TargetSimulator,
    add_spike_probes,
    refuse_limits,
    step_by_step,
)


def check(network, dt):
    """Broken limits; see `lmu_nengo.targets.check`."""
    return [
        Limit(
            "step",
            f"{dt:g} s",
            f"{memory.dt:g} s",
            memory,
            "Give both the same dt: LegendreMemory(..., dt=...), run(..., dt=...).",
        )
        for memory in find_memories(network)
        if not is_same_dt(dt, memory.dt)
    ]


def prepare(network, dt=0.001, seed=None):
    """Adapted copy; see `lmu_nengo.targets.prepare`."""
    return step_by_step(network)


class Simulator(TargetSimulator):
    """
    `nengo.Simulator` of a copy of the network.

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
    progress_bar : bool
        Whether a progress bar is shown.

    Raises
    ------
    ValidationError
        If the network does not fit.
    """

    def __init__(
        self, network, dt=0.001, seed=None, count_spikes=False, progress_bar=False
    ):
        refuse_limits(check(network, dt), "core", network)
        prepared = prepare(network, dt, seed)
        costs = add_spike_probes(prepared) if count_spikes else None
        simulator = NengoSimulator(
            prepared.network, dt=dt, seed=seed, progress_bar=progress_bar
        )
        super().__init__(prepared, simulator, costs)
