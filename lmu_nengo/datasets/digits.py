"""Images of handwritten digits, and their pixels as sequences."""

import hashlib
import os
import urllib.request
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_array, check_flag, check_integer, check_path, show
from lmu_nengo.io import write_atomically
from lmu_nengo.io.arrays import DamagedFileError, read_arrays

DATA_VARIABLE = "LMU_NENGO_DATA"
MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
MNIST_BYTES = 2**27  # twice its size
CACHE = Path("~/.keras/datasets/mnist.npz")  # where Keras keeps its own download


class Digits(NamedTuple):
    """
    A set of images of digits with their labels, split for training and testing.

    Parameters
    ----------
    name : str
        Name of the set.
    x_train, x_test : ndarray of shape (n_images, n_pixels)
        Gray values from 0 to 1 (float32), row by row.
    y_train, y_test : ndarray of shape (n_images,)
        Labels, 0 to 9.

    Examples
    --------
    >>> from lmu_nengo.datasets import load_small_digits
    >>> digits = load_small_digits()
    >>> digits.x_train[digits.y_train == 3].shape
    (131, 64)
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_mnist(path: str | Path | None = None, download: bool = False) -> Digits | None:
    """
    Load the MNIST set.

    Parameters
    ----------
    path : str or Path, optional
        Keras' ``mnist.npz``, or the folder that contains it. By default the path is taken
        from the environment variable ``LMU_NENGO_DATA``.
    download : bool
        If there is no path, use the copy in ``~/.keras/datasets``, after downloading it
        if necessary (11 MB).

    Returns
    -------
    digits : Digits or None
        60,000 images for training and 10,000 for testing, 784 pixels each; ``None`` if
        there is neither a path nor a download.

    Raises
    ------
    ValidationError
        If the file does not exist, does not contain the set, or was corrupted in the
        download.

    Examples
    --------
    Scikit-learn's small digits can replace it:

    >>> from lmu_nengo.datasets import load_mnist, load_small_digits
    >>> digits = load_mnist() or load_small_digits()
    """
    if path is None:
        path = os.environ.get(DATA_VARIABLE) or None
    else:
        check_path(path)
    check_flag(download, "download")
    if path is None and not download:
        return None
    path = download_mnist() if path is None else Path(path)
    if path.is_dir():
        path = path / "mnist.npz"
    if not path.is_file():
        raise ValidationError(
            f"{path} does not exist. Pass path= with Keras' mnist.npz or the folder that "
            f"contains it, set the environment variable {DATA_VARIABLE} to it, or pass "
            "download=True.",
            attr="path",
        )
    data = read_arrays(path, ("x_train", "y_train", "x_test", "y_test"), MNIST_BYTES)
    check_images(path, data)
    return as_digits("MNIST", *data.values(), maximum=255)


def check_images(path, data):
    """Raise DamagedFileError unless images of 28 x 28 pixels have a label each."""
    for part in "train", "test":
        x, y = data[f"x_{part}"], data[f"y_{part}"]
        if x.ndim != 3 or x.shape[1:] != (28, 28) or x.dtype != np.uint8:
            reason = f"x_{part} must hold images of 28 x 28 bytes, got {show(x)}"
        elif y.shape != (len(x),) or y.dtype.kind not in "iu":
            reason = f"y_{part} must hold {len(x):,} labels, got {show(y)}"
        elif y.size and not (y.min() >= 0 and y.max() <= 9):
            reason = f"y_{part} must hold labels from 0 to 9, got {y.min()} to {y.max()}"
        else:
            continue
        raise DamagedFileError(path, reason)


def download_mnist():
    """Path of the set in the cache; it is downloaded, and checked, if it is not there."""
    path = CACHE.expanduser()
    if not path.is_file():
        try:
            with urllib.request.urlopen(MNIST_URL, timeout=60) as response:
                content = response.read()
        except OSError as error:
            raise ValidationError(
                f"{MNIST_URL} could not be downloaded ({error}). Download it by other "
                "means and pass path=.",
                attr="download",
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != MNIST_SHA256:
            raise ValidationError(
                f"the download from {MNIST_URL} is corrupt: its SHA-256 checksum must be "
                f"{MNIST_SHA256}, got {found}. Try again, or pass path=.",
                attr="download",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return path


def load_small_digits() -> Digits:
    """
    Load scikit-learn's bundled digits, 8 x 8 pixels each.

    Every fifth image is for testing.

    Returns
    -------
    digits : Digits
        1,438 images for training and 359 for testing, 64 pixels each.

    Examples
    --------
    >>> from lmu_nengo.datasets import load_small_digits
    >>> digits = load_small_digits()
    >>> digits.x_train.shape, digits.x_test.shape
    ((1438, 64), (359, 64))
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    test = np.arange(len(x)) % 5 == 4
    return as_digits("8x8 digits", x[~test], y[~test], x[test], y[test], maximum=16)


def as_digits(name, x_train, y_train, x_test, y_test, maximum):
    """Flatten images and scale them to [0, 1]."""
    x_train, x_test = (
        np.reshape(x, (len(x), -1)).astype(np.float32) / maximum for x in (x_train, x_test)
    )
    return Digits(name, x_train, y_train.astype(int), x_test, y_test.astype(int))


def permuted_sequences(x: np.ndarray, seed: int) -> np.ndarray:
    """
    Turn images into sequences of pixels, all in the same random order.

    Parameters
    ----------
    x : ndarray of shape (n_images, n_pixels)
        Images.
    seed : int
        Seed of the permutation.

    Returns
    -------
    sequences : ndarray of shape (n_images, n_pixels, 1)
        One pixel in each step.

    Raises
    ------
    ValidationError
        If ``x`` does not have two dimensions, or ``seed`` is not an integer of at least 0.

    Examples
    --------
    >>> from lmu_nengo.datasets import load_small_digits, permuted_sequences
    >>> digits = load_small_digits()
    >>> permuted_sequences(digits.x_train, seed=0).shape
    (1438, 64, 1)
    """
    images = check_array(x, "x", ("n_images", "n_pixels"))
    seed = check_integer(seed, "seed", low=0, high=2**32 - 1)
    permutation = np.random.RandomState(seed).permutation(images.shape[1])
    return np.asarray(x)[:, permutation, None]
