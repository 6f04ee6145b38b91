"""Prediction and storage of chaotic series; solvers and steps."""

import numpy as np
import pytest

from experiments.mackey_glass import mackey_glass
from experiments.recall import tradeoff
from experiments.spiking import continuous
from lmu_nengo import delay_decoders, order_for
from lmu_nengo.signal import discretize, nrmse, simulate, state_space
from tests.experiments.commands import figures_of


def test_mackey_glass_is_the_published_series():
    _, _, (x, y) = mackey_glass.make_data(5000, seed=0)
    assert x.shape == y.shape == (64, 4985, 1)
    assert np.array_equal(x[:, 15:], y[:, :-15])  # ahead, not back
    assert 100 * nrmse(x, y) == pytest.approx(162.4, abs=0.5)  # published


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


@pytest.mark.slow
def test_solvers_lose_what_theory_says(tmp_path):
    result = figures_of("continuous", tmp_path, "--quick")
    assert (tmp_path / "continuous.png").stat().st_size > 10_000
    for name, slope in result["reference"].items():
        assert result["figures"][name] == pytest.approx(slope, abs=0.05), name


@pytest.mark.slow
def test_tradeoff_runs(tmp_path):
    figures = figures_of("tradeoff", tmp_path, "--quick")["figures"]
    # beyond the theoretical order the window is there
    assert figures["mackey_glass_theory_theta16"] <= 6
    assert figures["mackey_glass_window_theta16_order6"] < 0.1


@pytest.mark.slow
def test_mackey_glass_runs_and_resumes(tmp_path):
    figures = figures_of("mackey_glass", tmp_path, "--quick")["figures"]
    sizes = [figures[f"{kind}_parameters"] for kind in mackey_glass.MODELS]
    assert max(sizes) <= 18_326  # the published LMU's
    lmu = "--model", "lmu", "--engine", "dl"
    other = figures_of("mackey_glass", tmp_path / "dl", "--quick", *lmu)["figures"]
    assert other["lmu_parameters"] == figures["lmu_parameters"]
    again = figures_of("mackey_glass", tmp_path, "--quick", "--resume")["figures"]
    assert again == figures
