import nengo
import numpy as np
import pytest

pytest.importorskip("optax")


from lmu_nengo import LegendreMemory, Spiking, engine, realize
from lmu_nengo.training import Trainer
from lmu_nengo.training.jax import FiringRates

quiet = dict(progress_bar=False, seed=0, minibatch_size=3)
N_STEPS = 60
X = np.random.RandomState(0).uniform(-1, 1, size=(3, N_STEPS, 1)).astype(np.float32)
TYPES = [
    nengo.LIF(),
    nengo.AdaptiveLIF(),
    nengo.SpikingRectifiedLinear(),
    nengo.RegularSpiking(nengo.LIFRate()),
]


def population(neuron_type, synapse=0.01):
    with nengo.Network(seed=0) as network:
        network.u = nengo.Node([0], label="u")
        network.ensemble = nengo.Ensemble(20, 1, neuron_type=neuron_type)
        output = nengo.Node(size_in=1)
        network.encode = nengo.Connection(network.u, network.ensemble, synapse=None)
        nengo.Connection(network.ensemble, output, synapse=synapse)
        network.output = nengo.Probe(output, label="output")
        network.neurons = nengo.Probe(network.ensemble.neurons, label="neurons")
    return network


def in_training(trainer):
    """What the probes show in training, by probe."""
    data = trainer.reader.read(X, need_targets=False)
    args = trainer._arguments(data, slice(0, 3), is_training=True)
    outputs = trainer.batches.forward[True](*args)
    return dict(zip(trainer.built.model.probes, map(np.asarray, outputs), strict=True))


@pytest.mark.parametrize("neuron_type", TYPES, ids=lambda kind: type(kind).__name__)
def test_neurons_spike_in_training_as_in_the_engine(neuron_type):
    network = population(neuron_type)
    trainer = Trainer(network, surrogate="triangle", **quiet)
    with engine.Simulator(network, minibatch_size=3, progress_bar=False) as sim:
        sim.run_steps(N_STEPS, data={network.u: X})
    found = in_training(trainer)
    for probe in (network.output, network.neurons):
        scale = np.abs(sim.data[probe]).max()
        assert np.abs(found[probe] - sim.data[probe]).max() < 1e-4 * scale
    shown = trainer.predict(X)[network.neurons]
    assert np.abs(shown - sim.data[network.neurons]).max() < 1e-4 * shown.max()


def test_training_by_rates_computes_rates_and_predicts_spikes():
    network = population(nengo.LIF())
    trainer = Trainer(network, **quiet)
    rates = in_training(trainer)[network.neurons]
    built = trainer.built.model.params[network.ensemble]
    drive = built.gain * (X @ built.encoders.T) + built.bias
    expected = nengo.LIF().rates(drive.reshape(-1, 20) / 1, np.ones(20), np.zeros(20))
    assert np.allclose(rates.reshape(-1, 20), expected, rtol=1e-4, atol=0.1)
    spikes = trainer.predict(X)[network.neurons]
    assert set(np.unique(np.round(spikes * 0.001))) == {0, 1}


def test_all_that_is_integrated_is_given_out_so_the_gradient_is_that_of_the_rates():
    """Of the sum of spikes of integrate-and-fire neurons, straight through."""
    network = population(nengo.SpikingRectifiedLinear(), synapse=None)
    found = []
    for options in (dict(surrogate="straight_through"), dict(surrogate="rates")):
        trainer = Trainer(network, **quiet, **options)
        trainer.compile("sgd", loss={network.neurons: lambda y_true, y: y.mean()})
        y = {network.neurons: np.zeros((3, N_STEPS, 20))}
        place = network.ensemble.neurons, "bias"
        found.append(trainer.gradients(X, y)[place])
    assert np.abs(found[1]).max() > 0
    assert np.allclose(*found, rtol=1e-5)


def test_the_gradient_through_leaky_neurons_goes_back_in_time():
    """Without spikes: what it would be of the linear voltage, but for what fires."""
    tau, bias = 0.02, 0.5
    from_zero = {"voltage": nengo.dists.Choice([0])}
    kind = nengo.LIF(tau_rc=tau, initial_state=from_zero)
    with nengo.Network() as network:
        u = nengo.Node([0])
        one = nengo.Ensemble(1, 1, neuron_type=kind, gain=[1.0], bias=[bias])
        nengo.Connection(u, one.neurons, synapse=None)
        probe = nengo.Probe(one.neurons)
    trainer = Trainer(network, seed=0, progress_bar=False, surrogate="triangle")
    trainer.compile("sgd", loss={probe: lambda y_true, y: y[0, -1, 0]})
    x, y = np.zeros((1, N_STEPS, 1)), np.zeros((1, N_STEPS, 1))
    found = trainer.gradients(x, {probe: y})[one.neurons, "bias"]
    kept = np.exp(-0.001 / tau)
    voltage = change = 0.0
    for _ in range(N_STEPS):
        change *= 1 - (1 - abs(voltage - 1)) * voltage  # the spike that it stands for
        voltage = kept * voltage + (1 - kept) * bias
        change = kept * change + 1 - kept
    slope = 1 - abs(voltage - 1)
    assert found == pytest.approx(1000 * slope * change, rel=1e-4)


@pytest.mark.parametrize("surrogate", ["triangle", "fast_sigmoid", "arctan"])
@pytest.mark.parametrize("neuron_type", [nengo.LIF(), nengo.AdaptiveLIF()], ids=str)
def test_the_slope_of_leaky_neurons_is_about_that_of_their_rates(neuron_type, surrogate):
    """Of the number of spikes: a loop of neurons neither explodes nor dies out."""
    network = population(neuron_type, synapse=None)
    network.ensemble.max_rates = nengo.dists.Uniform(50, 150)
    slopes = []
    for options in (dict(surrogate=surrogate), dict(surrogate="rates")):
        trainer = Trainer(network, **quiet, **options)
        trainer.compile("sgd", loss={network.neurons: lambda y_true, y: y.mean()})
        x = np.full((3, 300, 1), 0.6)
        y = {network.neurons: np.zeros((3, 300, 20))}
        slopes.append(trainer.gradients(x, y)[network.ensemble.neurons, "bias"])
    is_firing = slopes[1] > 0.2 * slopes[1].max()
    assert 0.6 < np.median(slopes[0][is_firing] / slopes[1][is_firing]) < 1.6


@pytest.mark.parametrize("surrogate", ["triangle", "fast_sigmoid", "arctan"])
def test_a_spiking_memory_is_trained_through_its_spikes(surrogate):
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0])
        memory = LegendreMemory(0.03, 3)
        memory.config[nengo.Connection].trainable = True
        output = nengo.Node(size_in=1)
        nengo.Connection(u, memory.input, synapse=None)
        nengo.Connection(memory.output, output, transform=np.ones((1, 3)), synapse=0.01)
        probe = nengo.Probe(output)
    realize(network, Spiking(60, synapse=0.02))
    trainer = Trainer(network, surrogate=surrogate, **quiet)
    trainer.compile("sgd", loss={probe: "mse"})
    gradients = trainer.gradients(X, {probe: np.zeros((3, N_STEPS, 1))})
    inside = [
        np.abs(g).max()
        for (obj, _), g in gradients.items()
        if isinstance(obj, nengo.Connection) and obj in memory.all_connections
    ]
    assert inside and min(inside) >= 0 and max(inside) > 0
    assert all(np.isfinite(g).all() for g in gradients.values())


def test_firing_rates_are_regularized_without_targets():
    network = population(nengo.LIF())
    trainer = Trainer(network, **quiet)
    losses = {network.output: "mse", network.neurons: FiringRates(20.0)}
    trainer.compile("sgd", loss=losses)
    rates = in_training(trainer)[network.neurons].mean(axis=(0, 1))
    targets = {network.output: np.zeros((3, N_STEPS, 1))}
    logs = trainer.fit(X, targets).history
    expected = np.mean(((rates - 20) / 20) ** 2)
    assert logs["neurons_loss"][0] == pytest.approx(expected, rel=1e-3)
    assert logs["loss"][0] == pytest.approx(
        logs["neurons_loss"][0] + logs["output_loss"][0]
    )
