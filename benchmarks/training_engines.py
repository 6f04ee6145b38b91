"""Milliseconds per digit in training: `Trainer`, in JAX, against NengoDL.

One machine, one run, the same number of threads, and the same networks as in
`training.py`: digits of 784 steps, order 256, 212 hidden units, batches of 100, Adam. Both
take turns, each in a process of its own that is idle while the other is timed; medians over
the rounds and ratios are printed. A round is one call of `fit`; its time is the median over
its epochs but the first, which has in it what is done once in each call: with "last step",
`Trainer` applies the memory to the digits there. NengoDL runs with XLA. `--cpu` counts the
time of the processor instead, which other jobs on the machine change less.

Then, in fresh processes that take turns, the seconds from the command to the end of the
first batch of a small network. `--out` writes all of it.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import click
import numpy as np
from training import BATCH, N_BATCHES, OPTIONS, STEPS, Runner, build

KINDS = "last step", "all steps", "recurrent"
EPOCHS = {"last step": 4, "all steps": 3, "recurrent": 3}
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
    "Trainer": SMALL.format(
        imports="from lmu_nengo.training import Trainer",
        fit=(
            "trainer = Trainer(network, minibatch_size=20, progress_bar=False)\n"
            "trainer.compile('adam', loss={probe: 'mse'})\n"
            "trainer.fit(x, {probe: y})"
        ),
    ),
    "NengoDL": SMALL.format(
        imports="from lmu_nengo.training import Simulator",
        fit=(
            "with Simulator(network, minibatch_size=20, progress_bar=False) as sim:\n"
            "    sim.compile('adam', loss={probe: 'mse'})\n"
            "    sim.fit(x, {probe: y}, verbose=0)"
        ),
    ),
}


def worker(kind, name, use_cpu):
    """Train; for each line of input print milliseconds per digit."""
    clock = time.process_time if use_cpu else time.perf_counter
    network, probe = build(kind, STEPS)
    n_batches, epochs = N_BATCHES[kind][0], EPOCHS[kind]
    rng = np.random.RandomState(0)
    x = rng.rand(n_batches * BATCH, STEPS, 1).astype(np.float32)
    y = rng.randint(10, size=(len(x), STEPS if kind == "all steps" else 1, 1))
    fit = {"Trainer": with_trainer, "NengoDL": with_nengo_dl}[name]
    fit = fit(network, probe, x, {probe: y}, n_batches)
    fit(1, lambda: None)
    print("ready", flush=True)
    for _ in sys.stdin:
        ends = []
        fit(epochs, lambda ends=ends: ends.append(clock()))
        print(1000 * float(np.median(np.diff(ends))) / len(x), flush=True)


def with_trainer(network, probe, x, y, n_batches):
    """A function that trains for some epochs with `Trainer`."""
    from lmu_nengo.training import Trainer

    trainer = Trainer(network, minibatch_size=BATCH, progress_bar=False, seed=0)
    trainer.compile("adam", loss={probe: "sparse_categorical_crossentropy"})
    return lambda n, tick: trainer.fit(x, y, epochs=n, callbacks=[lambda *_: tick()])


def with_nengo_dl(network, probe, x, y, n_batches):
    """The same with NengoDL."""
    from lmu_nengo.training import Simulator

    import tensorflow as tf  # isort: skip

    def loss(y_true, y_pred):
        return tf.keras.losses.sparse_categorical_crossentropy(
            y_true, y_pred, from_logits=True
        )

    sim = Simulator(network, minibatch_size=BATCH, progress_bar=False, seed=0)
    options = OPTIONS if n_batches % 50 == 0 else {"jit_compile": True}
    sim.compile("adam", loss={probe: loss}, **options)

    def fit(n, tick):
        callback = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: tick())
        sim.fit(x, y, epochs=n, verbose=0, callbacks=[callback])

    return fit


def start(kind, name, threads, use_cpu):
    """Start a `Runner`."""
    flags = os.environ.get("XLA_FLAGS", "")
    if threads == 1:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false"
    job = json.dumps([kind, name, use_cpu])
    try:
        return Runner([sys.executable, __file__, "--worker", job], threads)
    finally:
        os.environ["XLA_FLAGS"] = flags


def first_batch(name, use_cpu):
    """Seconds from the command to the end of the first batch."""

    def now():
        if not use_cpu:
            return time.perf_counter()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    start = now()
    subprocess.run(
        [sys.executable, "-c", FIRST_BATCH[name]],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return now() - start


def compared(what, ours, theirs, unit):
    """Print medians and the ratio; return them."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    found = {
        "unit": unit,
        "trainer": statistics.median(ours),
        "nengo_dl": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
        "rounds": [ours, theirs],
    }
    print(
        "{what}: Trainer {trainer:.4g} {unit}, NengoDL {nengo_dl:.4g} {unit}, ratio "
        "{ratio:.3g} ({least:.3g} to {most:.3g})".format(what=what, **found),
        flush=True,
    )
    return found


@click.command(help=__doc__)
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="What to time.")
@click.option("--rounds", default=5, show_default=True, help="Number of rounds.")
@click.option("--threads", default=os.cpu_count(), show_default=True, help="Threads.")
@click.option("--cpu", is_flag=True, help="Count the time of the processor.")
@click.option("--first/--no-first", default=True, help="Also time the first batch.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
@click.option("--worker", "job", hidden=True)
def main(kinds, rounds, threads, cpu, first, out, job):
    """Take turns; print times and ratios."""
    if job:
        worker(*json.loads(job))
        return
    figures = {}
    for kind in kinds.split(","):
        both = [start(kind, name, threads, cpu) for name in ("Trainer", "NengoDL")]
        for _ in range(rounds):
            for runner in both:
                runner.round()
        times = [runner.times for runner in both]
        figures[kind] = compared(f"{kind}, per digit", *times, "ms")
        for runner in both:
            runner.close()
    if first:
        times = {name: [] for name in FIRST_BATCH}
        for _ in range(rounds):
            for name in times:
                times[name].append(first_batch(name, cpu))
        figures["first batch"] = compared("first batch", *times.values(), "s")
    if out:
        settings = {"rounds": rounds, "threads": threads, "cpu": cpu}
        packages = "jax", "nengo", "nengo-dl", "optax", "tensorflow"
        versions = {name: metadata.version(name) for name in packages}
        found = {"settings": settings, "versions": versions, "figures": figures}
        out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
