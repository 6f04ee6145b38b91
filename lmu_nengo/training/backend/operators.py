"""How NengoDL builds processes for whole sequences, dropout and noise."""

import numpy as np
import tensorflow as tf
from nengo.builder import Operator, Signal
from nengo.builder.network import build_network
from nengo.builder.processes import build_process

from lmu_nengo.layers.lmu_cell import STATE_SPACE, LMUCell
from lmu_nengo.processes.regularization import Dropout, GaussianNoise
from lmu_nengo.processes.sequence import Sequence
from lmu_nengo.processes.tensor_function import TensorFunction
from lmu_nengo.training._nengo_dl import has_weights, nengo_dl
from lmu_nengo.training.backend.cell_steps import CellSteps
from lmu_nengo.training.backend.plan import Plan
from lmu_nengo.training.backend.sequences import apply

LOG_THETA = "log_theta"  # the parameter that is trained


class Model(nengo_dl.builder.NengoModel):
    """
    A model that knows how its network is computed.

    Parameters
    ----------
    *args
        As for NengoDL's.
    plan : Plan
        How the network is computed.
    **kwargs
        As for NengoDL's.
    """

    def __init__(self, *args, plan, **kwargs):
        super().__init__(*args, **kwargs)
        self.plan = plan


class SimNode(Operator):
    """
    Sets signals from others by what ``process`` describes.

    Parameters
    ----------
    process : nengo.Process or CellSteps
        What is computed.
    inputs, outputs : list of nengo.builder.Signal
        What it reads and sets.
    """

    def __init__(self, process, inputs, outputs):
        super().__init__(tag=type(process).__name__)
        self.process = process
        self.inputs = inputs
        self.sets = outputs
        self.incs = []
        self.reads = [*inputs]
        self.updates = []

    outputs = property(lambda self: self.sets)


class SimSequence(SimNode):
    """
    A `Sequence` or a cell that feeds back, for whole sequences.

    Parameters
    ----------
    process : Sequence or CellSteps
        What is computed.
    inputs, outputs : list of nengo.builder.Signal
        What it reads and sets.
    parameters : dict of {str: nengo.builder.Signal or ndarray}
        A signal for what is trained.
    n_steps : int
        Steps in each sequence.
    """

    def __init__(self, process, inputs, outputs, parameters, n_steps):
        super().__init__(process, inputs, outputs)
        self.parameters = parameters
        self.n_steps = n_steps
        self.reads += [x for x in parameters.values() if isinstance(x, Signal)]


class SimLastStep(SimNode):
    """
    A windowed memory of which only the last step is wanted.

    Parameters
    ----------
    process : WindowResponse
        What is computed.
    inputs, outputs : list of nengo.builder.Signal
        What it sets; the inputs are not read.
    plan : Plan
        Knows what leads to the memory.

    Attributes
    ----------
    graph : WindowedGraph
        Has the input nodes' sequences; it sets itself.
    """

    graph = None

    def __init__(self, process, inputs, outputs, plan):
        super().__init__(process, inputs, outputs)
        self.plan = plan


class SimTensorFunction(SimNode):
    """A `TensorFunction`."""


class SimRandom(SimNode):
    """
    Random in training only.

    Attributes
    ----------
    graph : Graph or None
        Gives random keys; it sets itself. ``None`` in `nengo_dl.Simulator`.
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


def plan_of(model) -> Plan:
    """How a model's network is computed: step by step in `nengo_dl.Simulator`."""
    return getattr(model, "plan", Plan())


@nengo_dl.builder.NengoBuilder.register(Sequence)
def build_sequence(model, process, sig_in, sig_out, mode):
    """Add the operator of a process for whole sequences to a NengoDL model."""
    plan = plan_of(model)
    if plan.n_steps is None:
        build_process(model, process, sig_in, sig_out, mode=mode)
    elif plan.path == "last step":
        model.add_op(SimLastStep(process, [sig_in], [sig_out], plan))
    else:
        parameters = dict(process.parameters)
        for name in sorted(process.trainable):
            parameters[name] = add_parameter(model, process, name, parameters[name])
        inputs = [] if sig_in is None else [sig_in]
        op = SimSequence(process, inputs, [sig_out], parameters, plan.n_steps)
        model.add_op(op)


@nengo_dl.builder.NengoBuilder.register(LMUCell)
def build_cell(model, cell, progress=None):
    """
    Add a cell to a NengoDL model; in one operator if it feeds back and is Windowed.

    All parts of the cell are built in either case, so that the model knows the signals
    of its parameters. The operators are left out where the one replaces them.
    """
    first = len(model.operators)
    build_network(model, cell, progress)
    plan = plan_of(model)
    if cell not in plan.cells:
        return

    def signal(obj):
        return model.sig[obj]["out"]

    ends = [cell.input, cell.output] + ([] if cell.start is None else [cell.start])
    kept = {signal(end) for end in ends}
    model.operators[first:] = [
        op
        for op in model.operators[first:]
        if kept.issuperset([*op.sets, *op.incs, *op.updates])
    ]
    parameters = cell.weights
    for name in sorted(cell.trainable):
        if name == "theta":  # stays positive
            log_theta = np.log(parameters.pop(name))
            parameters[LOG_THETA] = add_parameter(model, cell, LOG_THETA, log_theta)
        elif name in STATE_SPACE:
            parameters[name] = add_parameter(model, cell, name, parameters[name])
        elif name in cell.paths:
            parameters[name] = model.sig[cell.paths[name]]["weights"]
        else:
            parameters[name] = model.sig[cell.hidden.neurons]["bias"]
    inputs = [signal(end) for end in ends if end is not cell.output]
    read = plan.cells[cell]
    process = CellSteps.of(cell, tuple(read.values()))
    outputs = [signal(obj) for obj in read]
    model.add_op(SimSequence(process, inputs, outputs, parameters, plan.n_steps))


def add_parameter(model, owner, name, value):
    """A signal that is trained."""
    signal = Signal(value, name=name)
    signal.trainable, signal.minibatched = True, False
    model.sig[owner][name] = signal
    return signal


@nengo_dl.builder.NengoBuilder.register(TensorFunction)
def build_tensor_function(model, process, sig_in, sig_out, mode):
    """Add the operator of a function of tensors to a NengoDL model."""
    model.add_op(SimTensorFunction(process, [sig_in], [sig_out]))


@nengo_dl.builder.NengoBuilder.register(Dropout)
@nengo_dl.builder.NengoBuilder.register(GaussianNoise)
def build_random(model, process, sig_in, sig_out, mode):
    """Add the operator of a node for dropout or noise to a NengoDL model."""
    kind = SimDropout if isinstance(process, Dropout) else SimNoise
    op = kind(process, [sig_in], [sig_out])
    op.reads.append(model.step)
    model.add_op(op)


@nengo_dl.builder.Builder.register(SimSequence)
class SimSequenceBuilder(nengo_dl.builder.OpBuilder):
    """Builds a `SimSequence`."""

    def build_step(self, signals):
        """Apply the process to the whole sequence."""
        (op,) = self.ops
        inputs = [signals.gather(signals[sig]) for sig in op.inputs]
        x = inputs[0] if len(inputs) == 1 else tf.concat(inputs, axis=-1)
        x = tf.reshape(x, (-1, op.n_steps, x.shape[-1]))
        parameters = {
            name: signals.gather(signals[value]) if isinstance(value, Signal) else value
            for name, value in op.parameters.items()
        }
        outputs, state = apply(op.process, x, parameters, signals.bases.get(op))
        if op in signals.bases:
            signals.bases[op] = state
        for sig, y in zip(op.outputs, outputs, strict=True):
            signals.scatter(signals[sig], tf.reshape(y, signals[sig].full_shape))


@nengo_dl.builder.Builder.register(SimTensorFunction)
class SimTensorFunctionBuilder(nengo_dl.builder.OpBuilder):
    """Builds a `SimTensorFunction`."""

    def build_step(self, signals):
        """Call the function."""
        (op,) = self.ops
        x = signals.gather(signals[op.inputs[0]])
        signals.scatter(signals[op.outputs[0]], op.process.function(x))


class SimRandomBuilder(nengo_dl.builder.OpBuilder):
    """The base of what builds a `SimRandom`."""

    def build_step(self, signals):
        """Change values if this graph is for training."""
        (op,) = self.ops
        x = signals.gather(signals[op.inputs[0]])
        step = signals.gather(signals[op.step])[0]

        def changed():
            if op.graph is None:  # nengo_dl.Simulator
                key = tf.random.uniform((2,), maxval=2**31 - 1, dtype=tf.int32)
            else:
                key = op.graph.random_key(op.place, step)
            return self.change(x, op.process, key)

        y = tf.keras.backend.in_train_phase(changed, x, self.config.training)
        signals.scatter(signals[op.outputs[0]], y)

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


@nengo_dl.builder.Builder.register(SimLastStep)
class SimLastStepBuilder(nengo_dl.builder.OpBuilder):
    """
    Builds a `SimLastStep`: ``m[T] = sum over k of response[k] u[T-k]``.

    The memory is applied to the input nodes' sequences, latest step first, and the
    linear connections on the way to the memory, which commute with it, afterwards.
    """

    def build_step(self, signals):
        """Compute the memory after the last step."""
        (op,) = self.ops
        response = tf.constant(op.process.response, signals.dtype)  # (n_steps, order)
        order = response.shape[1]

        def project(obj):
            """Coefficients of what an object gets, of shape (batch, size, order)."""
            if obj in op.graph.node_inputs:
                return tf.einsum("btd,to->bdo", op.graph.node_inputs[obj], response)
            total = tf.zeros((signals.minibatch_size, obj.size_in, order), signals.dtype)
            for conn in op.plan.incoming.get(obj, []):
                z = tf.gather(project(conn.pre_obj), indices(conn, "pre"), axis=1)
                z = self.transform(conn, z, op.graph, signals)
                place = np.eye(obj.size_in)[:, indices(conn, "post")]
                total += tf.einsum("ij,bjo->bio", tf.constant(place, z.dtype), z)
            return total

        m = project(op.plan.nodes[op.process])
        if op in signals.bases:  # what is left of the memory before the first step
            Ad, _ = op.process.discrete
            left = np.linalg.matrix_power(Ad, op.process.n_steps)
            before = tf.reshape(signals.bases[op], m.shape)
            m += tf.linalg.matmul(before, tf.constant(left, m.dtype), transpose_b=True)
            signals.bases[op] = tf.reshape(m, (m.shape[0], -1))
        output = signals[op.outputs[0]]
        signals.scatter(output, tf.reshape(m, output.full_shape))

    @staticmethod
    def transform(conn, z, graph, signals):
        """Apply a connection's weights to coefficients of shape (batch, size, order)."""
        if not has_weights(conn):
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
