"""A small classifier of permuted digits, for networks/psmnist_digit.py to show live.

The LMU of `psmnist`, of order 128 and with one hidden layer of 256 rectified linear
neurons, trained with a windowed memory. It should guess well before the last pixel: every
image is shown a second time in part, as a random number of its first pixels after zeros.
Besides the JSON file and the figure it writes psmnist_digit.npz: the weights, the order of
the pixels and the first test digit of each class. The copy in networks/ was made with
`--data PATH --seed 0`.
"""

import io

import click
import numpy as np

from experiments._lib.command_line import (
    console,
    need_nengo_dl,
    plain_errors,
    resume_option,
    shared_options,
)
from experiments._lib.results import report, save_figure
from experiments.psmnist._data import data_options, load_digits, split
from experiments.psmnist._network import accuracy, predict
from experiments.psmnist._training import SMALL_DIGITS, Preset, build, train
from lmu_nengo import viz
from lmu_nengo.io import write_atomically

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
    Add a copy of each image that ends early, after zeros as in an empty memory.

    Parameters
    ----------
    images : ndarray of shape (n_digits, n_pixels)
        Digits, row by row.
    order : ndarray of shape (n_pixels,)
        Which pixel is shown in each step.
    rng : numpy.random.Generator
        Source of the random ends.

    Returns
    -------
    both : ndarray of shape (2 * n_digits, n_pixels)
        The images, then their parts: zeros, and the first pixels in the last steps.
    """
    n_pixels = len(order)
    step = np.arange(n_pixels) - rng.integers(1, n_pixels, size=(len(images), 1))
    parts = np.empty_like(images)
    sequences = np.take_along_axis(images[:, order], np.maximum(step, 0), axis=1)
    parts[:, order] = np.where(step >= 0, sequences, 0)
    return np.concatenate([images, parts])


def weights_of(classifier):
    """
    Weights of the trained network, with the memory's normalization folded in.

    Parameters
    ----------
    classifier : Classifier
        With one hidden layer, and the trained parameters frozen into it.

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
@data_options
@resume_option
@shared_options
def main(data, download, resume, quick, seed, out):
    """Run the experiment."""
    need_nengo_dl()
    digits = load_digits(data, download)
    preset = MNIST if digits.name == "MNIST" else SMALL_DIGITS
    if quick:
        preset = preset._replace(epochs=4 if digits.name == "MNIST" else 40)
    x, y = digits.x_train, digits.y_train
    order = np.random.RandomState(0).permutation(x.shape[1])
    used, held_out = split(len(x), preset.n_validation, seed)
    out.mkdir(parents=True, exist_ok=True)
    classifier = build(x.shape[1], preset, seed)
    settings = {"data": digits.name, "quick": quick, "seed": seed, **preset._asdict()}
    with plain_errors():
        trained = train(
            classifier,
            preset,
            with_parts(x[used], order, np.random.default_rng(seed)),
            np.tile(y[used], 2),
            order,
            validation=(x[held_out], y[held_out]),
            seed=seed,
            checkpoint=out / "psmnist_digit-checkpoint.npz",
            resume=resume,
        )
    history = trained.history
    figures = {"parameters": trained.parameters, "train_seconds": trained.seconds}
    figures["accuracy_validation"] = 100 * max(history["val_output_accuracy"])
    whole = digits.x_test[:, order, None]
    half = whole.shape[1] // 2
    # half a digit after zeros
    halfway = np.concatenate([np.zeros_like(whole[:, half:]), whole[:, :half]], axis=1)
    network, pixel, output = classifier.network, classifier.pixel, classifier.output
    for name, shown in (("test", whole), ("halfway", halfway)):
        values = predict(network, pixel, [output], shown, preset.batch, description=name)
        figures[f"accuracy_{name}"] = accuracy(values[output], digits.y_test)
    first = [np.flatnonzero(digits.y_test == label)[0] for label in range(10)]
    arrays = {
        **weights_of(classifier),
        "pixel_order": order.astype(np.int16),
        "images": np.round(255 * digits.x_test[first]).astype(np.uint8),
        "labels": digits.y_test[first].astype(np.uint8),
    }
    path = report("psmnist_digit", seed, quick, figures, {}, out, settings)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_atomically(path.with_suffix(".npz"), content.getvalue())
    draw(history, digits.name, path.with_suffix(".png"))
    written = (path, path.with_suffix(".npz"), path.with_suffix(".png"))
    console.print(f"Wrote {', '.join(map(str, written))}.")


def draw(history, name, path):
    """Draw loss and accuracy by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    loss = {"training": history["loss"], "validation": history["val_loss"]}
    viz.training_curves(loss, ylabel="cross-entropy", axes=left)
    percent = {"validation": 100 * np.array(history["val_output_accuracy"])}
    viz.training_curves(percent, ylabel="accuracy (%)", axes=right)
    figure.suptitle(f"permuted {name}")
    save_figure(figure, path)
