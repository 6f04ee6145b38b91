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
    "last step": lambda: LegendreMemory(0.01, 4, SIZE),
    "hidden feedback": lambda: cell(
        hidden_kernel=drawn(3, 3), hidden_type=nengo.Sigmoid(tau_ref=1)
    ),
    "all feedback": lambda: cell(
        hidden_kernel=drawn(3, 3), hidden_encoders=drawn(1, 3), memory_encoders=drawn(1, 4)
    ),
    "trained theta": lambda: cell(hidden_kernel=drawn(3, 3), trainable=["theta"]),
    "hybrid": lambda: Stack([cell(), LSTM(3, 2, seed=1)]),
}


def wired(name, stateful=True):
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(stateful=stateful, keep_history=name != "last step")
        source = nengo.Node(np.zeros(SIZE))
        part = BUILDERS[name]()
        nengo.Connection(source, part.input, synapse=None)
        probe = nengo.Probe(part.output)
    return network, probe


def predict(sim, probe, x, stateful):
    return sim.predict(x, stateful=stateful, verbose=0)[probe]


@pytest.mark.parametrize("name", BUILDERS)
def test_two_calls_that_carry_the_state_equal_one(name):
    network, probe = wired(name)
    realize(network, Windowed(2 * STEPS))
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        whole = predict(sim, probe, X, False)
    realize(network, Windowed(STEPS))
    first, second = X[:, :STEPS], X[:, STEPS:]
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        parts = [predict(sim, probe, x, True) for x in (first, second)]
        sim.reset(include_trainable=False)
        again = predict(sim, probe, first, True)
        sim.reset(include_trainable=False)
        predict(sim, probe, first, False)  # leaves nothing behind
        alone = predict(sim, probe, first, False)
    if name == "last step":
        assert sim.path == "last step"
        assert np.abs(parts[1] - whole).max() < 1e-5
    else:
        assert np.abs(np.concatenate(parts, axis=1) - whole).max() < 1e-5
    assert np.array_equal(again, parts[0]) and np.array_equal(alone, parts[0])


def test_step_by_step_carries_the_state_too():
    network, probe = wired("all feedback")
    realize(network, Windowed(2 * STEPS))
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        whole = predict(sim, probe, X, False)
    realize(network, Linear())
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        parts = [predict(sim, probe, x, True) for x in np.split(X, 2, axis=1)]
    assert np.abs(np.concatenate(parts, axis=1) - whole).max() < 1e-5


def test_training_isolates_batches_unless_told_otherwise():
    losses = []
    for stateful in (True, False):
        network, probe = wired("memory", stateful)
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
    BUILDERS["two ways"] = lambda: Bidirectional(cell(), cell())
    network, _ = wired("two ways")
    del BUILDERS["two ways"]
    realize(network, Windowed(STEPS))
    with pytest.raises(ValidationError, match="whole sequences.*stateful"):
        Simulator(network, **quiet)
