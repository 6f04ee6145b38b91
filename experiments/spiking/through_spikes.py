"""Training through the spikes of a memory, beside training by rates and conversion.

A signal (noise up to 4 Hz, rms 0.5, 0.6 s) is multiplied by itself 0.1 s before, with a
memory of order 6 and 500 spiking neurons, and 200 spiking neurons that read the product
from it. `lmu_nengo.training.Trainer` trains what reads the memory, on 128 signals, in 320
updates:

\b
- converted: neurons as rates, the memory exact; then both are made to spike;
- through spikes: everything spikes in training, and the gradient passes the spikes by a
  surrogate. Of the surrogates, the one with the least error on 32 validation signals
  counts.

The figure is the NRMSE of 32 other signals, in spikes, without the first 0.15 s, output and
target through 20 ms; mean and worst of the seeds. Rate and number of updates were chosen on
signals that are not among these.
"""

import click
import nengo
import numpy as np

from experiments._lib.command_line import (
    console,
    need_trainer,
    plain_errors,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import part, report
from experiments.spiking._delays import summarize
from lmu_nengo import Band, LegendreMemory, Spiking, delay_decoders, realize
from lmu_nengo.signal import nrmse

N_STEPS, DELAY, SKIP, FILTER, DT = 600, 100, 150, 0.02, 0.001
ORDER, N_HIDDEN, HIGH, RMS = 6, 200, 4, 0.5
N_UPDATES, BATCH, N_TRAIN, N_TEST, RATE = 320, 16, 128, 32, 0.001
MEMORY = Spiking(
    500,
    neuron_type=nengo.SpikingRectifiedLinear(),
    synapse=0.05,
    expected_input=Band(HIGH, RMS),
)
FIRST_SEEDS = {"train": 0, "validation": 1_000_000, "test": 2_000_000}  # of the signals


def products(n, seed):
    """
    Make signals, and their product with what they were 0.1 s before.

    Parameters
    ----------
    n : int
        Number of signals.
    seed : int
        Seed of the first; the others have the next ones.

    Returns
    -------
    x, y : ndarray of shape (n, N_STEPS, 1)
        The signals, and the products through the lowpass.
    """
    x = np.array(
        [
            nengo.processes.WhiteSignal(2.0, high=HIGH, rms=RMS, y0=0, seed=i).run_steps(
                N_STEPS
            )
            for i in range(seed, seed + n)
        ]
    )
    late = np.pad(x, [(0, 0), (DELAY, 0), (0, 0)])[:, :N_STEPS]
    steps_first = np.moveaxis(x * late, 1, 0)
    y = nengo.Lowpass(FILTER).filt(steps_first, axis=0, y0=0, dt=DT)
    return x, np.moveaxis(y, 0, 1)


def build(seed):
    """Build a memory, and spiking neurons that read the product from it."""
    spiking = nengo.SpikingRectifiedLinear(amplitude=0.01)
    rates = nengo.dists.Uniform(100, 200)
    with nengo.Network(seed=seed) as network:
        u = nengo.Node([0])
        memory = LegendreMemory(DELAY * DT, ORDER)
        pair, output = nengo.Node(size_in=2), nengo.Node(size_in=1)
        hidden = nengo.Ensemble(
            N_HIDDEN, 2, neuron_type=spiking, max_rates=rates, radius=1.5
        )
        transform = delay_decoders(ORDER, [0, 1.0])
        nengo.Connection(u, memory.input, synapse=None)
        nengo.Connection(memory.output, pair, transform=transform, synapse=None)
        nengo.Connection(pair, hidden, synapse=0.005)
        nengo.Connection(hidden, output, function=np.prod, synapse=FILTER)
        network.output = nengo.Probe(output)
    return network


def trainer_of(network, **options):
    """Make a trainer of the network."""
    from lmu_nengo.training import Trainer

    return Trainer(network, seed=0, progress_bar=False, minibatch_size=BATCH, **options)


def train(seed, x, y, surrogate, n_updates):
    """
    Train a network, by rates and with an exact memory, or through the memory's spikes.

    Parameters
    ----------
    seed : int
        Seed of the network.
    x, y : ndarray of shape (n, N_STEPS, 1)
        Signals and products.
    surrogate : str
        "rates", or one of the surrogates of `lmu_nengo.training.Trainer`.
    n_updates : int
        Number of batches.

    Returns
    -------
    network : nengo.Network
        The network, trained.
    """
    import optax

    network = build(seed)
    if surrogate != "rates":
        realize(network, MEMORY)
    trainer = trainer_of(network, surrogate=surrogate)
    rate = optax.cosine_decay_schedule(RATE, n_updates)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    trainer.compile(optimizer, loss={network.output: "mse"})
    epochs = max(1, n_updates * BATCH // len(x))
    trainer.fit(x, {network.output: y}, epochs=epochs, skip=SKIP)
    return network


def error_in_spikes(network, x, y):
    """NRMSE of the network, memory and all, in spikes."""
    realize(network, MEMORY)
    shown = trainer_of(network).predict(x)[network.output]
    return nrmse(shown[:, SKIP:].ravel(), y[:, SKIP:].ravel())


@click.command(help=__doc__)
@seeds_option()
@resume_option
@shared_options
def main(n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    need_trainer()
    from lmu_nengo.training.jax.network.spikes import SURROGATES

    kinds = ("rates", *SURROGATES)
    sizes = {"train": N_TRAIN, "validation": N_TEST, "test": N_TEST}
    n_updates = N_UPDATES
    if quick:
        kinds, n_seeds, n_updates = kinds[:2], 1, 1
        sizes = dict.fromkeys(sizes, BATCH)
    folder = out / "through_spikes"
    folder.mkdir(parents=True, exist_ok=True)
    seeds, found = range(seed, seed + n_seeds), {}
    with plain_errors():
        for each in seeds:
            data = {
                name: products(n, FIRST_SEEDS[name] + each * n) for name, n in sizes.items()
            }
            for kind in kinds:

                def errors(kind=kind, each=each, data=data):
                    network = train(each, *data["train"], kind, n_updates)
                    parts = ("validation", "test")
                    return {p: error_in_spikes(network, *data[p]) for p in parts}

                path, asked = folder / f"{kind}-{each}.json", [kind, each, n_updates]
                with console.status(f"{kind}, seed {each}"):
                    found[kind, each] = part(path, asked, resume, errors)
    through = {
        s: min(kinds[1:], key=lambda kind: found[kind, s]["validation"]) for s in seeds
    }
    tests = {
        "converted": {s: found["rates", s]["test"] for s in seeds},
        "through_spikes": {s: found[through[s], s]["test"] for s in seeds},
    }
    figures = {}
    for name, errors in tests.items():
        figures |= summarize(f"nrmse_{name}", list(errors.values()))
        figures |= {f"nrmse_{name}_seed{s}": error for s, error in errors.items()}
    settings = {
        "seeds": list(seeds),
        "surrogates": [through[s] for s in seeds],
        "validation": {f"{k}, seed {s}": r["validation"] for (k, s), r in found.items()},
        "updates": n_updates,
        "batch": BATCH,
        "rate": RATE,
    }
    path = report("through_spikes", seed, quick, figures, {}, out, settings)
    console.print(f"Wrote {path}.")
