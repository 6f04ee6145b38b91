import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments.psmnist import _training
from tests.conftest import heed_interrupts
from tests.experiments.commands import command, figures_of, invoke, read, run

FIGURES = {
    "accuracy_validation",
    "accuracy_windowed",
    "accuracy_streamed",
    "accuracy_spiking",
    "parameters",
    "train_seconds",
    "spikes_per_inference",
}
KEYS = {
    *("experiment", "seed", "quick", "seconds"),
    *("versions", "figures", "reference", "settings"),
}


def test_experiments_are_listed():
    assert "psmnist" in invoke().output


@pytest.mark.parametrize("name", ["psmnist", "sweep", "all"])
def test_help_is_printed(name):
    result = invoke(name, "--help")
    assert result.exit_code == 0 and "--out" in result.output


def test_psmnist_runs_on_the_bundled_digits(tmp_path):
    result = invoke("psmnist", "--quick", "--seed", 3, "--out", tmp_path)
    assert result.exit_code == 0 and "8x8 digits" in result.output
    assert (tmp_path / "psmnist.png").stat().st_size > 10_000
    written = read(tmp_path, "psmnist")
    figures = written["figures"]
    assert written.keys() == KEYS and figures.keys() == FIGURES
    assert (written["seed"], written["quick"]) == (3, True)
    # scikit-learn's LogisticRegression of the pixels has 96.4% on this split
    assert figures["accuracy_windowed"] > 94
    assert abs(figures["accuracy_streamed"] - figures["accuracy_windowed"]) < 0.3
    assert figures["accuracy_spiking"] > 93
    assert figures["parameters"] == 64 * 128 + 128 + 128 * 10
    # silent but for the last step, where a unit of activity gives four spikes
    assert 50 < figures["spikes_per_inference"] < 4 * 128


def test_psmnist_trains_another_network_of_the_same_size(tmp_path):
    options = ("--quick", "--model", "gru", "--epochs", 1, "--unpermuted")
    written = figures_of("psmnist", tmp_path, *options, stem="psmnist_gru")
    figures, n_units = written["figures"], 53
    without = {"accuracy_streamed", "accuracy_spiking", "spikes_per_inference"}
    assert figures.keys() == FIGURES - without | {"digits_shown"}
    # three gates with two biases each, and the read-out; one unit more is over 9,600
    assert figures["parameters"] == 3 * n_units * (1 + n_units + 2) + 10 * (n_units + 1)
    assert figures["digits_shown"] == 1200  # 1,198 in batches of 100
    assert written["settings"]["permutation_seed"] is None


def test_psmnist_trains_a_linear_readout_of_all_pixels(tmp_path):
    options = ("--epochs", 15, "--model", "linear")
    figures = figures_of("psmnist", tmp_path, *options, stem="psmnist_linear")["figures"]
    assert figures["parameters"] == 10 * (64 + 1)
    assert figures["accuracy_windowed"] > 70


def test_minutes_are_the_limit_of_the_training_time(tmp_path, monkeypatch):
    given = []

    def train(*args, **options):
        given.append(options["seconds"])
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.psmnist._models.train", train)
    monkeypatch.setattr("experiments.psmnist.psmnist.train", train)
    for model in ("gru", "lmu"):
        options = ("--model", model, "--minutes", 0.1, "--out", tmp_path)
        assert invoke("psmnist", *options).exit_code == 1
    assert given == [6.0, 6.0]


def test_an_interrupted_training_is_resumed_from_its_checkpoint(tmp_path, monkeypatch):
    class Tested(Exception):
        """Ends the command when training is over."""

    def interrupt(text):
        if "Epoch 2/" in text:
            raise KeyboardInterrupt

    def predict(*args, **options):
        raise Tested

    with monkeypatch.context() as patch:
        patch.setattr(_training.console, "print", interrupt)
        result = invoke("psmnist", "--epochs", 3, "--out", tmp_path)
    assert result.exit_code == 1 and "with --resume to continue" in result.output
    checkpoint = tmp_path / "psmnist-checkpoint.npz"
    before = header_of(checkpoint)
    assert before["epoch"] == 2 and before["seconds"] > 0
    for options, difference in (
        (("--epochs", 4), "epochs 3, not 4"),
        (("--epochs", 3, "--seed", 1), "seed 0, not 1"),
        (("--epochs", 3, "--permutation-seed", 5), "written with data"),
    ):
        result = invoke("psmnist", *options, "--resume", "--out", tmp_path)
        text = " ".join(result.output.split())
        assert result.exit_code == 1 and difference in text
        assert "start without resuming" in text and header_of(checkpoint) == before
    shown = []
    monkeypatch.setattr(_training.console, "print", shown.append)
    monkeypatch.setattr("experiments.psmnist.psmnist.predict", predict)
    with pytest.raises(Tested):
        invoke("psmnist", "--epochs", 3, "--resume", "--out", tmp_path)
    assert [text[:9] for text in shown if "Epoch" in text] == ["Epoch 3/3"]
    assert header_of(checkpoint)["seconds"] > before["seconds"]


def test_the_epochs_that_were_trained_are_in_the_settings(tmp_path):
    options = ("--model", "linear", "--epochs", 50, "--minutes", 1e-9)
    written = figures_of("psmnist", tmp_path, *options, stem="psmnist_linear")
    assert written["settings"]["epochs"] == 1


def header_of(checkpoint):
    """What a checkpoint says about itself."""
    with np.load(checkpoint, allow_pickle=False) as saved:
        return json.loads(str(saved["header"]))


def epoch_of(checkpoint):
    """Epochs done when a checkpoint was written; 0 without one."""
    return header_of(checkpoint)["epoch"] if checkpoint.is_file() else 0


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    process = subprocess.Popen(
        **command("psmnist", "--epochs", 1000, "--out", tmp_path),
        preexec_fn=heed_interrupts,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    checkpoint = tmp_path / "psmnist-checkpoint.npz"
    deadline = time.monotonic() + 180
    while epoch_of(checkpoint) < 2 and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "with --resume to continue" in error
    assert 2 <= epoch_of(checkpoint) < 1000


def test_missing_data_is_refused_before_any_work(tmp_path):
    for result in (
        invoke("psmnist", "--data", tmp_path / "no.npz", "--out", tmp_path),
        invoke("psmnist", "--out", tmp_path, LMU_NENGO_DATA=str(tmp_path / "no")),
    ):
        assert result.exit_code == 1
        assert "does not exist" in result.output and "--download" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        *(["capacity"], ["psmnist_digit"], ["psmnist_recurrent"], ["psmnist_spiking"]),
        *(["quantization"], ["seq2seq"], ["why"], ["psmnist", "--model", "lstm"]),
        *(["psmnist", "--engine", "dl"], ["psmnist", "--target", "core"]),
        *(["mackey_glass", "--model", "rnn"], ["mackey_glass", "--engine", "dl"]),
    ],
)
def test_what_needs_nengodl_says_so_at_once(tmp_path, monkeypatch, arguments):
    monkeypatch.setitem(sys.modules, "nengo_dl", None)  # as if it were not installed
    result = invoke(*arguments, "--quick", "--out", tmp_path)
    assert result.exit_code == 3
    assert 'needs NengoDL: pip install -e ".[dl,experiments]"' in result.output
    assert not list(tmp_path.glob("*.json"))


def test_options_that_would_be_ignored_are_refused(tmp_path):
    for options, reason in (
        (("--target", "core"), "--target trains a network of its own"),
        (("--model", "gru"), "--model gru is not run with spiking neurons"),
    ):
        result = invoke("psmnist", *options, "--spikes", 3, "--out", tmp_path)
        assert result.exit_code == 2
        assert f"{reason}. Leave out --spikes." in result.output


RECURRENT = {
    "accuracy_before_feedback",
    "accuracy",
    "parameters",
    "steps_all_at_once",
    "steps_recurrent",
    "train_seconds",
}


@pytest.mark.slow
def test_psmnist_recurrent_runs_on_the_bundled_digits(tmp_path):
    result = invoke("psmnist_recurrent", "--quick", "--out", tmp_path)
    # why step by step; the terminal's width breaks lines anywhere
    assert "hidden_encoders, memory_encoders" in " ".join(result.output.split())
    figures = read(tmp_path, "psmnist_recurrent")["figures"]
    assert figures.keys() == RECURRENT
    paths = 1 + 40 + 32 + 40 + 40**2 + 40 * 32  # e_x, e_h, e_m, W_x, W_h, W_m
    assert figures["parameters"] == paths + 40 * 10 + 10
    assert figures["accuracy"] > 75


@pytest.mark.slow
def test_all_experiments_run(tmp_path):
    run("all", "--quick", "--out", tmp_path)
    written = {path.stem for path in tmp_path.glob("*.json")}
    assert {"psmnist", "backends", "spiking_delay", "time_cells"} <= written


def test_all_runs_every_experiment_once_and_skips_what_is_done(tmp_path, monkeypatch):
    from experiments._run import all as run_all

    started = []

    def run_one(name, options, out):
        started.append((name, options))
        return int(name == "tradeoff"), 0.0

    monkeypatch.setattr(run_all, "run", run_one)
    done = dict(seed=5, quick=True, figures={"a": 1.5}, reference={"a": 2.5})
    (tmp_path / "why.json").write_text(json.dumps(done), encoding="utf-8")
    result = invoke("all", "--quick", "--resume", "--seed", 5, "--out", tmp_path)
    names = [name for name, _ in started]
    assert {"psmnist", "time_cells"} <= set(names) and len(names) == len(set(names))
    assert not {"all", "sweep", "why"} & set(names)
    assert all(options == ["--seed=5", "--quick"] for _, options in started)
    assert result.exit_code == 1 and "tradeoff.log" in result.output
    assert "1.5" in result.output and "2.5" in result.output
