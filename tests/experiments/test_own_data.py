import numpy as np
import pytest

from experiments.own_data import _peers
from experiments.own_data.own_data import rank
from tests.experiments.commands import figures_of, invoke


def test_equal_accuracies_share_their_rank():
    assert rank([90.0, 95.0, 90.0, 80.0]).tolist() == [2.5, 1.0, 2.5, 4.0]


def test_ridge_on_lags_forecasts_sines_with_a_trend():
    t = np.arange(600)
    x = 0.1 * t + np.sin(0.2 * t) + np.cos(0.5 * t)
    forecast = _peers.ridge_on_lags(x, n_train=480, horizon=5)
    assert np.abs(forecast[475:-5] - x[480:]).max() < 1e-3


def test_series_are_padded_at_the_front():
    X = [np.arange(6.0).reshape(2, 3), np.full((2, 1), 9.0)]
    padded, other = _peers.arrays(X, [np.zeros((2, 4))])
    assert padded.shape == (2, 2, 4) and other.shape == (1, 2, 4)
    assert not padded[1, :, :3].any() and padded[1, :, 3].all()


def test_what_is_missing_is_said(tmp_path):
    try:
        import aeon  # noqa: F401
    except ImportError:
        result = invoke("own_data", "--out", tmp_path)
        assert result.exit_code == 1 and "virtual environment" in result.output


@pytest.mark.slow
def test_own_data_meets_its_bars(tmp_path):
    pytest.importorskip("aeon")
    pytest.importorskip("statsmodels")
    figures = figures_of("own_data", tmp_path, "--quick")["figures"]
    assert figures["JapaneseVowels_lmu"] >= 97.5
    assert figures["JapaneseVowels_spikes"] >= 90  # of 20 series
    assert figures["co2_lmu_over_change"] <= 0.215
    assert figures["sunspots_lmu_over_values"] <= 0.72
