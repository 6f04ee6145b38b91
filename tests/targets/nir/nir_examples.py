"""Networks and graphs for the tests of NIR."""

import numpy as np
import pytest

from experiments.spiking._nir_networks import DT
from lmu_nengo import targets

CONSUMERS = ("norse", "spikingjelly")


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
