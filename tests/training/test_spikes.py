import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Linear, LMUCell, Windowed, realize, to_spiking
from lmu_nengo.conversion import spiking_report
from lmu_nengo.training import FiringRates, Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")

quiet = dict(progress_bar=False, seed=0)
RATE = nengo.RectifiedLinear(amplitude=2.0)
INTEGRATING = [
    nengo.SpikingRectifiedLinear(amplitude=2.0),
    nengo.RegularSpiking(nengo.RectifiedLinear(), amplitude=2.0),
]
RANDOM = [
    nengo.StochasticSpiking(nengo.RectifiedLinear(), amplitude=2.0),
    nengo.PoissonSpiking(nengo.RectifiedLinear(), amplitude=2.0),
]


def network_of(regressor, kind, keep_history=True):
    net = regressor(keep_history)
    net.hidden.neuron_type = kind
    net.hidden.gain = np.full(20, 300.0)  # some spikes in 30 steps
    with net.network:
        net.neurons = nengo.Probe(net.hidden.neurons)
    return net


def weighted(y_true, y_pred):
    """A loss whose gradient does not depend on the prediction."""
    return tf.reduce_mean(y_true * y_pred)


def train(net, x, y, look=True, **kwargs):
    """Path, activities, losses without training and in it, change of the weights."""
    conn = net.network.connections[3]
    with Simulator(net.network, minibatch_size=4, **quiet, **kwargs) as sim:
        activities = sim.predict(x[:4], verbose=0)[net.neurons] if look else None
        sim.compile(tf.optimizers.SGD(1e-6), loss={net.probe: weighted})
        before = sim.data[conn].weights
        tested = sim.evaluate(x[:4], {net.probe: y[:4]}, verbose=0)["loss"]
        fitted = sim.fit(x[:4], {net.probe: y[:4]}, verbose=0).history["loss"][0]
        return sim.path, activities, tested, fitted, sim.data[conn].weights - before


@pytest.fixture(scope="module")
def of_rates(regressor, sequences):
    """Activities, loss and change of the weights of the rate network."""
    net = network_of(regressor, RATE).realize(Windowed(30))
    _, rates, _, loss, change = train(net, *sequences)
    assert np.abs(change).max() > 1e-7
    return rates, loss, change


@pytest.mark.parametrize(
    "kind",
    [
        INTEGRATING[0],
        RANDOM[0],
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in INTEGRATING[1:]),
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in RANDOM[1:]),
    ],
)
def test_spikes_go_forward_and_rates_backward(regressor, sequences, of_rates, kind):
    rates, rate_loss, rate_change = of_rates
    net = network_of(regressor, kind).realize(Windowed(30))
    path, activities, tested, fitted, change = train(
        net, *sequences, spikes_in_training=True
    )
    assert path == "all steps"
    spikes = activities * 0.001 / 2
    assert np.array_equal(spikes, np.rint(spikes)) and spikes.max() >= 1
    # over T steps the sum is off by one spike, or by noise
    error = np.abs(spikes.sum(axis=1) - rates.sum(axis=1) * 0.001 / 2)
    assert error.max() < 1 if kind in INTEGRATING else error.mean() < 3
    assert abs(fitted - rate_loss) > 1e-3 * abs(rate_loss)
    if kind in INTEGRATING:  # the others draw anew
        assert fitted == pytest.approx(tested, rel=1e-5)
    assert np.allclose(change, rate_change, rtol=1e-4, atol=1e-10)


def test_rates_go_forward_as_well_unless_spikes_are_asked_for(
    regressor, sequences, of_rates
):
    _, rate_loss, rate_change = of_rates
    net = network_of(regressor, INTEGRATING[0]).realize(Windowed(30))
    _, activities, tested, fitted, change = train(net, *sequences)
    assert np.array_equal(activities * 0.0005, np.rint(activities * 0.0005))
    assert fitted == pytest.approx(rate_loss, rel=1e-5)
    assert abs(tested - rate_loss) > 1e-3 * abs(rate_loss)
    assert np.allclose(change, rate_change, rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("kind", INTEGRATING)
def test_spikes_of_all_steps_at_once_equal_those_step_by_step(regressor, sequences, kind):
    x, _ = sequences
    outputs = []
    for realization in (Windowed(30), Linear()):
        net = network_of(regressor, kind, False).realize(realization)
        with Simulator(net.network, minibatch_size=3, **quiet) as sim:
            outputs.append(sim.predict(x, verbose=0)[net.neurons])
        if isinstance(realization, Windowed):
            assert sim.path == "all steps" and "integrates" in sim.path_reason
    assert outputs[0].shape == outputs[1].shape == (12, 1, 20)
    assert np.array_equal(*outputs) and outputs[0].max() > 0


def test_negative_rates_fire_alike_in_both_ways(regressor, sequences):
    x, _ = sequences
    kind = nengo.RegularSpiking(nengo.Tanh(tau_ref=0.002), amplitude=0.5)
    spikes = []
    for realization in (Windowed(30), Linear()):
        net = network_of(regressor, kind).realize(realization)
        with Simulator(net.network, minibatch_size=12, **quiet) as sim:
            spikes.append(sim.predict(x, verbose=0)[net.neurons] * 0.001 / 0.5)
    assert spikes[0].min() == -1 and spikes[0].max() == 1
    # a voltage next to a whole number may be rounded to the step before or after
    assert np.abs(np.cumsum(spikes[0] - spikes[1], axis=1)).max() <= 1
    assert np.mean(spikes[0] != spikes[1]) < 1e-3


def test_random_spikes_train_in_the_last_step_path(regressor, sequences):
    x, y = sequences
    changes = []
    for kind in (RATE, RANDOM[0]):
        net = network_of(regressor, kind, False).realize(Windowed(30))
        path, *_, change = train(net, x, y[:, -1:], False, spikes_in_training=True)
        assert path == "last step"
        changes.append(change)
    assert np.allclose(*changes, rtol=1e-4, atol=1e-10)


@pytest.mark.slow
def test_leaky_neurons_fire_in_training_step_by_step(regressor, sequences):
    x, y = sequences
    results = []
    for kind in (nengo.LIFRate(amplitude=0.01), nengo.LIF(amplitude=0.01)):
        net = network_of(regressor, kind).realize(Linear())
        net.hidden.gain = np.full(20, 10.0)
        results.append(train(net, x, y, False, spikes_in_training=True))
    (_, _, _, rate_loss, rate_change), (_, _, tested, fitted, change) = results
    assert np.allclose(change, rate_change, rtol=1e-4, atol=1e-10)
    assert fitted == pytest.approx(tested, rel=1e-5)
    assert abs(fitted - rate_loss) > 1e-3 * abs(rate_loss)


def test_a_leaky_or_hidden_voltage_is_refused_beside_a_windowed_memory(regressor):
    for kind in (nengo.LIF(), nengo.RegularSpiking(nengo.AdaptiveLIFRate())):
        net = network_of(regressor, kind).realize(Windowed(30))
        with pytest.raises(ValidationError, match="integrate-and-fire"):
            Simulator(net.network, **quiet)


def test_a_spiking_cell_that_feeds_back_is_refused_with_advice():
    with nengo.Network(seed=0) as network:
        cell = LMUCell(
            1,
            memory_d=1,
            theta=0.03,
            order=3,
            hidden_d=4,
            hidden_kernel=np.eye(4),
            hidden_type=nengo.RectifiedLinear(),
            realization=Windowed(30),
        )
        nengo.Connection(nengo.Node([0]), cell.input, synapse=None)
        nengo.Probe(cell.output)
    to_spiking(network)
    with pytest.raises(ValidationError, match="Train with the rate type"):
        Simulator(network, **quiet)


def two_frequencies(n, rng):
    """Sequences (n, 60, 1) of one of two frequencies, any phase; which one (n,)."""
    fast = np.arange(n) % 2
    phase = 2 * np.pi * rng.rand(n, 1)
    t = np.arange(60) * 0.001
    x = np.sin(2 * np.pi * np.where(fast, 40, 25)[:, None] * t + phase)
    return x[:, :, None].astype(np.float32), fast


def classifier(kind):
    rng = np.random.RandomState(0)
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(trainable=None)
        source = nengo.Node([0], label="source")
        cell = LMUCell(
            1,
            memory_d=1,
            theta=0.06,
            order=6,
            hidden_d=30,
            memory_kernel=rng.randn(30, 6),
            hidden_type=kind,
        )
        nengo.Connection(source, cell.input, synapse=None)
        out = nengo.Node(size_in=2)
        weights = 0.1 * rng.randn(2, 30)
        nengo.Connection(cell.output, out, transform=weights, synapse=None)
        probe = nengo.Probe(out)
        rates = nengo.Probe(cell.hidden.neurons)
    return network, source, cell, probe, rates


def summed(y_true, y_pred):
    """Cross-entropy of the mean output."""
    logits = tf.reduce_mean(y_pred, axis=1)
    return tf.losses.sparse_categorical_crossentropy(y_true[:, 0, 0], logits, True)


@pytest.mark.parametrize(
    "kind",
    [
        nengo.SpikingRectifiedLinear(amplitude=1 / 200),
        pytest.param(
            nengo.StochasticSpiking(nengo.RectifiedLinear(), amplitude=1 / 200),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_network_trained_in_spikes_classifies_in_core_nengo(kind):
    rng = np.random.RandomState(1)
    x, y = two_frequencies(200, rng)
    x_test, y_test = two_frequencies(20, rng)
    network, source, cell, probe, _ = classifier(kind)
    cell.hidden.gain = np.full(30, 200.0)
    realize(network, Windowed(60))
    with Simulator(network, minibatch_size=20, spikes_in_training=True, **quiet) as sim:
        sim.compile(tf.optimizers.Adam(0.01), loss={probe: summed})
        sim.fit(x, {probe: y[:, None, None]}, epochs=10, verbose=0)
        sim.freeze_params(network)
    realize(network, Linear())

    def accuracy(values):
        return np.mean(values.mean(axis=1).argmax(axis=1) == y_test)

    for neuron_type in (kind, nengo.SpikingRectifiedLinear(amplitude=1 / 200)):
        cell.hidden.neuron_type = neuron_type
        report = spiking_report(network, {source: x_test}, probe, accuracy)
        assert report.score >= 0.9
        assert 0 < report.layers[0].mean_rate < 1000


def test_mean_rates_move_to_their_target_in_training():
    x, y = two_frequencies(80, np.random.RandomState(1))
    network, source, _, probe, rates = classifier(nengo.RectifiedLinear())
    realize(network, Windowed(60))
    with Simulator(network, minibatch_size=40, **quiet) as sim:
        assert sim.path == "all steps"
        first = sim.predict(x, verbose=0)[rates].mean(axis=(0, 1))
        sim.compile(
            tf.optimizers.Adam(0.01),
            loss={probe: summed, rates: FiringRates(0.2, weight=10)},
        )
        targets = {probe: y[:, None, None], rates: np.zeros((80, 1, 1))}
        sim.fit(x, targets, epochs=60, verbose=0)
        last = sim.predict(x, verbose=0)[rates].mean(axis=(0, 1))
        sim.freeze_params(network)
    assert np.abs(first - 0.2).min() > 0.1
    assert np.abs(last - 0.2).max() < 0.04
    realize(network, Linear())
    to_spiking(network, scale=100)  # 0.2 x 100 = 20 Hz
    (layer,) = spiking_report(network, {source: x[:40]}).layers
    assert layer.mean_rate == pytest.approx(20, abs=2)


@pytest.mark.parametrize(
    "target, rates, loss",
    [
        (2.0, [2.0, 2.0], 0.0),
        (2.0, [1.0, 4.0], ((1 / 2) ** 2 + (2 / 2) ** 2) / 2),
        ((1.0, 4.0), [0.0, 6.0], ((1 / 4) ** 2 + (2 / 4) ** 2) / 2),
        ((0.0, 4.0), [0.0, 4.0], 0.0),
    ],
)
def test_firing_rates_loss_is_that_computed_by_hand(target, rates, loss):
    activities = np.tile(np.array(rates, np.float32), (3, 5, 1))
    activities[:, ::2] *= 5 / 3  # the mean over time counts
    activities[:, 1::2] *= 0
    value = FiringRates(target, weight=3.0)(np.zeros((3, 1, 1)), activities)
    assert float(value) == pytest.approx(3 * loss, abs=1e-6)


@pytest.mark.parametrize("target", [0, -1, (3, 2), (1, 2, 3), (0, 0)])
def test_a_target_out_of_range_is_refused(target):
    with pytest.raises(ValidationError, match="one rate above 0"):
        FiringRates(target)
