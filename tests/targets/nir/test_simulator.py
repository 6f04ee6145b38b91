"""Norse and SpikingJelly as targets: a memory, other neurons, a classifier."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo import targets
from lmu_nengo.targets.nir import (
    agreement,
    export_nir,
    read_nir,
    run_graph,
    simulate_graph,
    write_nir,
)
from lmu_nengo.targets.nir.neurons import StepLIF
from tests.targets.nir.nir_examples import (
    CONSUMERS,
    DT,
    consumer,
    delay_error,
    make_delay,
)


@pytest.mark.parametrize("name", CONSUMERS)
def test_memory_is_accurate_and_its_spikes_are_the_references(name):
    make_module = consumer(name)
    network, u, delayed = make_delay(0, nengo.LIF(), n_neurons=200)
    sim = targets.run(network, name, 1.6)
    assert delay_error(sim.data[u], sim.data[delayed]) <= 0.03
    x = np.concatenate([np.zeros((1, 1)), sim.data[u][:-1]])
    result = run_graph(sim.graph, x, make_module)
    assert np.count_nonzero(result.spikes["neurons"]) == sim.spikes
    assert agreement(result.spikes, simulate_graph(sim.graph, x).spikes) >= 0.999
    result = run_graph(sim.graph, x, make_module, dtype="float32")
    following = simulate_graph(sim.graph, x, follow=result.spikes)
    assert agreement(result.spikes, following.spikes) >= 0.999


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_run_in_parts_is_the_same(name):
    consumer(name)
    network, _, delayed = make_delay(0, nengo.LIF(), n_neurons=100)
    with network:
        spikes = nengo.Probe(delayed.target, synapse=0.01, sample_every=0.005)
    whole = targets.run(network, name, 0.6)
    with targets.load(name).Simulator(network) as sim:
        sim.run(0.2)
        sim.run(0.4)
    np.testing.assert_allclose(sim.data[delayed], whole.data[delayed], atol=1e-12)
    np.testing.assert_array_equal(sim.trange(), whole.trange())
    assert sim.data[spikes].shape == (120, 1)
    filtered = nengo.Lowpass(0.01).filt(sim.data[delayed], dt=DT, y0=0)
    late = np.concatenate([np.zeros((1, 1)), filtered[:-1]])  # a probe's takes a step
    np.testing.assert_allclose(sim.data[spikes], late[4::5], atol=1e-6)


def test_network_stays_as_it_was():
    consumer("norse")
    network, _, _ = make_delay(0, nengo.LIF(), n_neurons=100)
    before = list(network.all_objects), network.memory.realization
    kinds = [ens.neuron_type for ens in network.all_ensembles]
    prepared = targets.prepare(network, "norse")
    assert any("StepLIF" in change for change in prepared.changes)
    targets.run(network, "norse", 0.01)
    assert (list(network.all_objects), network.memory.realization) == before
    assert [ens.neuron_type for ens in network.all_ensembles] == kinds
    assert all(type(e.neuron_type) is StepLIF for e in prepared.network.all_ensembles)


def test_neurons_outside_of_memories():
    """A communication channel, decoded: its own lowpass, and Nengo's decoders."""
    consumer("norse")
    with nengo.Network(seed=1) as network:
        u = nengo.Node(lambda t: 0.8 * np.sin(2 * np.pi * t))
        one = nengo.Node([0.1])
        a = nengo.Ensemble(100, 1, max_rates=nengo.dists.Uniform(100, 200))
        b = nengo.Ensemble(100, 1, max_rates=nengo.dists.Uniform(100, 200))
        nengo.Connection(u, a, synapse=0.01)
        nengo.Connection(one, a, synapse=None)
        nengo.Connection(a, b, synapse=0.01, function=np.square)
        decoded = nengo.Probe(b, synapse=0.02)
        spikes = nengo.Probe(a.neurons)
        weighted = nengo.Probe(network.all_connections[-1])
    sim = targets.run(network, "norse", 2.0)
    t = sim.trange()
    expected = (0.8 * np.sin(2 * np.pi * (t - 0.035)) + 0.1) ** 2
    error = sim.data[decoded][500:, 0] - expected[500:]
    assert np.sqrt(np.mean(error**2)) < 0.1 * np.ptp(expected)
    assert set(np.unique(sim.data[spikes])) == {0, 1 / DT}
    assert sim.data[weighted].shape == (2000, 1)


def test_every_broken_limit_is_named_before_anything_is_built():
    with nengo.Network() as network:
        u = nengo.Node(lambda t: 0)
        squared = nengo.Node(lambda t, x: x**2, size_in=1)
        memory = lmu_nengo.LegendreMemory(0.1, 3)
        spiking = lmu_nengo.LegendreMemory(
            0.1, 3, realization=lmu_nengo.Spiking(60, nengo.Izhikevich())
        )
        rate = nengo.Ensemble(10, 1, neuron_type=nengo.LIFRate())
        fast = nengo.Ensemble(
            10,
            1,
            max_rates=nengo.dists.Uniform(300, 400),
            noise=nengo.processes.WhiteNoise(),
        )
        nengo.Connection(u, spiking.input, synapse=0.005)
        nengo.Connection(squared, rate)
        learned = nengo.Connection(rate, fast, synapse=0.1, learning_rule_type=nengo.PES())
        nengo.Connection(memory.output[0], fast, synapse=None)
        nengo.Probe(fast.neurons, "voltage")
        nengo.Probe(spiking.all_nodes[-1])
    limits = targets.check(network, "norse")
    found = {(limit.name, str(limit.value)) for limit in limits}
    assert ("realization", "Linear") in found
    assert ("neuron type", "Izhikevich") in found
    assert ("neuron type", "LIFRate") in found
    assert ("probe", "voltage") in found
    assert ("probe", "inside a memory") in found
    names = [limit.name for limit in limits]
    assert {"noise", "node", "learning rule", "synapses on a path"} <= set(names)
    assert any(limit.where is learned for limit in limits)
    with pytest.raises(ValidationError, match="'norse' cannot run this network"):
        targets.prepare(network, "norse")
    assert targets.check(network, "spikingjelly", dt=0.002)[0].name == "step"
    with nengo.Network() as empty:
        nengo.Node([0])
    assert [limit.name for limit in targets.check(empty, "norse")] == ["neurons"]


def test_inputs_are_checked():
    consumer("norse")
    network, u, _ = make_delay(0, nengo.LIF(), n_neurons=100)
    simulator = targets.load("norse").Simulator
    for inputs, message in (
        ({u.target: np.zeros((2, 5))}, "must be an input node"),
        ({u.target: np.zeros((2, 5, 2))}, "must be an input node"),
        ({"u": np.zeros((2, 5, 1))}, "must be an input node"),
        ({u.target: np.full((2, 5, 1), np.inf)}, "must be finite"),
        ({u.target: np.zeros((0, 5, 1))}, "the shape \\(n, n_steps, size\\)"),
    ):
        with pytest.raises(ValidationError, match=message):
            simulator(network, inputs=inputs)
    with pytest.raises(ValidationError, match="dtype"):
        simulator(network, dtype="float16")
    with (
        simulator(network, inputs={u.target: np.zeros((2, 5, 1))}) as sim,
        pytest.raises(ValidationError, match="the 5 steps of the inputs"),
    ):
        sim.run(0.006)
    with pytest.raises(nengo.exceptions.SimulatorClosed):
        sim.run(0.001)


def test_memory_hidden_layer_and_readout_run_from_one_file(tmp_path):
    make_module = consumer("norse")
    rng = np.random.RandomState(0)
    bias, weights = rng.uniform(0.2, 0.6, 20), rng.randn(3, 20) / 20
    with nengo.Network(seed=0) as network:
        u = nengo.Node(lambda t: 0.0, size_out=1)
        memory = lmu_nengo.LegendreMemory(0.2, 3)
        nengo.Connection(u, memory.input, synapse=None)
        kind = nengo.RectifiedLinear()
        hidden = nengo.Ensemble(20, 1, neuron_type=kind, gain=np.ones(20), bias=bias)
        transform = rng.randn(20, 3) / 3
        nengo.Connection(memory.output, hidden.neurons, transform=transform, synapse=None)
        readout = nengo.Node(size_in=3)
        nengo.Connection(hidden.neurons, readout, transform=weights, synapse=None)
        probe = nengo.Probe(readout)
    x = 0.8 * np.sin(2 * np.pi * np.arange(1000)[:, None] * DT)
    u.output = nengo.processes.PresentInput(x, DT)
    exact = targets.run(network, "core", 1.0).data[probe]
    spiking = lmu_nengo.Spiking(300, expected_input=lmu_nengo.Band(2.0, 0.5))
    lmu_nengo.to_spiking(network, scale=100, memories=spiking)
    write_nir(tmp_path / "net.nir", export_nir(network, output=readout))
    graph = read_nir(tmp_path / "net.nir")
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert sorted(kinds) == ["Affine"] * 3 + ["CubaLIF", "Input", "Output"]
    result = run_graph(graph, x, make_module, dtype="float32")
    found, wanted = (nengo.Lowpass(0.05).filt(y, dt=DT) for y in (result.output, exact))
    assert lmu_nengo.signal.nrmse(found[500:], wanted[500:]) < 0.25
