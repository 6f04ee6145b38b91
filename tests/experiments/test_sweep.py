"""Sweeps on Dask: the grid is checked, killed workers do not matter, stopped ones go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import distributed
import pandas as pd
import pytest

from tests.conftest import heed_interrupts

ROOT = Path(__file__).parents[2]
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
        (["psmnist", "--grid", "color=red"], "permutation-seed"),
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


def table_of(folder):
    return folder / "sweep_spiking_delay_quick.csv"


def read(folder):
    return pd.read_csv(table_of(folder))


def wait_until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_worker_and_a_stopped_sweep_leave_the_same_table(tmp_path):
    killed, stopped = tmp_path / "killed", tmp_path / "stopped"
    with distributed.LocalCluster(
        2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        options = ["--scheduler", cluster.scheduler_address, "--out", str(killed)]
        process = subprocess.Popen([*SWEEP, *TASK, "0:3", *options], cwd=ROOT)
        with distributed.Client(cluster) as client:
            wait_until(lambda: any(client.processing().values()))
            time.sleep(1)  # well into the first runs
            address, _ = next(item for item in client.processing().items() if item[1])
            pid = client.run(os.getpid, workers=[address])[address]
            assert not table_of(killed).exists()
            os.kill(pid, signal.SIGKILL)
        assert process.wait(timeout=240) == 0

    options = ["--workers", "1", "--out", str(stopped)]
    process = subprocess.Popen(
        [*SWEEP, *TASK, "0:3", *options],
        cwd=ROOT,
        preexec_fn=heed_interrupts,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(table_of(stopped).exists)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "--resume goes on" in error
    done = len(read(stopped))
    assert 1 <= done < 3
    result = sweep(*TASK, "0:3", "--resume", *options, "--measure", "nothing")
    assert f"{3 - done} runs, {done} done before" in result.stdout
    assert result.returncode == 1 and "expected one of ['nrmse_lif'" in result.stderr
    # linear algebra rounds by where arrays lie in memory
    pd.testing.assert_frame_equal(read(killed), read(stopped), rtol=1e-9, atol=0)
    assert read(killed)["seed"].tolist() == [0, 1, 2]
    assert (stopped / "sweep_spiking_delay_quick.png").stat().st_size > 5_000
