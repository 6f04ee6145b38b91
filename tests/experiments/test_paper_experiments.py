"""Chaotic series, their prediction and storage; solvers and steps."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.mackey_glass import mackey_glass
from experiments.recall import tradeoff
from experiments.spiking import continuous
from lmu_nengo import delay_decoders, order_for
from lmu_nengo.datasets import lorenz
from lmu_nengo.datasets import mackey_glass as series_of
from lmu_nengo.signal import discretize, nrmse, simulate, state_space

ROOT = Path(__file__).parents[2]


def run(name, out, *options):
    arguments = [sys.executable, "-m", "experiments", name, "--out", out, *options]
    subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True)
    assert (out / f"{name}.png").stat().st_size > 10_000
    return json.loads((out / f"{name}.json").read_text())


def test_mackey_glass_is_the_published_series():
    _, _, (x, y) = mackey_glass.make_data(5000, seed=0)
    assert x.shape == y.shape == (64, 4985, 1)
    assert np.array_equal(x[:, 15:], y[:, :-15])  # ahead, not back
    assert 100 * nrmse(x, y) == pytest.approx(162.4, abs=0.5)  # published


def test_mackey_glass_obeys_its_equation():
    from scipy.integrate import solve_ivp

    past = 1.2 + 0.2 * (np.random.RandomState(1).rand(170, 1) - 0.5)
    # while t < tau the past is given: an ordinary differential equation
    solved = solve_ivp(
        lambda t, x: 0.2 * (d := past[min(int(10 * t), 169), 0]) / (1 + d**10) - 0.1 * x,
        (0, 17),
        [1.2],
        max_step=0.05,
        t_eval=np.arange(1.0, 18),
    )
    expected = np.tanh(solved.y[0] - 1)
    ours = series_of(1, 17, seed=1)[0]
    assert np.allclose(ours, expected - expected.mean(), atol=2e-3)


def test_lorenz_turns_around_its_two_fixed_points():
    series = lorenz(2, 1500, seed=0)
    assert series.std(axis=1) == pytest.approx(1)
    lobes = np.sqrt(8 / 3 * 27) / 7.92  # fixed points +-sqrt(beta (rho - 1)); std 7.92
    histogram, edges = np.histogram(series, 60)
    peak = abs(edges[histogram.argmax()])
    assert peak < lobes < abs(series).max()


def test_only_the_beginning_of_a_series_counts_from_its_first_step():
    (x, y), _, _ = mackey_glass.make_data(5000, seed=0)
    assert x.shape == (9 * 32, 500, 1) and y.shape == (9 * 32, 500, 2)
    assert y[:32, :, 1].all() and not y[32:, :100, 1].any() and y[32:, 100:, 1].all()


@pytest.mark.parametrize("name", tradeoff.SERIES)
@pytest.mark.parametrize("theta", [16, 64])
def test_the_theoretical_order_holds_a_chaotic_window(name, theta):
    series = tradeoff.SERIES[name][0](4, 2000, 3)
    frequency = tradeoff.highest_frequency(series)
    order = order_for(theta, frequency, tradeoff.TOLERANCE)
    memory, truth = tradeoff.windows(series, order, theta)
    given = memory @ delay_decoders(order, (np.arange(theta) + 0.5) / theta).T
    assert nrmse(given[:, 200:], truth[:, 200:]) < tradeoff.TOLERANCE
    few, _ = tradeoff.windows(series, order // 3, theta)
    given = few @ delay_decoders(order // 3, (np.arange(theta) + 0.5) / theta).T
    assert nrmse(given[:, 200:], truth[:, 200:]) > tradeoff.TOLERANCE


def test_exact_output_is_what_very_fine_steps_tend_to():
    dt = 1e-4
    t = dt * np.arange(1, 30_001)
    states = simulate(
        *discretize(*state_space(1.0, 6), dt), continuous.signal(t - dt / 2)[:, None]
    )
    output = states @ delay_decoders(6, 1.0)[0]
    assert nrmse(output, continuous.exact(3.0, dt)) < 1e-6


def test_solvers_lose_what_theory_says(tmp_path):
    result = run("continuous", tmp_path, "--quick")
    for name, slope in result["reference"].items():
        assert result["figures"][name] == pytest.approx(slope, abs=0.05), name


@pytest.mark.slow
def test_tradeoff_runs(tmp_path):
    figures = run("tradeoff", tmp_path, "--quick")["figures"]
    # beyond the theoretical order the window is there
    assert figures["mackey_glass_theory_theta16"] <= 6
    assert figures["mackey_glass_window_theta16_order6"] < 0.1


@pytest.mark.slow
def test_mackey_glass_runs_and_resumes(tmp_path):
    figures = run("mackey_glass", tmp_path, "--quick")["figures"]
    sizes = [figures[f"{kind}_parameters"] for kind in mackey_glass.MODELS]
    assert max(sizes) <= 18_326  # the published LMU's
    again = run("mackey_glass", tmp_path, "--quick", "--resume")["figures"]
    assert again == figures
