import os
import runpy
import subprocess
import sys
from pathlib import Path

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo.signal import nrmse

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "networks").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script_defines_a_model_and_a_layout(path, monkeypatch):
    # as Nengo GUI runs it, which refuses nengo.Simulator meanwhile
    def refuse(*args, **kwargs):
        raise RuntimeError("a script must not start a simulator")

    monkeypatch.setattr(nengo, "Simulator", refuse)
    names = runpy.run_path(str(path), run_name="gui")
    assert isinstance(names["model"], nengo.Network)
    layout = path.with_suffix(".py.cfg").read_text(encoding="utf-8")
    for line in layout.splitlines():
        if "= nengo_gui.components." in line:
            # what a component shows must be reachable by name from the script
            arguments = line.split("(", 1)[1].rstrip(")").split(",")[0]
            if arguments:
                assert eval(arguments, dict(names)) is not None


def pictures():
    """All scripts; only one of them in the fast tests."""
    for path in SCRIPTS:
        marks = [] if path.stem == "delay" else [pytest.mark.slow]
        yield pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", pictures())
def test_script_draws_a_picture(path, tmp_path):
    picture = tmp_path / "picture.png"
    subprocess.run(
        [sys.executable, path, "--out", picture, "--seconds", "1"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
    )
    assert picture.stat().st_size > 10_000


def test_script_leaves_one_figure_for_the_gallery(monkeypatch):
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    pyplot.close("all")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    path = str(ROOT / "networks" / "lmu_cell.py")
    monkeypatch.setattr(sys, "argv", [path])
    names = runpy.run_path(path, run_name="__main__")
    _, title, underline, *_ = names["__doc__"].splitlines()
    assert len(underline) == len(title) and set(underline) == {"="}
    assert len(pyplot.get_fignums()) == 1
    pyplot.close("all")


def run_script(stem, seconds, **probes):
    """Values of nodes of a script, given by their names in it, and the script's names."""
    names = runpy.run_path(str(ROOT / "networks" / f"{stem}.py"), run_name="gui")
    with names["model"]:
        probes = {key: nengo.Probe(eval(code, dict(names))) for key, code in probes.items()}
    with nengo.Simulator(names["model"], dt=0.001, progress_bar=False) as sim:
        sim.run(seconds)
    return names, {key: sim.data[probe] for key, probe in probes.items()}


def test_delay_shows_the_signal_one_second_late():
    names = runpy.run_path(str(ROOT / "networks" / "delay.py"), run_name="gui")
    with names["model"]:
        decoded, truth = (nengo.Probe(names[n]) for n in ("decoded", "truth"))
        signal = nengo.Probe(names["signal"], synapse=0.1)
    with nengo.Simulator(names["model"], progress_bar=False) as sim:
        sim.run(10.0)
    # through the same synapse
    assert np.allclose(sim.data[truth][1000:], sim.data[signal][:-1000], atol=1e-12)
    assert nrmse(sim.data[decoded], sim.data[truth]) < 0.06


def test_cell_oscillates_with_a_period_of_twice_its_window():
    names, data = run_script("lmu_cell", 6.0, u="cell.u")
    late = data["u"][3000:, 0] > 0
    rises = np.flatnonzero(late[1:] & ~late[:-1])
    # u(t) = -tanh(g u(t - theta)): the sign turns after theta, and again
    assert np.allclose(np.diff(rises) * 0.001, 2 * names["THETA"], rtol=0.02)


@pytest.mark.slow
def test_time_cells_fire_at_their_own_delays():
    names, data = run_script("time_cells", 6.0, spikes="cells.neurons")
    t = 0.001 * np.arange(1, 6001)
    # around the time at which the pulse's peak has reached the cell's delay
    expected = names["WIDTH"] / 2 + names["delays"] * names["THETA"]
    times = [t[train > 0].mean() for train in data["spikes"].T]
    assert np.allclose(times, expected, atol=0.1)


@pytest.mark.slow
def test_both_channels_are_delayed():
    _, data = run_script("two_channels", 8.0, now="point", late="delayed")
    assert nrmse(data["late"][1000:], data["now"][500:-500]) < 0.03


@pytest.mark.slow
def test_lif_neurons_add_little_to_the_error():
    _, data = run_script("spiking_delay", 10.0, exact="exact_delayed", lif="delayed")
    assert nrmse(data["lif"][1000:], data["exact"][1000:]) < 0.05


@pytest.mark.slow
def test_mackey_glass_is_predicted_ahead():
    names, data = run_script("mackey_glass", 20.0, both="both", now="signal")
    guess, truth = data["both"][1000:].T
    ahead = names["n_ahead"]
    assert np.array_equal(truth[:-ahead], data["now"][1000 + ahead :, 0])
    assert np.std(truth) == pytest.approx(0.23, abs=0.02)  # of the series
    # copying the input errs by 1.62
    assert np.sqrt(np.mean((guess - truth) ** 2)) / np.std(truth) < 0.2


@pytest.mark.slow
def test_classifier_is_right_at_the_end_of_nine_of_ten_digits():
    names = runpy.run_path(str(ROOT / "networks" / "psmnist_digit.py"), run_name="gui")
    length = names["n_pixels"] * names["HOLD"]
    _, data = run_script("psmnist_digit", 10 * length * 0.001, answer="answer")
    said = data["answer"][length - 1 :: length].argmax(axis=1)
    # 96.4 % of all test digits: of ten, nine or ten are right 19 times out of 20
    assert np.sum(said == names["weights"]["labels"]) >= 9


@pytest.mark.slow
def test_the_readout_learns_online():
    names = runpy.run_path(str(ROOT / "networks" / "online_learning.py"), run_name="gui")
    with names["model"]:
        learned, truth = (nengo.Probe(names[n]) for n in ("learned", "truth"))
    with nengo.Simulator(names["model"], progress_bar=False) as sim:
        sim.run(30.0)
    assert nrmse(sim.data[learned][-5000:], sim.data[truth][-5000:]) < 0.4


def test_listening_hears_the_three_knocks_and_nothing_else():
    names = runpy.run_path(str(ROOT / "networks" / "listening.py"), run_name="gui")
    sound = names["record"]()
    with lmu_nengo.Stream(names["model"], names["sensor"], names["surprise"]) as stream:
        answer = np.abs(stream.push(sound)).reshape(-1, names["BLOCK"]).max(axis=1)
    loud = np.flatnonzero(answer > names["LIMIT"] * names["usual"])
    starts = np.unique(loud[loud > 0] * names["BLOCK"] * names["DT"] // 0.5 * 0.5)
    assert starts.tolist() == [6.0, 8.0, 9.0]
