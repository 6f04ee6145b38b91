"""Checkpoints: interrupted training goes on, and the best epoch is kept."""

import json
import math
import os
import warnings
from pathlib import Path

import tensorflow as tf
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_choice
from lmu_nengo.io.archive import read_archive, write_archive

FORMAT = "lmu_nengo checkpoint"


class Checkpoint(tf.keras.callbacks.Callback):
    """
    Keras callback that keeps all that training needs in one file.

    The file holds the parameters, the optimizer's state, the seed, the history, and the
    parameters of the epoch with the best value of ``monitor``. It is written after each
    epoch, and once before the first, so that an interruption costs one epoch at most.
    The file of the epoch before stays beside it, as ``NAME.previous.npz``, and is used,
    with a warning, if the newest cannot be read.

    Training on arrays goes on as if it had not been interrupted, to the last bit,
    shuffling and `lmu_nengo.processes.Dropout` included; data that shuffle themselves
    (``tf.data``) do as they do.

    Parameters
    ----------
    sim : lmu_nengo.training.Simulator
        Simulator to be trained, compiled.
    path : str or Path
        The file, ending in ``.npz``.
    monitor : str
        Name of a value in the history; the epoch where it is best is kept.
    resume : bool
        Go on from the file. Where there is none, start anew.
    settings : dict, optional
        What else the training depends on (data, batch size...), for JSON. A file that
        was made with other settings is refused.
    mode : {"max", "min"}
        Whether the largest or the smallest value is the best: ``"min"`` for a loss.

    Attributes
    ----------
    epoch : int
        Epochs done so far; give it to ``fit`` as ``initial_epoch``.
    history : dict of {str: list of float}
        One value for each epoch done.

    Raises
    ------
    ValidationError
        If the file belongs to another network, optimizer or other settings, or neither
        it nor the one before can be read; in training, if ``monitor`` is not in the
        history, or ``initial_epoch`` is not ``epoch``.
    """

    def __init__(self, sim, path, monitor, resume=False, settings=None, mode="max"):
        super().__init__()
        self.sim = sim
        self.path = Path(path)
        self.monitor = monitor
        self.best = {"max": max, "min": min}[check_choice(mode, ("max", "min"), "mode")]
        self.settings = json.loads(json.dumps(settings))
        self.epoch = 0
        self.history = {}
        self.best_weights = None
        if resume and (self.path.is_file() or self.previous.is_file()):
            self._load()

    @property
    def previous(self):
        """The file of the epoch before."""
        return self.path.with_suffix(".previous.npz")

    @property
    def _variables(self):
        model = self.sim.keras_model
        model.optimizer.build(model.trainable_variables)
        return {"weights": model.weights, "optimizer": model.optimizer.variables}

    @property
    def _writes(self):
        """Whether this process is the one that writes the file."""
        return self.sim.keras_model.distribute_strategy.extended.should_checkpoint

    def _read(self):
        """Content of the newest file, or else of the one before."""
        if not self.path.is_file():
            return read_archive(self.previous, FORMAT)
        try:
            return read_archive(self.path, FORMAT)
        except ValidationError as error:
            try:
                saved = read_archive(self.previous, FORMAT)
            except ValidationError as other:
                raise ValidationError(
                    f"{error} Nor is there one of the epoch before: {other} Start without "
                    "resuming.",
                    attr="path",
                ) from error
            warnings.warn(f"{error} Going on from {self.previous}.", stacklevel=4)
            if self._writes:  # the next save must not replace it
                os.replace(self.previous, self.path)
            return saved

    def _load(self):
        header, saved = self._read()
        if header["settings"] != self.settings:
            raise ValidationError(
                f"{self.path} was made with {header['settings']}, expected "
                f"{self.settings}. Give the options it was made with, or start "
                "without resuming.",
                attr="path",
            )
        variables = self._variables
        values = {group: numbered(saved, group) for group in variables}
        for group, parts in variables.items():
            shapes = [tuple(v.shape) for v in parts]
            if [v.shape for v in values[group]] != shapes:
                raise ValidationError(
                    f"{self.path} holds {group} of shapes "
                    f"{[v.shape for v in values[group]]}, expected {shapes}. It is from "
                    "another network: give the options it was made with, or start "
                    "without resuming.",
                    attr="path",
                )
        for group, parts in variables.items():
            for variable, value in zip(parts, values[group], strict=True):
                variable.assign(value)
        self.sim.tensor_graph.seed = header["seed"]
        self.best_weights = numbered(saved, "best") or None
        self.epoch = header["epoch"]
        self.history = header["history"]

    def save(self):
        """
        Write the file, in one stroke; the one before stays as ``previous``.

        Of several workers of a ``tf.distribute`` strategy, the chief writes.
        """
        header = {
            "epoch": self.epoch,
            "settings": self.settings,
            "seed": int(self.sim.seed),
            "history": self.history,
        }
        arrays = {}
        for group, variables in self._variables.items():
            for i, variable in enumerate(variables):
                arrays[f"{group}/{i}"] = variable.numpy()
        for i, value in enumerate(self.best_weights or []):
            arrays[f"best/{i}"] = value
        if self._writes:  # all workers must have come here: variables are made together
            write_archive(self.path, FORMAT, header, arrays, previous=self.previous)

    def _best_value(self):
        values = self.history.get(self.monitor, [])
        return self.best((v for v in values if not math.isnan(v)), default=None)

    def restore_best(self):
        """Give the network the parameters of the best epoch; return its value."""
        if self.best_weights is None:
            raise ValidationError(
                f"no epoch with a value of {self.monitor} so far, expected at least one. "
                "Train first.",
                attr="monitor",
            )
        variables = self.sim.keras_model.weights
        for variable, value in zip(variables, self.best_weights, strict=True):
            variable.assign(value)
        return self._best_value()

    def on_train_begin(self, logs=None):
        """Write the file before the first epoch."""
        if self.epoch == 0:
            self.save()

    def on_epoch_begin(self, epoch, logs=None):
        """Refuse to count an epoch twice."""
        if epoch != self.epoch:
            raise ValidationError(
                f"got {epoch}, expected {self.epoch}, the epochs done so far. Use "
                "fit(initial_epoch=checkpoint.epoch).",
                attr="initial_epoch",
            )

    def on_epoch_end(self, epoch, logs=None):
        """Add an epoch to the file."""
        logs = logs or {}
        if self.monitor not in logs:
            raise ValidationError(
                f"got {self.monitor!r}, expected one of {sorted(logs)}.", attr="monitor"
            )
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        if self.history[self.monitor][-1] == self._best_value():
            self.best_weights = [v.numpy() for v in self.sim.keras_model.weights]
        self.epoch = epoch + 1
        self.save()


def numbered(saved, group):
    """Arrays ``group/0``, ``group/1``... of a file, as a list."""
    names = [name for name in saved if name.startswith(f"{group}/")]
    return [saved[f"{group}/{i}"] for i in range(len(names))]
