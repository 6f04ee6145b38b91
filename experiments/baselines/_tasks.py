"""The tasks: sequences, targets, and how large the networks are."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from experiments.psmnist._data import split
from lmu_nengo.datasets import load_small_digits

N_SYMBOLS, N_COPIED = 8, 10
N_HELD_OUT, N_TEST = 500, 1000  # sequences of the tasks that are generated


class LMU(NamedTuple):
    """
    Sizes of the LMU of a task; those of the other networks follow from its parameters.

    Attributes
    ----------
    order : int
        Orders of each memory, whose window is the whole sequence.
    encoders : int
        Rectified linear units between input and memories; 0: a memory for each input.
    hidden : tuple of int
        Rectified linear layers between memories and read-out.
    """

    order: int
    encoders: int
    hidden: tuple


class Task(NamedTuple):
    """
    What networks are compared on.

    Attributes
    ----------
    n_steps, input_d, output_d : int
        Sizes of the sequences and of the output.
    lmu : LMU
        Sizes of the LMU.
    seconds : float
        Processor time of a training.
    make : callable
        ``make(seed)`` returns a function ``batch(rng, n)`` for training, and inputs and
        targets for validation and for testing.
    n_outputs : int
        The last steps, in which an output is asked for.
    batch : int
        Sequences in a batch.
    enough : float
        Validation error at which training ends: the task is solved.
    share : float
        Part of a training's time that each setting of the search gets.
    """

    n_steps: int
    input_d: int
    output_d: int
    lmu: LMU
    seconds: float
    make: Callable
    n_outputs: int = 1
    batch: int = 100
    enough: float = -1.0
    share: float = 1 / 8

    @property
    def is_regression(self):
        """Whether the error is a mean square error, not the share of wrong answers."""
        return self.output_d == 1


def adding(n_steps, rng, n):
    """
    Draw the adding problem (Hochreiter and Schmidhuber 1997).

    Parameters
    ----------
    n_steps : int
        Steps of a sequence.
    rng : numpy.random.Generator
        Source of randomness.
    n : int
        Number of sequences.

    Returns
    -------
    x : ndarray of shape (n, n_steps, 2)
        Numbers from 0 to 1, and a marker at two of them, one in each half.
    y : ndarray of shape (n, 1, 1)
        The sum of the two marked numbers. Its variance, the error of a constant output of
        1, is 1/6.
    """
    x = np.zeros((n, n_steps, 2), np.float32)
    x[..., 0] = rng.random((n, n_steps))
    half, rows = n_steps // 2, np.arange(n)
    first, second = rng.integers(half, size=n), rng.integers(half, n_steps, size=n)
    x[rows, first, 1] = x[rows, second, 1] = 1
    return x, (x[..., 0] * x[..., 1]).sum(axis=1)[:, None, None]


def copy(delay, rng, n):
    """
    Draw the copy task: ten symbols, blanks, then a sign at which all ten are asked for.

    Parameters
    ----------
    delay : int
        Blanks between the last symbol and the sign.
    rng : numpy.random.Generator
        Source of randomness.
    n : int
        Number of sequences.

    Returns
    -------
    x : ndarray of shape (n, delay + 20, 10)
        One channel for each of eight symbols, for blanks and for the sign.
    y : ndarray of int of shape (n, 10)
        The symbols, asked for in the last ten steps. Without memory the cross-entropy is
        ln 8.
    """
    symbols = rng.integers(N_SYMBOLS, size=(n, N_COPIED))
    shown = np.full((n, delay + 2 * N_COPIED), N_SYMBOLS)
    shown[:, :N_COPIED] = symbols
    shown[:, N_COPIED + delay] = N_SYMBOLS + 1
    return np.eye(N_SYMBOLS + 2, dtype=np.float32)[shown], symbols


def generated(draw, size):
    """Return ``make`` of a task whose sequences are drawn anew for each batch."""

    def make(seed):
        held_out = draw(size, np.random.default_rng([seed, 1]), N_HELD_OUT)
        tests = draw(size, np.random.default_rng([seed, 2]), N_TEST)
        return lambda rng, n: draw(size, rng, n), held_out, tests

    return make


def of_digits(digits, shape, n_validation, permuted=False):
    """Return ``make`` of a task with digits: sequences of ``shape`` (n_steps, input_d)."""

    def make(seed):
        order = np.arange(digits.x_train.shape[1])
        if permuted:
            order = np.random.RandomState(seed).permutation(order)
        x, x_test = (
            part[:, order].reshape(-1, *shape) for part in (digits.x_train, digits.x_test)
        )
        y, y_test = digits.y_train[:, None], digits.y_test[:, None]
        used, held_out = split(len(x), n_validation, seed)

        def batch(rng, n):
            chosen = used[rng.integers(len(used), size=n)]
            return x[chosen], y[chosen]

        return batch, (x[held_out], y[held_out]), (x_test, y_test)

    return make


def make_tasks(mnist=None):
    """
    All tasks by name.

    Parameters
    ----------
    mnist : lmu_nengo.datasets.Digits, optional
        MNIST. Without it there are only the tasks that need no file.

    Returns
    -------
    tasks : dict of {str: Task}
        Short ones first.
    """
    tasks = {
        "digits": Task(
            *(64, 1, 10, LMU(64, 0, (128,)), 40.0),
            of_digits(load_small_digits(), (64, 1), 240),
            batch=50,
        )
    }
    if mnist is not None:
        sizes = 28, 28, 10, LMU(12, 0, (70,))
        tasks["rows"] = Task(*sizes, 60.0, of_digits(mnist, (28, 28), 5000))
    for n_steps in (100, 400):
        tasks[f"adding_{n_steps}"] = Task(
            *(n_steps, 2, 1, LMU(8, 32, (64,)), 60.0, generated(adding, n_steps)),
            batch=50,
            enough=1e-3,
        )
    lmus = {10: LMU(30, 0, (40,)), 100: LMU(120, 0, ()), 1000: LMU(128, 0, ())}
    for delay, lmu in lmus.items():
        tasks[f"copy_{delay}"] = Task(
            *(delay + 2 * N_COPIED, N_SYMBOLS + 2, N_SYMBOLS, lmu, 40.0),
            generated(copy, delay),
            n_outputs=N_COPIED,
            batch=50,
            enough=0.0,
        )
    if mnist is not None:
        for name, permuted in (("psmnist", True), ("smnist", False)):
            tasks[name] = Task(
                *(784, 1, 10, LMU(300, 0, (400, 120)), 120.0),
                of_digits(mnist, (784, 1), 1000, permuted),
                share=1 / 4,
            )
    return tasks
