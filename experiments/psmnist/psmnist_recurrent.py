"""The paper's recurrent cell on permuted sequential digits.

All paths of the 2019 paper, 102,027 parameters with order 256 and 212 tanh neurons. As in
the paper the feedback starts from zero; until then the cell is trained with all steps at
once, and only the last digits go through the recurrence step by step.
"""

import time

import click
import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from experiments._lib.common import console, report, shared_options, told_plainly
from experiments.psmnist.psmnist import accuracy
from lmu_nengo.datasets import load_mnist, load_small_digits, permuted_sequences

# test accuracy in % (Voelker, Kajic and Eliasmith 2019)
REFERENCE = {"accuracy": 97.15, "parameters": 102_027}


def build(n_steps, order, hidden_d, seed, feedback, dt=0.001):
    """
    Build the network.

    Parameters
    ----------
    n_steps : int
        Pixels in a digit; one is shown in each step.
    order : int
        Legendre polynomials in the memory.
    hidden_d : int
        Hidden neurons.
    seed : int
        Seed of the weights.
    feedback : bool
        Whether the cell has ``e_h, e_m, W_x, W_h``, all zero.
    dt : float
        Step in seconds.

    Returns
    -------
    network : nengo.Network
        The network.
    cell : LMUCell
        The cell.
    readout : list of nengo.Connection
        What leads to the digits.
    probe : nengo.Probe
        Ten values, the largest one is the answer.
    """
    rng = np.random.RandomState(seed)
    # coefficients of white noise have variances as 2 i + 1
    scale = np.sqrt(n_steps / (2 * np.arange(order) + 1))
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
            theta=n_steps * dt,
            order=order,
            hidden_d=hidden_d,
            input_encoders=[[1]],
            memory_kernel=scale
            * rng.randn(hidden_d, order)
            * np.sqrt(2 / (hidden_d + order)),
            bias=None,
            dt=dt,
            **(paths if feedback else {}),
        )
        digit = nengo.Node(size_in=10, label="digit")
        nengo.Connection(pixel, cell.input, synapse=None)
        weights = rng.randn(10, hidden_d) * np.sqrt(2 / (hidden_d + 10))
        readout = [
            nengo.Connection(cell.output, digit, transform=weights, synapse=None),
            nengo.Connection(one, digit, transform=np.zeros((10, 1)), synapse=None),
        ]
        probe = nengo.Probe(digit, label="output")
    return network, cell, readout, probe


def train(parts, data, validation, *, optimizer, epochs, batch, seed, keep):
    """
    Train with the memory windowed and freeze the best epoch into the network.

    Parameters
    ----------
    parts : tuple
        What `build` gave.
    data, validation : tuple of (ndarray, ndarray)
        Sequences (n_digits, n_steps, 1) and digits (n_digits,); the epoch with the best
        accuracy on the latter is kept.
    optimizer : tf.keras.optimizers.Optimizer
        Optimizer.
    epochs : int
        Passes over the data.
    batch : int
        Digits in a batch.
    seed : int
        Seed of shuffling.
    keep : dict
        ``path``, ``resume`` and ``settings`` for `lmu_nengo.training.Checkpoint`.

    Returns
    -------
    way : str
        How time was treated, and why.
    parameters : int
        Trained numbers.
    """
    import tensorflow as tf

    from lmu_nengo.training import Checkpoint, Simulator, nengo_dl

    network, _, _, probe = parts
    with network:
        nengo_dl.configure_settings(keep_history=False, trainable=None)
    (x, y), (x_held, y_held) = data, validation
    lmu_nengo.realize(network, lmu_nengo.Windowed(x.shape[1]))
    with Simulator(network, minibatch_size=batch, seed=seed, progress_bar=False) as sim:
        sim.compile(
            optimizer,
            loss={probe: tf.losses.SparseCategoricalCrossentropy(from_logits=True)},
            metrics={probe: "accuracy"},
            jit_compile=sim.path == "last step",
            steps_per_execution=20 if sim.path == "last step" else 1,
        )
        keeper = Checkpoint(sim, monitor="val_output_accuracy", **keep)
        sim.fit(
            x,
            {probe: y[:, None, None]},
            validation_data=(x_held, {probe: y_held[:, None, None]}),
            epochs=epochs,
            initial_epoch=keeper.epoch,
            callbacks=[keeper],
        )
        keeper.restore_best()
        parameters = sum(int(tf.size(w)) for w in sim.keras_model.trainable_weights)
        sim.freeze_params(network)
        return f"{sim.path}: {sim.path_reason}", parameters


def test_accuracy(parts, x, y, batch):
    """Accuracy in %, all steps at once or in one operator, as the network is realized."""
    from lmu_nengo.training import Simulator

    network, _, _, probe = parts
    whole = x[: len(x) // batch * batch]
    with Simulator(network, minibatch_size=batch, progress_bar=False) as sim:
        values = sim.predict(whole)[probe][:, -1]
    return accuracy(values, y[: len(whole)])


@click.command(help=__doc__)
@click.option("--data", type=click.Path(), help="MNIST's mnist.npz.")
@click.option("--download", is_flag=True, help="Ask Keras for MNIST.")
@click.option("--permutation-seed", type=int, default=0, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True)
@click.option(
    "--recurrent-digits",
    type=click.IntRange(1),
    help="Digits that go through the recurrence. Default 10,000 (8x8 digits: 1,180).",
)
@click.option("--resume", is_flag=True, help="Go on after an interruption.")
@shared_options
def main(
    data, download, permutation_seed, epochs, recurrent_digits, resume, quick, seed, out
):
    """Run the experiment."""
    import tensorflow as tf

    import lmu_nengo.training  # noqa: F401  chooses Keras

    try:
        digits = load_mnist(data, download)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    digits = digits or load_small_digits()
    is_mnist = digits.name == "MNIST"
    batch = 100 if is_mnist else 20
    order, hidden_d = (256, 212) if is_mnist else (32, 40)
    n_recurrent = recurrent_digits or (10_000 if is_mnist else 1_180)
    if quick:
        epochs, n_recurrent = min(epochs, 10), min(n_recurrent, 10 * batch)
    x = permuted_sequences(digits.x_train, permutation_seed)
    x_test = permuted_sequences(digits.x_test, permutation_seed)
    y, y_test = digits.y_train, digits.y_test
    shuffled = np.random.RandomState(seed).permutation(len(x))
    held_out, used = np.split(shuffled, [10_000 if is_mnist else 240])
    used = used[: len(used) // batch * batch]
    validation = (x[held_out], y[held_out])
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "data": digits.name,
        "permutation_seed": permutation_seed,
        "quick": quick,
        "seed": seed,
        "recurrent_digits": n_recurrent,
    }
    started = time.perf_counter()
    figures = {}
    with told_plainly():
        first = build(x.shape[1], order, hidden_d, seed, feedback=False)
        steps = epochs * (len(used) // batch)
        train(
            first,
            (x[used], y[used]),
            validation,
            optimizer=tf.optimizers.Adam(tf.optimizers.schedules.CosineDecay(2e-3, steps)),
            epochs=epochs,
            batch=batch,
            seed=seed,
            keep={
                "path": out / "psmnist-recurrent-first.npz",
                "resume": resume,
                "settings": settings,
            },
        )
        figures["accuracy_before_feedback"] = test_accuracy(first, x_test, y_test, batch)
        cell = build(x.shape[1], order, hidden_d, seed, feedback=True)
        for old, new in zip(first[2], cell[2], strict=True):
            new.transform = old.transform
        cell[1].weights = {**cell[1].weights, **first[1].weights}
        some = used[:n_recurrent]
        way, parameters = train(
            cell,
            (x[some], y[some]),
            (validation[0][:2000], validation[1][:2000]),
            optimizer=tf.optimizers.Adam(2e-4),
            epochs=1,
            batch=batch,
            seed=seed + 1,
            keep={
                "path": out / "psmnist-recurrent.npz",
                "resume": resume,
                "settings": settings,
            },
        )
    console.print(way)
    figures |= {
        "accuracy": test_accuracy(cell, x_test, y_test, batch),
        "parameters": parameters,
        "steps_all_at_once": epochs * len(used) * x.shape[1],
        "steps_recurrent": len(some) * x.shape[1],
        "train_seconds": time.perf_counter() - started,
    }
    reference = REFERENCE if is_mnist else {}
    path = report("psmnist_recurrent", seed, quick, figures, reference, out, settings)
    console.print(f"Wrote {path}.")
