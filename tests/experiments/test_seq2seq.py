"""Sequence to sequence: the tasks, the sizes of the networks, and what they learn."""

import numpy as np
import pytest

from experiments.seq2seq.seq2seq import N_AHEAD, N_SOURCE, floor, make_data, nrmse
from tests.experiments.commands import figures_of


def draw(task, n=64):
    return make_data(task, n, np.random.RandomState(0))


def test_targets_are_those_of_the_tasks():
    source, target = draw("copy")
    assert np.array_equal(source, target)
    source, target = draw("reverse")
    assert np.array_equal(source[:, ::-1], target)
    assert floor("reverse", source, target) == 1
    source, target = draw("forecast")
    assert source.shape == (64, N_SOURCE, 1) and target.shape == (64, N_AHEAD, 1)
    # the series continues: the step between the two is not larger than others
    steps = np.abs(np.diff(np.concatenate([source, target], axis=1), axis=1))
    assert steps[:, N_SOURCE - 1].max() <= steps.max() * 1.01
    source, target = draw("both_ways")
    # noise of half the signal's size
    assert floor("both_ways", source, target) == pytest.approx(0.5, rel=0.05)
    assert nrmse(target, target) == 0


@pytest.mark.parametrize("task", ["copy", "both_ways", "one_way"])
def test_lstm_is_as_large_as_the_number_of_parameters_allows(task):
    from experiments.seq2seq._models import lstm_units, make_lstm

    units = lstm_units(task, 3600)
    sizes = [make_lstm(task, n, 5, 0).count_params() for n in (units, units + 1)]
    assert sizes[0] <= 3600 < sizes[1]


@pytest.mark.slow
def test_command_trains_both_and_resumes(tmp_path):
    first, second = (
        figures_of("seq2seq", tmp_path, "--quick", "--resume")["figures"] for _ in range(2)
    )
    assert first == second
    assert first["parameters_lstm_copy"] <= first["parameters_lmu_copy"]
    assert first["nrmse_lmu_copy"] < 1  # an output of zero
    assert (tmp_path / "seq2seq.png").stat().st_size > 10_000
