"""Sweeps on Dask: the grid is checked, killed workers do not matter, stopped ones go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
SWEEP = [sys.executable, "-m", "experiments", "sweep"]
TASK = ["spiking_delay", "--quick", "--seeds"]


def sweep(*options):
    return subprocess.run(
        [*SWEEP, *map(str, options)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["nothing"], "spiking_delay"),
        (["sweep"], "spiking_delay"),
        (["psmnist", "--grid", "colour=red"], "permutation-seed"),
        (["psmnist", "--grid", "epochs=one"], "not a valid int"),
        (["psmnist", "--grid", "model=lmu", "--grid", "model=gru"], "each option once"),
        (["psmnist", "--seeds", "3:3"], "SEED,SEED"),
    ],
)
def test_bad_sweeps_are_refused_before_any_work(options, told, tmp_path):
    done = sweep(*options, "--out", tmp_path)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_no_scheduler_is_told(tmp_path):
    done = sweep(*TASK, "0:1", "--scheduler", "tcp://127.0.0.1:9", "--out", tmp_path)
    assert done.returncode == 1
    assert "dask scheduler" in done.stderr


def read(folder):
    return pd.read_csv(folder / "sweep_spiking_delay.csv")


def test_a_killed_worker_and_a_stopped_sweep_leave_the_same_table(tmp_path):
    distributed = pytest.importorskip("distributed")
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    with distributed.LocalCluster(
        2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        options = ["--scheduler", cluster.scheduler_address]
        process = subprocess.Popen(
            [*SWEEP, *TASK, "0:3", *options, "--out", str(disturbed)], cwd=ROOT
        )
        with distributed.Client(cluster) as client:
            deadline = time.monotonic() + 120
            while not any(client.processing().values()) and time.monotonic() < deadline:
                time.sleep(0.1)
            time.sleep(1)  # well into the first runs
            address, _ = next(item for item in client.processing().items() if item[1])
            os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)
        assert process.wait(timeout=240) == 0
        assert len(read(disturbed)) == 3
    # the same without disturbance, in two parts, on processes of its own
    assert sweep(*TASK, "0,2", "--workers", 2, "--out", whole).returncode == 0
    done = sweep(*TASK, "0:3", "--workers", 2, "--resume", "--out", whole)
    assert done.returncode == 0, done.stderr
    assert "1 runs, 2 done before" in done.stdout
    pd.testing.assert_frame_equal(read(whole), read(disturbed))
    assert (whole / "sweep_spiking_delay.png").stat().st_size > 5_000
