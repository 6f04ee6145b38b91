"""A closed-loop forecaster: a Legendre memory, neurons that each see one point of its
window, and a read-out by ridge regression."""

from typing import NamedTuple

import numpy as np

from experiments.mackey_glass._chaos import smape
from lmu_nengo import delay_decoders
from lmu_nengo.signal import discretize, simulate, state_space

# the same for all series, chosen by `validate`; units for each point of the window
SETTINGS = {"order": 16, "units": 8, "scale": 1.0, "ridge": 1e-9}
IN_SPIKES = {"order": 8, "units": 8, "scale": 1.0, "ridge": 1e-7}
WASHOUT = 45  # points, 0.6 Lyapunov times, as for NeuroBench's echo state network
WINDOWS = (6, 8, 10, 12, 14, 16, 18, 20, 24)  # points
# validation: forecasts from here to the end of the first training half
STARTS, N_VALIDATED = (400, 460, 520), 225


class Forecaster(NamedTuple):
    """
    A forecaster: ``m' = A m + B u``, ``h = tanh(W m' + b)``, ``u' = u + c [1 m' u h]``.

    The memory is in coordinates in which it holds values of its window, at evenly
    spaced delays, so that each row of ``W`` has one weight that is not zero.

    Attributes
    ----------
    A, B, W, b, c : ndarray
        Weights.
    mean, deviation : float
        Of the training data, which are standardized.
    memory : ndarray of shape (order,)
        State after the training data.
    """

    A: np.ndarray
    B: np.ndarray
    W: np.ndarray
    b: np.ndarray
    c: np.ndarray
    mean: float
    deviation: float
    memory: np.ndarray

    def forecast(self, first, n_steps):
        """
        Continue a series from its first value after the training data.

        Parameters
        ----------
        first : float
            That value. All later inputs are forecasts.
        n_steps : int
            Number of values.

        Returns
        -------
        values : ndarray of shape (n_steps,)
            Forecasts of the values after ``first``.
        """
        m, u = self.memory, (first - self.mean) / self.deviation
        values = np.empty(n_steps)
        with np.errstate(all="ignore"):  # a forecast may leave the series for ever
            for i in range(n_steps):
                m = self.A @ m + self.B * u
                features = np.concatenate([[1], m, [u], np.tanh(self.W @ m + self.b)])
                u = values[i] = u + self.c @ features
        return self.mean + self.deviation * values


def window_memory(window, order):
    """
    Memory of a window in points, in coordinates of the window's values.

    Parameters
    ----------
    window : float
        Length of the window in points.
    order : int
        Order of the memory.

    Returns
    -------
    A, B : ndarray of shape (order, order) and (order,)
        Discrete state space; its state approximates the input at ``order`` delays,
        evenly spaced from 0 to ``window``.
    """
    A, B = discretize(*state_space(float(window), order), dt=1.0)
    read = delay_decoders(order, np.linspace(0, 1, order))
    return np.linalg.solve(read.T, (read @ A).T).T, (read @ B)[:, 0]


def neurons(order, units, scale, seed):
    """
    Weights and biases of neurons whose thresholds are spread over a point's values.

    Parameters
    ----------
    order : int
        Number of points.
    units : int
        Neurons for each.
    scale : float
        Size of the weights, for values with a standard deviation of 1.
    seed : int
        Seed of signs and thresholds.

    Returns
    -------
    W, b : ndarray of shape (order * units, order) and (order * units,)
        Weights and biases.
    """
    rng = np.random.RandomState(seed)
    sign = rng.choice([-1, 1], size=(order, units))
    threshold = -2.5 + 4 * (np.arange(units) + rng.rand(order, units)) / units
    W = np.zeros((order, units, order))
    W[np.arange(order), :, np.arange(order)] = scale * sign
    return W.reshape(-1, order), np.ravel(-scale * sign * threshold)


def delay_line(window):
    """State space of the last values, the newest first, as `window_memory` returns it."""
    return np.eye(window, k=-1), np.eye(window)[0]


def fit(series, window, seed, line=False, **settings):
    """
    Fit a forecaster in closed form.

    Parameters
    ----------
    series : ndarray of shape (n_points,)
        Training data.
    window : float
        Length of the memory's window in points.
    seed : int
        Seed of the neurons.
    line : bool
        Whether the memory is a delay line of the window's values, however many.
    **settings
        In place of `SETTINGS`: the arguments of `window_memory` and `neurons`, and the
        strength of the ridge regression, relative to the number of points.

    Returns
    -------
    forecaster : Forecaster
        What was fitted.
    """
    mean, deviation = series.mean(), series.std()
    u = (series - mean) / deviation
    settings = SETTINGS | settings
    A, B = delay_line(window) if line else window_memory(window, settings["order"])
    W, b = neurons(len(A), settings["units"], settings["scale"], seed)
    states = simulate(A, B[:, None], u[:, None])
    seen = np.hstack([states, u[:, None]])[WASHOUT:-1]
    c = regress(seen, W, b, np.diff(u[WASHOUT:]), settings["ridge"])
    return Forecaster(A, B, W, b, c, mean, deviation, states[-1])


def regress(seen, W, b, change, ridge=SETTINGS["ridge"]):
    """
    Fit the read-out by ridge regression.

    Parameters
    ----------
    seen : ndarray of shape (n_points, order + 1)
        State of the memory, and input.
    W, b : ndarray
        Of the neurons.
    change : ndarray of shape (n_points,)
        Next input less this one.
    ridge : float
        Strength, relative to the number of points.

    Returns
    -------
    c : ndarray
        Weights of a one, the state, the input and the neurons.
    """
    hidden = np.tanh(seen[:, :-1] @ W.T + b)
    features = np.hstack([np.ones((len(seen), 1)), seen, hidden])
    penalty = ridge * len(features) * np.eye(features.shape[1])
    return np.linalg.solve(features.T @ features + penalty, features.T @ change)


def validate(series, window, seed=0, fit=fit, **settings):
    """
    Geometric mean of the errors of forecasts within the training data.

    Parameters
    ----------
    series : ndarray of shape (n_points,)
        Training data of the first repetition, which no repetition tests.
    window : float
        As for `fit`.
    seed : int
        As for `fit`.
    fit : function
        In place of `fit`: returns an object with ``forecast``.
    **settings
        As for `fit`.

    Returns
    -------
    error : float
        sMAPE over three Lyapunov times at most. The geometric mean weighs what grows
        exponentially alike at all stages.
    """
    errors = []
    for start in STARTS:
        wanted = series[start + 1 : start + 1 + N_VALIDATED]
        made = fit(series[:start], window, seed, **settings)
        errors.append(smape(made.forecast(series[start], len(wanted)), wanted))
    return float(np.exp(np.mean(np.log(errors))))


def choose_window(series, windows=WINDOWS, **settings):
    """
    Length of the window with the smallest error in validation.

    Parameters
    ----------
    series : ndarray of shape (n_points,)
        As for `validate`.
    windows : iterable of float
        Candidates.
    **settings
        As for `validate`.

    Returns
    -------
    window : float
        The best one.
    """
    return min(windows, key=lambda window: validate(series, window, **settings))
