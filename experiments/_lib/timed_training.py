"""Training of a windowed network for a given CPU time, with NengoDL."""

import time

from rich.progress import Progress

from experiments._lib.command_line import console
from experiments._lib.schedule import MAX_EPOCHS, cosine
from lmu_nengo.training import nengo_dl  # noqa: F401  selects Keras; first

# isort: split
import tensorflow as tf

COMPILE = 30  # seconds of training from which compilation pays


class Budget(tf.keras.callbacks.Callback):
    """
    Stops training after a given CPU time, and lowers the learning rate until then.

    Parameters
    ----------
    first : float
        Initial learning rate.
    seconds : float
        CPU time.
    spent : float
        CPU time that was spent before.
    show : callable
        Called after each epoch with the CPU time spent so far.
    """

    def __init__(self, first, seconds, spent, show):
        super().__init__()
        self.first = first
        self.seconds = seconds
        self.started = time.process_time() - spent
        self.show = show

    def on_epoch_begin(self, epoch, logs=None):
        """Set the learning rate."""
        share = (time.process_time() - self.started) / self.seconds
        self.model.optimizer.learning_rate = cosine(self.first, share)

    def on_train_batch_end(self, batch, logs=None):
        """Stop in time."""
        if time.process_time() - self.started > self.seconds:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        """Record the time in the history."""
        logs["seconds"] = time.process_time() - self.started
        self.show(logs["seconds"])


def fit_for(sim, keeper, data, validation, seconds, first, name, epochs=MAX_EPOCHS):
    """
    Train for the remaining time, and restore the best epoch.

    Parameters
    ----------
    sim : lmu_nengo.training.Simulator
        A compiled simulator.
    keeper : lmu_nengo.training.Checkpoint
        Checkpoint of this simulator; its history contains the time spent so far.
    data, validation : tuple of (dict, dict)
        Inputs by node and targets by probe.
    seconds : float
        CPU time.
    first : float
        The first learning rate; it falls to zero as a cosine.
    name : str
        Text beside the progress bar.
    epochs : int
        Maximum number of epochs.

    Returns
    -------
    parameters : int
        Number of trained parameters.
    """
    spent = keeper.history.get("seconds", [0.0])[-1]
    with Progress(console=console) as progress:
        task = progress.add_task(name, total=seconds, completed=spent)
        budget = Budget(first, seconds, spent, lambda s: progress.update(task, completed=s))
        if spent < seconds and keeper.epoch < epochs:
            sim.fit(
                *data,
                validation_data=validation,
                epochs=epochs,
                initial_epoch=keeper.epoch,
                callbacks=[budget, keeper],
                verbose=0,
            )
    keeper.restore_best()
    return sum(int(tf.size(w)) for w in sim.keras_model.trainable_weights)
