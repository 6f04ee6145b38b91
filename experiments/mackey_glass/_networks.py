"""Networks of the Mackey-Glass experiment."""

import nengo
import numpy as np

import lmu_nengo
from experiments._lib.results import checksum
from lmu_nengo.layers.initializers import Glorot
from lmu_nengo.training import configure_settings

N_LAYERS = 4
BATCH = 32
DT = 0.001
LMU = dict(memory_d=4, order=6, theta=20 * DT, input_kernel=Glorot())
# sizes of the LMU layers and of the other layers, for about 18,000 parameters
SIZES = {"lmu": (60, 0), "hybrid": (46, 25), "lstm": (0, 25), "rnn": (0, 50)}
# initial learning rates, chosen by validation in a few runs
RATES = {"lmu": 3e-3, "hybrid": 5e-3, "lstm": 1e-2, "rnn": 3e-3}


def build(kind, seed):
    """
    Build a network of LMU layers, alternating with LSTM layers in the hybrid.

    Parameters
    ----------
    kind : {"lmu", "hybrid"}
        The network.
    seed : int
        Seed of the weights.

    Returns
    -------
    network : nengo.Network
        The network.
    signal : nengo.Node
        Its input.
    probe : nengo.Probe
        The prediction, and an unused value.
    """
    hidden_d, lstm_d = SIZES[kind]
    with nengo.Network(seed=seed, label=f"Mackey-Glass {kind}") as network:
        configure_settings(keep_history=True)
        signal = nengo.Node([0], label="signal")
        one = nengo.Node([1], label="one")
        layers, size = [], 1
        for i in range(N_LAYERS):
            if lstm_d and i % 2:
                layers.append(lmu_nengo.LSTM(size, lstm_d, seed=N_LAYERS * seed + i))
            else:
                cell = dict(LMU, hidden_d=hidden_d, dt=DT, seed=N_LAYERS * seed + i)
                layers.append(lmu_nengo.LMUCell(size, **cell))
            size = layers[-1].output.size_out
        stack = lmu_nengo.Stack(layers)
        # two values, because the target has its weight as a second one
        ahead = nengo.Node(size_in=2, label="prediction")
        weights = np.random.RandomState(seed).randn(1, size) / np.sqrt(size)
        nengo.Connection(signal, stack.input, synapse=None)
        nengo.Connection(stack.output, ahead[:1], transform=weights, synapse=None)
        nengo.Connection(one, ahead[:1], transform=[[0.0]], synapse=None)
        probe = nengo.Probe(ahead)
    return network, signal, probe


def settings_of(kind, seconds, seed, data, validation):
    """What a training depends on, for its checkpoint."""
    return {
        "kind": kind,
        "size": SIZES[kind],
        "seconds": seconds,
        "rate": RATES[kind],
        "batch": BATCH,
        "seed": seed,
        "data": checksum(*data, *validation),
    }
