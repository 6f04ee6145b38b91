"""Neurons in blocks: the order in which a population is stored within a program."""

import jax.numpy as jnp
import numpy as np


class Layout:
    """
    The neurons of a population, sorted into blocks of equal length.

    The neurons of a block share what drives them: one dimension of a population whose
    encoders are axis-aligned, or one ensemble of an array. A product with the encoders or
    decoders then costs as many operations as they have non-zeros. Shorter blocks are
    padded.

    Parameters
    ----------
    blocks : list of ndarray of int
        The indices of the neurons in each block. Each neuron is in one block.

    Attributes
    ----------
    index : ndarray of shape (n_blocks, block_size)
        The neuron at each position; ``size`` where there is none.
    position : ndarray of shape (size,)
        Where each neuron is in the flattened blocks.
    shape : tuple of int
        ``(n_blocks, block_size)``.
    size : int
        Number of neurons.
    is_costly : bool
        Whether the neurons take exponentials and the like. In a batch, XLA then sums their
        output as it is; otherwise it computes the output once more, in another order,
        sequence by sequence, so that the sum is faster.
    """

    is_costly = False

    def __init__(self, blocks: list[np.ndarray]):
        self.size = sum(len(block) for block in blocks)
        self.shape = len(blocks), max(len(block) for block in blocks)
        self.index = np.full(self.shape, self.size)
        for row, block in zip(self.index, blocks, strict=True):
            row[: len(block)] = block
        filled = np.flatnonzero(self.index.ravel() < self.size)
        self.position = np.empty(self.size, dtype=int)
        self.position[self.index.ravel()[filled]] = filled
        in_order = np.array_equal(self.index.ravel(), np.arange(self.size))
        self._is_reshape = in_order and self.index.size == self.size

    def pack(self, x, axis: int = 0):
        """Sort an axis of ``size`` neurons into two of blocks, with zeros as padding."""
        shape = x.shape[:axis] + self.shape + x.shape[axis + 1 :]
        if self._is_reshape:
            return x.reshape(shape)
        array = np if isinstance(x, np.ndarray) else jnp
        width = [(0, 0)] * x.ndim
        width[axis] = (0, 1)
        return array.take(array.pad(x, width), self.index.ravel(), axis=axis).reshape(shape)

    def unpack(self, x):
        """Undo `pack`, for the last two axes."""
        flat = x.reshape((*x.shape[:-2], self.index.size))
        return flat if self._is_reshape else flat[..., self.position]
