"""Random networks compute the same in every way there is to run them."""

import importlib.util

import nengo
import numpy as np
import pytest
from scipy.signal import dlsim, lfilter

import lmu_nengo

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.project.random_networks import (
    build,
    by_loop,
    cases,
    data_of,
    discrete,
    in_core,
    weights_of,
)

FEW = settings.get_profile("few")


def assert_equal(found, expected, tolerance=1e-9):
    """The same, relative to the largest of the expected values."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


@given(cases())
def test_core_nengo_computes_the_equations(case):
    (x,) = data_of(case)
    assert_equal(in_core(build(case), x, case.dt), by_loop(case, x))


@given(cases(memories_only=True))
def test_scipy_computes_the_same_memories(case):
    (x,) = data_of(case)
    weights, readout = weights_of(case)
    y = x
    for layer, own in zip(case.layers, weights, strict=True):
        Ad, Bd = discrete(layer, case)
        C = np.eye(layer.order)
        u, outputs = y @ own["input_encoders"].T, []
        for channel in u.T:
            # dlsim gives the state before a step: one value more
            system = Ad, Bd, C, np.zeros((layer.order, 1)), case.dt
            _, after, _ = dlsim(system, np.append(channel, 0.0)[:, None])
            outputs.append(after[1:])
        y = np.concatenate(outputs, axis=1)
    assert_equal(in_core(build(case), x, case.dt), y @ readout.T)


@given(cases(memories_only=True))
def test_a_memory_of_order_one_is_a_lowpass_filter(case):
    layer = case.layers[0]
    u = data_of(case)[0][:, 0]
    theta = layer.theta_steps * case.dt
    a = np.exp(-1 / layer.theta_steps)
    expected = lfilter([1 - a], [1, -a], u)
    with nengo.Network() as network:
        network.u = nengo.Node(np.zeros(1))
        memory = lmu_nengo.LegendreMemory(theta, 1, dt=case.dt)
        nengo.Connection(network.u, memory.input, synapse=None)
        network.probe = nengo.Probe(memory.output)
    assert_equal(in_core(network, u[:, None], case.dt)[:, 0], expected)


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="needs jax")
@settings(FEW)
@given(cases(), st.integers(1, 3))
def test_the_engine_computes_the_equations_of_a_batch(case, n):
    from lmu_nengo import engine

    x, network = data_of(case, n), build(case)
    with engine.Simulator(
        network, case.dt, minibatch_size=n, precision="float64", progress_bar=False
    ) as sim:
        sim.run_steps(case.n_steps, data={network.u: x})
        found = np.array(sim.data[network.probe])
    assert_equal(found, np.array([by_loop(case, each) for each in x]))


@given(cases(), st.integers(1, 24))
def test_streams_compute_the_equations_however_samples_are_divided(case, first):
    (x,), network = data_of(case), build(case)
    with lmu_nengo.Stream(network, engine="core", dt=case.dt) as stream:
        y = np.concatenate([stream.push(x[:first]), stream.push(x[first:])])
        stream.reset()
        again = stream.push(x)
    assert_equal(y, by_loop(case, x))
    assert np.array_equal(again, y)


@pytest.mark.slow
@settings(FEW)
@given(cases(), st.integers(1, 3))
def test_windowed_networks_compute_the_equations_of_a_batch(case, n):
    training = pytest.importorskip("lmu_nengo.training")
    x = data_of(case, n).astype(np.float32)
    windowed = lmu_nengo.Windowed(case.n_steps, case.discretizer)
    network = build(case, windowed)
    with network:
        training.nengo_dl.configure_settings(keep_history=True)
    with training.Simulator(
        network, case.dt, seed=0, minibatch_size=n, progress_bar=False
    ) as sim:
        found = sim.predict({network.u: x}, verbose=0)[network.probe]
    expected = np.array([by_loop(case, each.astype(float)) for each in x])
    assert_equal(found, expected, 2e-5)  # in 32 bits
