"""Windows and orders to choose from, and how an order follows from the data alone."""

import numpy as np

from lmu_nengo.estimators.series import end_coefficients
from lmu_nengo.signal.legendre import delay_decoders

ORDERS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
KEPT = 0.9  # share of the window's variance that an order keeps, if nothing else decides
SHORTEST_WINDOW = 8  # steps
SHARE = 8  # of a series' length that the longest window for forecasts takes


def orders_for(n_steps):
    """Orders to choose from; a short window may be kept completely."""
    longest = min(n_steps, ORDERS[-1])
    return sorted({longest, *(order for order in ORDERS if order <= n_steps)})


def windows_for(n_steps, horizon):
    """Window lengths in steps to forecast a series of this many steps."""
    longest = max(n_steps / SHARE, 1)
    shortest = min(max(SHORTEST_WINDOW, 2 * horizon), longest)
    n = int(2 * np.log2(longest / shortest)) + 1
    return [round(longest / 2 ** (i / 2)) for i in range(n)]


def order_that_keeps(x, theta, dt, kept=KEPT):
    """
    Find the lowest order that keeps a share of the variance of the windows.

    Parameters
    ----------
    x : ndarray of shape (n, n_steps, n_channels)
        Standardized series.
    theta, dt : float
        Length of the window and of a step in seconds.
    kept : float
        The share.

    Returns
    -------
    order : int
        One of `ORDERS`, the last one at most.
    """
    n_window = min(round(theta / dt), x.shape[1])
    window = x[:, ::-1][:, :n_window].transpose(0, 2, 1)  # the latest value first
    points = np.minimum((np.arange(n_window) + 0.5) * dt / theta, 1)
    power = np.sum(window**2)
    for order in orders_for(max(1, round(theta / dt))):
        m = end_coefficients(x, theta, order, dt).reshape(*window.shape[:2], order)
        if (
            np.sum((m @ delay_decoders(order, points).T - window) ** 2)
            <= (1 - kept) * power
        ):
            break
    return order
