"""A simulator that is pickled goes on as the original does."""

import pickle

import nengo
import numpy as np
import pytest

pytest.importorskip("jax")

from lmu_nengo import engine


def network():
    with nengo.Network(seed=0) as net:
        stimulus = nengo.Node(nengo.processes.WhiteSignal(0.1, high=50))
        array = nengo.networks.EnsembleArray(30, 3)
        ensemble = nengo.Ensemble(40, 1, neuron_type=nengo.SpikingRectifiedLinear())
        nengo.Connection(stimulus, array.input, transform=np.ones((3, 1)))
        nengo.Connection(array.output[:1], ensemble)
        nengo.Connection(ensemble, ensemble, synapse=0.1)
        net.probe = nengo.Probe(ensemble, synapse=nengo.Alpha(0.01))
    return net


@pytest.mark.parametrize("minibatch_size", [None, 2])
@pytest.mark.parametrize("optimize", [True, False])
def test_goes_on_as_the_original(minibatch_size, optimize):
    net = network()
    options = {"minibatch_size": minibatch_size, "optimize": optimize}
    with engine.Simulator(net, progress_bar=False, **options) as sim:
        sim.run_steps(60)
        pickled = pickle.dumps({"sim": sim, "probe": net.probe})
        sim.run_steps(40)
    loaded = pickle.loads(pickled)
    with loaded["sim"] as copy:
        assert (copy.n_steps, copy.optimize, copy.dt) == (60, optimize, sim.dt)
        copy.run_steps(40)
    np.testing.assert_array_equal(copy.data[loaded["probe"]], sim.data[net.probe])
    assert np.std(sim.data[net.probe]) > 0


def test_a_closed_simulator_stays_closed_and_keeps_its_data():
    net = network()
    with engine.Simulator(net, progress_bar=False) as sim:
        sim.run_steps(20)
    loaded = pickle.loads(pickle.dumps({"sim": sim, "probe": net.probe}))
    assert loaded["sim"].closed
    np.testing.assert_array_equal(loaded["sim"].data[loaded["probe"]], sim.data[net.probe])
