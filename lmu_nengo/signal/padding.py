"""Sequences of different lengths as one array."""

from collections.abc import Sequence

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import check_array, check_integer, check_memory, show


def pad_front(
    sequences: Sequence[ArrayLike], n_steps: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """
    Put zeros in front of sequences, so that all end at the same step.

    A memory that is empty stays empty under zeros. At the end, its state is that of the
    sequence alone.

    Parameters
    ----------
    sequences : sequence of array_like of shape (n_steps of each, size)
        Sequences, which may differ in length.
    n_steps : int, optional
        Length to fill up to; ``None`` is that of the longest.

    Returns
    -------
    padded : ndarray of shape (n_sequences, n_steps, size)
        All of them.
    lengths : ndarray of shape (n_sequences,)
        Steps of each sequence; what lies before them is padding.

    Raises
    ------
    ValidationError
        If a sequence is empty, has another number of columns than the first, or is longer
        than ``n_steps``.

    Examples
    --------
    >>> from lmu_nengo.signal import pad_front
    >>> padded, lengths = pad_front([[[1.0], [2.0], [3.0]], [[4.0]]])
    >>> padded[:, :, 0]
    array([[1., 2., 3.],
           [0., 0., 4.]])
    >>> lengths
    array([3, 1])
    """
    try:
        sequences = [check_array(x, "sequences", (...,)) for x in sequences]
    except TypeError:
        message = f"must be a list of arrays, got {show(sequences)}."
        raise ValidationError(message, attr="sequences") from None
    shapes = [x.shape for x in sequences]
    if not shapes or any(len(s) != 2 or 0 in s or s[1] != shapes[0][1] for s in shapes):
        raise ValidationError(
            "must be at least one array, each of shape (n_steps, size) with the same size "
            f"and at least one step, got arrays of the shapes {sorted(set(shapes))}.",
            attr="sequences",
        )
    lengths = np.array([len(x) for x in sequences])
    n_steps = lengths.max() if n_steps is None else check_integer(n_steps, "n_steps")
    if n_steps < lengths.max():
        raise ValidationError(
            f"must be at least the length of the longest sequence, {lengths.max()}, got "
            f"{n_steps}.",
            attr="n_steps",
        )
    shape = len(sequences), n_steps, shapes[0][1]
    check_memory(shape, "arrays", "n_steps", "Use shorter sequences.")
    padded = np.zeros((len(sequences), n_steps, shapes[0][1]))
    for row, x in zip(padded, sequences, strict=True):
        row[n_steps - len(x) :] = x
    return padded, lengths
