"""The compiled engine as a target: many sequences, runs in parts, exact counts."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo import targets

pytest.importorskip("jax")

N, STEPS = 3, 80


def make_network():
    """A spiking memory that is read through weights; its input and three probes."""
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0], label="u")
        memory = lmu_nengo.LegendreMemory(0.1, 3, realization=lmu_nengo.Spiking(60, lead=0))
        nengo.Connection(u, memory.input, synapse=None)
        probes = [
            nengo.Probe(memory.output),
            nengo.Probe(memory.output, synapse=0.01, sample_every=0.005),
            nengo.Probe(memory.all_ensembles[0].neurons),
        ]
    return network, u, probes


@pytest.fixture
def sequences():
    return np.random.RandomState(0).uniform(-1, 1, (N, STEPS, 1)).cumsum(axis=1) / 8


def in_core(network, node, x):
    """A run of each sequence in core Nengo, with another output of the node."""
    own, sims = node.output, []
    for sequence in x:
        node.output = nengo.processes.PresentInput(sequence, 0.001)
        sims.append(targets.run(network, "core", len(sequence) * 0.001, count_spikes=True))
    node.output = own
    return sims


def test_sequences_side_by_side_are_core_nengos_one_by_one(sequences):
    network, u, probes = make_network()
    options = {"inputs": {u: sequences}, "precision": "float64", "count_spikes": True}
    sim = targets.run(network, "jax", STEPS * 0.001, **options)
    references = in_core(network, u, sequences)
    for probe in probes:
        expected = np.array([reference.data[probe] for reference in references])
        np.testing.assert_allclose(sim.data[probe], expected, atol=1e-10)
    assert sim.spikes == sum(reference.spikes for reference in references) > 0
    expected = sum(reference.synaptic_operations for reference in references)
    assert sim.synaptic_operations == expected


def test_a_run_in_parts_is_the_same(sequences):
    network, u, probes = make_network()
    options = {"inputs": {u: sequences}, "count_spikes": True}
    with targets.load("jax").Simulator(network, **options) as sim:
        sim.run(STEPS * 0.001)
        whole, spikes = [np.array(sim.data[probe]) for probe in probes], sim.spikes
        sim.simulator.reset()  # not built again: solved decoders may differ in a last bit
        sim.run(0.03)
        sim.run(0.05)
    for probe, expected in zip(probes, whole, strict=True):
        np.testing.assert_array_equal(sim.data[probe], expected)
    assert sim.trange()[-1] == pytest.approx(STEPS * 0.001)
    assert sim.spikes == spikes


def test_spikes_are_counted_exactly_whatever_their_amplitude():
    with nengo.Network(seed=0) as network:
        for i, amplitude in enumerate([1, 0.3, 1 / 7e3]):
            nengo.Ensemble(
                3,
                1,
                neuron_type=nengo.SpikingRectifiedLinear(
                    amplitude=amplitude, initial_state={"voltage": nengo.dists.Choice([0])}
                ),
                gain=np.ones(3),
                bias=[101, 1001, 9001],
                label=f"{i}",
            )
    sim = targets.run(network, "jax", 3.0, count_spikes=True)
    for counts, _ in sim.counts():
        np.testing.assert_array_equal(counts, [303, 3003, 27003])


def test_a_batch_without_inputs_repeats_what_is_not_random():
    network, _, (probe, *_) = make_network()
    batch = targets.run(network, "jax", 0.02, minibatch_size=2)
    one = targets.run(network, "jax", 0.02)
    assert batch.data[probe].shape == (2, 20, 3)
    np.testing.assert_allclose(batch.data[probe][1], one.data[probe], atol=1e-6)


def test_inputs_that_do_not_fit_are_refused(sequences):
    network, u, _ = make_network()
    with network:
        other = nengo.Node([0, 0])
        nengo.Probe(other)
    make = targets.load("jax").Simulator
    for options, message in (
        ({"inputs": {}}, "same n and n_steps"),
        ({"inputs": {u: sequences[0]}}, r"got <Node .u.> with \(80, 1\)"),
        ({"inputs": {u: sequences, other: np.zeros((N, 2, 2))}}, "same n and n_steps"),
        ({"inputs": {"u": sequences}}, "input node of the network"),
        ({"inputs": {u: sequences}, "minibatch_size": 2}, "number of sequences.* 3"),
    ):
        with pytest.raises(ValidationError, match=message):
            make(network, **options)
    sim = make(network, inputs={u: np.full((N, STEPS, 1), np.nan)})
    with sim, pytest.raises(ValidationError, match="finite"):
        sim.run(0.01)
    sim = make(network, inputs={u: sequences})
    with sim, pytest.raises(ValidationError, match="81 steps in all are more than the 80"):
        sim.run(0.081)
