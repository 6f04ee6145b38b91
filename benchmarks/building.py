"""Time to import, to build and to simulate, in milliseconds, and ratios.

\b
- import: ``import lmu_nengo`` in a new process, against ``import nengo``;
- exact: a `lmu_nengo.Linear` memory of order 6 with 1 to 256 channels, against the same
  number of values on a node that only passes them on;
- spiking: a `lmu_nengo.Spiking` memory of 1,000 neurons, order 6, theta 1 and 10 s,
  realized for the first time and again, against an ensemble array of as many neurons.

To build is to make the network and its simulator, without Nengo's cache of decoders. Every
number is a median over the rounds; ours and the peer's take turns.
"""

import subprocess
import sys
import time

import click
import nengo
import numpy as np

import lmu_nengo

ORDER, DT = 6, 0.001
CHANNELS = (1, 16, 64, 256)
THETAS = (1.0, 10.0)  # seconds
N_NEURONS, STEPS = 1000, 1000


def seconds(function, *arguments):
    """Call a function; return its result and how long it took."""
    started = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - started


def import_in_new_process(module):
    """Import a module in a process of its own."""
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def memory(memory_d):
    """Exact memory of many channels."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.ones(memory_d))
        part = lmu_nengo.LegendreMemory(1.0, ORDER, memory_d=memory_d, dt=DT)
        nengo.Connection(source, part.input, synapse=None)
    return network


def relay(memory_d):
    """Node of the size of that memory's state."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.ones(memory_d * ORDER))
        part = nengo.Node(size_in=memory_d * ORDER)
        nengo.Connection(source, part, synapse=None)
    return network


def spiking(theta):
    """Spiking memory."""
    with nengo.Network(seed=0) as network:
        lmu_nengo.LegendreMemory(
            theta, ORDER, dt=DT, realization=lmu_nengo.Spiking(N_NEURONS)
        )
    return network


def array(_theta):
    """Ensemble array with a recurrent connection."""
    with nengo.Network(seed=0) as network:
        part = nengo.networks.EnsembleArray(N_NEURONS // ORDER, ORDER)
        nengo.Connection(part.output, part.input, synapse=0.1)
    return network


def measure(make, argument):
    """Milliseconds to build a network and its simulator, and for a step."""

    def build():
        return nengo.Simulator(make(argument), dt=DT, progress_bar=False)

    sim, build_time = seconds(build)
    with sim:
        _, run_time = seconds(sim.run_steps, STEPS)
    return 1000 * build_time, 1000 * run_time / STEPS


def line(name, ours, theirs):
    """Print medians, and the ratio of ours to the peer's for each."""
    ours, theirs = (np.median(values, axis=0) for values in (ours, theirs))
    parts = [
        f"{what} {a:.4g} ms ({a / b:.3g} times the peer's)"
        for what, a, b in zip(("build", "step"), ours, theirs, strict=True)
    ]
    click.echo(f"{name}: {', '.join(parts)}")


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, help="Turns of each.")
def main(rounds):
    """Take turns; print milliseconds and ratios."""
    nengo.rc["decoder_cache"]["enabled"] = "False"
    measure(array, None)  # what Nengo and SciPy import when they are first used
    modules = ("lmu_nengo", "nengo")
    imports = [
        [seconds(import_in_new_process, m)[1] for m in modules] for _ in range(rounds)
    ]
    ours, theirs = 1000 * np.median(imports, axis=0)
    click.echo(f"import: {ours:.0f} ms ({ours / theirs:.2f} times that of Nengo)")
    for memory_d in CHANNELS:
        turns = [
            (measure(memory, memory_d), measure(relay, memory_d)) for _ in range(rounds)
        ]
        line(f"exact, {memory_d} channels", *zip(*turns, strict=True))
    for theta in THETAS:
        first, *again = [
            (measure(spiking, theta), measure(array, theta)) for _ in range(rounds + 1)
        ]
        line(f"spiking, theta {theta:g} s, first", [first[0]], [first[1]])
        line(f"spiking, theta {theta:g} s, again", *zip(*again, strict=True))


if __name__ == "__main__":
    main()
