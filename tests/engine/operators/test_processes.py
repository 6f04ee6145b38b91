import nengo
import numpy as np
import pytest
from nengo.processes import (
    BrownNoise,
    FilteredNoise,
    Piecewise,
    PresentInput,
    WhiteNoise,
    WhiteSignal,
)

from lmu_nengo import engine

PROCESSES = {
    "white noise": WhiteNoise(),
    "white noise, uniform": WhiteNoise(nengo.dists.Uniform(-1, 1), scale=False, seed=2),
    "filtered noise": FilteredNoise(nengo.Alpha(0.01)),
    "brown noise": BrownNoise(),
    "white signal": WhiteSignal(0.1, high=50),
    "white signal from 0": WhiteSignal(0.1, high=50, y0=0, seed=4),
    "inputs": PresentInput(np.arange(12).reshape(4, 3), 0.007),
    "steps": Piecewise({0.01: [1, 2, 3], 0.05: [3, 2, 1]}),
    "functions": Piecewise({0.01: [1, 2, 3], 0.05: lambda t: [t, t**2, 1]}),
    "spline": Piecewise({0: [1, 2, 3], 0.05: [3, 2, 1], 0.1: [0, 1, 0]}, "linear"),
}


class Walk(nengo.Process):
    """A process of the user: a random walk, in NumPy, to which its input is added."""

    def make_state(self, shape_in, shape_out, dt, dtype=None):
        return {"position": np.ones(shape_out), "count": np.zeros(1, dtype=int)}

    def make_step(self, shape_in, shape_out, dt, rng, state):
        position, count = state["position"], state["count"]

        def step(t, x=0):
            count[0] += 1
            position[...] += rng.normal(size=shape_out) + np.sum(x)
            return position / count

        return step


# Nengo's optimizer changes the order in which processes get their seeds
@pytest.mark.parametrize("way", ["not_optimized", "batch_not_optimized"])
@pytest.mark.parametrize("name", PROCESSES)
def test_agrees_with_core(run_both, name, way):
    with nengo.Network(seed=1) as network:
        probes = [
            nengo.Probe(nengo.Node(PROCESSES[name], size_out=3)),
            nengo.Probe(nengo.Node(PROCESSES[name], size_out=3), synapse=0.01),
        ]
    both = run_both(network, 150, way)
    for probe in probes:
        assert both.largest_error(probe) < 1e-12


@pytest.mark.parametrize("way", ["not_optimized", "batch_not_optimized"])
def test_process_of_the_user_agrees_with_core(run_both, way):
    with nengo.Network(seed=1) as network:
        alone = nengo.Node(Walk(), size_out=3)
        driven = nengo.Node(Walk(), size_in=2, size_out=3)
        nengo.Connection(alone[:2], driven, synapse=0.01)
        probes = nengo.Probe(alone), nengo.Probe(driven)
    with pytest.warns(UserWarning, match="the process Walk"):
        both = run_both(network, 100, way)
    for probe in probes:
        assert both.largest_error(probe) < 1e-12


def test_noise_is_injected_into_neurons(run_both):
    with nengo.Network(seed=1) as network:
        ensemble = nengo.Ensemble(50, 1, noise=WhiteNoise(nengo.dists.Gaussian(0, 0.5)))
        probe = nengo.Probe(ensemble.neurons)
    both = run_both(network, 300)
    assert np.count_nonzero(both.core[probe]) > 100
    assert np.array_equal(both.engine[probe], both.core[probe])


@pytest.mark.parametrize("process", [WhiteNoise, Walk])
def test_only_a_process_without_seed_differs_between_sequences(process):
    with nengo.Network(seed=1) as network:
        own = nengo.Probe(nengo.Node(process(), size_out=1))
        same = nengo.Probe(nengo.Node(process(seed=5), size_out=1))
    with engine.Simulator(network, progress_bar=False, minibatch_size=3) as sim:
        sim.run_steps(50)
        first = np.array(sim.data[own])
        assert np.ptp(sim.data[same], axis=0).max() == 0
        assert np.all(np.ptp(first, axis=0) > 0)
        sim.reset()
        sim.run_steps(20)
        sim.run_steps(30)
        assert np.array_equal(sim.data[own], first)
        sim.reset(seed=sim.seed + 1)
        sim.run_steps(50)
        assert not np.array_equal(sim.data[own], first)


def test_sequences_of_a_called_process_have_their_own_state():
    with nengo.Network(seed=1) as network:
        stimulus = nengo.Node([0.0])
        walk = nengo.Node(Walk(), size_in=1, size_out=1)
        nengo.Connection(stimulus, walk, synapse=None)
        probe = nengo.Probe(walk)
    data = np.broadcast_to([[[0.0]], [[100.0]]], (2, 400, 1))
    with (
        pytest.warns(UserWarning),
        engine.Simulator(network, progress_bar=False, minibatch_size=2) as sim,
    ):
        sim.run_steps(400, data={stimulus: data})
    # the mean step: that of a random walk is within 5 standard errors of 0
    assert np.all(np.abs(sim.data[probe][:, -1, 0] - [0, 100]) < 5 / np.sqrt(400) + 0.01)
