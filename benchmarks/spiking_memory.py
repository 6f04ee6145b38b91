"""Speed of a spiking memory, against two simpler ways to build its neurons.

The same 1,000 neurons, orders 6 and 24, theta 1 s, steps of 1 ms, in Nengo:

\b
- ours: `lmu_nengo.Spiking`;
- array: `nengo.networks.EnsembleArray` with one recurrent connection, Legendre coordinates;
- single: one `nengo.Ensemble` of all dimensions with one recurrent connection.

They take turns, round after round, so that a busy machine slows down all three alike; the
ratio is the median over the rounds. The time to build is not included.
"""

import itertools
import json
import time
from pathlib import Path

import click
import nengo
import numpy as np

import lmu_nengo

THETA, TAU, DT = 1.0, 0.1, 0.001
NEURON_TYPES = nengo.LIF(), nengo.SpikingRectifiedLinear()


def signal():
    """Create white noise of rms 0.3 up to 1 Hz."""
    return nengo.Node(nengo.processes.WhiteSignal(20.0, high=1.0, rms=0.3, y0=0, seed=0))


def ours(n_neurons, order, neuron_type):
    """Build our spiking memory."""
    with nengo.Network(seed=0) as network:
        memory = lmu_nengo.LegendreMemory(
            THETA, order, realization=lmu_nengo.Spiking(n_neurons, neuron_type, TAU)
        )
        nengo.Connection(signal(), memory.input, synapse=None)
        nengo.Probe(memory.output, sample_every=0.1)
    return network


def mapped(order):
    """Principle 3's matrices in Legendre coordinates."""
    Ad, Bd = lmu_nengo.signal.discretize(*lmu_nengo.signal.state_space(THETA, order), DT)
    mapping = lmu_nengo.nef.principle3(Ad, Bd, TAU, DT)
    return mapping.recurrent, mapping.input_transform


def array(n_neurons, order, neuron_type):
    """Build an EnsembleArray with one recurrent connection."""
    recurrent, drive = mapped(order)
    with nengo.Network(seed=0) as network:
        state = nengo.networks.EnsembleArray(
            n_neurons // order, order, neuron_type=neuron_type
        )
        nengo.Connection(state.output, state.input, transform=recurrent, synapse=TAU)
        nengo.Connection(signal(), state.input, transform=drive, synapse=TAU)
        nengo.Probe(state.output, sample_every=0.1)
    return network


def single(n_neurons, order, neuron_type):
    """Build one ensemble of all dimensions with one recurrent connection."""
    recurrent, drive = mapped(order)
    with nengo.Network(seed=0) as network:
        state = nengo.Ensemble(n_neurons, order, neuron_type=neuron_type)
        nengo.Connection(state, state, transform=recurrent, synapse=TAU)
        nengo.Connection(signal(), state, transform=drive, synapse=TAU)
        nengo.Probe(state, sample_every=0.1)
    return network


@click.command(help=__doc__)
@click.option("--neurons", default=1000, show_default=True, help="Total number of neurons.")
@click.option(
    "--order", "orders", default=[6, 24], multiple=True, show_default=True, help="Order."
)
@click.option("--steps", default=2000, show_default=True, help="Steps in each turn.")
@click.option("--rounds", default=11, show_default=True, help="Number of rounds.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(neurons, orders, steps, rounds, out):
    """Take turns; print simulated seconds per second, and ratios."""
    figures = {}
    for order, neuron_type in itertools.product(orders, NEURON_TYPES):
        sims = {
            build.__name__: nengo.Simulator(
                build(neurons, order, neuron_type), dt=DT, progress_bar=False
            )
            for build in (ours, array, single)
        }
        seconds = {name: [] for name in sims}
        for _ in range(rounds + 1):
            for name, sim in sims.items():
                start = time.perf_counter()
                sim.run_steps(steps)
                seconds[name].append(time.perf_counter() - start)
        seconds = {name: np.array(times[1:]) for name, times in seconds.items()}
        click.echo(f"{neuron_type}, {neurons} neurons, order {order}:")
        for name, times in seconds.items():
            ratio = np.median(times / seconds["ours"])
            figures[f"ratio_{name}_{type(neuron_type).__name__}_{order}"] = ratio
            click.echo(
                f"  {name:7s} {steps * DT / np.median(times):6.2f} simulated s per second; "
                f"ours is {ratio:.2f} times as fast"
            )
        for sim in sims.values():
            sim.close()
    if out:
        settings = {"n_neurons": neurons, "steps": steps, "rounds": rounds, "dt": DT}
        found = {"settings": settings, "figures": figures}
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
