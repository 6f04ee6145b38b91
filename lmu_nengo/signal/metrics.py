"""Error measures."""

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import check_array


def nrmse(output: ArrayLike, target: ArrayLike) -> float:
    """
    Normalized root mean square error: the RMSE over the root mean square of the target.

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
        If the shapes differ, or numbers of the target are not finite.

    Examples
    --------
    >>> from lmu_nengo.signal import nrmse
    >>> nrmse(output=[3.0, 4.5], target=[3.0, 4.0])
    0.1
    """
    output = check_array(output, "output", (...,), finite=False)  # it may have diverged
    target = check_array(target, "target", (...,))
    if output.shape != target.shape:
        raise ValidationError(
            f"must have the target's shape {target.shape}, got {output.shape}.",
            attr="output",
        )
    return float(np.linalg.norm(output - target) / np.linalg.norm(target))
