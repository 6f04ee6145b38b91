"""Chaotic series: Mackey-Glass and Lorenz."""

import numpy as np
from scipy.integrate import solve_ivp


def mackey_glass(n_series, n_steps, seed=0, tau=17, inner=10):
    """
    Series of the Mackey-Glass equation, ``x' = 0.2 y / (1 + y^10) - 0.1 x``.

    Here ``y`` is ``x`` of ``tau`` before.

    Parameters
    ----------
    n_series, n_steps : int
        Number and length of the series; a step is one unit of time.
    seed : int
        Seed of the first ``tau`` units, uniform between 1.1 and 1.3.
    tau : int
        Delay in steps.
    inner : int
        Euler steps in a step.

    Returns
    -------
    series : ndarray of shape (n_series, n_steps)
        ``tanh(x - 1)``, as the paper has it, each less its mean.

    References
    ----------
    Mackey and Glass, "Oscillation and chaos in physiological control systems", 1977.
    """
    n_past = tau * inner
    past = 1.2 + 0.2 * (np.random.RandomState(seed).rand(n_past, n_series) - 0.5)
    x = np.concatenate([past, np.empty((n_steps * inner, n_series))])
    now = np.full(n_series, 1.2)
    for i in range(n_steps * inner):
        then = x[i]
        now = now + (0.2 * then / (1 + then**10) - 0.1 * now) / inner
        x[n_past + i] = now
    series = np.tanh(x[n_past + inner - 1 :: inner].T - 1)
    return series - series.mean(axis=1, keepdims=True)


def lorenz(n_series, n_steps, seed=0, dt=0.05):
    """
    The first variable of the Lorenz equations (sigma 10, rho 28, beta 8/3).

    Parameters
    ----------
    n_series, n_steps : int
        Number and length of the series.
    seed : int
        Seed of where they start; 10 s are left out.
    dt : float
        A step in the equations' time.

    Returns
    -------
    series : ndarray of shape (n_series, n_steps)
        Each less its mean, over its standard deviation.

    References
    ----------
    Lorenz, "Deterministic nonperiodic flow", 1963.
    """
    start = np.random.RandomState(seed).uniform(-10, 10, (3, n_series))
    start[2] += 25

    def slope(_t, state):
        x, y, z = state.reshape(3, n_series)
        return np.ravel([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    t = 10 + dt * np.arange(n_steps)
    solved = solve_ivp(slope, (0, t[-1]), start.ravel(), "DOP853", t, rtol=1e-8, atol=1e-8)
    series = solved.y.reshape(3, n_series, n_steps)[0]
    return (series - series.mean(axis=1, keepdims=True)) / series.std(axis=1, keepdims=True)
