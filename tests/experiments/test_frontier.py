import importlib.util

import nengo
import numpy as np
import pytest

import lmu_nengo
from experiments.psmnist._pairs import IntegrateAndFire, Pairs, register_in_engine
from tests.experiments.commands import figures_of

HAS_JAX = importlib.util.find_spec("jax") is not None
DT = 0.001


def neurons_with(current, **options):
    with nengo.Network(seed=0) as network:
        node = nengo.Node(current)
        ensemble = nengo.Ensemble(
            1, 1, neuron_type=IntegrateAndFire(**options), gain=[1], bias=[0]
        )
        nengo.Connection(node, ensemble.neurons, synapse=None)
        probe = nengo.Probe(ensemble.neurons)
    return network, probe


def spikes(network, probe, seconds=0.5, simulator=nengo.Simulator):
    with simulator(network, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)
    return np.array(sim.data[probe])[:, 0] * DT


def wave(t):
    return 300 * np.sin(2 * np.pi * 5 * t) + 40


def test_a_neuron_fires_at_each_new_maximum_of_the_integral():
    network, probe = neurons_with(wave, initial_state={"voltage": np.zeros(1)})
    integral = np.cumsum(wave(DT * np.arange(1, 501))) * DT
    wanted = np.maximum.accumulate(np.floor(integral + 1e-9))
    np.testing.assert_allclose(np.cumsum(spikes(network, probe)), wanted)


def test_a_neuron_fires_once_a_step_and_not_below_the_minimum_of_its_voltage():
    start = {"voltage": np.zeros(1)}
    network, probe = neurons_with(5000.0, initial_state=start)
    assert spikes(network, probe).tolist() == [1.0] * 500
    network, probe = neurons_with(
        lambda t: -1e6 if t < 0.1 else 100.0, min_voltage=0, initial_state=start
    )
    assert abs(spikes(network, probe).sum() - 40) <= 1  # 0.4 s at 100 Hz


@pytest.mark.skipif(not HAS_JAX, reason="needs jax")
def test_the_engine_runs_the_neurons_as_nengo_does():
    from lmu_nengo import engine

    register_in_engine()
    network, probe = neurons_with(wave, initial_state={"voltage": np.full(1, 0.25)})
    np.testing.assert_array_equal(
        spikes(network, probe), spikes(network, probe, simulator=engine.Simulator)
    )


ORDER, THETA, SECONDS = 6, 0.5, 1.0


def signal(seed, n=1):
    rng = np.random.RandomState(seed)
    process = nengo.processes.WhiteSignal(SECONDS, high=4, rms=0.5, y0=0)
    return np.array([process.run(SECONDS, dt=DT, rng=rng)[:, 0] for _ in range(n)])


def run_pairs(n_spikes, counted=False):
    """Errors of the coefficients, number of spikes, and what the neurons did."""
    u = signal(100)[0]
    with nengo.Network(seed=0) as network:
        node = nengo.Node(lambda t: u[round(t / DT) - 1])
        worth = np.diag(1 / (2 * np.arange(ORDER) + 1))
        pairs = Pairs(n_spikes, signal(0, 20), worth, counted=counted)
        memory = lmu_nengo.LegendreMemory(THETA, ORDER, realization=pairs)
        exact = lmu_nengo.LegendreMemory(THETA, ORDER)
        for each in (memory, exact):
            nengo.Connection(node, each.input, synapse=None)
        nodes = {n.label: n for n in memory.nodes}
        probes = {
            "m": nengo.Probe(memory.output),
            "exact": nengo.Probe(exact.output),
            "fired": nengo.Probe(nodes["fired"]),
            "state": nengo.Probe(nodes["state"]),
            "decoded": nengo.Probe(nodes["decoded and input"]),
        }
        neurons = [nengo.Probe(ens.neurons) for ens in memory.all_ensembles]
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(SECONDS)
    data = {name: sim.data[probe] for name, probe in probes.items()}
    data["neurons"] = np.hstack([sim.data[probe] for probe in neurons])
    error = data["m"][1:] - data["exact"][:-1]  # one step later
    return np.sqrt(np.mean(error**2)), data


def test_a_pair_keeps_what_is_left_of_the_integral_within_half_a_spike():
    _, data = run_pairs(3000)
    left = np.cumsum(data["state"] - data["decoded"][:, :ORDER], axis=0)
    fired = data["decoded"][:, :ORDER]
    quanta = np.array([np.abs(x[np.abs(x) > 1e-12]).min() for x in fired.T])
    a_step = np.abs(data["state"]).max(axis=0)
    assert (np.abs(left).max(axis=0) <= quanta / 2 + a_step + 1e-9).all()
    assert (np.abs(left).max(axis=0) >= quanta / 4).all()  # the bound is a tight one


def test_a_neuron_fires_at_most_once_a_step_as_many_times_as_wanted():
    _, data = run_pairs(3000)
    counts = data["neurons"] * DT
    assert set(np.unique(counts.round(9))) == {0.0, 1.0}
    assert counts.sum() == pytest.approx(3000, rel=0.3)


@pytest.mark.parametrize("n_spikes", [1000, 8000])
def test_a_population_that_is_counted_fires_as_its_neurons_do(n_spikes):
    _, neurons = run_pairs(n_spikes)
    _, counted = run_pairs(n_spikes, counted=True)
    np.testing.assert_allclose(neurons["fired"], counted["fired"], rtol=0, atol=1e-6)
    assert neurons["neurons"].shape[1] > 12 == counted["neurons"].shape[1]


def test_error_falls_at_least_as_fast_as_spikes_grow():
    (few, many), numbers = zip(
        *[(e, d["neurons"].sum() * DT) for e, d in map(run_pairs, (1000, 8000))],
        strict=True,
    )
    # -1 from what has not been spiked yet, -3/2 from what has
    slope = np.log(many / few) / np.log(numbers[1] / numbers[0])
    assert -1.6 <= slope <= -0.9, (few, many, numbers)


@pytest.mark.skipif(not HAS_JAX, reason="needs jax")
def test_an_exact_memory_answers_as_the_responses_say():
    from experiments.psmnist._frontier import Preset, responses

    preset = Preset(spikes=1, order=5, steps=3, listening=4)
    x = np.random.RandomState(0).rand(7)
    shown = np.append(np.repeat(x, 3), np.zeros(4))[:, None]
    system = lmu_nengo.signal.state_space(preset.n_steps(7) * DT, 5)
    m = lmu_nengo.signal.simulate(*lmu_nengo.signal.discretize(*system, DT), shown)
    # the output of the neurons is one step late
    np.testing.assert_allclose(x @ responses(preset, 7), m[-5:-1])
    exact = responses(preset._replace(spikes=0), 7)
    np.testing.assert_allclose(x @ exact, m[-4:])


@pytest.mark.slow
@pytest.mark.skipif(not HAS_JAX, reason="needs jax")
def test_spiking_frontier_runs_on_the_bundled_digits(tmp_path):
    written = figures_of("spiking_frontier", tmp_path, "--quick")
    assert (tmp_path / "spiking_frontier.png").stat().st_size > 10_000
    figures = written["figures"]
    assert figures["accuracy_exact_memory_8k"] >= 85
    assert figures["accuracy_8k"] >= 80
    assert 6e3 <= figures["memory_spikes_8k"] <= 10e3
