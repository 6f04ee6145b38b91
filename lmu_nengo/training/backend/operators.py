"""How NengoDL builds a windowed memory, dropout and noise."""

from weakref import WeakSet

import numpy as np
import tensorflow as tf
from nengo.builder import Operator, Signal
from nengo.builder.processes import build_process
from nengo.exceptions import ValidationError

from lmu_nengo.memory.exact import WindowResponse
from lmu_nengo.processes.regularization import Dropout, GaussianNoise
from lmu_nengo.processes.sequence import Sequence
from lmu_nengo.processes.tensor_function import TensorFunction
from lmu_nengo.training._nengo_dl import nengo_dl
from lmu_nengo.training.backend.sequences import all_steps, apply

# networks that lmu_nengo.training.Simulator is building for whole sequences
windowed_networks = WeakSet()


class OneToOne(Operator):
    """
    Sets ``output`` from ``input`` by what ``process`` describes.

    Parameters
    ----------
    process : nengo.Process
        A `WindowResponse`, `Sequence`, `Dropout`, `GaussianNoise` or `TensorFunction`.
    input, output : nengo.builder.Signal
        What it reads and sets.
    """

    def __init__(self, process, input, output):
        super().__init__(tag=type(process).__name__)
        self.process = process
        self.sets = [output]
        self.incs = []
        self.reads = [input]
        self.updates = []

    input = property(lambda self: self.reads[0])
    output = property(lambda self: self.sets[0])


class SimWindow(OneToOne):
    """
    A whole window; `lmu_nengo.training.Simulator` sets the attributes.

    Attributes
    ----------
    graph : WindowedGraph
        NengoDL's graph, which has the input nodes' sequences.
    node : nengo.Node
        The node that it computes.
    incoming : dict of {nengo.Node: list of nengo.Connection} or None
        What leads to each node, if only the last step is wanted; else ``None``.
    """

    graph = None
    node = None
    incoming = None
    state_d = property(lambda self: self.output.size)


class SimSequence(OneToOne):
    """
    A `Sequence`; `lmu_nengo.training.Simulator` sets ``n_steps``.

    Attributes
    ----------
    parameters : dict of {str: nengo.builder.Signal or ndarray}
        A signal for what is trained.
    """

    n_steps = None
    parameters = None
    state_d = property(lambda self: self.process.state_d)


class SimTensorFunction(OneToOne):
    """A `TensorFunction`."""


class SimRandom(OneToOne):
    """
    Random in training only; `lmu_nengo.training.Simulator` sets the attributes.

    Attributes
    ----------
    graph : Graph
        NengoDL's graph.
    place : int
        Place among the model's operators.
    """

    graph = None
    place = None
    step = property(lambda self: self.reads[1])


class SimDropout(SimRandom):
    """Dropout."""


class SimNoise(SimRandom):
    """Gaussian noise."""


@nengo_dl.builder.NengoBuilder.register(WindowResponse)
def build_window(model, process, sig_in, sig_out, mode):
    """Add the operator of a windowed memory to a NengoDL model."""
    if model.toplevel not in windowed_networks:
        raise ValidationError(
            "a Windowed memory runs in lmu_nengo.training.Simulator, not in "
            "nengo_dl.Simulator. Use the former, which is a nengo_dl.Simulator too, "
            "or realize(network, Linear()).",
            attr="realization",
        )
    model.add_op(SimWindow(process, sig_in, sig_out))


@nengo_dl.builder.NengoBuilder.register(Sequence)
def build_sequence(model, process, sig_in, sig_out, mode):
    """Add the operator of a process for whole sequences to a NengoDL model."""
    if model.toplevel not in windowed_networks:
        build_process(model, process, sig_in, sig_out, mode=mode)
        return
    op = SimSequence(process, sig_in, sig_out)
    op.parameters = dict(process.parameters)
    for name in sorted(process.trainable):
        signal = Signal(process.parameters[name], name=name)
        signal.trainable, signal.minibatched = True, False
        op.parameters[name] = model.sig[process][name] = signal
        op.reads.append(signal)
    model.add_op(op)


@nengo_dl.builder.NengoBuilder.register(TensorFunction)
def build_tensor_function(model, process, sig_in, sig_out, mode):
    """Add the operator of a function of tensors to a NengoDL model."""
    model.add_op(SimTensorFunction(process, sig_in, sig_out))


@nengo_dl.builder.NengoBuilder.register(Dropout)
@nengo_dl.builder.NengoBuilder.register(GaussianNoise)
def build_random(model, process, sig_in, sig_out, mode):
    """Add the operator of a node for dropout or noise to a NengoDL model."""
    kind = SimDropout if isinstance(process, Dropout) else SimNoise
    op = kind(process, sig_in, sig_out)
    op.reads.append(model.step)
    model.add_op(op)


@nengo_dl.builder.Builder.register(SimSequence)
class SimSequenceBuilder(nengo_dl.builder.OpBuilder):
    """Builds a `SimSequence`."""

    def build_step(self, signals):
        """Apply the process to the whole sequence."""
        (op,) = self.ops
        x = signals.gather(signals[op.input])
        x = tf.reshape(x, (-1, op.n_steps, x.shape[-1]))
        parameters = {
            name: signals.gather(signals[value]) if isinstance(value, Signal) else value
            for name, value in op.parameters.items()
        }
        output = signals[op.output]
        y, state = apply(op.process, x, parameters, signals.bases.get(op))
        if op in signals.bases:
            signals.bases[op] = state
        signals.scatter(output, tf.reshape(y, output.full_shape))


@nengo_dl.builder.Builder.register(SimTensorFunction)
class SimTensorFunctionBuilder(nengo_dl.builder.OpBuilder):
    """Builds a `SimTensorFunction`."""

    def build_step(self, signals):
        """Call the function."""
        (op,) = self.ops
        x = signals.gather(signals[op.input])
        signals.scatter(signals[op.output], op.process.function(x))


class SimRandomBuilder(nengo_dl.builder.OpBuilder):
    """The base of what builds a `SimRandom`."""

    def build_step(self, signals):
        """Change values if this graph is for training."""
        (op,) = self.ops
        x = signals.gather(signals[op.input])
        step = signals.gather(signals[op.step])[0]

        def changed():
            if op.graph is None:  # nengo_dl.Simulator
                key = tf.random.uniform((2,), maxval=2**31 - 1, dtype=tf.int32)
            else:
                key = op.graph.random_key(op.place, step)
            return self.change(x, op.process, key)

        y = tf.keras.backend.in_train_phase(changed, x, self.config.training)
        signals.scatter(signals[op.output], y)

    @staticmethod
    def change(x, process, key):
        """Values in training."""
        raise NotImplementedError


@nengo_dl.builder.Builder.register(SimDropout)
class SimDropoutBuilder(SimRandomBuilder):
    """Builds a `SimDropout`."""

    @staticmethod
    def change(x, process, key):
        """Zero values, and divide those that are left by ``1 - rate``."""
        return tf.nn.experimental.stateless_dropout(x, process.rate, key, rng_alg="philox")


@nengo_dl.builder.Builder.register(SimNoise)
class SimNoiseBuilder(SimRandomBuilder):
    """Builds a `SimNoise`."""

    @staticmethod
    def change(x, process, key):
        """Add noise."""
        noise = tf.random.stateless_normal(x.shape, key, 0, process.std, x.dtype, "philox")
        return x + noise


@nengo_dl.builder.Builder.register(SimWindow)
class SimWindowBuilder(nengo_dl.builder.OpBuilder):
    """Builds a `SimWindow`: ``m[t] = sum over k of response[k] u[t-k]``."""

    def build_step(self, signals):
        """Apply the memory to the whole sequence."""
        (op,) = self.ops
        if op.incoming is None:
            u = signals.gather(signals[op.input])
            u = tf.reshape(u, (-1, op.process.n_steps, u.shape[-1]))
            m = all_steps(u, *op.process.discrete, signals.bases.get(op))
            last = m[:, -1]
        else:
            last = m = self.last_step(op, signals)
        if op in signals.bases:
            signals.bases[op] = tf.reshape(last, (last.shape[0], -1))
        output = signals[op.output]
        signals.scatter(output, tf.reshape(m, output.full_shape))

    def last_step(self, op, signals):
        """
        Memory after the last step only; shape (batch, memory_d, order).

        The memory is applied to the input nodes' sequences, latest step first, and the
        linear connections on the way to the memory, which commute with it, afterwards.
        """
        response = tf.constant(op.process.response, signals.dtype)  # (n_steps, order)
        order = response.shape[1]

        def project(obj):
            if obj in op.graph.node_inputs:
                return tf.einsum("btd,to->bdo", op.graph.node_inputs[obj], response)
            total = tf.zeros((signals.minibatch_size, obj.size_in, order), signals.dtype)
            for conn in op.incoming[obj]:
                z = tf.gather(project(conn.pre_obj), indices(conn, "pre"), axis=1)
                z = self.transform(conn, z, op.graph, signals)
                place = np.eye(obj.size_in)[:, indices(conn, "post")]
                total += tf.einsum("ij,bjo->bio", tf.constant(place, z.dtype), z)
            return total

        m = project(op.node)
        if op in signals.bases:  # what is left of the memory before the first step
            Ad, _ = op.process.discrete
            left = np.linalg.matrix_power(Ad, op.process.n_steps)
            before = tf.reshape(signals.bases[op], m.shape)
            m += tf.linalg.matmul(before, tf.constant(left, m.dtype), transpose_b=True)
        return m

    @staticmethod
    def transform(conn, z, graph, signals):
        """Apply a connection's weights to coefficients of shape (batch, size, order)."""
        if not nengo_dl.compat.conn_has_weights(conn):
            return z
        sig = graph.model.sig[conn]["weights"]
        if sig in signals:
            weights = signals.gather(signals[sig])
        else:  # NengoDL has simplified it away: a constant
            weights = tf.constant(sig.initial_value, signals.dtype)
        if len(sig.shape) == 2:
            return tf.einsum("ij,bjo->bio", weights, z)
        return tf.reshape(weights, (-1, 1)) * z


class RowsDotBuilder(nengo_dl.op_builders.DotIncBuilder):
    """Weights times many rows, several times faster than NengoDL's transposed form."""

    def build_step(self, signals):
        """Multiply."""
        if len(self.ops) > 1 or self.A_data.minibatched or not self.X_data.minibatched:
            super().build_step(signals)
            return
        weights, x = signals.gather(self.A_data)[0], signals.gather(self.X_data)[:, 0]
        y = tf.linalg.matmul(x, weights, transpose_b=True)
        signals.scatter(self.Y_data, y[:, None], mode=self.mode)


def indices(conn, end):
    """Indices that a connection takes of its pre or post object."""
    size = conn.pre_obj.size_out if end == "pre" else conn.post_obj.size_in
    return np.arange(size)[getattr(conn, f"{end}_slice")]
