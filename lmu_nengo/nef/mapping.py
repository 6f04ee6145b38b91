"""Principle 3 of the Neural Engineering Framework: dynamics through a synapse.

A recurrent connection between neurons has a synapse ``F = num / den``. Principle 3 finds
the matrix on the connection, and the input beside it, with which the state obeys
``p x = A x + B u``:

    ``x = F recurrent x + sum_j inputs[j] p^j u / den``,   ``recurrent = F(A)^-1``,
    ``inputs[j] = sum_{i>j} (den_i I - num_i recurrent) A^(i-1-j) B``.

Here ``p`` is the derivative s or, exactly for any dt, the difference ``z - 1`` (with
``A = Ad - I``, ``B = Bd``). Powers of z^-1 are equivalent, but lose a factor of
``(tau / dt)^(degree of den - 1)`` in precision.

Source: Voelker and Eliasmith, "Improving Spiking Dynamical Networks: Accurate Delays,
Higher-Order Synapses, and Time Cells", Neural Computation 2018, section 3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import NdarrayParam, NumberParam
from numpy.typing import ArrayLike

from lmu_nengo._validation import (
    check_dt,
    check_non_negative,
    check_positive,
    check_state_space,
)
from lmu_nengo.nef.response import Response
from lmu_nengo.nef.synapses import difference_form, split


class InputFilter(nengo.Process):
    """
    Process of a node between input and state, which filters the input.

    `Mapping.input_filter` makes it. All connections to and from the node must have
    ``synapse=None``; the output is one step later than the input.

    Parameters
    ----------
    inputs, num, den, taps : ndarray
        As in `Mapping`.
    dt : float
        Time step in seconds, which the simulator must have too.
    """

    inputs = NdarrayParam("inputs", shape=("*", "*", "*"))
    num = NdarrayParam("num", shape=("*", "*"))
    den = NdarrayParam("den", shape=("*", "*"))
    taps = NdarrayParam("taps", shape=("*", "*", "*"))
    dt = NumberParam("dt", low=0, low_open=True)

    def __init__(self, inputs, num, den, taps, dt):
        _, order, size_in = np.shape(inputs)
        super().__init__(default_size_in=size_in, default_size_out=order, default_dt=dt)
        self.inputs, self.num, self.den, self.taps = inputs, num, den, taps
        self.dt = dt

    def make_state(self, shape_in: tuple, shape_out: tuple, dt: float, dtype=None) -> dict:
        """Return filter states, past inputs (twice, to be contiguous) and the place."""
        return {
            "chain": np.zeros(self.inputs.shape[:2], dtype=dtype),
            "past": np.zeros((2 * len(self.taps), *shape_in), dtype=dtype),
            "place": np.zeros(1, dtype=np.int64),
        }

    def make_step(
        self, shape_in: tuple, shape_out: tuple, dt: float, rng, state: dict
    ) -> Callable:
        """Return the filter's observable canonical form in powers of z - 1."""
        check_dt(dt, self)
        chain, past, place = state["chain"], state["past"], state["place"]
        inputs, num, den, taps = self._matrices()
        delay = len(self.taps)

        def step(t, u):
            x = chain[0].copy()
            drive = inputs @ u
            if delay:
                i = place[0]
                drive += num * (taps @ past[i : i + delay].ravel())
                past[i] = past[i + delay] = u
                place[0] = (i + 1) % delay
            chain[:-1] += chain[1:]
            chain[...] += drive - den * x
            return x

        return step

    def make_jax_step(self, shape_in: tuple, shape_out: tuple, dt: float) -> Callable:
        """Do the same in `lmu_nengo.engine`."""
        import jax
        import jax.numpy as jnp

        check_dt(dt, self)
        inputs, num, den, taps = map(jnp.asarray, self._matrices())
        delay = len(self.taps)

        def step(t, u, chain, past, place):
            x, drive = chain[0], inputs @ u
            if delay:
                i = place[0]
                late = jax.lax.dynamic_slice_in_dim(past, i, delay).ravel()
                drive = drive + num * (taps @ late)
                past = past.at[i].set(u).at[i + delay].set(u)
                place = (place + 1) % delay
            chain = chain.at[:-1].add(chain[1:]) + drive - den * x
            return x, {"chain": chain, "past": past, "place": place}

        return step

    def _matrices(self):
        """Inputs, numerators and denominators by falling power, taps from the oldest on."""
        k = len(self.inputs)
        taps = self.taps[::-1].transpose(1, 0, 2).reshape(self.taps.shape[1], -1)
        num, den = self.num[:, k - 1 :: -1].T, self.den[:, k - 1 :: -1].T
        return np.ascontiguousarray(self.inputs[::-1]), num, den, taps


@dataclass(frozen=True, eq=False)
class Mapping:
    """
    A state space mapped onto synapses by `principle3` or `continuous_principle3`.

    Parameters
    ----------
    recurrent : ndarray of shape (order, order)
        Matrix for the recurrent connection; row i goes through the synapse of
        dimension i.
    inputs : ndarray of shape (k, order, size_in)
        Matrix j acts on the j-th power of p, as in the module's equation.
    num, den : ndarray of shape (order, k + 1)
        Row i is F of dimension i times the neurons' response, in rising powers of p.
    delays : ndarray of shape (order,)
        Pure delays beside F, in steps; in seconds if continuous.
    taps : ndarray of shape (longest delay, order, size_in)
        Matrix n acts on the input of n + 1 steps ago; the sum goes through ``num / den``.
    dt : float or None
        Time step in seconds; None if continuous.
    is_lowpass : bool
        Whether every synapse is a lowpass without a delay, for neurons without an onset.

    Examples
    --------
    >>> from lmu_nengo.nef import principle3
    >>> mapping = principle3([[0.99]], [[0.01]], synapse=0.1, dt=0.001)
    >>> mapping.is_lowpass, mapping.delays
    (True, array([0]))
    """

    recurrent: np.ndarray
    inputs: np.ndarray
    num: np.ndarray
    den: np.ndarray
    delays: np.ndarray
    taps: np.ndarray
    dt: float | None
    is_lowpass: bool

    @property
    def input_transform(self) -> np.ndarray | None:
        """
        Matrix (order, size_in) for a plain connection through the recurrent synapses.

        It replaces the input filter where every synapse is a lowpass without a delay;
        otherwise it is None. With a lead it is exact for a constant input only; the error
        is about ``lead dt / tau`` times the input's slope.
        """
        if not self.is_lowpass:
            return None
        return self.inputs[0] / self.num[:, :1]

    def input_filter(self) -> InputFilter:
        """
        Return the process for a node between input and state of a discrete mapping.

        Raises
        ------
        ValidationError
            If the mapping is continuous.
        """
        if self.dt is None:
            raise ValidationError(
                "a continuous mapping has no input filter. Use principle3, which maps a "
                "discrete state space.",
                attr="dt",
                obj=self,
            )
        return InputFilter(self.inputs, self.num, self.den, self.taps, self.dt)


def principle3(
    Ad: ArrayLike,
    Bd: ArrayLike,
    synapse: float | nengo.synapses.Synapse | list,
    dt: float,
    lead: float | Response = 0.0,
) -> Mapping:
    """
    Map a discrete state space onto synapses, exactly for any dt.

    With ``mapping.recurrent`` on a connection through the synapse and the input
    through ``mapping.input_filter()`` (or, for plain lowpass synapses, through
    ``mapping.input_transform`` and the synapse), ``x[t] = Ad x[t-1] + Bd u[t-1]``.

    Parameters
    ----------
    Ad : array_like of shape (order, order)
        Discrete state matrix.
    Bd : array_like of shape (order, size_in)
        Discrete input matrix.
    synapse : float, nengo.synapses.Synapse or list of these
        One as for `discrete_synapse`, or one for each of the ``order`` dimensions.
    dt : float
        Time step in seconds.
    lead : float or Response
        Seconds by which the neurons' output is ahead of the state: they decode
        ``x + lead * (x[t] - x[t-1]) / dt``. The loop becomes unstable if the lead comes
        near ``1 / |eigenvalue|`` of the continuous state matrix, as for high orders. For
        neurons that adapt, their whole `Response`, which F is multiplied by.

    Returns
    -------
    mapping : Mapping
        Matrices and input filter. See `loop_poles` for whether it is stable.

    Raises
    ------
    ValidationError
        If an argument is out of range, shapes do not fit, or F has no inverse at Ad.

    Examples
    --------
    An integrator through a synapse of 100 ms. The input is scaled by ``tau / dt``, roughly:

    >>> from lmu_nengo.nef import principle3
    >>> mapping = principle3([[1.0]], [[0.001]], synapse=0.1, dt=0.001)
    >>> mapping.recurrent, mapping.input_transform.round(4)
    (array([[1.]]), array([[0.1005]]))
    """
    A, B = check_state_space(Ad, Bd)
    order, dt = len(A), check_positive(dt, "dt")
    if not isinstance(lead, Response):
        lead = Response(check_non_negative(lead, "lead"))
    several = isinstance(synapse, list | tuple)
    if several and len(synapse) != order:
        raise ValidationError(
            f"must be one synapse or a list of {order}, one for each dimension, got "
            f"{len(synapse)}.",
            attr="synapse",
        )
    parts = [difference_form(s, dt) for s in (synapse if several else [synapse])]
    is_plain = all(len(d) == 2 and not n[1:].any() and not wait for n, d, wait in parts)
    is_plain &= not lead.fades
    above, below = lead.coefficients(dt)
    parts = [(np.convolve(n, above), np.convolve(d, below), wait) for n, d, wait in parts]
    k = max(len(den) for _, den, _ in parts) - 1
    num, den = np.zeros((2, len(parts), k + 1))
    for i, (n, d, _) in enumerate(parts):
        pad = np.poly1d([1, 1]) ** (k + 1 - len(d))  # powers of z: modes that die at once
        num[i], den[i] = np.convolve(n, pad), np.convolve(d, pad)
    delays = np.array([delay for _, _, delay in parts])
    if not several:
        num, den, delays = (np.repeat(x, order, axis=0) for x in (num, den, delays))
    recurrent, inputs = _match(A - np.eye(order), B, num, den)
    past = [B]  # x[t] = Ad^d x[t-d] + sum_{n<d} Ad^n Bd u[t-1-n]
    for _ in range(1, delays.max()):
        past.append(A @ past[-1])
    taps = np.array([(delays > n)[:, None] * (recurrent @ p) for n, p in enumerate(past)])
    for d in np.unique(delays):
        rows = delays == d
        recurrent[rows] = recurrent[rows] @ np.linalg.matrix_power(A, d)
    return Mapping(recurrent, inputs, num, den, delays, taps[: delays.max()], dt, is_plain)


def continuous_principle3(
    A: ArrayLike,
    B: ArrayLike,
    synapse: float | nengo.synapses.Synapse,
    lead: float = 0.0,
) -> Mapping:
    """
    Map a continuous state space ``x' = A x + B u`` onto an analog synapse.

    Simulated in steps, the error falls in proportion to dt. Where the synapse is
    ``1 / den``, ``inputs[j]`` is also the matrix for the j-th derivative of u on a
    connection through it. With a delay, the input further needs
    ``F0(A)^-1 int_0^delay expm(A s) B u(t-s) ds`` through the synapse without delay, F0.

    Parameters
    ----------
    A : array_like of shape (order, order)
        Continuous state matrix in 1/s.
    B : array_like of shape (order, size_in)
        Continuous input matrix in 1/s.
    synapse : float or nengo.synapses.Synapse
        Lowpass time constant in seconds, analog `nengo.LinearFilter` or `DelayedLowpass`.
    lead : float
        Seconds by which the neurons' output is ahead of the state: they decode
        ``x + lead x'``.

    Returns
    -------
    mapping : Mapping
        Its coefficients belong to powers of s; it has no taps and no input filter.

    Raises
    ------
    ValidationError
        If an argument is out of range, shapes do not fit, the synapse is no analog
        filter, or F has no inverse at A.

    Examples
    --------
    For a lowpass, the recurrent matrix is ``tau A + I`` and the input matrix ``tau B``:

    >>> from lmu_nengo.nef import continuous_principle3
    >>> mapping = continuous_principle3([[-2.0]], [[2.0]], synapse=0.1)
    >>> mapping.recurrent.round(6), mapping.inputs[0].round(6)
    (array([[0.8]]), array([[0.2]]))
    """
    from scipy.linalg import expm

    A, B = check_state_space(A, B, "A", "B")
    lead = check_non_negative(lead, "lead")
    synapse, delay = split(synapse)
    den, num = (np.trim_zeros(p, "f")[::-1] for p in (synapse.den, synapse.num))
    if not synapse.analog or len(den) < 2 or len(num) > len(den):
        raise ValidationError(
            "must be an analog filter of degree 1 or more whose numerator is of no higher "
            f"degree, got {synapse!r}. Use principle3 for other synapses.",
            attr="synapse",
        )
    num = np.convolve(num, [1, lead] if lead else [1])
    k = max(len(num), len(den)) - 1
    num, den = (np.tile(np.pad(p, (0, k + 1 - len(p))), (len(A), 1)) for p in (num, den))
    recurrent, inputs = _match(A, B, num, den)
    if delay:
        recurrent = recurrent @ expm(A * delay)
    delays, taps = np.full(len(A), delay), np.zeros((0, *B.shape))
    return Mapping(recurrent, inputs, num, den, delays, taps, None, False)


def _match(A, B, num, den):
    """Recurrent and input matrices of the module's equation; coefficients row by row."""
    k, order = den.shape[1] - 1, len(A)
    powers = [np.eye(order)]
    for _ in range(k):
        powers.append(A @ powers[-1])
    powers = np.array(powers)
    recurrent = np.zeros((order, order))
    for n, d in np.unique(np.stack([num, den], axis=1), axis=0):
        rows = (num == n).all(axis=1) & (den == d).all(axis=1)
        numerator = np.tensordot(n, powers, axes=1)
        if np.linalg.cond(numerator) > 1e12:
            raise ValidationError(
                "with its lead has a zero at (or too near) an eigenvalue of the state "
                "matrix, so that it cannot be inverted there. Change tau, lead or theta.",
                attr="synapse",
            )
        recurrent[rows] = np.linalg.solve(numerator, np.tensordot(d, powers, axes=1))[rows]
    inputs = np.zeros((k, *B.shape))
    for i in range(1, k + 1):
        rest = np.diag(den[:, i]) - num[:, [i]] * recurrent
        for j in range(i):
            inputs[j] += rest @ powers[i - 1 - j] @ B
    return recurrent, inputs
