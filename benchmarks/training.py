"""Milliseconds per digit in training, against keras-lmu and NengoDL's own loop.

One machine, one run, the same number of threads; digits of 784 steps, order 256, 212
hidden units, batches of 100, Adam. Ours and the peer take turns, each in a process of its
own that is idle while the other is timed; medians over the rounds and ratios are printed:

\b
- last step: the memory of a whole digit, hidden rectified linear units, one read-out;
  against `LMUFeedforward`;
- all steps: the same with a read-out in every step; against
  ``LMUFeedforward(return_sequences=True)``;
- recurrent: `lmu_nengo.LMUCell` with ``hidden_encoders``, ``memory_encoders``,
  ``input_kernel`` and ``hidden_kernel``; against `LMU` with ``hidden_to_memory``,
  ``memory_to_memory``, ``input_to_hidden`` and a SimpleRNNCell;
- loop: the network of "last step" in NengoDL's own loop, 16 steps unrolled.

Each time is the median over the batches of a round, without tracing and compilation.
keras-lmu runs with and without XLA, and the faster one counts. "all steps" runs without XLA
only: that is the faster one there, and with XLA it takes 18 GB or more. If memory runs out,
half the batch is tried. Finally, the exponents with which our cost grows with the batch and
with the steps are printed.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
from keras_lmu_peer import KINDS, clock_of, environment
from keras_lmu_peer import __file__ as PEER

STEPS, ORDER, HIDDEN, BATCH = 784, 256, 212, 100
OPTIONS = {"jit_compile": True, "steps_per_execution": 50}
# batches in a round: ours, keras-lmu's
N_BATCHES = {
    "last step": (250, 6),
    "all steps": (6, 3),
    "recurrent": (6, 6),
    "loop": (3, 0),
}


WITH_XLA = {"last step": (1, 0), "all steps": (0,), "recurrent": (1, 0)}  # keras-lmu


def build(kind, steps):
    """Build our network; return it with its probe."""
    import nengo

    import lmu_nengo
    from lmu_nengo.training import configure_settings

    drawn = lmu_nengo.layers.initializers.Glorot()
    with nengo.Network(seed=0) as network:
        configure_settings(keep_history=kind == "all steps")
        pixel = nengo.Node([0])
        options = {"hidden_type": nengo.RectifiedLinear()}
        if kind == "recurrent":
            options = {
                "hidden_encoders": drawn,
                "memory_encoders": np.zeros((1, ORDER)),
                "input_kernel": drawn,
                "hidden_kernel": drawn,
            }
        cell = lmu_nengo.LMUCell(
            1, memory_d=1, theta=steps * 0.001, order=ORDER, hidden_d=HIDDEN, **options
        )
        digit = nengo.Node(size_in=10)
        nengo.Connection(pixel, cell.input, synapse=None)
        weights = np.random.RandomState(0).randn(10, HIDDEN) / np.sqrt(HIDDEN)
        nengo.Connection(cell.output, digit, transform=weights, synapse=None)
        probe = nengo.Probe(digit)
    windowed = lmu_nengo.Windowed(steps)
    lmu_nengo.realize(network, lmu_nengo.Linear() if kind == "loop" else windowed)
    return network, probe


def worker(kind, batch, steps, n_batches):
    """Train ours; for each line of input print milliseconds per digit."""
    from lmu_nengo.training import Simulator

    import tensorflow as tf  # isort: skip

    def loss(y_true, y_pred):
        return tf.keras.losses.sparse_categorical_crossentropy(
            y_true, y_pred, from_logits=True
        )

    network, probe = build(kind, steps)
    rng = np.random.RandomState(0)
    x = rng.rand(n_batches * batch, steps, 1).astype(np.float32)
    y = rng.randint(10, size=(len(x), steps if kind == "all steps" else 1, 1))
    options = {} if kind == "loop" else dict(OPTIONS)
    if n_batches % 50:
        options.pop("steps_per_execution", None)
    with Simulator(
        network,
        minibatch_size=batch,
        unroll_simulation=16 if kind == "loop" else 1,
        progress_bar=False,
        seed=0,
    ) as sim:
        sim.compile("adam", loss={probe: loss}, **options)
        first = batch * min(n_batches, 50)
        sim.fit(x[:first], {probe: y[:first]}, verbose=0)
        print(f"ready, {sim.path}", flush=True)
        clock = clock_of(tf.keras)
        together = options.get("steps_per_execution", 1)
        for _ in sys.stdin:
            sim.fit(x, {probe: y}, verbose=0, callbacks=[clock])
            print(clock.milliseconds(batch * together), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{peak:.2f}", flush=True)


class Runner:
    """
    A process that trains for one round on request.

    Parameters
    ----------
    command : list of str
        Its command line.
    threads : int
        Number of threads of TensorFlow.
    """

    def __init__(self, command, threads):
        settings = {
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **settings},
        )
        self.times = []
        while not (line := self.process.stdout.readline()).startswith("ready"):
            if not line:
                raise RuntimeError(f"{command} ended early; run it by itself to see why.")
        self.about = line.strip()

    def round(self):
        """Run one more round; return milliseconds per digit."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.times.append(float(self.process.stdout.readline()))
        return self.times[-1]

    def close(self):
        """End the process; return the rest of its output."""
        rest, _ = self.process.communicate()
        return rest.strip()


def start_ours(kind, threads, batch=BATCH, steps=STEPS, n_batches=None):
    """Start our `Runner`."""
    n_batches = n_batches or N_BATCHES[kind][0]
    job = json.dumps([kind, batch, steps, n_batches])
    return Runner([sys.executable, __file__, "--worker", job], threads)


def start_theirs(python, kind, xla, threads):
    """Start the `Runner` of keras-lmu, with the largest batch that fits into memory."""
    for batch in (BATCH, BATCH // 2, BATCH // 4):
        size = [batch, STEPS, ORDER, HIDDEN, N_BATCHES[kind][1]]
        try:
            runner = Runner([python, PEER, "train", kind, *size, xla], threads)
            runner.about += f", batch {batch}"
            return runner
        except RuntimeError as error:
            print(f"batch {batch}: {error}", flush=True)
    raise RuntimeError(f"keras-lmu cannot run {kind!r} on this machine.")


def exponent(kind, threads, rounds, batches, steps):
    """Fit the exponent of the cost of one batch, in the batch size or in the steps."""
    cost = []
    for batch in batches:
        for n in steps:
            runner = start_ours(kind, threads, batch, n, 100 if kind == "last step" else 3)
            ms = statistics.median(runner.round() for _ in range(rounds))
            runner.close()
            cost.append(ms * batch)
    sizes = batches if len(batches) > 1 else steps
    return float(np.polyfit(np.log(sizes), np.log(cost), 1)[0]), cost


@click.command(help=__doc__)
@click.option("--peer", help="A Python that has keras-lmu. Default: a new environment.")
@click.option(
    "--kinds",
    default=",".join([*KINDS, "loop"]),
    show_default=True,
    help="What to time.",
)
@click.option("--rounds", default=5, show_default=True, help="Number of rounds.")
@click.option(
    "--threads", default=os.cpu_count(), show_default=True, help="Threads of TensorFlow."
)
@click.option("--growth/--no-growth", default=True, help="Also fit the exponents.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
@click.option("--worker", "job", hidden=True)
def main(peer, kinds, rounds, threads, growth, out, job):
    """Take turns; print times and ratios."""
    if job:
        worker(*json.loads(job))
        return
    kinds, figures = kinds.split(","), {}
    settings = {"steps": STEPS, "order": ORDER, "hidden": HIDDEN, "batch": BATCH}
    settings |= {"rounds": rounds, "threads": threads}
    python = environment(peer)
    for kind in kinds:
        ours = start_ours("last step" if kind == "loop" else kind, threads)
        if kind == "loop":
            theirs, rivals = [start_ours(kind, threads)], "NengoDL's loop"
        else:
            theirs = [start_theirs(python, kind, xla, threads) for xla in WITH_XLA[kind]]
            rivals = "keras-lmu"
        for _ in range(rounds):
            ours.round()
            for runner in theirs:
                runner.round()
        a, *others = (statistics.median(runner.times) for runner in (ours, *theirs))
        best = theirs[others.index(min(others))]
        ratios = [y / x for x, y in zip(ours.times, best.times, strict=True)]
        ratio = statistics.median(ratios)
        print(
            f"{kind}: ours {a:.4g} ms ({ours.about}), "
            f"{rivals} {', '.join(f'{ms:.4g}' for ms in others)} ms (best: {best.about}), "
            f"ratio {ratio:.3g} ({min(ratios):.3g} to {max(ratios):.3g}), "
            f"peak memory of ours {ours.close()} GiB",
            flush=True,
        )
        for runner in theirs:
            runner.close()
        figures |= {
            f"ms_ours_{kind}": a,
            f"ms_{rivals}_{kind}": min(others),
            f"ratio_{kind}": ratio,
            f"least_ratio_{kind}": min(ratios),
            f"largest_ratio_{kind}": max(ratios),
        }
        settings[f"best_{kind}"] = best.about
        write(out, settings, figures)
    if growth:
        for kind in (kind for kind in kinds if kind != "loop"):
            for name, sizes in (
                ("batch", ([25, 50, 100, 200, 400], [STEPS])),
                ("steps", ([BATCH], [98, 196, 392, 784, 1568])),
            ):
                power, cost = exponent(kind, threads, rounds, *sizes)
                text = ", ".join(f"{ms:.4g}" for ms in cost)
                print(
                    f"{kind}: cost ~ {name}^{power:.2f} (ms per batch: {text})", flush=True
                )
                figures[f"power_of_{name}_{kind}"] = power
                write(out, settings, figures)


def write(out, settings, figures):
    """Write what has been measured so far, if a file was named."""
    if out:
        found = {"settings": settings, "figures": figures}
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
