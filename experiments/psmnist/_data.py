"""The digits of the psMNIST experiments: options, loading, validation split."""

from pathlib import Path

import click
import numpy as np
from nengo.exceptions import ValidationError

from experiments._lib.command_line import console
from lmu_nengo.datasets import load_mnist, load_small_digits


def data_options(command):
    """Add the options ``--data`` and ``--download`` to a command."""
    for option in (
        click.option("--download", is_flag=True, help="Download MNIST if necessary."),
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            help="Keras' mnist.npz or its folder. Default: $LMU_NENGO_DATA.",
        ),
    ):
        command = option(command)
    return command


def load_digits(data, download):
    """
    Load MNIST, or scikit-learn's 8x8 digits where there is no MNIST.

    Parameters
    ----------
    data : pathlib.Path or None
        Value of ``--data``.
    download : bool
        Value of ``--download``.

    Returns
    -------
    digits : lmu_nengo.datasets.Digits
        The set.

    Raises
    ------
    click.ClickException
        If the file does not exist or does not contain MNIST.
    """
    try:
        digits = load_mnist(data, download)
    except ValidationError as error:
        raise click.ClickException(
            f"{error} Options of this command: --data PATH for path=, --download for "
            "download=True."
        ) from error
    if digits is None:
        console.print(
            "Using scikit-learn's 8x8 digits: MNIST was not given (--data, --download)."
        )
        digits = load_small_digits()
    return digits


def split(n_digits, n_validation, seed):
    """Random indices to train on, and those that are held out for validation."""
    shuffled = np.random.RandomState(seed).permutation(n_digits)
    held_out, used = np.split(shuffled, [n_validation])
    return used, held_out
