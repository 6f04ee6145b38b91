"""Checkpoints: interrupted training goes on, and the best epoch is kept."""

import json
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from nengo.exceptions import ValidationError


class Checkpoint(tf.keras.callbacks.Callback):
    """
    Keras callback that keeps all that training needs in one file.

    The file holds the parameters, the optimiser's state, the history, and the
    parameters of the epoch with the best value of ``monitor``. It is written after each
    epoch, and once at the start, so that an interruption costs one epoch at most.

    Parameters
    ----------
    sim : lmu_nengo.training.Simulator
        Simulator to be trained, compiled.
    path : str or Path
        The file, ending in ``.npz``.
    monitor : str
        Name of a value in the history; the epoch where it is largest is the best.
    resume : bool
        Go on from the file. Where there is none, start anew.
    settings : dict, optional
        What else the training depends on (data, seeds...), for JSON. A file that was
        made with other settings is refused.

    Attributes
    ----------
    epoch : int
        Epochs done so far; give it to ``fit`` as ``initial_epoch``.
    history : dict of {str: list of float}
        One value for each epoch done.

    Raises
    ------
    ValidationError
        If the file belongs to another network, optimiser or other settings.
    """

    def __init__(self, sim, path, monitor, resume=False, settings=None):
        super().__init__()
        self.sim = sim
        self.path = Path(path)
        self.monitor = monitor
        self.settings = json.dumps(settings, sort_keys=True)
        self.epoch = 0
        self.history = {}
        self.best_weights = None
        if resume and self.path.is_file():
            self._load()

    @property
    def _variables(self):
        optimizer = self.sim.keras_model.optimizer
        optimizer.build(self.sim.keras_model.trainable_variables)
        return {
            "weights": self.sim.keras_model.trainable_variables,
            "optimizer": optimizer.variables,
        }

    def _load(self):
        with np.load(self.path, allow_pickle=False) as saved:
            if str(saved["settings"]) != self.settings:
                raise ValidationError(
                    f"{self.path} was made with {saved['settings']}, expected "
                    f"{self.settings}. Give the options it was made with, or start "
                    "without resuming.",
                    attr="path",
                )
            for group, variables in self._variables.items():
                values = read_group(saved, group)
                shapes = [tuple(v.shape) for v in variables]
                if [v.shape for v in values] != shapes:
                    raise ValidationError(
                        f"{self.path} holds {group} of shapes "
                        f"{[v.shape for v in values]}, expected {shapes}. It is from "
                        "another network: give the options it was made with, or start "
                        "without resuming.",
                        attr="path",
                    )
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
            self.best_weights = read_group(saved, "best")
            self.epoch = int(saved["epoch"])
            self.history = {
                name.removeprefix("history/"): saved[name].tolist()
                for name in saved
                if name.startswith("history/")
            }

    def save(self):
        """Write the file, in one stroke."""
        arrays = {"epoch": self.epoch, "settings": self.settings}
        for group, variables in self._variables.items():
            for i, variable in enumerate(variables):
                arrays[f"{group}/{i}"] = variable.numpy()
        for i, value in enumerate(self.best_weights or []):
            arrays[f"best/{i}"] = value
        for name, values in self.history.items():
            arrays[f"history/{name}"] = values
        unfinished = self.path.with_suffix(".unfinished.npz")
        np.savez(unfinished, **arrays)
        os.replace(unfinished, self.path)

    def restore_best(self):
        """Give the network the parameters of the best epoch; return its value."""
        variables = self.sim.keras_model.trainable_variables
        for variable, value in zip(variables, self.best_weights, strict=True):
            variable.assign(value)
        return max(self.history[self.monitor])

    def on_train_begin(self, logs=None):
        """Write the file before the first epoch."""
        self.save()

    def on_epoch_end(self, epoch, logs=None):
        """Add an epoch to the file."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        values = self.history[self.monitor]
        if values[-1] == max(values):
            self.best_weights = [
                v.numpy() for v in self.sim.keras_model.trainable_variables
            ]
        self.epoch = epoch + 1
        self.save()


def read_group(saved, group):
    """Arrays ``group/0``, ``group/1``... of a file, as a list."""
    names = [name for name in saved if name.startswith(f"{group}/")]
    return [saved[f"{group}/{i}"] for i in range(len(names))]
