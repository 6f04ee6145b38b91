import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from nengo.exceptions import ValidationError

pytest.importorskip("optax")

from lmu_nengo import Windowed, realize
from lmu_nengo.io.archive import read_archive, write_archive
from lmu_nengo.training.jax import Checkpoint, EarlyStopping, Trainer
from lmu_nengo.training.jax.checkpoint import FORMAT
from tests.training.jax import killed_example
from tests.training.jax.killed_example import X, Y, train
from tests.training.jax.networks import N_STEPS, build


def parameters_of(trainer):
    return [np.asarray(x) for x in trainer.parameters]


def test_training_that_is_killed_resumes_bit_for_bit(tmp_path):
    command = [sys.executable, "-m", "tests.training.jax.killed_example"]
    process = subprocess.Popen(
        [*command, tmp_path / "killed.npz", "60"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=killed_example.__file__.partition("/tests/")[0],
    )
    assert process.stdout.readline() == "epoch 0\n"
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed, checkpoint = train(tmp_path / "killed.npz", epochs=4)
    whole, other = train(tmp_path / "whole.npz", epochs=4)
    assert checkpoint.epoch == 4 and checkpoint.history == other.history
    assert all(map(np.array_equal, parameters_of(resumed), parameters_of(whole)))
    assert len(set(other.history["loss"])) == 4


def test_files_of_other_settings_and_networks_are_refused(tmp_path):
    path = tmp_path / "training.npz"
    trainer, _ = train(path, epochs=1)
    with pytest.raises(ValidationError, match="Use the same settings"):
        Checkpoint(trainer, path, "loss", resume=True, settings={"rate": 1})
    trainer.compile("sgd", loss={trainer.network.output: "mse"})
    with pytest.raises(ValidationError, match="from another network or optimizer"):
        Checkpoint(trainer, path, "loss", resume=True)
    path.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="one epoch earlier"):
        _, checkpoint = train(path, epochs=1)
    assert checkpoint.epoch == 1


def test_the_best_epoch_is_restored_and_training_ends_after_it():
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    trainer = Trainer(network, minibatch_size=4, seed=0, progress_bar=False)
    trainer.compile("sgd", loss={network.output: "mse"})
    stopping = EarlyStopping(trainer, "loss", patience=3)
    values = [3.0, 1.0, 2.0, 2.5, 2.2, 0.5]
    kept = []
    for epoch, value in enumerate(values):
        trainer.parameters = [x + 1 for x in trainer.parameters]
        kept.append(parameters_of(trainer))
        if stopping(epoch, {"loss": value}):
            break
    assert epoch == 4
    assert stopping.restore_best() == 1.0
    assert all(map(np.array_equal, parameters_of(trainer), kept[1]))
    with pytest.raises(ValidationError, match="must be 5, the number of epochs done"):
        trainer.fit(X, Y, callbacks=[stopping])
    with pytest.raises(ValidationError, match=r"must be one of \['loss'\]"):
        EarlyStopping(trainer, "val_loss")(0, {"loss": 1.0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, _: header.pop("iterations"), "'iterations' in its header"),
        (lambda header, _: header["history"].update(loss=[1.0] * 9), "of its history must"),
        (lambda _, arrays: arrays.update(more=np.ones(2)), "more does not belong there"),
        (lambda _, arrays: arrays.pop("best/0"), "best/1 does not belong there"),
        (
            lambda _, arrays: arrays.update({"best/0": np.ones(2)}),
            "best/0 must be of shape",
        ),
        (
            lambda _, arrays: arrays.update({"best/0": arrays["best/0"].astype(complex)}),
            "best/0 must be of shape .* and type float32, got .*complex128",
        ),
        (
            lambda _, arrays: [arrays.pop(name) for name in list(arrays) if "best" in name],
            "best/0 is missing",
        ),
    ],
)
def test_forged_files_are_refused(tmp_path, change, message):
    path = tmp_path / "training.npz"
    train(path, epochs=2)
    header, arrays = read_archive(path, FORMAT)
    keys = "epoch", "seconds", "settings", "seed", "iterations", "history"
    header = {key: header[key] for key in keys}
    change(header, arrays)
    write_archive(path, FORMAT, header, arrays)
    path.with_suffix(".previous.npz").unlink()
    with pytest.raises(ValidationError, match=message):
        train(path, epochs=2)
