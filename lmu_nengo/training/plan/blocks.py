"""A linear memory through a block of steps: the matrices, in NumPy."""

from typing import NamedTuple

import numpy as np

from lmu_nengo.signal.discretization import impulse_response


class MemoryBlock(NamedTuple):
    """
    What takes a memory through a block of steps, as products with rows.

    Within a block, ``m[k] = Ad^(k+1) m + sum over j <= k of Ad^(k-j) Bd u[j]``, where ``m``
    is the state before the block.

    Attributes
    ----------
    inside : ndarray of shape (block, block * order)
        From the inputs of a block to the states after each of its steps.
    across : ndarray of shape (order, block * order)
        From the state before a block to the states after each of its steps.
    end : ndarray of shape (block, order)
        From the inputs of a block to the state after it.
    whole : ndarray of shape (order, order)
        From the state before a block to the state after it.
    """

    inside: np.ndarray
    across: np.ndarray
    end: np.ndarray
    whole: np.ndarray


def powers(Ad: np.ndarray, n: int) -> np.ndarray:
    """
    Powers of a matrix.

    Parameters
    ----------
    Ad : ndarray of shape (order, order)
        The matrix.
    n : int
        The last power.

    Returns
    -------
    powers : ndarray of shape (n + 1, order, order)
        ``Ad^0`` to ``Ad^n``.
    """
    found = [np.eye(len(Ad))]
    for _ in range(n):
        found.append(Ad @ found[-1])
    return np.stack(found)


def memory_block(Ad: np.ndarray, Bd: np.ndarray, block: int) -> MemoryBlock:
    """
    Find what takes a memory through a block of steps.

    Parameters
    ----------
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    block : int
        Steps in a block.

    Returns
    -------
    matrices : MemoryBlock
        The matrices.
    """
    order = len(Ad)
    response = impulse_response(Ad, Bd, block)
    inside = np.zeros((block, block, order))  # from step j of a block to step k
    for j in range(block):
        inside[j, j:] = response[: block - j]
    Ad_k = powers(Ad, block)
    across = Ad_k[1:].transpose(2, 0, 1).reshape(order, -1)
    return MemoryBlock(inside.reshape(block, -1), across, response[::-1], Ad_k[-1].T)
