"""Products with constant matrices, whose cost follows their non-zeros."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lmu_nengo.engine.products.layout import Layout
from lmu_nengo.engine.values import Value

WORTHWHILE = 0.5  # structure is used if it saves this share of a dense product
SMALL = 512  # elements of a product that is as cheap if it is dense
LONGEST_BLOCKS = {0: 32, 4096: 64}  # from so many neurons on: what XLA sums fastest
WIDE = 2**14  # elements of a dense matrix
FEW, LARGE = 16, 2**16  # summands of a row, and elements of a matrix that adds them
LANES, OVERHEAD = 8, 32  # numbers computed at once; further work for each row, in numbers


class Matrix:
    """
    The non-zeros of a constant matrix, and where their values come from.

    Parameters
    ----------
    rows, cols : ndarray of int, shape (n_nonzeros,)
        Where the non-zeros are; no place occurs twice.
    source : ndarray of int, shape (n_nonzeros,)
        Index of their values in a vector of parameters.
    shape : tuple of int
        Rows and columns.
    """

    def __init__(self, rows, cols, source, shape):
        self.rows, self.cols, self.source, self.shape = rows, cols, source, shape

    def blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """
        Divide the matrix into blocks that share neither rows nor columns.

        Returns
        -------
        of_rows, of_cols : ndarray of int
            Number of the block of each row and column; -1 where all is zero.
        """
        m, n = self.shape
        graph = coo_array(
            (np.ones(len(self.rows), bool), (self.rows, self.cols + m)), (m + n, m + n)
        )
        labels = connected_components(graph, directed=False)[1]
        used = np.zeros(m + n, bool)
        used[self.rows] = used[self.cols + m] = True
        _, labels[used] = np.unique(labels[used], return_inverse=True)
        labels[~used] = -1
        return labels[:m], labels[m:]

    def within(self, first_row: int, first_col: int, shape: tuple) -> "Matrix":
        """The same matrix as a part of a larger one."""
        return Matrix(self.rows + first_row, self.cols + first_col, self.source, shape)

    def cost(self) -> int:
        """Number of multiplications, with the best structure that is found."""
        return min(_costs(self)) if self.size > SMALL else self.size

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.shape[0] * self.shape[1]

    def filled(self, shape, places, zero) -> np.ndarray:
        """
        Arrange the sources of the values in an array.

        Parameters
        ----------
        shape : tuple of int
            Shape of the array.
        places : tuple of ndarray of int
            The index of each non-zero in the array.
        zero : int
            Source of a zero, for all other elements.
        """
        array = np.full(shape, zero)
        array[places] = self.source
        return array


def find_layout(labels: np.ndarray) -> Layout | None:
    """
    A layout by the number of each neuron's block, if it is worthwhile.

    Parameters
    ----------
    labels : ndarray of int, shape (n_neurons,)
        Number of the block; -1 for neurons that fit into any.

    Returns
    -------
    layout : Layout or None
        None if there is just one block, or if the padding outweighs the gain.
    """
    n_blocks = labels.max(initial=-1) + 1
    if n_blocks < 2 or n_blocks == len(labels):
        return None
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels[labels >= 0])
    n_free = len(labels) - sizes.sum()
    sizes[-1] += n_free
    groups = np.split(np.roll(order, -n_free), np.cumsum(sizes)[:-1])
    longest = min(LONGEST_BLOCKS[4096 if len(labels) >= 4096 else 0], sizes.max())

    def n_rows(length):
        return (-(-sizes // length)).sum()

    def cost(length):
        return n_rows(length) * (-(-length // LANES) * LANES + OVERHEAD)

    lengths = [k for k in range(longest, 0, -1) if n_rows(k) * k <= 2 * len(labels)]
    length = min(lengths, key=cost)
    return Layout([g[i : i + length] for g in groups for i in range(0, len(g), length)])


def number(groups: np.ndarray, members: np.ndarray, n_groups: int):
    """
    Number the different members of each group from zero.

    Parameters
    ----------
    groups, members : ndarray of int, shape (n_pairs,)
        Pairs of a group and a member of it; pairs may occur several times.
    n_groups : int
        Number of groups.

    Returns
    -------
    numbers : ndarray of int, shape (n_pairs,)
        Number of each pair's member within its group.
    table : ndarray of int, shape (n_groups, largest_group)
        The member with each number; -1 where there is none.
    """
    pairs, inverse = np.unique(np.stack([groups, members]), axis=1, return_inverse=True)
    sizes = np.bincount(pairs[0], minlength=n_groups)
    starts = np.cumsum(sizes) - sizes
    within = np.arange(pairs.shape[1]) - starts[pairs[0]]
    table = np.full((n_groups, max(sizes.max(initial=0), 1)), -1)
    table[pairs[0], within] = pairs[1]
    return within[inverse.ravel()], table


def gather(x, index):
    """Take ``x[index]``; nothing is done where the index counts up from zero."""
    if np.array_equal(index, np.arange(len(x))):
        return x
    return x[index]


def plan(matrix: Matrix, x_layout, y_layout, zero: int) -> tuple[np.ndarray, Callable]:
    """
    Choose how a product is computed.

    Parameters
    ----------
    matrix : Matrix
        The matrix.
    x_layout, y_layout : Layout or None
        The order of the columns and of the rows.
    zero : int
        Source of a zero.

    Returns
    -------
    sources : ndarray of int
        The source of each element of the array that ``product`` needs.
    product : function
        ``product(array, x)`` is the product as a `Value`, where ``x`` has the shape of
        ``x_layout``, or is flat without.
    """
    if x_layout is not None:
        return _from_blocks(matrix, x_layout, zero)
    if y_layout is not None:
        return _to_blocks(matrix, y_layout, zero)
    block_cost, row_cost = _costs(matrix)
    if matrix.size <= SMALL or min(block_cost, row_cost) > WORTHWHILE * matrix.size:
        return _dense(matrix, zero)
    if row_cost <= block_cost:
        return _by_row(matrix, zero)
    return _block_diagonal(matrix, matrix.blocks()[0], zero)


def _costs(matrix):
    """Multiplications in blocks and by row; gathering what is multiplied costs as well."""
    of_rows, of_cols = matrix.blocks()
    longest_row = np.bincount(matrix.rows, minlength=1).max()
    n_blocks = of_rows.max(initial=-1) + 1
    block_cost = matrix.size
    if n_blocks > 1:
        block_rows = np.bincount(of_rows[of_rows >= 0]).max()
        block_cols = np.bincount(of_cols[of_cols >= 0]).max()
        block_cost = n_blocks * block_rows * block_cols
    return block_cost, matrix.shape[0] * longest_row * (1 if longest_row == 1 else 3)


def _dense(matrix, zero):
    sources = matrix.filled(matrix.shape, (matrix.rows, matrix.cols), zero)

    def product(array, x):
        if array.size < WIDE:
            return Value(array @ x)
        return Value(x @ array.T)  # in a batch, several times faster if it is large

    return sources, product


def _by_row(matrix, zero):
    """Each row as its non-zeros: ``y[i] = sum_j array[i, j] x[cols[i, j]]``."""
    m, _n = matrix.shape
    numbers, cols = number(matrix.rows, matrix.cols, m)
    sources = matrix.filled(cols.shape, (matrix.rows, numbers), zero)
    cols = np.maximum(cols, 0)
    if cols.shape[1] == 1:
        cols, sources = cols[:, 0], sources[:, 0]

        def product(array, x):
            return Value(array * gather(x, cols))
    else:

        def product(array, x):
            return Value((array * x[cols]).sum(axis=-1))

    return sources, product


def _block_diagonal(matrix, of_rows, zero):
    """Rows and columns in blocks that have nothing to do with each other."""
    m, _ = matrix.shape
    blocks = of_rows[matrix.rows]
    n_blocks = of_rows.max() + 1
    i, rows = number(blocks, matrix.rows, n_blocks)
    j, cols = number(blocks, matrix.cols, n_blocks)
    sources = matrix.filled((n_blocks, rows.shape[1], cols.shape[1]), (blocks, i, j), zero)
    cols = np.maximum(cols, 0)
    combine = _collect(rows, m)

    def product(array, x):
        taken = gather(x, cols.ravel()).reshape(cols.shape)
        return Value(combine(jnp.einsum("brc,bc->br", array, taken)))

    return sources, product


def _to_blocks(matrix, layout, zero):
    """Neurons in blocks, driven by few columns each: encoders."""
    _m, n = matrix.shape
    position = layout.position[matrix.rows]
    blocks, within = np.divmod(position, layout.shape[1])
    j, cols = number(blocks, matrix.cols, layout.shape[0])
    if layout.index.size * cols.shape[1] > WORTHWHILE * layout.index.size * n:
        sources = matrix.filled((layout.index.size, n), (position, matrix.cols), zero)

        def product(array, x):
            return Value(packed=(array @ x).reshape(layout.shape), layout=layout)

        return sources, product

    sources = matrix.filled((*layout.shape, cols.shape[1]), (blocks, within, j), zero)
    cols = np.maximum(cols, 0)
    if cols.shape[1] == 1:
        cols, sources = cols[:, 0], sources[:, :, 0]

        def product(array, x):
            return Value(packed=array * gather(x, cols)[:, None], layout=layout)
    else:

        def product(array, x):
            taken = gather(x, cols.ravel()).reshape(cols.shape)
            return Value(packed=jnp.einsum("bkc,bc->bk", array, taken), layout=layout)

    return sources, product


def _from_blocks(matrix, layout, zero):
    """Neurons in blocks, which drive few rows each: decoders."""
    m, _n = matrix.shape
    blocks, within = np.divmod(layout.position[matrix.cols], layout.shape[1])
    used, blocks = np.unique(blocks, return_inverse=True)
    shape = len(used), layout.shape[1]
    i, rows = number(blocks, matrix.rows, len(used))
    if rows.shape[1] > WORTHWHILE * m:
        places = matrix.rows, blocks * shape[1] + within
        sources = matrix.filled((m, shape[0] * shape[1]), places, zero)

        def product(array, x):
            return Value(array @ gather(x, used).reshape(-1))

        return sources, product

    places = blocks, i, within
    sources = matrix.filled((*rows.shape, shape[1]), places, zero)
    pairs = rows >= 0  # of a block and a row
    if rows.shape[1] > 1 and 2 * pairs.sum() > rows.size:
        combine = _collect(rows, m)

        def product(array, x):
            x = gather(x, used)
            if layout.is_costly:
                return Value(combine(jnp.einsum("bk,brk->br", x, array)))
            return Value(combine(jnp.einsum("brk,bk->br", array, x)))

        return sources, product

    block_of_pair = used[np.nonzero(pairs)[0]]
    combine = _collect(rows[pairs], m)

    def product(array, x):
        x = gather(x, block_of_pair)
        pair = (x, array) if layout.is_costly else (array, x)
        return Value(combine(jnp.einsum("pk,pk->p", *pair)))

    return sources[pairs], product


def _collect(rows, m):
    """How results that belong to ``rows`` (-1: to none) become a vector of ``m``."""
    rows = rows.ravel()
    real = np.flatnonzero(rows >= 0)
    _, index = number(rows[real], real, m)
    if index.shape[1] == 1 and (index >= 0).all():
        return lambda results: gather(results.reshape(-1), index[:, 0])
    if index.shape[1] > FEW and m * len(rows) <= LARGE:
        ones = (rows == np.arange(m)[:, None]).astype(np.int8)
        return lambda results: ones.astype(results.dtype) @ results.reshape(-1)
    index = np.where(index < 0, len(rows), index)
    return lambda results: jnp.append(results, 0)[index].sum(axis=-1)
