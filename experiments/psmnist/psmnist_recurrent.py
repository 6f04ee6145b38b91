"""The paper's recurrent cell on permuted sequential digits.

All paths of the 2019 paper, 102,027 parameters with order 256 and 212 tanh neurons. As in
the paper the feedback starts from zero. At first the cell is trained without feedback, all
time steps at once; only the last digits go through the recurrence step by step.
"""

from typing import NamedTuple

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import (
    console,
    need_nengo_dl,
    plain_errors,
    resume_option,
    shared_options,
)
from experiments._lib.keras_models import plan_of
from experiments._lib.results import checksum, report
from experiments.psmnist import _network
from experiments.psmnist._data import data_options, load_digits, split
from experiments.psmnist._network import DT
from lmu_nengo.datasets import permuted_sequences

# test accuracy in % (Voelker, Kajic and Eliasmith 2019)
REFERENCE = {"accuracy": 97.15, "parameters": 102_027}


class Recurrent(NamedTuple):
    """
    The network and those of its objects that are needed later.

    Attributes
    ----------
    network : nengo.Network
        The whole network.
    pixel : nengo.Node
        Input: a digit, one pixel in each step.
    cell : lmu_nengo.LMUCell
        The cell.
    readout : list of nengo.Connection
        Weights and biases of the read-out.
    output : nengo.Probe
        Ten values, the largest of which is the answer.
    """

    network: nengo.Network
    pixel: nengo.Node
    cell: lmu_nengo.LMUCell
    readout: list
    output: nengo.Probe


def build(n_steps, order, hidden_d, seed, feedback):
    """
    Build the network.

    Parameters
    ----------
    n_steps : int
        Pixels in a digit; one is shown in each step.
    order : int
        Order of the memory.
    hidden_d : int
        Hidden neurons.
    seed : int
        Seed of the weights.
    feedback : bool
        Whether the cell has ``e_h, e_m, W_x, W_h``, all zero.

    Returns
    -------
    parts : Recurrent
        The network and those of its objects that are needed later.
    """
    rng = np.random.RandomState(seed)
    scale = _network.white_noise_scale(n_steps, order)
    paths = {
        "hidden_encoders": np.zeros((1, hidden_d)),
        "memory_encoders": np.zeros((1, order)),
        "input_kernel": np.zeros((hidden_d, 1)),
        "hidden_kernel": np.zeros((hidden_d, hidden_d)),
    }
    with nengo.Network(seed=seed, label="recurrent psmnist") as network:
        pixel = nengo.Node([0], label="pixel")
        one = nengo.Node([1], label="one")
        cell = lmu_nengo.LMUCell(
            input_d=1,
            memory_d=1,
            theta=n_steps * DT,
            order=order,
            hidden_d=hidden_d,
            input_encoders=[[1]],
            memory_kernel=scale
            * rng.randn(hidden_d, order)
            * np.sqrt(2 / (hidden_d + order)),
            bias=None,
            dt=DT,
            **(paths if feedback else {}),
        )
        digit = nengo.Node(size_in=10, label="digit")
        nengo.Connection(pixel, cell.input, synapse=None)
        weights = rng.randn(10, hidden_d) * np.sqrt(2 / (hidden_d + 10))
        readout = [
            nengo.Connection(cell.output, digit, transform=weights, synapse=None),
            nengo.Connection(one, digit, transform=np.zeros((10, 1)), synapse=None),
        ]
        output = nengo.Probe(digit, label="output")
    return Recurrent(network, pixel, cell, readout, output)


def train(parts, data, validation, *, optimizer, epochs, batch, seed, keep):
    """
    Train with a windowed memory, and freeze the best epoch into the network.

    Parameters
    ----------
    parts : Recurrent
        What `build` returned.
    data, validation : tuple of (ndarray, ndarray)
        Sequences (n_digits, n_steps, 1) and labels (n_digits,); the epoch with the best
        validation accuracy is kept.
    optimizer : tf.keras.optimizers.Optimizer
        Optimizer.
    epochs : int
        Passes over the data.
    batch : int
        Digits in a batch.
    seed : int
        Seed of shuffling.
    keep : tuple of (pathlib.Path, bool, dict)
        Checkpoint, whether to resume from it, and settings that it has besides.

    Returns
    -------
    path : str
        How the steps are computed, and why.
    parameters : int
        Number of trained parameters.
    seconds : float
        Time that the epochs took, in all runs together.
    """
    from lmu_nengo.training import Checkpoint, Simulator, nengo_dl

    network, output = parts.network, parts.output
    with network:
        nengo_dl.configure_settings(keep_history=False, trainable=None)
    (x, y), (x_held, y_held) = data, validation
    lmu_nengo.realize(network, lmu_nengo.Windowed(x.shape[1]))
    with Simulator(network, minibatch_size=batch, seed=seed, progress_bar=False) as sim:
        last_step = sim.path == "last step"
        _network.compile_classifier(
            sim,
            output,
            optimizer,
            jit_compile=last_step,
            steps_per_execution=20 if last_step else 1,
        )
        path, resume, others = keep
        settings = {
            **others,
            "epochs": epochs,
            "batch": batch,
            "optimizer": plan_of(optimizer),
            "seed": seed,
            "data": checksum(*data, *validation),
        }
        keeper = Checkpoint(sim, path, "val_output_accuracy", resume, settings)
        sim.fit(
            {parts.pixel: x},
            _network.as_targets(output, y),
            validation_data=(
                {parts.pixel: x_held},
                _network.as_targets(output, y_held),
            ),
            epochs=epochs,
            initial_epoch=keeper.epoch,
            callbacks=[keeper],
        )
        keeper.restore_best()
        parameters = _network.count_trained(sim)
        return f"{sim.path}: {sim.path_reason}", parameters, keeper.seconds


def test_accuracy(parts, x, y, batch):
    """Accuracy in % of the network as it is realized."""
    network, pixel, output = parts.network, parts.pixel, parts.output
    values = _network.predict(network, pixel, [output], x, batch)
    return _network.accuracy(values[output], y)


@click.command(help=__doc__)
@data_options
@click.option(
    "--permutation-seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed of the order of the pixels.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Epochs without feedback.",
)
@click.option(
    "--recurrent-digits",
    type=click.IntRange(1),
    help="Digits that go through the recurrence. Default: 10,000 (8x8 digits: 1,180).",
)
@resume_option
@shared_options
def main(
    data, download, permutation_seed, epochs, recurrent_digits, resume, quick, seed, out
):
    """Run the experiment."""
    need_nengo_dl()
    digits = load_digits(data, download)
    from lmu_nengo.training import nengo_dl  # noqa: F401, I001  selects Keras; first
    import tensorflow as tf

    is_mnist = digits.name == "MNIST"
    batch = 100 if is_mnist else 20
    order, hidden_d = (256, 212) if is_mnist else (32, 40)
    n_recurrent = recurrent_digits or (10_000 if is_mnist else 1_180)
    if quick:
        epochs, n_recurrent = min(epochs, 10), min(n_recurrent, 10 * batch)
    x = permuted_sequences(digits.x_train, permutation_seed)
    x_test = permuted_sequences(digits.x_test, permutation_seed)
    y, y_test = digits.y_train, digits.y_test
    used, held_out = split(len(x), 10_000 if is_mnist else 240, seed)
    used = used[: len(used) // batch * batch]
    validation = (x[held_out], y[held_out])
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "data": digits.name,
        "permutation_seed": permutation_seed,
        "quick": quick,
        "seed": seed,
        "epochs": epochs,
        "recurrent_digits": n_recurrent,
    }
    figures = {}
    with plain_errors():
        first = build(x.shape[1], order, hidden_d, seed, feedback=False)
        n_batches = epochs * (len(used) // batch)
        *_, seconds = train(
            first,
            (x[used], y[used]),
            validation,
            optimizer=_network.adam_with_decay(2e-3, n_batches),
            epochs=epochs,
            batch=batch,
            seed=seed,
            keep=(out / "psmnist-recurrent-first.npz", resume, {}),
        )
        figures["accuracy_before_feedback"] = test_accuracy(first, x_test, y_test, batch)
        whole = build(x.shape[1], order, hidden_d, seed, feedback=True)
        for old, new in zip(first.readout, whole.readout, strict=True):
            new.transform = old.transform
        whole.cell.weights = {**whole.cell.weights, **first.cell.weights}
        some = used[:n_recurrent]
        path, parameters, more = train(
            whole,
            (x[some], y[some]),
            (validation[0][:2000], validation[1][:2000]),
            optimizer=tf.optimizers.Adam(2e-4),
            epochs=1,
            batch=batch,
            seed=seed + 1,
            keep=(out / "psmnist-recurrent.npz", resume, {"before": epochs}),
        )
    console.print(f"With feedback, {path}.")
    figures |= {
        "accuracy": test_accuracy(whole, x_test, y_test, batch),
        "parameters": parameters,
        "steps_all_at_once": epochs * len(used) * x.shape[1],
        "steps_recurrent": len(some) * x.shape[1],
        "train_seconds": seconds + more,
    }
    reference = REFERENCE if is_mnist else {}
    path = report("psmnist_recurrent", seed, quick, figures, reference, out, settings)
    console.print(f"Wrote {path}.")
