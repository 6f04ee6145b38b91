import warnings

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo import LegendreMemory, Linear, Spiking, targets
from lmu_nengo.memory import RangeMonitor, excess
from lmu_nengo.signal import simulate

DT = 0.001
SRL = nengo.SpikingRectifiedLinear()


def build(level, realization, theta=0.2, order=4, memory_d=1):
    """A memory whose channels get sines, the second one of 0.1."""
    with nengo.Network(seed=0) as network:
        u = nengo.Node(lambda t: [level * np.sin(15 * t), 0.1 * np.sin(15 * t)][:memory_d])
        memory = LegendreMemory(theta, order, memory_d, realization, label="memory")
        nengo.Connection(u, memory.input, synapse=None)
    return network, memory


def test_how_far_and_how_long_is_that_of_the_exact_state():
    network, memory = build(3.0, Spiking(4, nengo.Direct()))
    monitor = RangeMonitor(network)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(2.0)
    (found,) = monitor.excursions(sim.data, DT)
    u = 3.0 * np.sin(15 * DT * np.arange(1, 2001))[:, None]
    values = excess(memory, simulate(*memory.discrete(), u))
    assert found.memory is memory
    assert found.largest == pytest.approx(values.max(), rel=0.01)
    assert found.dimension == values.max(axis=0)[0].argmax()
    seconds = DT * np.count_nonzero(values.max(axis=(1, 2)) > 1.1)
    assert found.seconds == pytest.approx(seconds, abs=0.03)
    assert found.duration == pytest.approx(2.0, abs=0.03)


@pytest.mark.parametrize("neuron_type", [nengo.LIF(), SRL], ids=str)
@pytest.mark.parametrize("target", ["core", "jax"])
def test_a_run_warns_only_of_what_left_its_range(neuron_type, target):
    if not targets.installed(target):
        pytest.skip("the target is not installed")
    network, _ = build(3.0, Spiking(800, neuron_type), memory_d=2)
    with pytest.warns(UserWarning, match='"memory": population . of channel 0') as caught:
        targets.run(network, target, 1.0)
    text = str(caught[0].message)
    assert "times the range" in text and "radius=" in text and "calibrate" in text
    for level, realization in ((0.95, Spiking(800, neuron_type)), (3.0, Linear())):
        network, _ = build(level, realization, memory_d=2)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*range for which")
            targets.run(network, target, 1.0)
    network, _ = build(3.0, Spiking(800, neuron_type, radius=3.0), memory_d=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*range for which")
        targets.run(network, target, 1.0)


def test_a_simulator_names_the_memory_of_the_users_network():
    network, memory = build(3.0, Spiking(400, SRL))
    with (
        pytest.warns(UserWarning, match="out of range for"),
        targets.load("core").Simulator(network) as sim,
    ):
        sim.run(0.5)
        assert [each.memory for each in sim.excursions()] == [memory]


def test_spikes_as_output_are_no_false_alarm():
    network, _ = build(0.9, Spiking(800, SRL, output="spikes"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*range for which")
        targets.run(network, "core", 1.0)


def test_a_report_warns_once_for_all_batches():
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0])
        memory = LegendreMemory(0.2, 4, realization=Spiking(200, SRL), label="memory")
        nengo.Connection(u, memory.input, synapse=None)
    x = (
        np.sin(15 * DT * np.arange(400))[None, :, None]
        * np.array([0.5, 3, 0.5])[:, None, None]
    )
    with pytest.warns(UserWarning, match="out of range for") as caught:
        lmu_nengo.conversion.spiking_report(network, {u: x}, minibatch_size=1)
    found = [str(w.message) for w in caught if "out of range" in str(w.message)]
    assert len(found) == 1 and "of 1.2 s" in found[0]


def test_noise_of_the_neurons_is_no_false_alarm():
    # slow data excite the last dimensions so little that spiking noise would exceed them
    data = [
        nengo.processes.WhiteSignal(2.0, 2.5, rms=0.3, y0=0, seed=seed).run(2.0, dt=DT)
        for seed in range(100, 110)
    ]
    with nengo.Network(seed=0) as network:
        u = nengo.Node(lambda t: data[0][min(round(t / DT), 1999)])
        memory = LegendreMemory(0.1, 6, realization=Spiking(1000, expected_input=data))
        nengo.Connection(u, memory.input, synapse=None)
    assert excess(memory, simulate(*memory.discrete(), data[0])).max() > 0.3
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*range for which")
        targets.run(network, "core", 1.0)


def test_linear_memories_are_not_monitored():
    network, memory = build(1.0, Linear())
    assert not RangeMonitor(network).probes
    assert memory.population_transform is None
    memory.realize(Spiking(400, SRL))
    assert memory.population_transform.shape == (1, 4, 4)
    memory.realize(Linear())
    assert memory.population_transform is None
