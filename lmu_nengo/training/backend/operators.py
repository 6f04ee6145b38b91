"""How NengoDL builds processes for whole sequences, dropout and noise."""

import numpy as np
import tensorflow as tf
from nengo.builder import Signal

from lmu_nengo.training._nengo_dl import nengo_dl
from lmu_nengo.training.backend.sequences import apply
from lmu_nengo.training.plan.operators import (
    BUILD,
    SimDropout,
    SimLastStep,
    SimNoise,
    SimSequence,
    SimTensorFunction,
)
from lmu_nengo.training.plan.paths import indices

for kind, build in BUILD.items():
    nengo_dl.builder.NengoBuilder.register(kind)(build)


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
        if not conn.has_weights:
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
