"""Compiled programs are shared by simulators of equal networks, and only by these."""

import nengo
import numpy as np
import pytest

pytest.importorskip("jax")

from lmu_nengo import engine


def run(network, n_steps=3):
    with engine.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(n_steps)
    return [sim.data[probe] for probe in network.all_probes]


def test_what_a_program_does_not_use_distinguishes_it_nevertheless():
    # all three compute nothing, but get different inputs and constants
    with nengo.Network() as empty:
        pass
    with nengo.Network() as calls_python:
        times = []
        nengo.Node(lambda t: times.append(t), size_out=0)
    with nengo.Network() as has_constants:
        nengo.Connection(nengo.Node([1]), nengo.Node(size_in=1), synapse=None)
    assert run(empty) == run(calls_python) == run(has_constants) == []
    np.testing.assert_allclose(times, [0.001, 0.002, 0.003], rtol=1e-12)
    assert run(empty, n_steps=1) == []
