"""A process that streams a signal in two sessions; `test_stream.py` starts it."""

import sys

import nengo
import numpy as np

import lmu_nengo

SIGNAL = 0.3 * np.random.RandomState(0).randn(120, 1)


def build(delay=0.5):
    """A delay in spiking neurons."""
    with nengo.Network(seed=0) as network:
        network.sample = nengo.Node([0])
        memory = lmu_nengo.LegendreMemory(
            0.1, 4, realization=lmu_nengo.Spiking(80, nengo.LIF(), synapse=0.02)
        )
        delayed = nengo.Node(size_in=1)
        weights = lmu_nengo.delay_decoders(4, delay)
        nengo.Connection(network.sample, memory.input, synapse=None)
        nengo.Connection(memory.output, delayed, transform=weights, synapse=None)
        network.probe = nengo.Probe(delayed, synapse=0.01)
    return network


if __name__ == "__main__":
    engine, state, output = sys.argv[1:]
    with lmu_nengo.Stream(build(), engine=engine) as stream:
        stream.load(state)
        np.save(output, stream.push(SIGNAL[60:]))
    assert "tensorflow" not in sys.modules
    assert engine == "jax" or "jax" not in sys.modules
