import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LegendreMemory, Linear, Windowed
from lmu_nengo.training import Simulator, nengo_dl

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
    with pytest.raises(ValidationError, match=r"lmu_nengo\.training\.Simulator"):
        nengo_dl.Simulator(net.network, progress_bar=False)
    nengo.rc.set("precision", "bits", "64")  # NengoDL leaves it at 32 when it cannot build
