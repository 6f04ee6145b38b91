import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import (
    LSTM,
    Band,
    Bidirectional,
    EncoderDecoder,
    LegendreMemory,
    Linear,
    LMUCell,
    Parallel,
    Spiking,
    Stack,
    Windowed,
    realize,
)
from lmu_nengo.training import Simulator

tf = pytest.importorskip("tensorflow")

STEPS, BATCH, SIZE = 20, 3, 2
X = np.random.RandomState(0).randn(BATCH, STEPS, SIZE)
quiet = dict(progress_bar=False, seed=0)


def drawn(shape, seed):
    return 0.5 * np.random.RandomState(seed).randn(*shape)


def cell(size_in=SIZE, theta=0.01, **kwargs):
    return LMUCell(
        size_in,
        memory_d=1,
        theta=theta,
        order=4,
        hidden_d=3,
        input_kernel=drawn((3, size_in), 1),
        **kwargs,
    )


def recurrent(size_in=SIZE, **kwargs):
    paths = {"hidden_encoders": (1, 3), "hidden_kernel": (3, 3)}
    weights = {name: drawn(shape, 2) for name, shape in paths.items()}
    return cell(size_in, **weights, **kwargs)


def wired(build):
    """A network whose `part` is fed by a node and probed."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.zeros(SIZE), label="source")
        network.part = build()
        nengo.Connection(source, network.part.input, synapse=None)
        network.probe = nengo.Probe(network.part.output, label="output")
    network.source = source
    return network


def in_core(network, x=X):
    realize(network, Linear())
    results = []
    for sequence in x:
        network.source.output = nengo.processes.PresentInput(sequence, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(len(sequence))
        results.append(sim.data[network.probe])
    network.source.output = np.zeros(SIZE)
    return np.array(results)


def windowed(network, x=X):
    realize(network, Windowed(x.shape[1]))
    with Simulator(network, minibatch_size=len(x), **quiet) as sim:
        return sim.predict(x.astype(np.float32), verbose=0)[network.probe]


BUILDERS = {
    "two memories apart": lambda: Stack([cell(), cell(3)]),
    "feedback above": lambda: Stack([cell(), recurrent(3)]),
    "hybrid": lambda: Stack([recurrent(), LSTM(3, 3, seed=1), cell(3)]),
    "residual": lambda: Stack([cell(), cell(3), LSTM(3, 3)], residual=[False, True, True]),
    "several thetas": lambda: Stack([Parallel([cell(), cell(theta=0.005)]), cell(6)]),
    "memory alone": lambda: Stack([LegendreMemory(0.01, 4, SIZE), LSTM(8, 2)]),
    "encoder and decoder": lambda: EncoderDecoder(cell(), recurrent(start=True), 12),
}


def test_all_steps_at_once_equal_step_by_step_in_core_nengo():
    with nengo.Network(seed=0) as network:  # one with all of them builds sooner
        source = nengo.Node(np.zeros(SIZE), label="source")
        probes = {}
        for name, build in BUILDERS.items():
            part = build()
            nengo.Connection(source, part.input, synapse=None)
            probes[name] = nengo.Probe(part.output)
    expected = {name: [] for name in probes}
    for x in X:
        source.output = nengo.processes.PresentInput(x, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(STEPS)
        for name, probe in probes.items():
            expected[name].append(sim.data[probe])
    source.output = np.zeros(SIZE)
    realize(network, Windowed(STEPS))
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        got = sim.predict(X.astype(np.float32), verbose=0)
    for name, probe in probes.items():
        assert np.abs(expected[name]).max() > 0.05, name
        assert np.abs(got[probe] - expected[name]).max() < 1e-5, name


def test_the_lstm_is_that_of_keras():
    lstm = tf.keras.layers.LSTM(3, return_sequences=True)
    expected = lstm(X.astype(np.float32)).numpy()
    network = wired(lambda: LSTM(SIZE, 3))
    kernel, recurrent_kernel, bias = (w.numpy() for w in lstm.weights)
    network.part.weights = {  # gates i, f, g, o in both
        "kernel": kernel.T,
        "recurrent_kernel": recurrent_kernel.T,
        "bias": bias,
    }
    assert np.abs(in_core(network) - expected).max() < 1e-6
    assert np.abs(windowed(network) - expected).max() < 1e-6


def test_residual_adds_the_input():
    plain, residual = (
        wired(lambda r=r: Stack([LSTM(SIZE, SIZE)], r)) for r in (0 > 1, True)
    )
    residual.part.layers[0].weights = plain.part.layers[0].weights
    assert np.allclose(in_core(residual), in_core(plain) + X, atol=1e-12)


def test_dropout_acts_in_training_only():
    def build():
        return Stack([cell(), cell(3)], dropout=0.5)

    with_it, without = wired(build), wired(lambda: Stack([cell(), cell(3)]))
    for layer, other in zip(with_it.part.layers, without.part.layers, strict=True):
        layer.weights = other.weights
    assert np.allclose(in_core(with_it), in_core(without), atol=1e-12)
    losses = []
    for network in (with_it, without):
        realize(network, Windowed(STEPS))
        with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
            sim.compile("sgd", loss={network.probe: "mse"})
            y = np.zeros((BATCH, STEPS, 3))
            losses.append(sim.evaluate(X, {network.probe: y}, verbose=0)["loss"])
            losses.append(sim.fit(X, {network.probe: y}, verbose=0).history["loss"][0])
    assert losses[0] == pytest.approx(losses[2], rel=1e-6)
    assert abs(losses[1] / losses[3] - 1) > 0.01


def test_the_backward_half_sees_the_sequence_from_its_end():
    network = wired(lambda: Bidirectional(cell(), recurrent()))
    forward, backward = network.part.layers
    with network:
        network.last = nengo.Probe(network.part.last)
    realize(network, Windowed(STEPS))
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        values = sim.predict(X.astype(np.float32), verbose=0)
    alone = []
    for layer in (forward, backward):
        single = wired(lambda layer=layer: cell() if layer is forward else recurrent())
        single.part.weights = layer.weights
        alone.append(single)
    ahead, back = in_core(alone[0]), in_core(alone[1], X[:, ::-1])
    assert np.abs(values[network.probe][..., :3] - ahead).max() < 1e-5
    assert np.abs(values[network.probe][..., 3:] - back[:, ::-1]).max() < 1e-5
    both = np.concatenate([ahead[:, -1], back[:, -1]], axis=1)
    assert np.abs(values[network.last][:, -1] - both).max() < 1e-5


@pytest.mark.parametrize("simulator", [nengo.Simulator, Simulator])
def test_streaming_a_bidirectional_network_is_refused(simulator):
    network = wired(lambda: Bidirectional(cell(), cell()))
    with pytest.raises(ValidationError, match="needs the whole sequence.*streamed"):
        simulator(network, progress_bar=False)


def test_the_decoder_goes_on_from_the_encoders_memory():
    """A decoder without input rolls the encoder's window further: the exact formula."""
    n_source = 12

    def build():
        encoder = LMUCell(
            SIZE, memory_d=1, theta=0.01, order=4, hidden_d=2, input_encoders=[[1, 0]]
        )
        decoder = LMUCell(
            1,
            memory_d=1,
            theta=0.01,
            order=4,
            hidden_d=1,
            hidden_type=nengo.RectifiedLinear(),
            start=True,
        )
        return EncoderDecoder(encoder, decoder, n_source)

    network = wired(build)
    encoder, decoder = network.part.layers
    with network:
        network.probe = nengo.Probe(decoder.m)
    Ad, Bd = encoder.memory.discrete()
    m = np.zeros((BATCH, 4))
    for t in range(n_source):
        m = m @ Ad.T + X[:, t, :1] * Bd[:, 0]
    for _ in range(n_source, STEPS):
        m = m @ Ad.T
    assert np.abs(in_core(network)[:, -1] - m).max() < 1e-10
    assert np.abs(windowed(network)[:, -1] - m).max() < 1e-5


@pytest.mark.parametrize(
    "kind",
    [
        "feedforward",
        "recurrent",
        pytest.param("seq2seq", marks=pytest.mark.slow),
        pytest.param("bidirectional", marks=pytest.mark.slow),
    ],
)
def test_every_kind_of_network_learns(kind):
    """Reading a delay is linear in the memory: an LMU learns it to 5% of the variance."""
    rng = np.random.RandomState(0)
    x = nengo.processes.WhiteSignal(10.0, 30.0, rms=0.5, y0=0, seed=1).run(6.4)
    x = np.repeat(x.reshape(64, 100, 1), SIZE, axis=2)
    make = {
        "feedforward": lambda: Stack([wide(SIZE), wide(20)]),
        "recurrent": lambda: wide(SIZE, hidden_kernel=np.eye(20) / 2),
        "seq2seq": lambda: EncoderDecoder(
            wide(SIZE), wide(1, start=True, hidden_kernel=np.zeros((20, 20))), 50
        ),
        "bidirectional": lambda: Bidirectional(wide(SIZE), wide(SIZE)),
    }[kind]

    def wide(size_in, **kwargs):
        return LMUCell(
            size_in,
            memory_d=1,
            theta=0.04,
            order=8,
            hidden_d=20,
            seed=rng.randint(100),
            **kwargs,
        )

    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.zeros(SIZE))
        part = make()
        nengo.Connection(source, part.input, synapse=None)
        output = nengo.Node(size_in=1)
        nengo.Connection(
            part.output, output, transform=np.zeros((1, part.output.size_out)), synapse=None
        )
        probe = nengo.Probe(output)
    y = np.zeros((64, 100, 1))
    if kind == "seq2seq":
        y[:, 50:60] = x[:, 49:39:-1, :1]  # the last ten steps, backwards
        weight = np.zeros((1, 100, 1))
        weight[:, 50:60] = 1
    else:
        y[:, 20:] = x[:, :-20, :1]
        weight = np.ones((1, 100, 1))
    realize(network, Windowed(100))

    def error(y_true, y_pred):
        return tf.reduce_sum(tf.cast(weight, y_pred.dtype) * (y_true - y_pred) ** 2)

    with Simulator(network, minibatch_size=16, **quiet) as sim:
        sim.compile(tf.optimizers.Adam(0.01), loss={probe: error}, jit_compile=True)
        history = sim.fit(x, {probe: y}, epochs=60, verbose=0).history["loss"]
    floor = np.sum(weight * (y**2)) / 4  # per batch of 16, predicting zero
    assert history[-1] < (0.2 if kind == "seq2seq" else 0.05) * floor


def test_layers_that_do_not_fit_are_refused():
    with nengo.Network():
        with pytest.raises(ValidationError, match="has size 4.*has size 3"):
            Stack([cell(), cell(4)])
        with pytest.raises(ValidationError, match="residual, has size 3.*size 2"):
            Stack([cell()], residual=True)
        with pytest.raises(ValidationError, match="at least one layer"):
            Stack([])
        with pytest.raises(ValidationError, match=r"\.input and \.output"):
            Stack([nengo.Ensemble(10, 1)])
        with pytest.raises(ValidationError, match="same network twice"):
            Stack([same := LSTM(2, 2), same])
        with pytest.raises(ValidationError, match="has size 3.*has size 2"):
            Parallel([cell(), cell(3)])
        with pytest.raises(ValidationError, match="has size 3.*has size 2"):
            Bidirectional(cell(), cell(3))
        with pytest.raises(ValidationError, match="start=True"):
            EncoderDecoder(cell(), cell(), 5)
        with pytest.raises(ValidationError, match="memory of 4 values.*got 6"):
            EncoderDecoder(
                cell(),
                LMUCell(1, memory_d=2, theta=0.01, order=3, hidden_d=3, start=True),
                5,
            )
        with pytest.raises(ValidationError, match="must be an LMUCell"):
            EncoderDecoder(cell(), LSTM(2, 2), 5)


def test_layers_move_into_the_stack():
    with nengo.Network() as network:
        layers = [cell(), cell(3)]
        stack = Stack(layers)
    assert network.networks == [stack] and stack.networks == layers


def test_a_hybrid_runs_with_its_memories_in_neurons():
    network = wired(lambda: Stack([cell(), LSTM(3, 3, seed=1)]))
    realize(network, Spiking(100, expected_input=Band(50.0, 1.0)))
    memory, lstm = network.part.layers
    assert (
        memory.realization
        == memory.memory.realization
        == Spiking(100, expected_input=Band(50.0, 1.0))
    )
    assert lstm.realization == Linear()  # nothing in it can be neurons
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(3)
    assert np.all(np.isfinite(sim.data[network.probe]))


def test_equal_layers_are_trained_apart():
    network = wired(lambda: Stack([LSTM(SIZE, SIZE), LSTM(SIZE, SIZE)]))
    realize(network, Windowed(STEPS))
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        sim.compile("adam", loss={network.probe: "mse"})
        sim.fit(X, {network.probe: X}, epochs=2, verbose=0)
        trained = sim.predict(X)[network.probe]
        sim.freeze_params(network)
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        assert np.allclose(sim.predict(X)[network.probe], trained, atol=1e-6)
