"""A small classifier of permuted digits, for networks/psmnist_digit.py to watch live.

The LMU of `psmnist`, of order 128 and with one hidden layer of 256 rectified linear
neurons, trained with the memory windowed. So that it guesses well before the last pixel,
every other image is shown in part: its first pixels, as many as a throw of dice says, after
zeros. Beside JSON and figure it writes psmnist_digit.npz: the weights, the order of the
pixels, and the first test digit of each kind. The copy in networks/ comes from
`--data PATH --seed 0`.
"""

import time
from pathlib import Path

import click
import numpy as np
from nengo.exceptions import ValidationError

from experiments._lib.common import console, report, shared_options, told_plainly
from experiments.psmnist._network import Preset, build, configure, train
from experiments.psmnist.psmnist import SMALL_DIGITS, accuracy, predict
from lmu_nengo.datasets import load_mnist, load_small_digits
from lmu_nengo.viz import plotting

MNIST = Preset(
    order=128,
    hidden=(256,),
    dropout=(0, 0.1),
    push=0,
    distorted=False,
    epochs=30,
    batch=200,
    rate=2e-3,
    n_validation=5000,
)


def with_parts(images, order, rng):
    """
    Images, and as many that end early, as a memory has them that was empty before.

    Parameters
    ----------
    images : ndarray of shape (n_digits, n_pixels)
        Digits, row after row.
    order : ndarray of shape (n_pixels,)
        Which pixel is shown in each step.
    rng : numpy.random.Generator
        Says when they end.

    Returns
    -------
    both : ndarray of shape (2 * n_digits, n_pixels)
        The images, then the parts: zeros, and the first pixels in the last steps.
    """
    n_pixels = len(order)
    step = np.arange(n_pixels) - rng.integers(1, n_pixels, size=(len(images), 1))
    parts = np.empty_like(images)
    sequences = np.take_along_axis(images[:, order], np.maximum(step, 0), axis=1)
    parts[:, order] = np.where(step >= 0, sequences, 0)
    return np.concatenate([images, parts])


def weights_of(classifier):
    """
    Weights of the trained network, the memory's normalization folded in.

    Parameters
    ----------
    classifier : Classifier
        With one hidden layer, its trained parameters frozen into it.

    Returns
    -------
    arrays : dict of {str: ndarray}
        ``hidden_weights`` (n_hidden, order), ``hidden_bias`` (n_hidden,) and
        ``digit_weights`` (10, n_hidden), all float32.
    """
    (hidden,) = classifier.hidden
    connections = classifier.network.connections
    (into,) = (c for c in connections if c.post_obj == hidden.neurons)
    (out,) = (c for c in connections if c.post_obj is classifier.output.target)
    arrays = {
        "hidden_weights": into.transform.init * classifier.normalize.transform.init,
        "hidden_bias": hidden.bias,
        "digit_weights": out.transform.init,
    }
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), help="MNIST's mnist.npz.")
@click.option("--resume", is_flag=True, help="Go on after an interruption.")
@shared_options
def main(data, resume, quick, seed, out):
    """Run the experiment."""
    try:
        digits = load_mnist(data)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    preset = MNIST
    if digits is None:
        console.print("No MNIST at hand (--data): using scikit-learn's 8x8 digits.")
        digits, preset = load_small_digits(), SMALL_DIGITS
    if quick:
        preset = preset._replace(epochs=4 if digits.name == "MNIST" else 40)
    x, y = digits.x_train, digits.y_train
    order = np.random.RandomState(0).permutation(x.shape[1])
    shuffled = np.random.RandomState(seed).permutation(len(x))
    held_out, used = np.split(shuffled, [preset.n_validation])
    out.mkdir(parents=True, exist_ok=True)
    classifier = build(x.shape[1], preset, seed)
    configure(classifier)
    settings = {"data": digits.name, "quick": quick, "seed": seed, **preset._asdict()}
    started = time.perf_counter()
    with told_plainly():
        history, parameters = train(
            classifier,
            preset,
            with_parts(x[used], order, np.random.default_rng(seed)),
            np.tile(y[used], 2),
            order,
            validation=(x[held_out], y[held_out]),
            seed=seed,
            checkpoint=out / "psmnist_digit-checkpoint.npz",
            resume=resume,
            settings=settings,
        )
    figures = {"parameters": parameters, "train_seconds": time.perf_counter() - started}
    figures["accuracy_validation"] = 100 * max(history["val_output_accuracy"])
    shown = digits.x_test[:, order, None]
    network, output = classifier.network, classifier.output
    (values,) = predict(network, [output], classifier.pixel, shown, preset.batch)
    figures["accuracy_test"] = accuracy(values, digits.y_test)
    half = shown.shape[1] // 2
    shown = np.concatenate([np.zeros_like(shown[:, half:]), shown[:, :half]], axis=1)
    (values,) = predict(network, [output], classifier.pixel, shown, preset.batch)
    figures["accuracy_halfway"] = accuracy(values, digits.y_test)
    first = [np.flatnonzero(digits.y_test == label)[0] for label in range(10)]
    arrays = {
        **weights_of(classifier),
        "pixel_order": order.astype(np.int16),
        "images": np.round(255 * digits.x_test[first]).astype(np.uint8),
        "labels": digits.y_test[first].astype(np.uint8),
    }
    path = report("psmnist_digit", seed, quick, figures, {}, out, settings)
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    draw(history, digits.name, path.with_suffix(".png"))
    console.print(f"Wrote {path}, {path.with_suffix('.npz')} and .png.")


def draw(history, name, path):
    """Draw loss and accuracy by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    loss = {"training": history["loss"], "validation": history["val_loss"]}
    plotting.training_curves(loss, ylabel="cross-entropy", axes=left)
    percent = {"validation": 100 * np.array(history["val_output_accuracy"])}
    plotting.training_curves(percent, ylabel="accuracy (%)", axes=right)
    figure.suptitle(f"permuted {name}")
    figure.savefig(path, dpi=150)
