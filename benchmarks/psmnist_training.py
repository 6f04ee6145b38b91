"""Seconds per digit in training: NengoDL's step-by-step loop against the whole window.

One network (memory of order 256 over 784 steps, 212 hidden rectified linear neurons),
batches of 100, the same optimiser and data; the memory realised once as `Linear`, with
NengoDL's simulator and 16 steps unrolled, and once as `Windowed`. The windowed path is
timed with Keras' defaults too, and with its options ``jit_compile=True``, which NengoDL's
loop cannot take, and ``steps_per_execution=50``. Tracing and compilation are
left out; each figure is the median of several rounds.
Run it with ``python benchmarks/psmnist_training.py``.
"""

import resource
import statistics
import time

import click
import nengo
import numpy as np

import lmu_nengo
from lmu_nengo.training import Simulator, nengo_dl  # before TensorFlow's Keras

import tensorflow as tf  # isort: skip

N_STEPS, ORDER, N_HIDDEN, BATCH = 784, 256, 212, 100


def build():
    """Build the network; return it with its probe."""
    rng = np.random.RandomState(0)
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(keep_history=False)
        pixel = nengo.Node([0])
        memory = lmu_nengo.LegendreMemory(N_STEPS * 0.001, ORDER)
        hidden = nengo.Ensemble(
            N_HIDDEN,
            1,
            neuron_type=nengo.RectifiedLinear(),
            gain=np.ones(N_HIDDEN),
            bias=np.zeros(N_HIDDEN),
        )
        digit = nengo.Node(size_in=10)
        nengo.Connection(pixel, memory.input, synapse=None)
        nengo.Connection(
            memory.output,
            hidden.neurons,
            transform=rng.randn(N_HIDDEN, ORDER) / np.sqrt(ORDER),
            synapse=None,
        )
        nengo.Connection(
            hidden.neurons,
            digit,
            transform=rng.randn(10, N_HIDDEN) / np.sqrt(N_HIDDEN),
            synapse=None,
        )
        probe = nengo.Probe(digit, label="output")
    return network, probe


ROUNDS = 5
FAST = {"jit_compile": True, "steps_per_execution": 50}


def train(realization, n_batches, unroll=1, options=None):
    """
    Seconds per digit of training, after some batches that compile.

    Parameters
    ----------
    realization : lmu_nengo.Linear or lmu_nengo.Windowed
        How the memory is computed.
    n_batches : int
        Batches in each round.
    unroll : int
        Steps that NengoDL unrolls.
    options : dict, optional
        For ``sim.compile``.

    Returns
    -------
    seconds : float
        Wall-clock seconds per digit, the median of the rounds.
    path : str
        How time was treated.
    """
    network, probe = build()
    lmu_nengo.realize(network, realization)
    rng = np.random.RandomState(1)
    x = rng.rand(n_batches * BATCH, N_STEPS, 1).astype(np.float32)
    y = rng.randint(10, size=(len(x), 1, 1))
    with Simulator(
        network, minibatch_size=BATCH, unroll_simulation=unroll, progress_bar=False
    ) as sim:
        sim.compile("adam", loss={probe: cross_entropy}, **(options or {}))
        first = BATCH * min(n_batches, 50)
        sim.fit(x[:first], {probe: y[:first]}, verbose=0)
        rounds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            sim.fit(x, {probe: y}, verbose=0)
            rounds.append((time.perf_counter() - started) / len(x))
        return statistics.median(rounds), sim.path


def cross_entropy(y_true, y_pred):
    """Sparse categorical cross entropy of logits."""
    return tf.keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


@click.command(help=__doc__)
@click.option("--windowed-batches", default=500, show_default=True)
@click.option("--loop-batches", default=3, show_default=True)
def main(windowed_batches, loop_batches):
    """Time them and print the ratios."""
    windowed = lmu_nengo.Windowed(N_STEPS)
    n_digits = windowed_batches * BATCH
    fast, path = train(windowed, windowed_batches, options=FAST)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"windowed ({path}, {FAST}): {1000 * fast:.4f} ms a digit")
    print(f"  {n_digits} digits in {n_digits * fast:.1f} s, peak memory {peak:.2f} GiB")
    plain, _ = train(windowed, windowed_batches)
    print(f"windowed (Keras' defaults): {1000 * plain:.4f} ms a digit")
    loop, path = train(lmu_nengo.Linear(), loop_batches, unroll=16)
    print(f"NengoDL's loop ({path}): {1000 * loop:.2f} ms a digit")
    print(f"ratio: {loop / fast:.0f} (with Keras' defaults {loop / plain:.0f})")


if __name__ == "__main__":
    main()
