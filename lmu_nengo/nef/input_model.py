"""What a memory is expected to see: its input, and the states that follow from it."""

import warnings
from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_positive
from lmu_nengo.signal.discretization import simulate
from lmu_nengo.signal.legendre import delay_error, order_for

WINDOWS = 20  # windows of a signal that are looked at
MIN_STEPS = 6000  # and steps, at least
SIGMAS = 3.5  # a Gaussian signal is beyond this 0.05% of the time
FLOOR = 1e-3  # power of all frequencies beside the signal's: nothing real is without
TOO_FAST = 0.1  # relative error at the highest frequency from which on there is a warning


@dataclass(frozen=True)
class Band:
    """
    Noise of all frequencies up to one.

    Parameters
    ----------
    frequency : float
        Highest frequency in Hz.
    rms : float
        Root mean square, in the input's unit.
    """

    frequency: float
    rms: float

    def __post_init__(self):
        check_positive(self.frequency, "frequency", unit="Hz", obj=self)
        check_positive(self.rms, "rms", unit="the input's unit", obj=self)

    def process(self, duration, dt):
        """White noise of this band that starts at zero and lasts ``duration`` seconds."""
        high = min(max(self.frequency, 2 / duration), 0.5 / dt)
        return nengo.processes.WhiteSignal(duration, high, rms=self.rms, y0=0, seed=0)


class Expected:
    """
    Input of one channel, and the states of the memory under it.

    Parameters
    ----------
    expected_input : Band or nengo.Process or None
        ``None`` is a band up to ``order / (6 theta)`` Hz with an rms of 0.3.
    memory : LegendreMemory
        Gives window, order and step.
    Ad, Bd : ndarray of shape (order, order) and (order, 1)
        Its discrete state space.

    Attributes
    ----------
    u : ndarray of shape (n_steps, 1)
        Twenty windows of the input.
    m : ndarray of shape (n_steps, order)
        Legendre coefficients under it.
    settled : ndarray of shape (n_steps - some, order)
        The same without the first two windows.
    covariance : ndarray of shape (order, order)
        Mean of ``m m^T``, with a thousandth of the power spread over all frequencies.
    frequency : float
        Highest frequency in Hz; for a process, 99% of the power lies below.
    memory : LegendreMemory
        The memory.

    Raises
    ------
    ValidationError
        If the signal is not of size 1, not finite, or leaves a coefficient unmoved.
    """

    def __init__(self, expected_input, memory, Ad, Bd):
        is_given = expected_input is not None
        if not is_given:
            expected_input = Band(memory.order / (6 * memory.theta), 0.3)
        self.memory = memory
        self.is_band = isinstance(expected_input, Band)
        if not self.is_band and not isinstance(expected_input, nengo.Process):
            raise ValidationError(
                f"got {expected_input!r}, expected Band(frequency, rms), a nengo.Process "
                "of size 1, or None.",
                attr="expected_input",
            )
        duration = max(WINDOWS * memory.theta, MIN_STEPS * memory.dt)
        process = expected_input
        if self.is_band:
            process = expected_input.process(duration, memory.dt)
        rng = np.random.RandomState(process.seed or 0)
        self.u = process.run(duration, d=1, dt=memory.dt, rng=rng)
        self.m = simulate(Ad, Bd, self.u)
        self.settled = self.m[round(2 * memory.theta / memory.dt) :]
        if not np.all(np.isfinite(self.m)) or np.any(np.ptp(self.m, axis=0) == 0):
            raise ValidationError(
                f"{expected_input!r} gives coefficients between {self.m.min():g} and "
                f"{self.m.max():g}; each must be finite and move. Expect a signal that "
                "changes within theta.",
                attr="expected_input",
            )
        if self.is_band:
            self.frequency = min(expected_input.frequency, 0.5 / memory.dt)
            power = expected_input.rms**2
            self.covariance = power * band_covariance(Ad, Bd, self.frequency, memory.dt)
        else:
            self.frequency = highest_frequency(self.u[:, 0], memory.dt)
            power = np.mean(self.u**2)
            self.covariance = self.settled.T @ self.settled / len(self.settled)
        everything = band_covariance(Ad, Bd, 0.5 / memory.dt, memory.dt)
        self.covariance += FLOOR * power * everything
        if is_given:
            warn_if_too_fast(self.frequency, memory)

    def dimensions(self, coordinates, state_d=None, obj=None):
        """
        Number of dimensions that neurons have to hold.

        Parameters
        ----------
        coordinates : {"balanced", "legendre", "principal"}
            What the dimensions are.
        state_d : int, optional
            The number, if it is given.
        obj : object, optional
            Named in the error.

        Returns
        -------
        state_d : int
            In Legendre coordinates, or for an expected process, the order; for a band a
            few more than a window of it has degrees of freedom, at most the order.

        Raises
        ------
        ValidationError
            If the given number is above the order.
        """
        order = self.memory.order
        if state_d is None:
            if coordinates == "legendre" or not self.is_band:
                return order
            return min(order, int(np.ceil(2.2 * self.frequency * self.memory.theta)) + 5)
        if state_d > order:
            raise ValidationError(
                f"got {state_d}, expected at most the order, {order}.",
                attr="state_d",
                obj=obj,
            )
        return state_d

    def magnitudes(self, transform):
        """
        Largest expected magnitude of each row of ``transform @ m``.

        Parameters
        ----------
        transform : ndarray of shape (size, order)
            What is looked at.

        Returns
        -------
        magnitudes : ndarray of shape (size,)
            The largest seen in twenty windows, which begin with a state of zero; for a
            band at least three and a half standard deviations.
        """
        magnitudes = np.abs(self.m @ transform.T).max(axis=0)
        if self.is_band:
            variances = np.einsum("ij,jk,ik->i", transform, self.covariance, transform)
            magnitudes = np.maximum(magnitudes, SIGMAS * np.sqrt(variances))
        return magnitudes


def warn_if_too_fast(frequency, memory):
    """Warn if the memory's order cannot hold frequencies up to ``frequency`` Hz."""
    cycles = frequency * memory.theta
    error = delay_error(memory.order, cycles)
    if error > TOO_FAST:
        try:
            fits = f"order {order_for(memory.theta, frequency, TOO_FAST)}"
        except ValidationError:
            fits = "a much higher one, or a slower input,"
        warnings.warn(
            f"the expected input reaches {frequency:.3g} Hz, {cycles:.3g} cycles in a "
            f"window of {memory.theta:g} s. Order {memory.order} errs there by "
            f"{error:.0%}; {fits} would err by less than {TOO_FAST:.0%}.",
            stacklevel=2,
        )


def band_covariance(Ad, Bd, frequency, dt):
    """Covariance (order, order) of the state under unit noise up to ``frequency`` Hz."""
    order = len(Ad)
    # enough points for responses as narrow as the damping of the slowest mode
    damping = -np.log(np.abs(np.linalg.eigvals(Ad)).max()) / dt
    n_points = int(np.clip(40 * frequency / max(damping, 1e-9), 200, 5000))
    w = 2 * np.pi * frequency * (np.arange(n_points) + 0.5) / n_points
    z = np.exp(1j * w * dt)[:, None, None]
    states = np.linalg.solve(
        np.eye(order) - Ad / z, np.broadcast_to(Bd, (n_points, *Bd.shape))
    )
    states = states[:, :, 0]
    return (states.T @ states.conj()).real / n_points


def highest_frequency(u, dt):
    """Frequency in Hz below which 99% of the power of ``u`` lies."""
    power = np.cumsum(np.abs(np.fft.rfft(u * np.hanning(len(u)))) ** 2)
    return np.searchsorted(power, 0.99 * power[-1]) / (len(u) * dt)
