"""Keras' recurrent layers and a linear read-out on the digits of psMNIST."""

import numpy as np

from experiments._lib.command_line import console, plain_errors
from experiments._lib.keras_models import LAYERS, recurrent_model, train, units_for
from experiments._lib.results import report

NAMES = (*LAYERS, "linear")
# test accuracy in %: the LMU paper for LSTM (from memory) and its notebook for linear
REFERENCE = {"lstm": 89.86, "linear": 92.65}
RATE, BATCH, CLIP = 1e-3, 100, 1.0


def make(kind, n_steps, n_parameters, seed):
    """
    Build a network.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn", "linear"}
        A recurrent layer and a read-out of its last state, or a read-out of all pixels.
    n_steps : int
        Pixels in a digit.
    n_parameters : int
        Maximum number of trained parameters of a recurrent network.
    seed : int
        Seed of the weights.

    Returns
    -------
    model : tf.keras.Model
        Compiled; takes (batch, n_steps, 1).
    """
    from lmu_nengo.training import nengo_dl  # noqa: F401, I001  selects Keras; first
    import tensorflow as tf

    keras = tf.keras
    if kind in LAYERS:
        units = units_for(kind, n_parameters, 1, 10)
        model = recurrent_model(kind, units, 1, 10, last=True, seed=seed)
    else:
        keras.utils.set_random_seed(seed)
        layers = [keras.layers.Flatten(input_shape=(n_steps, 1)), keras.layers.Dense(10)]
        model = keras.Sequential(layers)
    model.compile(
        keras.optimizers.Adam(RATE, clipnorm=CLIP),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )
    return model


def run(kind, digits, split, order, n_parameters, limits, settings, resume, out):
    """
    Train and test a network, and report its accuracy.

    Parameters
    ----------
    kind : str
        One of `NAMES`.
    digits : lmu_nengo.datasets.Digits
        The set.
    split : tuple of (ndarray, ndarray)
        Indices of the digits to train on, and of those that are held out for validation.
    order : ndarray of shape (n_steps,)
        Which pixel is shown in each step.
    n_parameters : int
        Number of trained parameters of the LMU that it is compared with.
    limits : tuple of (int, float)
        Maximum epochs and seconds of training.
    settings : dict
        For the JSON file, with ``"seed"`` and ``"quick"`` among them.
    resume : bool
        Whether to continue an interrupted run.
    out : pathlib.Path
        Folder to write to.
    """
    seed, (epochs, seconds) = settings["seed"], limits
    used, held_out = split
    x, x_test = (part[:, order, None] for part in (digits.x_train, digits.x_test))
    model = make(kind, len(order), n_parameters, seed)
    name = f"psmnist_{kind}"
    with plain_errors():
        history = train(
            model,
            (x[used], digits.y_train[used]),
            (x[held_out], digits.y_train[held_out]),
            epochs,
            BATCH,
            out / f"{name}-checkpoint.npz",
            seconds=seconds,
            monitor="val_accuracy",
            mode="max",
            resume=resume,
            seed=seed,
            description=kind,
        )
    console.print(f"Testing on {len(x_test):,} digits.")
    answers = model.predict(x_test, batch_size=500, verbose=0).argmax(axis=1)
    figures = {
        "accuracy_windowed": 100 * float(np.mean(answers == digits.y_test)),
        "accuracy_validation": 100 * max(history["val_accuracy"]),
        "parameters": model.count_params(),
        "digits_shown": int(model.optimizer.iterations.numpy()) * BATCH,
        "train_seconds": history["seconds"][-1],
    }
    reference = {}
    if digits.name == "MNIST" and settings["permutation_seed"] is not None:
        reference = {k: v for k, v in [("accuracy_windowed", REFERENCE.get(kind))] if v}
    epochs_done = len(history["seconds"])  # time may have ended before the others
    settings = settings | {"model": kind, "epochs": epochs_done, "seconds": seconds}
    path = report(name, seed, settings["quick"], figures, reference, out, settings)
    console.print(f"Wrote {path}.")
