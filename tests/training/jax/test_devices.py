import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("optax")

ROOT = Path(__file__).parents[3]


def test_two_devices_give_the_gradients_of_one(tmp_path):
    found = []
    for n_devices in (1, 2):
        path = tmp_path / f"{n_devices}.npz"
        command = ["-m", "tests.training.jax.devices_example", str(n_devices), str(path)]
        subprocess.run([sys.executable, *command], check=True, cwd=ROOT)
        found.append(np.load(path))
    one, two = found
    assert len(one) == len(two) > 20
    for name in one:
        scale = max(np.abs(one[name]).max(), 1e-2)
        assert np.abs(one[name] - two[name]).max() < 1e-5 * scale, name
