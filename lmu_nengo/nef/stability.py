"""Stability of a recurrent loop through neurons."""

from dataclasses import replace

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_instance
from lmu_nengo.nef.mapping import Mapping, principle3
from lmu_nengo.nef.response import Response


def loop_poles(mapping: Mapping) -> np.ndarray:
    """
    Poles of the closed loop: those of the state space, and those that the synapses add.

    A discrete mapping is stable if all magnitudes are below 1, a continuous one if all
    real parts are negative. Of the neurons, only their response is taken into account.

    Parameters
    ----------
    mapping : Mapping
        From `principle3` or `continuous_principle3`. A delay of d steps costs d^3:
        seconds for hundreds of steps, and minutes where synapses differ.

    Returns
    -------
    poles : ndarray of complex
        In z if discrete, in s (1/s) if continuous.

    Raises
    ------
    ValidationError
        If the mapping is continuous and has a delay, and so infinitely many poles.

    Examples
    --------
    >>> from lmu_nengo.nef import loop_poles, principle3
    >>> mapping = principle3([[0.99]], [[0.01]], synapse=0.1, dt=0.001)
    >>> loop_poles(mapping).real.round(6)
    array([0.99])
    """
    check_instance(mapping, Mapping, "mapping", "a Mapping, as of principle3")
    if mapping.dt is None and mapping.delays.any():
        raise ValidationError(
            "has infinitely many poles if it is continuous and has a delay. Use "
            "principle3, which maps a discrete state space.",
            attr="mapping",
        )
    R, rows = mapping.recurrent, (mapping.num, mapping.den, mapping.delays)
    if any((x != x[:1]).any() for x in rows):
        return np.linalg.eigvals(_loop_matrix(R, *rows, mapping.dt is not None))
    gains = np.linalg.eigvals(R).astype(complex)  # conjugates have conjugate poles
    poles = [
        np.linalg.eigvals(
            _loop_matrix(np.array([[r]]), *(x[:1] for x in rows), mapping.dt is not None)
        )
        for r in gains[gains.imag >= 0]
    ]
    poles += [
        p.conj() for p, r in zip(poles, gains[gains.imag >= 0], strict=True) if r.imag
    ]
    return np.concatenate(poles)


def _loop_matrix(R, num, den, delays, is_discrete):
    """Matrix of the loop's observable canonical form, followed by its delay lines."""
    n, k = len(R), den.shape[1] - 1
    num, den = num / den[:, -1:], den / den[:, -1:]
    M = np.zeros((n * k + delays.sum(),) * 2, dtype=R.dtype)
    x, g = np.zeros((2, n, len(M)), dtype=R.dtype)  # state and recurrent input, from M's
    x[:, :n] = np.linalg.inv(np.eye(n) - num[:, -1:] * R)
    g[:] = R @ x
    end = n * k
    for i in np.flatnonzero(delays):
        start, end = end, end + delays[i]
        M[start, :] = g[i]
        M[range(start + 1, end), range(start, end - 1)] = 1
        g[i] = 0
        g[i, end - 1] = 1
    for j in range(k):
        block = slice(j * n, (j + 1) * n)
        M[block] += num[:, [k - 1 - j]] * g - den[:, [k - 1 - j]] * x
        if j < k - 1:
            M[block, (j + 1) * n : (j + 2) * n] += np.eye(n)
    if is_discrete:
        M[range(n * k), range(n * k)] += 1  # z, from z - 1
    return M


def safe_response(
    response: Response, Ad, synapse, dt: float, least: float = 0.5, growth: float = 1.5
) -> Response:
    """
    Return the response, with less lead and onset if it is dangerous to map for all of it.

    A lead shrinks when the state swings widely, and neurons that lead less than was mapped
    for take damping from the memory. At least half of the slowest mode's own damping is
    left then, and the recurrent matrix does not grow much.

    Parameters
    ----------
    response : Response
        The measured response.
    Ad : ndarray of shape (size, size)
        Discrete state matrix.
    synapse : float or nengo.synapses.Synapse
        The recurrent synapse.
    dt : float
        Time step in seconds.
    least : float
        Share of the measured response that is left when the state swings widely.
    growth : float
        Largest norm of the recurrent matrix, over that for ideal neurons. Modes as fast as
        the lead would blow up.

    Returns
    -------
    response : Response
        The measured one, or one with a smaller lead or onset.
    """
    Bd = np.zeros((len(Ad), 1))
    slowest = np.abs(np.linalg.eigvals(Ad)).max()
    if response.fades:
        slowest = max(slowest, np.exp(-dt / response.tau))
    limit = (1 + slowest) / 2
    largest = growth * np.linalg.norm(principle3(Ad, Bd, synapse, dt).recurrent, 2)
    left = replace(response, lead=least * response.lead, onset=least * response.onset)

    def is_safe(mapped):
        try:
            loop = mapped_for(mapped, Ad, synapse, dt, left)
        except ValidationError:  # no inverse
            return False
        if np.linalg.norm(loop.recurrent, 2) > largest:
            return False
        return np.abs(loop_poles(loop)).max() <= limit

    for part in ("lead", "onset"):
        if response == Response() or is_safe(response):
            return response
        low, high = 0.0, getattr(response, part)
        for _ in range(8):
            middle = (low + high) / 2
            is_low = is_safe(replace(response, **{part: middle}))
            low, high = (middle, high) if is_low else (low, middle)
        response = replace(response, **{part: low})
    return response


def mapped_for(mapped: Response, Ad, synapse, dt: float, present: Response) -> Mapping:
    """
    Return the loop of neurons whose response is not the one that was mapped for.

    Parameters
    ----------
    mapped : Response
        The response that was mapped for.
    Ad : ndarray of shape (size, size)
        Discrete state matrix.
    synapse : float or nengo.synapses.Synapse
        The recurrent synapse.
    dt : float
        Time step in seconds.
    present : Response
        The response of the neurons.

    Returns
    -------
    loop : Mapping
        For `loop_poles`.
    """
    Bd = np.zeros((len(Ad), 1))
    mapping = principle3(Ad, Bd, synapse, dt, mapped)
    real = principle3(Ad, Bd, synapse, dt, present)
    return replace(mapping, num=real.num, den=real.den)
