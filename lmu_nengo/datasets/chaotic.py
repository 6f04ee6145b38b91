"""Chaotic time series: Mackey-Glass and Lorenz."""

import numpy as np
from nengo.exceptions import ValidationError
from scipy.integrate import solve_ivp

from lmu_nengo._progress import progress
from lmu_nengo._validation import check_integer, check_memory, check_positive, check_seed

LONGEST = 1e6  # of a series in the equations' time, which takes hours


def mackey_glass(
    n_series: int, n_steps: int, seed: int = 0, tau: int = 17, inner: int = 10
) -> np.ndarray:
    """
    Series of the Mackey-Glass equation, ``x' = 0.2 y / (1 + y^10) - 0.1 x``.

    Here ``y`` is the value of ``x`` a time ``tau`` ago. With ``tau = 17`` the series is
    weakly chaotic: the usual benchmark of prediction.

    Parameters
    ----------
    n_series, n_steps : int
        Number of series and their length. One step is one unit of the equation's time.
    seed : int
        Seed of the initial history, which is uniform between 1.1 and 1.3.
    tau : int
        Delay in steps.
    inner : int
        Euler steps within each step.

    Returns
    -------
    series : ndarray of shape (n_series, n_steps)
        ``tanh(x - 1)``, with the mean of each series subtracted, as in the LMU paper.

    Raises
    ------
    ValidationError
        If ``n_series``, ``n_steps``, ``tau`` or ``inner`` is not a positive integer.

    See Also
    --------
    lorenz : A series that is more strongly chaotic.

    References
    ----------
    Mackey and Glass, "Oscillation and chaos in physiological control systems", 1977.

    Voelker, Kajic and Eliasmith, "Legendre Memory Units", 2019.

    Examples
    --------
    >>> from lmu_nengo.datasets import mackey_glass
    >>> series = mackey_glass(n_series=2, n_steps=500, seed=0)
    >>> series.shape
    (2, 500)
    >>> bool(abs(series).max() < 1)
    True
    """
    n_series = check_integer(n_series, "n_series")
    n_steps = check_integer(n_steps, "n_steps")
    inner = check_integer(inner, "inner")
    n_past = check_integer(tau, "tau") * inner
    seed = check_seed(seed)
    # the past is drawn, scaled and shifted, and the result is a copy
    check_series((n_series, n_steps * (inner + 2) + 3 * n_past))
    past = 1.2 + 0.2 * (np.random.RandomState(seed).rand(n_past, n_series) - 0.5)
    x = np.concatenate([past, np.empty((n_steps * inner, n_series))])
    now = np.full(n_series, 1.2)
    with progress("a series", n_steps) as reach:
        for i in range(n_steps * inner):
            then = x[i]
            now = now + (0.2 * then / (1 + then**10) - 0.1 * now) / inner
            x[n_past + i] = now
            if i % inner == 0:
                reach(i // inner)
    series = np.tanh(x[n_past + inner - 1 :: inner].T - 1)
    return series - series.mean(axis=1, keepdims=True)


def check_series(shape):
    """Raise ValidationError if series take more memory than there can be."""
    check_memory(shape, "arrays", "n_series", "Use fewer or shorter series.")


def lorenz(n_series: int, n_steps: int, seed: int = 0, dt: float = 0.05) -> np.ndarray:
    """
    The first variable of the Lorenz equations (sigma 10, rho 28, beta 8/3).

    Parameters
    ----------
    n_series, n_steps : int
        Number of series and their length.
    seed : int
        Seed of the initial states. The first 10 units of time are discarded.
    dt : float
        Length of a step in the equations' time.

    Returns
    -------
    series : ndarray of shape (n_series, n_steps)
        Each series is normalized to zero mean and unit standard deviation.

    Raises
    ------
    ValidationError
        If ``n_series`` or ``n_steps`` is not a positive integer, or ``dt`` is not positive
        and finite.

    See Also
    --------
    mackey_glass : A series whose present depends on its distant past.

    References
    ----------
    Lorenz, "Deterministic nonperiodic flow", 1963.

    Examples
    --------
    >>> from lmu_nengo.datasets import lorenz
    >>> series = lorenz(n_series=1, n_steps=100, seed=0)
    >>> series.shape, round(float(series.std()), 6)
    ((1, 100), 1.0)
    """
    n_series = check_integer(n_series, "n_series")
    n_steps = check_integer(n_steps, "n_steps")
    dt, seed = check_positive(dt, "dt", unit=""), check_seed(seed)
    check_series((n_series, n_steps, 16))  # with what the solver keeps
    if n_steps * dt > LONGEST:
        raise ValidationError(
            f"must be at most {LONGEST:g} over n_steps, got {dt:g}.", attr="dt"
        )
    start = np.random.RandomState(seed).uniform(-10, 10, (3, n_series))
    start[2] += 25

    def slope(_t, state):
        x, y, z = state.reshape(3, n_series)
        return np.ravel([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    times = 10 + dt * np.arange(n_steps)
    with progress("a series", 1000) as reach:

        def watched(t, state):
            reach(int(1000 * t / times[-1]))
            return slope(t, state)

        options = dict(t_eval=times, rtol=1e-8, atol=1e-8)
        solved = solve_ivp(watched, (0, times[-1]), start.ravel(), "DOP853", **options)
    series = solved.y.reshape(3, n_series, n_steps)[0]
    return (series - series.mean(axis=1, keepdims=True)) / series.std(axis=1, keepdims=True)
