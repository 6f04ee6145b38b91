"""What is computed for whole sequences, in TensorFlow."""

from functools import singledispatch

import nengo
import numpy as np
import tensorflow as tf

from lmu_nengo.layers.lstm import LSTMSequence
from lmu_nengo.memory.exact import WindowResponse
from lmu_nengo.processes.sequence import Only, Reverse
from lmu_nengo.training.kernels.blocks import cell_blocks
from lmu_nengo.training.kernels.recurrent import recurrence
from lmu_nengo.training.plan.blocks import memory_block
from lmu_nengo.training.plan.cells import CellSteps

STATE = ("theta", "log_theta", "A", "B")
BLOCK = 28  # steps; the cost is flat from 14 to 56
# f of a rate neuron type with gain 1 and bias 0, where a cell feeds it back
ACTIVATIONS = {
    nengo.RectifiedLinear: lambda kind: lambda j: kind.amplitude * tf.nn.relu(j),
    nengo.Sigmoid: lambda kind: lambda j: tf.nn.sigmoid(j) / kind.tau_ref,
    nengo.Tanh: lambda kind: lambda j: tf.nn.tanh(j) / kind.tau_ref,
    nengo.LIFRate: lambda kind: lambda j: lif_rate(j, kind),
}


@singledispatch
def apply(process, x, parameters, state):
    """
    Apply a process to a batch of whole sequences.

    Parameters
    ----------
    process : Sequence or CellSteps
        What to compute.
    x : tf.Tensor of shape (batch, n_steps, size_in)
        Its input.
    parameters : dict of {str: tf.Tensor or ndarray}
        Its parameters: a tensor for what is trained.
    state : tf.Tensor of shape (batch, state_d) or None
        Its state before the first step; ``None`` is zero.

    Returns
    -------
    outputs : list of tf.Tensor of shape (batch, n_steps, size)
        Its outputs, one for each signal.
    state : tf.Tensor of shape (batch, state_d) or None
        Its state after the last step, if it has any.
    """
    raise NotImplementedError(process)


@apply.register
def reverse(process: Reverse, x, parameters, state):
    """Last step first."""
    return [tf.reverse(x, [1])], None


@apply.register
def only(process: Only, x, parameters, state):
    """Some steps, and zero at all others."""
    steps = np.arange(x.shape[1])
    stop = x.shape[1] if process.stop is None else process.stop
    inside = (process.start <= steps) & (steps < stop)
    return [x * tf.constant(inside[:, None], x.dtype)], None


@apply.register
def window(process: WindowResponse, x, parameters, state):
    """The memory after every step."""
    u, started = x[..., : process.memory_d], x[..., process.memory_d :]
    m = all_steps(u, *process.discrete, state)
    if started.shape[-1]:
        Ad, _ = process.discrete
        batch, n_steps, order = *x.shape[:2], len(Ad)
        drive = tf.transpose(started, (1, 0, 2))  # steps first, then channels
        drive = tf.reshape(drive, (n_steps, batch * process.memory_d, order))
        moved = recurrence(tf.constant(Ad, x.dtype), drive, tf.identity, order)
        moved = tf.reshape(moved, (n_steps, batch, process.memory_d, order))
        m += tf.transpose(moved, (1, 0, 2, 3))
    m = tf.reshape(m, (*x.shape[:2], process.state_d))
    return [m], m[:, -1]


@apply.register
def cell(process: CellSteps, x, parameters, state):
    """An `lmu_nengo.LMUCell` that feeds back."""
    p = {k: tf.convert_to_tensor(v, x.dtype) for k, v in parameters.items()}
    f = activation_of(process.hidden_type)
    Ad, Bd = state_matrices(process, parameters, x.dtype)
    started = tf.transpose(x[..., process.input_d :], (1, 0, 2))
    x = tf.transpose(x[..., : process.input_d], (1, 0, 2))  # steps first
    n_steps, batch, input_d = x.shape
    memory_d, hidden_d = process.memory_d, process.hidden_d
    size = process.state_d - hidden_d

    def path(name, rows, columns):
        if name not in p:
            return tf.zeros((rows, columns), x.dtype)
        return tf.reshape(p[name], (rows, columns))

    def through(x, weights):
        return tf.linalg.matmul(x, weights, transpose_b=True)

    bias = tf.reshape(p["bias"], (hidden_d,)) if "bias" in p else 0
    ux = through(x, path("input_encoders", memory_d, input_d))
    jx = through(x, path("input_kernel", hidden_d, input_d)) + bias
    e_h = path("hidden_encoders", memory_d, hidden_d)
    W_h = path("hidden_kernel", hidden_d, hidden_d)
    e_m = path("memory_encoders", memory_d, size)
    W_m = path("memory_kernel", hidden_d, size)
    has_state = state is not None
    if not has_state:
        state = tf.zeros((batch, process.state_d), x.dtype)
    m, h = state[:, :size], state[:, size:]

    def all_memory(u):
        u = tf.transpose(u, (1, 0, 2))
        states = all_steps(u, *process.discrete, tf.reshape(m, (batch, memory_d, -1)))
        return tf.reshape(tf.transpose(states, (1, 0, 2, 3)), (n_steps, batch, -1))

    if started.shape[-1] or process.trains_state_space:
        # with s = (m, j), h = f(j): s[t] = P (m[t-1], h[t-1]) + what comes from outside
        A, B = (kron(tf.eye(memory_d, dtype=x.dtype), matrix) for matrix in (Ad, Bd))
        top = tf.concat([A + B @ e_m, B @ e_h], axis=1)
        weights = tf.concat([top, W_m @ top + tf.pad(W_h, [[0, 0], [size, 0]])], axis=0)
        m_drive = through(ux, B)
        if started.shape[-1]:
            m_drive += started
        drive = tf.concat([m_drive, through(m_drive, W_m) + jx], axis=-1)
        first = through(tf.concat([m, h - f(tf.zeros_like(h))], axis=-1), weights)
        s = recurrence(weights, at_first(drive, first), f, size)
        m_all, h_all = s[..., :size], f(s[..., size:])
        u = ux + through(later(h_all, h), e_h) + through(later(m_all, m), e_m)
    else:
        if has_state:  # what the memory holds is linear: its own course, and what comes in
            free = all_memory(tf.zeros_like(ux))
            ux = at_first(ux + through(later(free, m), e_m), through(h, e_h))
            jx = at_first(jx + through(free, W_m), through(h, W_h))
        # halves of the batch go side by side on two threads, if XLA does not forbid it
        halves = [batch // 2, batch - batch // 2] if batch > 1 else [batch]
        drives = zip(
            tf.split(ux, halves, axis=1), tf.split(jx, halves, axis=1), strict=True
        )
        paths = (e_h, e_m, W_h, W_m)
        results = [cell_blocks(paths, *drive, *process.discrete, f) for drive in drives]
        u, h_all = (tf.concat(parts, axis=1) for parts in zip(*results, strict=True))
        m_all = all_memory(u) if has_state or "m" in process.outputs else None
    result = {"u": u, "m": m_all, "h": h_all}
    outputs = [tf.transpose(result[name], (1, 0, 2)) for name in process.outputs]
    last = tf.concat([m_all[-1], h_all[-1]], axis=-1) if has_state else None
    return outputs, last


@apply.register
def lstm(process: LSTMSequence, x, parameters, state):
    """`lmu_nengo.LSTM`: the hidden state of all steps."""
    p = {k: tf.convert_to_tensor(v, x.dtype) for k, v in parameters.items()}
    drive = tf.linalg.matmul(x, p["kernel"], transpose_b=True) + p["bias"]

    def step(now, states):
        h, c = states
        z = now + tf.linalg.matmul(h, p["recurrent_kernel"], transpose_b=True)
        i, f, g, o = tf.split(z, 4, axis=-1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, [h, c]

    if state is None:
        state = tf.zeros((x.shape[0], process.state_d), x.dtype)
    first = tf.split(state, 2, axis=-1)
    _, h, last = tf.keras.backend.rnn(step, drive, first, input_length=x.shape[1])
    h = tf.reshape(h, (x.shape[0], x.shape[1], process.default_size_out))
    return [h], tf.concat(last, axis=-1)


def all_steps(u, Ad, Bd, m=None):
    """
    Memory after every step, block by block.

    The state at the start of each block of ``BLOCK`` steps follows from that of the block
    before; within a block, ``m[k] = Ad^k m[0] + sum over j of Ad^(k-j) Bd u[j]`` is one
    matrix product for all blocks. On a CPU this is faster than a Fourier transform.

    Parameters
    ----------
    u : tf.Tensor of shape (batch, n_steps, memory_d)
        Input of the memory.
    Ad, Bd : ndarray of shapes (order, order) and (order, 1)
        Discrete state space of one channel.
    m : tf.Tensor of shape (batch, memory_d, order), optional
        The memory before the first step; by default zero.

    Returns
    -------
    m : tf.Tensor of shape (batch, n_steps, memory_d, order)
        The memory.
    """
    batch, n_steps, memory_d = u.shape
    order = len(Ad)
    n_blocks = -(-n_steps // BLOCK)
    matrices = memory_block(Ad, Bd, BLOCK)
    u = tf.pad(u, [[0, 0], [0, n_blocks * BLOCK - n_steps], [0, 0]])
    u = tf.reshape(tf.transpose(u, (0, 2, 1)), (-1, BLOCK))
    first = None if m is None else tf.reshape(m, (-1, order))
    m = u @ tf.constant(matrices.inside, u.dtype)
    ends = tf.reshape(m[:, -order:], (batch * memory_d, n_blocks, order))
    step = tf.constant(matrices.whole, u.dtype)
    before = [tf.zeros_like(ends[:, 0]) if first is None else first]
    for block in range(n_blocks - 1):
        before.append(before[-1] @ step + ends[:, block])
    before = tf.reshape(tf.stack(before, axis=1), (-1, order))
    m += before @ tf.constant(matrices.across, u.dtype)
    m = tf.reshape(m, (batch, memory_d, n_blocks * BLOCK, order))[:, :, :n_steps]
    return tf.transpose(m, (0, 2, 1, 3))


def state_matrices(process, parameters, dtype):
    """Discrete state space; of trained ``theta, A, B`` by zero-order hold, in float64."""
    if not process.trains_state_space:
        return (tf.constant(matrix, dtype) for matrix in process.discrete)
    p = {k: tf.cast(parameters[k], tf.float64) for k in STATE if k in parameters}
    theta = tf.exp(p["log_theta"]) if "log_theta" in p else p["theta"]
    A, B = p["A"], p["B"]
    generator = tf.pad(tf.concat([A, B], axis=1), [[0, 1], [0, 0]]) * process.dt / theta
    discrete = tf.cast(tf.linalg.expm(generator), dtype)
    return discrete[:-1, :-1], discrete[:-1, -1:]


def activation_of(hidden_type):
    """TensorFlow function of a rate neuron type."""
    if not isinstance(hidden_type, nengo.neurons.NeuronType):
        return hidden_type
    return ACTIVATIONS[type(hidden_type)](hidden_type)


def lif_rate(j, kind):
    """Rate of leaky integrate-and-fire neurons, times their amplitude."""
    above = j > 1
    gap = tf.where(above, j - 1, tf.ones_like(j))
    rate = 1 / (kind.tau_ref + kind.tau_rc * tf.math.log1p(1 / gap))
    return kind.amplitude * tf.where(above, rate, tf.zeros_like(rate))


def kron(eye, matrix):
    """Kronecker product: the same matrix for every channel."""
    n, (rows, columns) = eye.shape[0], matrix.shape
    product = tf.einsum("ij,kl->ikjl", eye, matrix)
    return tf.reshape(product, (n * rows, n * columns))


def later(x, first):
    """A sequence (n_steps, batch, size) one step later, and what comes before it."""
    return tf.concat([first[None], x[:-1]], axis=0)


def at_first(x, first):
    """A sequence (n_steps, batch, size) with something added in its first step."""
    return tf.concat([x[:1] + first, x[1:]], axis=0)
