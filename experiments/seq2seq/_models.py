"""Networks of the sequence-to-sequence experiment, trained for the same CPU time."""

import time

import nengo
import numpy as np

import lmu_nengo
from experiments._lib.keras_models import train
from experiments._lib.results import checksum
from experiments._lib.schedule import cosine
from experiments._lib.timed_training import COMPILE, fit_for
from lmu_nengo.training import Checkpoint, Simulator  # first: it selects Keras

# isort: split
import tensorflow as tf

BATCH, DT = 32, 0.001
RATES = {"lmu": 3e-3, "lstm": 1e-2}
ORDER, HIDDEN = 24, 48
BOTH_WAYS = ("both_ways", "one_way")  # tasks with an output in every step


def build(task, n_source, n_target, seed):
    """
    Build an LMU for a task.

    Parameters
    ----------
    task : str
        ``"both_ways"`` and ``"one_way"`` have an output in every step; all others need an
        encoder and a decoder.
    n_source, n_target : int
        Steps of the source and of the target.
    seed : int
        Seed of the weights.

    Returns
    -------
    network : nengo.Network
        The network.
    signal : nengo.Node
        Its input.
    probe : nengo.Probe
        Its output.
    """
    rng = np.random.RandomState(seed)

    def cell(size_in, steps, hidden_d, **options):
        return lmu_nengo.LMUCell(
            size_in,
            memory_d=1,
            theta=steps * DT,
            order=ORDER,
            hidden_d=hidden_d,
            dt=DT,
            seed=rng.randint(1000),
            **options,
        )

    with nengo.Network(seed=seed, label=task) as network:
        signal = nengo.Node([0], label="signal")
        if task == "both_ways":
            half = HIDDEN // 2
            part = lmu_nengo.Bidirectional(cell(1, 20, half), cell(1, 20, half))
        elif task == "one_way":
            part = cell(1, 20, HIDDEN)
        else:
            n_steps = n_source + n_target
            part = lmu_nengo.EncoderDecoder(
                cell(1, n_steps, 1, trainable=["input_encoders"]),
                cell(
                    1,
                    n_steps,
                    HIDDEN,
                    input_encoders=None,
                    hidden_encoders=np.zeros((1, HIDDEN)),
                    hidden_kernel=0.9 * orthogonal(HIDDEN, rng),
                    start=True,
                ),
                n_source,
            )
        output = nengo.Node(size_in=1, label="output")
        weights = rng.randn(1, part.output.size_out) / np.sqrt(part.output.size_out)
        nengo.Connection(signal, part.input, synapse=None)
        nengo.Connection(part.output, output, transform=weights, synapse=None)
        probe = nengo.Probe(output)
    return network, signal, probe


def orthogonal(n, rng):
    """Random orthogonal matrix, as Keras initializes its recurrent layers."""
    q, r = np.linalg.qr(rng.randn(n, n))
    return q * np.sign(np.diag(r))


def train_lmu(task, sets, limits, seed, folder, resume):
    """
    Train an LMU, and return its output for the test set.

    Parameters
    ----------
    task : str
        As for `build`.
    sets : list of (ndarray, ndarray)
        Sources (n, n_source, 1) and targets (n, n_target, 1) for training, validation and
        testing.
    limits : tuple of (int, float)
        Maximum epochs and seconds of CPU time.
    seed : int
        Seed of weights and shuffling.
    folder : pathlib.Path
        For the checkpoint.
    resume : bool
        Whether to continue from there.

    Returns
    -------
    output : ndarray of shape (n_tests, n_target, 1)
        Output in the epoch with the lowest validation loss.
    parameters : int
        Number of trained parameters.
    history : dict of {str: list of float}
        By epoch.
    """
    epochs, seconds = limits
    n_source, n_target = (each.shape[1] for each in sets[0])
    after = task not in BOTH_WAYS
    padded = []
    for source, target in sets:
        if after:  # both are in one run; the decoder's output is zero until it starts
            source = np.pad(source, ((0, 0), (0, n_target), (0, 0)))
            target = np.pad(target, ((0, 0), (n_source, 0), (0, 0)))
        padded.append((source, target))
    network, signal, probe = build(task, n_source, n_target, seed)
    lmu_nengo.realize(network, lmu_nengo.Windowed(padded[0][0].shape[1]))
    with Simulator(network, minibatch_size=BATCH, seed=seed, progress_bar=False) as sim:
        sim.compile(
            tf.optimizers.Adam(), loss={probe: "mse"}, jit_compile=seconds > COMPILE
        )
        settings = {
            "task": task,
            "epochs": epochs,
            "seconds": seconds,
            "rate": RATES["lmu"],
            "batch": BATCH,
            "seed": seed,
            "data": checksum(*sets[0], *sets[1]),
        }
        keeper = Checkpoint(
            sim, folder / "checkpoint.npz", "val_loss", resume, settings, mode="min"
        )
        (x, y), (x_held, y_held), _ = padded
        parameters = fit_for(
            sim,
            keeper,
            ({signal: x}, {probe: y}),
            ({signal: x_held}, {probe: y_held}),
            seconds,
            RATES["lmu"],
            f"LMU, {task}",
            epochs,
        )
        output = sim.predict({signal: padded[2][0]}, verbose=0)[probe]
    return output[:, -n_target:], parameters, keeper.history


def make_lstm(task, units, n_target, seed):
    """
    Build the network of Keras' layers that the LMU is compared with.

    Parameters
    ----------
    task : str
        As for `build`.
    units : int
        Size of each LSTM layer; there is only one for ``"one_way"``, otherwise two.
    n_target : int
        Steps of the target.
    seed : int
        Seed of the weights.

    Returns
    -------
    model : tf.keras.Model
        Not yet compiled; takes (batch, n_source, 1).
    """
    keras = tf.keras
    keras.utils.set_random_seed(seed)
    source = keras.Input((None, 1))
    if task in BOTH_WAYS:
        layer = keras.layers.LSTM(units, return_sequences=True)
        if task == "both_ways":
            layer = keras.layers.Bidirectional(layer)
        states = layer(source)
    else:
        _, *handed_over = keras.layers.LSTM(units, return_state=True)(source)
        silence = tf.zeros_like(tf.repeat(source[:, :1], n_target, axis=1))
        decoder = keras.layers.LSTM(units, return_sequences=True)
        states = decoder(silence, initial_state=handed_over)
    return keras.Model(source, keras.layers.Dense(1)(states))


def lstm_units(task, n_parameters):
    """Largest size with which `make_lstm` does not exceed a number of parameters."""
    n_layers = 1 if task == "one_way" else 2
    n_read = 2 if task == "both_ways" else 1  # layers that the read-out sees

    def count(n):
        return n_layers * 4 * n * (n + 2) + n_read * n + 1

    units = 1
    while count(units + 1) <= n_parameters:
        units += 1
    return units


def train_lstm(task, sets, limits, seed, folder, resume, n_parameters):
    """Do the same as `train_lmu` with LSTM layers of at most ``n_parameters``."""
    epochs, seconds = limits
    n_target = sets[0][1].shape[1]
    model = make_lstm(task, lstm_units(task, n_parameters), n_target, seed)
    model.compile(tf.optimizers.Adam(), "mse")
    history = train(
        model,
        sets[0],
        sets[1],
        epochs,
        BATCH,
        folder / "checkpoint.npz",
        seconds=seconds,
        resume=resume,
        seed=seed,
        description=f"LSTM, {task}",
        clock=time.process_time,
        rate=lambda share: cosine(RATES["lstm"], share),
    )
    output = model.predict(sets[2][0], batch_size=BATCH, verbose=0)
    return output, model.count_params(), history
