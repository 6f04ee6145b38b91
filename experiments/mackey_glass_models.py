"""The networks of `experiments.mackey_glass`, and how they are trained for so long."""

import time

import nengo
import numpy as np
from rich.progress import Progress

import lmu_nengo
from experiments.common import console
from experiments.keras_models import recurrent_model, train
from lmu_nengo.training import Checkpoint, Simulator, nengo_dl  # first: it chooses Keras
from lmu_nengo.weights import Glorot

# isort: split
import tensorflow as tf

N_LAYERS = 4
BATCH = 32
MAX_EPOCHS = 100_000  # time ends training
COMPILE = 30  # seconds from which compiling pays
DT = 0.001
LMU = dict(memory_d=4, order=6, theta=20 * DT, input_kernel=Glorot())
# size of the LMUs and of the other layers, chosen for about 18,000 parameters
SIZES = {"lmu": (60, 0), "hybrid": (46, 25), "lstm": (0, 25), "rnn": (0, 50)}
# first learning rates, by validation in a few runs; they fall to zero as a cosine
RATES = {"lmu": 3e-3, "hybrid": 5e-3, "lstm": 1e-2, "rnn": 3e-3}


def rate(kind, share):
    """Learning rate of a kind of network when this share of the time is over."""
    return RATES[kind] * 0.5 * (1 + np.cos(np.pi * min(share, 1))) + 1e-6


def weighted_mse(target, output):
    """Mean square error where the target's second value is one."""
    wanted, weight = target[..., :1], target[..., 1:]
    error = weight * (output[..., :1] - wanted) ** 2
    return tf.reduce_sum(error) / tf.reduce_sum(weight)


class Budget(tf.keras.callbacks.Callback):
    """
    Ends training after so much processor time, and lowers the learning rate until then.

    Parameters
    ----------
    kind : str
        The network.
    seconds : float
        Processor time.
    spent : float
        How much of it is over already.
    show : callable
        Called with the seconds that are over, after each epoch.
    """

    def __init__(self, kind, seconds, spent, show):
        super().__init__()
        self.kind = kind
        self.seconds = seconds
        self.started = time.process_time() - spent
        self.show = show

    def on_epoch_begin(self, epoch, logs=None):
        """Set the learning rate."""
        share = (time.process_time() - self.started) / self.seconds
        self.model.optimizer.learning_rate = rate(self.kind, share)

    def on_train_batch_end(self, batch, logs=None):
        """Stop in time."""
        if time.process_time() - self.started > self.seconds:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        """Note the time in the history."""
        logs["seconds"] = time.process_time() - self.started
        self.show(logs["seconds"])


def build(kind, seed):
    """
    Build a network of LMU layers, alternating with LSTM layers in the hybrid.

    Parameters
    ----------
    kind : {"lmu", "hybrid"}
        The network.
    seed : int
        Seed of the weights.

    Returns
    -------
    network : nengo.Network
        The network.
    signal : nengo.Node
        Its input.
    probe : nengo.Probe
        The prediction, and a value that is not used.
    """
    hidden_d, lstm_d = SIZES[kind]
    with nengo.Network(seed=seed, label=f"Mackey-Glass {kind}") as network:
        nengo_dl.configure_settings(keep_history=True, trainable=None)
        signal = nengo.Node([0], label="signal")
        one = nengo.Node([1], label="one")
        layers, size = [], 1
        for i in range(N_LAYERS):
            if lstm_d and i % 2:
                layers.append(lmu_nengo.LSTM(size, lstm_d, seed=N_LAYERS * seed + i))
            else:
                cell = dict(LMU, hidden_d=hidden_d, dt=DT, seed=N_LAYERS * seed + i)
                layers.append(lmu_nengo.LMUCell(size, **cell))
            size = layers[-1].output.size_out
        stack = lmu_nengo.Stack(layers)
        # the target has a second value, its weight; so NengoDL wants one here
        ahead = nengo.Node(size_in=2, label="prediction")
        weights = np.random.RandomState(seed).randn(1, size) / np.sqrt(size)
        nengo.Connection(signal, stack.input, synapse=None)
        nengo.Connection(stack.output, ahead[:1], transform=weights, synapse=None)
        nengo.Connection(one, ahead[:1], transform=[[0.0]], synapse=None)
        probe = nengo.Probe(ahead)
    return network, signal, probe


def train_lmu(kind, data, validation, x_test, seconds, seed, folder, resume):
    """
    Train a network of LMU layers with their memories windowed, and predict.

    Parameters
    ----------
    kind : {"lmu", "hybrid"}
        The network.
    data, validation : tuple of (ndarray, ndarray)
        Inputs (n, n_steps, 1); targets and their weights (n, n_steps, 2).
    x_test : ndarray of shape (n, n_test_steps, 1)
        Inputs of the test.
    seconds : float
        Processor time.
    seed : int
        Seed of weights and shuffling.
    folder : pathlib.Path
        For the checkpoint.
    resume : bool
        Whether to go on from there.

    Returns
    -------
    prediction : ndarray of shape (n, n_test_steps, 1)
        Of the best epoch.
    parameters : int
        Trained numbers.
    history : dict of {str: list of float}
        By epoch.
    """
    network, signal, probe = build(kind, seed)
    (x, y), (x_held, y_held) = data, validation
    lmu_nengo.realize(network, lmu_nengo.Windowed(x.shape[1]))
    with Simulator(network, minibatch_size=BATCH, seed=seed, progress_bar=False) as sim:
        sim.compile(
            tf.optimizers.Adam(RATES[kind]),
            loss={probe: weighted_mse},
            jit_compile=seconds > COMPILE,
        )
        settings = {"kind": kind, "seconds": seconds, "seed": seed, "shape": x.shape}
        keeper = Checkpoint(
            sim, folder / "checkpoint.npz", "val_loss", resume, settings, mode="min"
        )
        spent = keeper.history.get("seconds", [0.0])[-1]
        with Progress(console=console) as progress:
            name = f"{kind}, seed {seed}"
            task = progress.add_task(name, total=seconds, completed=spent)
            budget = Budget(
                kind, seconds, spent, lambda s: progress.update(task, completed=s)
            )
            if spent < seconds:
                sim.fit(
                    {signal: x},
                    {probe: y},
                    validation_data=({signal: x_held}, {probe: y_held}),
                    epochs=MAX_EPOCHS,
                    initial_epoch=keeper.epoch,
                    callbacks=[budget, keeper],
                    verbose=0,
                )
        keeper.restore_best()
        parameters = sum(int(tf.size(w)) for w in sim.keras_model.trainable_weights)
        sim.freeze_params(network)
    lmu_nengo.realize(network, lmu_nengo.Windowed(x_test.shape[1]))
    with Simulator(network, minibatch_size=BATCH, progress_bar=False) as sim:
        prediction = sim.predict({signal: x_test}, verbose=0)[probe][..., :1]
    return prediction, parameters, keeper.history


def train_keras(kind, data, validation, x_test, seconds, seed, folder, resume):
    """Do the same as `train_lmu` with Keras' layers: ``"lstm"`` or ``"rnn"``."""
    model = recurrent_model(kind, SIZES[kind][1], 1, 1, n_layers=N_LAYERS, seed=seed)
    model.compile(tf.optimizers.Adam(RATES[kind]), weighted_mse)
    history = train(
        model,
        data,
        validation,
        MAX_EPOCHS,
        BATCH,
        folder / "checkpoint",
        seconds=seconds,
        resume=resume,
        seed=seed,
        description=f"{kind}, seed {seed}",
        clock=time.process_time,
        rate=lambda share: rate(kind, share),
    )
    prediction = model.predict(x_test, batch_size=BATCH, verbose=0)
    return prediction, model.count_params(), history
