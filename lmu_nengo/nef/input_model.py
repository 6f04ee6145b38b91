"""A model of the input that a memory will get, and of the states that follow from it."""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import (
    check_array,
    check_integer,
    check_memory,
    check_positive,
    check_state_space,
)
from lmu_nengo._warnings import warn
from lmu_nengo.signal.discretization import impulse_response, simulate
from lmu_nengo.signal.legendre import delay_error, order_for

WINDOWS = 20  # length of the simulated signal, in windows
MIN_STEPS = 6000  # and in steps, at least
MAX_STEPS = 400_000  # of recorded data that are used
SEED = 5077  # of the simulated signal; no test or experiment has it
SIGMAS = 3.5  # a Gaussian signal exceeds this 0.05% of the time
STARTS = 32  # of the signal with an empty memory, at different places
START_WINDOWS = 2  # that follow each of them
UNTOLD_RMS = 0.3  # of noise that seldom leaves [-1, 1]: a third of the radius
HEADROOM = 1.1  # range over the largest magnitude in recorded data, at least
SPREADS = 5.0  # of the maxima in its parts, which other data may exceed the mean by
MIN_PARTS = 8  # sequences that are parts themselves
SLOPE = 2.0  # the bound for untold inputs lets frequencies up to this multiple through
RESPONSE_WINDOWS = 8  # length of the impulse response, in windows
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
        duration = check_positive(duration, "duration", obj=type(self))
        dt = check_positive(dt, "dt", obj=type(self))
        high = min(max(self.frequency, 2 / duration), 0.5 / dt)
        return nengo.processes.WhiteSignal(duration, high, rms=self.rms, y0=0, seed=SEED)


class Recording:
    """
    An expected input: recorded data of all channels of a memory.

    `lmu_nengo.Spiking` makes it of an array.

    Parameters
    ----------
    data : array_like of shape (n_sequences, n_steps, size) or (n_steps, size)
        Sequences, each of which starts with an empty memory.

    Attributes
    ----------
    data : ndarray of shape (n_sequences, n_steps, size)
        The same, which cannot be changed. At most 400,000 steps are kept, of sequences
        that are spread evenly.

    Raises
    ------
    ValidationError
        If the data are not finite numbers, are all zero, or have another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.nef import Recording
    >>> Recording(np.ones((5000, 2)))
    Recording of 1 sequence of 5000 steps, size 2
    """

    def __init__(self, data: ArrayLike):
        data = np.array(check_array(data, "expected_input", (...,)))
        if data.ndim == 2:
            data = data[None]
        if data.ndim != 3:
            raise ValidationError(
                "must be of shape (n_sequences, n_steps, size) or (n_steps, size), got an "
                f"array of shape {data.shape}.",
                attr="expected_input",
            )
        if not data.any():
            raise ValidationError(
                "must not be all zero. Pass data that the memory will get.",
                attr="expected_input",
            )
        self.data = data[kept_sequences(*data.shape[:2]), :MAX_STEPS]
        self.data.flags.writeable = False

    @property
    def size(self) -> int:
        """Number of channels."""
        return self.data.shape[2]

    def channel(self, index: int) -> "Recording | None":
        """Return the data of one channel, or None if they are all zero."""
        n_channels = self.data.shape[2]
        check_integer(index, "index", low=0, high=n_channels - 1, obj=type(self))
        data = self.data[:, :, index : index + 1]
        return Recording(data) if data.any() else None

    def __repr__(self):
        n, n_steps, size = self.data.shape
        sequences = "sequence" if n == 1 else "sequences"
        return f"Recording of {n} {sequences} of {n_steps} steps, size {size}"


def kept_sequences(n_sequences, n_steps):
    """Indices of as many sequences as are used of recorded data, spread evenly."""
    n_kept = int(np.clip(MAX_STEPS // n_steps, 1, n_sequences))
    return np.linspace(0, n_sequences - 1, n_kept).round().astype(int)


def as_expected_input(value, obj=None):
    """Return a valid expected input, an array as `Recording`, or raise ValidationError."""
    is_filter = isinstance(value, nengo.synapses.Synapse)  # a process that needs an input
    is_input = isinstance(value, Band | nengo.Process | Recording) and not is_filter
    if value is None or is_input:
        return value
    if isinstance(value, np.ndarray | list | tuple):
        return Recording(value)
    raise ValidationError(
        "must be Band(frequency, rms), a nengo.Process of size 1, an array of shape "
        f"(n_sequences, n_steps, size) or (n_steps, size), or None, got {value!r}.",
        attr="expected_input",
        obj=obj,
    )


class InputModel:
    """
    A simulated input of one channel, and the states of the memory under it.

    Parameters
    ----------
    expected_input : Band or nengo.Process or Recording or array_like or None
        What one channel will get. ``None`` is any signal within the radius, of
        frequencies up to ``order / (6 theta)`` Hz.
    theta : float
        Length of the window in seconds.
    Ad, Bd : ndarray of shape (order, order) and (order, 1)
        Discrete state space of the memory.
    dt : float
        Time step in seconds.
    radius : float
        Largest magnitude of the input if ``expected_input`` is None.

    Attributes
    ----------
    u : ndarray of shape (n_steps, 1)
        Twenty windows of the input, or recorded sequences one after the other.
    m : ndarray of shape (n_steps, order)
        The state under it, Legendre coefficients.
    settled : ndarray of shape (fewer steps, order)
        The same without the first two windows; all of it for recorded data.
    covariance : ndarray of shape (order, order)
        Mean of ``m m^T``, with a thousandth of the power spread over all frequencies.
    frequency : float
        Highest frequency in Hz; for a process or data, 99% of the power lies below it.
    is_band : bool
        Whether the input is noise up to a highest frequency. Without an expected input it
        is such noise, with an rms of 0.3 of the radius.
    is_told : bool
        Whether there is an expected input.
    is_recorded : bool
        Whether it is recorded data, in ``n_sequences`` sequences.

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
        expected_input: Band | nengo.Process | Recording | ArrayLike | None,
        theta: float,
        Ad: np.ndarray,
        Bd: np.ndarray,
        dt: float,
        radius: float = 1.0,
    ):
        self.theta = theta = check_positive(theta, "theta", obj=type(self))
        self.dt = dt = check_positive(dt, "dt", obj=type(self))
        self.radius = check_positive(radius, "radius", "the input's unit", obj=type(self))
        self.Ad, self.Bd = Ad, Bd = check_state_space(Ad, Bd, n_inputs=1)
        shape = STARTS, round(START_WINDOWS * theta / dt), len(Ad)
        check_memory(shape, "states", "theta", "Use a shorter theta or a longer dt.")
        expected_input = as_expected_input(expected_input)
        self.is_told = expected_input is not None
        if not self.is_told:
            expected_input = Band(len(Ad) / (6 * theta), UNTOLD_RMS * radius)
        self.is_band = isinstance(expected_input, Band)
        self.is_recorded = isinstance(expected_input, Recording)
        sequences = self._sequences(expected_input)
        self.n_sequences = len(sequences)
        self.u = sequences.reshape(-1, 1)
        m = simulate_sequences(Ad, Bd, sequences)
        self.m = m.reshape(-1, len(Ad))
        self.settled = self.m if self.is_recorded else self.m[round(2 * theta / dt) :]
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
            self.frequency = highest_frequency(sequences, dt)
            power = np.mean(self.u**2)
            self.covariance = self.settled.T @ self.settled / len(self.settled)
        everything = band_covariance(Ad, Bd, 0.5 / dt, dt)
        self.covariance += NOISE_FLOOR * power * everything
        if self.is_told:
            warn_if_too_fast(self.frequency, theta, len(Ad))

    def _sequences(self, expected_input):
        """The input, of shape (n_sequences, n_steps)."""
        if self.is_recorded:
            if expected_input.size != 1:
                raise ValidationError(
                    f"must be of size 1 for one channel, got {expected_input!r}.",
                    attr="expected_input",
                )
            return expected_input.data[:, :, 0]
        duration = max(WINDOWS * self.theta, MIN_STEPS * self.dt)
        process = expected_input
        if self.is_band:
            process = expected_input.process(duration, self.dt)
        rng = np.random.RandomState(SEED if process.seed is None else process.seed)
        return process.run(duration, d=1, dt=self.dt, rng=rng).T

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
            Without an expected input, a bound that no signal within the radius and of
            these frequencies exceeds (see `largest_response`). Otherwise the largest
            magnitude in the simulation, which begins with a state of zero. For a band, the
            signal also starts at other places, and magnitudes are at least three and a
            half standard deviations. For recorded data, which are only a
            sample, they are at least a tenth larger, three and a half times the root mean
            square, and five standard deviations above the mean of the largest magnitudes
            in each sequence, or in parts of a long one.
        """
        transform = check_array(transform, "transform", ("size", len(self.Ad)))
        if not self.is_told:
            bound = largest_response(
                self.Ad, self.Bd, transform, self.frequency, self.theta, self.dt
            )
            return self.radius * bound
        order = len(self.Ad)
        magnitudes = np.abs(self.m @ transform.T).max(axis=0)
        if self.is_band:
            variances = np.einsum("ij,jk,ik->i", transform, self.covariance, transform)
            onsets = np.abs(self._onsets() @ transform.T).max(axis=(0, 1))
            magnitudes = np.max([magnitudes, onsets, SIGMAS * np.sqrt(variances)], axis=0)
        elif self.is_recorded:
            is_long = self.n_sequences < MIN_PARTS
            parts = (
                self._onsets() if is_long else self.m.reshape(self.n_sequences, -1, order)
            )
            maxima = np.abs(parts @ transform.T).max(axis=1)
            other = maxima.mean(axis=0) + SPREADS * maxima.std(axis=0)
            largest = np.maximum(magnitudes, maxima.max(axis=0))
            rms = np.sqrt(np.mean((self.m @ transform.T) ** 2, axis=0))
            magnitudes = np.max([HEADROOM * largest, other, SIGMAS * rms], axis=0)
        return magnitudes

    def _onsets(self):
        """States (n, n_steps, order) after the signal begins, at different places of it."""
        u = self.u[:, 0]
        starts = np.linspace(0, len(u) - 1, STARTS, dtype=int)[:, None]
        steps = np.arange(min(round(START_WINDOWS * self.theta / self.dt), len(u)))
        return simulate_sequences(self.Ad, self.Bd, u[(starts + steps) % len(u)])


def simulate_sequences(Ad, Bd, sequences):
    """States (n_sequences, n_steps, order) under inputs (n_sequences, n_steps)."""
    if len(sequences) == 1:
        return simulate(Ad, Bd, sequences[0][:, None])[None]
    m = sequences.T[:, :, None] * Bd[:, 0]
    transposed = np.ascontiguousarray(Ad.T)
    for t in range(1, len(m)):
        m[t] += m[t - 1] @ transposed
    return m.transpose(1, 0, 2)


def largest_response(
    Ad: np.ndarray,
    Bd: np.ndarray,
    transform: np.ndarray,
    frequency: float,
    theta: float,
    dt: float,
) -> np.ndarray:
    """
    Bound ``transform @ m`` under any input within [-1, 1] up to a highest frequency.

    A signal without higher frequencies is left as it is by every filter ``g`` that lets
    the band through. So ``x = h * u = (h * g) * u`` for the impulse response ``h``, and
    ``|x|`` is at most the sum of ``|h * g|``, whatever the signal. Here ``g`` falls from 1
    at the frequency to 0 at twice of it, as a cosine, which leaves some room for steps and
    pulses.

    Parameters
    ----------
    Ad, Bd : ndarray of shape (order, order) and (order, 1)
        Discrete state space of the memory.
    transform : ndarray of shape (size, order)
        Functions of the state.
    frequency : float
        Highest frequency in Hz.
    theta : float
        Length of the window in seconds.
    dt : float
        Time step in seconds.

    Returns
    -------
    bound : ndarray of shape (size,)
        Largest magnitudes.

    References
    ----------
    Desoer and Vidyasagar, "Feedback Systems: Input-Output Properties", 1975 (the sum of
    magnitudes is the gain from bounded inputs to bounded outputs).

    Examples
    --------
    The mean over the window of a signal within [-1, 1] is at most a little above 1:

    >>> import numpy as np
    >>> from lmu_nengo.nef import largest_response
    >>> from lmu_nengo.signal import discretize, state_space
    >>> Ad, Bd = discretize(*state_space(theta=1.0, order=6), dt=0.001)
    >>> largest_response(Ad, Bd, np.eye(6)[:1], 1.0, 1.0, 0.001).round(1)
    array([1.1])
    """
    Ad, Bd = check_state_space(Ad, Bd, n_inputs=1)
    transform = check_array(transform, "transform", ("size", len(Ad)))
    frequency = check_positive(frequency, "frequency", unit="Hz")
    theta, dt = check_positive(theta, "theta"), check_positive(dt, "dt")
    n_steps = max(1, round(RESPONSE_WINDOWS * theta / dt))
    advice = "Use a shorter theta or a longer dt."
    check_memory((n_steps, len(Ad)), "states", "theta", advice)
    response = impulse_response(Ad, Bd, n_steps) @ transform.T
    n_padded = 2 ** int(np.ceil(np.log2(2 * n_steps)))  # the filter is as long again
    spectrum = np.fft.rfft(response, n_padded, axis=0)
    frequencies = np.fft.rfftfreq(n_padded, dt)
    beyond = (frequencies / frequency - 1) / (SLOPE - 1)
    passed = 0.5 + 0.5 * np.cos(np.pi * np.clip(beyond, 0, 1))
    filtered = np.fft.irfft(spectrum * passed[:, None], n_padded, axis=0)
    return np.abs(filtered).sum(axis=0)


def warn_if_too_fast(frequency, theta, order):
    """Warn if a memory of this order cannot hold frequencies up to ``frequency`` Hz."""
    cycles = frequency * theta
    error = delay_error(order, cycles)
    if error > TOO_FAST:
        try:
            advice = f"Order {order_for(theta, frequency, TOO_FAST)} keeps it below"
        except ValidationError:
            advice = "A much higher order or a slower input is needed to keep it below"
        warn(
            f"The expected input reaches {frequency:.3g} Hz, {cycles:.3g} cycles in a "
            f"window of {theta:g} s. At order {order} the delay has an error of "
            f"{error:.0%} there. {advice} {TOO_FAST:.0%}."
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


def highest_frequency(sequences, dt):
    """Frequency in Hz below which 99% of the power of ``sequences`` (n, n_steps) lies."""
    n_steps = sequences.shape[1]
    spectrum = np.fft.rfft(sequences * np.hanning(n_steps), axis=1)
    power = np.cumsum(np.sum(np.abs(spectrum) ** 2, axis=0))
    return np.searchsorted(power, 0.99 * power[-1]) / (n_steps * dt)
