"""NeuroBench's forecast: series, error and networks against formulas and PyTorch."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from experiments.mackey_glass import _chaos, _window_forecaster
from experiments.mackey_glass._chaos import smape
from tests.experiments.commands import figures_of, invoke


def wave(n_points):
    """A series that is easily continued."""
    return 1 + 0.3 * np.sin(0.3 * np.arange(n_points))


def by_steps(tau, past, times):
    """Mackey-Glass by the method of steps, to ten digits."""
    values, start, k = np.empty(len(times)), past, 0

    def history(t):
        return past

    while k * tau <= times[-1]:

        def slope(t, x, history=history):
            y = history(t)
            return 0.2 * y / (1 + y**10) - 0.1 * x

        options = dict(rtol=1e-10, atol=1e-12, max_step=0.5, dense_output=True)
        solved = solve_ivp(slope, (0, tau), [start], "DOP853", **options)
        here = (times >= k * tau) & (times < (k + 1) * tau)
        values[here] = solved.sol(times[here] - k * tau)[0]
        history, start, k = (lambda t, s=solved.sol: s(t)[0]), solved.y[0, -1], k + 1
    return values


def test_the_error_is_that_of_the_paper():
    assert smape([2.0, 1.0], [1.0, 1.0]) == pytest.approx(100 / 3)
    assert smape([1.0, 3.0], [-1.0, 3.0]) == 100
    assert smape([np.nan], [1.0]) == 200


def test_repetitions_are_half_a_lyapunov_time_apart():
    assert [_chaos.offset(k) for k in (0, 1, 2, 29)] == [0, 37, 75, 1087]
    assert _chaos.step_length(17) == pytest.approx(197 / 75)
    # no point by which windows are chosen is one that is tested
    assert min(_chaos.offset(k) + _chaos.N_TRAIN for k in range(30)) >= _chaos.N_TRAIN


def test_the_series_solve_the_equation():
    pytest.importorskip("jitcdde")
    n = 3 * _chaos.PER_LYAPUNOV_TIME  # by then an error has grown twentyfold
    found = _chaos.generate(30, n)
    times = 30 + _chaos.step_length(30) * np.arange(n)
    assert np.abs(found - by_steps(30, _chaos.SERIES[30][1], times)).max() < 2e-4


def test_the_memory_holds_values_of_its_window():
    A, B = _window_forecaster.window_memory(20, 12)
    u = np.sin(0.2 * np.arange(400))
    m = np.zeros(12)
    for value in u:
        m = A @ m + B * value
    # an input that is held for a step lags by half of it; the first point is a jump
    delays = np.linspace(0, 20, 12)[1:] + 0.5
    assert np.abs(m[1:] - np.sin(0.2 * (400 - delays))).max() < 0.005


def test_each_neuron_sees_one_point():
    W, b = _window_forecaster.neurons(5, 4, 2.0, seed=0)
    assert W.shape == (20, 5) and (np.abs(W).sum(axis=1) == 2).all()
    assert ((np.abs(W) > 0).sum(axis=0) == 4).all()
    thresholds = -b / W.sum(axis=1)
    assert thresholds.min() >= -2.5 and thresholds.max() <= 1.5


@pytest.mark.parametrize("line", [False, True])
def test_a_forecast_continues_a_wave(line):
    x = wave(900)
    made = _window_forecaster.fit(x[:600], 12, seed=0, line=line)
    assert smape(made.forecast(x[600], 299), x[601:]) < 0.1  # %


def test_the_network_forecasts_what_was_fitted():
    torch = pytest.importorskip("torch")
    from experiments.mackey_glass._closed_loop import WindowMemory

    x = wave(700) ** 2
    made = _window_forecaster.fit(x[:600], 12, seed=0, ridge=1e-6)
    values = WindowMemory(made)(torch.tensor(x[600:650])[:, None, None])
    assert values[:, 0].numpy() == pytest.approx(made.forecast(x[600], 50), rel=1e-6)


def test_spikes_and_their_sum_have_the_same_effect():
    torch = pytest.importorskip("torch")
    from experiments.mackey_glass import _closed_loop

    x = wave(700)
    network = _closed_loop.fit_in_spikes(x[:600], 12, seed=0)
    batch = torch.tensor(x[600:610])[:, None, None]
    values = network(batch)
    assert smape(values[:, 0], x[601:611]) < 1  # %
    network.by_step = True
    assert network(batch).numpy() == pytest.approx(values.numpy(), rel=1e-9)
    network.begin()
    spikes = network.fire(torch.zeros((1, 1), dtype=torch.float64))
    assert set(np.unique(spikes)) <= {-1, 0, 1} and len(spikes) == _closed_loop.TICKS
    # of a constant input, what the spikes add up to is that constant at all delays
    network = _closed_loop.fit_in_spikes(np.r_[np.zeros(300), np.ones(301)], 12, seed=0)
    driven, quantum = network.start[2].numpy().ravel(), _closed_loop.QUANTUM
    made = _window_forecaster.fit(
        np.r_[np.zeros(300), np.ones(301)], 12, seed=0, **_window_forecaster.IN_SPIKES
    )
    level = (1 - made.mean) / made.deviation
    expected = made.W.sum(axis=1) * level + made.b
    assert driven == pytest.approx(expected, abs=8 * quantum)


def test_the_echo_state_network_is_scaled_and_solves_its_regression():
    torch = pytest.importorskip("torch")
    from experiments.mackey_glass._closed_loop import WARM_UP, EchoState

    x = torch.tensor(wave(301))[:, None]
    ridge = 1e-3
    network = EchoState(x[:-1], x[1:], (40, 0.9, 0.8, 0.5, 1.2, 0.7, ridge), seed=0)
    first = torch.linalg.eigvals(network.recurrent.weight)[0].abs()
    assert float(first) == pytest.approx(1.2)
    assert 0.4 < float((network.recurrent.weight != 0).double().mean()) < 0.6
    network.state = torch.zeros((1, 40), dtype=torch.float64)
    a = torch.cat([network.advance(v[None]) for v in x[:-1]])[WARM_UP:].numpy()
    wanted = np.linalg.solve(a.T @ a + ridge * np.eye(42), a.T @ x[1:][WARM_UP:].numpy())
    assert network.readout.weight.numpy() == pytest.approx(wanted.T, abs=1e-6)


def test_lstms_are_trained_as_pytorch_trains_them():
    torch = pytest.importorskip("torch")
    pytest.importorskip("jax")
    from experiments.mackey_glass import _closed_loop as closed

    series = torch.tensor(np.array([wave(61), wave(61) ** 2]))
    weights, losses = closed.train_lstms(series, [0, 1], epochs=3)
    torch.manual_seed(1)
    cell = torch.nn.LSTMCell(closed.LAGS, closed.HIDDEN).double()
    readout = torch.nn.Linear(closed.HIDDEN, 1).double()
    norm = torch.nn.LayerNorm(closed.LAGS).double()
    trained = [*cell.parameters(), *readout.parameters(), *norm.parameters()]
    adam = torch.optim.Adam(trained, lr=closed.RATE, weight_decay=closed.DECAY)
    for k in range(3):
        lags = torch.zeros((1, closed.LAGS), dtype=torch.float64)
        h = c = torch.zeros((1, closed.HIDDEN), dtype=torch.float64)
        read = []
        for value in series[1, :-1]:
            lags = torch.cat([lags[:, 1:], value.reshape(1, 1)], dim=1)
            h, c = cell(norm(lags), (h, c))
            read.append(readout(torch.relu(h)))
        loss = ((torch.cat(read)[:, 0] - series[1, 1:]) ** 2).mean()
        assert losses[k, 1] == pytest.approx(loss.item(), rel=1e-9)
        adam.zero_grad()
        loss.backward()
        adam.step()
    network = closed.LongShortTerm(weights[1], series[1, :-1, None])
    forecast = network(series[1, -1:, None, None])
    assert forecast.shape == (1, 1)


def test_what_is_missing_is_said(tmp_path):
    try:
        import neurobench  # noqa: F401
    except ImportError:
        result = invoke("neurobench", "--out", tmp_path)
        assert result.exit_code == 1 and "virtual environment" in result.output


@pytest.mark.slow
def test_the_forecast_is_better_than_published_with_fewer_operations(tmp_path):
    pytest.importorskip("neurobench")
    pytest.importorskip("jitcdde")
    figures = figures_of("neurobench", tmp_path, "--quick")["figures"]
    assert figures["lmu_tau17"] < 13.37
    assert figures["lmu_effective_macs"] < 4370
