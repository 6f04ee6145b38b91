"""Measures of error."""

import numpy as np
from nengo.exceptions import ValidationError


def nrmse(output, target) -> float:
    """
    Root mean square error over the root mean square of the target.

    Parameters
    ----------
    output : array_like
        What was measured.
    target : array_like of the same shape
        What it should be; not zero everywhere.

    Returns
    -------
    error : float
        0 is perfect; 1 is as good as an output of zero.

    Raises
    ------
    ValidationError
        If the shapes differ.
    """
    output, target = np.asarray(output), np.asarray(target)
    if output.shape != target.shape:
        raise ValidationError(
            f"got shape {output.shape}, expected the target's {target.shape}.",
            attr="output",
        )
    return float(np.linalg.norm(output - target) / np.linalg.norm(target))
