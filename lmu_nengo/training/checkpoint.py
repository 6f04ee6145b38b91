"""Checkpoints: interrupted training resumes, and the best epoch is kept."""

import math
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_choice, check_flag, check_instance, check_path
from lmu_nengo.io import DamagedFileError
from lmu_nengo.io.archive import write_archive
from lmu_nengo.training.plan.checkpoint_file import (
    KEYS,
    as_json,
    check_settings,
    read_newest,
    values_of,
)
from lmu_nengo.training.simulator import Simulator

FORMAT = "lmu_nengo checkpoint"


class Checkpoint(tf.keras.callbacks.Callback):
    """
    Keras callback that keeps everything that training needs in one file.

    The file holds the parameters, the optimizer's state, the seed, the history, and the
    parameters of the epoch with the best value of ``monitor``. It is written after each
    epoch, and once before the first, so that an interruption costs one epoch at most.
    The file of the previous epoch is kept as ``NAME.previous.npz``, and is used, with a
    warning, if the newest cannot be read.

    Training on arrays resumes as if it had not been interrupted, to the last bit,
    shuffling and `lmu_nengo.processes.Dropout` included. Self-shuffling datasets
    (``tf.data``) pass through unchanged.

    Parameters
    ----------
    sim : lmu_nengo.training.Simulator
        The simulator; ``sim.compile`` must have been called.
    path : str or Path
        The file, ending in ``.npz``.
    monitor : str
        Name of a value in the history; the epoch where it is best is kept.
    resume : bool
        Whether to resume from the file. If there is none, training starts anew.
    settings : dict, optional
        What else the training depends on (data, batch size and so on), for JSON. A file
        that was written with other settings is refused, naming them.
    mode : {"max", "min"}
        Whether the largest or the smallest value is the best; ``"min"`` for a loss.

    Attributes
    ----------
    epoch : int
        Epochs done so far; give it to ``fit`` as ``initial_epoch``.
    history : dict of {str: list of float}
        One value for each epoch done.
    seconds : float
        What these epochs took, in all runs together.

    Raises
    ------
    ValidationError
        If the file belongs to another network, optimizer or other settings, or neither
        it nor that of the previous epoch can be read; in training, if ``monitor`` is not
        in the history, or ``initial_epoch`` is not ``epoch``.

    Examples
    --------
    >>> import tempfile
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.training import Checkpoint, Simulator
    >>> with nengo.Network(seed=0) as model:
    ...     u = nengo.Node([0])
    ...     y = nengo.Node(size_in=1)
    ...     connection = nengo.Connection(u, y, synapse=None)
    ...     probe = nengo.Probe(y)
    >>> x = np.ones((4, 1, 1))
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Simulator(model, seed=0, progress_bar=False) as sim:
    ...     sim.compile("sgd", loss={probe: "mse"})
    ...     checkpoint = Checkpoint(
    ...         sim, f"{folder.name}/model.npz", "loss", resume=True, mode="min"
    ...     )
    ...     history = sim.fit(
    ...         x,
    ...         {probe: 2 * x},
    ...         epochs=3,
    ...         initial_epoch=checkpoint.epoch,
    ...         callbacks=[checkpoint],
    ...         verbose=0,
    ...     )
    ...     best = checkpoint.restore_best()
    >>> checkpoint.epoch, best == min(checkpoint.history["loss"])
    (3, True)
    >>> folder.cleanup()
    """

    def __init__(
        self,
        sim: Simulator,
        path: str | Path,
        monitor: str,
        resume: bool = False,
        settings: dict | None = None,
        mode: str = "max",
    ):
        super().__init__()
        self.sim = sim
        self.path = Path(check_path(path))
        check_instance(sim, Simulator, "sim", "a Simulator of lmu_nengo.training")
        check_instance(monitor, str, "monitor", "the name of a value in the history")
        check_flag(resume, "resume", obj=type(self))
        self.monitor = monitor
        check_choice(mode, ("max", "min"), "mode", obj=type(self))
        self.best = {"max": max, "min": min}[mode]
        self.settings = as_json(settings, type(self))
        self.epoch = 0
        self.seconds = 0.0
        self._started = None
        self.history = {}
        self.best_weights = None
        if resume and (self.path.is_file() or self.previous.is_file()):
            self._load()

    @property
    def previous(self) -> Path:
        """The file of the previous epoch."""
        return self.path.with_suffix(".previous.npz")

    @property
    def _variables(self):
        model = self.sim.keras_model
        model.optimizer.build(model.trainable_variables)
        return {"weights": model.weights, "optimizer": model.optimizer.variables}

    @property
    def _trains_theta(self):
        """Whether a logarithm of theta is among the weights."""
        return any("theta" in cell.trainable for cell in self.sim.plan.cells)

    @property
    def _writes(self):
        """Whether this process is the one that writes the file."""
        return self.sim.keras_model.distribute_strategy.extended.should_checkpoint

    def _load(self):
        header, saved = read_newest(
            self.path, self.previous, FORMAT, KEYS, self._writes, type(self)
        )
        check_settings(self.path, header["settings"], self.settings, type(self))
        if header.get("log_theta", False) != self._trains_theta:
            raise ValidationError(
                f"{self.path} is from another network, or from an earlier version, which "
                "trained theta itself instead of its logarithm. Start without resuming.",
                attr="path",
                obj=type(self),
            )
        variables = self._variables
        needed = {
            group: [(tuple(v.shape), np.dtype(v.dtype.as_numpy_dtype)) for v in parts]
            for group, parts in variables.items()
        }
        values = values_of(self.path, saved, header, needed, type(self))
        for group, parts in variables.items():
            for variable, value in zip(parts, values[group], strict=True):
                variable.assign(value)
        self.sim.tensor_graph.seed = header["seed"]
        self.best_weights = values["best"] or None
        self.epoch = header["epoch"]
        self.seconds = float(header.get("seconds", 0.0))
        self.history = header["history"]
        if not values["best"] and self._best_value() is not None:
            raise DamagedFileError(self.path, "best/0 is missing")

    def save(self) -> None:
        """
        Write the file atomically; the last one is kept as ``previous``.

        Of several workers of a ``tf.distribute`` strategy, the chief writes.
        """
        header = {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "settings": self.settings,
            "seed": int(self.sim.seed),
            "log_theta": self._trains_theta,
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

    def restore_best(self) -> float:
        """
        Give the network the parameters of the best epoch.

        Returns
        -------
        value : float
            The value of ``monitor`` in that epoch.

        Raises
        ------
        ValidationError
            If no epoch has been trained yet.
        """
        if self.best_weights is None:
            raise ValidationError(
                f"there is no epoch with a value of {self.monitor!r} yet. Train first.",
                attr="monitor",
                obj=type(self),
            )
        variables = self.sim.keras_model.weights
        for variable, value in zip(variables, self.best_weights, strict=True):
            variable.assign(value)
        self.sim.write()
        return self._best_value()

    def on_train_begin(self, logs=None):
        """Write the file before the first epoch."""
        if self.epoch == 0:
            self.save()

    def on_epoch_begin(self, epoch, logs=None):
        """Refuse to count an epoch twice."""
        if epoch != self.epoch:
            raise ValidationError(
                f"must be {self.epoch}, the number of epochs done so far, got {epoch}. Use "
                "fit(..., initial_epoch=checkpoint.epoch).",
                attr="initial_epoch",
                obj=type(self),
            )
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Add an epoch to the file."""
        logs = logs or {}
        if self.monitor not in logs:
            raise ValidationError(
                f"must be one of {sorted(logs)}, got {self.monitor!r}.",
                attr="monitor",
                obj=type(self),
            )
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        if self.history[self.monitor][-1] == self._best_value():
            self.best_weights = [v.numpy() for v in self.sim.keras_model.weights]
        self.epoch = epoch + 1
        self.seconds += time.perf_counter() - self._started
        self.save()
