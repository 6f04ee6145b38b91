"""From continuous to discrete state space, and what the discrete system does.

The discrete convention is ``m[t] = Ad m[t-1] + Bd u[t]``.
"""

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._progress import progress
from lmu_nengo._validation import (
    check_array,
    check_choice,
    check_integer,
    check_memory,
    check_positive,
    check_state_space,
)

DISCRETIZERS = ("zoh", "euler", "bilinear")


def discretize(
    A: ArrayLike, B: ArrayLike, dt: float, method: str = "zoh"
) -> tuple[np.ndarray, np.ndarray]:
    """
    Discrete matrices of ``m' = A m + B u`` for steps of ``dt`` seconds.

    Parameters
    ----------
    A : array_like of shape (order, order)
        Continuous state matrix in 1/s.
    B : array_like of shape (order, size_in)
        Continuous input matrix in 1/s.
    dt : float
        Time step in seconds.
    method : {"zoh", "euler", "bilinear"}
        ``"zoh"`` is exact for an input held over each step, ``"euler"`` is
        ``I + A dt``, ``"bilinear"`` the trapezoidal rule.

    Returns
    -------
    Ad : ndarray of shape (order, order)
        Discrete state matrix.
    Bd : ndarray of shape (order, size_in)
        Discrete input matrix.

    Raises
    ------
    ValidationError
        If ``dt`` is not positive, the method is unknown, shapes do not fit, or the result
        is unstable (Euler's rule, when ``dt`` is too long for the order).

    Examples
    --------
    A lowpass with a time constant of 10 ms:

    >>> from lmu_nengo.signal import discretize
    >>> Ad, Bd = discretize([[-100.0]], [[100.0]], dt=0.001)
    >>> Ad.round(4), Bd.round(4)
    (array([[0.9048]]), array([[0.0952]]))
    """
    from scipy.signal import cont2discrete  # takes a second to import

    A, B = check_state_space(A, B, "A", "B")
    dt = check_positive(dt, "dt")
    check_choice(method, DISCRETIZERS, "method")
    C, D = np.eye(len(A)), np.zeros((len(A), B.shape[1]))
    with progress(f"a discrete state space of order {len(A)}"):
        Ad, Bd, _, _, _ = cont2discrete((A, B, C, D), dt, method=method)
    if method == "euler":
        radius = np.abs(np.linalg.eigvals(Ad)).max()
        if radius > 1:
            raise ValidationError(
                f"'euler' is unstable for this state space with dt={dt:g} s (the spectral "
                f"radius is {radius:.4g}, and must not exceed 1). Use 'zoh', a shorter dt, "
                "or a lower order.",
                attr="method",
            )
    return Ad, Bd


def impulse_response(Ad: ArrayLike, Bd: ArrayLike, n_steps: int) -> np.ndarray:
    """
    State after a unit impulse, ``Ad^k Bd`` for k = 0 to ``n_steps - 1``.

    Parameters
    ----------
    Ad : array_like of shape (order, order)
        Discrete state matrix.
    Bd : array_like of shape (order, 1)
        Discrete input matrix.
    n_steps : int
        Number of steps.

    Returns
    -------
    response : ndarray of shape (n_steps, order)
        Row ``k`` is the state ``k`` steps after the impulse came in.

    Raises
    ------
    ValidationError
        If ``n_steps`` is not a positive integer.

    Examples
    --------
    >>> from lmu_nengo.signal import impulse_response
    >>> impulse_response([[0.5]], [[1.0]], n_steps=4).ravel()
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    Ad, Bd = check_state_space(Ad, Bd, n_inputs=1)
    n_steps = check_integer(n_steps, "n_steps")
    advice = "Use fewer steps, or a longer dt."
    check_memory((n_steps, len(Ad)), "an array", "n_steps", advice)
    impulse = np.zeros((n_steps, 1))
    impulse[0] = 1
    return simulate(Ad, Bd, impulse)


def simulate(Ad: ArrayLike, Bd: ArrayLike, u: ArrayLike) -> np.ndarray:
    """
    Run a discrete state space, ``m[t] = Ad m[t-1] + Bd u[t]``, from a state of zero.

    Parameters
    ----------
    Ad : array_like of shape (order, order)
        Discrete state matrix.
    Bd : array_like of shape (order, size_in)
        Discrete input matrix.
    u : array_like of shape (n_steps, size_in)
        Input, one row a step.

    Returns
    -------
    m : ndarray of shape (n_steps, order)
        State after each step.

    Examples
    --------
    >>> from lmu_nengo.signal import simulate
    >>> simulate([[0.5]], [[1.0]], u=[[1.0], [1.0], [0.0]]).ravel()
    array([1.  , 1.5 , 0.75])
    """
    Ad, Bd = check_state_space(Ad, Bd)
    m = check_array(u, "u", ("n_steps", Bd.shape[1])) @ Bd.T
    Ad = np.ascontiguousarray(Ad)
    for t in range(1, len(m)):
        m[t] += Ad @ m[t - 1]
    return m
