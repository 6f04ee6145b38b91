"""The digit classifier of `experiments.psmnist.psmnist_spiking` on any target."""

import time
import warnings
from dataclasses import replace
from typing import NamedTuple

import click
import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from experiments._lib.command_line import console
from experiments._lib.parallel import HARMLESS
from experiments._lib.results import report
from experiments.psmnist import _robust
from experiments.psmnist._network import DT
from experiments.psmnist._robust import coefficients
from lmu_nengo import targets
from lmu_nengo.datasets import permuted_sequences

# with the pause after it, a digit takes 5.4 s (8x8 digits) or 4 s (MNIST)
PRESETS = {
    "8x8 digits": _robust.SMALL._replace(
        order=32, n_hidden=256, noise=0.4, tau=0.2, steps=80, epochs=20
    ),
    "MNIST": _robust.MNIST._replace(steps=5, noise=0.3),
}
# black pixels after each digit, during which the answer is read, and how often each
# training digit is shown, each time with another part of these pixels in front
PAUSES = {"8x8 digits": (4, 5), "MNIST": (32, 1)}
HIDDEN_RATE = 300.0  # Hz, exceeded by one in a thousand activities of hidden neurons
# targets that run digits side by side: their options, and steps until biases are complete
BATCHED = {
    "jax": ({}, 0),
    "norse": ({"dtype": "float32"}, 1000),
    "spikingjelly": ({"dtype": "float32"}, 1000),
}
AT_A_TIME = 500  # digits


class RateNetwork(NamedTuple):
    """
    A trained classifier on an exact memory: ``W (relu(V m + b)) + c``.

    Attributes
    ----------
    V, W : ndarray of shapes (n_hidden, order) and (10, n_hidden)
        Weights.
    b, c : ndarray of shapes (n_hidden,) and (10,)
        Biases.
    """

    V: np.ndarray
    b: np.ndarray
    W: np.ndarray
    c: np.ndarray

    @classmethod
    def of(cls, classifier):
        """
        Read the weights of a trained network.

        Parameters
        ----------
        classifier : experiments.psmnist._network.Classifier
            The trained network.

        Returns
        -------
        rate_network : RateNetwork
            Its arrays.
        """
        connections = classifier.network.connections
        scale, V, W, c = (  # in the order in which they were made
            conn.transform.init
            for conn in connections
            if isinstance(conn.transform, nengo.Dense)
        )
        return cls(V * scale, classifier.hidden[0].bias, W, c[:, 0])

    def activities(self, m):
        """Hidden activities, shape (n, n_hidden), for coefficients of shape (n, order)."""
        return np.maximum(m @ self.V.T + self.b, 0)

    def answers(self, x, n_black):
        """
        Answers by the mean output over the pause.

        Parameters
        ----------
        x : ndarray of shape (n_digits, n_pixels, 1)
            Digits without the pause.
        n_black : int
            Pixels of the pause.

        Returns
        -------
        answers : ndarray of shape (n_digits,)
            Labels.
        """
        total = 0
        for before in range(n_black + 1):
            m = coefficients(pause(x, n_black, before), self.V.shape[1])
            total = total + self.activities(m) @ self.W.T + self.c
        return total.argmax(axis=1)


def pause(x, n_pixels, before=0):
    """
    Put black pixels around digits.

    Parameters
    ----------
    x : ndarray of shape (n_digits, n_pixels, 1)
        Digits.
    n_pixels : int
        Black pixels.
    before : int or ndarray of shape (n_digits,)
        How many of them come before the digit.

    Returns
    -------
    padded : ndarray of shape (n_digits, more pixels, 1)
        Sequences.
    """
    padded = np.pad(x[:, :, 0], ((0, 0), (0, n_pixels)))
    columns = np.arange(padded.shape[1]) - np.broadcast_to(before, len(x))[:, None]
    return np.take_along_axis(padded, columns % padded.shape[1], axis=1)[:, :, None]


def deploy(rates, preset, x, seed):
    """
    Build the spiking network.

    Parameters
    ----------
    rates : RateNetwork
        The trained network.
    preset : experiments.psmnist._robust.Preset
        How long a pixel is shown, and the number of neurons of the memory.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Training digits, with the pause; the memory's neurons and the hidden rates are
        fitted to them.
    seed : int
        Seed of everything random.

    Returns
    -------
    network : nengo.Network
        The network.
    pixel : nengo.Node
        Its input.
    output : nengo.Probe
        Ten values; the largest is the answer.
    """
    n_hidden, order = rates.V.shape
    theta = x.shape[1] * preset.steps * DT
    with nengo.Network(seed=seed, label="psmnist") as network:
        pixel = nengo.Node([0], label="pixel")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", HARMLESS[1])
            # the target chooses rates and intercepts
            spiking = replace(preset.spiking(x), intercepts=None, max_rates=None, lead=None)
            memory = lmu_nengo.LegendreMemory(
                theta, order, realization=spiking, dt=DT, label="memory"
            )
        nengo.Connection(pixel, memory.input, synapse=None)
        exact = coefficients(x, order, preset.steps)
        scale = HIDDEN_RATE / np.quantile(rates.activities(exact), 0.999)
        hidden = nengo.Ensemble(
            n_hidden,
            1,
            neuron_type=nengo.SpikingRectifiedLinear(amplitude=1 / scale),
            gain=np.ones(n_hidden),
            bias=scale * rates.b,
            label="hidden",
        )
        connect = nengo.Connection
        connect(memory.output, hidden.neurons, transform=scale * rates.V, synapse=None)
        digit = nengo.Node(size_in=10, label="digit")
        connect(hidden.neurons, digit, transform=rates.W, synapse=None)
        bias = nengo.Node(rates.c, label="bias")
        connect(bias, digit, synapse=None)
        output = nengo.Probe(digit, label="output")
    return network, pixel, output


def classify(network, pixel, output, x, preset, n_black, target, seed, limit=np.inf):
    """
    Show digits one after the other; the answer is the largest mean output in the pause.

    The window is as long as a digit and its pause, so that the previous digit has left it.

    Parameters
    ----------
    network, pixel, output : nengo.Network, nengo.Node, nengo.Probe
        What `deploy` returned.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Digits, with the pause.
    preset : experiments.psmnist._robust.Preset
        How long a pixel is shown.
    n_black : int
        Pixels of the pause.
    target : str
        One of `lmu_nengo.targets.NAMES`.
    seed : int
        Seed of everything random.
    limit : float
        Seconds after which no further digit is shown, if they are shown one by one.

    Returns
    -------
    answers : ndarray of shape (n_shown,)
        Labels.
    seconds : float
        Time per digit.
    """
    steps, make = preset.steps, targets.load(target).Simulator
    pixel.output = nengo.processes.PresentInput(x.reshape(-1, 1), steps * DT)
    length, seconds, answers = x.shape[1] * steps, 0.0, []

    def read(values):
        return values[:, -n_black * steps :].mean(axis=1).argmax(axis=1)

    if target in BATCHED:
        options, first = BATCHED[target]
        for i in range(0, len(x), AT_A_TIME):
            shown = np.repeat(x[i : i + AT_A_TIME], steps, axis=1)
            shown = np.pad(shown, ((0, 0), (first, 0), (0, 0)))
            options = {**options, "inputs": {pixel: shown}}
            with make(network, dt=DT, seed=seed, **options) as sim:
                started = time.perf_counter()
                sim.run(shown.shape[1] * DT)
                seconds += time.perf_counter() - started
            answers.append(read(sim.data[output]))
        answers = np.concatenate(answers)
        return answers, seconds / len(answers)
    with make(network, dt=DT, seed=seed) as sim:
        started, n = time.perf_counter(), 0
        while n < len(x) and time.perf_counter() - started < limit:
            sim.run(length * DT)
            n += 1
        seconds = time.perf_counter() - started
    return read(sim.data[output].reshape(n, length, -1)), seconds / n


def run(digits, target, n_digits, limit, permutation_seed, quick, seed, out):
    """
    Train, deploy, and compare decisions.

    Parameters
    ----------
    digits : lmu_nengo.datasets.Digits
        The set.
    target : str
        One of `lmu_nengo.targets.NAMES`.
    n_digits : int or None
        Number of test digits; ``None`` is as many as fit in the time.
    limit : float
        Seconds after which no further digit is started, on the target and on core Nengo.
    permutation_seed : int
        Seed of the pixels' order.
    quick : bool
        Whether to train for a short time only.
    seed : int
        Seed of everything else.
    out : pathlib.Path
        Folder to write to.
    """
    if not targets.installed(target):  # before any training
        raise click.ClickException(
            f"{target} is not installed. Install it in a clone of this project: "
            f'pip install -e ".[{target}]"'
        )
    out.mkdir(parents=True, exist_ok=True)
    preset = PRESETS[digits.name]
    preset = preset._replace(epochs=preset.epochs // 5) if quick else preset
    x, x_test = (
        permuted_sequences(part, permutation_seed)
        for part in (digits.x_train, digits.x_test)
    )
    # without the mean digit the memory's values are smaller, and so are neurons' errors
    mean = x.mean(axis=0)
    x, x_test = x - mean, x_test - mean
    # the answer should be the same at any time in the pause
    n_black, n_copies = PAUSES[digits.name]
    rng = np.random.RandomState(seed)
    copies, labels = np.repeat(x, n_copies, axis=0), np.repeat(digits.y_train, n_copies)
    copies = pause(copies, n_black, rng.randint(n_black + 1, size=len(copies)))
    classifier = _robust.build(copies, preset, seed)
    _robust.train(classifier, copies, labels, preset, seed)
    rates = RateNetwork.of(classifier)
    network = deploy(rates, preset, pause(x, n_black), seed)
    x_test = x_test[: (10 if quick else n_digits)]
    shown, options = pause(x_test, n_black), (preset, n_black)
    try:
        console.print(f"Classifying on {target}...")
        answers, seconds = classify(*network, shown, *options, target, seed, limit)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    n = len(answers)
    x_test, y = x_test[:n], digits.y_test[:n]
    reference = answers
    if target != "core":
        console.print("Classifying the same digits on core Nengo...")
        reference, _ = classify(*network, shown[:n], *options, "core", seed, limit)
    n_core = len(reference)  # fewer if the time was too short for all
    wanted = rates.answers(x_test, n_black)

    def agreement(one, other):
        return 100 * float(np.mean(one == other))

    figures = {
        "digits": n,
        "accuracy": agreement(answers, y),
        "digits_core": n_core,
        "accuracy_core": agreement(reference, y[:n_core]),
        "accuracy_rate": agreement(wanted, y),
        "agreement_core": agreement(answers[:n_core], reference),
        "agreement_rate": agreement(answers, wanted),
        "seconds_per_digit": seconds,
        "milliseconds_per_pixel": 1000 * preset.steps * DT,
    }
    settings = {"data": digits.name, "target": target, "limit": limit}
    settings |= {"permutation_seed": permutation_seed} | preset._asdict()
    path = report(f"psmnist_{target}", seed, quick, figures, {}, out, settings)
    console.print(f"Wrote {path}.")
