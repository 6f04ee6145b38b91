"""What is computed for whole sequences, in JAX."""

from functools import singledispatch

import jax
import jax.numpy as jnp
import nengo
import numpy as np

from lmu_nengo.engine.registry import find
from lmu_nengo.layers.lstm import LSTMSequence
from lmu_nengo.memory.exact import WindowResponse
from lmu_nengo.processes.sequence import Only, Reverse
from lmu_nengo.signal.discretization import impulse_response
from lmu_nengo.training.jax.network.blocks import cell_blocks, recurrence
from lmu_nengo.training.plan.cells import CellSteps

BLOCK = 28  # steps; the cost is flat from 14 to 56


@singledispatch
def apply(process, x, parameters):
    """
    Apply a process to a batch of whole sequences.

    Parameters
    ----------
    process : Sequence or CellSteps
        What to compute.
    x : array of shape (batch, n_steps, size_in)
        Its input.
    parameters : dict of {str: array}
        Its parameters.

    Returns
    -------
    outputs : list of array of shape (batch, n_steps, size)
        Its outputs, one for each signal.
    """
    raise NotImplementedError(process)


@apply.register
def reverse(process: Reverse, x, parameters):
    """Last step first."""
    return [x[:, ::-1]]


@apply.register
def only(process: Only, x, parameters):
    """Some steps, and zero at all others."""
    steps = np.arange(x.shape[1])
    stop = x.shape[1] if process.stop is None else process.stop
    inside = (process.start <= steps) & (steps < stop)
    return [x * inside[:, None].astype(x.dtype)]


@apply.register
def window(process: WindowResponse, x, parameters):
    """The memory after every step."""
    u, started = x[..., : process.memory_d], x[..., process.memory_d :]
    m = all_steps(u, *process.discrete)
    if started.shape[-1]:
        Ad, _ = process.discrete
        batch, n_steps, order = *x.shape[:2], len(Ad)
        drive = started.transpose(1, 0, 2)  # steps first, then channels
        drive = drive.reshape(n_steps, batch * process.memory_d, order)
        moved = recurrence(jnp.asarray(Ad, x.dtype), drive, lambda s: s, order)
        moved = moved.reshape(n_steps, batch, process.memory_d, order)
        m += moved.transpose(1, 0, 2, 3)
    return [m.reshape(*x.shape[:2], process.state_d)]


@apply.register
def cell(process: CellSteps, x, parameters):
    """An `lmu_nengo.LMUCell` that feeds back."""
    p = {name: jnp.asarray(value, x.dtype) for name, value in parameters.items()}
    f = activation_of(process.hidden_type)
    started = x[..., process.input_d :].transpose(1, 0, 2)
    x = x[..., : process.input_d].transpose(1, 0, 2)  # steps first
    n_steps, batch, input_d = x.shape
    memory_d, hidden_d = process.memory_d, process.hidden_d
    size = process.state_d - hidden_d

    def path(name, rows, columns):
        if name not in p:
            return jnp.zeros((rows, columns), x.dtype)
        return p[name].reshape(rows, columns)

    bias = p["bias"].reshape(hidden_d) if "bias" in p else 0
    ux = x @ path("input_encoders", memory_d, input_d).T
    jx = x @ path("input_kernel", hidden_d, input_d).T + bias
    e_h = path("hidden_encoders", memory_d, hidden_d)
    W_h = path("hidden_kernel", hidden_d, hidden_d)
    e_m = path("memory_encoders", memory_d, size)
    W_m = path("memory_kernel", hidden_d, size)
    if started.shape[-1] or process.trains_state_space:
        # with s = (m, j), h = f(j): s[t] = P (m[t-1], h[t-1]) + what comes from outside
        Ad, Bd = state_matrices(process, p)
        A, B = (jnp.kron(jnp.eye(memory_d, dtype=x.dtype), matrix) for matrix in (Ad, Bd))
        top = jnp.concatenate([A + B @ e_m, B @ e_h], axis=1)
        below = W_m @ top + jnp.pad(W_h, [(0, 0), (size, 0)])
        weights = jnp.concatenate([top, below], axis=0)
        m_drive = ux @ B.T
        if started.shape[-1]:
            m_drive += started
        drive = jnp.concatenate([m_drive, m_drive @ W_m.T + jx], axis=-1)
        h0 = jnp.zeros((batch, hidden_d), x.dtype)
        m0 = jnp.zeros((batch, size), x.dtype)
        # the recurrence starts from f(0), the cell from zero
        first = jnp.concatenate([m0, h0 - f(h0)], axis=-1) @ weights.T
        s = recurrence(weights, drive.at[0].add(first), f, size)
        m_all, h_all = s[..., :size], f(s[..., size:])
        u = ux + later(h_all) @ e_h.T + later(m_all) @ e_m.T
    else:
        u, h_all = cell_blocks((e_h, e_m, W_h, W_m), ux, jx, *process.discrete, f)
        m_all = None
        if "m" in process.outputs:
            m_all = all_steps(u.transpose(1, 0, 2), *process.discrete)
            m_all = m_all.transpose(1, 0, 2, 3).reshape(n_steps, batch, size)
    result = {"u": u, "m": m_all, "h": h_all}
    return [result[name].transpose(1, 0, 2) for name in process.outputs]


@apply.register
def lstm(process: LSTMSequence, x, parameters):
    """`lmu_nengo.LSTM`: the hidden state of all steps."""
    p = {name: jnp.asarray(value, x.dtype) for name, value in parameters.items()}
    drive = (x @ p["kernel"].T + p["bias"]).transpose(1, 0, 2)

    def step(states, now):
        h, c = states
        i, f, g, o = jnp.split(now + h @ p["recurrent_kernel"].T, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((len(x), process.default_size_out), x.dtype)
    _, h = jax.lax.scan(step, (zero, zero), drive)
    return [h.transpose(1, 0, 2)]


def all_steps(u, Ad, Bd):
    """
    Memory after every step, block by block.

    The state at the start of each block of ``BLOCK`` steps follows from that of the block
    before; within a block, ``m[k] = Ad^k m[0] + sum over j of Ad^(k-j) Bd u[j]`` is one
    matrix product for all blocks. On a CPU this is faster than a Fourier transform.

    Parameters
    ----------
    u : array of shape (batch, n_steps, memory_d)
        Input of the memory.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.

    Returns
    -------
    m : array of shape (batch, n_steps, memory_d, order)
        The memory.
    """
    batch, n_steps, memory_d = u.shape
    order, dtype = len(Ad), u.dtype
    block = min(BLOCK, n_steps)
    n_blocks = -(-n_steps // block)
    response = impulse_response(Ad, Bd, block)
    inside = np.zeros((block, block, order))  # from step j of a block to step k
    for j in range(block):
        inside[j, j:] = response[: block - j]
    powers = [Ad]
    for _ in range(block - 1):
        powers.append(Ad @ powers[-1])
    across = np.transpose(powers, (2, 0, 1))  # from the state before a block to step k

    u, before = blocks_of(u, Ad, Bd, block)
    m = u @ inside.reshape(block, -1).astype(dtype)
    m += before @ across.reshape(order, -1).astype(dtype)
    m = m.reshape(batch, memory_d, n_blocks * block, order)[:, :, :n_steps]
    return m.transpose(0, 2, 1, 3)


def read_all_steps(u, Ad, Bd, weights):
    """
    Products with the memory after every step, without the memory.

    As in `all_steps`, but what is multiplied with the input of a block and with the state
    before it are the weights times the memory's own matrices. That is less work if there
    are about as many products as coefficients, or fewer.

    Parameters
    ----------
    u : array of shape (batch, n_steps, memory_d)
        Input of the memory.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    weights : array of shape (size, memory_d * order)
        What the memory is multiplied with.

    Returns
    -------
    y : array of shape (batch, n_steps, size)
        The products.
    """
    batch, n_steps, memory_d = u.shape
    order, dtype = len(Ad), u.dtype
    block = min(BLOCK, n_steps)
    n_blocks, size = -(-n_steps // block), len(weights)
    powers = [Ad]
    for _ in range(block - 1):
        powers.append(Ad @ powers[-1])
    weights = weights.reshape(size, memory_d, order)
    across = np.stack(powers).astype(dtype)  # Ad^(k+1)
    after = jnp.einsum("scp,kpo->coks", weights, across)
    response = impulse_response(Ad, Bd, block).astype(dtype)
    of_input = jnp.einsum("scp,kp->cks", weights, response)
    of_input = jnp.pad(of_input, [(0, 0), (block, 0), (0, 0)])
    # from step j of a block to step k: what it is after k - j steps, or zero
    steps = np.arange(block)
    inside = of_input[:, block + steps[None, :] - steps[:, None]]
    both = jnp.concatenate([inside, after], axis=1)  # (channel, step or state, step, size)
    u, before = blocks_of(u, Ad, Bd, block)
    x = jnp.concatenate([u, before], axis=1)
    if memory_d > 1:  # the channels side by side
        x = x.reshape(batch, memory_d, n_blocks, -1).transpose(0, 2, 1, 3)
    y = x.reshape(batch * n_blocks, -1) @ both.reshape(-1, block * size)
    return y.reshape(batch, n_blocks * block, size)[:, :n_steps]


def blocks_of(u, Ad, Bd, block):
    """The input in blocks, and the state before each: (batch * channels * blocks, ...)."""
    batch, n_steps, memory_d = u.shape
    order, dtype = len(Ad), u.dtype
    n_blocks = -(-n_steps // block)
    u = jnp.pad(u, [(0, 0), (0, n_blocks * block - n_steps), (0, 0)])
    u = u.transpose(0, 2, 1).reshape(-1, block)
    response = impulse_response(Ad, Bd, block)[::-1].astype(dtype)
    ends = (u @ response).reshape(batch * memory_d, n_blocks, order).transpose(1, 0, 2)
    step = np.linalg.matrix_power(Ad, block).T.astype(dtype)

    def advance(m, end):
        return m @ step + end, m

    zero = jnp.zeros((batch * memory_d, order), dtype)
    _, before = jax.lax.scan(advance, zero, ends)
    return u, before.transpose(1, 0, 2).reshape(-1, order)


def state_matrices(process, p):
    """Discrete state space; of trained ``theta, A, B`` by zero-order hold."""
    dtype = p["A"].dtype
    if not process.trains_state_space:
        return [jnp.asarray(matrix, dtype) for matrix in process.discrete]
    theta = jnp.exp(p["log_theta"]) if "log_theta" in p else p["theta"]
    A, B = p["A"], p["B"]
    generator = jnp.pad(jnp.concatenate([A, B], axis=1), [(0, 1), (0, 0)])
    discrete = jax.scipy.linalg.expm(generator * (process.dt / theta))
    return discrete[:-1, :-1], discrete[:-1, -1:]


def activation_of(hidden_type):
    """JAX function of a rate neuron type of gain 1 and bias 0."""
    if not isinstance(hidden_type, nengo.neurons.NeuronType):
        return hidden_type
    step = find(hidden_type, "step")
    return lambda j: step(hidden_type, None, j)[0]


def later(x):
    """A sequence (n_steps, batch, size) one step later, from zero."""
    return jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]], axis=0)
