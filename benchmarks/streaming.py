"""Cost of a step when samples come one by one.

Two networks, in steps of 1 ms, on one thread:

\b
- spiking: a memory of order 6 in LIF neurons, read by a delay;
- cell: an LMUCell of order 32 with as many hidden tanh neurons, and ten read-outs.

`lmu_nengo.Stream` on the engine and on core Nengo, with one sample in a call and with 100
("blocks"), `nengo.Simulator.step`, and, for the cell with --peer, `predict` of keras-lmu in
a loop, which has no state between calls and so gets the whole window for each sample; so
does a call of its model. They take turns. Of each round the mean time is taken, of the
rounds the median and the least: a busy machine raises the former.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import subprocess
import time
from pathlib import Path

import click
import nengo
import numpy as np
from keras_lmu_peer import __file__ as PEER
from keras_lmu_peer import environment

import lmu_nengo

SEED, BLOCK = 0, 100


def spiking(n_neurons):
    """Build a delay in neurons."""
    with nengo.Network(seed=SEED) as network:
        network.sample = nengo.Node([0])
        memory = lmu_nengo.LegendreMemory(
            1.0, 6, realization=lmu_nengo.Spiking(n_neurons, nengo.LIF())
        )
        delayed = nengo.Node(size_in=1)
        weights = lmu_nengo.delay_decoders(6, 1.0)
        nengo.Connection(network.sample, memory.input, synapse=None)
        nengo.Connection(memory.output, delayed, transform=weights, synapse=None)
        nengo.Probe(delayed, synapse=0.01)
    return network


def cell(hidden_d):
    """Build a cell with a read-out."""
    with nengo.Network(seed=SEED) as network:
        network.sample = nengo.Node([0])
        lmu = lmu_nengo.LMUCell(1, memory_d=1, theta=0.1, order=32, hidden_d=hidden_d)
        answer = nengo.Node(size_in=10)
        weights = np.random.RandomState(SEED).randn(10, hidden_d)
        nengo.Connection(network.sample, lmu.input, synapse=None)
        nengo.Connection(lmu.output, answer, transform=weights, synapse=None)
        nengo.Probe(answer)
    return network


def ways(network):
    """Functions that run some steps, by name."""
    rng = np.random.RandomState(SEED)
    samples = 0.3 * rng.randn(1000, 1)
    found = {}
    for engine in ("jax", "core"):
        stream = lmu_nengo.Stream(network, engine=engine)

        def run(n_steps, stream=stream):
            for i in range(n_steps):
                stream.push(samples[i % 1000])

        def run_blocks(n_steps, stream=stream):
            for done in range(0, n_steps, BLOCK):
                stream.push(samples[: min(BLOCK, n_steps - done)])

        found[f"Stream, {engine}"] = run
        found[f"Stream, {engine}, blocks"] = run_blocks
    sim = nengo.Simulator(network, progress_bar=False)

    def step(n_steps):
        for _ in range(n_steps):
            sim.step()

    return {**found, "nengo.Simulator.step": step}


def peers(python, hidden_d):
    """Those of keras-lmu, in a process of its own."""
    variables = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    process = subprocess.Popen(
        [environment(python), PEER, "predict", str(hidden_d)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=variables,
    )

    def peer(way):
        def run(n_steps):
            process.stdin.write(json.dumps([way, n_steps]) + "\n")
            process.stdin.flush()
            assert process.stdout.readline().strip() == "done"

        return run

    assert process.stdout.readline().strip() == "ready"
    return {f"keras-lmu, {way}": peer(way) for way in ("predict", "call")}


@click.command(help=__doc__)
@click.option("--neurons", default=200, show_default=True, help="Neurons of each network.")
@click.option("--steps", default=1000, show_default=True, help="Steps in each turn.")
@click.option("--rounds", default=15, show_default=True, help="Number of rounds.")
@click.option("--peer/--no-peer", default=False, help="Whether keras-lmu runs too.")
@click.option("--python", help="A Python that has keras-lmu; by default one is installed.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(neurons, steps, rounds, peer, python, out):
    """Take turns and print a table."""
    figures = {}
    for name, build in (("spiking", spiking), ("cell", cell)):
        runs = {way: (run, steps) for way, run in ways(build(neurons)).items()}
        if name == "cell" and (peer or python):
            for way, run in peers(python, neurons).items():
                runs[way] = run, max(1, steps // 100)
        for run, _ in runs.values():
            run(2)
        times = {way: [] for way in runs}
        for _ in range(rounds):
            for way, (run, n) in runs.items():
                start = time.perf_counter()
                run(n)
                times[way].append((time.perf_counter() - start) / n)
        print(f"{name}, {neurons} neurons: microseconds a step, median (least)")
        for way, own in times.items():
            median, least = 1e6 * float(np.median(own)), 1e6 * min(own)
            print(f"  {way:22}{median:10,.0f} ({least:,.0f})")
            figures |= {f"{name}, {way}": median, f"{name}, {way}, least": least}
    if out:
        settings = {"neurons": neurons, "steps": steps, "rounds": rounds}
        out.write_text(json.dumps({"settings": settings, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
