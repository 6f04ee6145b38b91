"""Without NengoDL and PyTorch, which README's first line does not install."""

import subprocess
import sys

import pytest

from tests.experiments.commands import ROOT, environment

HIDDEN = """
import sys
for name in ("nengo_dl", "tensorflow", "tf_keras", "torch"):
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


@pytest.mark.parametrize("command", [*NENGO_DL, *TORCH])
def test_what_is_not_installed_is_said_in_one_sentence(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN, *command.split(), "--out", str(tmp_path)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    name = "PyTorch: pip install torch" if command in TORCH else "NengoDL: pip install -e"
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("Error: ") and f"needs {name}" in done.stderr
    assert "Traceback" not in done.stderr
