"""What random networks compute survives files, copies, pieces and realizations."""

import pickle
import tempfile
from pathlib import Path

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo.io import saved_networks

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.project.random_networks import build, cases, data_of, in_core

SOME = settings.get_profile("some")


def run(network, case):
    """Outputs; Nengo adds in any order, so that two simulators differ in the last bits."""
    return in_core(network, data_of(case)[0], case.dt)


def assert_same(network, case, expected, parameters):
    """The same outputs but for rounding, and the same parameters to the last bit."""
    found = run(network, case)
    assert np.abs(found - expected).max() <= 1e-12 * max(1.0, np.abs(expected).max())
    assert_same_bits(parameters_of(network), parameters)


def parameters_of(network):
    """All arrays of a network."""
    own = (saved_networks.parameters_of(part) for _, part in saved_networks.parts(network))
    return [np.asarray(value) for each in own for value in each.values()]


def assert_same_bits(found, expected):
    assert len(found) == len(expected)
    assert all(map(np.array_equal, found, expected))


@settings(SOME)
@given(cases())
def test_files_keep_networks(case):
    network = build(case)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.npz")
        lmu_nengo.save_network(network, path)
        loaded = lmu_nengo.load_network(path)
        again = lmu_nengo.load_network(path, lambda: build(case))
    expected = run(network, case), parameters_of(network)
    assert_same(again, case, *expected)
    assert_same(loaded, case, *expected)


@settings(SOME)
@given(cases())
def test_copies_and_pickles_keep_networks(case):
    network = build(case)
    expected = run(network, case), parameters_of(network)
    pickled = pickle.loads(pickle.dumps(network))
    assert_same(pickled, case, *expected)
    copied = network.copy()
    copied.u = copied.nodes[network.nodes.index(network.u)]
    (copied.probe,) = copied.all_probes
    assert_same(copied, case, *expected)
    assert_same(network, case, *expected)


@given(cases(), st.integers(1, 25))
def test_resets_and_pieces_keep_what_is_computed(case, first):
    network = build(case)
    (x,) = data_of(case)
    network.u.output = nengo.processes.PresentInput(x, case.dt)
    first = min(first, case.n_steps)
    with nengo.Simulator(network, dt=case.dt, progress_bar=False) as sim:
        sim.run_steps(case.n_steps)
        expected = np.array(sim.data[network.probe])
        sim.reset()
        sim.run_steps(first)
        if first < case.n_steps:
            sim.run_steps(case.n_steps - first)
        assert np.array_equal(sim.data[network.probe], expected)


@settings(SOME)
@given(cases(), st.integers(1, 50))
def test_realizations_there_and_back_keep_networks(case, n_steps):
    network = build(case)
    expected = run(network, case), parameters_of(network)
    lmu_nengo.realize(network, lmu_nengo.Windowed(n_steps, case.discretizer))
    lmu_nengo.realize(network, lmu_nengo.Linear(case.discretizer))
    assert_same(network, case, *expected)
