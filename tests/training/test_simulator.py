import nengo
import numpy as np
import pytest

from lmu_nengo import Band, LegendreMemory, Linear, Spiking, Windowed, realize, to_spiking
from lmu_nengo.processes import Dropout
from lmu_nengo.signal import discretize, nrmse, simulate, state_space
from lmu_nengo.training import Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")

quiet = dict(progress_bar=False, seed=0)


@pytest.mark.parametrize("keep_history", [True, False])
@pytest.mark.parametrize(
    "order, memory_d, n_steps, dt, batch, discretizer",
    [
        (1, 1, 1, 1e-3, 1, "zoh"),
        (6, 3, 50, 1e-3, 4, "zoh"),
        (40, 2, 201, 1e-4, 2, "bilinear"),
        (256, 1, 784, 1e-3, 3, "zoh"),
    ],
)
def test_windowed_memory_equals_the_state_space(
    keep_history, order, memory_d, n_steps, dt, batch, discretizer
):
    theta = n_steps * dt
    u = np.random.RandomState(order).randn(batch, n_steps, memory_d)
    with nengo.Network() as network:
        nengo_dl.configure_settings(keep_history=keep_history)
        source = nengo.Node(np.zeros(memory_d))
        memory = LegendreMemory(
            theta, order, memory_d, Windowed(n_steps, discretizer), dt=dt
        )
        nengo.Connection(source, memory.input, synapse=None)
        probe = nengo.Probe(memory.output)
    with Simulator(network, dt=dt, minibatch_size=batch, **quiet) as sim:
        assert sim.path == ("all steps" if keep_history else "last step")
        m = sim.predict(u.astype(np.float32), verbose=0)[probe]
    Ad, Bd = discretize(*state_space(theta, order), dt, discretizer)
    expected = np.stack(
        [
            np.concatenate([simulate(Ad, Bd, u_c[:, None]) for u_c in u_b.T], axis=1)
            for u_b in u
        ]
    )
    full_scale = np.abs(expected).max()
    if not keep_history:
        expected = expected[:, -1:]
    assert m.shape == expected.shape
    assert np.abs(m - expected).max() < 1e-4 * full_scale


@pytest.mark.parametrize("keep_history", [True, False])
def test_windowed_training_equals_nengodls_step_by_step_training(
    regressor, sequences, keep_history
):
    x, y = sequences
    if not keep_history:
        y = y[:, -1:]
    results = []
    for realization in (Windowed(30), Linear()):
        net = regressor(keep_history).realize(realization)
        with Simulator(net.network, minibatch_size=4, **quiet) as sim:
            sim.compile(tf.optimizers.Adam(0.01), loss={net.probe: "mse"})
            fitted = sim.fit(x, {net.probe: y}, epochs=3, shuffle=False, verbose=0)
            evaluated = sim.evaluate(x, {net.probe: y}, verbose=0)["loss"]
            outputs = sim.predict(x, verbose=0)[net.probe]
        results.append((*fitted.history["loss"], evaluated, outputs))
    *losses, outputs = results[0]
    *step_losses, step_outputs = results[1]
    assert losses[0] > 1.1 * losses[2]  # it learns
    assert losses == pytest.approx(step_losses, rel=1e-4)
    assert outputs.shape == step_outputs.shape == (12, 30 if keep_history else 1, 2)
    assert np.abs(outputs - step_outputs).max() < 1e-4 * np.abs(outputs).max()


@pytest.mark.parametrize(
    "keep_history", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_trained_network_gives_the_same_in_core_nengo(regressor, sequences, keep_history):
    x, y = sequences
    net = regressor(keep_history).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, **quiet) as sim:
        sim.compile(tf.optimizers.Adam(0.01), loss={net.probe: "mse"})
        target = y if keep_history else y[:, -1:]
        sim.fit(x, {net.probe: target}, epochs=2, verbose=0)
        expected = sim.predict(x, verbose=0)[net.probe]
        sim.freeze_params(net.network)
    net.realize(Linear())
    for i in (0, 5):
        output = net.run_in_core(x[i])[-expected.shape[1] :]
        assert np.abs(output - expected[i]).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.slow
def test_trained_network_keeps_working_in_spikes(regressor):
    net = regressor(False, n_steps=200).realize(Windowed(200))
    process = nengo.processes.WhiteSignal(1.0, 5.0, rms=0.3, y0=0, seed=1)
    u = process.run(1.0, d=3)
    x = np.stack([u[i : i + 200] for i in range(0, 800, 50)])
    with Simulator(net.network, minibatch_size=4, **quiet) as sim:
        sim.compile("adam", loss={net.probe: "mse"})
        sim.fit(x, {net.probe: x[:, :1, :2]}, epochs=20, verbose=0)
        sim.freeze_params(net.network)

    def readout(realization):
        net.realize(realization)
        return nengo.Lowpass(0.02).filt(net.run_in_core(u), dt=0.001)

    expected = readout(Linear())
    to_spiking(net.network, 1000)
    hidden = nrmse(readout(Linear()), expected)  # of the spiking hidden neurons alone
    assert hidden < 0.1
    spiking = dict(
        neuron_type=nengo.SpikingRectifiedLinear(),
        synapse=0.05,
        expected_input=Band(5.0, 1.0),  # what reaches the memory
    )
    few, many = (nrmse(readout(Spiking(n, **spiking)), expected) for n in (100, 4000))
    assert many < 1.05 * hidden and many < few < 0.1


def test_connections_before_the_memory_are_trained_in_both_paths(regressor, sequences):
    x, y = sequences
    changes = []
    for keep_history in (True, False):
        net = regressor(keep_history).realize(Windowed(30))
        conn = net.network.connections[0]
        with Simulator(net.network, minibatch_size=12, **quiet) as sim:
            # plain gradient descent on the last step only: the same in both
            def last(y_true, y_pred):
                return tf.reduce_mean((y_true[:, -1] - y_pred[:, -1]) ** 2)

            sim.compile(tf.optimizers.SGD(0.1), loss={net.probe: last})
            before = sim.data[conn].weights
            target = y if keep_history else y[:, -1:]
            sim.fit(x, {net.probe: target}, epochs=1, verbose=0)
            changes.append(sim.data[conn].weights - before)
    assert np.abs(changes[0]).max() > 1e-4
    assert np.allclose(changes[0], changes[1], rtol=1e-3, atol=1e-6)


def test_the_memory_itself_is_not_trained(regressor):
    net = regressor(True).realize(Linear())
    with Simulator(net.network, **quiet) as sim:
        weights = sum(int(np.prod(w.shape)) for w in sim.keras_model.trainable_weights)
    assert weights == 2 * 3 + 1 + 20 * 12 + 20 * 2 + 20 + 2 * 20


def test_reasons_for_the_path_are_told(regressor):
    def path(change=lambda net: None, keep_history=False, realization=None):
        net = regressor(keep_history).realize(realization or Windowed(30))
        with net.network:
            change(net)
        with Simulator(net.network, **quiet) as sim:
            return sim.path, sim.path_reason

    def nonlinear_input(net):
        nengo.Connection(net.source[:2], net.memory.input, function=np.square, synapse=None)

    assert path() == (
        "last step",
        "no probe keeps its history, and only linear connections lead to memories",
    )
    assert path(keep_history=True)[0] == "all steps"
    assert "keeps its history" in path(keep_history=True)[1]
    assert path(nonlinear_input)[0] == "all steps"
    assert "leads to" in path(nonlinear_input)[1]
    assert path(realization=Linear())[0] == "step by step"


def test_nonlinear_input_to_the_memory_equals_step_by_step(regressor, sequences):
    x, _ = sequences
    outputs = []
    for realization in (Windowed(30), Linear()):
        net = regressor(False).realize(realization)
        with net.network:
            nengo.Connection(
                net.source[:2], net.memory.input, function=np.sin, synapse=None
            )
        with Simulator(net.network, minibatch_size=3, **quiet) as sim:
            outputs.append(sim.predict(x, verbose=0)[net.probe])
    assert outputs[0].shape == (12, 1, 2)
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-4 * np.abs(outputs[1]).max()


def test_memory_after_memory_equals_step_by_step(sequences):
    x, _ = sequences
    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.zeros(3))
        first = LegendreMemory(0.02, 3, memory_d=3)
        second = LegendreMemory(0.03, 4, memory_d=9)
        nengo.Connection(source, first.input, synapse=None)
        nengo.Connection(first.output, second.input, synapse=None)
        probe = nengo.Probe(second.output)
    outputs = []
    for realization in (Windowed(30), Linear()):
        realize(network, realization)
        with Simulator(network, minibatch_size=6, **quiet) as sim:
            outputs.append(sim.predict(x, verbose=0)[probe])
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-4 * np.abs(outputs[1]).max()


@pytest.mark.parametrize("keep_history", [True, False])
def test_a_memory_without_input_stays_at_zero(regressor, sequences, keep_history):
    net = regressor(keep_history)
    with net.network:
        probe = nengo.Probe(LegendreMemory(0.03, 3).output)
    net.realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, **quiet) as sim:
        assert np.all(sim.predict(sequences[0], verbose=0)[probe] == 0)


@pytest.mark.parametrize(
    "keep_history", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_tf_data_trains_like_arrays(regressor, sequences, keep_history):
    x, y = sequences
    y = (y if keep_history else y[:, -1:]).astype(np.float32)
    losses = []
    for as_dataset in (False, True):
        net = regressor(keep_history).realize(Windowed(30))
        with Simulator(net.network, minibatch_size=4, **quiet) as sim:
            sim.compile("sgd", loss={net.probe: "mse"})
            data = dict(x=x, y={net.probe: y}, shuffle=False)
            if as_dataset:
                n_steps = np.full((12, 1), 30, np.int32)
                inputs = {"source": x, "n_steps": n_steps}
                dataset = tf.data.Dataset.from_tensor_slices((inputs, {"readout": y}))
                data = dict(x=dataset.batch(4))
            losses.append(sim.fit(**data, epochs=2, verbose=0).history["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_compiled_training_equals_interpreted_training(regressor, sequences):
    x, y = sequences
    losses = []
    for options in ({}, {"jit_compile": True, "steps_per_execution": 3}):
        net = regressor(True).realize(Windowed(30))
        with Simulator(net.network, minibatch_size=4, **quiet) as sim:
            sim.compile("sgd", loss={net.probe: "mse"}, **options)
            fitted = sim.fit(x, {net.probe: y}, epochs=2, shuffle=False, verbose=0)
        losses.append(fitted.history["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_copied_windowed_network_runs(regressor, sequences):
    x, _ = sequences
    net = regressor(False).realize(Windowed(30))
    outputs = []
    for network in (net.network, net.network.copy()):
        with Simulator(network, minibatch_size=4, **quiet) as sim:
            outputs.append(sim.predict(x, verbose=0)[network.probes[0]])
    assert np.array_equal(*outputs)


def test_run_and_generated_inputs_work(regressor):
    net = regressor(True).realize(Windowed(30))
    net.source.output = nengo.processes.WhiteSignal(1.0, 50, rms=0.5, seed=1)
    net.source.size_out = 3
    with Simulator(net.network, minibatch_size=2, **quiet) as sim:
        sim.run_steps(30)
        windowed = sim.data[net.probe]
    net.realize(Linear())
    with Simulator(net.network, minibatch_size=2, **quiet) as sim:
        sim.run_steps(30)
        assert windowed.shape == (2, 30, 2)
        assert np.abs(windowed - sim.data[net.probe]).max() < 1e-4


@pytest.mark.slow
def test_same_seed_same_training(regressor, sequences):
    x, y = sequences
    histories = []
    for _ in range(2):
        net = regressor(True).realize(Windowed(30))
        with net.network:
            dropout = nengo.Node(Dropout(0.5, 20))
            nengo.Connection(net.hidden.neurons, dropout, synapse=None)
            nengo.Connection(dropout[:2], net.readout, synapse=None)
        with Simulator(net.network, minibatch_size=4, **quiet) as sim:
            sim.compile("adam", loss={net.probe: "mse"})
            fitted = sim.fit(x, {net.probe: y}, epochs=3, verbose=0)
        histories.append(fitted.history["loss"])
    assert histories[0] == histories[1]
