"""Processes that bring a JAX step: the library's own, and a user's."""

import nengo
import numpy as np
import pytest

from lmu_nengo import LSTM, Band, LegendreMemory, Spiking, engine
from lmu_nengo.nef import DelayedLowpass
from lmu_nengo.processes import Dropout, GaussianNoise, Only

STEPS = 30


def compare(make_end, n_callbacks=0):
    """A node of noise, and what `make_end` connects to it, in core and in the engine."""
    with nengo.Network(seed=0) as network:
        x = np.random.RandomState(0).randn(STEPS, 3)
        u = nengo.Node(nengo.processes.PresentInput(x, 0.001))
        probe = nengo.Probe(make_end(u))
    with nengo.Simulator(network, progress_bar=False) as core:
        core.run_steps(STEPS)
    with engine.Simulator(network, precision="float64", progress_bar=False) as sim:
        assert len(sim._program.builder.callbacks) == n_callbacks
        sim.run_steps(STEPS)
    assert np.ptp(core.data[probe]) > 0.1
    np.testing.assert_allclose(sim.data[probe], core.data[probe], atol=1e-12)


@pytest.mark.parametrize(
    "process", [Dropout(0.5, 3), GaussianNoise(1.0, 3), Only(4, 20, 3), Only(7, None, 3)]
)
def test_nodes_are_compiled(process):
    def through(u):
        node = nengo.Node(process)
        nengo.Connection(u, node, synapse=None)
        return node

    compare(through)


def test_an_lstm_is_compiled():
    def through(u):
        lstm = LSTM(3, 5, seed=0)
        nengo.Connection(u, lstm.input, synapse=None)
        return lstm.output

    compare(through)


@pytest.mark.parametrize(("tau", "delay"), [(0.01, 0.004), (0.01, 0.0), (1e-6, 0.003)])
def test_a_delayed_lowpass_is_compiled(tau, delay):
    def through(u):
        node = nengo.Node(size_in=3)
        nengo.Connection(u, node, synapse=DelayedLowpass(tau, delay))
        return node

    compare(through)


@pytest.mark.parametrize(
    "synapse", [nengo.Alpha(0.1), DelayedLowpass(0.1, 0.005), [0.1, 0.08, 0.05]]
)
def test_a_spiking_memory_is_compiled_whatever_its_synapse(synapse):
    def through(u):
        how = Spiking(60, synapse=synapse, lead=0, expected_input=Band(5.0, 1.0))
        memory = LegendreMemory(0.2, 3, realization=how)
        nengo.Connection(u[0], memory.input, synapse=None)
        return memory.output

    compare(through)


def test_a_memory_of_neurons_that_adapt_is_compiled_with_their_response():
    def through(u):
        how = Spiking(60, nengo.AdaptiveLIF(), expected_input=Band(5.0, 1.0))
        memory = LegendreMemory(0.2, 3, realization=how)
        nengo.Connection(u[0], memory.input, synapse=None)
        return memory.output

    compare(through)


class Leak(nengo.Process):
    """``y = 0.5 y + x``."""

    def make_state(self, shape_in, shape_out, dt, dtype=None):
        return {"y": np.zeros(shape_out, dtype)}

    def make_step(self, shape_in, shape_out, dt, rng, state):
        y = state["y"]

        def step(t, x):
            y[...] = 0.5 * y + x
            return y

        return step

    def make_jax_step(self, shape_in, shape_out, dt):
        def step(t, x, y):
            y = 0.5 * y + x
            return y, {"y": y}

        return step


class Faster(Leak):
    """Another step, which only NumPy has."""

    def make_step(self, shape_in, shape_out, dt, rng, state):
        return lambda t, x: 2 * x


def through(process):
    def connect(u):
        node = nengo.Node(process, size_in=3, size_out=3)
        nengo.Connection(u, node, synapse=None)
        return node

    return connect


def test_a_users_process_is_compiled():
    compare(through(Leak()))


def test_a_jax_step_does_not_stand_for_an_overridden_one():
    compare(through(Faster()), n_callbacks=1)
