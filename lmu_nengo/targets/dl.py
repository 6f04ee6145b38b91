"""NengoDL as a target."""

from lmu_nengo.targets.base import TargetSimulator, need


class Simulator(TargetSimulator):
    """
    `lmu_nengo.training.Simulator` on a copy of the network, step by step.

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
        For NengoDL: ``unroll_simulation``, ``device``, ``progress_bar`` and so on.

    Raises
    ------
    ValidationError
        If the network does not fit, or NengoDL is not installed.
    """

    target = "dl"
    requires = ("lmu_nengo.training._nengo_dl",)

    def build(self, prepared, dt, seed, **options):
        """Make `lmu_nengo.training.Simulator`."""
        need(*self.requires, "dl")
        from lmu_nengo import training

        options = {"progress_bar": False, **options}
        return training.Simulator(prepared.network, dt=dt, seed=seed, **options)
