import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optax")

ROOT = Path(__file__).parents[3]


def start(out, *arguments):
    """Start the example."""
    command = ["-m", "tests.training.jax.devices_example", out, *arguments]
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT)


def finish(processes):
    """Wait for processes, by what they write; what they wrote."""
    try:
        for process in processes.values():
            assert process.wait(timeout=600) == 0
    finally:
        for process in processes.values():
            process.kill()
    return [np.load(out) for out in processes]


FEW, MANY = "last step", "last step,feedback,all steps"
KINDS = pytest.mark.parametrize("kinds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


def train_on(n_devices, kinds, folder):
    """Train in one process; gradients, parameters and what they give."""
    out = folder / f"out_{n_devices}.npz"
    return finish({out: start(out, kinds, n_devices)})[0]


def check_equal(found, expected):
    assert len(found) == len(expected) > 10
    for name in expected:
        scale = max(np.abs(expected[name]).max(), 1e-2)
        assert np.abs(found[name] - expected[name]).max() < 1e-5 * scale, name


@KINDS
def test_two_devices_give_the_gradients_of_one(kinds, tmp_path):
    check_equal(train_on(2, kinds, tmp_path), train_on(1, kinds, tmp_path))


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    outs = [tmp_path / f"both_{i}.npz" for i in range(2)]
    processes = {out: start(out, MANY, 2, address, 2, i) for i, out in enumerate(outs)}
    one = train_on(1, MANY, tmp_path)
    for results in finish(processes):
        check_equal(results, one)
