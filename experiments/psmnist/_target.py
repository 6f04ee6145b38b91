"""The digit classifier of `experiments.psmnist.psmnist_spiking`, on any target."""

import time
import warnings
from dataclasses import replace
from typing import NamedTuple

import click
import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from experiments._lib.common import HARMLESS, console, report
from experiments.psmnist.psmnist_spiking import DT, MNIST, SMALL, build, coefficients, train
from lmu_nengo import targets
from lmu_nengo.datasets import permuted_sequences

# a digit lasts 5.4 s (8x8) or 4 s, with the pause behind it
PRESETS = {
    "8x8 digits": SMALL._replace(
        order=32, n_hidden=256, noise=0.4, tau=0.2, steps=80, epochs=20
    ),
    "MNIST": MNIST._replace(steps=5, noise=0.3),
}
# black pixels after each digit, in which the answer is read, and how often each training
# digit is shown with a part of them in front
PAUSES = {"8x8 digits": (4, 5), "MNIST": (32, 1)}
HIDDEN_RATE = 300.0  # Hz, of all but one in a thousand activities of hidden neurons
BATCHED = ("norse", "spikingjelly")  # these run digits side by side
SETTLING = 1.0  # seconds until biases are complete there


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
        Take what was trained.

        Parameters
        ----------
        classifier : experiments.psmnist.psmnist_spiking.Classifier
            Trained.

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
        return cls(V * scale, classifier.hidden.bias, W, c[:, 0])

    def activities(self, m):
        """Hidden activities, shape (n, n_hidden), for coefficients of shape (n, order)."""
        return np.maximum(m @ self.V.T + self.b, 0)

    def answers(self, memory, x, n_black):
        """
        Answers that are right at any time in the pause on average.

        Parameters
        ----------
        memory : lmu_nengo.LegendreMemory
            For one step a pixel.
        x : ndarray of shape (n_digits, n_pixels, 1)
            Digits without the pause.
        n_black : int
            Pixels of the pause.

        Returns
        -------
        answers : ndarray of shape (n_digits,)
            Digits.
        """
        total = 0
        for before in range(n_black + 1):
            m = coefficients(memory, pause(x, n_black, before))
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
        How many of these come before the digit.

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
        Trained.
    preset : experiments.psmnist.psmnist_spiking.Preset
        How long a pixel is shown, and with how many neurons it is remembered.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Training digits, with the pause: the memory's neurons are fitted to them, and the
        hidden rates.
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
            # rates and intercepts are left to the target
            spiking = replace(preset.spiking(x), intercepts=None, max_rates=None, lead=None)
            memory = lmu_nengo.LegendreMemory(
                theta, order, realization=spiking, dt=DT, label="memory"
            )
        nengo.Connection(pixel, memory.input, synapse=None)
        exact = coefficients(memory, x, preset.steps)
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
    Show digits one after the other; an answer is the largest mean output in the pause.

    The window is as long as a digit and its pause, so that the digit before has left it.

    Parameters
    ----------
    network, pixel, output : nengo.Network, nengo.Node, nengo.Probe
        What `deploy` gave.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Digits, with the pause.
    preset : experiments.psmnist.psmnist_spiking.Preset
        How long a pixel is shown.
    n_black : int
        Pixels of the pause.
    target : str
        One of `lmu_nengo.targets.NAMES`.
    seed : int
        Seed of everything random.
    limit : float
        Seconds after which no further digit is shown, where they are shown one by one.

    Returns
    -------
    answers : ndarray of shape (n_shown,)
        Digits.
    seconds : float
        That a digit took.
    """
    steps, make = preset.steps, targets.load(target).Simulator
    pixel.output = nengo.processes.PresentInput(x.reshape(-1, 1), steps * DT)
    length, options = x.shape[1] * steps, {}
    if target in BATCHED:
        first = np.zeros((len(x), round(SETTLING / DT), 1))
        shown = np.concatenate([first, np.repeat(x, steps, axis=1)], axis=1)
        options = {"inputs": {pixel: shown}, "dtype": "float32"}
    n = 0
    with make(network, dt=DT, seed=seed, **options) as sim:
        started = time.perf_counter()
        if target in BATCHED:
            sim.run(shown.shape[1] * DT)
            values, n = sim.data[output][:, -length:], len(x)
        else:
            while n < len(x) and time.perf_counter() - started < limit:
                sim.run(length * DT)
                n += 1
            values = sim.data[output].reshape(n, length, -1)
        seconds = (time.perf_counter() - started) / n
    return values[:, -n_black * steps :].mean(axis=1).argmax(axis=1), seconds


def main(digits, target, n_digits, limit, permutation_seed, quick, seed, out):
    """
    Train, deploy, and compare decisions.

    Parameters
    ----------
    digits : lmu_nengo.datasets.Digits
        The set.
    target : str
        One of `lmu_nengo.targets.NAMES`.
    n_digits : int or None
        The first so many test digits; ``None`` is as many as fit in the time.
    limit : float
        Seconds for the target to classify digits in.
    permutation_seed : int
        Seed of the pixels' order.
    quick : bool
        Whether to train for a short time only.
    seed : int
        Seed of everything else.
    out : pathlib.Path
        Folder to write to.
    """
    if not targets.installed(target):  # told before any training
        raise click.ClickException(
            f'{target} is not installed: pip install "lmu-nengo[{target}]".'
        )
    out.mkdir(parents=True, exist_ok=True)
    preset = PRESETS[digits.name]
    preset = preset._replace(epochs=preset.epochs // 5) if quick else preset
    x, x_test = (
        permuted_sequences(part, permutation_seed)
        for part in (digits.x_train, digits.x_test)
    )
    # less the mean digit there is less to remember, and neurons err less
    mean = x.mean(axis=0)
    x, x_test = x - mean, x_test - mean
    # trained to give the same answer at any time in the pause
    n_black, n_copies = PAUSES[digits.name]
    rng = np.random.RandomState(seed)
    copies, labels = np.repeat(x, n_copies, axis=0), np.repeat(digits.y_train, n_copies)
    copies = pause(copies, n_black, rng.randint(n_black + 1, size=len(copies)))
    classifier = build(copies, preset, seed)
    train(classifier, copies, labels, preset, seed)
    rates = RateNetwork.of(classifier)
    network = deploy(rates, preset, pause(x, n_black), seed)
    x_test = x_test[: (10 if quick else n_digits)]
    shown, options = pause(x_test, n_black), (preset, n_black)
    try:
        console.print(f"Classifying on {target}.")
        answers, seconds = classify(*network, shown, *options, target, seed, limit)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    n = len(answers)
    x_test, y = x_test[:n], digits.y_test[:n]
    reference = answers
    if target != "core":
        console.print(f"Classifying the same {n} on core Nengo.")
        reference, _ = classify(*network, shown[:n], *options, "core", seed)
    wanted = rates.answers(classifier.memory, x_test, n_black)

    def agreement(one, other):
        return 100 * float(np.mean(one == other))

    figures = {
        "digits": n,
        "accuracy": agreement(answers, y),
        "accuracy_core": agreement(reference, y),
        "accuracy_rate": agreement(wanted, y),
        "agreement_core": agreement(answers, reference),
        "agreement_rate": agreement(answers, wanted),
        "seconds_per_digit": seconds,
        "milliseconds_per_pixel": 1000 * preset.steps * DT,
    }
    settings = {"data": digits.name, "target": target, "limit": limit}
    settings |= {"permutation_seed": permutation_seed} | preset._asdict()
    path = report(f"psmnist_{target}", seed, quick, figures, {}, out, settings)
    console.print(f"Wrote {path}.")
