import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import heed_interrupts

ROOT = Path(__file__).parents[2]
FIGURES = {
    "accuracy_validation",
    "accuracy_windowed",
    "accuracy_streamed",
    "accuracy_spiking",
    "parameters",
    "train_seconds",
    "spikes_per_inference",
}


def command(*arguments, **environment):
    env = {k: v for k, v in os.environ.items() if k != "LMU_NENGO_DATA"}
    return dict(
        args=[sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT,
        env={**env, **environment},
        text=True,
    )


def run(*arguments, **environment):
    return subprocess.run(
        **command(*arguments, **environment), capture_output=True, check=False
    )


def read(folder, name="psmnist", figures=FIGURES):
    result = json.loads((folder / f"{name}.json").read_text())
    assert result.keys() == {
        "experiment",
        "seed",
        "quick",
        "seconds",
        "versions",
        "figures",
        "reference",
        "settings",
    }
    assert result["experiment"] == name and result["figures"].keys() == figures
    return result


def test_experiments_are_listed():
    result = run()
    assert "psmnist" in result.stdout + result.stderr


def test_psmnist_runs_on_the_bundled_digits(tmp_path):
    result = run("psmnist", "--quick", "--seed", 3, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "8x8 digits" in result.stdout
    assert (tmp_path / "psmnist.png").stat().st_size > 10_000
    written = read(tmp_path)
    figures = written["figures"]
    assert (written["seed"], written["quick"]) == (3, True)
    # scikit-learn's LogisticRegression of the pixels has 96.4% on this split
    assert figures["accuracy_windowed"] > 94
    assert abs(figures["accuracy_streamed"] - figures["accuracy_windowed"]) < 0.3
    assert figures["accuracy_spiking"] > 93
    assert figures["parameters"] == 64 * 128 + 128 + 128 * 10
    # silent but for the last step, where a unit of activity gives four spikes
    assert 50 < figures["spikes_per_inference"] < 4 * 128


def test_psmnist_trains_another_network_of_the_same_size_in_a_given_time(tmp_path):
    options = ("psmnist", "--quick", "--model", "gru", "--minutes", 0.1)
    result = run(*options, "--unpermuted", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    written = read(
        tmp_path,
        "psmnist_gru",
        FIGURES - {"accuracy_streamed", "accuracy_spiking", "spikes_per_inference"}
        | {"digits_shown"},
    )
    figures, n_units = written["figures"], 53
    # three gates with two biases each, and the read-out; one unit more is over 9,600
    assert figures["parameters"] == 3 * n_units * (1 + n_units + 2) + 10 * (n_units + 1)
    assert figures["train_seconds"] < 20  # all 40 epochs would take a minute
    assert figures["accuracy_windowed"] > 12  # 10 is chance
    assert written["settings"]["permutation_seed"] is None


def test_ctrl_c_leaves_a_checkpoint_and_resume_goes_on(tmp_path):
    options = ("psmnist", "--epochs", 1000, "--out", tmp_path)
    process = subprocess.Popen(
        **command(*options),
        preexec_fn=heed_interrupts,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    checkpoint = tmp_path / "psmnist-checkpoint.npz"

    def epoch():
        if not checkpoint.is_file():
            return 0
        with np.load(checkpoint, allow_pickle=False) as saved:
            return int(saved["epoch"])

    deadline = time.monotonic() + 180
    while epoch() < 2 and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "--resume goes on" in error
    done = epoch()
    assert 2 <= done < 1000
    result = run("psmnist", "--epochs", done + 2, "--resume", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"Epoch {done + 1}/{done + 2}" in result.stdout
    assert f"Epoch {done}/" not in result.stdout
    assert epoch() == done + 2
    assert read(tmp_path)["figures"]["accuracy_windowed"] > 70


def test_missing_data_is_told_before_any_work(tmp_path):
    for result in (
        run("psmnist", "--data", tmp_path / "no.npz", "--out", tmp_path),
        run("psmnist", "--out", tmp_path, LMU_NENGO_DATA=str(tmp_path / "no")),
    ):
        assert result.returncode == 1
        assert "does not exist" in result.stderr and "--download" in result.stderr


RECURRENT = {
    "accuracy_before_feedback",
    "accuracy",
    "parameters",
    "steps_all_at_once",
    "steps_recurrent",
    "train_seconds",
}


def test_psmnist_recurrent_runs_on_the_bundled_digits(tmp_path):
    result = run("psmnist_recurrent", "--quick", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "hidden_encoders, memory_encoders" in result.stdout  # why step by step
    figures = read(tmp_path, "psmnist_recurrent", RECURRENT)["figures"]
    paths = 1 + 40 + 32 + 40 + 40**2 + 40 * 32  # e_x, e_h, e_m, W_x, W_h, W_m
    assert figures["parameters"] == paths + 40 * 10 + 10
    assert figures["accuracy"] > 75


@pytest.mark.slow
@pytest.mark.skipif("LMU_NENGO_DATA" not in os.environ, reason="set LMU_NENGO_DATA")
def test_psmnist_recurrent_reaches_its_bar_on_real_mnist(tmp_path):
    data = Path(os.environ["LMU_NENGO_DATA"]).resolve()
    result = run("psmnist_recurrent", "--data", data, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    figures = read(tmp_path, "psmnist_recurrent", RECURRENT)["figures"]
    assert figures["parameters"] == 102_027 and figures["accuracy"] >= 96.5


@pytest.mark.slow
@pytest.mark.skipif("LMU_NENGO_DATA" not in os.environ, reason="set LMU_NENGO_DATA")
@pytest.mark.parametrize(
    "preset, bar", [("small", 98.6), ("large", 98.9), ("augmented", 99.3)]
)
def test_psmnist_reaches_its_bars_on_real_mnist(tmp_path, preset, bar):
    data = Path(os.environ["LMU_NENGO_DATA"]).resolve()
    options = ("--preset", preset, "--data", data, "--streamed", 1000)
    result = run("psmnist", *options, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    figures = read(tmp_path)["figures"]
    assert preset != "small" or figures["parameters"] < 170_000
    assert figures["accuracy_windowed"] >= bar
    # the first 1,000 test digits are a little harder than all
    assert abs(figures["accuracy_streamed"] - figures["accuracy_windowed"]) <= 1
    assert figures["accuracy_spiking"] >= figures["accuracy_streamed"] - 0.5
    assert figures["spikes_per_inference"] < 1000


@pytest.mark.slow
def test_all_experiments_run_in_under_ten_minutes(tmp_path):
    started = time.monotonic()
    result = run("all", "--quick", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - started < 600
    written = {path.stem for path in tmp_path.glob("*.json")}
    assert {"psmnist", "backends", "spiking_delay", "time_cells"} <= written
