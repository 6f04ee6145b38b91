"""Networks and graphs for the tests of NIR."""

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo import targets

DT = 0.001
CONSUMERS = ("norse", "spikingjelly")


def make_delay(seed, neuron_type, theta=0.2, order=4, n_neurons=800, seconds=5.0):
    """A memory that delays noise of 2 Hz by theta; network, input's and output's probe."""
    with nengo.Network(seed=seed) as network:
        noise = nengo.processes.WhiteSignal(seconds, high=2, rms=0.4, seed=seed)
        u = nengo.Node(noise, label="u")
        realization = lmu_nengo.Spiking(
            n_neurons, neuron_type, expected_input=lmu_nengo.Band(2, 0.4)
        )
        network.memory = lmu_nengo.LegendreMemory(theta, order, realization=realization)
        nengo.Connection(u, network.memory.input, synapse=None)
        delayed = nengo.Node(size_in=1, label="delayed")
        decoders = lmu_nengo.delay_decoders(order, 1.0)
        nengo.Connection(network.memory.output, delayed, transform=decoders, synapse=None)
        probes = nengo.Probe(u), nengo.Probe(delayed)
    return network, *probes


def delay_error(u, delayed, theta=0.2):
    """NRMSE of the delayed input, both through 20 ms, the first second left out."""
    late = round(theta / DT)
    target = np.concatenate([np.zeros((late, 1)), u[:-late]])
    lowpass = nengo.Lowpass(0.02)
    delayed, target = (lowpass.filt(x, dt=DT, y0=0)[1000:] for x in (delayed, target))
    return np.sqrt(np.mean((delayed - target) ** 2) / np.mean(target**2))


def consumer(name):
    pytest.importorskip("nir")
    if not targets.installed(name):  # importing Norse here would import TensorFlow
        pytest.skip(f"needs {name}")
    # on a busy machine, threads that wait for each other take most of the time
    pytest.importorskip("torch").set_num_threads(1)
    return targets.load(name).make_module


def small_graph(n=3, d=2, seed=0):
    """Random neurons that are connected to themselves, with different parameters."""
    nir = pytest.importorskip("nir")
    rng = np.random.RandomState(seed)

    def f(x):
        return np.asarray(x, dtype=np.float32)

    nodes = {
        "input": nir.Input({"input": np.array([d])}),
        "encode": nir.Affine(f(0.1 * rng.randn(n, d)), f(0.1 * rng.rand(n))),
        "neurons": nir.CubaLIF(
            tau_syn=f(np.full(n, 0.005)),
            tau_mem=f(np.full(n, 0.02)),
            r=f(np.full(n, 20.0)),
            v_leak=f(np.zeros(n)),
            v_threshold=f(np.ones(n)),
            v_reset=f(np.zeros(n)),
            w_in=f(np.full(n, 5.0)),
        ),
        "recurrent": nir.Affine(f(0.1 * rng.randn(n, n)), f(np.zeros(n))),
        "readout": nir.Affine(f(rng.randn(2, n)), f(rng.randn(2))),
        "output": nir.Output({"output": np.array([2])}),
    }
    edges = [
        ("input", "encode"),
        ("encode", "neurons"),
        ("neurons", "recurrent"),
        ("recurrent", "neurons"),
        ("neurons", "readout"),
        ("readout", "output"),
    ]
    return nir.NIRGraph(nodes, edges, metadata={"dt": DT})
