"""Cells and stacks of them, with spiking memories and hidden neurons, as NIR graphs."""

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo import LSTM, Bidirectional, LMUCell, Spiking, Stack, targets
from lmu_nengo.targets.nir import export_nir, simulate_graph
from tests.targets.nir.nir_examples import consumer

HIDDEN, TAU, SECONDS = 20, 0.05, 2.0
LATE = round(TAU / 0.001)
FEEDBACK = {"hidden_encoders": -0.02 * np.ones((1, HIDDEN))}


def make_cell(rng, input_d, theta, **paths):
    return LMUCell(
        input_d,
        memory_d=1,
        theta=theta,
        order=4,
        hidden_d=HIDDEN,
        input_encoders=np.ones((1, input_d)) / input_d,
        memory_kernel=rng.randn(HIDDEN, 4),
        bias=0.3 + 0.5 * rng.rand(HIDDEN),
        hidden_type=nengo.RectifiedLinear(),
        **paths,
    )


def make(kind="cell", **paths):
    """A layer that gets noise of 1 Hz, with a probe on its output; not yet in spikes."""
    rng = np.random.RandomState(0)
    signal = nengo.processes.WhiteSignal(SECONDS + 1, high=1, rms=0.4, y0=0, seed=0)
    with nengo.Network(seed=0) as network:
        network.u = nengo.Node(signal)
        layer = make_cell(rng, 1, 0.5, **paths)
        if kind == "stack":
            layer = Stack([layer, make_cell(rng, HIDDEN, 0.3)], dropout=0.1)
        elif kind == "bidirectional":
            layer = Bidirectional(layer, make_cell(rng, 1, 0.5))
        elif kind == "hybrid":
            layer = Stack([layer, LSTM(HIDDEN, 5)])
        network.layer = layer
        nengo.Connection(network.u, layer.input, synapse=None)
        network.answer = nengo.Node(size_in=layer.output.size_out)
        nengo.Connection(layer.output, network.answer, synapse=None)
        network.probe = nengo.Probe(network.answer)
    return network


def spike(network, n_neurons=200):
    """Memories and hidden neurons in spikes."""
    memory = Spiking(n_neurons, nengo.SpikingRectifiedLinear(), synapse=TAU)
    lmu_nengo.to_spiking(network, scale=100, synapse=TAU, memories=memory)


def recorded(network):
    with network:
        probe = nengo.Probe(network.u)
    return targets.run(network, "core", SECONDS).data[probe]


def hidden_error(values, exact):
    """Relative error of all hidden units, both averaged, without the first half second."""
    lowpass = nengo.Lowpass(TAU)
    late = np.concatenate([np.zeros((LATE, exact.shape[1])), exact[:-LATE]])
    values, exact = (lowpass.filt(x, dt=0.001, y0=0)[500:] for x in (values, late))
    return np.sqrt(np.mean((values - exact) ** 2)) / exact.std()


@pytest.mark.parametrize("name", ["norse", pytest.param("spikingjelly")])
@pytest.mark.parametrize(
    "kind, paths, limit", [("cell", {}, 0.1), ("cell", FEEDBACK, 0.12), ("stack", {}, 0.14)]
)
def test_a_cell_of_spiking_neurons_computes_what_it_did(name, kind, paths, limit):
    consumer(name)
    network = make(kind, **paths)
    exact = targets.run(network, "core", SECONDS).data[network.probe]
    lmu_nengo.calibrate(network, {network.u: recorded(network)[None]})
    spike(network)
    assert not targets.check(network, name)
    values = targets.run(network, name, SECONDS).data[network.probe]
    assert hidden_error(values, exact) < limit
    assert hidden_error(0 * values, exact) > 1


def test_the_file_of_a_cell_gives_its_hidden_state():
    pytest.importorskip("nir")
    network = make()
    exact = targets.run(network, "core", SECONDS).data[network.probe]
    lmu_nengo.calibrate(network, {network.u: recorded(network)[None]})
    x = recorded(network)
    spike(network)
    graph = export_nir(network, output=network.answer)
    averaged = nengo.Lowpass(TAU).filt(simulate_graph(graph, x).output, dt=0.001, y0=0)
    assert hidden_error(averaged, exact) < 0.1


def test_a_constant_node_gets_inputs_like_any_other():
    consumer("norse")
    network = make()
    x = recorded(network)[:300]
    spike(network)
    network.u.output = np.zeros(1)  # as it is for training
    options = dict(inputs={network.u: x[None]})
    constant = targets.run(network, "norse", 0.3, **options).data[network.probe]
    network.u.output = nengo.processes.PresentInput(x, 0.001)
    process = targets.run(network, "norse", 0.3).data[network.probe]
    assert np.abs(process).max() > 0.1
    assert np.array_equal(constant[0], process)
    # a file has an input for it too
    network.u.output = np.zeros(1)
    assert export_nir(network).nodes["input"].input_type["input"] == 1
    network.u.output = np.ones(1)
    assert export_nir(network, inputs=[network.u]).nodes["encode"].weight.any()
    assert not export_nir(network).nodes["encode"].weight.any()


@pytest.mark.parametrize(
    "kind, paths, message",
    [
        ("hybrid", {}, "LSTM's gates are no neurons"),
        ("bidirectional", {}, "needs the future"),
        ("cell", {"memory_encoders": 0.1 * np.ones((1, 4))}, "would pass it again"),
    ],
)
def test_what_cannot_be_held_is_refused_with_the_reason(kind, paths, message):
    network = make(kind, **paths)
    spike(network)
    limits = targets.check(network, "norse")
    assert any(message in str(limit) for limit in limits)
    assert not any("Every memory must be" in str(limit) for limit in limits)


def test_what_is_not_in_spikes_yet_is_named():
    network = make()
    messages = " ".join(map(str, targets.check(network, "norse")))
    assert "realize(network, lmu_nengo.Spiking(...))" in messages
    assert "lmu_nengo.to_spiking converts rate neurons" in messages
    network.layer.hidden.neuron_type = nengo.RegularSpiking(nengo.Tanh())
    messages = " ".join(map(str, targets.check(network, "norse")))
    assert "train with RectifiedLinear or LIFRate" in messages
