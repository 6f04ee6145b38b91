"""Accuracy and operations of an LMU, in rates and in spikes, and of LSTMs.

scikit-learn's 8x8 digits, permuted, one pixel a step of 1 ms. The LMU has a memory of order
32 and 100 rectified linear neurons, trained by `lmu_nengo.training.Trainer` with a loss
that keeps their rates at 0.5 at most. `to_spiking` makes its neurons fire at up to 250 Hz,
and it is trained for as many epochs again with spikes on the forward pass. The LSTMs (24
and 48 cells) are trained like it, for the epochs of both. Test accuracy in %;
multiply-accumulates and accumulates of one digit, as NeuroBench counts them, and the
footprint in bytes.
"""

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import (
    console,
    need_trainer,
    plain_errors,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import part, report
from lmu_nengo.conversion import scale_for, spiking_report, to_spiking
from lmu_nengo.datasets import load_small_digits, permuted_sequences

ORDER, N_HIDDEN, RATES, TARGET = 32, 100, (0, 0.5), 250
BATCH, RATE, N_HELD_OUT = 20, 0.005, 17  # digits left out of training: whole batches
N_STEPS = 64
NETWORKS = {"lmu": None, "lstm_24": 24, "lstm_48": 48}
COUNTED = ("effective_macs", "effective_acs", "dense_operations", "footprint")


def build(cells, seed):
    """Build a classifier: an LMU, or an LSTM of some cells."""
    from lmu_nengo.training import configure_settings

    with nengo.Network(seed=seed) as network:
        configure_settings(keep_history=False)
        network.pixel = nengo.Node([0])
        if cells is None:
            kind = nengo.RectifiedLinear()
            layer = lmu_nengo.LMUCell(
                1,
                memory_d=1,
                theta=0.001 * N_STEPS,
                order=ORDER,
                hidden_d=N_HIDDEN,
                hidden_type=kind,
            )
            network.rates = nengo.Probe(layer.hidden.neurons)
        else:
            layer = lmu_nengo.LSTM(1, cells)
        size = N_HIDDEN if cells is None else cells
        weights = 0.1 * np.random.RandomState(seed).randn(10, size)
        digit = nengo.Node(size_in=10)
        nengo.Connection(network.pixel, layer.input, synapse=None)
        nengo.Connection(layer.output, digit, transform=weights, synapse=None)
        network.answer = nengo.Probe(digit)
    return network


def train(network, data, epochs, seed, spikes_in_training=False):
    """Train a network; return what its probes show for the test digits."""
    import optax

    from lmu_nengo.training import Trainer
    from lmu_nengo.training.jax import FiringRates

    x, y, x_test, _ = data
    lmu_nengo.realize(network, lmu_nengo.Windowed(N_STEPS))  # also trains an LSTM
    trainer = Trainer(
        network,
        minibatch_size=BATCH,
        seed=seed,
        spikes_in_training=spikes_in_training,
        progress_bar=False,
    )
    loss = {network.answer: "sparse_categorical_crossentropy"}
    if hasattr(network, "rates"):
        loss[network.rates] = FiringRates(RATES, 0.1)
    trainer.compile(optax.adam(RATE), loss=loss)
    trainer.fit(x, {network.answer: y}, epochs=epochs)
    shown = trainer.predict(x_test)
    lmu_nengo.realize(network, lmu_nengo.Linear())
    return shown


def counted(network, data):
    """Accuracy and operations of a network in a run of the test digits."""
    _, _, x_test, y_test = data

    def accuracy(values):
        return 100 * np.mean(values[:, -1].argmax(axis=1) == y_test)

    found = spiking_report(network, {network.pixel: x_test}, network.answer, accuracy)
    return {"accuracy": found.score} | {name: getattr(found, name) for name in COUNTED}


def run(name, seed, epochs):
    """Train a network, and count; return figures by name, with those in spikes."""
    digits = load_small_digits()
    x, x_test = (permuted_sequences(part, seed) for part in (digits.x_train, digits.x_test))
    n = len(x) - N_HELD_OUT
    data = x[:n], digits.y_train[:n, None, None], x_test, digits.y_test
    network = build(NETWORKS[name], seed)
    if name != "lmu":
        train(network, data, 2 * epochs, seed)
        return {name: counted(network, data)}
    activities = train(network, data, epochs, seed)[network.rates]
    found = {"lmu_rates": counted(network, data)}
    to_spiking(network, scale=scale_for(activities, target=TARGET))
    found["lmu_converted"] = counted(network, data)
    train(network, data, epochs, seed, spikes_in_training=True)
    return {**found, "lmu_spikes": counted(network, data)}


@click.command(help=__doc__)
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True)
@seeds_option()
@resume_option
@shared_options
def main(epochs, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    need_trainer()
    if quick:
        epochs, n_seeds = 2, 1
    folder = out / "operations"
    folder.mkdir(parents=True, exist_ok=True)
    seeds, found = range(seed, seed + n_seeds), {}
    with plain_errors():
        for each in seeds:
            for name in NETWORKS:
                path, asked = folder / f"{name}-{each}.json", [name, each, epochs]
                with console.status(f"{name}, seed {each}"):
                    result = part(
                        path,
                        asked,
                        resume,
                        lambda name=name, each=each: {"found": run(name, each, epochs)},
                    )
                for key, figures in result["found"].items():
                    found.setdefault(key, []).append(figures)
    figures = {}
    for key, by_seed in found.items():
        for what in by_seed[0]:
            values = [float(each[what]) for each in by_seed]
            figures[f"{what}_{key}"] = float(np.mean(values))
            if what == "accuracy":
                names = (f"{what}_{key}_seed{s}" for s in seeds)
                figures |= dict(zip(names, values, strict=True))
    settings = {
        "seeds": list(seeds),
        "epochs": epochs,
        "lmu": {"order": ORDER, "neurons": N_HIDDEN, "rates": RATES, "target": TARGET},
        "batch": BATCH,
        "rate": RATE,
    }
    shown = [name for name in figures if "_seed" not in name]
    path = report("operations", seed, quick, figures, {}, out, settings, shown)
    console.print(f"Wrote {path}.")
