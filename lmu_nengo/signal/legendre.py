"""The Legendre delay network's mathematics: state space, delay decoders and window.

Source: Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time
Representation in Recurrent Neural Networks", NeurIPS 2019, equations 1 to 4.
"""

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import check_array, check_order, check_positive

MAX_ORDER = 500  # the highest that `order_for` tries


def state_space(theta: float, order: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Continuous state space of the Legendre delay network, ``m' = A m + B u``.

    ``m`` holds the Legendre coefficients of the last ``theta`` seconds of ``u``. The
    window length is inside both matrices, so they act in seconds.

    Parameters
    ----------
    theta : float
        Length of the window in seconds.
    order : int
        Number of Legendre polynomials.

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
        If ``order`` is not a positive integer, or ``theta`` is not positive and finite.

    Examples
    --------
    >>> from lmu_nengo.signal import state_space
    >>> A, B = state_space(theta=0.5, order=3)
    >>> A
    array([[ -2.,  -2.,  -2.],
           [  6.,  -6.,  -6.],
           [-10.,  10., -10.]])
    >>> B.ravel()
    array([ 2., -6., 10.])
    """
    order = check_order(order)
    theta = check_positive(theta, "theta")
    i = np.arange(order)
    rate = (2 * i + 1)[:, None] / theta
    alternating = np.where((i[:, None] - i) % 2 == 0, -1.0, 1.0)  # (-1)^(i-j+1)
    A = rate * np.where(i[:, None] < i, -1.0, alternating)
    B = rate * np.where(i % 2 == 0, 1.0, -1.0)[:, None]
    return A, B


def delay_decoders(order: int, points: ArrayLike) -> np.ndarray:
    """
    Decoders that read delayed inputs from the Legendre coefficients.

    Row ``k`` holds the shifted Legendre polynomials at ``points[k]``, so that
    ``u(t - points[k] * theta)`` is approximately ``delay_decoders(order, points)[k] @ m``.

    Parameters
    ----------
    order : int
        Number of Legendre polynomials.
    points : array_like of shape (n_points,) or float
        Delays as fractions of the window, delay / theta, each in [0, 1].

    Returns
    -------
    decoders : ndarray of shape (n_points, order)
        Dimensionless weights of the coefficients.

    Raises
    ------
    ValidationError
        If a point lies outside [0, 1], or ``order`` is not a positive integer.

    See Also
    --------
    reconstruct_window : the decoded values themselves.

    Examples
    --------
    >>> from lmu_nengo import delay_decoders
    >>> delay_decoders(order=4, points=[0.0, 0.5, 1.0])
    array([[ 1. , -1. ,  1. , -1. ],
           [ 1. ,  0. , -0.5, -0. ],
           [ 1. ,  1. ,  1. ,  1. ]])
    """
    order = check_order(order)
    points = np.atleast_1d(check_array(points, "points", (...,)))
    if points.ndim != 1:
        raise ValidationError(
            f"must be a number or one-dimensional, got an array of shape {points.shape}.",
            attr="points",
        )
    outside = ~((points >= 0) & (points <= 1))
    if np.any(outside):
        raise ValidationError(
            f"must be delay / theta in [0, 1], got {points[outside][0]:g}. Divide the "
            "delay in seconds by theta; a longer delay needs a larger theta.",
            attr="points",
        )
    return np.polynomial.legendre.legvander(2 * points - 1, order - 1)


def reconstruct_window(memory: ArrayLike, points: ArrayLike) -> np.ndarray:
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

    Examples
    --------
    Coefficients (1, 0, 0) are a constant window, (0, 1, 0) a ramp:

    >>> from lmu_nengo.signal import reconstruct_window
    >>> reconstruct_window([[1, 0, 0], [0, 1, 0]], points=[0.0, 0.5, 1.0])
    array([[ 1.,  1.,  1.],
           [-1.,  0.,  1.]])
    """
    memory = check_array(memory, "memory", (..., "order"))
    return memory @ delay_decoders(memory.shape[-1], points).T


def delay_error(order: int, cycles: ArrayLike, point: float = 1.0) -> np.ndarray:
    """
    Error with which a memory delays a sine, relative to the sine's amplitude.

    At the far end of the window (``point=1``) this is the error of the Padé approximant
    ``[order-1 / order]`` of a pure delay.

    Parameters
    ----------
    order : int
        Number of Legendre polynomials.
    cycles : array_like
        Cycles of the sine in one window, frequency times theta, at least 0.
    point : float
        Delay over theta, in [0, 1].

    Returns
    -------
    error : ndarray of the shape of ``cycles``
        0 is perfect; 1 is as good as an output of zero.

    Raises
    ------
    ValidationError
        If ``order`` or ``point`` is out of range.

    Examples
    --------
    A memory of order 6 delays one cycle a window well, and three cycles badly:

    >>> from lmu_nengo.signal import delay_error
    >>> delay_error(order=6, cycles=[1.0, 3.0]).round(3)
    array([0.007, 0.809])
    """
    A, B = state_space(1.0, order)
    decoder = delay_decoders(order, point)[0]
    cycles = check_array(cycles, "cycles", (...,))
    s = 2j * np.pi * cycles[..., None, None]
    response = np.linalg.solve(
        s * np.eye(order) - A, np.broadcast_to(B, s.shape[:-2] + B.shape)
    )
    return np.abs(response[..., 0] @ decoder - np.exp(-point * s[..., 0, 0]))


def order_for(theta: float, frequency: float, tolerance: float = 0.01) -> int:
    """
    Smallest order that delays all frequencies up to one by theta, within a tolerance.

    Parameters
    ----------
    theta : float
        Length of the window in seconds.
    frequency : float
        Highest frequency in Hz.
    tolerance : float
        Largest error relative to a sine's amplitude, in (0, 1). Delays shorter than
        theta err more at the same order: see `delay_error`.

    Returns
    -------
    order : int
        Number of Legendre polynomials.

    Raises
    ------
    ValidationError
        If an argument is out of range, or no order up to 500 is enough.

    Examples
    --------
    >>> from lmu_nengo import order_for
    >>> order_for(theta=1.0, frequency=1.0)
    6
    >>> order_for(theta=1.0, frequency=10.0, tolerance=0.05)
    36
    """
    theta = check_positive(theta, "theta")
    frequency = check_positive(frequency, "frequency", unit="Hz")
    tolerance = check_positive(tolerance, "tolerance", unit="relative to the amplitude")
    if tolerance >= 1:
        raise ValidationError(f"must be below 1, got {tolerance:g}.", attr="tolerance")
    cycles = theta * frequency * np.linspace(0.02, 1, 50)
    # at 2 polynomials a cycle the far end begins to be seen
    for order in range(max(1, int(2 * cycles[-1])), MAX_ORDER + 1):
        if delay_error(order, cycles[-1]) <= tolerance and np.all(
            delay_error(order, cycles) <= tolerance
        ):
            return order
    raise ValidationError(
        f"is too high for this theta: {cycles[-1]:.4g} cycles in a window need an order "
        f"above {MAX_ORDER}. Use a shorter theta, or filter the input.",
        attr="frequency",
    )
