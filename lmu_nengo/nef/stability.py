"""Stability of a recurrent loop through neurons."""

from dataclasses import replace

import numpy as np
from nengo.exceptions import ValidationError

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


def safe_response(response: Response, Ad, synapse, dt: float) -> Response:
    """
    Return the response, scaled down as far as needed to map for it without danger.

    A lead shrinks to about half when the state swings widely, and neurons that lead less
    than was mapped for take damping from the memory. At least half of the memory's own
    damping is left then, and the recurrent matrix grows by no more than a half.

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

    Returns
    -------
    response : Response
        The measured one, or a scaled one.
    """
    Bd = np.zeros((len(Ad), 1))
    slowest = np.abs(np.linalg.eigvals(Ad)).max()
    if response.fades:
        slowest = max(slowest, np.exp(-dt / response.tau))
    limit = (1 + slowest) / 2
    largest = 1.5 * np.linalg.norm(principle3(Ad, Bd, synapse, dt).recurrent, 2)
    real = principle3(Ad, Bd, synapse, dt, response.scaled(0.5))

    def is_safe(share):
        mapping = principle3(Ad, Bd, synapse, dt, response.scaled(share))
        if np.linalg.norm(mapping.recurrent, 2) > largest:
            return False  # modes as fast as the lead, which blow up
        loop = replace(real, recurrent=mapping.recurrent)
        return np.abs(loop_poles(loop)).max() <= limit

    if response == Response() or is_safe(1.0):
        return response
    low, high = 0.0, 1.0
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if is_safe(middle) else (low, middle)
    return response.scaled(low)
