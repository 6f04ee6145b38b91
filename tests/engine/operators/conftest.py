"""Run a network in core Nengo and in the engine, in several ways."""

import nengo
import numpy as np
import pytest

from lmu_nengo import engine

WAYS = {
    "optimized": {},
    "not_optimized": {"optimize": False},
    "batch": {"minibatch_size": 2},
    "batch_not_optimized": {"minibatch_size": 2, "optimize": False},
}


class Both:
    """The results of core Nengo and of the engine, by probe."""

    def __init__(self, core, engine):
        self.core, self.engine = core, engine

    def largest_error(self, probe):
        """The largest difference, relative to the largest value."""
        scale = np.abs(self.core[probe]).max()
        assert scale > 0
        return np.abs(self.engine[probe] - self.core[probe]).max() / scale


@pytest.fixture
def run_both():
    """
    Run a network in both simulators.

    The engine's results are those of the first sequence if there is a batch.
    """

    def run(network, n_steps, way="optimized"):
        settings = WAYS[way]
        optimize = settings.get("optimize", True)
        with nengo.Simulator(network, progress_bar=False, optimize=optimize) as sim:
            sim.run_steps(n_steps)
            core = {probe: np.array(sim.data[probe]) for probe in network.all_probes}
        with engine.Simulator(
            network, progress_bar=False, precision="float64", **settings
        ) as sim:
            sim.run_steps(n_steps)
            results = {probe: sim.data[probe] for probe in network.all_probes}
        if "minibatch_size" in settings:
            results = {probe: values[0] for probe, values in results.items()}
        return Both(core, results)

    return run
