"""Networks of the Mackey-Glass experiment, trained for a given CPU time."""

import time

import nengo
import numpy as np

import lmu_nengo
from experiments._lib.keras_models import recurrent_model, train
from experiments._lib.results import checksum
from experiments._lib.timed_training import COMPILE, MAX_EPOCHS, cosine, fit_for
from lmu_nengo.layers.initializers import Glorot
from lmu_nengo.training import Checkpoint, Simulator, nengo_dl  # first: it selects Keras

# isort: split
import tensorflow as tf

N_LAYERS = 4
BATCH = 32
DT = 0.001
LMU = dict(memory_d=4, order=6, theta=20 * DT, input_kernel=Glorot())
# sizes of the LMU layers and of the other layers, for about 18,000 parameters
SIZES = {"lmu": (60, 0), "hybrid": (46, 25), "lstm": (0, 25), "rnn": (0, 50)}
# initial learning rates, chosen by validation in a few runs
RATES = {"lmu": 3e-3, "hybrid": 5e-3, "lstm": 1e-2, "rnn": 3e-3}


def weighted_mse(target, output):
    """Mean square error, weighted by the target's second value."""
    wanted, weight = target[..., :1], target[..., 1:]
    error = weight * (output[..., :1] - wanted) ** 2
    return tf.reduce_sum(error) / tf.reduce_sum(weight)


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
        The prediction, and an unused value.
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
        # two values, because the target has its weight as a second one
        ahead = nengo.Node(size_in=2, label="prediction")
        weights = np.random.RandomState(seed).randn(1, size) / np.sqrt(size)
        nengo.Connection(signal, stack.input, synapse=None)
        nengo.Connection(stack.output, ahead[:1], transform=weights, synapse=None)
        nengo.Connection(one, ahead[:1], transform=[[0.0]], synapse=None)
        probe = nengo.Probe(ahead)
    return network, signal, probe


def train_lmu(kind, data, validation, x_test, seconds, seed, folder, resume):
    """
    Train a network of LMU layers with windowed memories, and predict.

    Parameters
    ----------
    kind : {"lmu", "hybrid"}
        The network.
    data, validation : tuple of (ndarray, ndarray)
        Inputs (n, n_steps, 1); targets and their weights (n, n_steps, 2).
    x_test : ndarray of shape (n, n_test_steps, 1)
        Inputs of the test.
    seconds : float
        CPU time.
    seed : int
        Seed of weights and shuffling.
    folder : pathlib.Path
        For the checkpoint.
    resume : bool
        Whether to continue from there.

    Returns
    -------
    prediction : ndarray of shape (n, n_test_steps, 1)
        Prediction of the best epoch.
    parameters : int
        Number of trained parameters.
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
        settings = {
            "kind": kind,
            "size": SIZES[kind],
            "seconds": seconds,
            "rate": RATES[kind],
            "batch": BATCH,
            "seed": seed,
            "data": checksum(*data, *validation),
        }
        keeper = Checkpoint(
            sim, folder / "checkpoint.npz", "val_loss", resume, settings, mode="min"
        )
        parameters = fit_for(
            sim,
            keeper,
            ({signal: x}, {probe: y}),
            ({signal: x_held}, {probe: y_held}),
            seconds,
            RATES[kind],
            f"{kind}, seed {seed}",
        )
        sim.freeze_params(network)
    lmu_nengo.realize(network, lmu_nengo.Windowed(x_test.shape[1]))
    with Simulator(network, minibatch_size=BATCH, progress_bar=False) as sim:
        prediction = sim.predict({signal: x_test}, verbose=0)[probe][..., :1]
    return prediction, parameters, keeper.history


def train_keras(kind, data, validation, x_test, seconds, seed, folder, resume):
    """Do the same as `train_lmu` with Keras' layers, ``"lstm"`` or ``"rnn"``."""
    model = recurrent_model(kind, SIZES[kind][1], 1, 1, n_layers=N_LAYERS, seed=seed)
    model.compile(tf.optimizers.Adam(RATES[kind]), weighted_mse)
    history = train(
        model,
        data,
        validation,
        MAX_EPOCHS,
        BATCH,
        folder / "checkpoint.npz",
        seconds=seconds,
        resume=resume,
        seed=seed,
        description=f"{kind}, seed {seed}",
        clock=time.process_time,
        rate=lambda share: cosine(RATES[kind], share),
    )
    prediction = model.predict(x_test, batch_size=BATCH, verbose=0)
    return prediction, model.count_params(), history
