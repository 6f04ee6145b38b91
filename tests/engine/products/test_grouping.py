"""Equal operators become one, which changes nothing but the number of operators."""

from collections import Counter

import nengo
import numpy as np
import pytest

from lmu_nengo import engine


def slow(*values):
    """Cases that differ little from others."""
    return pytest.param(*values, marks=pytest.mark.slow)


def many_populations(equal, n_ensembles=16):
    """Populations connected at random, by three synapses, of two kinds of neurons."""
    rng = np.random.RandomState(0)
    with nengo.Network(seed=0) as network:
        source = nengo.Node(lambda t: np.sin(20 * t))
        ensembles = []
        for i in range(n_ensembles):
            n, d = (30, 1) if equal else (rng.randint(10, 60), rng.randint(1, 4))
            kind = nengo.LIF() if equal or i % 3 else nengo.SpikingRectifiedLinear()
            ensembles.append(nengo.Ensemble(int(n), int(d), neuron_type=kind))
        for _ in range(2 * n_ensembles):
            pre, post = (ensembles[rng.randint(n_ensembles)] for _ in range(2))
            transform = rng.uniform(-0.5, 0.5, (post.dimensions, pre.dimensions))
            synapse = (0.005, 0.02, nengo.Alpha(0.01))[rng.randint(3)]
            nengo.Connection(pre, post, transform=transform, synapse=synapse)
        nengo.Connection(source, ensembles[0][:1])
        for ensemble in ensembles[::4]:
            nengo.Probe(ensemble, synapse=0.01)
        nengo.Probe(ensembles[1].neurons, "voltage")
    return network


def operators(sim):
    return Counter(type(op).__name__ for op in sim._program.builder.operators)


@pytest.mark.parametrize(
    "equal, optimize",
    [(True, True), slow(True, False), slow(False, True), (False, False)],
)
def test_agrees_with_core(equal, optimize):
    network = many_populations(equal)
    with nengo.Simulator(network, progress_bar=False, optimize=optimize) as core:
        core.run_steps(200)
    with engine.Simulator(
        network, progress_bar=False, optimize=optimize, precision="float64"
    ) as sim:
        sim.run_steps(120)
        sim.run_steps(80)
        if not optimize:
            assert operators(sim)["SimNeurons"] == (1 if equal else 2)  # one of each kind
    for probe in network.all_probes:
        assert np.allclose(sim.data[probe], core.data[probe], rtol=0, atol=1e-10)


def test_without_nengos_optimizer_equal_operators_are_one_for_each_kind():
    network = many_populations(equal=True)
    with engine.Simulator(network, progress_bar=False, optimize=False) as sim:
        assert operators(sim)["SimNeurons"] == 1
        # a lowpass of either time constant, the probes'; others where they are shared
        assert operators(sim)["SimProcess"] <= 24
        assert operators(sim)["LinearInc"] <= 12


def test_the_state_of_grouped_neurons_is_found_under_its_own_signal():
    network = many_populations(equal=True)
    ensemble = network.all_ensembles[1]
    with nengo.Simulator(network, progress_bar=False) as core:
        core.run_steps(50)
        voltage = core.signals[core.model.sig[ensemble.neurons]["voltage"]].copy()
    with engine.Simulator(network, progress_bar=False, precision="float64") as sim:
        sim.run_steps(50)
        found = sim.signals[sim.model.sig[ensemble.neurons]["voltage"]]
        assert np.allclose(found, voltage, rtol=0, atol=1e-10)


def test_integrate_and_fire_neurons_that_start_above_one_spike_at_once():
    kind = nengo.SpikingRectifiedLinear(
        initial_state={"voltage": nengo.dists.Choice([2.5])}
    )
    with nengo.Network(seed=0) as network:
        ensemble = nengo.Ensemble(3, 1, neuron_type=kind, gain=[0] * 3, bias=[0] * 3)
        probe = nengo.Probe(ensemble.neurons)
    with engine.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(2)
    assert np.allclose(sim.data[probe], [[2000] * 3, [0] * 3])
