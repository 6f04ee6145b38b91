import nengo
import numpy as np
import pytest
from nengo.synapses import Triangle


def slow(*values):
    """Cases that differ little from others."""
    return pytest.param(*values, marks=pytest.mark.slow)


class Doubled(nengo.synapses.Synapse):
    """A synapse in NumPy, with state: twice its input two steps before."""

    def make_state(self, shape_in, shape_out, dt, dtype=None, y0=0):
        return {"last": np.zeros(shape_out)}

    def make_step(self, shape_in, shape_out, dt, rng, state):
        last = state["last"]

        def step(t, x):
            y = 2 * last
            last[...] = x
            return y

        return step


SYNAPSES = {
    "lowpass": nengo.Lowpass(0.01),
    "lowpass of no time": nengo.Lowpass(0),
    "alpha": nengo.Alpha(0.02),
    "proper": nengo.LinearFilter([1, 2], [0.01, 0.3, 3]),
    "passing on": nengo.LinearFilter([1e-4, 0, 1], [1e-4, 0.02, 1]),
    "gain": nengo.LinearFilter([0.5], [1.0]),
    "integrator": nengo.LinearFilter([1], [1, 0], method="euler"),
    "digital": nengo.LinearFilter([0.2, 0.1], [1, -0.5], analog=False),
    "triangle": Triangle(0.01),
    "triangle of no time": Triangle(0),
}


@pytest.mark.parametrize("way", ["optimized", slow("batch_not_optimized")])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("name", SYNAPSES)
def test_agrees_with_core(run_both, name, size, way):
    with nengo.Network(seed=0) as network:
        noise = nengo.Node(nengo.processes.WhiteNoise(seed=1), size_out=size)
        output = nengo.Node(size_in=size)
        nengo.Connection(noise, output, synapse=SYNAPSES[name])
        probe = nengo.Probe(output, synapse=SYNAPSES[name])
    assert run_both(network, 200, way).largest_error(probe) < 1e-12


def test_synapse_of_the_user_is_called(run_both):
    with nengo.Network() as network:
        ramp = nengo.Node(lambda t: [t, -t])
        output = nengo.Node(size_in=2)
        nengo.Connection(ramp, output, synapse=Doubled(default_size_in=2))
        probe = nengo.Probe(output)
    with pytest.warns(UserWarning, match="the process Doubled"):
        both = run_both(network, 50, "batch")
    assert both.largest_error(probe) < 1e-12
    n = np.arange(1, 51)
    expected = np.maximum(n - 2, 0) * 0.002
    assert np.allclose(both.engine[probe], np.stack([expected, -expected], axis=1))


def test_many_filters_of_one_signal(run_both):
    with nengo.Network(seed=0) as network:
        noise = nengo.Node(nengo.processes.WhiteNoise(seed=1), size_out=2)
        output = nengo.Node(size_in=2)
        for synapse in SYNAPSES.values():
            nengo.Connection(noise, output, synapse=synapse)
        nengo.Connection(output, output, transform=0.1, synapse=Triangle(0.003))
        probe = nengo.Probe(output)
    assert run_both(network, 200).largest_error(probe) < 1e-12
