"""What takes long tells how far it is; what is short tells nothing."""

import re
import subprocess
import sys

import nengo
import pytest

from lmu_nengo import LegendreMemory, Spiking, _progress
from lmu_nengo.datasets import lorenz
from lmu_nengo.signal import discretize, state_space


def spiking_memory():
    with nengo.Network():
        LegendreMemory(theta=0.1, order=4, realization=Spiking(1200))


CASES = {
    "a memory of 1,200 neurons": spiking_memory,
    "a discrete state space of order 30": lambda: discretize(*state_space(1.0, 30), 1e-3),
    "a series": lambda: lorenz(1, 10),
}


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setattr(_progress, "_is_watched", lambda: True)
    before = nengo.rc["progress"]["progress_bar"]
    nengo.rc["progress"]["progress_bar"] = "nengo.utils.progress.TerminalProgressBar"
    yield
    nengo.rc["progress"]["progress_bar"] = before


@pytest.mark.parametrize("name", CASES)
def test_progress_is_shown_once_of_what_takes_longer_than_the_shortest(
    name, monkeypatch, capsys
):
    monkeypatch.setattr(_progress, "SHORTEST", 0.0)
    CASES[name]()
    shown = capsys.readouterr().out
    assert f"Computation of {name} finished" in shown
    assert set(re.findall("Computation of (.*?) finished", shown)) == {name}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_shown_of_what_is_short(name, monkeypatch, capsys):
    monkeypatch.setattr(_progress, "SHORTEST", 1e6)
    CASES[name]()
    assert capsys.readouterr() == ("", "")


def test_nothing_is_shown_where_output_goes_to_another_program():
    code = (
        "from lmu_nengo import _progress, datasets\n"
        "_progress.SHORTEST = 0.0\n"
        "datasets.lorenz(1, 10)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (shown.stdout, shown.stderr) == (b"", b"")


def test_steps_are_counted_and_an_error_ends_the_bar(monkeypatch, capsys):
    monkeypatch.setattr(_progress, "SHORTEST", 0.0)
    with _progress.progress("half", 4) as reach:
        for i in (1, 2, 1, 9):  # never back, and never beyond
            reach(i)
    with pytest.raises(ZeroDivisionError), _progress.progress("an error", 2):
        raise ZeroDivisionError
    with _progress.progress("another") as reach:  # the next one is shown again
        reach(1)
    shown = capsys.readouterr().out
    assert "Computation of half finished" in shown
    assert "Computation of an error" in shown
    assert "Computation of another finished" in shown
