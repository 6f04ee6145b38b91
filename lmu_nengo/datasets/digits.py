"""Data sets: permuted sequential handwritten digits."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nengo.exceptions import ValidationError

DATA_VARIABLE = "LMU_NENGO_DATA"
# as in Keras' own loader, which unpickles and so is not used itself
MNIST_HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


class Digits(NamedTuple):
    """
    Images of digits, and what they show.

    Parameters
    ----------
    name : str
        Which set it is.
    x_train, x_test : ndarray of shape (n_images, n_pixels)
        Gray values in [0, 1], float32, row after row.
    y_train, y_test : ndarray of shape (n_images,)
        The digits, 0 to 9.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_mnist(path=None, download=False):
    """
    The MNIST set, from a file.

    Parameters
    ----------
    path : str or Path, optional
        Keras' ``mnist.npz`` or the folder it is in. ``None`` takes the environment
        variable ``LMU_NENGO_DATA``, which means the same.
    download : bool
        If there is no path, ask Keras to download the set (into ``~/.keras``).

    Returns
    -------
    digits : Digits or None
        60,000 images for training and 10,000 for testing, 784 pixels each; ``None`` if
        there is neither a path nor a download.

    Raises
    ------
    ValidationError
        If the file does not exist or does not hold the set.
    """
    path = path or os.environ.get(DATA_VARIABLE)
    if path is None and not download:
        return None
    if path is None:
        import tensorflow as tf

        import lmu_nengo.training  # noqa: F401  chooses Keras for this process

        path = tf.keras.utils.get_file(
            "mnist.npz",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
            file_hash=MNIST_HASH,
        )
    path = Path(path)
    if path.is_dir():
        path = path / "mnist.npz"
    if not path.is_file():
        raise ValidationError(
            f"{path} does not exist, expected Keras' mnist.npz or the folder it is in. "
            f"Give --data PATH, set {DATA_VARIABLE}, or use --download.",
            attr="path",
        )
    keys = ("x_train", "y_train", "x_test", "y_test")
    with np.load(path, allow_pickle=False) as data:
        if not set(keys) <= set(data):
            raise ValidationError(
                f"{path} holds {sorted(data)}, expected {list(keys)}.", attr="path"
            )
        return digits("MNIST", *(data[key] for key in keys), maximum=255)


def load_small_digits():
    """
    Scikit-learn's bundled digits: 8 x 8 pixels, every fifth image for testing.

    Returns
    -------
    digits : Digits
        1,438 images for training and 359 for testing, 64 pixels each.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    test = np.arange(len(x)) % 5 == 4
    return digits("8x8 digits", x[~test], y[~test], x[test], y[test], maximum=16)


def digits(name, x_train, y_train, x_test, y_test, maximum):
    """Flatten images and scale them to [0, 1]."""
    x_train, x_test = (
        np.reshape(x, (len(x), -1)).astype(np.float32) / maximum for x in (x_train, x_test)
    )
    return Digits(name, x_train, y_train.astype(int), x_test, y_test.astype(int))


def permuted_sequences(x, seed):
    """
    Images as sequences of pixels, in one random order for all.

    Parameters
    ----------
    x : ndarray of shape (n_images, n_pixels)
        Images.
    seed : int
        Seed of the permutation.

    Returns
    -------
    sequences : ndarray of shape (n_images, n_pixels, 1)
        One pixel a step.
    """
    permutation = np.random.RandomState(seed).permutation(x.shape[1])
    return x[:, permutation, None]
