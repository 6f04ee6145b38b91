"""A model of the input that a memory will get, and of the states that follow from it."""

import warnings
from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_positive
from lmu_nengo.signal.discretization import simulate
from lmu_nengo.signal.legendre import delay_error, order_for

WINDOWS = 20  # length of the simulated signal, in windows
MIN_STEPS = 6000  # and in steps, at least
SIGMAS = 3.5  # a Gaussian signal exceeds this 0.05% of the time
NOISE_FLOOR = 1e-3  # share of the power: real signals are never noise-free
TOO_FAST = 0.1  # relative error at the highest frequency above which there is a warning


@dataclass(frozen=True)
class Band:
    """
    An expected input: noise of all frequencies up to a highest one.

    Parameters
    ----------
    frequency : float
        Highest frequency in Hz.
    rms : float
        Root mean square, in the input's unit.

    Raises
    ------
    ValidationError
        If an argument is not positive and finite.

    Examples
    --------
    >>> from lmu_nengo import Band, Spiking
    >>> Spiking(n_neurons=1000, expected_input=Band(frequency=2.0, rms=0.3)).expected_input
    Band(frequency=2.0, rms=0.3)
    """

    frequency: float
    rms: float

    def __post_init__(self):
        check_positive(self.frequency, "frequency", unit="Hz", obj=self)
        check_positive(self.rms, "rms", unit="the input's unit", obj=self)

    def process(self, duration: float, dt: float) -> nengo.processes.WhiteSignal:
        """Return white noise of this band that starts at zero and lasts ``duration`` s."""
        high = min(max(self.frequency, 2 / duration), 0.5 / dt)
        return nengo.processes.WhiteSignal(duration, high, rms=self.rms, y0=0, seed=0)


class InputModel:
    """
    A simulated input of one channel, and the states of the memory under it.

    Parameters
    ----------
    expected_input : Band or nengo.Process or None
        ``None`` is a band up to ``order / (6 theta)`` Hz with an rms of 0.3.
    theta : float
        Length of the window in seconds.
    Ad, Bd : ndarray of shape (order, order) and (order, 1)
        Discrete state space of the memory.
    dt : float
        Time step in seconds.

    Attributes
    ----------
    u : ndarray of shape (n_steps, 1)
        Twenty windows of the input.
    m : ndarray of shape (n_steps, order)
        The state under it, Legendre coefficients.
    settled : ndarray of shape (fewer steps, order)
        The same without the first two windows.
    covariance : ndarray of shape (order, order)
        Mean of ``m m^T``, with a thousandth of the power spread over all frequencies.
    frequency : float
        Highest frequency in Hz; for a process, 99% of the power lies below it.
    is_band : bool
        Whether the expected input is a band.

    Raises
    ------
    ValidationError
        If the signal is not of size 1 or not finite, or a coefficient stays constant.

    Examples
    --------
    >>> from lmu_nengo.nef import Band, InputModel
    >>> from lmu_nengo.signal import discretize, state_space
    >>> Ad, Bd = discretize(*state_space(theta=0.1, order=3), dt=0.001)
    >>> inputs = InputModel(Band(5.0, 0.3), 0.1, Ad, Bd, 0.001)
    >>> inputs.m.shape, inputs.frequency
    ((6000, 3), 5.0)
    """

    def __init__(
        self,
        expected_input: Band | nengo.Process | None,
        theta: float,
        Ad: np.ndarray,
        Bd: np.ndarray,
        dt: float,
    ):
        self.theta, self.dt = theta, dt
        is_given = expected_input is not None
        if not is_given:
            expected_input = Band(len(Ad) / (6 * theta), 0.3)
        self.is_band = isinstance(expected_input, Band)
        if not self.is_band and not isinstance(expected_input, nengo.Process):
            raise ValidationError(
                "must be Band(frequency, rms), a nengo.Process of size 1, or None, got "
                f"{expected_input!r}.",
                attr="expected_input",
            )
        duration = max(WINDOWS * theta, MIN_STEPS * dt)
        process = expected_input
        if self.is_band:
            process = expected_input.process(duration, dt)
        rng = np.random.RandomState(process.seed or 0)
        self.u = process.run(duration, d=1, dt=dt, rng=rng)
        self.m = simulate(Ad, Bd, self.u)
        self.settled = self.m[round(2 * theta / dt) :]
        if not np.all(np.isfinite(self.m)) or np.any(np.ptp(self.m, axis=0) == 0):
            raise ValidationError(
                f"{expected_input!r} gives coefficients between {self.m.min():g} and "
                f"{self.m.max():g}. All must be finite, and none may stay constant: pass a "
                "signal that changes within theta.",
                attr="expected_input",
            )
        if self.is_band:
            self.frequency = min(expected_input.frequency, 0.5 / dt)
            power = expected_input.rms**2
            self.covariance = power * band_covariance(Ad, Bd, self.frequency, dt)
        else:
            self.frequency = highest_frequency(self.u[:, 0], dt)
            power = np.mean(self.u**2)
            self.covariance = self.settled.T @ self.settled / len(self.settled)
        everything = band_covariance(Ad, Bd, 0.5 / dt, dt)
        self.covariance += NOISE_FLOOR * power * everything
        if is_given:
            warn_if_too_fast(self.frequency, theta, len(Ad))

    def largest(self, transform: np.ndarray) -> np.ndarray:
        """
        Return the largest expected magnitude of each row of ``transform @ m``.

        Parameters
        ----------
        transform : ndarray of shape (size, order)
            Functions of the state.

        Returns
        -------
        magnitudes : ndarray of shape (size,)
            The largest magnitude in the simulation, which begins with a state of zero; for
            a band at least three and a half standard deviations.
        """
        magnitudes = np.abs(self.m @ transform.T).max(axis=0)
        if self.is_band:
            variances = np.einsum("ij,jk,ik->i", transform, self.covariance, transform)
            magnitudes = np.maximum(magnitudes, SIGMAS * np.sqrt(variances))
        return magnitudes


def warn_if_too_fast(frequency, theta, order):
    """Warn if a memory of this order cannot hold frequencies up to ``frequency`` Hz."""
    cycles = frequency * theta
    error = delay_error(order, cycles)
    if error > TOO_FAST:
        try:
            advice = f"Order {order_for(theta, frequency, TOO_FAST)} keeps it below"
        except ValidationError:
            advice = "A much higher order or a slower input is needed to keep it below"
        warnings.warn(
            f"The expected input reaches {frequency:.3g} Hz, {cycles:.3g} cycles in a "
            f"window of {theta:g} s. At order {order} the delay has an error of "
            f"{error:.0%} there. {advice} {TOO_FAST:.0%}.",
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
