"""Copy of symbols, digits read at every step, vowels whose order is the class."""

import numpy as np
import pytest

from experiments.psmnist.psmnist_steps import columns
from experiments.recall import copy_symbols
from experiments.recall._vowels import CLASSES, FORMANTS, N_STEPS, RATE, make_sounds
from lmu_nengo.signal import discretize, simulate, state_space
from tests.experiments.commands import figures_of


def test_each_symbol_meets_each_answer_once():
    steps, pairs = copy_symbols.lags(7)
    assert pairs.sum() == copy_symbols.N_SYMBOLS**2
    # the symbol of an answer was shown a constant time ago
    assert steps[pairs.argmax()] == copy_symbols.N_SYMBOLS + 7


def test_an_exact_delay_copies_and_no_memory_guesses():
    rng = np.random.default_rng(0)
    symbols = copy_symbols.draw(100, rng)
    exact = np.zeros(2 * copy_symbols.N_SYMBOLS - 1)
    exact[copy_symbols.N_SYMBOLS - 1] = 1
    assert copy_symbols.copied(exact, symbols) == 100
    # a kernel one step off names the neighbors: chance
    assert abs(copy_symbols.copied(np.roll(exact, 1), symbols) - 12.5) < 1


def test_a_memory_of_enough_dimensions_copies():
    symbols = copy_symbols.draw(100, np.random.default_rng(0))
    accuracy = [
        copy_symbols.copied(copy_symbols.kernel(20, order, (1.0, 1.2))[0], symbols)
        for order in (16, 64, 200)
    ]
    assert accuracy == sorted(accuracy)
    assert accuracy[0] < 60 and accuracy[-1] > 99


def test_what_is_held_is_the_state_of_the_memory():
    x = np.random.RandomState(0).randn(64)
    held = columns("legendre", 64, 8, 24)
    states = simulate(*discretize(*state_space(64.0, 8), dt=1.0), x[:, None])
    assert x @ held == pytest.approx(states[23])
    assert x @ columns("delay", 64, 8, 24) == pytest.approx(x[16:24])
    assert x @ columns("pixels", 64, 8, 24) == pytest.approx(x[:24])


def test_vowels_have_their_formants_in_their_order():
    sounds, labels = make_sounds(200, seed=0)
    assert sounds.std(axis=1) == pytest.approx(1)
    frequencies = np.fft.rfftfreq(N_STEPS // 6, 1 / RATE)
    # the middle of each third, where no other vowel is
    for third in range(3):
        middle = N_STEPS * (2 * third + 1) // 6 + np.arange(N_STEPS // 6) - N_STEPS // 12
        power = np.abs(np.fft.rfft(sounds[:, middle] * np.hanning(N_STEPS // 6))) ** 2
        for vowel, (first, _) in FORMANTS.items():
            chosen = [CLASSES[label][third] == vowel for label in labels]
            peak = frequencies[power[chosen].mean(axis=0).argmax()]
            assert abs(peak - first) < 0.25 * first, (third, vowel)


def test_order_is_what_the_long_memory_adds(tmp_path):
    figures = figures_of("vowel_order", tmp_path, "--quick")["figures"]
    assert figures["lmu4"] > 90
    assert figures["no_order"] < 50


def test_digits_are_read_on_the_way(tmp_path):
    figures = figures_of("psmnist_steps", tmp_path, "--quick")["figures"]
    assert figures["legendre16_64"] > figures["delay16_64"] + 5
    assert figures["legendre16_64"] > figures["legendre16_8"]
    assert figures["pixels_64"] > 95
    assert (tmp_path / "psmnist_steps.png").stat().st_size > 10_000


def test_symbols_are_copied_by_the_command(tmp_path):
    figures = figures_of("copy_symbols", tmp_path, "--quick", "--delays", "40")["figures"]
    assert 12.5 < figures["lmu8_40"] < figures["lmu128_40"]
