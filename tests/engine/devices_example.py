"""Runs networks on all devices; writes what the probes recorded.

Run as ``devices_example.py OUT N_DEVICES``; one of several processes also gets ``ADDRESS
N_PROCESSES INDEX``.
"""

import sys

import jax
import nengo
import numpy as np

from lmu_nengo import engine

BATCH, STEPS = 8, 300


def make_spiking():
    """A recurrent ensemble with an input of its own and noise of its own."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0.0], label="source")
        noise = nengo.Node(nengo.processes.WhiteSignal(1.0, high=10, rms=0.3))
        ensemble = nengo.Ensemble(60, 2)
        nengo.Connection(source, ensemble[0])
        nengo.Connection(noise, ensemble[1])
        nengo.Connection(ensemble, ensemble, transform=0.5, synapse=0.05)
        probes = [
            nengo.Probe(noise),
            nengo.Probe(ensemble.neurons),
            nengo.Probe(ensemble, synapse=0.01, sample_every=0.003),
        ]
    return network, source, probes


def make_python():
    """A node that calls Python in each step."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0.0], label="source")
        node = nengo.Node(lambda t, x: t * x**2, size_in=1)
        nengo.Connection(source, node, synapse=0.01)
        probes = [nengo.Probe(node)]
    return network, source, probes


def make_nan():
    """A node that gives NaN if its input is negative."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0.0], label="source")
        root = nengo.Node(
            engine.jax_function(lambda t, x: jax.numpy.sqrt(x)), size_in=1, size_out=1
        )
        nengo.Connection(source, root, synapse=None)
        probes = [nengo.Probe(root)]
    return network, source, probes


def run(make, x, times=1):
    """What the probes recorded, and the message of an error."""
    network, source, probes = make()
    error = ""
    with engine.Simulator(network, minibatch_size=len(x), progress_bar=False) as sim:
        try:
            for part in np.split(x, times, axis=1):
                sim.run_steps(part.shape[1], data={source: part})
        except FloatingPointError as raised:
            error = str(raised)
    return [sim.data[probe] for probe in probes], error


def refusal(call):
    """The message of the error that a call raises."""
    try:
        call()
    except nengo.exceptions.ValidationError as error:
        return str(error)
    return ""


def main():
    """Run everything."""
    out, n_devices, *processes = sys.argv[1:]
    jax.config.update("jax_num_cpu_devices", int(n_devices))
    if processes:
        address, n_processes, index = processes
        jax.distributed.initialize(address, int(n_processes), int(index))

    x = np.random.RandomState(1).uniform(-1, 1, (BATCH, 1, 1)) * np.ones((1, STEPS, 1))
    positive = np.abs(x)
    positive[-1, STEPS // 2 :] = -1  # in the part of the last device
    results = {"n_devices": len(jax.devices())}
    results["noise"], results["spikes"], results["decoded"] = run(make_spiking, x, times=2)[
        0
    ]
    (results["python"],) = run(make_python, x[:, :20])[0]
    (results["root"],), results["error"] = run(make_nan, positive)
    if processes:
        results["batch"] = refusal(lambda: run(make_nan, positive[:5]))

        def make_without_seed():
            network, *others = make_nan()
            network.seed = None
            return network, *others

        results["seed"] = refusal(lambda: run(make_without_seed, positive))
    np.savez(out, **results)


if __name__ == "__main__":
    main()
