"""NengoDL as a target."""

from lmu_nengo.targets.common import TargetSimulator, need, refuse_limits, step_by_step
from lmu_nengo.targets.core import check

__all__ = ["Simulator", "check", "prepare"]


def prepare(network, dt=0.001, seed=None):
    """Adapted copy; see `lmu_nengo.targets.prepare`."""
    return step_by_step(network)


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
    **options
        For NengoDL: ``unroll_simulation``, ``device``, ``progress_bar`` and so on.

    Raises
    ------
    ValidationError
        If the network does not fit, or NengoDL is not installed.
    """

    def __init__(self, network, dt=0.001, seed=None, **options):
        refuse_limits(check(network, dt), "dl", network)
        training = need("lmu_nengo.training", "dl")
        prepared = prepare(network, dt, seed)
        options = {"progress_bar": False, **options}
        simulator = training.Simulator(prepared.network, dt=dt, seed=seed, **options)
        super().__init__(prepared, simulator)
