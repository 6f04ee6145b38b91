"""Sweeps on Dask: the grid is checked, killed workers are replaced, sweeps are resumed."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cloudpickle
import distributed
import pandas as pd
import pytest
from distributed.chaos import KillWorker

from experiments._lib.command_line import only_writer
from experiments._run import sweep
from experiments._run._sweep_remote import run_task
from tests.conftest import heed_interrupts
from tests.experiments.commands import command, invoke

TASK = ["backends", "--grid", "target=core", "--quick", "--seeds"]
KEYS = ["target", "seed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nothing"], "spiking_delay"),
        (["sweep"], "spiking_delay"),
        (["psmnist", "--grid", "color=red"], "permutation-seed"),
        (["psmnist", "--grid", "epochs=one"], "not a valid int"),
        (["psmnist", "--grid", "model=lmu", "--grid", "model=gru"], "only once"),
        (["psmnist", "--seeds", "3:3"], "SEED,SEED"),
    ],
)
def test_bad_sweeps_are_refused_before_any_work(options, message, tmp_path):
    result = invoke("sweep", *options, "--out", tmp_path)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_a_missing_scheduler_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "TIMEOUT", 0.5)
    address = "tcp://127.0.0.1:9"
    result = invoke("sweep", *TASK, "0:1", "--scheduler", address, "--out", tmp_path)
    assert result.exit_code == 1
    assert "dask scheduler" in result.output


def test_flags_and_values_become_arguments_of_a_run():
    import experiments.psmnist.psmnist as psmnist

    grid = sweep.read_grid(psmnist.main, ["epochs=1,2", "unpermuted=true,false"])
    assert grid == {"epochs": ["1", "2"], "unpermuted": ["true", "false"]}
    arguments = [
        sweep.arguments_of(psmnist.main, {"epochs": "1", "unpermuted": value}, 5, True)
        for value in grid["unpermuted"]
    ]
    shared = ["--seed=5", "--quick", "--epochs=1"]
    assert arguments == [[*shared, "--unpermuted"], shared]


def wait_until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_of_a_killed_worker_is_repeated(tmp_path):
    """The first worker waits until it is killed; then the run is given to another one."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    begun, path = tmp_path / "begun", tmp_path / "table.csv"

    def kill_itself_once(name, arguments):
        if not begun.exists():
            begun.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)
        return {"figure": 2.0}

    with (
        distributed.LocalCluster(
            1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        tasks = [({"seed": "0"}, ["--seed=0"])]
        failures = sweep.run_all(client, "name", tasks, [], path, kill_itself_once)
    assert begun.exists() and not failures
    assert pd.read_csv(path).to_dict("records") == [{"seed": 0, "figure": 2.0}]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sys.exit", "graceful", "segfault"])
def test_workers_that_die_at_random_leave_the_same_table(tmp_path, mode):
    """Dask's own plugin kills each worker after some seconds, in one of its three ways."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    path, started = tmp_path / "table.csv", tmp_path / "started"
    started.mkdir()

    def measure(name, arguments):
        (started / f"{os.getpid()}").touch()
        time.sleep(0.3)
        return {"figure": 2.0 * int(arguments[0])}

    tasks = [({"seed": str(seed)}, [str(seed)]) for seed in range(30)]
    with (
        distributed.LocalCluster(
            2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        cluster.adapt(minimum=2, maximum=2, interval="0.5 s")  # as `connect` does
        client.register_plugin(KillWorker(delay="3 s", mode=mode))
        failures = sweep.run_all(client, "name", tasks, [], path, measure)
    assert not failures
    assert len(list(started.iterdir())) > 2  # some have died
    table = pd.read_csv(path).sort_values("seed").to_dict("records")
    assert table == [{"seed": seed, "figure": 2.0 * seed} for seed in range(30)]


@pytest.fixture
def threads(monkeypatch):
    """Let sweeps run in threads of this process; `measure` stands for an experiment."""

    def connect(scheduler, n_workers):
        return distributed.Client(
            processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
        )

    def measure(name, arguments, code, folder):
        (seed,) = (int(a.removeprefix("--seed=")) for a in arguments if "seed" in a)
        if seed == 13:
            raise RuntimeError("bad luck")
        return {"nrmse": 1.0 + seed, "spikes": 7.0}

    monkeypatch.setattr(sweep, "connect", connect)
    monkeypatch.setattr(sweep, "run_task", measure)


def table_of(folder):
    return pd.read_csv(folder / "sweep_backends_quick.csv")


def test_a_stopped_sweep_is_resumed(tmp_path, threads, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert invoke("sweep", *TASK, "0:3", "--out", whole).exit_code == 0
    write = sweep.write_table

    def write_and_stop(path, rows):
        write(path, rows)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "write_table", write_and_stop)
        result = invoke("sweep", *TASK, "0:3", "--out", stopped)
    assert result.exit_code == 1 and "with --resume to continue" in result.output
    assert len(table_of(stopped)) == 1
    options = ("--resume", "--measure", "nothing", "--out", stopped)
    result = invoke("sweep", *TASK, "0:3", *options)
    assert "2 runs to do, 1 already done" in result.output
    assert result.exit_code == 1 and "one of nrmse, spikes" in result.output
    pd.testing.assert_frame_equal(table_of(whole), table_of(stopped))
    assert table_of(whole)["seed"].tolist() == [0, 1, 2]
    assert (stopped / "sweep_backends_quick.png").stat().st_size > 5_000


def test_a_failed_run_does_not_stop_the_others(tmp_path, threads):
    result = invoke("sweep", *TASK, "12:15", "--out", tmp_path)
    assert result.exit_code == 1 and "bad luck" in result.output
    assert table_of(tmp_path)["seed"].tolist() == [12, 14]


def test_a_table_is_never_overwritten(tmp_path, threads):
    assert invoke("sweep", *TASK, "0:2", "--out", tmp_path).exit_code == 0
    result = invoke("sweep", *TASK, "2:4", "--out", tmp_path)
    assert result.exit_code == 2 and "exists. Add --resume" in result.output
    assert invoke("sweep", *TASK, "2:4", "--resume", "--out", tmp_path).exit_code == 0
    assert table_of(tmp_path)["seed"].tolist() == [0, 1, 2, 3]


def test_a_second_writer_is_refused(tmp_path, threads):
    path = tmp_path / "sweep_backends_quick.csv"
    with only_writer(path):
        result = invoke("sweep", *TASK, "0:2", "--out", tmp_path)
        assert result.exit_code == 1 and "Another command is writing" in result.output
    assert not path.exists()
    with only_writer(tmp_path / "spiking_order27"):
        result = invoke("spiking_order27", "--quick", "--out", tmp_path)
    assert result.exit_code == 1 and "Another command is writing" in result.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not the table of a sweep"),
        ("target,seed,nrmse\ncore,,1.0\n", "every row must have target, seed"),
        ("target,seed,nrmse\ncore,two,1.0\n", "every row must have target, seed"),
        ("seed,target,nrmse\n0,core,1.0\n", "belongs to another sweep"),
        ('"', "is not the table of a sweep"),
    ],
)
def test_damaged_tables_are_refused_as_they_are(content, message, tmp_path, threads):
    path = tmp_path / "sweep_backends_quick.csv"
    path.write_text(content)
    result = invoke("sweep", *TASK, "0:2", "--resume", "--out", tmp_path)
    assert result.exit_code == 1 and message in " ".join(result.output.split())
    assert path.read_text() == content


KILLED = """
import os, signal, sys
from pathlib import Path
attempts = Path(sys.argv[2].removeprefix("--attempts="))
attempts.write_text(attempts.read_text() + "1")
if len(attempts.read_text()) <= int(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGKILL)
out = Path(sys.argv[-1])
out.mkdir()
(out / "result.json").write_text('{"figures": {"nrmse": 0.5}}')
"""


def test_a_run_whose_process_is_killed_is_repeated(tmp_path):
    code, attempts = io.BytesIO(), tmp_path / "attempts"
    with zipfile.ZipFile(code, "w") as archive:
        for name in ("experiments/__init__.py", "experiments/_run/__init__.py"):
            archive.writestr(name, "")
        archive.writestr("experiments/_run/_sweep_task.py", KILLED)
    task = [f"--attempts={attempts}"], code.getvalue()
    attempts.write_text("")
    assert run_task("2", *task) == {"nrmse": 0.5}
    assert attempts.read_text() == "111"
    attempts.write_text("")
    with pytest.raises(RuntimeError, match=r"killed 3 times, the last time by SIGKILL"):
        run_task("3", *task)


@pytest.mark.slow
def test_the_documented_cluster_works_from_anywhere(tmp_path):
    """Scheduler, worker and sweep each in a folder of its own, without the clone."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    places = [tmp_path / name for name in ("scheduler", "worker", "sweep")]
    for place in places:
        place.mkdir()
    address = "tcp://127.0.0.1:18786"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    options = ["--host", "127.0.0.1", "--port", "18786", "--no-dashboard"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
    others = [
        subprocess.Popen([*dask, *options], cwd=places[0], env=env),
        subprocess.Popen([*worker, "--nthreads", "1"], cwd=places[1], env=env),
    ]
    try:
        done = subprocess.run(
            **command("sweep", *TASK, "0:2", "--scheduler", address, "--out", places[2]),
            capture_output=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        assert table_of(places[2])["seed"].tolist() == [0, 1]
    finally:
        for process in others:
            process.terminate()
            process.wait()


@pytest.mark.slow
def test_a_sweep_whose_scheduler_is_killed_is_resumed(tmp_path):
    """What was done is in the table; the rest is done with another scheduler."""
    address = "tcp://127.0.0.1:18787"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    dask += ["--host", "127.0.0.1", "--port", "18787", "--no-dashboard"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
    worker += ["--nthreads", "1", "--death-timeout", "10"]
    options = ["--scheduler", address, "--out", tmp_path]

    def cluster():
        return [subprocess.Popen(dask), subprocess.Popen(worker)]

    others = cluster()
    try:
        process = subprocess.Popen(
            **command("sweep", *TASK, "0:3", *options), stderr=subprocess.PIPE
        )
        wait_until((tmp_path / "sweep_backends_quick.csv").exists, seconds=240)
        others[0].kill()
        _, error = process.communicate(timeout=240)
        assert process.returncode == 1 and "Traceback" not in error
        assert "scheduler" in error and "--resume" in error
        done = table_of(tmp_path)["seed"].tolist()
        assert done in ([0], [0, 1])
        for other in others:
            other.kill()
            other.wait()
        others = cluster()
        subprocess.run(
            **command("sweep", *TASK, "0:3", "--resume", *options),
            check=True,
            timeout=400,
        )
        assert table_of(tmp_path)["seed"].tolist() == [0, 1, 2]
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.slow
def test_killed_workers_and_interrupted_processes_leave_the_same_table(tmp_path):
    killed, stopped = tmp_path / "killed", tmp_path / "stopped"
    with distributed.LocalCluster(
        2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        options = ["--scheduler", cluster.scheduler_address, "--out", str(killed)]
        process = subprocess.Popen(**command("sweep", *TASK, "0:3", *options))
        with distributed.Client(cluster) as client:
            wait_until(lambda: any(client.processing().values()))
            address, _ = next(item for item in client.processing().items() if item[1])
            pid = client.run(os.getpid, workers=[address])[address]
            os.kill(pid, signal.SIGKILL)
        assert process.wait(timeout=240) == 0

    options = ["--workers", "1", "--out", str(stopped)]
    process = subprocess.Popen(
        **command("sweep", *TASK, "0:3", *options),
        preexec_fn=heed_interrupts,
        stderr=subprocess.PIPE,
    )
    wait_until((Path(stopped) / "sweep_backends_quick.csv").exists)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "with --resume to continue" in error
    done = len(table_of(stopped))
    assert 1 <= done < 3
    result = subprocess.run(
        **command("sweep", *TASK, "0:3", "--resume", *options), capture_output=True
    )
    assert f"{3 - done} runs to do, {done} already done" in result.stdout
    # linear algebra rounds by where arrays lie in memory
    error = ["nrmse_core", "nrmse_core_worst"]
    pd.testing.assert_frame_equal(
        table_of(killed)[error], table_of(stopped)[error], rtol=1e-9, atol=0
    )
