"""The best epoch, early stopping, and files from which training resumes."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import (
    check_choice,
    check_flag,
    check_instance,
    check_integer,
    check_mapping,
    check_path,
)
from lmu_nengo.io import DamagedFileError
from lmu_nengo.io.archive import write_archive
from lmu_nengo.training.jax.trainer import Trainer
from lmu_nengo.training.plan.checkpoint_file import (
    KEYS,
    as_json,
    check_settings,
    read_newest,
    values_of,
)

FORMAT = "lmu_nengo checkpoint of a Trainer"


class EarlyStopping:
    """
    Callback that keeps the parameters of the best epoch, and ends training after it.

    Parameters
    ----------
    trainer : Trainer
        The trainer; ``trainer.compile`` must have been called.
    monitor : str
        Name of a value in the history, such as ``"val_loss"``.
    patience : int, optional
        Epochs without a better value after which training ends; by default it does not.
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
        If an argument is out of range; in training, if ``monitor`` is not in the history,
        or ``initial_epoch`` is not ``epoch``.

    See Also
    --------
    Checkpoint : The same, with a file from which training resumes.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.training.jax import EarlyStopping, Trainer
    >>> with nengo.Network(seed=0) as model:
    ...     u = nengo.Node([0])
    ...     y = nengo.Node(size_in=1)
    ...     connection = nengo.Connection(u, y, synapse=None)
    ...     probe = nengo.Probe(y)
    >>> x = np.ones((4, 1, 1))
    >>> trainer = Trainer(model, seed=0, progress_bar=False)
    >>> trainer.compile("sgd", loss={probe: "mse"})
    >>> stopping = EarlyStopping(trainer, "loss", patience=2)
    >>> history = trainer.fit(x, {probe: 2 * x}, epochs=3, callbacks=[stopping])
    >>> stopping.restore_best() == min(stopping.history["loss"])
    True
    """

    def __init__(
        self,
        trainer: Trainer,
        monitor: str,
        patience: int | None = None,
        mode: str = "min",
    ):
        kind = type(self)
        check_instance(trainer, Trainer, "trainer", "a Trainer", obj=kind)
        check_choice(mode, ("max", "min"), "mode", obj=kind)
        if patience is not None:
            check_integer(patience, "patience", obj=kind)
        self.trainer, self.monitor, self.patience = trainer, monitor, patience
        self.best = {"max": max, "min": min}[mode]
        self.epoch, self.history, self.seconds = 0, {}, 0.0
        self._started = time.perf_counter()
        self.best_parameters: list | None = None

    def on_train_begin(self, trainer: Trainer, initial_epoch: int) -> None:
        """Refuse to count an epoch twice."""
        if initial_epoch != self.epoch:
            raise ValidationError(
                f"must be {self.epoch}, the number of epochs done so far, got "
                f"{initial_epoch}. Use fit(..., initial_epoch={self.epoch}).",
                attr="initial_epoch",
                obj=type(self),
            )
        self._started = time.perf_counter()

    def __call__(self, epoch: int, logs: Mapping[str, float]) -> bool:
        """Add an epoch; return whether training shall end."""
        epoch = check_integer(epoch, "epoch", low=0, high=2**31 - 1, obj=type(self))
        check_mapping(logs, "logs", "numbers by name", obj=type(self))
        if self.monitor not in logs:
            raise ValidationError(
                f"must be one of {sorted(logs)}, got {self.monitor!r}.",
                attr="monitor",
                obj=type(self),
            )
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        if self.history[self.monitor][-1] == self._best_value():
            self.best_parameters = self._present()
        self.epoch = epoch + 1
        now = time.perf_counter()
        self.seconds, self._started = self.seconds + now - self._started, now
        return self.is_over

    @property
    def is_over(self) -> bool:
        """Whether there has been no better epoch for as long as is waited."""
        values = self.history.get(self.monitor, [])
        if self.patience is None or self._best_value() not in values:
            return False
        last_best = len(values) - 1 - values[::-1].index(self._best_value())
        return len(values) - 1 - last_best >= self.patience

    def restore_best(self) -> float:
        """
        Give trainer and network the parameters of the best epoch.

        Returns
        -------
        value : float
            The value of ``monitor`` in that epoch.

        Raises
        ------
        ValidationError
            If no epoch has been trained yet.
        """
        if self.best_parameters is None:
            raise ValidationError(
                f"there is no epoch with a value of {self.monitor!r} yet. Train first.",
                attr="monitor",
                obj=type(self),
            )
        put = self.trainer.devices.put
        self.trainer.parameters = [put(x) for x in self.best_parameters]
        self.trainer.write()
        return self._best_value()

    def _present(self):
        return [np.array(self.trainer.devices.get(x)) for x in self.trainer.parameters]

    def _best_value(self):
        values = self.history.get(self.monitor, [])
        return self.best((v for v in values if not math.isnan(v)), default=None)


class Checkpoint(EarlyStopping):
    """
    Callback that keeps everything that training needs in one file.

    The file holds the parameters, the optimizer's state, the seed, the history, and the
    parameters of the epoch with the best value of ``monitor``. It is written after each
    epoch, and once before the first, so that an interruption costs one epoch at most.
    The file of the previous epoch is kept as ``NAME.previous.npz``, and is used, with a
    warning, if the newest cannot be read. Training resumes as if it had not been
    interrupted, to the last bit.

    Parameters
    ----------
    trainer : Trainer
        The trainer; ``trainer.compile`` must have been called.
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
    patience : int, optional
        Epochs without a better value after which training ends; by default it does not.

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
        it nor that of the previous epoch can be read; in training, as `EarlyStopping`.

    Examples
    --------
    >>> import tempfile
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.training.jax import Checkpoint, Trainer
    >>> with nengo.Network(seed=0) as model:
    ...     u = nengo.Node([0])
    ...     y = nengo.Node(size_in=1)
    ...     connection = nengo.Connection(u, y, synapse=None)
    ...     probe = nengo.Probe(y)
    >>> x = np.ones((4, 1, 1))
    >>> folder = tempfile.TemporaryDirectory()
    >>> trainer = Trainer(model, seed=0, progress_bar=False)
    >>> trainer.compile("sgd", loss={probe: "mse"})
    >>> checkpoint = Checkpoint(
    ...     trainer, f"{folder.name}/model.npz", "loss", resume=True, mode="min"
    ... )
    >>> history = trainer.fit(
    ...     x,
    ...     {probe: 2 * x},
    ...     epochs=3,
    ...     initial_epoch=checkpoint.epoch,
    ...     callbacks=[checkpoint],
    ... )
    >>> checkpoint.epoch, checkpoint.restore_best() == min(checkpoint.history["loss"])
    (3, True)
    >>> folder.cleanup()
    """

    def __init__(
        self,
        trainer: Trainer,
        path: str | Path,
        monitor: str,
        resume: bool = False,
        settings: dict | None = None,
        mode: str = "max",
        patience: int | None = None,
    ):
        super().__init__(trainer, monitor, patience, mode)
        self.path = Path(check_path(path))
        check_flag(resume, "resume", obj=type(self))
        self.settings = as_json(settings, type(self))
        trainer.need_compiled()
        if resume and (self.path.is_file() or self.previous.is_file()):
            self._load()

    @property
    def previous(self) -> Path:
        """The file of the previous epoch."""
        return self.path.with_suffix(".previous.npz")

    def on_train_begin(self, trainer: Trainer, initial_epoch: int) -> None:
        """Write the file before the first epoch."""
        super().on_train_begin(trainer, initial_epoch)
        if self.epoch == 0:
            self.save()

    def __call__(self, epoch: int, logs: Mapping[str, float]) -> bool:
        """Add an epoch to the file; return whether training shall end."""
        is_over = super().__call__(epoch, logs)
        self.save()
        return is_over

    def save(self) -> None:
        """
        Write the file atomically; the last one is kept as ``previous``.

        Of several processes, the first writes.
        """
        header = {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "settings": self.settings,
            "seed": self.trainer.seed,
            "iterations": self.trainer.iterations,
            "history": self.history,
        }
        groups = {"parameters": self._present(), "optimizer": self._optimizer_state()}
        arrays = {
            f"{group}/{i}": value
            for group, values in {**groups, "best": self.best_parameters or []}.items()
            for i, value in enumerate(values)
        }
        if jax.process_index() == 0:
            write_archive(self.path, FORMAT, header, arrays, previous=self.previous)

    def _optimizer_state(self):
        get = self.trainer.devices.get
        return [np.array(get(x)) for x in jax.tree.leaves(self.trainer.optimizer_state)]

    def _load(self):
        is_first = jax.process_index() == 0
        keys = KEYS | {"iterations": int}
        header, saved = read_newest(
            self.path, self.previous, FORMAT, keys, is_first, type(self)
        )
        check_settings(self.path, header["settings"], self.settings, type(self))
        present = {"parameters": self._present(), "optimizer": self._optimizer_state()}
        needed = {k: [(x.shape, x.dtype) for x in arrays] for k, arrays in present.items()}
        values = values_of(self.path, saved, header, needed, type(self))
        self.epoch, self.history = header["epoch"], header["history"]
        if not values["best"] and self._best_value() is not None:
            raise DamagedFileError(self.path, "best/0 is missing")
        trainer, put = self.trainer, self.trainer.devices.put
        trainer.parameters = [put(x) for x in values["parameters"]]
        structure = jax.tree.structure(trainer.optimizer_state)
        state = [put(x) for x in values["optimizer"]]
        trainer.optimizer_state = jax.tree.unflatten(structure, state)
        trainer.seed, trainer.iterations = header["seed"], header["iterations"]
        self.best_parameters = values["best"] or None
        self.seconds = float(header.get("seconds", 0.0))
