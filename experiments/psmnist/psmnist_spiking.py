"""Permuted sequential digits in spikes alone: memory and hidden layer.

One network is trained with its memory windowed and noise on the coefficients, as much as
the spiking memory will have. Then every pixel is shown for several steps, and
integrate-and-fire neurons hold the digit and classify it. Each digit begins with a silent
memory.
"""

import time
import warnings
from pathlib import Path
from typing import NamedTuple

import click
import nengo
import numpy as np
from nengo.exceptions import ValidationError
from rich.progress import track

import lmu_nengo
from experiments._lib.common import HARMLESS, console, report, shared_options
from lmu_nengo.datasets import load_mnist, load_small_digits, permuted_sequences

DT = 0.001
N_EXPECTED = 20  # training digits that the memory's neurons are chosen for


class Preset(NamedTuple):
    """
    Settings, chosen on held-out training digits with permutation seeds from 100 up.

    Attributes
    ----------
    order : int
        Legendre polynomials in the memory.
    n_hidden : int
        Neurons in the hidden layer.
    epochs, batch : int
        Passes over the training digits; digits in a batch, in training and in testing.
    noise : float
        Standard deviation added to each coefficient in training, in its spread.
    steps : int
        Steps of 1 ms that each pixel is shown for.
    tau : float
        Time constant of the memory's synapses in seconds.
    neurons_per_d : int
        The memory's neurons, over its dimensions.
    memory_rate : float
        Rate in Hz of the memory's neurons at the end of their range.
    hidden_rate : float
        Rate in Hz of a hidden neuron for each unit of activity.
    """

    order: int
    n_hidden: int
    epochs: int
    batch: int
    noise: float
    steps: int = 5
    tau: float = 0.05
    neurons_per_d: int = 32
    memory_rate: float = 1000.0
    hidden_rate: float = 1000.0

    def spiking(self, x):
        """Spiking memory for digits like ``x``, of shape (n_digits, n_pixels, 1)."""
        pixels = x[:N_EXPECTED].reshape(-1, 1)
        return lmu_nengo.Spiking(
            self.order * self.neurons_per_d,
            nengo.SpikingRectifiedLinear(),
            synapse=self.tau,
            expected_input=nengo.processes.PresentInput(pixels, self.steps * DT),
            coordinates="principal",
            # one half of the neurons fires above zero, the other below: few spikes
            intercepts=nengo.dists.Uniform(0, 0),
            max_rates=nengo.dists.Uniform(self.memory_rate, self.memory_rate),
            lead=0,
        )


MNIST = Preset(order=192, n_hidden=512, epochs=40, batch=100, noise=0.15)
SMALL = Preset(order=32, n_hidden=128, epochs=200, batch=20, noise=0.1, hidden_rate=4000)


class Classifier(NamedTuple):
    """
    The network, and the objects in it that are needed later.

    Attributes
    ----------
    network : nengo.Network
        All of it.
    memory : lmu_nengo.LegendreMemory
        The memory.
    hidden : nengo.Ensemble
        The hidden layer.
    output : nengo.Probe
        Ten values; the largest is the answer.
    """

    network: nengo.Network
    memory: lmu_nengo.LegendreMemory
    hidden: nengo.Ensemble
    output: nengo.Probe


def build(x, preset, seed):
    """
    Build the network, for one step a pixel.

    Parameters
    ----------
    x : ndarray of shape (n_digits, n_pixels, 1)
        Training digits; every coefficient is divided by its spread over them.
    preset : Preset
        Sizes and noise.
    seed : int
        Seed of network and weights.

    Returns
    -------
    classifier : Classifier
        Network and the objects in it that are needed later.
    """
    from lmu_nengo.training import nengo_dl

    order, n_hidden = preset.order, preset.n_hidden
    rng = np.random.RandomState(seed)

    def glorot(n_out, n_in):
        limit = np.sqrt(6 / (n_in + n_out))
        return rng.uniform(-limit, limit, size=(n_out, n_in))

    connect = nengo.Connection
    with nengo.Network(seed=seed, label="psmnist") as network:
        nengo_dl.configure_settings(keep_history=False, trainable=None)
        pixel = nengo.Node([0], label="pixel")
        one = nengo.Node([1], label="one")
        memory = lmu_nengo.LegendreMemory(x.shape[1] * DT, order, dt=DT, label="memory")
        connect(pixel, memory.input, synapse=None)
        noise = nengo.Node(
            lmu_nengo.processes.GaussianNoise(preset.noise, order), label="noise"
        )
        scale = 1 / coefficients(memory, x).std(axis=0)
        normalize = connect(memory.output, noise, transform=scale, synapse=None)
        network.config[normalize].trainable = False
        hidden = nengo.Ensemble(
            n_hidden,
            1,
            neuron_type=nengo.RectifiedLinear(),
            gain=np.ones(n_hidden),
            bias=np.zeros(n_hidden),
            label="hidden",
        )
        dropout = nengo.Node(lmu_nengo.processes.Dropout(0.5, n_hidden), label="dropout")
        digit = nengo.Node(size_in=10, label="digit")
        connect(noise, hidden.neurons, transform=glorot(n_hidden, order), synapse=None)
        connect(hidden.neurons, dropout, synapse=None)
        connect(dropout, digit, transform=glorot(10, n_hidden), synapse=None)
        connect(one, digit, transform=np.zeros((10, 1)), synapse=None)
        output = nengo.Probe(digit, label="output")
    return Classifier(network, memory, hidden, output)


def coefficients(memory, x, steps=1):
    """Exact coefficients at the end of each digit, every pixel held for some steps."""
    n_pixels = x.shape[1]
    response = lmu_nengo.signal.impulse_response(*memory.discrete(), n_pixels * steps)
    by_pixel = response.reshape(n_pixels, steps, -1).sum(axis=1)[::-1]
    return x[:, :, 0] @ by_pixel


def train(classifier, x, y, preset, seed):
    """
    Train with the memory windowed, and freeze the weights into the network.

    Parameters
    ----------
    classifier : Classifier
        What `build` gave.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Sequences.
    y : ndarray of shape (n_digits,)
        Digits.
    preset : Preset
        Epochs and batch.
    seed : int
        Seed of shuffling, noise and dropout.
    """
    import tensorflow as tf

    from lmu_nengo.training import Simulator

    network, output = classifier.network, classifier.output
    batch = preset.batch
    used = np.random.RandomState(seed).permutation(len(x))[: len(x) // batch * batch]
    lmu_nengo.realize(network, lmu_nengo.Windowed(x.shape[1]))
    with Simulator(network, minibatch_size=batch, seed=seed, progress_bar=False) as sim:
        sim.compile(
            tf.optimizers.Adam(
                tf.optimizers.schedules.CosineDecay(
                    2e-3, preset.epochs * (len(used) // batch)
                )
            ),
            loss={output: tf.losses.SparseCategoricalCrossentropy(from_logits=True)},
            metrics={output: "accuracy"},
            jit_compile=True,
            steps_per_execution=10,
        )
        sim.fit(x[used], {output: y[used, None, None]}, epochs=preset.epochs, verbose=2)
        sim.freeze_params(network)


def count_spikes(ensembles):
    """Add a node that counts the spikes of ensembles; return a probe on it."""
    count = nengo.Node(size_in=1, label="spike count")
    for ens in ensembles:
        spike = np.full((1, ens.n_neurons), DT / ens.neuron_type.amplitude)
        nengo.Connection(ens.neurons, count, transform=spike, synapse=None)
    nengo.Connection(count, count, synapse=0)  # one step
    return nengo.Probe(count, label="spikes")


def predict(network, probes, x, steps, batch, description):
    """
    What the probes show at the end of each digit.

    Parameters
    ----------
    network : nengo.Network
        Network, with its memory realized as it is to be run.
    probes : list of nengo.Probe
        What to look at.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Digits.
    steps : int
        Steps that each pixel is shown for.
    batch : int
        Digits to run side by side.
    description : str
        Stands beside the progress bar.

    Returns
    -------
    values : list of ndarray of shape (n_digits, size)
        One for each probe.
    seconds : float
        Time that a digit took.
    """
    from lmu_nengo.training import Simulator

    padded = np.concatenate([x, np.zeros((-len(x) % batch, *x.shape[1:]), x.dtype)])
    parts = np.split(padded, len(padded) // batch)
    values = []
    with Simulator(
        network, minibatch_size=batch, unroll_simulation=steps, progress_bar=False
    ) as sim:
        started = time.perf_counter()
        for part in track(parts, description, console=console):
            held = np.repeat(part, steps, axis=1)
            shown = sim.predict(held, verbose=0)  # begins with a silent memory
            values.append([shown[probe][:, -1] for probe in probes])
        seconds = (time.perf_counter() - started) / len(padded)
    return [np.concatenate(parts)[: len(x)] for parts in zip(*values, strict=True)], seconds


def evaluate(classifier, preset, x_train, x, y):
    """
    Stream digits through spiking hidden neurons, with an exact and a spiking memory.

    Parameters
    ----------
    classifier : Classifier
        Trained.
    preset : Preset
        How it is run.
    x_train : ndarray of shape (n_digits, n_pixels, 1)
        Digits that tell the memory what to expect.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Digits to classify.
    y : ndarray of shape (n_digits,)
        What they show.

    Returns
    -------
    figures : dict of {str: float}
        What was measured.
    results : dict of {str: ndarray}
        Coefficients over their spread, ``exact`` and ``spiking``, of shape (n_digits,
        order), and the ``answers`` of shape (n_digits,).
    """
    network, memory, hidden, output = classifier
    memory.set_state_space(memory.theta * preset.steps, *memory.matrices)
    lmu_nengo.realize(network, lmu_nengo.Linear())
    lmu_nengo.to_spiking(network, scale=preset.hidden_rate)
    run = x, preset.steps, min(preset.batch, len(x))
    (exact_memory,), _ = predict(network, [output], *run, "exact memory")

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", HARMLESS[1])
        lmu_nengo.realize(network, preset.spiking(x_train))
    with network:
        probes = [
            output,
            nengo.Probe(memory.output, label="coefficients"),
            count_spikes(memory.all_ensembles),
            count_spikes([hidden]),
        ]
    values, seconds = predict(network, probes, *run, "spiking memory")
    digit, m, memory_spikes, hidden_spikes = values

    spread = coefficients(memory, x_train, preset.steps).std(axis=0)
    exact, spiking = coefficients(memory, x, preset.steps) / spread, m / spread
    answers = digit.argmax(axis=1)
    figures = {
        "accuracy": 100 * np.mean(answers == y),
        "accuracy_exact_memory": 100 * np.mean(exact_memory.argmax(axis=1) == y),
        "error_over_spread": np.sqrt(np.mean((spiking - exact) ** 2)),
        "memory_neurons": sum(ens.n_neurons for ens in memory.all_ensembles),
        "hidden_neurons": hidden.n_neurons,
        "memory_spikes_per_inference": memory_spikes.mean(),
        "hidden_spikes_per_inference": hidden_spikes.mean(),
        "milliseconds_per_pixel": 1000 * preset.steps * DT,
        "seconds_per_digit": seconds,
        "digits": len(x),
    }
    results = {"exact": exact, "spiking": spiking, "answers": answers}
    return {name: float(value) for name, value in figures.items()}, results


def draw(figures, results, y, path):
    """Draw the coefficients of a digit, their errors, and who was taken for whom."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    exact, spiking = results["exact"], results["spiking"]
    shown = min(40, exact.shape[1])
    left.plot(exact[0, :shown], "o-", color="black", lw=1, ms=3, label="exact")
    left.plot(spiking[0, :shown], "x", color="tab:red", ms=5, label="spiking")
    left.legend(frameon=False)
    left.set(xlabel="coefficient", ylabel="value / spread", title=f"a {y[0]}, at its end")
    middle.plot(np.sqrt(np.mean((spiking - exact) ** 2, axis=0)), color="tab:red")
    middle.set(xlabel="coefficient", ylabel="rms error / spread", ylim=(0, None))
    middle.set_title(f"all: {figures['error_over_spread']:.3f}")
    counts = np.zeros((10, 10))
    np.add.at(counts, (y, results["answers"]), 1)
    right.imshow(np.sqrt(counts), cmap="Blues")
    for (i, j), count in np.ndenumerate(counts):
        if count:
            color = "white" if i == j else "black"
            right.text(j, i, f"{count:.0f}", color=color, ha="center", va="center", size=7)
    right.set(xlabel="answer", ylabel="digit", xticks=range(10), yticks=range(10))
    right.set_title(f"{figures['accuracy']:.1f}% of {len(y)} digits")
    figure.savefig(path, dpi=150)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), help="MNIST's mnist.npz.")
@click.option("--download", is_flag=True, help="Ask Keras for MNIST.")
@click.option("--permutation-seed", type=int, default=0, show_default=True)
@click.option("--digits", type=click.IntRange(1), default=500, help="The first to test.")
@click.option(
    "--validate", is_flag=True, help="Hold out training digits, and test on them instead."
)
@shared_options
def main(data, download, permutation_seed, digits, validate, quick, seed, out):
    """Run the experiment."""
    try:
        dataset = load_mnist(data, download)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    if dataset is None:
        console.print("No MNIST (--data, --download): using scikit-learn's 8x8 digits.")
        dataset = load_small_digits()
    name, x, y, x_test, y_test = dataset
    preset = MNIST if name == "MNIST" else SMALL
    if validate:
        held_out = len(x) // 6
        x, x_test = np.split(x, [-held_out])
        y, y_test = np.split(y, [-held_out])
    if quick:
        digits = min(digits, 60)
        preset = preset._replace(epochs=preset.epochs // 5)
    x, x_test = (permuted_sequences(part, permutation_seed) for part in (x, x_test))
    out.mkdir(parents=True, exist_ok=True)

    classifier = build(x, preset, seed)
    train(classifier, x, y, preset, seed)
    run = classifier.network, [classifier.output], x_test, 1, preset.batch
    (windowed,), _ = predict(*run, "windowed")
    correct = windowed.argmax(axis=1) == y_test
    x_test, y_test = x_test[:digits], y_test[:digits]
    figures, results = evaluate(classifier, preset, x, x_test, y_test)
    # rate neurons: the same digits, and all there are
    figures["accuracy_windowed"] = 100 * float(np.mean(correct[:digits]))
    figures["accuracy_windowed_all"] = 100 * float(np.mean(correct))
    settings = {"data": name, "permutation_seed": permutation_seed, "validate": validate}
    settings |= preset._asdict()
    path = report("psmnist_spiking", seed, quick, figures, {}, out, settings)
    draw(figures, results, y_test, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
