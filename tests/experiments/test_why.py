"""Gradients, pulses and gates against closed forms; recall after 10,000 steps."""

import numpy as np
import pytest

from experiments.recall._symbol import SIZE, hmm_accuracy, lmu_accuracy, make_sets, one_hot
from experiments.recall.why import (
    gradient_sizes,
    look_at_lmu,
    make_layer,
    pulse_left,
    saturated,
)
from tests.experiments.commands import figures_of


def test_gradient_of_a_silent_simple_rnn_is_its_matrix_power():
    """Without input tanh has slope 1: the gradient is W U^k, and U is orthogonal."""
    layer = make_layer("rnn", units=4)
    kernel, recurrent, _ = layer.get_weights()
    layer.set_weights([kernel, 0.9 * recurrent, np.zeros(4)])
    sizes = gradient_sizes(layer, np.zeros((2000, 6, SIZE)))
    expected = np.linalg.norm(kernel) * 0.9 ** np.arange(6)
    assert sizes == pytest.approx(expected, rel=0.1)  # of 2,000 directions
    assert sizes / sizes[0] == pytest.approx(0.9 ** np.arange(6), rel=0.1)


def test_pulse_in_a_simple_rnn_fades_as_its_matrix():
    layer = make_layer("rnn", units=4)
    kernel, recurrent, _ = layer.get_weights()
    layer.set_weights([1e-4 * kernel, 0.5 * recurrent, np.zeros(4)])
    x = np.zeros((1, 6, SIZE))
    x[0, 0, 0] = 1
    assert pulse_left(layer, x) == pytest.approx(0.5 ** np.arange(6), rel=1e-4)


@pytest.mark.parametrize("kind, n_gates", [("lstm", 3), ("gru", 2)])
def test_gates_are_counted_and_candidates_are_not(kind, n_gates):
    """Without input, one gate or the candidate has a bias of 9."""
    layer = make_layer(kind, units=2)
    weights = [np.zeros_like(each) for each in layer.get_weights()]
    shares = []
    for i in range(n_gates + 1):
        bias = weights[2].reshape(-1, 2 * (n_gates + 1))
        bias[:] = 0
        bias[0, 2 * i : 2 * i + 2] = 9
        layer.set_weights(weights)
        shares.append(saturated(kind, layer, np.zeros((1, 3, SIZE)))[-1])
    assert sorted(shares) == pytest.approx([0] + n_gates * [1 / n_gates])
    assert shares[2] == 0  # Keras' order


def test_the_memorys_gradient_reaches_10_000_steps_back():
    lmu = look_at_lmu(10_000)
    assert min(lmu["left"]) > 0.01 and min(lmu["gradient"]) > 1e-4


@pytest.mark.parametrize("delay", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_lmu_and_hmm_recall_a_symbol_after_a_long_delay(delay):
    sets = make_sets(delay, 100, seed=0)
    shown = one_hot(sets[0].shown[:20])
    assert np.array_equal(shown[:, 0].argmax(axis=1), sets[0].answers[:20])
    assert not shown[:, 1:, :8].any()  # distractors are of another alphabet
    assert lmu_accuracy(delay, sets, seed=0, epochs=8)[0] == 100
    assert hmm_accuracy(sets, seed=0)[0] == 100


@pytest.mark.slow
def test_command_trains_networks_and_resumes(tmp_path):
    first, second = (figures_of("why", tmp_path, "--quick", "--resume") for _ in range(2))
    assert first["settings"]["results"] == second["settings"]["results"]
    assert first["figures"]["recalled_lmu_100"] == 100
    assert first["figures"]["left_lstm_100"] < 1e-5 < first["figures"]["left_lmu_100"]
    assert (tmp_path / "why.png").stat().st_size > 10_000
