"""The Legendre delay network's mathematics: state space, delay decoders and window.

Source: Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time
Representation in Recurrent Neural Networks", NeurIPS 2019, equations 1 to 4.
"""

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.validation import check_integer, check_positive


def state_space(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Continuous state space of the Legendre delay network, ``m' = A m + B u``.

    ``m`` holds the Legendre coefficients of the last ``theta`` seconds of ``u``. The
    window length is inside both matrices, so they act in seconds.

    Parameters
    ----------
    order : int
        Number of Legendre polynomials, at least 1.
    theta : float
        Length of the window in seconds, above 0.

    Returns
    -------
    A : ndarray of shape (order, order)
        State matrix in 1/s: ``(2i+1)/theta`` times -1 where i < j and
        ``(-1)^(i-j+1)`` elsewhere.
    B : ndarray of shape (order, 1)
        Input matrix in 1/s: ``(2i+1)(-1)^i/theta``.

    Raises
    ------
    ValidationError
        If ``order`` is not an integer of at least 1, or ``theta`` is not above 0.
    """
    order = check_integer(order, "order")
    theta = check_positive(theta, "theta")
    i = np.arange(order)
    rate = (2 * i + 1)[:, None] / theta
    alternating = np.where((i[:, None] - i) % 2 == 0, -1.0, 1.0)  # (-1)^(i-j+1)
    A = rate * np.where(i[:, None] < i, -1.0, alternating)
    B = rate * np.where(i % 2 == 0, 1.0, -1.0)[:, None]
    return A, B


def delay_decoders(order: int, points) -> np.ndarray:
    """
    Decoders that read delayed inputs from the Legendre coefficients.

    Row ``k`` holds the shifted Legendre polynomials at ``points[k]``, so that
    ``u(t - points[k] * theta)`` is approximately ``delay_decoders(order, points)[k] @ m``.

    Parameters
    ----------
    order : int
        Number of Legendre polynomials, at least 1.
    points : array_like of shape (n_points,) or float
        Delays as fractions of the window, delay / theta, each in [0, 1].

    Returns
    -------
    decoders : ndarray of shape (n_points, order)
        Dimensionless weights of the coefficients.

    Raises
    ------
    ValidationError
        If a point lies outside [0, 1], or ``order`` is not an integer of at least 1.
    """
    order = check_integer(order, "order")
    points = np.atleast_1d(np.asarray(points, dtype=np.float64))
    if points.ndim != 1:
        raise ValidationError(
            f"got an array of shape {points.shape}, expected one dimension.",
            attr="points",
        )
    outside = ~((points >= 0) & (points <= 1))
    if np.any(outside):
        raise ValidationError(
            f"got {points[outside][0]:g}, expected delay / theta in [0, 1]. Divide the "
            "delay in seconds by theta; a longer delay needs a larger theta.",
            attr="points",
        )
    return np.polynomial.legendre.legvander(2 * points - 1, order - 1)


def reconstruct_window(memory, points) -> np.ndarray:
    """
    Window of the input that the Legendre coefficients describe.

    Parameters
    ----------
    memory : array_like of shape (..., order)
        Legendre coefficients, one set along the last axis.
    points : array_like of shape (n_points,)
        Where to read the window: delay / theta, each in [0, 1].

    Returns
    -------
    window : ndarray of shape (..., n_points)
        Reconstructed input, in its own unit.

    Raises
    ------
    ValidationError
        If a point lies outside [0, 1].
    """
    memory = np.asarray(memory, dtype=np.float64)
    return memory @ delay_decoders(memory.shape[-1], points).T
