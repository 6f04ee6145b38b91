"""The measures of a report are those of NeuroBench, for the same networks in PyTorch."""

import nengo
import numpy as np
import pytest

from lmu_nengo import LSTM
from lmu_nengo.conversion import dense_operations, footprint, spiking_report

DT = 0.001
# of NeuroBench 2.3.0 and snnTorch 1.0.0, as `measure` below gives them
REFERENCE = {
    "relu": {
        "Dense": 2120.0,
        "Effective_ACs": 0.0,
        "Effective_MACs": 654.0,
        "activation_sparsity": 0.6794642857142857,
        "by_layer": [0.659375, 0.70625],
        "connection_sparsity": 0.3113,
        "footprint": 480,
    },
    "spiking": {
        "Dense": 2120.0,
        "Effective_ACs": 208.75,
        "Effective_MACs": 366.75,
        "activation_sparsity": 0.7723214285714286,
        "by_layer": [0.7046875, 0.8625],
        "connection_sparsity": 0.3113,
        "footprint": 744,
    },
    "lstm": {"Dense": 1225.0, "footprint": 800},
}


def arrays(kind):
    """Four sequences of 20 steps; weights and biases of two layers and a read-out."""
    rng = np.random.RandomState(0)

    def weights(n_rows, n_columns, low):
        w = rng.uniform(low, 1, size=(n_rows, n_columns)) / n_columns
        return np.where(rng.rand(n_rows, n_columns) < 0.3, 0, w)

    zero = rng.rand(4, 20, 5) < 0.4
    x = np.where(zero, 0, rng.uniform(0.5, 1.5, size=(4, 20, 5)))
    w = weights(8, 5, 0), weights(6, 8, 0), weights(3, 6, -1)
    b = rng.uniform(-0.2, 0.1, 8), rng.uniform(0, 0.1, 6)
    # integrators get no negative currents, which Nengo's ignore
    return x, w, (b[0] - 0.2, b[1] - 0.1) if kind == "relu" else (abs(b[0]), b[1])


def build(kind):
    """Build the network in Nengo; currents are per step, as in snnTorch."""
    x, (*weights, readout), biases = arrays(kind)
    neuron_type, unit = nengo.RectifiedLinear(), 1.0
    if kind == "spiking":
        empty = {"voltage": nengo.dists.Choice([0])}
        neuron_type, unit = nengo.SpikingRectifiedLinear(initial_state=empty), 1 / DT
    with nengo.Network(seed=0) as network:
        source = layer = nengo.Node(np.zeros(5), label="source")
        height = 1.0
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            ens = nengo.Ensemble(
                len(b),
                1,
                neuron_type=neuron_type,
                gain=np.ones(len(b)),
                bias=b * unit,
                label=f"layer {i}",
            )
            w = w * unit / height
            nengo.Connection(layer, ens.neurons, transform=w, synapse=None)
            layer, height = ens.neurons, unit
        nengo.Connection(layer, nengo.Node(size_in=3), transform=readout, synapse=None)
    return network, {source: x}


def check(kind, reference, n_sequences=4):
    for engine, size in (("core", None), ("jax", 4)):
        network, inputs = build(kind)
        report = spiking_report(network, inputs, minibatch_size=size, engine=engine)
        assert report.effective_macs == reference["Effective_MACs"]
        assert report.effective_acs == reference["Effective_ACs"]
        assert report.dense_operations == reference["Dense"]
        assert report.activation_sparsity == pytest.approx(reference["activation_sparsity"])
        by_layer = [layer.activation_sparsity for layer in report.layers]
        assert by_layer == pytest.approx(reference["by_layer"])
        zeros = pytest.approx(reference["connection_sparsity"], abs=1e-4)  # rounded there
        assert report.connection_sparsity == zeros
        expected = reference["footprint"]
        if kind == "spiking":
            # two layers of snnTorch keep four constants each, one in 8 bytes, and the
            # voltages of all sequences
            expected -= 2 * (3 * 4 + 8) + (n_sequences - 1) * 4 * 14
            assert report.max_spikes_per_step == 1
            assert report.synaptic_operations == report.effective_acs
        assert report.footprint == expected


@pytest.mark.parametrize("kind", ["relu", "spiking"])
def test_a_report_gives_the_numbers_of_neurobench(kind):
    check(kind, REFERENCE[kind])


def test_an_lstm_differs_by_products_of_its_gates_and_by_a_second_bias():
    with nengo.Network() as network:
        LSTM(3, 5)
    products = 3 * 5  # f c, i g and o tanh(c), which no weights multiply
    assert 7 * (dense_operations(network) + products) == REFERENCE["lstm"]["Dense"]
    state = 4 * 2 * 5  # h and c, which are no buffers in PyTorch
    second_bias = 4 * 4 * 5
    assert footprint(network) - state + second_bias == REFERENCE["lstm"]["footprint"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFERENCE)
def test_the_reference_is_what_neurobench_says(kind):
    # pip install neurobench==2.3.0
    measured = measure(kind)
    for name, value in REFERENCE[kind].items():
        assert measured[name] == pytest.approx(value), name


def measure(kind):
    """What NeuroBench says about the same network in PyTorch."""
    torch = pytest.importorskip("torch")
    snntorch = pytest.importorskip("snntorch")
    models = pytest.importorskip("neurobench.models")
    static = pytest.importorskip("neurobench.metrics.static")
    workload = pytest.importorskip("neurobench.metrics.workload")
    nn = torch.nn

    def linear(w, b=None):
        layer = nn.Linear(*w.shape[::-1], bias=b is not None)
        layer.weight.data = torch.tensor(w, dtype=torch.float32)
        if b is not None:
            layer.bias.data = torch.tensor(b, dtype=torch.float32)
        return layer

    def integrator():
        return snntorch.Leaky(beta=1.0, init_hidden=True, reset_mechanism="subtract")

    class StepByStep(nn.Sequential):
        def forward(self, x):
            return super().forward(x), None

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTMCell(3, 5)

        def forward(self, x):
            h = c = torch.full((len(x), 5), 0.1)
            for t in range(x.shape[1]):
                h, c = self.cell(x[:, t], (h, c))
            return h

    if kind == "lstm":
        x, model = np.full((2, 7, 3), 0.5), models.TorchModel(Cell())
    else:
        x, (w1, w2, w3), (b1, b2) = arrays(kind)
        neurons = [nn.ReLU() if kind == "relu" else integrator() for _ in range(2)]
        layers = linear(w1, b1), neurons[0], linear(w2, b2), neurons[1], linear(w3)
        if kind == "relu":
            model = models.TorchModel(nn.Sequential(*layers))
        else:
            model = models.SNNTorchModel(StepByStep(*layers))
    x = torch.tensor(x, dtype=torch.float32)
    model.register_hooks()
    with torch.no_grad():
        arguments = model, model(x), (x, None)
    by_layer = workload.ActivationSparsityByLayer()(*arguments)
    return {
        **workload.SynapticOperations()(*arguments),
        "activation_sparsity": workload.ActivationSparsity()(*arguments),
        "by_layer": list(by_layer.values()),
        "connection_sparsity": static.ConnectionSparsity()(model),
        "footprint": static.Footprint()(model),
    }
