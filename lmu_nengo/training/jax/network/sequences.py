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
from lmu_nengo.training.jax.network.blocks import cell_blocks
from lmu_nengo.training.jax.network.recurrent import recurrence
from lmu_nengo.training.plan.blocks import memory_block
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


@singledispatch
def apply_last(process, x, parameters):
    """
    Do the same as `apply`, but give the last step only: arrays of shape (batch, size).
    """
    return [y[:, -1] for y in apply(process, x, parameters)]


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


@apply_last.register
def window_at_last(process: WindowResponse, x, parameters):
    """The memory after the last step: one product."""
    if process.start:
        return [y[:, -1] for y in window(process, x, parameters)]
    return [last_state(process, x).reshape(len(x), -1)]


def last_state(process, u):
    """
    Memory after the last step, of shape (..., memory_d, order).

    Parameters
    ----------
    process : WindowResponse
        The memory.
    u : array of shape (..., n_steps, memory_d)
        Its input.
    """
    lags = jnp.asarray(process.response[::-1], jnp.float32)
    # the precision matters: the response is long
    return jnp.einsum("...td,to->...do", u, lags, precision="highest")


@apply_last.register
def cell_at_last(process: CellSteps, x, parameters):
    """A cell after the last step."""
    outputs = cell(process, x, parameters, last_only="m" not in process.outputs)
    return [y[:, -1] for y in outputs]


@apply.register
def cell(process: CellSteps, x, parameters, last_only=False):
    """An `lmu_nengo.LMUCell` that feeds back."""
    p = {name: jnp.asarray(value, x.dtype) for name, value in parameters.items()}
    f = activation_of(process.hidden_type)
    x, started = x[..., : process.input_d], x[..., process.input_d :]
    input_d, memory_d, hidden_d = process.input_d, process.memory_d, process.hidden_d
    shapes = {
        "input_encoders": (memory_d, input_d),
        "hidden_encoders": (memory_d, hidden_d),
        "memory_encoders": (memory_d, process.state_d - hidden_d),
        "input_kernel": (hidden_d, input_d),
        "hidden_kernel": (hidden_d, hidden_d),
        "memory_kernel": (hidden_d, process.state_d - hidden_d),
        "bias": (hidden_d,),
    }
    paths = {
        name: p[name].reshape(shape) if name in p else jnp.zeros(shape, x.dtype)
        for name, shape in shapes.items()
    }
    if started.shape[-1] or process.trains_state_space:
        u, m, h = cell_steps(paths, x, started, *state_matrices(process, p), f)
    else:
        u, h = cell_blocks(paths, x, *process.discrete, f, last_only=last_only)
        m = None
        if "m" in process.outputs:
            m = all_steps(u, *process.discrete).reshape(*u.shape[:2], -1)
    result = {"u": u, "m": m, "h": h}
    return [result[name] for name in process.outputs]


def cell_steps(paths, x, started, Ad, Bd, f):
    """
    Memory's input, memory and hidden state of a cell in all steps, step by step.

    With ``s = (m, j)`` and ``h = f(j)``, ``s[t] = P (m[t-1], h[t-1])`` and what comes from
    outside.

    Parameters
    ----------
    paths : dict of {str: array}
        As for `cell_blocks`.
    x : array of shape (batch, n_steps, input_d)
        Input of the cell.
    started : array of shape (batch, n_steps, size)
        What is added to the memory in each step; the size may be 0.
    Ad, Bd : array of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    f : callable
        Activation of the hidden neurons.

    Returns
    -------
    u, m, h : array of shape (batch, n_steps, ...)
        Memory's input, memory and hidden state.
    """
    x, started = x.transpose(1, 0, 2), started.transpose(1, 0, 2)  # steps first
    e_h, e_m = paths["hidden_encoders"], paths["memory_encoders"]
    W_h, W_m = paths["hidden_kernel"], paths["memory_kernel"]
    (memory_d, size), (hidden_d, _) = e_m.shape, W_h.shape
    ux = x @ paths["input_encoders"].T
    jx = x @ paths["input_kernel"].T + paths["bias"]
    A, B = (jnp.kron(jnp.eye(memory_d, dtype=x.dtype), matrix) for matrix in (Ad, Bd))
    top = jnp.concatenate([A + B @ e_m, B @ e_h], axis=1)
    below = W_m @ top + jnp.pad(W_h, [(0, 0), (size, 0)])
    weights = jnp.concatenate([top, below], axis=0)
    m_drive = ux @ B.T
    if started.shape[-1]:
        m_drive += started
    drive = jnp.concatenate([m_drive, m_drive @ W_m.T + jx], axis=-1)
    h0 = jnp.zeros((x.shape[1], hidden_d), x.dtype)
    m0 = jnp.zeros((x.shape[1], size), x.dtype)
    # the recurrence starts from f(0), the cell from zero
    first = jnp.concatenate([m0, h0 - f(h0)], axis=-1) @ weights.T
    s = recurrence(weights, drive.at[0].add(first), f, size)
    m, h = s[..., :size], f(s[..., size:])
    u = ux + later(h) @ e_h.T + later(m) @ e_m.T
    return [y.transpose(1, 0, 2) for y in (u, m, h)]


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
    matrices = memory_block(Ad, Bd, block)
    u, before = blocks_of(u, matrices)
    m = u @ matrices.inside.astype(dtype)
    m += before @ matrices.across.astype(dtype)
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
    matrices = memory_block(Ad, Bd, block)
    weights = weights.reshape(size, memory_d, order)
    across = matrices.across.reshape(order, block, order).astype(dtype)  # Ad^(k+1)
    after = jnp.einsum("scp,okp->coks", weights, across)
    response = matrices.end[::-1].astype(dtype)
    of_input = jnp.einsum("scp,kp->cks", weights, response)
    of_input = jnp.pad(of_input, [(0, 0), (block, 0), (0, 0)])
    # from step j of a block to step k: what it is after k - j steps, or zero
    steps = np.arange(block)
    inside = of_input[:, block + steps[None, :] - steps[:, None]]
    both = jnp.concatenate([inside, after], axis=1)  # (channel, step or state, step, size)
    u, before = blocks_of(u, matrices)
    x = jnp.concatenate([u, before], axis=1)
    if memory_d > 1:  # the channels side by side
        x = x.reshape(batch, memory_d, n_blocks, -1).transpose(0, 2, 1, 3)
    y = x.reshape(batch * n_blocks, -1) @ both.reshape(-1, block * size)
    return y.reshape(batch, n_blocks * block, size)[:, :n_steps]


def blocks_of(u, matrices):
    """The input in blocks, and the state before each: (batch * channels * blocks, ...)."""
    batch, n_steps, memory_d = u.shape
    (block, order), dtype = matrices.end.shape, u.dtype
    n_blocks = -(-n_steps // block)
    u = jnp.pad(u, [(0, 0), (0, n_blocks * block - n_steps), (0, 0)])
    u = u.transpose(0, 2, 1).reshape(-1, block)
    ends = u @ matrices.end.astype(dtype)
    ends = ends.reshape(batch * memory_d, n_blocks, order).transpose(1, 0, 2)
    step = matrices.whole.astype(dtype)

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
