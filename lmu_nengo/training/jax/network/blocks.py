"""A cell that feeds back into its memory, block by block."""

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 14  # steps, at most


def cell_blocks(paths, ux, jx, Ad, Bd, activation, block=None):
    """
    Hidden state and memory's input of a cell with all its paths, for all steps.

    The memory is linear in its input. So for a block of steps it is enough to know the
    memory ``m`` before the block: what it adds to ``u`` and to the current ``j`` in each
    step of the block is one matrix product, and within the block only ``h`` and the few
    ``u`` since its start feed back. That is half the work of going through the memory
    itself, and most of it is in large products. The gradient is written out likewise: that
    of the weights is one product of all steps.

    Parameters
    ----------
    paths : tuple of array
        ``e_h, e_m, W_h, W_m``.
    ux : array of shape (n_steps, batch, memory_d)
        What reaches the memory from outside.
    jx : array of shape (n_steps, batch, hidden_d)
        What reaches the hidden neurons from outside.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    activation : callable
        A function of an array, element by element.
    block : int, optional
        Steps in a block.

    Returns
    -------
    u : array of shape (n_steps, batch, memory_d)
        Input of the memory.
    h : array of shape (n_steps, batch, hidden_d)
        Hidden state.
    """
    dtype = ux.dtype
    n_steps, batch, memory_d = ux.shape
    hidden_d, order = jx.shape[-1], len(Ad)
    size = memory_d * order
    if block is None:
        block = max(1, min(BLOCK, order // 8, n_steps))
    e_h, e_m, W_h, W_m = paths

    powers = [np.eye(order)]
    for _ in range(block):
        powers.append(Ad @ powers[-1])
    moved = np.concatenate(powers, axis=1).astype(dtype)  # Ad^k side by side
    b = Bd[:, 0].astype(dtype)

    def along(path):
        """A path out of the memory, times ``Ad^k``: shape (rows, memory_d, k, order)."""
        y = path.reshape(-1, order) @ moved
        return y.reshape(-1, memory_d, block + 1, order)

    to_u, to_j = along(e_m)[:, :, :-1], along(W_m)
    from_u = jnp.einsum("icko,o->kic", to_u, b)
    from_j = jnp.einsum("icko,o->kic", to_j, b)
    # what z = (j, u) gets from m before the block; u reaches j in the same step
    to_j = to_j[:, :, 1:] + jnp.einsum("ic,cdko->idko", from_j[0], to_u)
    outer = jnp.concatenate([to_j, to_u], axis=0).transpose(1, 3, 2, 0).reshape(size, -1)
    # ... and from h of the step before and the last u, latest first
    inner_j = from_j[1:] + jnp.einsum("ic,kcd->kid", from_j[0], from_u)
    inner_u = jnp.concatenate([inner_j, from_u], axis=1).transpose(0, 2, 1)
    inner_h = jnp.concatenate([W_h + from_j[0] @ e_h, e_h], axis=0)
    inner = jnp.concatenate([inner_h.T, inner_u.reshape(block * memory_d, -1)], axis=0)
    # the memory after the block, of one channel
    across = powers[block].T.astype(dtype)
    response = np.stack([p @ Bd[:, 0] for p in powers[:block]]).astype(dtype)

    drive = jnp.concatenate([jx + ux @ from_j[0].T, ux], axis=-1)
    n_blocks = -(-n_steps // block)
    drive = jnp.pad(drive, [(0, n_blocks * block - n_steps), (0, 0), (0, 0)])
    drive = drive.reshape(n_blocks, block, batch, -1)
    d = hidden_d + memory_d
    width = hidden_d + block * memory_d

    def forward(inner, outer, drive):
        def advance(carry, now):
            m, h = carry
            free = (m @ outer).reshape(batch, block, d)
            r = jnp.pad(h, [(0, 0), (0, block * memory_d)])
            r_all, j_all = [], []
            for k in range(block):
                z = r @ inner + free[:, k] + now[k]
                j = z[:, :hidden_d]
                r_all.append(r)
                j_all.append(j)
                rest = r[:, hidden_d : width - memory_d]
                r = jnp.concatenate([activation(j), z[:, hidden_d:], rest], axis=1)
            u = r[:, hidden_d:].reshape(batch, block, memory_d)
            after = (m.reshape(-1, order) @ across).reshape(batch, size)
            after += jnp.einsum("bkc,ko->bco", u, response).reshape(batch, size)
            kept = m, jnp.stack([*r_all, r]), jnp.stack(j_all)
            return (after, r[:, :hidden_d]), kept

        zero = jnp.zeros((batch, size), dtype), jnp.zeros((batch, hidden_d), dtype)
        _, kept = jax.lax.scan(advance, zero, drive)
        return kept

    def states_of(rs):
        return rs[:, 1:, :, :d].reshape(n_blocks * block, batch, d)

    @jax.custom_vjp
    def solve(inner, outer, drive):
        return states_of(forward(inner, outer, drive)[1])

    def solve_forward(inner, outer, drive):
        ms, rs, js = forward(inner, outer, drive)
        return states_of(rs), (inner, outer, ms, rs, js)

    def solve_backward(kept, errors):
        inner, outer, ms, rs, js = kept
        slopes = jax.vjp(activation, js)[1](jnp.ones_like(js))[0]
        errors = errors.reshape(n_blocks, block, batch, d)

        def back(carry, now):
            dm, dh = carry
            error, slope = now
            per_channel = dm.reshape(batch, memory_d, order)
            du = jnp.einsum("bco,ko->bkc", per_channel, response)
            dr = jnp.concatenate([dh, du.reshape(batch, -1)], axis=1)
            dz_all = []
            for k in reversed(range(block)):
                dz = dr[:, :d] + error[k]
                dz = jnp.concatenate(
                    [dz[:, :hidden_d] * slope[k], dz[:, hidden_d:]], axis=1
                )
                dz_all.append(dz)
                rest = jnp.pad(dr[:, d:], [(0, 0), (hidden_d, memory_d)])
                dr = dz @ inner.T + rest
            dz = jnp.stack(dz_all[::-1])
            flat = dz.transpose(1, 0, 2).reshape(batch, -1)
            dm = (per_channel @ across.T).reshape(batch, size) + flat @ outer.T
            return (dm, dr[:, :hidden_d]), dz

        zero = jnp.zeros((batch, size), dtype), jnp.zeros((batch, hidden_d), dtype)
        _, dzs = jax.lax.scan(back, zero, (errors, slopes), reverse=True)
        before, rows = rs[:, :-1].reshape(-1, width), dzs.reshape(-1, d)
        d_inner = before.T @ rows
        rows = dzs.transpose(0, 2, 1, 3).reshape(-1, block * d)
        d_outer = ms.reshape(-1, size).T @ rows
        return d_inner, d_outer, dzs

    solve.defvjp(solve_forward, solve_backward)
    states = solve(inner, outer, drive)[:n_steps]
    return states[..., hidden_d:], states[..., :hidden_d]


def recurrence(weights, drive, activation, n_linear):
    """
    Solve ``s[t] = phi(s[t-1]) P' + g[t]`` for all steps, from zero.

    ``phi`` leaves the first ``n_linear`` values of the state as they are and applies
    ``activation`` to the others. The backward pass goes through the steps for the errors
    only; the gradient of the weights is one product of all steps at the end.

    Parameters
    ----------
    weights : array of shape (size, size)
        ``P``.
    drive : array of shape (n_steps, batch, size)
        ``g``.
    activation : callable
        A function of an array, element by element.
    n_linear : int
        How many values are linear.

    Returns
    -------
    states : array of shape (n_steps, batch, size)
        ``s``; before the activation, that is.
    """

    def phi(s):
        linear, current = s[..., :n_linear], s[..., n_linear:]
        return jnp.concatenate([linear, activation(current)], axis=-1)

    def forward(weights, drive):
        def step(s, g):
            s = phi(s) @ weights.T + g
            return s, s

        return jax.lax.scan(step, jnp.zeros_like(drive[0]), drive)[1]

    @jax.custom_vjp
    def solve(weights, drive):
        return forward(weights, drive)

    def solve_forward(weights, drive):
        states = forward(weights, drive)
        return states, (weights, states)

    def solve_backward(kept, errors):
        weights, states = kept
        current = states[..., n_linear:]
        slopes = jax.vjp(activation, current)[1](jnp.ones_like(current))[0]

        def back(delta, now):
            error, slope = now
            delta = delta @ weights
            linear, current = delta[..., :n_linear], delta[..., n_linear:]
            delta = jnp.concatenate([linear, current * slope], axis=-1) + error
            return delta, delta

        _, deltas = jax.lax.scan(
            back, jnp.zeros_like(errors[0]), (errors, slopes), reverse=True
        )
        before = jnp.concatenate([phi(jnp.zeros_like(states[:1])), phi(states[:-1])])
        size = len(weights)
        return deltas.reshape(-1, size).T @ before.reshape(-1, size), deltas

    solve.defvjp(solve_forward, solve_backward)
    return solve(weights, drive)
