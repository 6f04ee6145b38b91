"""Coordinates of the state, ``m = transform @ x``, in which neurons hold ``x``.

Neurons add noise to each dimension in proportion to its range, and saturate beyond it.
Balanced coordinates weigh what a dimension is worth (how much of it reaches the window)
against what it costs (how far it swings under the expected input). In balanced and in
Legendre coordinates, dimensions that saturate cannot make the memory unstable: with the
diagonal matrix ``P`` of the window's energy, ``P A + A^T P`` is negative semi-definite.

Sources: Moore, "Principal component analysis in linear systems", IEEE Trans. Automatic
Control 1981; with the input's spectrum as weight: Enns, CDC 1984.
"""

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import check_array, check_choice, check_integer
from lmu_nengo.signal.legendre import delay_decoders

COORDINATES = ("balanced", "legendre", "principal")


def state_transform(
    name: str, covariance: ArrayLike, energy: ArrayLike, size: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """
    Transform from new coordinates to Legendre coefficients, and back.

    Parameters
    ----------
    name : {"balanced", "legendre", "principal"}
        ``"balanced"`` makes the covariance and the energy the same diagonal matrix, with
        the largest entry first; ``"principal"`` are the axes of the covariance, largest
        first; ``"legendre"`` leaves the coefficients as they are.
    covariance : ndarray of shape (order, order)
        Mean of ``m m^T`` under the expected input.
    energy : ndarray of shape (order, order)
        What a state is worth: see `window_energy`.
    size : int, optional
        Number of dimensions to keep, the first ones; ``None`` keeps all.

    Returns
    -------
    transform : ndarray of shape (order, size)
        ``m = transform @ x``.
    inverse : ndarray of shape (size, order)
        ``x = inverse @ m``.

    Raises
    ------
    ValidationError
        If the name is unknown, or the state cannot be balanced.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.signal import state_transform
    >>> covariance = np.array([[2.0, 1.0], [1.0, 2.0]])
    >>> transform, inverse = state_transform("principal", covariance, np.eye(2), size=1)
    >>> np.abs(inverse).round(3)  # the axis along which the state varies most
    array([[0.707, 0.707]])
    """
    check_choice(name, COORDINATES, "coordinates")
    covariance = check_array(covariance, "covariance", ("order", "order"))
    order = len(covariance)
    covariance, energy = (
        check_array(x, attr, (order, order))
        for x, attr in ((covariance, "covariance"), (energy, "energy"))
    )
    if size is not None:
        size = check_integer(size, "size", high=order)
    if name == "legendre":
        transform = inverse = np.eye(order)
    elif name == "principal":
        transform = np.linalg.eigh(covariance)[1][:, ::-1]
        inverse = transform.T
    else:
        K, W = (_root(_lift(matrix)) for matrix in (covariance, energy))
        left, values, right = np.linalg.svd(W.T @ K)
        transform = K @ right.T / np.sqrt(values)
        inverse = (W @ left / np.sqrt(values)).T
    return transform[:, :size], inverse[:size]


def window_energy(Ad: ArrayLike, points: ArrayLike | None = None) -> np.ndarray:
    """
    Energy that a state gives the read-out until it is forgotten.

    Parameters
    ----------
    Ad : ndarray of shape (order, order)
        Discrete state matrix.
    points : array_like of shape (n_points,), optional
        Points that are read: delay / theta, each in [0, 1]. ``None`` is the whole window.

    Returns
    -------
    energy : ndarray of shape (order, order)
        The state ``m`` gives ``m^T energy m``, summed over all later steps and averaged
        over the points: the observability Gramian.

    Raises
    ------
    ValidationError
        If a point lies outside [0, 1].

    Examples
    --------
    A state that halves in each step, read at the beginning of the window:

    >>> from lmu_nengo.signal import window_energy
    >>> window_energy([[0.5]], points=[0.0])  # 1 + 1/4 + 1/16 + ...
    array([[1.33333333]])
    """
    from scipy.linalg import solve_discrete_lyapunov

    Ad = check_array(Ad, "Ad", ("order", "order"))
    order = len(Ad)
    Ad = check_array(Ad, "Ad", (order, order))
    if points is None:
        decoders = np.diag(1 / np.sqrt(2 * np.arange(order) + 1))  # Legendre's norm
    else:
        decoders = delay_decoders(order, points)
        decoders = decoders / np.sqrt(len(decoders))
    return solve_discrete_lyapunov(np.transpose(Ad), decoders.T @ decoders)


def _lift(matrix, floor=1e-12):
    """Lift eigenvalues that are zero apart from rounding."""
    return matrix + floor * np.trace(matrix) / len(matrix) * np.eye(len(matrix))


def _root(matrix):
    """Cholesky factor ``L`` of a positive matrix ``L L^T``."""
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError as error:
        raise ValidationError(
            "'balanced' needs an expected input that excites every coefficient. Pass an "
            "expected_input with a broader band, or use coordinates='legendre'.",
            attr="coordinates",
        ) from error
