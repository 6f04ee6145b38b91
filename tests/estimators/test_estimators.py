import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

import lmu_nengo
from lmu_nengo.estimators import LegendreFeatures, LMUClassifier, LMURegressor
from lmu_nengo.estimators.choices import orders_for, windows_for
from lmu_nengo.estimators.deployment import spike_noise
from lmu_nengo.signal import nrmse


def rising_and_falling(n=60, n_channels=2, seed=0, lengths=(20, 30)):
    """Noisy series of two channels, of which the first rises or falls."""
    rng = np.random.RandomState(seed)
    y = np.array(["down", "up"])[rng.randint(2, size=n)]
    X = []
    for label in y:
        t = np.linspace(-1, 1, rng.randint(*lengths))
        x = 0.7 * rng.randn(n_channels, len(t))
        x[0] += 1.5 * t if label == "up" else -1.5 * t
        X.append(x + 3)
    return X, y


def test_features_are_the_state_of_the_network_after_a_series():
    X, y = rising_and_falling(5)
    features = LegendreFeatures(theta=0.025, order=4)
    expected = features.fit_transform(X)
    classifier = LMUClassifier(theta=0.025, order=4, hidden_d=10).fit(X, y)
    network = classifier.network_
    with network:
        state = nengo.Probe(network.memory.output)
    for x, coefficients in zip(X, expected, strict=True):
        network.input.output = nengo.processes.PresentInput(x.T, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(x.shape[1])
        assert np.allclose(sim.data[state][-1], coefficients, atol=1e-6)


def test_an_order_is_chosen_that_keeps_the_windows():
    t = np.arange(100)
    orders = []
    for cycles in (1, 3):
        phases = np.random.RandomState(0).uniform(0, 6, (20, 1))
        X = np.sin(2 * np.pi * cycles * t / 100 + phases)
        features = LegendreFeatures().fit(X)
        # the best approximation of a sine by polynomials
        points = (t + 0.5) / 50 - 1
        basis = np.polynomial.legendre.legvander(points, features.order_ - 1)
        best = X @ basis @ np.linalg.pinv(basis)
        assert np.mean((best - X) ** 2) <= 0.1 * np.mean(X**2)
        orders.append(features.order_)
    assert orders[0] < orders[1]


@pytest.mark.parametrize("n_steps, last", [(1, 1), (2, 2), (10, 10), (64, 64), (999, 64)])
def test_orders_to_choose_from_end_with_the_whole_window(n_steps, last):
    assert orders_for(n_steps)[-1] == last


def test_windows_to_choose_from_are_spread_evenly_on_a_logarithmic_scale():
    assert windows_for(1600, 10)[::2] == [200, 100, 50, 25]
    assert windows_for(10, 1) == [1]


@pytest.mark.parametrize("target", ["core", "jax"])
def test_the_network_decides_as_the_estimator(target):
    X, y = rising_and_falling()
    classifier = LMUClassifier(random_state=0).fit(X[:40], y[:40])
    assert classifier.score(X[40:], y[40:]) >= 0.95
    assert np.array_equal(classifier.run_on(target, X[40:45]), classifier.predict(X[40:45]))


def test_three_dimensional_arrays_and_lists_are_the_same():
    X, y = rising_and_falling(lengths=(20, 21))
    scores = [
        LMUClassifier(random_state=0).fit(form, y).decision_function(form)
        for form in (X, np.array(X))
    ]
    assert np.allclose(*scores)


def test_only_the_read_out_changes_with_further_data():
    X, y = rising_and_falling(90)
    classifier = LMUClassifier(random_state=0, hidden_d=50)
    classifier.partial_fit(X[:40], y[:40]).partial_fit(X[40:70], y[40:70])
    first = LMUClassifier(random_state=0, hidden_d=50).fit(X[:40], y[:40])
    assert (classifier.order_, classifier.alpha_) == (first.order_, first.alpha_)
    features = LegendreFeatures(order=first.order_, theta=first.theta_).fit(X[:40])
    m = features.transform(X[:70])
    A = np.maximum(m @ first.encoders_.T + first.biases_, 0)
    model = Ridge(70 * first.alpha_ * np.var(A, axis=0).mean())
    model.fit(A, np.where(y[:70] == "up", 1, -1))
    A = np.maximum(features.transform(X[70:]) @ first.encoders_.T + first.biases_, 0)
    assert np.allclose(classifier.decision_function(X[70:]), model.predict(A))


def test_window_and_order_can_be_searched():
    X, y = rising_and_falling(40, lengths=(20, 21))
    X = [x - x[:, -3:].mean(axis=1, keepdims=True) for x in X]  # the past tells
    grid = {"order": [1, 2], "theta": [0.002, 0.02]}
    search = GridSearchCV(LMUClassifier(hidden_d=0, random_state=0), grid, cv=3)
    search.fit(np.array(X), y)
    assert search.best_params_["theta"] == 0.02


@pytest.mark.parametrize("hidden_d", [0, 20])
def test_the_network_of_an_estimator_is_loaded_without_a_function(hidden_d, tmp_path):
    X, y = rising_and_falling(30)
    classifier = LMUClassifier(order=2, hidden_d=hidden_d, random_state=0).fit(X, y)
    path = tmp_path / "classifier.npz"
    lmu_nengo.save_network(classifier.network_, path)
    loaded = lmu_nengo.load_network(path)
    outputs = []
    for network in (classifier.network_, loaded):
        network.input.output = nengo.processes.PresentInput(X[0].T, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(X[0].shape[1])
        outputs.append(sim.data[network.probe])
    assert np.array_equal(*outputs) and outputs[0].any()


@pytest.mark.slow
def test_spikes_decide_as_rates():
    X, y = rising_and_falling(80)
    classifier = LMUClassifier(order=2, hidden_d=100, random_state=0).fit(X[:40], y[:40])
    spiking = classifier.to_spiking(X[:40], n_neurons=30)
    assert all(ens.neuron_type.spiking for ens in spiking.network_.all_ensembles)
    assert spiking.network_.memory.theta == pytest.approx(20 * classifier.theta_)
    agreement = np.mean(spiking.predict(X[40:]) == classifier.predict(X[40:]))
    assert agreement >= 0.95
    # what it was made of can still be used
    assert not any(e.neuron_type.spiking for e in classifier.network_.all_ensembles)


def test_the_noise_of_spikes_is_that_of_neurons_that_are_counted():
    scale, duration = 80.0, 0.01
    rates = np.random.RandomState(0).uniform(0.5, 3, 2000)
    with nengo.Network(seed=0) as network:
        neurons = nengo.Ensemble(
            len(rates),
            1,
            neuron_type=nengo.SpikingRectifiedLinear(
                1 / scale, initial_state={"voltage": nengo.dists.Uniform(0, 1)}
            ),
            gain=np.ones(len(rates)),
            bias=scale * rates,
        )
        probe = nengo.Probe(neurons.neurons)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(duration)
    errors = sim.data[probe].mean(axis=0) - rates
    assert np.var(errors) == pytest.approx(spike_noise(scale, duration), rel=0.1)


def test_a_trend_and_two_sines_are_forecast_better_than_by_persistence():
    t, rng = np.arange(1200), np.random.RandomState(0)
    x = 0.02 * t + np.sin(0.1 * t) + np.sin(0.23 * t) + 0.01 * rng.randn(1200)
    regressor = LMURegressor(horizon=10, theta=0.1).fit(x[None, None, :900])
    forecast = regressor.predict(x[None, None])[0, 0]
    change = x[900:] - x[890:-10]
    errors = forecast[890:-10] - x[900:]
    assert nrmse(errors + change, change) < 0.05
    assert regressor.score(x[None, None, 600:]) > 0.99


def test_the_network_forecasts_as_the_estimator():
    t = np.arange(400)
    X = [(np.sin(0.1 * t) + 0.01 * t)[None, :n] for n in (400, 300)]
    regressor = LMURegressor(horizon=5, theta=0.05, order=6, random_state=0).fit(X)
    for a, b in zip(regressor.run_on("core", X), regressor.predict(X), strict=True):
        assert a.shape == b.shape
        # the second series begins when the first has nearly left the memory
        assert np.allclose(a, b, atol=0.02)


def test_a_value_at_each_step_is_learned():
    rng, smooth = np.random.RandomState(0), nengo.Alpha(0.02)
    X = [smooth.filt(rng.randn(n, 1), dt=0.001).T for n in (300, 350, 400, 320)]
    y = [np.roll(x, 10, axis=1) for x in X]
    for each in y:
        each[:, :10] = 0
    regressor = LMURegressor(theta=0.02, order=12).fit(X[:3], y[:3])
    (predicted,) = regressor.predict(X[3:])
    assert predicted.shape == (1, 320)
    assert nrmse(predicted, y[3]) < 0.1
    assert regressor.score(X[3:], y[3:]) > 0.99


def test_several_values_at_the_end_are_learned():
    X = np.random.RandomState(0).randn(80, 2, 10)
    y = X.mean(axis=2)
    regressor = LMURegressor(order=10).fit(X[:60], y[:60])
    assert regressor.predict(X[60:]).shape == (20, 2)
    assert regressor.score(X[60:], y[60:]) > 0.999


@pytest.mark.parametrize(
    "estimator, X, y, message",
    [
        (LMUClassifier(theta=-1), np.zeros((4, 5)), [0, 1, 0, 1], "theta"),
        (LMUClassifier(order=1.5), np.zeros((4, 5)), [0, 1, 0, 1], "order"),
        (LMUClassifier(hidden_d=-1), np.zeros((4, 5)), [0, 1, 0, 1], "hidden_d"),
        (LMUClassifier(), np.zeros((4, 5)), [1, 1, 1, 1], "one class"),
        (LMUClassifier(), [np.zeros((1, 5)), np.zeros((2, 5))], [0, 1], "channels"),
        (LMUClassifier(), [np.full((1, 5), np.nan)] * 2, [0, 1], "finite"),
        (LMUClassifier(), np.zeros((2, 3, 4, 5)), [0, 1], "n_channels"),
        (LMURegressor(horizon=3), np.zeros((1, 1, 50)), np.zeros(1), "None with a horizon"),
        (LMURegressor(horizon=3), np.zeros((1, 1, 4)), None, "at least horizon"),
        (LMURegressor(), np.zeros((4, 1, 5)), np.zeros((4, 1, 6)), "each step"),
        (LMURegressor(), np.zeros((1, 1, 5)), np.zeros(1), "at least 2 series"),
    ],
)
def test_what_does_not_fit_is_refused(estimator, X, y, message):
    with pytest.raises(ValidationError, match=message):
        estimator.fit(X, y)


def test_labels_that_were_not_announced_are_refused():
    X, y = rising_and_falling(20)
    with pytest.raises(ValidationError, match="not among the classes"):
        LMUClassifier().partial_fit(X, y, classes=["up", "left"])
