"""Permuted sequential digits with spiking neurons throughout: memory and hidden layer.

A network is trained with a windowed memory and with noise on its coefficients, as much as
the spiking memory will have. Then every pixel is shown for several steps, while
integrate-and-fire neurons hold the digit and classify it. Each digit starts with a silent
memory.
"""

import time
import warnings

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import (
    console,
    engine_option,
    need_nengo_dl,
    shared_options,
)
from experiments._lib.parallel import HARMLESS
from experiments._lib.results import report, save_figure
from experiments.psmnist._data import data_options, load_digits
from experiments.psmnist._network import DT, accuracy, mean_spikes, predict
from experiments.psmnist._robust import MNIST, SMALL, build, coefficients, train
from lmu_nengo.conversion import SpikeCounter
from lmu_nengo.datasets import permuted_sequences

N_DL = 500  # test digits with NengoDL, which takes a second for each


def evaluate(classifier, preset, x_train, x, y, engine):
    """
    Stream digits through spiking hidden neurons, with an exact and with a spiking memory.

    Parameters
    ----------
    classifier : experiments.psmnist._network.Classifier
        The trained network.
    preset : experiments.psmnist._robust.Preset
        How it is run.
    x_train : ndarray of shape (n_digits, n_pixels, 1)
        Digits that the spiking memory is made for.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Digits to classify.
    y : ndarray of shape (n_digits,)
        Labels.
    engine : {"jax", "dl"}
        What runs the network.

    Returns
    -------
    figures : dict of {str: float}
        What was measured.
    results : dict of {str: ndarray}
        Coefficients over their standard deviation, ``exact`` and ``spiking``, of shape
        (n_digits, order), and the ``answers`` of shape (n_digits,).
    """
    network, memory, output = classifier.network, classifier.memory, classifier.output
    (hidden,) = classifier.hidden
    steps = preset.steps
    memory.set_state_space(memory.theta * steps, *memory.matrices)
    lmu_nengo.realize(network, lmu_nengo.Linear())
    lmu_nengo.to_spiking(network, scale=preset.hidden_rate)
    batch = min(preset.batch, len(x))

    def run(probes, description):
        shown = x, batch, steps, description
        return predict(network, classifier.pixel, probes, *shown, engine, unroll=steps)

    with_exact_memory = run([output], "exact memory")[output]

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", HARMLESS[1])
        lmu_nengo.realize(network, preset.spiking(x_train))
    with network:
        state = nengo.Probe(memory.output, label="coefficients")
    spiking = [*memory.all_ensembles, hidden]
    counter = SpikeCounter(network, spiking, per_neuron=False)
    started = time.perf_counter()
    values = run([output, state, *counter.probes], "spiking memory")
    seconds = (time.perf_counter() - started) / len(x)

    order = preset.order
    spread = coefficients(x_train, order, steps).std(axis=0)
    exact, spiking = coefficients(x, order, steps) / spread, values[state][:, 0] / spread
    answers = values[output][:, 0].argmax(axis=1)
    figures = {
        "accuracy": 100 * np.mean(answers == y),
        "accuracy_exact_memory": accuracy(with_exact_memory, y),
        "error_over_spread": np.sqrt(np.mean((spiking - exact) ** 2)),
        "memory_neurons": sum(ens.n_neurons for ens in memory.all_ensembles),
        "hidden_neurons": hidden.n_neurons,
        "memory_spikes_per_inference": mean_spikes(counter, values, memory.all_ensembles),
        "hidden_spikes_per_inference": mean_spikes(counter, values, [hidden]),
        "milliseconds_per_pixel": 1000 * steps * DT,
        "seconds_per_digit": seconds,
        "digits": len(x),
    }
    results = {"exact": exact, "spiking": spiking, "answers": answers}
    return {name: float(value) for name, value in figures.items()}, results


def draw(figures, results, y, path):
    """Draw the coefficients of a digit, the errors of all, and the confusion matrix."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    exact, spiking = results["exact"], results["spiking"]
    shown = min(40, exact.shape[1])
    left.plot(exact[0, :shown], "o-", color="black", lw=1, ms=3, label="exact")
    left.plot(spiking[0, :shown], "x", color="tab:red", ms=5, label="spiking")
    left.legend(frameon=False)
    left.set(
        xlabel="coefficient",
        ylabel="value / standard deviation",
        title=f"memory at the end of a {y[0]}",
    )
    middle.plot(np.sqrt(np.mean((spiking - exact) ** 2, axis=0)), color="tab:red")
    middle.set(
        xlabel="coefficient", ylabel="rms error / standard deviation", ylim=(0, None)
    )
    middle.set_title(f"error, {figures['error_over_spread']:.3f} for all coefficients")
    counts = np.zeros((10, 10))
    np.add.at(counts, (y, results["answers"]), 1)
    right.imshow(np.sqrt(counts), cmap="Blues")
    for (i, j), count in np.ndenumerate(counts):
        if count:
            color = "white" if count > counts.max() / 2 else "black"
            right.text(j, i, f"{count:.0f}", color=color, ha="center", va="center", size=7)
    right.set(xlabel="answer", ylabel="digit", xticks=range(10), yticks=range(10))
    right.set_title(f"{figures['accuracy']:.1f}% of {len(y)} digits")
    save_figure(figure, path)


@click.command(help=__doc__)
@data_options
@click.option(
    "--permutation-seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the order of the pixels.",
)
@click.option(
    "--digits",
    type=click.IntRange(1),
    help=f"Number of test digits. Default: all; {N_DL} with --engine dl.",
)
@click.option(
    "--validate", is_flag=True, help="Test on training digits that are held out instead."
)
@engine_option("dl", "NengoDL (dl)")
@shared_options
def main(data, download, permutation_seed, digits, validate, engine, quick, seed, out):
    """Run the experiment."""
    need_nengo_dl()
    name, x, y, x_test, y_test = load_digits(data, download)
    preset = MNIST if name == "MNIST" else SMALL
    if validate:
        held_out = len(x) // 6
        x, x_test = np.split(x, [-held_out])
        y, y_test = np.split(y, [-held_out])
    if digits is None:
        digits = len(x_test) if engine == "jax" else N_DL
    if quick:
        digits = min(digits, 60)
        preset = preset._replace(epochs=preset.epochs // 5)
    x, x_test = (permuted_sequences(part, permutation_seed) for part in (x, x_test))
    out.mkdir(parents=True, exist_ok=True)

    classifier = build(x, preset, seed)
    train(classifier, x, y, preset, seed)
    network, pixel, output = classifier.network, classifier.pixel, classifier.output
    values = predict(
        network, pixel, [output], x_test, preset.batch, description="windowed"
    )[output]
    figures_windowed = {
        "accuracy_windowed": accuracy(values[:digits], y_test[:digits]),
        "accuracy_windowed_all": accuracy(values, y_test),
    }
    x_test, y_test = x_test[:digits], y_test[:digits]
    figures, results = evaluate(classifier, preset, x, x_test, y_test, engine)
    figures |= figures_windowed
    settings = {"data": name, "engine": engine, "validate": validate}
    settings |= {"permutation_seed": permutation_seed}
    settings |= preset._asdict()
    path = report("psmnist_spiking", seed, quick, figures, {}, out, settings)
    draw(figures, results, y_test, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
