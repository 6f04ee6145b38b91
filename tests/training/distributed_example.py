"""Trains one network in one of several ways; writes losses and parameters as JSON.

Run as ``distributed_example.py WAY OUT PATH...``; a worker of several has TF_CONFIG.
"""

import contextlib
import json
import sys
from pathlib import Path

import nengo
import numpy as np

import lmu_nengo
from lmu_nengo.training import Checkpoint, Simulator, nengo_dl

import tensorflow as tf  # isort: skip

STEPS, BATCH = 12, 8


def build(realization, drop=False, keep_history=False):
    """Build a memory, a hidden layer and a read-out."""
    rng = np.random.RandomState(0)
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(keep_history=keep_history)
        source = nengo.Node(np.zeros(2), label="source")
        memory = lmu_nengo.LegendreMemory(STEPS * 0.001, 4, 2, realization)
        hidden = nengo.Ensemble(
            10, 1, neuron_type=nengo.Tanh(1), gain=np.ones(10), bias=np.zeros(10)
        )
        readout = nengo.Node(size_in=2)
        dropout = nengo.Node(lmu_nengo.processes.Dropout(0.5, 10))

        def connect(pre, post):
            weights = rng.randn(post.size_in, pre.size_out) / np.sqrt(pre.size_out)
            nengo.Connection(pre, post, transform=weights, synapse=None)

        nengo.Connection(source, memory.input, synapse=None)
        connect(memory.output, hidden.neurons)
        if drop:
            nengo.Connection(hidden.neurons, dropout, synapse=None)
        connect(dropout if drop else hidden.neurons, readout)
        probe = nengo.Probe(readout, label="readout")
    return network, probe


def strategy_of(way):
    """Strategy of ``tf.distribute``, or ``None`` for one device."""
    if way == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.MultiWorkerMirroredStrategy() if way == "workers" else None


def train(strategy, folder, realization, **options):
    """Loss and validation loss of three epochs, and the trained parameters."""
    network, probe = build(realization, **options)
    rng = np.random.RandomState(1)
    x = rng.randn(32, STEPS, 2).astype(np.float32)
    y = np.cumsum(x, axis=1)[:, -1:] if not options.get("keep_history") else x
    with (
        strategy.scope() if strategy else contextlib.nullcontext(),
        Simulator(network, minibatch_size=BATCH, seed=3, progress_bar=False) as sim,
    ):
        sim.compile(tf.optimizers.Adam(0.01), loss={probe: "mse"})
        keeper = Checkpoint(sim, folder / "checkpoint.npz", "loss", mode="min")
        fitted = sim.fit(
            x,
            {probe: y},
            epochs=3,
            verbose=0,
            validation_data=(x[:16], {probe: y[:16]}),
            callbacks=[keeper],
        )
        evaluated = sim.evaluate(x[:16], {probe: y[:16]}, verbose=0)["loss"]
        outputs = None
        if type(strategy).__name__ != "CollectiveAllReduceStrategy":
            outputs = sim.predict(x[:16], verbose=0)[probe].ravel().tolist()
        sim.freeze_params(network)
    return {
        "path": sim.path,
        "loss": fitted.history["loss"],
        "val_loss": fitted.history["val_loss"],
        "evaluated": evaluated,
        "outputs": outputs,
        "weights": network.connections[-1].transform.init.ravel().tolist(),
    }


def outputs_of_replicas(strategy, realization):
    """What each replica gives in training for the same input."""
    network, probe = build(realization, drop=True)
    quiet = dict(seed=3, progress_bar=False)
    with strategy.scope(), Simulator(network, minibatch_size=2, **quiet) as sim:
        sim.compile("sgd", loss={probe: "mse"})
        inputs = [np.ones((1, STEPS, 2), np.float32), np.full((1, 1), STEPS)]

        @tf.function
        def run():
            return strategy.run(lambda: sim.keras_model(inputs, training=True)[0])

        parts = strategy.experimental_local_results(run())
    return [part.numpy().ravel().tolist() for part in parts]


def main():
    """Train in several ways in one process, as TensorFlow takes long to start."""
    way, out, kinds = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    out.mkdir(exist_ok=True)
    strategy = strategy_of(way)
    windowed = lmu_nengo.Windowed(STEPS)
    options = {
        "last step": dict(realization=windowed),
        "all steps": dict(realization=windowed, keep_history=True),
        "step by step": dict(realization=lmu_nengo.Linear()),
    }
    results = {kind: train(strategy, out, **options[kind]) for kind in kinds}
    if way == "mirrored":
        results["one"] = {kind: train(None, out, **options[kind]) for kind in kinds}
        results["replicas"] = outputs_of_replicas(strategy, windowed)
    results["wrote"] = sorted(path.name for path in out.iterdir())
    (out / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
