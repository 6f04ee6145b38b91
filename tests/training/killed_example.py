"""A process that trains as it is told; `test_killed.py` kills what it forks."""

import hashlib
import json
import os
import sys
from pathlib import Path

import nengo
import numpy as np

import lmu_nengo
from lmu_nengo.processes import Dropout
from lmu_nengo.training import Checkpoint, Simulator

EPOCHS, N_STEPS, N_SEQUENCES = 12, 12, 16
X = np.random.RandomState(0).randn(N_SEQUENCES, N_STEPS, 1)
Y = np.roll(X, 3, axis=1)


def build():
    """A small network with dropout, whose parameters fill a file of some size."""
    with nengo.Network(seed=0) as network:
        network.x = nengo.Node([0])
        memory = lmu_nengo.LegendreMemory(0.01, 6)
        hidden = nengo.Ensemble(
            2000,
            1,
            neuron_type=nengo.RectifiedLinear(),
            gain=np.ones(2000),
            bias=np.zeros(2000),
        )
        dropout = nengo.Node(Dropout(0.2, 2000))
        answer = nengo.Node(size_in=1)
        rng = np.random.RandomState(1)

        def connect(pre, post, weights=None):
            options = {} if weights is None else {"transform": weights}
            nengo.Connection(pre, post, synapse=None, **options)

        connect(network.x, memory.input)
        connect(memory.output, hidden.neurons, rng.randn(2000, 6) / 3)
        connect(hidden.neurons, dropout)
        connect(dropout, answer, rng.randn(1, 2000) / 50)
        network.probe = nengo.Probe(answer)
    lmu_nengo.realize(network, lmu_nengo.Windowed(N_STEPS))
    return network


def train(path):
    """Train to the end, from where the file ends; write what came out beside it."""
    network, path = build(), Path(path)
    with Simulator(network, minibatch_size=4, seed=0, progress_bar=False) as sim:
        sim.compile("adam", loss={network.probe: "mse"})
        keeper = Checkpoint(sim, path, "loss", resume=True, settings={}, mode="min")
        first = keeper.epoch
        sim.fit(
            {network.x: X},
            {network.probe: Y},
            epochs=EPOCHS,
            initial_epoch=first,
            callbacks=[keeper],
            verbose=0,
        )
        weights = [v.numpy() for v in sim.keras_model.weights]
        weights += [v.numpy() for v in sim.keras_model.optimizer.variables]
        keeper.restore_best()
        weights += [v.numpy() for v in sim.keras_model.weights]
    digest = hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()
    result = {"first": first, "history": keeper.history, "weights": digest}
    lmu_nengo.io.write_atomically(path.with_suffix(".json"), json.dumps(result).encode())


if __name__ == "__main__":
    # TensorFlow is imported, but has not computed anything yet: it can be forked
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            train(line.strip())
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)
