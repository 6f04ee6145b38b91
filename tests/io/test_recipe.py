"""Networks that are loaded without a function that builds them."""

import json

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo import LSTM, LegendreMemory, LMUCell, Parallel, Spiking, Stack, Stream
from lmu_nengo.conversion import fit_readout
from lmu_nengo.io import load_network, save_network
from lmu_nengo.io.archive import read_archive, write_archive
from lmu_nengo.io.saved_networks import FORMAT
from lmu_nengo.layers import Readout
from lmu_nengo.training import configure_settings

X = np.random.RandomState(1).randn(60, 2)
FEEDBACK = {"hidden_encoders": 0.1 * np.ones((2, 6)), "hidden_kernel": 0.1 * np.eye(6)}


def cell(input_d=2, **kwargs):
    relu = nengo.RectifiedLinear()
    sizes = dict(memory_d=2, theta=0.05, order=4, hidden_d=6, hidden_type=relu)
    return LMUCell(input_d, **sizes, **kwargs)


LAYERS = {
    "memory": lambda: LegendreMemory(0.03, 3, memory_d=2, label="memory"),
    "cell": lambda: cell(input_kernel=np.ones((6, 2)), bias=None, trainable=["bias"][:0]),
    "feedback": lambda: cell(**FEEDBACK),
    "stack": lambda: Stack([cell(), LSTM(6, 6)], residual=[False, True], dropout=0.1),
    "parallel": lambda: Parallel([cell(), LegendreMemory(0.1, 3, memory_d=2)]),
}


def build(layer):
    """A layer and an ensemble, both read by one node."""
    rng = np.random.RandomState(0)
    with nengo.Network(seed=3) as network:
        network.u = nengo.Node([0.0, 0.0], label="u")
        one = nengo.Node([1.0])
        network.layer = LAYERS[layer]()
        ensemble = nengo.Ensemble(20, 2, neuron_type=nengo.LIFRate())
        network.answer = nengo.Node(size_in=3)
        nengo.Connection(network.u, network.layer.input, synapse=None)
        nengo.Connection(network.u, ensemble)
        to_answer = dict(post=network.answer, synapse=None)
        weights = rng.randn(3, 3)
        nengo.Connection(network.layer.output[[0, 2, 4]], transform=weights, **to_answer)
        nengo.Connection(ensemble.neurons, transform=rng.randn(3, 20), **to_answer)
        nengo.Connection(ensemble[0], network.answer[1], synapse=0.01)
        nengo.Connection(one, transform=rng.randn(3, 1), **to_answer)
        network.probe = nengo.Probe(network.answer, synapse=0.002)
    return network


def run(network):
    with Stream(network, network.u, network.probe, engine="core") as stream:
        return stream.push(X)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_network_is_made_again_with_all_its_numbers(layer, tmp_path):
    network, path = build(layer), tmp_path / "network.npz"
    if hasattr(network.layer, "weights"):
        weights = network.layer.weights
        network.layer.weights = {k: 1.1 * v for k, v in weights.items()}
    save_network(network, path)
    again = load_network(path)
    expected = run(network)
    assert np.abs(expected).max() > 0.1
    assert np.array_equal(run(again), expected)
    assert again.layer.label == network.layer.label
    assert again.u is again.nodes[0]


def test_what_became_spikes_comes_back_in_spikes(tmp_path):
    network, path = build("feedback"), tmp_path / "network.npz"
    (ensemble,) = network.ensembles
    ensemble.neuron_type = nengo.RectifiedLinear()
    ensemble.gain, ensemble.bias = np.ones(20), np.full(20, 1.5)
    lmu_nengo.to_spiking(network, scale=50, synapse=0.01)
    lmu_nengo.realize(network, Spiking(100, nengo.LIF(), synapse=0.02))
    save_network(network, path)
    again = load_network(path)
    assert np.array_equal(run(again), run(network))
    (cell,) = (net for net in again.networks if isinstance(net, LMUCell))
    assert cell.activity.synapse == nengo.Lowpass(0.01)
    assert repr(cell.realization) == repr(Spiking(100, nengo.LIF(), synapse=0.02))


def test_a_fitted_read_out_comes_back(tmp_path):
    network, path = build("cell"), tmp_path / "network.npz"
    rng = np.random.RandomState(1)
    with network:
        readout = fit_readout(network.layer, rng.randn(20, 30, 2), rng.randn(20, 1))
    save_network(network, path)
    again = load_network(path)
    assert np.array_equal(run(again), run(network))
    (loaded,) = (net for net in again.networks if isinstance(net, Readout))
    assert np.array_equal(loaded.weights, readout.weights)
    assert np.array_equal(loaded.bias, readout.bias) and loaded.alpha == readout.alpha


def test_trained_windows_come_back(tmp_path):
    network, path = build("cell"), tmp_path / "network.npz"
    weights = network.layer.weights
    network.layer.weights = {**weights, "theta": [0.07], "A": 1.1 * weights["A"]}
    save_network(network, path)
    again = load_network(path)
    assert again.layer.memory.theta == 0.07
    assert np.array_equal(run(again), run(network))
    assert again.layer.trainable == frozenset()


def test_a_network_with_a_function_needs_one_that_builds_it(tmp_path):
    network, path = build("memory"), tmp_path / "network.npz"
    with network:
        nengo.Node(lambda t: t, label="clock")
    save_network(network, path, {"layer": "memory"})
    with pytest.raises(ValidationError, match="<Node 'clock'> computes a Python function"):
        load_network(path)

    def build_again(layer):
        network = build(layer)
        with network:
            nengo.Node(lambda t: t, label="clock")
        return network

    assert np.array_equal(run(load_network(path, build_again)), run(network))


def test_only_known_classes_are_made(tmp_path):
    path = tmp_path / "network.npz"
    save_network(build("memory"), path)
    header, arrays = read_archive(path, FORMAT)
    text = json.dumps(header).replace('"LIFRate"', '"Popen"')
    assert "Popen" in text
    write_archive(path, FORMAT, json.loads(text), arrays)
    with pytest.raises(ValidationError, match="does not say how to build .*Popen"):
        load_network(path)


def test_settings_of_training_are_kept(tmp_path):
    with nengo.Network(seed=0) as network:
        configure_settings(keep_history=False, trainable=False)
        u = nengo.Node([0.0])
        ensemble = nengo.Ensemble(5, 1)
        nengo.Connection(u, ensemble)
        nengo.Probe(ensemble)
    save_network(network, tmp_path / "network.npz")
    again = load_network(tmp_path / "network.npz")
    for old, new in zip(
        (network.ensembles[0], network.connections[0], network.ensembles[0].neurons),
        (again.ensembles[0], again.connections[0], again.ensembles[0].neurons),
        strict=True,
    ):
        assert network.config[old].trainable is again.config[new].trainable is False
    assert again.config[again.probes[0]].keep_history is False
