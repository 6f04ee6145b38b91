"""The paper's capacity figure: published errors, and the errors that theory expects."""

import numpy as np
import pytest

from experiments._lib.keras_models import units_for
from experiments.recall.capacity import N_PARAMETERS, WORST, delayed, lmu_errors, stimuli
from tests.experiments.commands import figures_of


@pytest.mark.parametrize("n_steps", [100, 1000])
def test_an_untrained_memory_is_as_good_as_published(n_steps):
    assert lmu_errors(n_steps, 20, seed=0).max() <= WORST[n_steps]


def test_the_error_is_a_shift_of_one_step_at_the_end_of_the_window():
    """An input held for a step arrives half a step early; theta is half a step short."""
    shift = [np.mean(np.diff(x[:-1000]) ** 2) for x in stimuli(1000, 0, slice(100, 120))]
    errors = lmu_errors(1000, 20, seed=0)
    assert errors[-1] == pytest.approx(np.mean(shift), rel=0.1)
    centred = lmu_errors(1000, 20, seed=0, centered=True)
    assert np.all(centred[1:4] < 1e-4 * errors[1:4])


def test_stimulus_is_band_limited_and_its_target_delayed():
    (x,) = stimuli(100, 0, slice(100, 101))
    assert np.abs(x).max() == 1
    power = np.abs(np.fft.rfft(x)) ** 2
    assert power[np.fft.rfftfreq(250, 0.01) > 10].sum() < 1e-9 * power.sum()
    y = delayed(x, [0, 25, 100])
    assert np.array_equal(y[100:], np.stack([x[100:], x[75:225], x[:150]], axis=1))
    assert not y[:100, 2].any()


def test_lstm_has_the_published_size():
    assert units_for("lstm", N_PARAMETERS, 1, 5) == 100


@pytest.mark.slow
def test_command_trains_networks_and_resumes(tmp_path):
    first, second = (
        figures_of("capacity", tmp_path, "--quick", "--resume")["figures"] for _ in range(2)
    )
    assert second["mse_lstm_T25"] == first["mse_lstm_T25"]  # not trained again
    assert first["worst_lmu_centred_T25"] < first["mse_lstm_T25"] < first["mse_zero_T25"]
    assert (tmp_path / "capacity.png").stat().st_size > 10_000
