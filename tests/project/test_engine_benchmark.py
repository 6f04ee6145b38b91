"""The network that benchmarks/engine.py hands to simulators other than Nengo's."""

import nengo
import numpy as np
import pytest

import lmu_nengo
from benchmarks import engine_network, engine_turns

N_STEPS = 1500


def neuron_step(arrays, current, voltage, refractory):
    """Nengo's neurons, written from their equations."""
    dt = engine_network.DT
    if arrays["neurons"] == "SpikingRectifiedLinear":
        voltage = voltage + np.maximum(current, 0) * dt
        spikes = np.floor(voltage)
        return spikes / dt, voltage - spikes, refractory
    tau_rc, tau_ref = arrays["tau_rc"], arrays["tau_ref"]
    refractory = refractory - dt
    active = np.clip(dt - refractory, 0, dt)
    voltage = current + (voltage - current) * np.exp(-active / tau_rc)
    fired = voltage > 1
    late = tau_rc * np.log(
        (current - 1) / (current - voltage), where=fired, out=0 * current
    )
    refractory = np.where(fired, tau_ref + dt - late, refractory)
    return fired / dt, np.where(fired, 0, np.maximum(voltage, 0)), refractory


@pytest.mark.parametrize(
    ("n_neurons", "neurons"),
    [(60, "LIF"), (60, "SpikingRectifiedLinear"), (4000, "SpikingRectifiedLinear")],
)
def test_the_arrays_are_the_network(n_neurons, neurons):
    arrays = engine_network.as_arrays(n_neurons, 6, neurons)
    network, _, probe, _ = engine_network.build(n_neurons, 6, neurons)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(N_STEPS)
    size, voltage = len(arrays["drive"]), arrays["voltage"]
    state, refractory, delayed = np.zeros(size), np.zeros(n_neurons), []
    for u in arrays["input"][:N_STEPS]:
        current = arrays["encoder"] * state[arrays["dimension"]] + arrays["bias"]
        spikes, voltage, refractory = neuron_step(arrays, current, voltage, refractory)
        decoded = np.bincount(arrays["dimension"], arrays["decoder"] * spikes, size)
        delayed.append(arrays["readout"] @ state + arrays["direct"] * u)
        target = arrays["recurrent"] @ decoded + arrays["drive"] * u
        state = arrays["decay"] * state + (1 - arrays["decay"]) * target
    assert np.abs(delayed).max() > 0.1
    np.testing.assert_allclose(delayed, sim.data[probe][:, 0], atol=1e-9)


def test_the_exact_memory_delays_the_signal():
    n_steps = 5000
    signal = engine_network.white_noise()[0, :n_steps]
    delayed = engine_network.exact(6, n_steps)
    assert lmu_nengo.signal.nrmse(delayed[1000:], signal[:-1000]) < 0.05


def test_a_turn_ends_at_its_limit():
    class Contestant:
        length = None

        def run(self, n_steps):
            return 2e-3 + 1.0 / n_steps  # seconds a step, with 1 s for each run

    n_steps, _, _ = engine_turns.find_length(Contestant(), most=20000, limit=3.0)
    assert 1000 / engine_turns.ENOUGH < n_steps <= 1000  # (3 s - 1 s) / 2 ms
