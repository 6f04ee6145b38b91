"""Training that is killed, by a real SIGKILL, resumes to the last bit."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
if not hasattr(os, "fork"):
    pytest.skip("needs os.fork", allow_module_level=True)

ROOT = Path(__file__).parents[2]


class Trainer:
    """A process that imports TensorFlow once, and forks one that trains at a time."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.training.killed_example"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "ready"

    def line(self):
        """What it says next."""
        return self.process.stdout.readline().strip()

    def start(self, path):
        """Start to train; return the process and a flag that says when it has ended."""
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        pid, ended = int(self.line()), threading.Event()
        threading.Thread(target=lambda: (self.line(), ended.set())).start()
        return pid, ended

    def train(self, path):
        """Train to the end; return what came out."""
        self.start(path)[1].wait()
        return json.loads(path.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def trainer():
    trainer = Trainer()
    yield trainer
    trainer.process.stdin.close()
    trainer.process.wait()


@pytest.fixture(scope="module")
def whole(trainer, tmp_path_factory):
    """What training without an interruption gives."""
    return trainer.train(tmp_path_factory.mktemp("whole") / "a.npz")


def unfinished(folder):
    """Files that a writer is writing, or left."""
    return {entry.name for entry in os.scandir(folder) if ".tmp" in entry.name}


def kill(trainer, path, rng, in_write):
    """Train until a random moment, of an epoch or of writing a file; then kill it."""
    pid, ended = trainer.start(path)
    n_epochs, seen = rng.randrange(12), set()
    while len(seen) < n_epochs and not ended.is_set():
        with contextlib.suppress(FileNotFoundError):  # it is being replaced
            seen.add(os.stat(path).st_mtime_ns)
        time.sleep(0.001)
    while in_write and not unfinished(path.parent) and not ended.is_set():
        pass
    time.sleep(rng.uniform(0, 0.002 if in_write else 0.05 if n_epochs else 5))
    if not ended.is_set():
        os.kill(pid, signal.SIGKILL)
    ended.wait()
    return bool(unfinished(path.parent))


@pytest.mark.slow
def test_training_that_is_killed_resumes_to_the_last_bit(trainer, whole, tmp_path):
    n_kills, rng = 50, random.Random(50)
    equal, in_writes, resumed = 0, 0, []
    for i in range(n_kills):
        path = tmp_path / f"{i}" / "a.npz"
        path.parent.mkdir()
        in_writes += kill(trainer, path, rng, in_write=i % 2 == 1)
        result = trainer.train(path)
        resumed.append(result.pop("first"))
        equal += result == {k: v for k, v in whole.items() if k != "first"}
    print(f"{equal} of {n_kills} equal; {in_writes} killed in writing; from {resumed}")
    assert equal == n_kills
    assert max(resumed) > 0 and min(resumed) < 12
    assert in_writes > 5
