"""Mackey-Glass series of NeuroBench's benchmark, by its recipe."""

import numpy as np

# Lyapunov time and constant past by tau, of the parameters that NeuroBench published
SERIES = {
    17: (197, 0.7206597),
    18: (138, 0.7744313),
    19: (315, 0.7783468),
    20: (131, 0.9225991),
    21: (191, 0.9479431),
    22: (119, 0.5455960),
    23: (106, 0.8622247),
    24: (97, 0.3259660),
    25: (98, 0.8297825),
    26: (104, 1.0033490),
    27: (112, 0.6491406),
    28: (119, 1.0957495),
    29: (131, 0.9256179),
    30: (139, 0.2713639),
}
PER_LYAPUNOV_TIME = 75  # points
N_TRAIN = N_TEST = 10 * PER_LYAPUNOV_TIME
N_REPETITIONS = 30  # each starts half a Lyapunov time later
N_POINTS = 15 * PER_LYAPUNOV_TIME + N_TRAIN + N_TEST + 1


def offset(repetition):
    """First point of a repetition."""
    return int(repetition * PER_LYAPUNOV_TIME / 2)


def step_length(tau):
    """Time between two points."""
    return SERIES[tau][0] / PER_LYAPUNOV_TIME


def generate(tau, n_points=N_POINTS):
    """
    Integrate ``x' = 0.2 y / (1 + y^10) - 0.1 x``, where ``y`` is ``x`` a time ``tau`` ago.

    The integrator is NeuroBench's, jitcdde with its default tolerances; the first point is
    at the time ``tau``, when the constant past has left the equation.

    Parameters
    ----------
    tau : int
        A key of `SERIES`.
    n_points : int
        Number of points, 75 for each Lyapunov time.

    Returns
    -------
    series : ndarray of shape (n_points,)
        The values. The series is chaotic: other machines and tolerances give others after
        some ten Lyapunov times.
    """
    from jitcdde import jitcdde, t, y

    dde = jitcdde([0.2 * y(0, t - tau) / (1 + y(0, t - tau) ** 10) - 0.1 * y(0)])
    dde.constant_past([SERIES[tau][1]])
    dde.step_on_discontinuities()
    times = dde.t + step_length(tau) * np.arange(n_points)
    return np.array([dde.integrate(time)[0] for time in times])


def smape(prediction, target):
    """
    Symmetric mean absolute percentage error, between 0 and 200.

    Parameters
    ----------
    prediction, target : ndarray
        Values; the error is 200 if a prediction is not finite.

    Returns
    -------
    error : float
        ``200 mean(|p - t| / (|p| + |t|))``.

    Examples
    --------
    >>> from experiments.mackey_glass._chaos import smape
    >>> smape([1.0, 3.0], [1.0, 1.0])
    50.0
    """
    prediction, target = np.asarray(prediction), np.asarray(target)
    with np.errstate(all="ignore"):
        size = np.abs(prediction) + np.abs(target)
        error = 200 * np.mean(np.abs(prediction - target) / size)
    return float(error) if np.isfinite(error) else 200.0
