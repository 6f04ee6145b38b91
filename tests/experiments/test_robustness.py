import numpy as np
import pytest

from experiments.spiking import spiking_robustness
from experiments.spiking._signals import make_signals
from lmu_nengo import targets
from tests.experiments.commands import figures_of

HAS_JAX = targets.installed("jax")


def test_signals_have_the_level_and_the_band_in_their_names():
    theta, order, seconds, dt = 1.0, 6, 40.0, 0.001
    signals = make_signals(theta, order, seconds, dt, seed=100)
    frequencies = np.fft.rfftfreq(round(seconds / dt), dt)
    for name, u in signals.items():
        assert np.isfinite(u).all() and len(u) == 40_000
        if "peak 1" in name:
            assert np.abs(u).max() == pytest.approx(1.0)
        if "rms" in name:
            level = float(name.split()[-1])
            assert np.sqrt(np.mean(u**2)) == pytest.approx(level, rel=0.35)
        if name.startswith("noise"):
            high = float(name.split()[2]) * order / (6 * theta)
            power = np.abs(np.fft.rfft(u)) ** 2
            assert power[frequencies > 1.05 * high].sum() < 1e-6 * power.sum()
    for name in ("Mackey-Glass, peak 1", "recorded EEG, peak 1"):
        power = np.abs(np.fft.rfft(signals[name] * np.hanning(40_000))) ** 2
        assert power[frequencies > 1.2].sum() < 0.05 * power.sum()
    again = make_signals(theta, order, seconds, dt, seed=100)
    assert all(np.array_equal(u, again[name]) for name, u in signals.items())


@pytest.mark.slow
@pytest.mark.skipif(not HAS_JAX, reason="needs jax")
def test_a_memory_that_is_told_nothing_holds_every_signal_within_its_radius(tmp_path):
    figures = figures_of("spiking_robustness", tmp_path, "--quick", "--seed", 100)[
        "figures"
    ]
    for kind, bar in (("LIF", 0.1), ("SRL", 0.05)):
        start = f"untold, base, {kind}"
        assert figures[f"{start}: worst_held"] < bar
        assert figures[f"{start}: inside_warned"] == 0
    assert (tmp_path / "spiking_robustness.png").stat().st_size > 10_000


def test_names_of_memories_say_what_was_changed():
    names = [spiking_robustness.name_of(change) for change in spiking_robustness.CHANGES]
    assert len(set(names)) == len(names)
    assert names[0] == "base" and "10,000 neurons" in names
