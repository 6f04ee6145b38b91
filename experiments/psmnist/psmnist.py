"""Permuted sequential digits: train an LMU, stream, run with spiking neurons.

One network is built once: a memory whose window spans the whole digit, hidden layers of
rectified linear neurons and a read-out. It is trained with a windowed memory, then run
step by step, then run with spiking hidden neurons that are inhibited until the last pixel.
`--engine` also says what trains it: JAX alone, or NengoDL.

`--model` trains another network on the same digits instead, with at most as many
parameters: Keras' LSTM, GRU or simple recurrent layer, or a linear read-out of all
pixels. `--minutes` gives every network the same time.
"""

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import (
    console,
    engine_option,
    need_nengo_dl,
    plain_errors,
    refuse_given,
    resume_option,
    shared_options,
)
from experiments._lib.results import report, save_figure
from experiments.psmnist import _models, _target
from experiments.psmnist._data import data_options, load_digits, split
from experiments.psmnist._network import DT, accuracy, mean_spikes, predict
from experiments.psmnist._training import (
    PRESETS,
    SMALL_DIGITS,
    build,
    count_parameters,
    train,
)
from lmu_nengo import targets
from lmu_nengo.conversion import SpikeCounter

# test accuracy in %, with the number of parameters of the parallel LMU (2021)
REFERENCE = {"accuracy_windowed": 98.49, "parameters": 165_000}
# options that are ignored with --target
TRAINING_ONLY = (
    *("preset", "unpermuted", "model", "epochs", "minutes"),
    *("engine", "spikes", "throughout", "resume"),
)
LMU_ONLY = ("engine", "streamed", "spikes", "throughout")
UNROLL = 8  # steps that NengoDL unrolls in streaming; divides 64 and 784


def inhibit_until(end, ensembles):
    """Add a node that keeps rectified linear neurons silent until a time in seconds."""
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
    """Draw validation accuracy by epoch, and the three test accuracies."""
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
    save_figure(figure, path)


@click.command(help=__doc__)
@data_options
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="small",
    show_default=True,
    help="Size and training for MNIST; the 8x8 digits have their own.",
)
@click.option(
    "--permutation-seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the order of the pixels.",
)
@click.option("--unpermuted", is_flag=True, help="Show the pixels row by row.")
@click.option(
    "--model",
    type=click.Choice(("lmu", *_models.NAMES)),
    default="lmu",
    show_default=True,
    help="Network to train.",
)
@click.option("--epochs", type=click.IntRange(1), help="Default: that of the preset.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Maximum time of training. Default: no limit.",
)
@click.option(
    "--streamed",
    type=click.IntRange(1),
    help="Number of test digits to stream. Default: all.",
)
@click.option(
    "--spikes",
    type=click.FloatRange(0, min_open=True),
    help="Spikes in a step for each unit of activity. Default: 1 (8x8 digits: 4).",
)
@click.option(
    "--target",
    type=click.Choice(targets.NAMES),
    help="Train for a spiking memory instead, and classify on this simulator.",
)
@click.option(
    "--limit",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="With --target: seconds after which no further digit is started.",
)
@click.option(
    "--throughout", is_flag=True, help="Let hidden neurons spike before the last pixel."
)
@engine_option("dl", "NengoDL (dl)")
@resume_option
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
    engine,
    resume,
    quick,
    seed,
    out,
):
    """Run the experiment."""
    for given, what in (
        (target, "Training with --target"),
        (model != "lmu", f"--model {model}"),
        (engine == "dl", "--engine dl"),
    ):
        if given:
            need_nengo_dl(what)
    digits = load_digits(data, download)
    if target:
        refuse_given(TRAINING_ONLY, "--target trains a network of its own")
        settings = target, streamed, limit, permutation_seed, quick, seed, out
        return _target.run(digits, *settings)
    is_mnist = digits.name == "MNIST"
    setting = PRESETS[preset] if is_mnist else SMALL_DIGITS
    quick_epochs = (4 if is_mnist else 40) if quick else None
    setting = setting._replace(epochs=epochs or quick_epochs or setting.epochs)
    spikes = spikes or (1 if is_mnist else 4)  # fewer neurons average out less noise
    x, x_test, y, y_test = digits.x_train, digits.x_test, digits.y_train, digits.y_test
    n_steps = x.shape[1]
    order = np.random.RandomState(permutation_seed).permutation(n_steps)
    if unpermuted:
        order, permutation_seed = np.arange(n_steps), None
    used, held_out = split(len(x), setting.n_validation, seed)
    if quick:
        used, x_test, y_test = used[:10_000], x_test[:500], y_test[:500]
        digits = digits._replace(x_test=x_test, y_test=y_test)
    x_test = x_test[:, order, None]
    out.mkdir(parents=True, exist_ok=True)
    seconds = 60 * minutes if minutes else np.inf
    settings = {
        "data": digits.name,
        "preset": {k: v for k, v in setting._asdict().items() if k != "epochs"},
        "permutation_seed": permutation_seed,
        "quick": quick,
        "seed": seed,
    }
    if model != "lmu":
        refuse_given(LMU_ONLY, f"--model {model} is not run with spiking neurons")
        return _models.run(
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
    classifier = build(n_steps, setting, seed)
    network, pixel, output = classifier.network, classifier.pixel, classifier.output
    with plain_errors():
        trained = train(
            classifier,
            setting,
            x[used],
            y[used],
            order,
            validation=(x[held_out], y[held_out]),
            seed=seed,
            checkpoint=out / "psmnist-checkpoint.npz",
            seconds=seconds,
            engine=engine,
            resume=resume,
        )
    history = trained.history
    figures = {"parameters": trained.parameters, "train_seconds": trained.seconds}
    figures["accuracy_validation"] = 100 * max(history["val_output_accuracy"])
    windowed = "trainer" if engine == "jax" else "dl"
    values = predict(
        network, pixel, [output], x_test, setting.batch, 1, "windowed", windowed
    )
    figures["accuracy_windowed"] = accuracy(values[output], y_test)
    n_windowed = len(x_test)

    x_test, y_test = x_test[:streamed], y_test[:streamed]
    lmu_nengo.realize(network, lmu_nengo.Linear())
    how = {"engine": engine, "unroll": UNROLL}
    batch = min(500, len(x_test))
    shown = x_test, batch, 1
    values = predict(network, pixel, [output], *shown, "streamed", **how)
    figures["accuracy_streamed"] = accuracy(values[output], y_test)

    lmu_nengo.to_spiking(network, scale=spikes / DT)
    if not throughout:
        with network:
            inhibit_until((n_steps - 0.5) * DT, classifier.hidden)
    counter = SpikeCounter(network, classifier.hidden)
    probes = [output, *counter.probes]
    values = predict(network, pixel, probes, *shown, "spiking", **how)
    figures["accuracy_spiking"] = accuracy(values[output], y_test)
    figures["spikes_per_inference"] = mean_spikes(counter, values, classifier.hidden)

    settings.update(
        engine=engine,
        epochs=len(history["loss"]),  # time may have ended before the others
        streamed=len(x_test),
        spikes=spikes,
        throughout=throughout,
    )
    reference = REFERENCE if is_mnist and not unpermuted else {}
    path = report("psmnist", seed, quick, figures, reference, out, settings)
    n_digits = n_windowed, len(x_test), len(x_test)
    draw(history, figures, n_digits, digits.name, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
