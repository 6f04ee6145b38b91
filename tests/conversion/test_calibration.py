import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo import LegendreMemory, Linear, LMUCell, Spiking, Windowed, calibrate
from lmu_nengo.signal import nrmse, simulate

SRL = nengo.SpikingRectifiedLinear()
DT = 0.001


def two_memories(realization):
    """Two memories: one gets a thousandth of the input, the other a hundred times it."""
    with nengo.Network(seed=0) as network:
        network.u = nengo.Node([0])
        network.small = LegendreMemory(0.2, 4, realization=realization, label="small")
        network.large = LegendreMemory(0.2, 4, 2, realization=realization, label="large")
        nengo.Connection(network.u, network.small.input, transform=1e-3, synapse=None)
        nengo.Connection(network.u, network.large.input[1], transform=100, synapse=None)
        network.probe = nengo.Probe(network.small.output)
    return network


def sines(n=3):
    t = DT * np.arange(1500)
    return np.array([np.sin(12 * t + phase) for phase in range(n)])[:, :, None]


@pytest.mark.parametrize(
    "realization",
    [Linear(), Windowed(1500), Spiking(200, SRL)],
    ids=["linear", "windowed", "spiking"],
)
def test_every_memory_expects_what_arrives_at_it(realization):
    network = two_memories(realization)
    calibrate(network, {network.u: sines()})
    assert np.allclose(network.small.expected_input.data, 1e-3 * sines(), rtol=1e-5)
    large = network.large.expected_input.data
    assert np.allclose(large[..., 1:], 100 * sines(), rtol=1e-5)
    assert not large[..., 0].any()
    assert network.small.realization == realization


def test_a_calibrated_memory_is_accurate_at_any_scale():
    errors = {}
    for is_calibrated in (False, True):
        network = two_memories(Linear())
        if is_calibrated:
            calibrate(network, {network.u: sines()})
        lmu_nengo.realize(network, Spiking(200, SRL))
        network.u.output = lambda t: np.sin(12 * t + 0.5)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run(1.5)
        u = 1e-3 * np.sin(12 * sim.trange() + 0.5)[:, None]
        exact = simulate(*network.small.discrete(), u)
        errors[is_calibrated] = nrmse(sim.data[network.probe], exact)
    assert errors[True] < 0.06
    assert errors[False] > 5 * errors[True]


def test_memories_that_spike_already_are_realized_again():
    network = two_memories(Spiking(200, SRL, expected_input=lmu_nengo.Band(2.0, 0.3)))
    before = network.large.population_transform
    calibrate(network, {network.u: sines()})
    ratio = np.abs(before[1]).max() / np.abs(network.large.population_transform[1]).max()
    assert 50 < ratio < 1000
    assert network.large.realization.expected_input is None


def test_a_cell_with_feedback_is_run_as_a_whole():
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0])
        cell = LMUCell(
            1, memory_d=1, theta=0.1, order=3, hidden_d=5, hidden_encoders=[[0.3] * 5]
        )
        nengo.Connection(u, cell.input, synapse=None)
        arrives = nengo.Probe(cell.memory.input)
    x = sines(1)
    calibrate(network, {u: x})
    u.output = nengo.processes.PresentInput(x[0], DT)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(x.shape[1])
    recorded = cell.memory.expected_input.data[0]
    assert np.allclose(recorded, sim.data[arrives], atol=1e-4)


def test_what_cannot_be_calibrated_is_refused():
    network = two_memories(Linear())
    with pytest.raises(ValidationError, match="nothing but zeros"):
        calibrate(network, {network.u: np.zeros((1, 10, 1))})
    assert network.small.expected_input is None
    with nengo.Network() as empty:
        u = nengo.Node([0])
    with pytest.raises(ValidationError, match="no LegendreMemory to calibrate"):
        calibrate(empty, {u: np.ones((1, 10, 1))})
    with pytest.raises(ValidationError, match="size_out of the node"):
        calibrate(network, {network.u: np.ones((1, 10, 3))})
    lmu_nengo.realize(network, Spiking(200, SRL))
    network.small.expected_input = lmu_nengo.nef.Recording(np.ones((10, 3)))
    with pytest.raises(ValidationError, match="as many channels as the memory, 1"):
        network.small.realize(Spiking(200, SRL))
