import os
import runpy
import subprocess
import sys
from pathlib import Path

import nengo
import numpy as np
import pytest

from lmu_nengo import nrmse

ROOT = Path(__file__).parents[1]
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


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_script_draws_a_picture(path, tmp_path):
    picture = tmp_path / "picture.png"
    subprocess.run(
        [sys.executable, path, "--out", picture, "--seconds", "1"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert picture.stat().st_size > 10_000


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
