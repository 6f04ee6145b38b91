"""Without NengoDL, PyTorch or JAX, of which README's first line installs only JAX."""

import subprocess
import sys

import pytest

from tests.experiments.commands import ROOT, environment

HIDDEN = """
import sys
for name in ("nengo_dl", "tensorflow", "tf_keras", "torch", "jax", "optax", "norse"):
    sys.modules[name] = None  # as if it were not installed
from experiments.__main__ import main
main(sys.argv[1:])
"""
NENGO_DL = (
    *("capacity", "why", "seq2seq", "quantization", "psmnist_recurrent"),
    *("psmnist_digit", "psmnist_spiking --engine dl", "copy_symbols", "vowel_order"),
    "mackey_glass --model lstm",
)
TORCH = "baselines", "curriculum", "recurrent_speed"
TRAINER = "operations", "through_spikes"
NAMES = (
    dict.fromkeys(NENGO_DL, "NengoDL: pip install -e")
    | dict.fromkeys(TORCH, "PyTorch: pip install torch")
    | dict.fromkeys(TRAINER, "JAX and optax: pip install -e")
    | {"nir": "Norse and SpikingJelly: pip install -e"}
)


@pytest.mark.parametrize("command", NAMES)
def test_what_is_not_installed_is_said_in_one_sentence(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, *command.split(), "--out", str(tmp_path)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("Error: ") and f"needs {NAMES[command]}" in done.stderr
    assert "Traceback" not in done.stderr
