"""NIR: neurons, the reference, export and import."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.targets.nir import (
    agreement,
    export_nir,
    import_nir,
    run_graph,
    simulate_graph,
    write_nir,
)
from lmu_nengo.targets.nir.neurons import CubaLIF, StepLIF, steps_between_spikes
from lmu_nengo.targets.nir.preparation import fit_line
from tests.targets.nir.nir_examples import CONSUMERS, DT, consumer, make_delay, small_graph

# neurons


def test_neurons_fire_as_often_as_their_rates_say():
    kind = StepLIF(0.02)
    J = np.array([0.5, 1.0, 1.02, 1.5, 3.0, 7.3, 25.0, 1e6])
    with nengo.Network() as network:
        neurons = nengo.Ensemble(
            len(J), 1, neuron_type=kind, gain=np.zeros(len(J)) + 1e-9, bias=J
        )
        probe = nengo.Probe(neurons.neurons)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(2.0)
    counts = np.count_nonzero(sim.data[probe], axis=0)
    # floor(ln(1 - 1/J) / ln(1 - dt / tau)) + 1 steps, by hand
    steps = [np.floor(np.log(1 - 1 / j) / np.log(0.95)) + 1 for j in J[2:-1]]
    np.testing.assert_array_equal(counts[2:-1], np.floor(2000 / np.array(steps)))
    np.testing.assert_array_equal(counts[[0, 1, -1]], [0, 0, 2000])
    np.testing.assert_allclose(steps_between_spikes(J, 0.95)[2:-1], steps)


def test_gain_and_bias_meet_rates_and_intercepts():
    kind = StepLIF(0.02)
    rates, intercepts = np.array([50.0, 120.0, 333.0]), np.array([-0.9, 0.0, 0.5])
    gain, bias = kind.gain_bias(rates, intercepts)
    found = kind.rates(np.ones((1, 3)), gain, bias)[0]
    # the nearest stair: 1 / rate is whole steps
    np.testing.assert_allclose(found, 1 / (DT * np.ceil(1 / (rates * DT) - 0.5)))
    np.testing.assert_allclose(gain * intercepts + bias, 1)
    np.testing.assert_allclose(kind.max_rates_intercepts(gain, bias)[0], rates)


def test_neurons_refuse_what_they_cannot_be():
    with pytest.raises(ValidationError, match="longer than a step"):
        StepLIF(tau_rc=0.001)
    with pytest.raises(ValidationError, match="every other step"):
        StepLIF().gain_bias([600], [0])
    with nengo.Network() as network:
        nengo.Ensemble(3, 1, neuron_type=StepLIF())
    with (
        nengo.Simulator(network, dt=0.002, progress_bar=False) as sim,
        pytest.raises(ValidationError, match=r"dt=0.002 s, but .* dt=0.001 s"),
    ):
        sim.step()


def test_line_through_the_rates():
    kind = StepLIF(0.02)
    offset, slope = fit_line(kind)
    wanted = np.arange(40, 301, 20.0)
    steps = steps_between_spikes(offset + slope * wanted, kind.decay)
    np.testing.assert_allclose(1 / (DT * steps), wanted, atol=45)  # stairs of 250-333 Hz
    assert abs(np.mean(1 / (DT * steps) - wanted)) < 10


def test_imported_neurons_are_no_others():
    with pytest.raises(NotImplementedError):
        CubaLIF(*[[1.0]] * 7).gain_bias([100], [0])


# the reference


def test_reference_is_the_published_equations():
    graph = small_graph(n=1, d=1)
    graph.nodes["encode"].weight[...], graph.nodes["encode"].bias[...] = 0.09, 0.02
    graph.nodes["recurrent"].weight[...] = -0.3
    graph.nodes["readout"].weight[...] = [[2.0], [-1.0]]
    bias = graph.nodes["readout"].bias
    x = np.sin(np.arange(200) / 7)[:, None] + 1
    result = simulate_graph(graph, x)
    current = voltage = spike = 0.0
    spikes = []
    for u in x[:, 0]:
        s = np.float64(np.float32(0.09)) * u + np.float64(np.float32(0.02))
        s -= np.float64(np.float32(0.3)) * spike
        tau_syn, tau_mem = (np.float64(np.float32(tau)) for tau in (0.005, 0.02))
        current += DT / tau_syn * (5 * s - current)  # tau_syn I' = -I + w_in S
        voltage += DT / tau_mem * (20 * current - voltage)  # tau_mem v' = -v + R I
        spike = float(voltage > 1)
        voltage = 0.0 if spike else voltage
        spikes.append(spike)
    assert 10 < sum(spikes) < 100
    np.testing.assert_array_equal(result.spikes["neurons"][:, 0], spikes)
    expected = np.outer(spikes, [2, -1]) + bias
    np.testing.assert_allclose(result.output, expected, rtol=1e-6)


@pytest.mark.parametrize("name", CONSUMERS)
def test_consumer_computes_what_the_file_says(name):
    make_module = consumer(name)
    graph = small_graph(n=30)
    x = np.random.RandomState(1).randn(2, 500, 2) + 1
    reference = simulate_graph(graph, x)
    assert 2000 < np.count_nonzero(reference.spikes["neurons"]) < 15_000
    result = run_graph(graph, x, make_module)
    assert agreement(result.spikes, reference.spikes) == 1
    np.testing.assert_allclose(result.output, reference.output, atol=1e-6)
    result = run_graph(graph, x, make_module, dtype="float32")
    follow = simulate_graph(graph, x, follow=result.spikes)
    assert agreement(result.spikes, follow.spikes) > 0.9999
    one = run_graph(graph, x[1], make_module)
    np.testing.assert_array_equal(one.output, run_graph(graph, x, make_module).output[1])


@pytest.mark.parametrize("name", CONSUMERS)
def test_order_of_nodes_and_edges_does_not_matter(name):
    make_module, graph = consumer(name), small_graph(n=10)
    nodes = {name: graph.nodes[name] for name in sorted(graph.nodes, reverse=True)}
    other = type(graph)(nodes, graph.edges[::-1])
    x = np.random.RandomState(1).randn(100, 2) + 1
    reference = simulate_graph(graph, x).output
    np.testing.assert_array_equal(simulate_graph(other, x).output, reference)
    found = run_graph(other, x, make_module).output
    np.testing.assert_allclose(found, reference, atol=1e-9)


def test_reference_notices_a_wrong_consumer():
    graph = small_graph(n=30)
    x = np.random.RandomState(1).randn(500, 2) + 1
    reference = simulate_graph(graph, x).spikes
    soft = small_graph(n=30)
    soft.nodes["neurons"].v_reset[...] = 0.5
    assert agreement(simulate_graph(soft, x).spikes, reference) < 0.9
    wrong = simulate_graph(soft, x)
    assert (
        agreement(wrong.spikes, simulate_graph(graph, x, follow=wrong.spikes).spikes) < 0.9
    )


def test_agreement_counts_steps_with_a_spike():
    one, other = np.array([[1, 0, 1, 0]]), np.array([[1, 1, 0, 0]])
    assert agreement(one, other) == pytest.approx(1 / 3)
    assert agreement(one * 0, other * 0) == 1
    with pytest.raises(ValidationError, match="those of the reference"):
        agreement({"a": one}, {"b": one})


def test_reference_refuses_bad_arguments():
    graph = small_graph()
    for x, message in (
        (np.zeros((5, 3)), "must be numbers of shape"),
        (np.zeros(5), "must be numbers of shape"),
        (np.full((5, 2), np.nan), "must be finite"),
    ):
        with pytest.raises(ValidationError, match=message):
            simulate_graph(graph, x)
    with pytest.raises(ValidationError, match="time constant of 0.005 s"):
        simulate_graph(graph, np.zeros((5, 2)), dt=0.01)


# export and import


def test_prepared_network_fires_the_spikes_of_the_file():
    """But for the biases, which are there at once: here all are complete before."""

    pytest.importorskip("nir")
    network, _, _ = make_delay(0, nengo.LIF(), n_neurons=200)
    graph = export_nir(network, seed=0)
    rng = np.random.RandomState(0)
    x = nengo.Lowpass(0.05).filt(rng.randn(1000, 1), dt=DT, y0=0)
    reference = simulate_graph(graph, x)
    imported = import_nir(graph)
    with imported:
        node = nengo.Node(nengo.processes.PresentInput(x, DT))
        nengo.Connection(node, imported.input, synapse=None)
        spikes = nengo.Probe(imported.neurons["neurons"].neurons)
        output = nengo.Probe(imported.output)
    with nengo.Simulator(imported, progress_bar=False) as sim:
        sim.run(1.0)
    assert np.count_nonzero(reference.spikes["neurons"]) > 10_000
    assert agreement(sim.data[spikes], reference.spikes["neurons"]) >= 0.9999
    assert agreement(sim.data[output], reference.output) >= 0.9999


def test_any_flat_file_runs_in_nengo(tmp_path):
    nir = pytest.importorskip("nir")
    graph = small_graph(n=20)
    second = small_graph(n=5, d=2, seed=1).nodes["neurons"]
    second.tau_mem *= np.linspace(1, 2, 5, dtype=np.float32)
    second.v_threshold *= 0.5
    nodes = {
        **graph.nodes,
        "between": nir.Linear(np.ones((5, 2), dtype=np.float32) * 0.02),
        "second": second,
        "output": nir.Output({"output": np.array([5])}),
    }
    edges = [edge for edge in graph.edges if edge[1] != "output"]
    edges += [("readout", "between"), ("between", "second"), ("second", "output")]
    path = tmp_path / "two.nir"
    write_nir(path, nir.NIRGraph(nodes, edges))
    x = np.random.RandomState(0).randn(300, 2) + 1
    reference = simulate_graph(nir.NIRGraph(nodes, edges), x)
    assert np.count_nonzero(reference.spikes["second"]) > 20
    imported = import_nir(path)
    with imported:
        node = nengo.Node(nengo.processes.PresentInput(x, DT))
        nengo.Connection(node, imported.input, synapse=None)
        probe = nengo.Probe(imported.output)
    with nengo.Simulator(imported, progress_bar=False) as sim:
        sim.run_steps(300)
    np.testing.assert_array_equal(sim.data[probe], reference.output)


def test_export_refuses_an_output_that_needs_more_than_spikes():
    pytest.importorskip("nir")
    network, _, probe = make_delay(0, nengo.LIF(), n_neurons=100)
    with pytest.raises(ValidationError, match="linear function of spikes"):
        export_nir(network, output=probe.target)
    with pytest.raises(ValidationError, match="must be a node of the network"):
        export_nir(network, output="delayed")
