"""Permuted sequential digits: train, stream, make spike.

One network, built once: an LMU whose memory spans the whole digit, a hidden layer of
rectified linear neurons and a read-out. Trained with the memory windowed; then run
step by step; then with spiking hidden neurons.
"""

import time
from pathlib import Path
from typing import NamedTuple

import click
import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from experiments.common import console, report, shared_options
from lmu_nengo.datasets import load_mnist, load_small_digits, permuted_sequences

# test accuracy in %, with the number of parameters of the parallel LMU (2021)
REFERENCE = {"accuracy_windowed": 98.49, "parameters": 165_000}
UNROLL = 8  # steps that NengoDL unrolls when it streams; divides 64 and 784


class Classifier(NamedTuple):
    """
    The network, and the objects in it that are needed later.

    Attributes
    ----------
    network : nengo.Network
        All of it.
    normalize : nengo.Connection
        Gives every coefficient of a permuted digit the same variance; not trained.
    hidden : nengo.Ensemble
        The hidden layer.
    output : nengo.Probe
        Ten values, the largest one is the answer.
    """

    network: nengo.Network
    normalize: nengo.Connection
    hidden: nengo.Ensemble
    output: nengo.Probe


def build(n_steps, order, n_hidden, seed, dt=0.001):
    """
    Build the network.

    Parameters
    ----------
    n_steps : int
        Pixels in a digit; one is shown in each step.
    order : int
        Legendre polynomials in the memory.
    n_hidden : int
        Rectified linear neurons in the hidden layer.
    seed : int
        Seed of network and weights.
    dt : float
        Step in seconds.

    Returns
    -------
    classifier : Classifier
        Network and the objects in it that are needed later.
    """
    rng = np.random.RandomState(seed)

    def glorot(n_out, n_in):
        limit = np.sqrt(6 / (n_in + n_out))
        return rng.uniform(-limit, limit, size=(n_out, n_in))

    with nengo.Network(seed=seed, label="psmnist") as network:
        pixel = nengo.Node([0], label="pixel")
        one = nengo.Node([1], label="one")
        memory = lmu_nengo.LegendreMemory(n_steps * dt, order, dt=dt, label="memory")
        memory_dropout = nengo.Node(lmu_nengo.Dropout(0.3, order))
        hidden = nengo.Ensemble(
            n_hidden,
            1,
            neuron_type=nengo.RectifiedLinear(),
            gain=np.ones(n_hidden),
            bias=np.zeros(n_hidden),
            label="hidden",
        )
        hidden_dropout = nengo.Node(lmu_nengo.Dropout(0.5, n_hidden))
        digit = nengo.Node(size_in=10, label="digit")
        connect = nengo.Connection
        connect(pixel, memory.input, synapse=None)
        # the coefficients of white noise have variances as 2 i + 1
        normalize = connect(
            memory.output,
            memory_dropout,
            transform=np.sqrt(n_steps / (2 * np.arange(order) + 1)),
            synapse=None,
        )
        connect(
            memory_dropout,
            hidden.neurons,
            transform=glorot(n_hidden, order),
            synapse=None,
        )
        connect(hidden.neurons, hidden_dropout, synapse=None)
        connect(hidden_dropout, digit, transform=glorot(10, n_hidden), synapse=None)
        connect(one, digit, transform=np.zeros((10, 1)), synapse=None)
        output = nengo.Probe(digit, label="output")
    return Classifier(network, normalize, hidden, output)


def configure(classifier):
    """Tell NengoDL to show the end of each digit only, and what not to train."""
    from lmu_nengo.training import nengo_dl

    with classifier.network:
        nengo_dl.configure_settings(keep_history=False, trainable=None)
    classifier.network.config[classifier.normalize].trainable = False


def train(
    classifier, x, y, *, validation, epochs, batch, seed, checkpoint, resume, settings
):
    """
    Train with the memory windowed and freeze the best epoch into the network.

    Parameters
    ----------
    classifier : Classifier
        What `build` gave.
    x : ndarray of shape (n_digits, n_steps, 1)
        Sequences.
    y : ndarray of shape (n_digits,)
        Digits.
    validation : tuple of (ndarray, ndarray)
        As ``x, y``; the epoch with the best accuracy on it is kept.
    epochs : int
        Passes over ``x``.
    batch : int
        Digits in a batch.
    seed : int
        Seed of shuffling and dropout.
    checkpoint : Path
        File that is written after every epoch.
    resume : bool
        Go on from that file.
    settings : dict
        What the file must have been made with.

    Returns
    -------
    history : dict of {str: list of float}
        Loss and accuracy by epoch.
    parameters : int
        Trained numbers.
    """
    import tensorflow as tf

    from lmu_nengo.training import Checkpoint, Simulator

    network, output = classifier.network, classifier.output
    lmu_nengo.realize(network, lmu_nengo.Windowed(x.shape[1]))
    with Simulator(network, minibatch_size=batch, seed=seed, progress_bar=False) as sim:
        sim.compile(
            tf.optimizers.Adam(
                tf.optimizers.schedules.CosineDecay(2e-3, epochs * (len(x) // batch))
            ),
            loss={output: tf.losses.SparseCategoricalCrossentropy(from_logits=True)},
            metrics={output: "accuracy"},
            jit_compile=True,
            steps_per_execution=20,
        )
        keeper = Checkpoint(sim, checkpoint, "val_output_accuracy", resume, settings)
        sim.fit(
            x,
            {output: y[:, None, None]},
            validation_data=(validation[0], {output: validation[1][:, None, None]}),
            epochs=epochs,
            initial_epoch=keeper.epoch,
            callbacks=[keeper],
        )
        keeper.restore_best()
        parameters = sum(int(tf.size(w)) for w in sim.keras_model.trainable_weights)
        sim.freeze_params(network)
    return keeper.history, parameters


def predict(network, probes, x, batch, unroll=1):
    """
    What the probes show at the end of each sequence.

    Parameters
    ----------
    network : nengo.Network
        Network, with its memories realised as they are to be run.
    probes : list of nengo.Probe
        What to look at.
    x : ndarray of shape (n_digits, n_steps, 1)
        Sequences.
    batch : int
        Sequences to run side by side.
    unroll : int
        Steps that NengoDL unrolls.

    Returns
    -------
    values : list of ndarray of shape (n_digits, size)
        One for each probe.
    """
    from lmu_nengo.training import Simulator

    missing = -len(x) % batch
    padded = np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)])
    with Simulator(
        network, minibatch_size=batch, unroll_simulation=unroll, progress_bar=False
    ) as sim:
        values = sim.predict(padded)
    return [values[probe][: len(x), -1] for probe in probes]


def accuracy(values, y):
    """Share of digits, in %, whose largest value is the right one."""
    return 100 * float(np.mean(values.argmax(axis=1) == y))


def count_spikes(hidden, dt=0.001):
    """Add a node that counts the spikes of an ensemble; return a probe on it."""
    count = nengo.Node(size_in=1, label="spike count")
    spike = hidden.neuron_type.amplitude / dt
    nengo.Connection(
        hidden.neurons,
        count,
        transform=np.full((1, hidden.n_neurons), 1 / spike),
        synapse=None,
    )
    nengo.Connection(count, count, synapse=0)  # one step
    return nengo.Probe(count, label="spikes")


def draw(history, figures, name, path):
    """Draw validation accuracy by epoch, and the three accuracies."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    values = 100 * np.array(history["val_output_accuracy"])
    left.plot(np.arange(1, len(values) + 1), values, color="tab:blue")
    left.set(xlabel="epoch", ylabel="validation accuracy (%)", title="training")
    ways = ("windowed", "streamed", "spiking")
    heights = [figures[f"accuracy_{way}"] for way in ways]
    bars = right.bar(ways, heights, color=["tab:blue", "tab:green", "tab:red"])
    right.bar_label(bars, fmt="%.2f")
    low = min(heights)
    right.set(ylim=(max(0, low - 5), min(100, max(heights) + 1)))
    right.set(ylabel="test accuracy (%)", title=f"permuted {name}")
    figure.savefig(path, dpi=150)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), help="MNIST's mnist.npz.")
@click.option("--download", is_flag=True, help="Ask Keras for MNIST.")
@click.option("--permutation-seed", type=int, default=0, show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="Default 100 (8x8 digits: 200).")
@click.option("--order", type=click.IntRange(1), help="Default 468 (8x8 digits: 64).")
@click.option("--hidden", type=click.IntRange(1), help="Default 346 (8x8 digits: 128).")
@click.option("--resume", is_flag=True, help="Go on after an interruption.")
@shared_options
def main(data, download, permutation_seed, epochs, order, hidden, resume, quick, seed, out):
    """Run the experiment."""
    try:
        digits = load_mnist(data, download)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    if digits is None:
        console.print(
            "No MNIST at hand (--data, --download): using scikit-learn's 8x8 digits."
        )
        digits = load_small_digits()
    is_mnist = digits.name == "MNIST"
    n_validation = 10_000 if is_mnist else 240
    batch = 100 if is_mnist else 20
    order = order or (468 if is_mnist else 64)
    hidden = hidden or (346 if is_mnist else 128)
    epochs = epochs or ((4 if quick else 100) if is_mnist else (40 if quick else 200))
    x = permuted_sequences(digits.x_train, permutation_seed)
    x_test = permuted_sequences(digits.x_test, permutation_seed)
    y, y_test = digits.y_train, digits.y_test
    shuffled = np.random.RandomState(seed).permutation(len(x))
    held_out, used = np.split(shuffled, [n_validation])
    if quick:
        used, x_test, y_test = used[:10_000], x_test[:500], y_test[:500]
    used = used[: len(used) // batch * batch]  # NengoDL takes whole batches only
    out.mkdir(parents=True, exist_ok=True)

    classifier = build(x.shape[1], order, hidden, seed)
    network, output = classifier.network, classifier.output
    configure(classifier)
    started = time.perf_counter()
    try:
        history, parameters = train(
            classifier,
            x[used],
            y[used],
            validation=(x[held_out], y[held_out]),
            epochs=epochs,
            batch=batch,
            seed=seed,
            checkpoint=out / "psmnist-checkpoint.npz",
            resume=resume,
            settings={
                "data": digits.name,
                "permutation_seed": permutation_seed,
                "quick": quick,
                "seed": seed,
            },
        )
    except KeyboardInterrupt:
        raise click.ClickException(
            "Stopped. The same command with --resume goes on."
        ) from None
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    train_seconds = time.perf_counter() - started
    (windowed,) = predict(network, [output], x_test, batch)

    lmu_nengo.realize(network, lmu_nengo.Linear())
    console.print("Streaming the test digits, one pixel a step.")
    (streamed,) = predict(network, [output], x_test, 5 * batch, UNROLL)

    # spikes per step and unit of activity; fewer neurons average less noise out
    spikes_per_step = 1 if is_mnist else 4
    lmu_nengo.to_spiking(network, scale=spikes_per_step / 0.001)
    with network:
        spikes = count_spikes(classifier.hidden)
    console.print("Streaming them through spiking hidden neurons.")
    spiking, counts = predict(network, [output, spikes], x_test, 5 * batch, UNROLL)

    figures = {
        "accuracy_windowed": accuracy(windowed, y_test),
        "accuracy_streamed": accuracy(streamed, y_test),
        "accuracy_spiking": accuracy(spiking, y_test),
        "parameters": parameters,
        "train_seconds": train_seconds,
        "spikes_per_inference": float(counts.mean()),
    }
    path = report("psmnist", seed, quick, figures, REFERENCE if is_mnist else {}, out)
    draw(history, figures, digits.name, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
