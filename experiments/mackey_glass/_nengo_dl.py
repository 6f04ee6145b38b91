"""How the networks of the Mackey-Glass experiment are trained with NengoDL and Keras."""

import time

import lmu_nengo
from experiments._lib.keras_models import recurrent_model, train
from experiments._lib.schedule import MAX_EPOCHS, cosine
from experiments._lib.timed_training import COMPILE, fit_for
from experiments.mackey_glass._networks import (
    BATCH,
    N_LAYERS,
    RATES,
    SIZES,
    build,
    settings_of,
)
from lmu_nengo.training import Checkpoint, Simulator  # first: it selects Keras

# isort: split
import tensorflow as tf


def weighted_mse(target, output):
    """Mean square error, weighted by the target's second value."""
    wanted, weight = target[..., :1], target[..., 1:]
    error = weight * (output[..., :1] - wanted) ** 2
    return tf.reduce_sum(error) / tf.reduce_sum(weight)


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
        settings = settings_of(kind, seconds, seed, data, validation)
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
