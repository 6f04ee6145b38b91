"""What ``Simulator.signals`` shows."""

import nengo
import numpy as np
import pytest

pytest.importorskip("jax")

from lmu_nengo import engine


def test_neurons_in_blocks_are_shown_in_nengos_order():
    with nengo.Network(seed=0) as network:
        stimulus = nengo.Node([0.5, -0.5, 0.2])
        array = nengo.networks.EnsembleArray(30, 3)
        mixed = nengo.Ensemble(60, 3, encoders=np.eye(3)[np.arange(60) % 3])
        nengo.Connection(stimulus, array.input)
        nengo.Connection(array.output, mixed)
    options = {"progress_bar": False, "optimize": False}
    with nengo.Simulator(network, **options) as core:
        core.run_steps(20)
        with engine.Simulator(network, precision="float64", **options) as sim:
            sim.run_steps(20)
            for ensemble in network.all_ensembles:
                ours, own = (s.model.sig[ensemble.neurons]["voltage"] for s in (sim, core))
                assert np.ptp(core.signals[own]) > 0.1
                np.testing.assert_allclose(
                    sim.signals[ours], core.signals[own], rtol=0, atol=1e-10
                )


def test_time_goes_on():
    with engine.Simulator(nengo.Network(), progress_bar=False) as sim:
        sim.run_steps(3)
        assert sim.signals[sim.model.step] == 3
        assert sim.signals[sim.model.time] == pytest.approx(0.003)
    assert sim.signals is None
