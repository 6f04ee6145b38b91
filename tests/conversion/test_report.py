import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LSTM, Band, LegendreMemory, Spiking, realize, to_spiking
from lmu_nengo.conversion import (
    SpikeCounter,
    dense_operations,
    fan_out,
    footprint,
    rate_operations,
    remaining_operations,
    spiking_report,
)
from lmu_nengo.conversion.operations import value_operations
from lmu_nengo.processes import Dropout, GaussianNoise

STEPS = 40
RUNS = [("core", None), ("dl", 2), ("jax", None), ("jax", 2)]
EMPTY = {"voltage": nengo.dists.Choice([0])}


def by_hand(kind=nengo.SpikingRectifiedLinear):
    """Three neurons at 105, 260 and 0 Hz; every weight has been counted by hand."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0], label="source")
        memory = LegendreMemory(0.02, 3, label="memory")
        neurons = nengo.Ensemble(
            3,
            1,
            neuron_type=kind(initial_state=EMPTY),
            gain=np.ones(3),
            bias=[105, 260, -50],
            label="hidden",
        ).neurons
        dropout = nengo.Node(Dropout(0.5, 3))
        out = nengo.Node(size_in=2)
        connect = nengo.Connection
        connect(source, memory.input, synapse=None)  # weights below: 12 in the memory
        connect(memory.output, neurons, transform=[[1, 2, 3], [4, 5, 6], [0, 7, 8]])  # 8
        connect(neurons, dropout, synapse=None)
        connect(dropout, out, transform=[[1, 0, 2], [3, 4, 0]], synapse=0.1)  # 4
        connect(neurons[:2], neurons[2], transform=[[-1, -2]], synapse=0.1)  # 2
        probe = nengo.Probe(out)
    return network, source, neurons.ensemble, probe


@pytest.mark.parametrize(("engine", "minibatch_size"), RUNS)
def test_spikes_and_operations_are_those_counted_by_hand(engine, minibatch_size):
    network, source, hidden, _ = by_hand()
    x = {source: np.zeros((3, STEPS, 1))}  # nothing reaches the neurons from the memory
    report = spiking_report(network, x, minibatch_size=minibatch_size, engine=engine)
    assert (report.n_inferences, report.n_steps, report.score) == (3, STEPS, None)
    (layer,) = report.layers
    assert (layer.name, layer.n_neurons) == ("hidden", 3)
    assert layer.spikes == report.spikes == 4 + 10 + 0  # 40 ms at 105, 260 and 0 Hz
    # fan-out, through the dropout: 2 + 1, 1 + 1 and 1
    assert list(fan_out(network, hidden)) == [3, 2, 1]
    assert layer.synaptic_operations == report.synaptic_operations == 4 * 3 + 10 * 2
    assert layer.mean_rate == pytest.approx((4 + 10) / 3 / 0.04)
    assert layer.max_rate == pytest.approx(250)
    assert report.rate_operations == STEPS * (12 + 8 + 4 + 2)
    # the memory's coefficients stay zero; 14 steps of 3 x 40 have a spike
    assert (report.effective_macs, report.effective_acs) == (0, 4 * 3 + 10 * 2)
    assert layer.activation_sparsity == report.activation_sparsity
    assert report.activation_sparsity == pytest.approx(1 - 14 / 120)
    assert layer.max_spikes_per_step == report.max_spikes_per_step == 1
    # with their zeros, the weights are 12, 9, 6 and 2
    assert report.dense_operations == STEPS * (12 + 9 + 6 + 2)
    assert report.connection_sparsity == pytest.approx(3 / 29)
    # and 3 biases, 3 voltages, 3 coefficients; synapses hold 3 + 2 + 1 values
    assert report.footprint == 4 * (29 + 3 + 3 + 3 + 6)


@pytest.mark.parametrize("process", [None, Dropout(0.5, 10), GaussianNoise(0.1, 10)])
def test_what_acts_in_training_only_passes_spikes_on(process):
    with nengo.Network() as network:
        source = nengo.Node([1.0])
        kind = nengo.SpikingRectifiedLinear()
        hidden = nengo.Ensemble(10, 1, neuron_type=kind, gain=np.ones(10), bias=np.ones(10))
        nengo.Connection(source, hidden.neurons, transform=np.full((10, 1), 2.0))
        between = nengo.Node(process, size_in=10)
        nengo.Connection(hidden.neurons, between, synapse=None)
        nengo.Connection(between, nengo.Node(size_in=20), transform=np.ones((20, 10)))
    assert list(fan_out(network, hidden)) == [20] * 10
    assert remaining_operations(network) == 10  # the weights of the source
    assert rate_operations(network) == 10 + 20 * 10


def test_operations_of_many_channels_are_counted():
    with nengo.Network() as network:
        source = nengo.Node([1.0] * 50)
        memory = LegendreMemory(0.1, 6, memory_d=50)
        nengo.Connection(source, memory.input, synapse=None)
    assert rate_operations(network) == remaining_operations(network) == 50 * (36 + 6)


def test_spikes_of_chosen_ensembles_are_counted():
    network, _, hidden, _ = by_hand()
    with network:
        nengo.Ensemble(5, 1, neuron_type=nengo.LIF())
    counter = SpikeCounter(network, [hidden], sample_every=0.02)
    with nengo.Simulator(network, progress_bar=False) as sim:
        assert list(counter.counts(sim.data, sim.dt)[hidden]) == [0, 0, 0]
        sim.run(0.039)
        assert list(counter.counts(sim.data, sim.dt)[hidden]) == [2, 5, 0]
        sim.run(0.001)
        assert list(counter.counts(sim.data, sim.dt)[hidden]) == [4, 10, 0]
        assert list(counter.counts(sim.data, sim.dt)) == [hidden]


def test_a_rate_network_has_no_spikes_and_skips_the_zeros_of_its_rates():
    network, source, _, probe = by_hand(lambda initial_state: nengo.RectifiedLinear())
    report = spiking_report(
        network, {source: np.zeros((1, STEPS, 1))}, probe, lambda y: y.shape[1]
    )
    assert report.spikes == report.effective_acs == 0 and report.score == STEPS
    (layer,) = report.layers
    assert layer.activation_sparsity == pytest.approx(1 / 3)  # one of them is silent
    assert report.rate_operations == STEPS * 26 == STEPS * remaining_operations(network)
    assert report.effective_macs == STEPS * (2 + 1 + 1 + 1)


def test_only_a_single_spike_is_an_accumulate():
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0], label="source")
        kind = nengo.SpikingRectifiedLinear(initial_state=EMPTY, amplitude=0.1)
        neurons = nengo.Ensemble(
            3, 1, neuron_type=kind, gain=np.ones(3), bias=[400, 1400, 2600], label="hidden"
        ).neurons
        nengo.Connection(source, neurons, transform=np.zeros((3, 1)))
        nengo.Connection(neurons, nengo.Node(size_in=2), transform=np.ones((2, 3)))
    for engine, size in RUNS:
        report = spiking_report(
            network, {source: np.ones((3, 10, 1))}, minibatch_size=size, engine=engine
        )
        (layer,) = report.layers
        assert layer.spikes == 4 + 14 + 26
        assert layer.synaptic_operations == 2 * 44
        assert layer.max_spikes_per_step == 3
        # 4 steps of the first; the second fires twice in 4 of 10, the third in all
        assert report.effective_acs == 2 * (4 + 6)
        assert report.effective_macs == 2 * (4 + 10)
        assert layer.activation_sparsity == pytest.approx(6 / 30)
        assert str(report).splitlines()[-1] == (
            "not single spikes: up to 3 of a neuron in one step (hidden)"
        )


def test_the_report_is_a_table():
    network, source, _, probe = by_hand()
    x = {source: np.zeros((3, STEPS, 1))}
    lines = str(spiking_report(network, x, probe, lambda y: 0.5)).splitlines()
    assert lines[0] == "3 inferences of 40 steps (dt = 0.001 s); score 0.5"
    assert lines[2].split() == ["hidden", "3", "14.0", "32.0", "116.7", "250.0", "88.3%"]
    assert lines[3].split() == ["total", "3", "14.0", "32.0", "88.3%"]
    assert lines[4:] == [
        "operations per inference: 0.0 effective MACs + 32.0 effective ACs; 1,160 dense",
        "as a rate network: 1,040 MACs",
        "footprint: 176 bytes; zero weights: 10.3%",
    ]


def test_decoders_count_for_each_spike_and_encoders_for_each_step():
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0.5])
        first = nengo.Ensemble(10, 2)
        second = nengo.Ensemble(5, 3)
        third = nengo.Ensemble(4, 1)
        nengo.Connection(source, first[0], synapse=None)
        weights = [[1, 0], [2, 0], [3, 4]]
        nengo.Connection(first, second, transform=weights)  # 3 x 10 combined with decoders
        nengo.Connection(first, third, function=lambda x: x[0] * x[1])  # 1 x 10
        solver = nengo.solvers.LstsqL2(weights=True)
        nengo.Connection(third, second[0], solver=solver)  # 5 x 4
    assert list(fan_out(network, first)) == [3 + 1] * 10
    assert list(fan_out(network, second)) == [0] * 5
    assert list(fan_out(network, third)) == [5] * 4
    encoders = 10 * 2 + 5 * 3 + 4 * 1
    assert remaining_operations(network) == encoders
    assert rate_operations(network) == encoders + 3 * 10 + 1 * 10 + 5 * 4


def test_what_is_summed_up_in_a_node_is_a_value_and_not_a_spike():
    with nengo.Network() as network:
        neurons = nengo.Ensemble(4, 1).neurons
        summed = nengo.Node(size_in=2)
        nengo.Connection(neurons, summed, transform=np.ones((2, 4)), synapse=None)
        nengo.Connection(summed, nengo.Node(size_in=3), transform=np.ones((3, 2)))
        scaled = nengo.Node(size_in=4)
        nengo.Connection(neurons, scaled, transform=0.5, synapse=None)
        nengo.Connection(scaled[:2], nengo.Node(size_in=1), transform=[[1, 1]])
        nengo.Connection(scaled[3], scaled[2], synapse=0.1)  # from one to one, to nothing
        nengo.Connection(neurons[0], nengo.Node(lambda t, x: x, size_in=1))
    assert list(fan_out(network, neurons.ensemble)) == [2 + 1 + 1, 2 + 1, 2, 2]
    assert remaining_operations(network) == 3 * 2
    assert rate_operations(network) == 8 + 6 + 4 + 2


def test_a_memory_in_neurons_is_a_layer():
    network, source, _, _ = by_hand()
    memory = network.networks[0]
    realize(network, Spiking(30, expected_input=Band(5.0, 1.0)))
    x = np.random.RandomState(0).randn(2, STEPS, 1)
    report = spiking_report(network, {source: x})
    _, layer = report.layers
    assert (layer.name, layer.n_neurons) == ("memory", 30)
    assert layer.spikes > 0
    # one dimension an ensemble: one decoder a neuron
    assert layer.synaptic_operations == pytest.approx(layer.spikes)
    assert report.rate_operations == STEPS * 26
    # encoders; 3 x (3 + 1) recurrent and input weights; 3 x (3 + 1) to the output; 8
    remaining = 30 + 12 + 12 + 8
    assert remaining_operations(network) == remaining
    assert STEPS * 30 < report.effective_macs <= STEPS * remaining
    assert memory.realization == Spiking(30, expected_input=Band(5.0, 1.0))


def test_an_lstm_counts_its_matrices():
    with nengo.Network() as network:
        LSTM(3, 5)
    assert rate_operations(network) == dense_operations(network) == 4 * 5 * (3 + 5)
    assert footprint(network) == 4 * (4 * 5 * (3 + 5) + 4 * 5 + 2 * 5)  # biases, h and c


def test_negative_spikes_are_counted_like_others():
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0], label="source")
        ensemble = nengo.Ensemble(
            2, 1, neuron_type=nengo.Tanh(tau_ref=1), gain=np.ones(2), bias=np.zeros(2)
        )
        signs = [[1.0], [-1.0]]
        nengo.Connection(source, ensemble.neurons, transform=signs, synapse=None)
    to_spiking(network, 100)
    x = {source: np.full((2, 1000, 1), np.arctanh(0.5))}
    for engine, size in RUNS:
        (layer,) = spiking_report(network, x, minibatch_size=size, engine=engine).layers
        assert layer.spikes == pytest.approx(100, abs=2)  # 50 Hz each
        assert layer.mean_rate == pytest.approx(50, abs=1)


def test_counting_agrees_in_all_engines_and_leaves_the_network_as_it_was():
    network, source, _, probe = by_hand()
    with network:
        noise = nengo.Node(nengo.processes.WhiteNoise(), label="noise")
        memory_probe = nengo.Probe(noise, synapse=None)

    def run():
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(10)
        return sim.data[probe], sim.data[memory_probe]

    before, objects = run(), network.all_objects
    x = {source: 100 * np.random.RandomState(0).randn(3, STEPS, 1)}
    outputs = []
    core, *others = (
        spiking_report(
            network,
            x,
            probe,
            lambda y: outputs.append(y) or 0,
            minibatch_size=size,
            engine=engine,
        )
        for engine, size in RUNS
    )
    assert core.spikes > 14 and all(other == core for other in others)
    expected, *outputs = outputs
    assert expected.shape == (3, STEPS, 2)
    for output in outputs:
        assert output.shape == expected.shape
        assert np.abs(output - expected).max() < 1e-4 * np.abs(expected).max()
    assert network.all_objects == objects
    assert not hasattr(network.config[nengo.Probe], "keep_history")
    assert source.output == 0
    for value, right in zip(run(), before, strict=True):
        assert np.array_equal(value, right)


def test_inputs_that_do_not_fit_are_refused():
    network, source, _, probe = by_hand()
    x = np.zeros((2, STEPS, 1))
    for inputs, message in (
        ({}, "at least one input node"),
        ({source: x[:, :, 0]}, r"shape \(2, 40\)"),
        ({source: np.zeros((2, STEPS, 3))}, r"shape \(2, 40, 3\)"),
        ({nengo.Node([0], add_to_container=False): x}, "input node of the network"),
    ):
        with pytest.raises(ValidationError, match=message):
            spiking_report(network, inputs)
    with pytest.raises(ValidationError, match="both, a probe and a function"):
        spiking_report(network, {source: x}, probe)
    with pytest.raises(ValidationError, match="one of 'jax', 'dl', 'core'"):
        spiking_report(network, {source: x}, engine="brain")
    with pytest.raises(ValidationError, match="core Nengo runs sequences one by one"):
        spiking_report(network, {source: x}, engine="core", minibatch_size=2)


def test_values_are_observed_where_they_come_from():
    with nengo.Network() as network:
        source = nengo.Node(np.zeros(4), label="source")
        repeated, last = (nengo.Node(size_in=4) for _ in range(2))
        mixed = nengo.Node(size_in=4)
        nengo.Connection(source, repeated, synapse=None)
        nengo.Connection(repeated, last, transform=2, synapse=None)
        nengo.Connection(source[::-1], mixed, synapse=None)
        for node in repeated, last, mixed:
            nengo.Connection(node, nengo.Node(size_in=1), transform=np.ones((1, 4)))
    report = spiking_report(network, {source: np.eye(4)[None, :3]})
    # a value in each of 3 steps is doubled, and has 3 weights
    assert report.effective_macs == 3 + 3 * 3
    assert report.dense_operations == 3 * (4 + 3 * 4)
    assert value_operations(network)[0].keys() == {source, mixed}
