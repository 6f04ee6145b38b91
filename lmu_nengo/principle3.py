"""Principle 3 of the Neural Engineering Framework: dynamics through a synapse.

A recurrent connection between neurons has a synapse in it. Principle 3 finds the
matrices to put on the recurrent and the input connection so that synapse and matrices
together make the wanted dynamics.

Source: Voelker and Eliasmith, "Improving Spiking Dynamical Networks: Accurate Delays,
Higher-Order Synapses, and Time Cells", Neural Computation 2018, section 3.
"""

import numpy as np

from lmu_nengo.validation import check_positive


def lowpass_principle3(Ad, Bd, tau: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Map a discrete state space onto a first-order lowpass synapse, exactly for any dt.

    The synapse, in steps, is ``x[t] = a x[t-1] + (1 - a) s[t-1]`` with
    ``a = exp(-dt / tau)``. Driving it with ``s = recurrent x + input u`` gives
    ``x[t] = Ad x[t-1] + Bd u[t-1]`` if

        ``recurrent = (Ad - a I) / (1 - a)`` and ``input = Bd / (1 - a)``.

    Parameters
    ----------
    Ad : array_like of shape (order, order)
        Discrete state matrix.
    Bd : array_like of shape (order, size_in)
        Discrete input matrix.
    tau : float
        Time constant of the synapse in seconds, above 0.
    dt : float
        Step in seconds, above 0.

    Returns
    -------
    recurrent : ndarray of shape (order, order)
        Matrix for the recurrent connection.
    input : ndarray of shape (order, size_in)
        Matrix for the input connection, which has the same synapse.

    Raises
    ------
    ValidationError
        If ``tau`` or ``dt`` is not above 0.
    """
    tau = check_positive(tau, "tau")
    dt = check_positive(dt, "dt")
    a = np.exp(-dt / tau)
    return (Ad - a * np.eye(len(Ad))) / (1 - a), np.asarray(Bd) / (1 - a)
