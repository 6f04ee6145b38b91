"""A cell that feeds back into its memory, block by block."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lmu_nengo.training.plan.blocks import memory_block, powers

BLOCK = 7  # steps, at most; from 7 to 14 the cost is the same within a tenth
LANES = 16  # rows of a multiple of these are read in whole vectors


class Weights(NamedTuple):
    """
    What a step of a block is multiplied with, of all paths of a cell.

    The columns are those of ``z = (j, u)``, the current of the hidden neurons and the input
    of the memory.

    Attributes
    ----------
    latest : array of shape (width, width)
        From ``h`` and ``u`` of the step before.
    rest : array of shape (n_given + (block - 2) * memory_d, width)
        From what is given in a step, and from the ``u`` before that, latest first.
    outer : array of shape (memory_d * order, block * width)
        From the memory before the block, for each of its steps.
    """

    latest: jax.Array
    rest: jax.Array
    outer: jax.Array


def cell_blocks(paths, x, Ad, Bd, activation, block=None, last_only=False):
    """
    Hidden state and memory's input of a cell with all its paths, for all steps.

    The memory is linear in its input. So for a block of steps it is enough to know the
    memory ``m`` before the block: what it adds to ``u`` and to the current ``j`` in each
    step of the block is one matrix product, and within the block only ``h`` and the few
    ``u`` since its start feed back. That is half the work of going through the memory
    itself. The gradient is written out likewise; that of the largest weights is one
    product of all blocks. Nothing of the size of all steps is made but ``(j, u)`` and its
    error: on a processor, that takes as long as the products.

    Parameters
    ----------
    paths : dict of {str: array}
        Of shapes (rows, columns): ``input_encoders``, ``hidden_encoders`` and
        ``memory_encoders``, which lead to the memory; ``input_kernel``, ``hidden_kernel``
        and ``memory_kernel``, which lead to the hidden neurons; and their ``bias``.
    x : array of shape (batch, n_steps, input_d)
        Input of the cell.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    activation : callable
        A function of an array, element by element.
    block : int, optional
        Steps in a block.
    last_only : bool
        Whether only the last step is returned.

    Returns
    -------
    u : array of shape (batch, n_steps, memory_d)
        Input of the memory; of one step only, with ``last_only``.
    h : array of shape (batch, n_steps, hidden_d)
        Hidden state, likewise.
    """
    batch, n_steps, _ = x.shape
    hidden_d, memory_d = len(paths["hidden_kernel"]), len(paths["hidden_encoders"])
    if block is None:
        block = max(1, min(BLOCK, len(Ad) // 8, n_steps))
    weights = block_weights(paths, Ad, Bd, block)
    given = jnp.concatenate([x, jnp.ones_like(x[..., :1])], axis=2)
    n_blocks = -(-n_steps // block)
    given = jnp.pad(given, [(0, 0), (0, n_blocks * block - n_steps), (0, 0)])
    given = given.reshape(batch, n_blocks, -1)
    solve = block_solver(hidden_d, memory_d, Ad, Bd, activation, block, last_only)
    states = [
        y.reshape(batch, -1, n)
        for y, n in zip(solve(weights, given), (memory_d, hidden_d), strict=True)
    ]
    stop = n_steps - (n_blocks - 1) * block if last_only else n_steps
    start = stop - 1 if last_only else 0
    u, h = (y[:, start:stop] for y in states)
    return u, h


def block_weights(paths, Ad, Bd, block) -> Weights:
    """
    Put the paths of a cell together.

    Parameters
    ----------
    paths : dict of {str: array}
        As for `cell_blocks`.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    block : int
        Steps in a block.

    Returns
    -------
    weights : Weights
        The products.
    """
    W_h, e_h = paths["hidden_kernel"], paths["hidden_encoders"]
    W_x, e_x = paths["input_kernel"], paths["input_encoders"]
    (memory_d, hidden_d), order, dtype = e_h.shape, len(Ad), W_h.dtype
    d = hidden_d + memory_d
    idle = -d % LANES
    b = Bd[:, 0].astype(dtype)
    moved = np.concatenate(powers(Ad, block), axis=1).astype(dtype)  # side by side

    def along(path):
        """A path out of the memory, times ``Ad^k``: shape (rows, memory_d, k, order)."""
        y = path.reshape(-1, order) @ moved
        return y.reshape(-1, memory_d, block + 1, order)

    def columns(to_j, to_u):
        """Columns of ``z``, from rows."""
        to_z = jnp.concatenate([to_j, to_u], axis=0)
        to_z = jnp.moveaxis(to_z, 0, -1)
        return jnp.pad(to_z, [(0, 0)] * (to_z.ndim - 1) + [(0, idle)])

    to_u, to_j = along(paths["memory_encoders"])[:, :, :-1], along(paths["memory_kernel"])
    from_u = jnp.einsum("icko,o->ikc", to_u, b)
    from_j = jnp.einsum("icko,o->ikc", to_j, b)
    at_once = from_j[:, 0]  # u reaches j in the same step
    # from m before the block, to each of its steps
    outer = columns(to_j[:, :, 1:] + jnp.einsum("ic,cdko->idko", at_once, to_u), to_u)
    outer = outer.transpose(0, 2, 1, 3).reshape(memory_d * order, -1)
    # from the h of the step before, and from the u of 1, 2, ... steps before
    from_h = columns(W_h + at_once @ e_h, e_h)
    from_u = columns(from_j[:, 1:] + jnp.einsum("ic,ckd->ikd", at_once, from_u), from_u)
    latest = jnp.pad(jnp.concatenate([from_h, from_u[0]]), [(0, idle), (0, 0)])
    from_x = columns(W_x + at_once @ e_x, e_x)
    constant = jnp.pad(paths["bias"], (0, memory_d + idle))
    earlier = from_u[1 : block - 1].reshape(-1, d + idle)
    rest = jnp.concatenate([from_x, constant[None], earlier])
    return Weights(latest, rest, outer)


def block_solver(
    hidden_d, memory_d, Ad, Bd, activation, block, last_only=False
) -> Callable:
    """
    Make the function that goes through the blocks.

    Parameters
    ----------
    hidden_d, memory_d : int
        Sizes of the hidden state and of the memory's input.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    activation : callable
        A function of an array, element by element.
    block : int
        Steps in a block.
    last_only : bool
        Whether the last block is all that is returned.

    Returns
    -------
    solve : function
        ``u, h = solve(weights, given)``, where ``given`` has the shape (batch, n_blocks,
        block * n_given), and ``u`` and ``h`` likewise.
    """
    d, order = hidden_d + memory_d, len(Ad)
    width = d + -d % LANES
    size = memory_d * order
    is_hidden = np.arange(width) < hidden_d
    matrices = memory_block(Ad, Bd, block)

    def after(m, u):
        """The memory after a block, of ``u`` of shape (batch, block, memory_d)."""
        moved = (m.reshape(-1, order) @ matrices.whole.astype(m.dtype)).reshape(m.shape)
        added = jnp.einsum("bkc,ko->bco", u, matrices.end.astype(m.dtype))
        return moved + added.reshape(m.shape)

    def small(given, us, k):
        """What ``rest`` is multiplied with in step ``k``: ``u`` of two steps before, ..."""
        return jnp.concatenate([given, *reversed(us[: max(k - 1, 0)])], axis=1)

    def forward(weights, given):
        latest, rest, outer = weights
        batch, n_blocks, n_given = len(given), given.shape[1], given.shape[2] // block

        def advance(i, carry):
            m, s, ms, zs, all_u, all_h = carry
            now, free = at(given, i), m @ outer
            z_all, us, hs = [], [], []
            for k in range(block):
                x = small(part(now, k, n_given), us, k)
                z = s @ latest + part(free, k, width) + x @ rest[: x.shape[1]]
                z_all.append(z)
                us.append(z[:, hidden_d:d])
                s = jnp.where(is_hidden, activation(z), z)
                hs.append(s[:, :hidden_d])
            ms, zs = put(ms, m, i), put(zs, jnp.concatenate(z_all, axis=1), i)
            kept = 0 if last_only else i
            all_u = put(all_u, jnp.concatenate(us, axis=1), kept)
            all_h = put(all_h, jnp.concatenate(hs, axis=1), kept)
            # the last u is in the memory from here on
            m, s = after(m, jnp.stack(us, axis=1)), jnp.where(is_hidden, s, 0)
            return m, s, ms, zs, all_u, all_h

        n_kept = 1 if last_only else n_blocks
        shapes = (size,), (width,), (n_blocks, size), (n_blocks, block * width)
        shapes += (n_kept, block * memory_d), (n_kept, block * hidden_d)
        carry = tuple(jnp.zeros((batch, *shape), latest.dtype) for shape in shapes)
        return jax.lax.fori_loop(0, n_blocks, advance, carry)[2:]

    @jax.custom_vjp
    def solve(weights, given):
        return forward(weights, given)[2:]

    def solve_forward(weights, given):
        ms, zs, u, h = forward(weights, given)
        return (u, h), (weights, given, ms, zs)

    def solve_backward(kept, errors):
        weights, given, ms, zs = kept
        batch, n_blocks, n_given = len(given), given.shape[1], given.shape[2] // block
        into, earlier = weights.rest[:n_given], weights.rest[n_given:]

        def factors(i):
            """In all steps of a block: the slopes, and what the weights multiply."""
            z = at(zs, i).reshape(batch, block, width)
            f, pull = jax.vjp(activation, z)
            slopes = jnp.where(is_hidden, pull(jnp.ones_like(z))[0], 1)
            h = activation(part(at(zs, i - 1), block - 1, width))
            h = jnp.where(is_hidden & (i > 0), h, 0)
            s = jnp.where(is_hidden, f, z)
            s = jnp.concatenate([h[:, None], s[:, :-1]], axis=1)
            u = z[:, :, hidden_d:d]
            history = [
                jnp.pad(u[:, :-lag], [(0, 0), (lag, 0), (0, 0)]) for lag in range(2, block)
            ]
            now = at(given, i).reshape(batch, block, n_given)
            x = jnp.concatenate([now, *history], axis=2)
            return slopes.reshape(batch, -1), rows(s), rows(x)

        def back(i, carry):
            dm, ds, d_latest, d_rest, dzs = carry
            i = n_blocks - 1 - i
            slopes, s, x = factors(i)
            if last_only:
                of_u, of_h = (jnp.where(i == n_blocks - 1, e[:, 0], 0) for e in errors)
            else:
                of_u, of_h = (at(error, i) for error in errors)
            per_channel = dm.reshape(batch, memory_d, order)
            du = jnp.einsum("bco,ko->bkc", per_channel, matrices.end.astype(dm.dtype))
            du = list(jnp.moveaxis(du + of_u.reshape(du.shape), 1, 0))
            dz_all = []
            for k in reversed(range(block)):
                ds += jnp.pad(du[k], [(0, 0), (hidden_d, width - d)])
                ds += jnp.pad(part(of_h, k, hidden_d), [(0, 0), (0, width - hidden_d)])
                dz = ds * part(slopes, k, width)
                dz_all.append(dz)
                if k > 1:
                    before = dz @ earlier[: (k - 1) * memory_d].T
                    for lag in range(2, k + 1):
                        du[k - lag] += part(before, lag - 2, memory_d)
                ds = dz @ weights.latest.T
            dz = jnp.concatenate(dz_all[::-1], axis=1)
            dm = per_channel @ matrices.whole.T.astype(dm.dtype)
            dm = dm.reshape(batch, size) + dz @ weights.outer.T
            d_latest += s.T @ dz.reshape(-1, width)
            d_rest += x.T @ dz.reshape(-1, width)
            return dm, jnp.where(is_hidden, ds, 0), d_latest, d_rest, put(dzs, dz, i)

        dtype = zs.dtype
        carry = (
            jnp.zeros((batch, size), dtype),
            jnp.zeros((batch, width), dtype),
            jnp.zeros_like(weights.latest),
            jnp.zeros_like(weights.rest),
            jnp.zeros_like(zs),
        )
        *_, d_latest, d_rest, dzs = jax.lax.fori_loop(0, n_blocks, back, carry)
        d_outer = ms.reshape(-1, size).T @ dzs.reshape(-1, block * width)
        d_given = (dzs.reshape(-1, width) @ into.T).reshape(given.shape)
        return Weights(d_latest, d_rest, d_outer), d_given

    solve.defvjp(solve_forward, solve_backward)
    return solve


def at(x, i):
    """One block of all of them."""
    return jax.lax.dynamic_index_in_dim(x, i, 1, keepdims=False)


def put(x, now, i):
    """All blocks, with one of them replaced."""
    return jax.lax.dynamic_update_index_in_dim(x, now, i, 1)


def part(x, k, size):
    """One step of a block."""
    return x[:, k * size : (k + 1) * size]


def rows(x):
    """Rows of all sequences and steps."""
    return x.reshape(-1, x.shape[-1])
