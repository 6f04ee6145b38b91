"""Networks of Keras' own layers, to compare an LMU with."""

import json
import time
from pathlib import Path

import numpy as np
from rich.progress import Progress

from experiments._lib.command_line import console
from experiments._lib.results import checksum
from lmu_nengo.io.archive import read_archive, write_archive

FORMAT = "lmu_nengo experiment"
KEYS = {"settings": dict, "done": int, "spent": float, "best": float, "history": dict}
LAYERS = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}


def recurrent_model(kind, units, input_d, output_d, last=False, n_layers=1, seed=0):
    """
    Recurrent layers with a linear read-out, for sequences of any length.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of the layers, with Keras' defaults.
    units : int
        Size of each layer.
    input_d, output_d : int
        Size of input and output.
    last : bool
        Whether there is only one output, at the end, or one in each step.
    n_layers : int
        Number of layers in series.
    seed : int
        Seed of the weights.

    Returns
    -------
    model : tf.keras.Model
        Not yet compiled; takes (batch, steps, input_d).
    """
    from lmu_nengo.training import nengo_dl  # noqa: F401, I001  selects Keras; first
    import tensorflow as tf

    keras = tf.keras
    keras.utils.set_random_seed(seed)
    make = getattr(keras.layers, LAYERS[kind])
    layers = [
        make(units, return_sequences=not last or i + 1 < n_layers) for i in range(n_layers)
    ]
    inputs = keras.Input((None, input_d))
    return keras.Sequential([inputs, *layers, keras.layers.Dense(output_d)])


def units_for(kind, n_parameters, input_d, output_d, n_layers=1):
    """
    Largest size of layers whose parameters do not exceed a given number.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of the layers.
    n_parameters : int
        Maximum number of trained parameters, including the read-out.
    input_d, output_d, n_layers : int
        As for `recurrent_model`.

    Returns
    -------
    units : int
        Size of each layer.
    """
    n_gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    n_biases = {"lstm": 1, "gru": 2, "rnn": 1}[kind]

    def count(n):
        first = n_gates * n * (input_d + n + n_biases)
        others = n_gates * n * (2 * n + n_biases) * (n_layers - 1)
        return first + others + (n + 1) * output_d

    units = 1
    while count(units + 1) <= n_parameters:
        units += 1
    return units


def train(
    model,
    data,
    validation,
    epochs,
    batch,
    checkpoint,
    seconds=np.inf,
    monitor="val_loss",
    mode="min",
    resume=False,
    seed=0,
    description="training",
    clock=time.perf_counter,
    enough=None,
    rate=None,
):
    """
    Train a compiled Keras model for limited epochs or time, and keep its best epoch.

    Parameters
    ----------
    model : tf.keras.Model
        A compiled model.
    data, validation : tuple of (ndarray, ndarray)
        Inputs and targets.
    epochs, batch : int
        Maximum number of passes over the data; sequences in a batch.
    checkpoint : pathlib.Path
        File, ending in ``.npz``, that is written after every epoch.
    seconds : float
        Maximum time of training, including validation and earlier runs; training stops
        even within an epoch.
    monitor : str
        The epoch with the best value of this metric is kept.
    mode : {"min", "max"}
        Whether the lowest or the highest value is best.
    resume : bool
        Whether to continue from the checkpoint, if there is one.
    seed : int
        Seed of the order of the data.
    description : str
        Text beside the progress bar.
    clock : callable
        Clock that gives the seconds: ``time.process_time`` on a busy machine.
    enough : float, optional
        Training stops after an epoch whose ``monitor`` is at least as good.
    rate : callable, optional
        Learning rate of an epoch, by the share of the time that is spent.

    Returns
    -------
    history : dict of {str: list of float}
        Metrics by epoch, and the time since the start as ``"seconds"``.

    Raises
    ------
    ValidationError
        If the checkpoint is of another network, other data or other settings.
    """
    import tensorflow as tf

    from lmu_nengo.training.plan.checkpoint_file import check_settings

    checkpoint = Path(checkpoint)
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    plan = plan_of(optimizer)
    if rate is not None:
        plan["learning_rate"] = rate(0.0)
    settings = {
        "network": [v.shape.as_list() for v in model.trainable_variables],
        "optimizer": plan,
        "scheduled": rate is not None,
        "data": checksum(*data, *validation),
        "epochs": epochs,
        "seconds": seconds if np.isfinite(seconds) else None,
        "batch": batch,
        "seed": seed,
        "monitor": monitor,
        "enough": enough,
    }
    settings = json.loads(json.dumps(settings))
    variables = [*model.variables, *optimizer.variables]
    kept = [v.numpy() for v in model.trainable_variables]
    done, spent, best, history = 0, 0.0, -np.inf, {}
    if resume and checkpoint.is_file():
        header, arrays = read_archive(checkpoint, FORMAT, KEYS)
        check_settings(checkpoint, header["settings"], settings)
        for i, variable in enumerate(variables):
            variable.assign(arrays[f"variable{i}"])
        kept = [arrays[f"kept{i}"] for i in range(len(kept))]
        done, spent, best = header["done"], header["spent"], header["best"]
        history = header["history"]
    started = clock() - spent

    def elapsed():
        return clock() - started

    def is_over():
        if not history:
            return False
        value = history[monitor][-1]
        good = enough is not None and (
            value >= enough if mode == "max" else value <= enough
        )
        return good or elapsed() > seconds

    def stop_in_time(_batch, _logs):
        if elapsed() > seconds:
            model.stop_training = True

    def share():
        return max(done / epochs, elapsed() / seconds)

    timer = tf.keras.callbacks.LambdaCallback(on_train_batch_end=stop_in_time)
    with Progress(console=console) as progress:
        task = progress.add_task(description, total=1, completed=share())
        for epoch in range(done, epochs):
            if is_over():
                break
            if rate is not None:
                model.optimizer.learning_rate = rate(share())
            order = np.random.default_rng([seed, epoch]).permutation(len(data[0]))
            result = model.fit(
                data[0][order],
                data[1][order],
                batch_size=batch,
                validation_data=validation,
                shuffle=False,
                callbacks=[timer],
                verbose=0,
            )
            for name, values in result.history.items():
                history.setdefault(name, []).append(float(values[-1]))
            history.setdefault("seconds", []).append(elapsed())
            value = history[monitor][-1] * (1 if mode == "max" else -1)
            if value > best:
                best, kept = value, [v.numpy() for v in model.trainable_variables]
            done, spent = epoch + 1, elapsed()
            header = {
                "settings": settings,
                "done": done,
                "spent": float(spent),
                "best": best,
                "history": history,
            }
            arrays = {f"variable{i}": v.numpy() for i, v in enumerate(variables)}
            arrays |= {f"kept{i}": v for i, v in enumerate(kept)}
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            write_archive(checkpoint, FORMAT, header, arrays)
            progress.update(task, completed=share())
    for mine, theirs in zip(kept, model.trainable_variables, strict=True):
        theirs.assign(mine)
    return history


def plan_of(optimizer):
    """Settings of an optimizer, as JSON gives them."""
    return json.loads(json.dumps(optimizer.get_config(), default=str))
