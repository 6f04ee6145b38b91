"""A cell that feeds back into its memory, block by block."""

import numpy as np
import tensorflow as tf

from lmu_nengo.training.plan.blocks import memory_block, powers

BLOCK = 14  # steps, at most


def cell_blocks(paths, ux, jx, Ad, Bd, activation, block=None):
    """
    Hidden state and memory's input of a cell with all its paths, for all steps.

    The memory is linear in its input. So for a block of steps it is enough to know the
    memory ``m`` before the block: what it adds to ``u`` and to the current ``j`` in each
    step of the block is one matrix product, and within the block only ``h`` and the few
    ``u`` since its start feed back. That is half the work of going through the memory
    itself, and most of it is in large products. The gradient is written out likewise.

    Parameters
    ----------
    paths : tuple of tf.Tensor
        ``e_h, e_m, W_h, W_m``.
    ux : tf.Tensor of shape (n_steps, batch, memory_d)
        What reaches the memory from outside.
    jx : tf.Tensor of shape (n_steps, batch, hidden_d)
        What reaches the hidden neurons from outside.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    activation : callable
        A function of a tensor, element by element.
    block : int, optional
        Steps in a block.

    Returns
    -------
    u : tf.Tensor of shape (n_steps, batch, memory_d)
        Input of the memory.
    h : tf.Tensor of shape (n_steps, batch, hidden_d)
        Hidden state.
    """
    dtype = ux.dtype
    n_steps, batch, memory_d = ux.shape
    hidden_d, order = jx.shape[-1], len(Ad)
    size = memory_d * order
    if block is None:
        block = max(1, min(BLOCK, order // 8, n_steps))
    e_h, e_m, W_h, W_m = paths

    moved = np.concatenate(powers(Ad, block), axis=1)  # Ad^k side by side
    matrices = memory_block(Ad, Bd, block)

    def along(path):
        """A path out of the memory, times ``Ad^k``: shape (rows, memory_d, k, order)."""
        y = tf.reshape(path, (-1, order)) @ tf.constant(moved, dtype)
        return tf.reshape(y, (-1, memory_d, block + 1, order))

    to_u, to_j = along(e_m)[:, :, :-1], along(W_m)
    from_u = tf.einsum("icko,o->kic", to_u, tf.constant(Bd[:, 0], dtype))
    from_j = tf.einsum("icko,o->kic", to_j, tf.constant(Bd[:, 0], dtype))
    # what z = (j, u) gets from m before the block; u reaches j in the same step
    to_j = to_j[:, :, 1:] + tf.einsum("ic,cdko->idko", from_j[0], to_u)
    outer = tf.concat([to_j, to_u], axis=0)
    outer = tf.reshape(tf.transpose(outer, (1, 3, 2, 0)), (size, -1))
    # ... and from h of the step before and the last u, latest first
    inner_j = from_j[1:] + tf.einsum("ic,kcd->kid", from_j[0], from_u)
    inner_u = tf.concat([inner_j, from_u], axis=1)  # (block, hidden_d + memory_d, memory_d)
    inner_u = tf.reshape(tf.transpose(inner_u, (0, 2, 1)), (block * memory_d, -1))
    inner_h = tf.concat([W_h + from_j[0] @ e_h, e_h], axis=0)
    inner = tf.concat([tf.transpose(inner_h), inner_u], axis=0)
    # the memory after the block, of one channel
    across = tf.constant(matrices.whole, dtype)
    response = tf.constant(matrices.end[::-1], dtype)  # the last u first

    drive = tf.concat([jx + ux @ tf.transpose(from_j[0]), ux], axis=-1)
    n_blocks = -(-n_steps // block)
    drive = tf.pad(drive, [[0, n_blocks * block - n_steps], [0, 0], [0, 0]])
    drive = tf.reshape(drive, (n_blocks, block, batch, -1))
    d = hidden_d + memory_d
    width = hidden_d + block * memory_d

    @tf.custom_gradient
    def solve(inner, outer, drive):
        def forward(i, m, h, ms, rs, js):
            free = tf.reshape(m @ outer, (batch, block, d))
            now = drive[i]
            r = tf.pad(h, [[0, 0], [0, block * memory_d]])
            r_all, j_all = [], []
            for k in range(block):
                z = r @ inner + free[:, k] + now[k]
                j = z[:, :hidden_d]
                r_all.append(r)
                j_all.append(j)
                r = tf.concat(
                    [activation(j), z[:, hidden_d:], r[:, hidden_d : width - memory_d]], 1
                )
            ms = ms.write(i, m)
            rs = rs.write(i, tf.stack([*r_all, r]))
            js = js.write(i, tf.stack(j_all))
            m = tf.reshape(tf.reshape(m, (-1, order)) @ across, (batch, size))
            u = tf.reshape(r[:, hidden_d:], (batch, block, memory_d))
            m += tf.reshape(tf.einsum("bkc,ko->bco", u, response), (batch, size))
            return i + 1, m, r[:, :hidden_d], ms, rs, js

        arrays = [
            tf.TensorArray(dtype, n_blocks, element_shape=s)
            for s in ((batch, size), (block + 1, batch, width), (block, batch, hidden_d))
        ]
        zero = [tf.zeros((batch, size), dtype), tf.zeros((batch, hidden_d), dtype)]
        result = tf.while_loop(
            lambda i, *_: i < n_blocks,
            forward,
            (0, *zero, *arrays),
            maximum_iterations=n_blocks,
            parallel_iterations=1,
        )
        ms, rs, js = (array.stack() for array in result[3:])

        def gradient(d_states):
            with tf.GradientTape() as tape:
                tape.watch(js)
                total = tf.reduce_sum(activation(js))
            slopes = tape.gradient(total, js)
            d_states = tf.reshape(d_states, (n_blocks, block, batch, d))

            def backward(i, dm, dh, dzs):
                i = i - 1
                per_channel = tf.reshape(dm, (batch, memory_d, order))
                du = tf.einsum("bco,ko->bkc", per_channel, response)
                dr = tf.concat([dh, tf.reshape(du, (batch, -1))], 1)
                error, slope = d_states[i], slopes[i]
                dz_all = []
                for k in reversed(range(block)):
                    dz = dr[:, :d] + error[k]
                    dz = tf.concat([dz[:, :hidden_d] * slope[k], dz[:, hidden_d:]], 1)
                    dz_all.append(dz)
                    rest = tf.pad(dr[:, d:], [[0, 0], [hidden_d, memory_d]])
                    dr = tf.linalg.matmul(dz, inner, transpose_b=True) + rest
                dz = tf.stack(dz_all[::-1])
                dzs = dzs.write(i, dz)
                dz = tf.reshape(tf.transpose(dz, (1, 0, 2)), (batch, -1))
                dm = tf.linalg.matmul(per_channel, across, transpose_b=True)
                dm = tf.reshape(dm, (batch, size))
                dm += tf.linalg.matmul(dz, outer, transpose_b=True)
                return i, dm, dr[:, :hidden_d], dzs

            array = tf.TensorArray(dtype, n_blocks, element_shape=(block, batch, d))
            *_, dzs = tf.while_loop(
                lambda i, *_: i > 0,
                backward,
                (n_blocks, *zero, array),
                maximum_iterations=n_blocks,
                parallel_iterations=1,
            )
            dzs = dzs.stack()
            before, rows = tf.reshape(rs[:, :-1], (-1, width)), tf.reshape(dzs, (-1, d))
            d_inner = tf.linalg.matmul(before, rows, transpose_a=True)
            rows = tf.reshape(tf.transpose(dzs, (0, 2, 1, 3)), (-1, block * d))
            d_outer = tf.linalg.matmul(tf.reshape(ms, (-1, size)), rows, transpose_a=True)
            return d_inner, d_outer, dzs

        states = tf.reshape(rs[:, 1:, :, :d], (n_blocks * block, batch, d))
        return states, gradient

    states = solve(inner, outer, drive)[:n_steps]
    return states[..., hidden_d:], states[..., :hidden_d]
