"""Permuted sequential digits: train, stream, make spike.

One network, built once: an LMU whose memory spans the whole digit, hidden layers of
rectified linear neurons and a read-out. Trained with the memory windowed; then run
step by step; then with spiking hidden neurons, inhibited until the last pixel.

`--model` trains something else on the same digits instead, within the same number of
parameters: Keras' LSTM, GRU or simple recurrent layer, or a linear read-out of all
pixels. `--minutes` gives all of them the same time.
"""

import time
from pathlib import Path

import click
import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from experiments._lib.common import (
    console,
    refuse_given,
    report,
    shared_options,
    told_plainly,
)
from experiments.psmnist import _models as digits_models
from experiments.psmnist import _target as digits_target
from experiments.psmnist._network import Preset, build, configure, count_parameters, train
from lmu_nengo import targets
from lmu_nengo.datasets import load_mnist, load_small_digits

# test accuracy in %, with the number of parameters of the parallel LMU (2021)
REFERENCE = {"accuracy_windowed": 98.49, "parameters": 165_000}
# options that --target does not take
TRAINING_ONLY = (
    *("preset", "unpermuted", "model", "epochs", "minutes"),
    *("spikes", "throughout", "resume"),
)
LMU_ONLY = ("streamed", "spikes", "throughout")
UNROLL = 8  # steps that NengoDL unrolls when it streams; divides 64 and 784
# "small" and "large" were chosen by validation accuracy with seed 100
PRESETS = {
    "small": Preset(
        order=300,
        hidden=(400, 120),
        dropout=(0.1, 0.2, 0.2),
        push=0.8,
        distorted=False,
        epochs=40,
        batch=200,
        rate=2e-3,
        n_validation=5000,
    ),
    "large": Preset(
        order=784,
        hidden=(1200, 600),
        dropout=(0.1, 0.3, 0.3),
        push=1.0,
        distorted=False,
        epochs=40,
        batch=200,
        rate=2e-3,
        n_validation=5000,
    ),
    "augmented": Preset(
        order=784,
        hidden=(1200, 600),
        dropout=(0, 0.1, 0.2),
        push=0,
        distorted=True,
        epochs=80,
        batch=200,
        rate=2e-3,
        n_validation=5000,
    ),
}
SMALL_DIGITS = Preset(
    order=64,
    hidden=(128,),
    dropout=(0.3, 0.5),
    push=0,
    distorted=False,
    epochs=200,
    batch=20,
    rate=2e-3,
    n_validation=240,
)


def predict(network, probes, pixel, x, batch, unroll=1):
    """
    What the probes show at the end of each sequence.

    Parameters
    ----------
    network : nengo.Network
        Network, with its memories realized as they are to be run.
    probes : list of nengo.Probe
        What to look at.
    pixel : nengo.Node
        What shows the sequences.
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
        values = sim.predict({pixel: padded})
    return [values[probe][: len(x), -1] for probe in probes]


def accuracy(values, y):
    """Share of digits, in %, whose largest value is the right one."""
    return 100 * float(np.mean(values.argmax(axis=1) == y))


def count_spikes(ensembles, dt=0.001):
    """Add a node that counts the spikes of ensembles; return a probe on it."""
    count = nengo.Node(size_in=1, label="spike count")
    for ens in ensembles:
        spike = ens.neuron_type.amplitude / dt
        each = np.full((1, ens.n_neurons), 1 / spike)
        nengo.Connection(ens.neurons, count, transform=each, synapse=None)
    nengo.Connection(count, count, synapse=0)  # one step
    return nengo.Probe(count, label="spikes")


def inhibit_until(end, ensembles):
    """Add a node that keeps rectified linear neurons silent before a time in seconds."""
    gate = nengo.Node(lambda t: float(t < end), size_in=0, size_out=1, label="gate")
    for ens in ensembles:
        strong = np.full((ens.n_neurons, 1), -1e4)
        nengo.Connection(gate, ens.neurons, transform=strong, synapse=None)
        # half a spike's worth: counts of one step are rounded, not rounded down
        ens.neuron_type = nengo.SpikingRectifiedLinear(
            amplitude=ens.neuron_type.amplitude,
            initial_state={"voltage": nengo.dists.Choice([0.5])},
        )


def draw(history, figures, n_digits, name, path):
    """Draw validation accuracy by epoch, and the three accuracies on n_digits each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    values = 100 * np.array(history["val_output_accuracy"])
    left.plot(np.arange(1, len(values) + 1), values, color="tab:blue")
    left.set(xlabel="epoch", ylabel="validation accuracy (%)", title="training")
    ways = ("windowed", "streamed", "spiking")
    heights = [figures[f"accuracy_{way}"] for way in ways]
    labels = [f"{way}\n{n:,} digits" for way, n in zip(ways, n_digits, strict=True)]
    bars = right.bar(labels, heights, color=["tab:blue", "tab:green", "tab:red"])
    right.bar_label(bars, fmt="%.2f")
    low = min(heights)
    right.set(ylim=(max(0, low - 5), min(100, max(heights) + 1)))
    right.set(ylabel="test accuracy (%)", title=f"permuted {name}")
    figure.savefig(path, dpi=150)


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), help="MNIST's mnist.npz.")
@click.option("--download", is_flag=True, help="Ask Keras for MNIST.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="small",
    show_default=True,
    help="Size and training for MNIST; 8x8 digits have their own.",
)
@click.option("--permutation-seed", type=int, default=0, show_default=True)
@click.option("--unpermuted", is_flag=True, help="Show pixels row by row.")
@click.option(
    "--model",
    type=click.Choice(("lmu", *digits_models.NAMES)),
    default="lmu",
    show_default=True,
    help="What to train.",
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the preset's.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Of training at most; default as long as all epochs take.",
)
@click.option(
    "--streamed",
    type=click.IntRange(1),
    help="How many test digits to stream; default all.",
)
@click.option(
    "--spikes",
    type=click.FloatRange(0, min_open=True),
    help="Spikes a step and unit of activity. Default 1 (8x8 digits: 4).",
)
@click.option(
    "--target",
    type=click.Choice(targets.NAMES),
    help="Instead: train for a spiking memory, and classify on this simulator.",
)
@click.option(
    "--limit",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    help="Seconds for the target to classify digits in; no further one is begun then.",
)
@click.option("--throughout", is_flag=True, help="Let neurons spike before the last pixel.")
@click.option("--resume", is_flag=True, help="Go on after an interruption.")
@shared_options
def main(
    data,
    download,
    preset,
    permutation_seed,
    unpermuted,
    model,
    epochs,
    minutes,
    streamed,
    spikes,
    throughout,
    target,
    limit,
    resume,
    quick,
    seed,
    out,
):
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
    if target:
        refuse_given(TRAINING_ONLY, "--target trains a network of its own")
        settings = target, streamed, limit, permutation_seed, quick, seed, out
        return digits_target.main(digits, *settings)
    is_mnist = digits.name == "MNIST"
    setting = PRESETS[preset] if is_mnist else SMALL_DIGITS
    quick_epochs = (4 if is_mnist else 40) if quick else None
    setting = setting._replace(epochs=epochs or quick_epochs or setting.epochs)
    spikes = spikes or (1 if is_mnist else 4)  # fewer neurons average less noise out
    x, x_test, y, y_test = digits.x_train, digits.x_test, digits.y_train, digits.y_test
    n_steps = x.shape[1]
    order = np.random.RandomState(permutation_seed).permutation(n_steps)
    if unpermuted:
        order, permutation_seed = np.arange(n_steps), None
    shuffled = np.random.RandomState(seed).permutation(len(x))
    held_out, used = np.split(shuffled, [setting.n_validation])
    if quick:
        used, x_test, y_test = used[:10_000], x_test[:500], y_test[:500]
        digits = digits._replace(x_test=x_test, y_test=y_test)
    x_test = x_test[:, order, None]
    out.mkdir(parents=True, exist_ok=True)
    seconds = 60 * minutes if minutes else np.inf

    classifier = build(n_steps, setting, seed)
    network, pixel, _, hidden, output = classifier
    configure(classifier)
    settings = {
        "data": digits.name,
        "preset": {k: v for k, v in setting._asdict().items() if k != "epochs"},
        "permutation_seed": permutation_seed,
        "quick": quick,
        "seed": seed,
    }
    if model != "lmu":
        refuse_given(LMU_ONLY, f"--model {model} is not made to spike")
        digits_models.main(
            model,
            digits,
            (used, held_out),
            order,
            count_parameters(setting),
            (setting.epochs, seconds),
            settings,
            resume,
            out,
        )
        return
    started = time.perf_counter()
    with told_plainly():
        history, parameters = train(
            classifier,
            setting,
            x[used],
            y[used],
            order,
            validation=(x[held_out], y[held_out]),
            seed=seed,
            checkpoint=out / "psmnist-checkpoint.npz",
            seconds=seconds,
            resume=resume,
            settings=settings,
        )
    figures = {"parameters": parameters, "train_seconds": time.perf_counter() - started}
    figures["accuracy_validation"] = 100 * max(history["val_output_accuracy"])
    (values,) = predict(network, [output], pixel, x_test, setting.batch)
    figures["accuracy_windowed"] = accuracy(values, y_test)
    n_windowed = len(x_test)

    x_test, y_test = x_test[:streamed], y_test[:streamed]
    lmu_nengo.realize(network, lmu_nengo.Linear())
    console.print(f"Streaming {len(x_test)} test digits, one pixel a step.")
    (values,) = predict(network, [output], pixel, x_test, 500, UNROLL)
    figures["accuracy_streamed"] = accuracy(values, y_test)

    lmu_nengo.to_spiking(network, scale=spikes / 0.001)
    with network:
        if not throughout:
            inhibit_until((n_steps - 0.5) * 0.001, hidden)
        count = count_spikes(hidden)
    console.print("Streaming them through spiking hidden neurons.")
    values, counts = predict(network, [output, count], pixel, x_test, 500, UNROLL)
    figures["accuracy_spiking"] = accuracy(values, y_test)
    figures["spikes_per_inference"] = float(counts.mean())

    settings.update(
        epochs=setting.epochs, streamed=len(x_test), spikes=spikes, throughout=throughout
    )
    reference = REFERENCE if is_mnist and not unpermuted else {}
    path = report("psmnist", seed, quick, figures, reference, out, settings)
    n_digits = n_windowed, len(x_test), len(x_test)
    draw(history, figures, n_digits, digits.name, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
