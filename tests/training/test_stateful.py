"""States that go on from one call to the next, are reset, or are given."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import (
    LSTM,
    Bidirectional,
    LegendreMemory,
    Linear,
    LMUCell,
    Stack,
    Windowed,
    realize,
)
from lmu_nengo.training import Simulator, nengo_dl

STEPS, BATCH, SIZE = 10, 3, 2
X = np.random.RandomState(0).randn(BATCH, 2 * STEPS, SIZE).astype(np.float32)
quiet = dict(progress_bar=False, seed=0)


def drawn(*shape):
    return 0.4 * np.random.RandomState(len(shape)).randn(*shape)


def cell(**kwargs):
    return LMUCell(SIZE, memory_d=1, theta=0.01, order=4, hidden_d=3, seed=1, **kwargs)


BUILDERS = {
    "memory": lambda: LegendreMemory(0.01, 4, SIZE),
    "hidden feedback": lambda: cell(
        hidden_kernel=drawn(3, 3), hidden_type=nengo.Sigmoid(tau_ref=1)
    ),
    "all feedback": lambda: cell(
        hidden_kernel=drawn(3, 3), hidden_encoders=drawn(1, 3), memory_encoders=drawn(1, 4)
    ),
    "trained theta": lambda: cell(hidden_kernel=drawn(3, 3), trainable=["theta"]),
    "hybrid": lambda: Stack([cell(), LSTM(3, 2, seed=1)]),
}


def wired(*names, stateful=True, keep_history=True):
    """A network with some of them, and the probes on their outputs."""
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(stateful=stateful, keep_history=keep_history)
        source = nengo.Node(np.zeros(SIZE))
        probes = []
        for name in names:
            part = BUILDERS[name]()
            nengo.Connection(source, part.input, synapse=None)
            probes.append(nengo.Probe(part.output))
    return network, probes


def predict(sim, probes, x, stateful):
    values = sim.predict(x, stateful=stateful, verbose=0)
    return np.concatenate([values[probe] for probe in probes], axis=-1)


@pytest.mark.parametrize("path", ["all steps", "last step"])
def test_two_calls_that_carry_the_state_equal_one(path):
    names = ["memory"] if path == "last step" else BUILDERS
    network, probes = wired(*names, keep_history=path == "all steps")
    realize(network, Windowed(2 * STEPS))
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        whole = predict(sim, probes, X, False)
    realize(network, Windowed(STEPS))
    first, second = X[:, :STEPS], X[:, STEPS:]
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        parts = [predict(sim, probes, x, True) for x in (first, second)]
        sim.reset(include_trainable=False)
        again = predict(sim, probes, first, True)
        sim.reset(include_trainable=False)
        predict(sim, probes, first, False)  # leaves nothing behind
        alone = predict(sim, probes, first, False)
    assert sim.path == path
    joined = np.concatenate(parts, axis=1) if path == "all steps" else parts[1]
    assert np.abs(joined - whole).max() < 1e-5
    assert np.array_equal(again, parts[0]) and np.array_equal(alone, parts[0])


def test_step_by_step_carries_the_state_too():
    network, probes = wired("all feedback")
    realize(network, Windowed(2 * STEPS))
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        whole = predict(sim, probes, X, False)
    realize(network, Linear())
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        parts = [predict(sim, probes, x, True) for x in np.split(X, 2, axis=1)]
    assert np.abs(np.concatenate(parts, axis=1) - whole).max() < 1e-5


def test_training_isolates_batches_by_default():
    losses = []
    for stateful in (True, False):
        network, (probe,) = wired("memory", stateful=stateful)
        realize(network, Windowed(2 * STEPS))
        with Simulator(network, minibatch_size=1, **quiet) as sim:
            sim.compile("sgd", loss={probe: "mse"})
            y = np.zeros((BATCH, 2 * STEPS, 8))
            losses.append(sim.evaluate(X, {probe: y}, verbose=0)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("realization", [Linear(), Windowed(STEPS)])
def test_a_memory_starts_from_a_given_state(realization):
    with nengo.Network(seed=0) as network:
        source, start = nengo.Node(np.zeros(SIZE)), nengo.Node(np.zeros(8))
        memory = LegendreMemory(0.01, 4, SIZE, start=True)
        nengo.Connection(source, memory.input, synapse=None)
        nengo.Connection(start, memory.start, synapse=None)
        probe = nengo.Probe(memory.output)
    given = np.zeros((BATCH, 2 * STEPS, 8), np.float32)
    inputs = {source: X, start: given}
    realize(network, Linear())
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        whole = sim.predict(inputs, verbose=0)[probe]
    realize(network, realization)
    given[:, STEPS] = memory.going_on_from(whole[:, STEPS - 1])
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        second = {node: x[:, STEPS:] for node, x in inputs.items()}
        rest = sim.predict(second, verbose=0)[probe]
    assert np.abs(rest - whole[:, STEPS:]).max() < 1e-5


def test_a_network_for_whole_sequences_cannot_carry_a_state():
    with nengo.Network() as network:
        nengo_dl.configure_settings(stateful=True)
        Bidirectional(cell(), cell())
    realize(network, Windowed(STEPS))
    with pytest.raises(ValidationError, match="whole sequences.*stateful"):
        Simulator(network, **quiet)


@pytest.mark.parametrize("stateful", [True, False])
@pytest.mark.parametrize("realization", [Windowed(STEPS), Linear()])
def test_steps_and_times_are_those_of_what_was_run(stateful, realization):
    network, (probe,) = wired("memory", stateful=stateful)
    with network:
        rare = nengo.Probe(probe.obj, sample_every=0.005)
    realize(network, realization)
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        for times in (1, 2):
            sim.run_steps(STEPS, data={network.nodes[0]: X[:, :STEPS]})
            assert sim.n_steps == times * STEPS == sim.data[probe].shape[1]
            assert sim.time == pytest.approx(times * STEPS * 0.001)
            assert sim.trange() == pytest.approx(0.001 * np.arange(1, sim.n_steps + 1))
        assert sim.data[rare].shape[1] == len(sim.trange(sample_every=0.005)) == 4
        assert np.array_equal(sim.data[rare], sim.data[probe][:, 4::5])
        with pytest.raises(ValidationError):
            sim.run_steps(STEPS, data={network.nodes[0]: X[:, : STEPS - 1]})
        assert sim.n_steps == 2 * STEPS
        sim.reset()
        assert (sim.n_steps, sim.time, len(sim.trange())) == (0, 0, 0)
