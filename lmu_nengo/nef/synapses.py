"""Synapses with a pure delay, and what a synapse on a connection computes."""

from collections.abc import Callable

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import NumberParam
from nengo.utils.numpy import is_number

from lmu_nengo._nengo import synapse_state_space
from lmu_nengo._validation import check_non_negative, check_positive


class DelayedLowpass(nengo.synapses.Synapse):
    """
    First-order lowpass after a pure delay, such as an axon's.

    Parameters
    ----------
    tau : float
        Time constant in seconds.
    delay : float
        Delay in seconds, rounded to whole time steps. It comes on top of the one step
        that any connection with a synapse takes.

    Raises
    ------
    ValidationError
        If ``tau`` is not positive, or ``delay`` is negative.

    Examples
    --------
    >>> from lmu_nengo import Spiking
    >>> from lmu_nengo.nef import DelayedLowpass
    >>> Spiking(n_neurons=1000, synapse=DelayedLowpass(tau=0.1, delay=0.005)).synapse
    DelayedLowpass(tau=0.1, delay=0.005)
    """

    tau = NumberParam("tau", low=0, low_open=True)
    delay = NumberParam("delay", low=0)

    def __init__(self, tau: float, delay: float):
        super().__init__()
        self.tau = check_positive(tau, "tau", obj=self)
        self.delay = check_non_negative(delay, "delay", obj=self)

    def make_state(
        self, shape_in: tuple, shape_out: tuple, dt: float, dtype=None, y0: float = 0
    ) -> dict:
        """Return the filter's state, a ring buffer of past values, and the place in it."""
        state = nengo.Lowpass(self.tau).make_state(shape_in, shape_out, dt, dtype, y0)
        buffer = np.zeros((round(self.delay / dt), *shape_in), dtype=state["X"].dtype)
        buffer[...] = y0
        return {**state, "buffer": buffer, "place": np.zeros(1, dtype=np.int64)}

    def make_step(
        self, shape_in: tuple, shape_out: tuple, dt: float, rng, state: dict
    ) -> Callable:
        """Return a function that filters the value of ``delay`` seconds ago."""
        buffer, place = state["buffer"], state["place"]
        lowpass = nengo.Lowpass(self.tau).make_step(
            shape_in, shape_out, dt, rng, {"X": state["X"]}
        )

        def step(t, x):
            if len(buffer):
                late = buffer[place[0]].copy()
                buffer[place[0]] = x
                place[0] = (place[0] + 1) % len(buffer)
                x = late
            return lowpass(t, x)

        return step

    def make_jax_step(self, shape_in: tuple, shape_out: tuple, dt: float) -> Callable:
        """Do the same in `lmu_nengo.engine`."""
        A, B, C, D = synapse_state_space(nengo.Lowpass(self.tau), dt)
        a, b, d = A.sum(), (C @ B).sum(), D.item()  # 0 if there is no state

        def step(t, x, X, buffer, place):
            if len(buffer):
                late = buffer[place[0]]
                buffer = buffer.at[place[0]].set(x)
                x, place = late, (place + 1) % len(buffer)
            X = a * X + b * x
            return X.sum(axis=0) + d * x, {"X": X, "buffer": buffer, "place": place}

        return step


def discrete_synapse(
    synapse: float | nengo.synapses.Synapse, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """
    Transfer function in z^-1 of a synapse on a Nengo connection.

    It contains the one step that a connection with a synapse takes, so ``num[0]`` is 0.
    Nengo delays by another step a filter that passes its input on at once, such as
    ``nengo.LinearFilter([1], [tau, 1], method="bilinear")``.

    Parameters
    ----------
    synapse : float or nengo.synapses.Synapse
        Lowpass time constant in seconds (0 is one step), `nengo.LinearFilter` (analog or
        not, so also `nengo.Lowpass` and `nengo.Alpha`) or `DelayedLowpass`.
    dt : float
        Time step in seconds.

    Returns
    -------
    num, den : ndarray
        Coefficients of 1, z^-1, z^-2... as for `scipy.signal.lfilter`; ``den[0]`` is 1.

    Raises
    ------
    ValidationError
        If the synapse is of another kind (``None`` has no step) or improper, or ``dt`` is
        not positive.

    Examples
    --------
    >>> from lmu_nengo.nef import discrete_synapse
    >>> num, den = discrete_synapse(0.01, dt=0.001)
    >>> num.round(4), den.round(4)
    (array([0.    , 0.0952]), array([ 1.    , -0.9048]))
    """
    num, den, delay = difference_form(synapse, check_positive(dt, "dt"))
    in_z = [np.poly1d(p[::-1])(np.poly1d([1, -1])) for p in (num, den)]
    num, den = (np.pad(p.coeffs, (len(den) - 1 - p.order, 0)) for p in in_z)
    return np.pad(num, (delay, 0)), den


def difference_form(synapse, dt):
    """Coefficients of F in rising powers of z - 1, and the delay in steps."""
    synapse, delay = split(synapse)
    try:
        A, B, C, D = synapse_state_space(synapse, dt)  # what Nengo runs
    except (ValueError, TypeError) as error:
        raise ValidationError(
            f"{synapse!r} cannot be discretized for dt={dt:g} s: {error}", attr="synapse"
        ) from error
    k = len(A)
    A, D = A - np.eye(k), D.item()
    num, den, adjugate = np.zeros(k + 1), np.ones(k + 1), np.eye(k)
    for j in reversed(range(k)):  # Faddeev-LeVerrier
        num[j] = (C @ adjugate @ B).item()
        product = A @ adjugate
        den[j] = -np.trace(product) / (k - j)
        adjugate = product + den[j] * np.eye(k)
    if D or not k:  # Nengo computes this in its step and shows it in the next: / z
        num, den = np.append(num + D * den, 0), np.convolve(den, [1, 1])
    if not (np.isfinite(num).all() and np.isfinite(den).all() and num.any()):
        raise ValidationError(
            f"must have finite coefficients and a non-zero numerator, got {synapse!r} with "
            f"dt={dt:g} s.",
            attr="synapse",
        )
    return num, den, round(delay / dt)


def split(synapse, obj=None):
    """Linear filter without delay, and the delay in seconds."""
    if isinstance(synapse, DelayedLowpass):
        return nengo.Lowpass(synapse.tau), synapse.delay
    if is_number(synapse):
        synapse = nengo.Lowpass(check_non_negative(synapse, "synapse", obj=obj))
    if not isinstance(synapse, nengo.LinearFilter):
        raise ValidationError(
            "must be a time constant in seconds, nengo.Lowpass, nengo.Alpha, "
            f"nengo.LinearFilter or DelayedLowpass, got {synapse!r}.",
            attr="synapse",
            obj=obj,
        )
    return synapse, 0
