"""Memory and values of probes that keep few of many steps."""

import nengo
import numpy as np
import pytest

from lmu_nengo import engine


@pytest.mark.parametrize("sample_every", [None, 0.0005, 0.001, 0.0015, 0.007, 0.3])
def test_a_probe_keeps_what_nengos_keeps(sample_every):
    with nengo.Network(seed=0) as network:
        node = nengo.Node(nengo.processes.WhiteSignal(1.0, high=50, seed=0))
        probe = nengo.Probe(node, sample_every=sample_every)
    with nengo.Simulator(network, progress_bar=False) as core:
        core.run_steps(701)
    with engine.Simulator(network, precision="float64", progress_bar=False) as sim:
        for n_steps in (1, 2, 63, 300, 335):
            sim.run_steps(n_steps)
    np.testing.assert_allclose(sim.data[probe], core.data[probe], atol=1e-12)


def test_values_that_are_not_kept_need_no_memory():
    with nengo.Network(seed=0) as network:
        wide = nengo.Node(size_in=10_000)
        one = nengo.Node([1])
        nengo.Connection(one, wide, transform=np.ones((10_000, 1)), synapse=None)
        rare = nengo.Probe(wide, sample_every=1.0)
    with engine.Simulator(network, minibatch_size=50, progress_bar=False) as sim:
        # all steps' values would take 2 GB, and a chunk of 32 MB would be 16 steps
        assert sim._loop.capacity(1000) >= 1000
        sim.run_steps(1000)
    np.testing.assert_array_equal(sim.data[rare], np.ones((50, 1, 10_000)))
