"""Milliseconds per digit in training: `Trainer`, in JAX, against NengoDL.

One machine, one run, the same number of threads, and the same networks as in
`training.py`: digits of 784 steps, order 256, 212 hidden units, batches of 100, Adam. Both
take turns, each in a process of its own that is idle while the other is timed; medians over
the rounds and ratios are printed. NengoDL's time is the median over the batches of a round,
with XLA; that of `Trainer` the median over the epochs of a round. Neither includes tracing,
compilation and what is done once in each call of `fit`: with "last step", `Trainer` applies
the memory to the digits there. That is timed by itself.

Then, in fresh processes that take turns, the seconds from the command to the end of the
first batch of a small network.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import click
import numpy as np
from training import BATCH, N_BATCHES, STEPS, Runner, build, start_ours

KINDS = "last step", "all steps", "recurrent"
EPOCHS = {"last step": 4, "all steps": 2, "recurrent": 2}
SMALL = """
import nengo, numpy as np, lmu_nengo
{imports}
with nengo.Network(seed=0) as network:
    pixel = nengo.Node([0])
    cell = lmu_nengo.LMUCell(1, memory_d=1, theta=0.1, order=8, hidden_d=10)
    nengo.Connection(pixel, cell.input, synapse=None)
    probe = nengo.Probe(cell.output)
lmu_nengo.realize(network, lmu_nengo.Windowed(100))
x, y = np.ones((20, 100, 1), np.float32), np.ones((20, 100, 10), np.float32)
{fit}
"""
FIRST_BATCH = {
    "NengoDL": SMALL.format(
        imports="from lmu_nengo.training import Simulator",
        fit=(
            "with Simulator(network, minibatch_size=20, progress_bar=False) as sim:\n"
            "    sim.compile('adam', loss={probe: 'mse'})\n"
            "    sim.fit(x, {probe: y}, verbose=0)"
        ),
    ),
    "Trainer": SMALL.format(
        imports="from lmu_nengo.training import Trainer",
        fit=(
            "trainer = Trainer(network, minibatch_size=20, progress_bar=False)\n"
            "trainer.compile('adam', loss={probe: 'mse'})\n"
            "trainer.fit(x, {probe: y})"
        ),
    ),
}


def worker(kind, n_batches):
    """Train with JAX; for each line of input print milliseconds per digit."""
    from lmu_nengo.training import Trainer

    network, probe = build(kind, STEPS)
    rng = np.random.RandomState(0)
    x = rng.rand(n_batches * BATCH, STEPS, 1).astype(np.float32)
    y = rng.randint(10, size=(len(x), STEPS if kind == "all steps" else 1, 1))
    trainer = Trainer(network, minibatch_size=BATCH, progress_bar=False, seed=0)
    trainer.compile("adam", loss={probe: "sparse_categorical_crossentropy"})
    trainer.fit(x, {probe: y})
    once = []
    print(f"ready, {trainer.path}", flush=True)
    for _ in sys.stdin:
        ends = [time.perf_counter()]
        callback = [lambda *_, ends=ends: ends.append(time.perf_counter())]
        trainer.fit(x, {probe: y}, epochs=EPOCHS[kind], callbacks=callback)
        first, *others = np.diff(ends)
        epoch = float(np.median(others))
        print(1000 * epoch / len(x), flush=True)
        once.append(1000 * (first - epoch) / len(x))
    print(f"{statistics.median(once):.3g}", flush=True)


def start_trainer(kind, threads):
    """Start the `Runner` of `Trainer`."""
    job = json.dumps([kind, N_BATCHES[kind][0]])
    flags = os.environ.get("XLA_FLAGS", "")
    if threads == 1:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false"
    try:
        return Runner([sys.executable, __file__, "--worker", job], threads)
    finally:
        os.environ["XLA_FLAGS"] = flags


def first_batch(name):
    """Seconds from the command to the end of the first batch."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", FIRST_BATCH[name]],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def report(what, ours, theirs, unit):
    """Print medians and the ratio."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(
        f"{what}: Trainer {statistics.median(ours):.4g} {unit}, NengoDL "
        f"{statistics.median(theirs):.4g} {unit}, ratio {statistics.median(ratios):.3g} "
        f"({min(ratios):.3g} to {max(ratios):.3g})",
        flush=True,
    )


@click.command(help=__doc__)
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="What to time.")
@click.option("--rounds", default=5, show_default=True, help="Number of rounds.")
@click.option("--threads", default=os.cpu_count(), show_default=True, help="Threads.")
@click.option("--start/--no-start", default=True, help="Also time the start.")
@click.option("--worker", "job", hidden=True)
def main(kinds, rounds, threads, start, job):
    """Take turns; print times and ratios."""
    if job:
        worker(*json.loads(job))
        return
    for kind in kinds.split(","):
        both = start_trainer(kind, threads), start_ours(kind, threads)
        for _ in range(rounds):
            for runner in both:
                runner.round()
        report(f"{kind}, per digit", *(runner.times for runner in both), "ms")
        once, _ = (runner.close() for runner in both)
        print(f"{kind}, per digit and call of fit: Trainer {once} ms", flush=True)
    if start:
        times = {name: [] for name in FIRST_BATCH}
        for _ in range(rounds):
            for name in times:
                times[name].append(first_batch(name))
        report("first batch", times["Trainer"], times["NengoDL"], "s")


if __name__ == "__main__":
    main()
