"""A batch divided among devices gives what it gives on one."""

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = str(Path(__file__).with_name("devices_example.py"))


def start(out, *args):
    """Start a process that runs networks; the results are in ``out``."""
    command = [sys.executable, SCRIPT, str(out), *map(str, args)]
    with open(out.with_suffix(".log"), "w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def finish(processes):
    """Wait for processes, by what they write; what they wrote."""
    try:
        for out, process in processes.items():
            assert process.wait(timeout=300) == 0, out.with_suffix(".log").read_text()
    finally:
        for process in processes.values():
            process.kill()
    return [dict(np.load(out)) for out in processes]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "one.npz"
    (results,) = finish({out: start(out, 1)})
    assert results["n_devices"] == 1
    # the sequences differ, in their data and in their noise
    for name in "noise", "spikes", "decoded", "python":
        assert (np.ptp(results[name], axis=0) > 0).any(), name
    return results


def check_equal(got, expected):
    for name in "noise", "spikes", "decoded", "python", "root":
        assert got[name].shape == expected[name].shape
        assert np.allclose(got[name], expected[name], rtol=1e-5, atol=1e-5), name
    # the steps before the one in which a sequence of another device becomes NaN are kept
    assert got["error"] == expected["error"]
    assert "NaN in step 151" in str(got["error"])
    assert got["root"].shape == (8, 150, 1)


def test_two_devices_give_what_one_gives(one, tmp_path):
    out = tmp_path / "two.npz"
    (two,) = finish({out: start(out, 2)})
    assert two["n_devices"] == 2
    check_equal(two, one)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(one, tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    outs = [tmp_path / "first.npz", tmp_path / "second.npz"]
    processes = {out: start(out, 1, address, 2, i) for i, out in enumerate(outs)}
    for results in finish(processes):
        assert results["n_devices"] == 2
        check_equal(results, one)
        assert "minibatch_size: must be a multiple of 2" in str(results["batch"])
        assert "seed: must be given if several processes" in str(results["seed"])
