"""A network with everything in it that is saved; built here and in another process."""

import nengo
import numpy as np

from lmu_nengo import LSTM, LegendreMemory, LMUCell
from lmu_nengo.processes import Dropout

STEPS = 20


def build(order=4, n_neurons=15, seed=0, kind=nengo.RectifiedLinear):
    with nengo.Network(seed=seed) as network:
        source = nengo.Node(np.zeros(2), label="source")
        memory = LegendreMemory(0.02, order, memory_d=2)
        hidden = nengo.Ensemble(
            n_neurons,
            1,
            neuron_type=kind(),
            gain=np.ones(n_neurons),
            bias=np.zeros(n_neurons),
            label="hidden",
        )
        cell = LMUCell(
            2,
            memory_d=1,
            theta=0.02,
            order=order,
            hidden_d=6,
            hidden_kernel=np.eye(6) / 2,
            trainable=["memory_kernel", "bias", "hidden_kernel", "theta", "A"],
        )
        lstm = LSTM(2, 5)
        dropout = nengo.Node(Dropout(0.2, n_neurons))
        classes = nengo.Node(size_in=3, label="classes")
        rng = np.random.RandomState(seed)

        def connect(pre, post):
            weights = rng.randn(post.size_in, pre.size_out) / 3
            nengo.Connection(pre, post, transform=weights, synapse=None)

        for post in (memory, cell, lstm):
            nengo.Connection(source, post.input, synapse=None)
        connect(memory.output, hidden.neurons)
        nengo.Connection(hidden.neurons, dropout, synapse=None)
        for pre in (dropout, cell.output, lstm.output):
            connect(pre, classes)
        ens = nengo.Ensemble(30, 1, neuron_type=nengo.Tanh(), label="decoded")
        nengo.Connection(source[0], ens, synapse=None)
        nengo.Connection(ens, classes[0], function=np.square, synapse=None)
        nengo.Probe(classes)
    return network


def run(network):
    x = np.random.RandomState(3).randn(20, 2)
    network.nodes[0].output = nengo.processes.PresentInput(x, 0.001)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(20)
    return sim.data[network.probes[0]]
