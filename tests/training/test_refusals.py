import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LegendreMemory, Linear, Windowed
from lmu_nengo.training import Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")

quiet = dict(progress_bar=False, seed=0)


def add_synapse(net):
    nengo.Connection(net.source[0], net.readout[0], synapse=0.01)


def add_probe_synapse(net):
    nengo.Probe(net.readout, synapse=0.01)


def add_spiking_neurons(net):
    nengo.Connection(net.source[0], nengo.Ensemble(10, 1), synapse=None)


def add_time(net):
    node = nengo.Node(lambda t, x: x * t, size_in=1)
    nengo.Connection(net.source[0], node, synapse=None)


def add_linear_memory(net):
    memory = LegendreMemory(0.03, 3)
    nengo.Connection(net.source[0], memory.input, synapse=None)


@pytest.mark.parametrize(
    "change, message",
    [
        (add_synapse, "has a state"),
        (add_probe_synapse, "has a state"),
        (add_spiking_neurons, "has a state"),
        (add_time, "reads the time"),
        (add_linear_memory, "has a state"),
    ],
)
@pytest.mark.parametrize("keep_history", [True, False])
def test_what_must_go_step_by_step_is_refused(regressor, change, message, keep_history):
    net = regressor(keep_history).realize(Windowed(30))
    with net.network:
        change(net)
    with pytest.raises(ValidationError, match=message):
        Simulator(net.network, **quiet)
    assert nengo.rc.get("precision", "bits") == "64"  # core Nengo is as it was


@pytest.mark.parametrize("synapse", [None, 0])
@pytest.mark.parametrize("keep_history", [True, False])
def test_a_loop_is_refused_with_its_path(regressor, synapse, keep_history):
    net = regressor(keep_history).realize(Windowed(30))
    with net.network:
        nengo.Connection(net.readout, net.mixed, synapse=synapse)
    with pytest.raises(ValidationError, match="mixed.* -> .*is a loop.*LMUCell"):
        Simulator(net.network, **quiet)


def test_another_length_is_refused_with_both_numbers(regressor):
    net = regressor(True).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=2, **quiet) as sim:
        with pytest.raises(ValidationError, match="must have 30 steps.*got 31"):
            sim.predict(np.zeros((2, 31, 3)), verbose=0)
        with pytest.raises(ValidationError, match="must have 30 steps.*got 29"):
            sim.run_steps(29)


def test_unrolling_a_windowed_memory_is_refused(regressor):
    net = regressor(True).realize(Windowed(30))
    with pytest.raises(ValidationError, match="must be 1 .*got 8"):
        Simulator(net.network, unroll_simulation=8, **quiet)


def test_memories_for_different_lengths_are_refused(regressor):
    net = regressor(True).realize(Windowed(30))
    with net.network:
        LegendreMemory(0.03, 3, realization=Windowed(40))
    with pytest.raises(ValidationError, match=r"\[30, 40\] steps"):
        Simulator(net.network, **quiet)


def test_another_step_is_refused_with_both_numbers(regressor):
    net = regressor(True).realize(Windowed(30))
    with pytest.raises(ValidationError, match=r"dt=0\.002 s.*dt=0\.001 s"):
        Simulator(net.network, dt=0.002, **quiet)


@pytest.mark.parametrize("where", ["inputs", "targets"])
@pytest.mark.parametrize("realization", [Windowed(30), Linear()])
def test_nan_in_training_data_is_refused(regressor, sequences, where, realization):
    x, y = (array.copy() for array in sequences)
    (x if where == "inputs" else y)[3, 2, 1] = np.nan
    net = regressor(True).realize(realization)
    with Simulator(net.network, minibatch_size=4, **quiet) as sim:
        sim.compile("sgd", loss={net.probe: "mse"})
        with pytest.raises(ValidationError, match=r"got nan at \(3, 2, 1\)"):
            sim.fit(x, {net.probe: y}, verbose=0)


def test_wrong_sizes_are_refused(regressor, sequences):
    x, _ = sequences
    net = regressor(True).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, **quiet) as sim:
        with pytest.raises(ValidationError, match="rank 3"):
            sim.predict(x[:, :, 0], verbose=0)
        with pytest.raises(ValidationError, match="source.*must have 3 dimensions.*got 2"):
            sim.predict(x[:, :, :2], verbose=0)


def test_nengodls_own_simulator_refuses_a_windowed_memory(regressor):
    net = regressor(True).realize(Windowed(30))
    with pytest.raises(ValidationError, match=r"lmu_nengo\.training\.Trainer or Simulator"):
        nengo_dl.Simulator(net.network, progress_bar=False)
    nengo.rc.set("precision", "bits", "64")  # NengoDL leaves it at 32 when it cannot build


SLICED = ("pre", "post", "neurons", "probe")


@pytest.mark.parametrize("taken", [slice(None, None, -1), slice(3, None, -1)])
@pytest.mark.parametrize("where", SLICED)
def test_a_reversed_slice_is_refused_by_name(taken, where):
    network = sliced([(taken, where)])
    with pytest.raises(ValidationError, match=r"reads as \[:\]. Use a list of indices"):
        Simulator(network, **quiet)


def test_other_slices_are_computed_as_in_nengo():
    takens = [[3, 2, 1, 0], slice(None, 0, -1), slice(2, None, -1), slice(None, None, -2)]
    network = sliced([(taken, where) for taken in takens for where in SLICED])
    x = np.random.RandomState(0).randn(1, 5, 4)
    with Simulator(network, **quiet) as sim:
        values = sim.predict(x, verbose=0)
    network.nodes[0].output = nengo.processes.PresentInput(x[0], 0.001)
    # Nengo 4.1's optimizer now and then merges reversed slices wrongly, or fails
    with nengo.Simulator(network, progress_bar=False, optimize=False) as sim:
        sim.run_steps(5)
    assert len(network.probes) == 16
    for probe in network.probes:
        assert np.abs(values[probe][0] - sim.data[probe]).max() < 1e-5


def sliced(cases):
    """A network with probes on connections, one end of which is sliced."""
    with nengo.Network(seed=0) as network:
        source, a = nengo.Node(np.zeros(4)), nengo.Node(size_in=4)
        ensemble = nengo.Ensemble(
            4, 1, neuron_type=nengo.RectifiedLinear(), gain=np.ones(4), bias=np.arange(4)
        )
        nengo.Connection(source, a, synapse=None)
        nengo.Connection(a, ensemble.neurons, synapse=None)
        for taken, where in cases:
            b, n = nengo.Node(size_in=4), len(np.arange(4)[taken])
            ends = {
                "pre": (a[taken], b[:n]),
                "post": (a[:n], b[taken]),
                "neurons": (ensemble.neurons[taken], b[:n]),
                "probe": (a, b),
            }
            nengo.Connection(*ends[where], synapse=None)
            nengo.Probe(b[taken] if where == "probe" else b)
    return network


@pytest.mark.parametrize("realization", [Windowed(5), Linear()])
@pytest.mark.parametrize("shape", [(4, 1, 2), (4, 5, 1), (4, 1, 1)])
def test_targets_that_would_be_broadcast_are_refused(realization, shape):
    network, probe = delay(realization)
    x, y, wrong = np.zeros((4, 5, 1)), np.zeros((4, 5, 2)), np.zeros(shape)
    with Simulator(network, minibatch_size=2, **quiet) as sim:
        for loss in ("mse", tf.losses.MeanAbsoluteError(), tf.losses.mean_squared_error):
            sim.compile("sgd", loss={probe: loss})
            message = r"must have the shape \(4, 5, 2\).*got \(4, .*keep_history"
            with pytest.raises(ValidationError, match=message):
                sim.fit(x, {probe: wrong}, verbose=0)
            with pytest.raises(ValidationError, match=message):
                sim.evaluate(x, {probe: wrong}, verbose=0)
            with pytest.raises(ValidationError, match=message):
                sim.fit(x, {probe: y}, validation_data=(x, {probe: wrong}), verbose=0)
        if shape != (4, 1, 1):
            return
        sim.fit(x, {probe: y}, validation_data=(x, {probe: y}), verbose=0)
        # a loss of one's own may take what it likes
        sim.compile("sgd", loss={probe: lambda t, y: tf.reduce_mean((y - t) ** 2)})
        sim.fit(x, {probe: wrong}, verbose=0)


@pytest.mark.parametrize("keep_history", [True, False])
def test_classes_must_be_given_for_each_step_that_is_shown(keep_history):
    network, probe = delay(Windowed(5), keep_history)
    right, wrong = (4, 5, 1), (4, 1, 1)
    if not keep_history:
        right, wrong = wrong, right
    with Simulator(network, minibatch_size=2, **quiet) as sim:
        loss = tf.losses.SparseCategoricalCrossentropy(from_logits=True)
        for each in (loss, "sparse_categorical_crossentropy"):
            sim.compile("sgd", loss={probe: each})
            sim.evaluate(np.zeros((4, 5, 1)), {probe: np.zeros(right)}, verbose=0)
            for shape in (wrong, (*right[:2], 2)):
                with pytest.raises(ValidationError, match="a class for each step"):
                    sim.evaluate(np.zeros((4, 5, 1)), {probe: np.zeros(shape)}, verbose=0)


def delay(realization, keep_history=True):
    """A network of input size 1 and output size 2."""
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(keep_history=keep_history)
        source, memory = nengo.Node([0]), LegendreMemory(0.005, 2, realization=realization)
        nengo.Connection(source, memory.input, synapse=None)
        readout = nengo.Node(size_in=2)
        nengo.Connection(memory.output, readout, transform=np.eye(2), synapse=None)
        probe = nengo.Probe(readout)
    return network, probe


@pytest.mark.parametrize("value", [1e39, -1e39, np.inf, np.nan, 1j, "1", None])
def test_what_is_no_number_in_single_precision_is_refused(value):
    network, probe = delay(Windowed(5))
    x = np.zeros((2, 5, 1), dtype=np.asarray(value).dtype)
    x[1, 2, 0] = value
    with Simulator(network, minibatch_size=2, **quiet) as sim:
        message = "must be real numbers|must be finite, of magnitudes up to 3.4e.38"
        with pytest.raises(ValidationError, match=message):
            sim.predict(x, verbose=0)
        sim.compile("sgd", loss="mse")
        with pytest.raises(ValidationError, match=message):
            y = np.repeat(x, 2, axis=2)
            sim.fit(np.zeros((2, 5, 1)), {probe: y}, verbose=0)
