import nengo
import numpy as np
import pytest
from nengo.dists import Choice, Uniform

from lmu_nengo import engine


def slow(*values):
    """Cases that differ little from others."""
    return pytest.param(*values, marks=pytest.mark.slow)


RATES = Uniform(60, 90)
NEURON_TYPES = {
    "rectified linear": (nengo.RectifiedLinear(amplitude=0.5), RATES),
    "sigmoid": (nengo.Sigmoid(tau_ref=0.01), RATES),
    "tanh": (nengo.Tanh(tau_ref=0.01), RATES),
    "lif rate": (nengo.LIFRate(amplitude=0.5), RATES),
    "adaptive lif rate": (nengo.AdaptiveLIFRate(tau_n=0.1), RATES),
    "spiking rectified linear": (nengo.SpikingRectifiedLinear(amplitude=0.5), RATES),
    "lif": (nengo.LIF(amplitude=0.5, min_voltage=-0.5), RATES),
    "adaptive lif": (nengo.AdaptiveLIF(tau_n=0.1), RATES),
    "izhikevich": (nengo.Izhikevich(reset_recovery=6), Uniform(200, 400)),
    "regular": (nengo.RegularSpiking(nengo.LIFRate()), RATES),
    "regular, negative": (nengo.RegularSpiking(nengo.Tanh(tau_ref=0.01)), RATES),
    "stochastic": (nengo.StochasticSpiking(nengo.LIFRate()), RATES),
    "stochastic, negative": (nengo.StochasticSpiking(nengo.Tanh(tau_ref=0.01)), RATES),
    "poisson": (nengo.PoissonSpiking(nengo.LIFRate()), RATES),
    "poisson, negative": (nengo.PoissonSpiking(nengo.Tanh(tau_ref=0.01)), RATES),
}
AXES = Choice(np.vstack([np.eye(3), -np.eye(3)]))
pytestmark = pytest.mark.filterwarnings("ignore:some of the network runs in Python")


def populations(neuron_type, max_rates):
    """A recurrent ensemble, one of neurons along the axes, and an array of ensembles."""
    settings = {"neuron_type": neuron_type, "max_rates": max_rates, "n_neurons": 30}
    with nengo.Network(seed=3) as network:
        stimulus = nengo.Node(lambda t: np.sin(2 * np.pi * t * np.arange(1, 4)))
        plain = nengo.Ensemble(dimensions=3, **settings)
        along_axes = nengo.Ensemble(dimensions=3, encoders=AXES, **settings)
        ensembles = nengo.networks.EnsembleArray(
            n_ensembles=3, neuron_type=neuron_type, max_rates=max_rates, n_neurons=10
        )
        for post in plain, along_axes, ensembles.input:
            nengo.Connection(stimulus, post)
        nengo.Connection(plain, plain, transform=0.1, synapse=0.05)
        nengo.Connection(along_axes, ensembles.input, transform=0.1)
        all_neurons = [plain.neurons, along_axes.neurons]
        all_neurons += [ensemble.neurons for ensemble in ensembles.ensembles]
        probes = [nengo.Probe(neurons) for neurons in all_neurons]
        for state in neuron_type.state:
            if state != "rng":
                nengo.Probe(along_axes.neurons, state)
        for ensemble in plain, along_axes, ensembles.output:
            nengo.Probe(ensemble, synapse=0.01)
    return network, probes


@pytest.mark.parametrize("is_batch", [False, slow(True)])
@pytest.mark.parametrize("name", NEURON_TYPES)
def test_agrees_with_core(run_both, name, is_batch):
    neuron_type, max_rates = NEURON_TYPES[name]
    # what Nengo's optimizer merges draws from one of the generators, whichever is first
    is_random = isinstance(neuron_type, nengo.StochasticSpiking | nengo.PoissonSpiking)
    if is_batch:
        way = "batch_not_optimized" if is_random else "batch"
    else:
        way = "not_optimized"
    network, outputs = populations(neuron_type, max_rates)
    both = run_both(network, 1000, way)
    if neuron_type.spiking:
        core, engines = (
            np.hstack([results[probe] for probe in outputs])
            for results in (both.core, both.engine)
        )
        assert np.count_nonzero(core) > 1000
        is_equal = np.isclose(engines, core, rtol=1e-12)[(core != 0) | (engines != 0)]
        assert is_equal.mean() >= 0.9999
    else:
        for probe in network.all_probes:
            assert both.largest_error(probe) < 1e-10


@pytest.mark.parametrize("name", ["stochastic", "poisson"])
def test_sequences_draw_their_own_numbers_and_draw_them_again_after_a_reset(name):
    network, (probe, *_) = populations(*NEURON_TYPES[name])
    with engine.Simulator(network, progress_bar=False, minibatch_size=3) as sim:
        sim.run(0.2)
        before = np.array(sim.data[probe])
        sim.reset()
        sim.run(0.07)
        sim.run(0.13)
        after = np.array(sim.data[probe])
    assert np.array_equal(before, after)
    rates = before.mean(axis=(1, 2))
    assert np.all(np.abs(rates / rates.mean() - 1) < 0.1)
    for i, j in (0, 1), (0, 2), (1, 2):
        assert not np.array_equal(before[i], before[j])


class Halved(nengo.LIF):
    """A neuron type with a step function of its own, in NumPy."""

    def step(self, dt, J, output, voltage, refractory_time):
        super().step(dt, J / 2, output, voltage, refractory_time)


class Inherited(nengo.LIF):
    """A neuron type that inherits its step function."""

    negative = False


def test_own_step_function_is_called(run_both):
    network, (probe, *_) = populations(Halved(), RATES)
    with pytest.warns(UserWarning, match="neurons of type Halved"):
        both = run_both(network, 300, "batch")
    assert np.count_nonzero(both.core[probe]) > 20
    assert np.array_equal(both.engine[probe] > 0, both.core[probe] > 0)


def test_inherited_step_function_is_compiled(run_both, recwarn):
    network, (probe, *_) = populations(Inherited(), RATES)
    both = run_both(network, 300)
    assert not any("runs in Python" in str(warning.message) for warning in recwarn)
    assert np.array_equal(both.engine[probe] > 0, both.core[probe] > 0)


class Counting(nengo.RectifiedLinear):
    """Squares the current; counts its steps twice for each neuron."""

    def make_state(self, n_neurons, rng=np.random, dtype=None):
        return {"count": np.zeros((n_neurons, 2))}

    def rates(self, x, gain, bias):
        return self.current(x, gain, bias).clip(0) ** 2

    def step(self, dt, J, output, count):
        count += [1, 2]
        output[...] = np.maximum(J, 0) ** 2 + count[:, 1]


@engine.register(Counting)
def counting(neurons, dt, J, count):
    count = count + np.array([1, 2])
    return J.clip(0) ** 2 + count[:, 1], {"count": count}


def test_registered_function_is_used_for_a_neuron_type(run_both, recwarn):
    network, (probe, *_) = populations(Counting(), RATES)
    both = run_both(network, 20)
    assert not any("runs in Python" in str(warning.message) for warning in recwarn)
    assert both.largest_error(probe) < 1e-12
