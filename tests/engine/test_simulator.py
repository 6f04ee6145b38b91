"""The simulator: runs in parts, interruptions, bad input, what becomes NaN."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import SimulatorClosed, ValidationError

from lmu_nengo import engine


def slow(*values):
    """Cases that differ little from others."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def network():
    """A recurrent population of LIF neurons, whose spikes are chaotic."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node([0.3], label="source")
        noise = nengo.Node(nengo.processes.WhiteNoise(nengo.dists.Gaussian(0, 2)))
        ensemble = nengo.Ensemble(100, 2, label="ensemble")
        nengo.Connection(source, ensemble[0])
        nengo.Connection(noise, ensemble[1], synapse=0.02)
        nengo.Connection(ensemble, ensemble, synapse=0.1)
        network.source, network.ensemble = source, ensemble
        network.spikes = nengo.Probe(ensemble.neurons)
        network.decoded = nengo.Probe(ensemble, synapse=0.01, sample_every=0.003)
    return network


def run(network, parts, **options):
    with engine.Simulator(network, seed=1, progress_bar=False, **options) as sim:
        for part in parts:
            sim.run_steps(part)
    return sim.data[network.spikes], sim.data[network.decoded], sim.trange()


@pytest.mark.parametrize(
    "precision, minibatch_size",
    [("float32", None), slow("float64", None), slow("float32", 3), ("float64", 3)],
)
def test_parts_of_a_run_are_the_run_bit_for_bit(network, precision, minibatch_size):
    options = {"precision": precision, "minibatch_size": minibatch_size}
    whole = run(network, [1400], **options)
    parts = run(network, [1, 1, 62, 70, 1266], **options)  # programs of all lengths
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)
    assert np.count_nonzero(whole[0]) > 1000


def test_several_simulators_run_side_by_side(network):
    alone = run(network, [60, 60])
    sims = [engine.Simulator(network, seed=1, progress_bar=False) for _ in range(2)]
    for _ in range(2):
        for sim in sims:
            sim.run_steps(60)
    for sim in sims:
        assert np.array_equal(sim.data[network.spikes], alone[0])
        sim.close()


def test_reset_and_clear_probes(network):
    with engine.Simulator(network, seed=1, progress_bar=False) as sim:
        sim.run_steps(50)
        first = sim.data[network.spikes].copy()
        sim.clear_probes()
        assert sim.data[network.spikes].shape == (0, 100) and sim.n_steps == 50
        sim.reset()
        sim.run(0.05)
        assert np.array_equal(sim.data[network.spikes], first)
        sim.reset(seed=2)
        sim.run(0.05)
        assert not np.array_equal(sim.data[network.spikes], first)


def test_an_interruption_keeps_what_is_done():
    interrupted = []

    def output(t):
        if t > 0.7 and not interrupted:
            interrupted.append(t)
            raise KeyboardInterrupt
        return t

    with nengo.Network() as network:
        probe = nengo.Probe(nengo.Node(output))
    with engine.Simulator(network, progress_bar=False, precision="float64") as sim:
        with pytest.raises(KeyboardInterrupt):
            sim.run(1.0)
        done = sim.n_steps
        assert 0 < done < 700 and len(sim.data[probe]) == done
        sim.run_steps(1000 - done)
        assert np.allclose(sim.data[probe][:, 0], sim.trange(), rtol=0, atol=1e-12)


def test_what_becomes_nan_stops_the_run_at_this_step():
    with nengo.Network() as network:
        start, grows, difference = nengo.Node([1.0]), *(nengo.Node(size_in=1) for _ in "ab")
        nengo.Connection(start, grows, synapse=None)
        nengo.Connection(grows, grows, transform=1e100, synapse=0)  # infinite in step 5
        nengo.Connection(grows, difference, synapse=None)
        nengo.Connection(grows, difference, transform=-1, synapse=None)
        probe = nengo.Probe(difference)
    core = nengo.Simulator(network, progress_bar=False)
    with core, pytest.raises(FloatingPointError):
        core.run_steps(100)
    with engine.Simulator(network, progress_bar=False, precision="float64") as sim:
        with pytest.raises(FloatingPointError, match="became NaN in step"):
            sim.run_steps(100)
        kept = sim.data[probe]
    assert sim.n_steps == len(kept) == core.n_steps
    assert np.array_equal(kept, core.data[probe])


BAD_DATA = {
    "shape": (np.zeros((5, 1)), "must have the shape .steps, size. = .10, 1., got .5, 1."),
    "values": (np.full((10, 1), np.nan), "must be finite, but 10 values are not"),
    "type": (np.full((10, 1), "a"), "must be real numbers, got <U1"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data_are_refused_before_anything_runs(network, kind):
    values, message = BAD_DATA[kind]
    with engine.Simulator(network, progress_bar=False) as sim:
        with pytest.raises(ValidationError, match=message):
            sim.run_steps(10, data={network.source: values})
        assert sim.n_steps == 0


def test_data_for_something_else_are_refused(network):
    with nengo.Network():
        stranger = nengo.Node([0])
    with engine.Simulator(network, progress_bar=False) as sim:
        for key in network.ensemble, stranger, "source":
            with pytest.raises(ValidationError, match="nodes of this network"):
                sim.run_steps(10, data={key: np.zeros((10, 1))})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"precision": "float16"}, "must be one of 'float32', 'float64', got 'float16'"),
        ({"minibatch_size": 0}, "must be an integer of at least 1, got 0"),
    ],
)
def test_bad_options_are_refused(network, options, message):
    with pytest.raises(ValidationError, match=message):
        engine.Simulator(network, progress_bar=False, **options)


def test_a_closed_simulator_does_not_run(network):
    sim = engine.Simulator(network, progress_bar=False)
    sim.close()
    for use in sim.step, sim.reset, lambda: sim.run(1), lambda: sim.run_steps(1):
        with pytest.raises(SimulatorClosed):
            use()


@pytest.mark.slow
def test_a_million_steps_take_no_more_memory_than_what_is_kept():
    import resource

    with nengo.Network(seed=0) as network:
        ensemble = nengo.Ensemble(100, 1)
        nengo.Connection(ensemble, ensemble, synapse=0.1)
        probe = nengo.Probe(ensemble, sample_every=0.1)
        nengo.Probe(ensemble.neurons, sample_every=100)
    with engine.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(50_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sim.run_steps(950_000)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sim.data[probe].shape == (10_000, 1)
    assert after - before < 20_000  # kB
