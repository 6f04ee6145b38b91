import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Windowed

tf = pytest.importorskip("tensorflow")

TESTS = Path(__file__).parent
PATHS = ("last step", "all steps", "step by step")


def start(way, folder, **environment):
    """Start a process that trains; its results are in ``folder``."""
    script = str(TESTS / "distributed_example.py")
    command = [sys.executable, script, way, str(folder), *PATHS]
    environment = {**os.environ, **environment}
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        environment.pop(name, None)  # workers that wait for each other need some
    folder.mkdir()
    with open(folder / "log.txt", "w") as log:
        return subprocess.Popen(
            command, env=environment, cwd=TESTS, stdout=log, stderr=subprocess.STDOUT
        )


def results(processes, folders):
    """Wait for processes; what they wrote."""
    try:
        for process, folder in zip(processes, folders, strict=True):
            assert process.wait(timeout=300) == 0, (folder / "log.txt").read_text()
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / "results.json").read_text()) for folder in folders]


def check_equal(got, expected):
    """The same training, but for the order in which numbers are added."""
    for way in PATHS:
        assert got[way]["path"] == expected[way]["path"] == way
        losses = expected[way]["loss"]
        assert losses[0] > 1.05 * losses[2]  # it learns
        for name in ("loss", "val_loss", "evaluated"):
            assert got[way][name] == pytest.approx(expected[way][name], rel=1e-5), way
        weights = expected[way]["weights"]
        assert np.allclose(got[way]["weights"], weights, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_two_devices_train_as_one(tmp_path):
    folder = tmp_path / "mirrored"
    (mirrored,) = results([start("mirrored", folder)], [folder])
    check_equal(mirrored, mirrored["one"])
    for way in PATHS:
        outputs = mirrored["one"][way]["outputs"]
        assert np.allclose(mirrored[way]["outputs"], outputs, rtol=0, atol=1e-5)
    a, b = mirrored["replicas"]
    assert np.abs(np.subtract(a, b)).max() > 0.01  # other values are dropped


@pytest.mark.slow
def test_two_workers_train_as_one(tmp_path):
    sockets = [socket.socket() for _ in range(2)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    hosts = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    folders = [tmp_path / "chief", tmp_path / "other"]
    processes = []
    for i, folder in enumerate(folders):
        task = {"type": "worker", "index": i}
        config = json.dumps({"cluster": {"worker": hosts}, "task": task})
        processes.append(start("workers", folder, TF_CONFIG=config))
    chief, other = results(processes, folders)
    folder = tmp_path / "one"
    (one,) = results([start("one", folder)], [folder])
    check_equal(chief, one)
    check_equal(other, one)
    assert chief["wrote"] == ["checkpoint.npz", "checkpoint.previous.npz", "log.txt"]
    assert other["wrote"] == ["log.txt"]


def test_what_cannot_be_divided_is_refused(regressor):
    from lmu_nengo.training.backend.checks import check_replicas

    net = regressor(True).realize(Windowed(30)).network
    with pytest.raises(ValidationError, match="must be a multiple of 4.*got 6"):
        check_replicas(6, 4, None, net)
    net.seed = None
    with pytest.raises(
        ValidationError, match="seed: must be given with 4 replicas.*got None"
    ):
        check_replicas(8, 4, None, net)
