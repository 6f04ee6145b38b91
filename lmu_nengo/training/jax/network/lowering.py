"""How operators are computed in training: for rows of sequences and steps at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from nengo.builder import Signal
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import DotInc
from nengo.exceptions import ValidationError

from lmu_nengo.engine.registry import lowering
from lmu_nengo.engine.values import Value, unit_of
from lmu_nengo.memory.exact import WindowResponse
from lmu_nengo.training.jax.network.sequences import (
    BLOCK,
    apply,
    apply_last,
    read_all_steps,
)
from lmu_nengo.training.jax.network.spikes import (
    fire,
    has_rates,
    is_spiking,
    rates_of,
    straight_through,
    surrogate_step,
)
from lmu_nengo.training.plan.checks import INTEGRATING
from lmu_nengo.training.plan.operators import (
    SimDropout,
    SimLastStep,
    SimNoise,
    SimSequence,
    SimTensorFunction,
)
from lmu_nengo.training.plan.paths import indices

LEVELS = 2**16  # of a random number that decides whether a value is dropped


class Given:
    """
    An input of the program that training computes.

    Parameters
    ----------
    shape : tuple of int
        Its shape for one row.
    dtype : dtype, optional
        By default that of the program.
    """

    is_batched, op, unit = False, None, None

    def __init__(self, shape, dtype=None):
        self.shape, self.dtype = shape, dtype

    def reset(self, rngs) -> None:
        """Nothing is kept."""


class Memory(Value):
    """
    A memory in all steps, which is computed when it is read.

    Parameters
    ----------
    process : WindowResponse
        The memory.
    u : array
        Its input.
    compute : function
        Gives the memory of its input.
    n_steps : int
        Steps of a sequence.
    """

    def __init__(self, process, u, compute: Callable, n_steps: int):
        super().__init__()
        self.process, self.u, self.compute, self.n_steps = process, u, compute, n_steps

    def flat(self):
        """The memory."""
        if self._flat is None:
            (self._flat,) = self.compute(self.u)
        return self._flat

    def is_worthwhile(self, size: int) -> bool:
        """Whether it is cheaper to compute ``size`` products without the memory."""
        order = len(self.process.discrete[0])
        both = min(BLOCK, self.n_steps) + order
        return size * both < both * order + order * size

    def times(self, weights):
        """Weights times the memory, which is not computed itself."""

        def function(u, weights):
            u = u.reshape(-1, self.n_steps, u.shape[-1])
            y = read_all_steps(u, *self.process.discrete, weights)
            return [y.reshape(-1, len(weights))]

        call = for_rows(function, [len(weights)], weights.dtype, in_sequences=True)
        return call(self.u, weights)[0]


class Lowering:
    """
    Finds the function that lowers an operator, in training.

    Parameters
    ----------
    model : nengo.builder.Model
        The model, with its plan.
    trained : iterable of Signal
        What is trained.
    is_training : bool
        Whether this is for training: with dropout and noise, and with gradients.
    spikes_in_training : bool
        Whether spiking neurons fire on the forward pass of training.
    surrogate : function or None
        Derivative of a spike; None for the rates.
    last_only : set of SimSequence
        Those of which only the last step is wanted.

    Attributes
    ----------
    key : Given
        Key of all random numbers of a batch.
    step : Given
        Number of the step in a sequence, if all steps are computed at once.
    projected : dict of {tuple of (Sequence, Node): Given}
        Coefficients of the sequence of an input node, in a memory after the last step.
    """

    def __init__(
        self, model, trained, is_training, spikes_in_training, surrogate, last_only=()
    ):
        self.model, self.trained = model, frozenset(trained)
        self.last_only = last_only
        self.in_sequences = model.plan.n_steps is not None and (
            model.plan.path != "last step"
        )
        self.is_training = is_training
        self.spikes_in_training, self.surrogate = spikes_in_training, surrogate
        self.key, self.step = Given((4,), np.uint32), Given((), np.int32)
        self.projected: dict[tuple, Given] = {}
        self._n_random = 0
        self._functions = {
            SimSequence: self.sequence,
            SimLastStep: self.last_step,
            SimDropout: self.random,
            SimNoise: self.random,
            SimTensorFunction: self.tensor_function,
        }

    def __call__(self, op):
        """The function for an operator."""
        if isinstance(op, SimNeurons) and is_spiking(op.neurons):
            return self.neurons
        if type(op) is DotInc and op.A.base in self.trained and op.X.ndim == 1:
            return self.product
        return self._functions.get(type(op)) or lowering(op)

    def product(self, op, builder):
        """``Y += A . X`` with an ``A`` that is trained: rows times its transpose."""
        if op.A.ndim != 2:
            return lowering(op)(op, builder)

        def step(values):
            weights, x = values.read(op.A), values.read_value(op.X)
            if isinstance(x, Memory) and x.is_worthwhile(len(weights)):
                values.inc(op.Y, x.times(weights))
            else:
                values.inc(op.Y, jnp.einsum("i,oi->o", x.flat(), weights))

        return step

    def sequence(self, op, builder):
        """A process, or a cell that feeds back, for whole sequences."""
        n_inputs = len(op.inputs)
        names = [k for k, value in op.parameters.items() if isinstance(value, Signal)]
        fixed = {k: value for k, value in op.parameters.items() if k not in names}
        sizes = [signal.size for signal in op.outputs]
        is_last = op in self.last_only

        def whole(x, *trained):
            x = x.reshape(-1, op.n_steps, x.shape[-1])
            parameters = {**fixed, **dict(zip(names, trained, strict=True))}
            compute = apply_last if is_last else apply
            outputs = compute(op.process, x, parameters)
            return [y.reshape(-1, size) for y, size in zip(outputs, sizes, strict=True)]

        call = for_rows(whole, sizes, builder.dtype, in_sequences=True, last_only=is_last)

        def step(values):
            inputs = [values.read(signal).ravel() for signal in op.reads[:n_inputs]]
            x = jnp.concatenate(inputs) if inputs else jnp.zeros(0, builder.dtype)
            is_memory = isinstance(op.process, WindowResponse) and not op.process.start
            if is_memory and not is_last:
                memory = Memory(op.process, x, call, op.n_steps)
                values.set_unit(unit_of(op.outputs[0]), memory)
                return
            trained = [values.read(signal) for signal in op.reads[n_inputs:]]
            for signal, y in zip(op.outputs, call(x, *trained), strict=True):
                values.set(signal, y.reshape(signal.shape))

        return step

    def last_step(self, op, builder):
        """
        A memory after the last step: ``m[T] = sum over k of response[k] u[T-k]``.

        The memory has been applied to the input nodes' sequences; the linear connections
        on the way to it, which commute with it, are applied here.
        """
        plan, order = op.plan, len(op.process.discrete[0])
        target = plan.nodes[op.process]

        def sources(obj):
            if obj.size_in == 0:
                place = op.process, obj
                if place not in self.projected:
                    given = builder.input(Given((obj.size_out, order)))
                    self.projected[place] = given
            for conn in plan.incoming.get(obj, []):
                sources(conn.pre_obj)

        sources(target)

        def project(obj, values):
            """Coefficients of what an object gets, of shape (size, order)."""
            if obj.size_in == 0:
                return values.inputs[self.projected[op.process, obj]]
            total = jnp.zeros((obj.size_in, order), builder.dtype)
            for conn in plan.incoming.get(obj, []):
                z = project(conn.pre_obj, values)
                if conn.pre_slice != slice(None):
                    z = z[indices(conn, "pre")]
                if conn.has_weights:
                    signal = self.model.sig[conn]["weights"]
                    weights = values.read(builder.places.signal(signal))
                    if weights.ndim == 2:
                        z = weights @ z
                    else:
                        z = weights.reshape(-1, 1) * z
                if conn.post_slice == slice(None):
                    total = total + z
                else:
                    total = total.at[indices(conn, "post")].add(z)
            return total

        def step(values):
            values.set(op.outputs[0], project(target, values).reshape(-1))

        return step

    def random(self, op, builder):
        """Dropout or noise, in training only."""
        if not self.is_training:
            return lambda values: values.set(op.outputs[0], values.read(op.reads[0]))
        by_step = self.model.plan.n_steps is None
        for given in [self.key, *([self.step] if self.in_sequences else [])]:
            if given not in builder.inputs:
                builder.input(given)
        process, size = op.process, op.outputs[0].size
        self._n_random += 1
        place = self._n_random

        def changed(x, data, number):
            key = jax.random.wrap_key_data(data, impl="rbg")
            key = jax.random.fold_in(jax.random.fold_in(key, place), number)
            if isinstance(op, SimNoise):
                noise = jax.random.normal(key, x.shape, x.dtype)
                return [x + process.std * noise]
            bits = jax.random.bits(key, x.shape, np.uint16)
            n_dropped = round(process.rate * LEVELS)
            kept = bits >= n_dropped
            return [jnp.where(kept, x * (LEVELS / (LEVELS - n_dropped)), 0)]

        call = for_rows(
            changed,
            [size],
            builder.dtype,
            whole=[True, False, False],
            in_sequences=self.in_sequences,
        )

        def step(values):
            number = np.int32(0)
            if by_step:
                number = values.inputs[builder.step_number]
            elif self.in_sequences:
                number = 0 * values.inputs[self.step]  # tells the steps' axis
            (x,) = call(values.read(op.reads[0]), values.inputs[self.key], number)
            values.set(op.outputs[0], x)

        return step

    def tensor_function(self, op, builder):
        """A function of an array, element by element."""

        def step(values):
            values.set(op.outputs[0], op.process.function(values.read(op.reads[0])))

        return step

    def neurons(self, op, builder):
        """Spiking neurons: in training their rates, or spikes that have a gradient."""
        neurons, dt = op.neurons, builder.dt

        def set_all(values, y, state):
            values.set(op.output, y)
            for name, value in state.items():
                values.set(op.state[name], value)

        def state_of(values):
            return {name: values.read(signal) for name, signal in op.state.items()}

        n_steps = self.model.plan.n_steps
        if n_steps is not None and type(neurons) in INTEGRATING:
            return self._whole_spikes(op, builder)
        if not self.is_training:
            return lowering(op)(op, builder)
        if self.surrogate is not None:
            advance = surrogate_step(neurons, self.surrogate)
            return lambda values: set_all(
                values, *advance(neurons, dt, values.read(op.J), **state_of(values))
            )
        if not has_rates(neurons):
            raise ValidationError(
                f"rates are not known for neurons of type {type(neurons).__name__}: "
                "train with another type.",
                attr="neuron_type",
            )
        if not self.spikes_in_training:
            return lambda values: set_all(
                values, *rates_of(neurons, dt, values.read(op.J), state_of(values))
            )
        usual = lowering(op)(op, builder)

        def step(values):
            rates, _ = rates_of(neurons, dt, values.read(op.J), state_of(values))
            usual(values)
            values.set(op.output, straight_through(rates, values.read(op.output)))
            for signal in op.state.values():
                values.set(signal, jax.lax.stop_gradient(values.read(signal)))

        return step

    def _whole_spikes(self, op, builder):
        """Integrate-and-fire neurons of whole sequences."""
        neurons, dt, size = op.neurons, builder.dt, op.J.size
        n_steps = self.model.plan.n_steps
        fires = self.spikes_in_training or not self.is_training

        def all_spikes(increments, voltage):
            increments = increments.reshape(-1, n_steps, size)
            return [fire(increments, voltage).reshape(-1, size)]

        call = for_rows(
            all_spikes, [size], builder.dtype, whole=[True, False], in_sequences=True
        )

        def step(values):
            rates, _ = rates_of(neurons, dt, values.read(op.J), {})
            if fires:
                increments = (rates * (dt / neurons.amplitude)).reshape(-1)
                voltage = values.read(op.state["voltage"]).reshape(-1)
                (n,) = call(increments, voltage)
                spikes = (n * (neurons.amplitude / dt)).reshape(rates.shape)
                rates = straight_through(rates, spikes)
            values.set(op.output, rates)

        return step


def for_rows(function, sizes, dtype, whole=None, in_sequences=False, last_only=False):
    """
    Let a function of all rows stand in a program for one row.

    Parameters
    ----------
    function : function
        It takes arrays of shape (rows, ...), and returns a list of arrays of shapes
        (rows, size).
    sizes : list of int
        The sizes.
    dtype : dtype
        Type of the results.
    whole : list of bool, optional
        Which arguments have rows; the others are the same for all rows. By default only
        the first has.
    in_sequences : bool
        Whether the program is vectorized twice, first over the steps, then over the
        sequences: their steps are the rows. What is the same in all steps has a row for
        each sequence only; some other argument has to differ between the steps then.
    last_only : bool
        Whether the function gives a row for each sequence. It is then the same in all of
        its steps, and so is all that follows from it, which is computed once.

    Returns
    -------
    call : function
        It may be called in a function that is vectorized by ``jax.vmap``.
    """

    def in_rows(args, axis_size, in_batched):
        """The arguments with rows in those that have them, and only there."""
        args = list(args)
        for i, has in enumerate(rows_in(args)):
            if has and not in_batched[i]:
                args[i] = jnp.broadcast_to(args[i], (axis_size, *args[i].shape))
            elif not has and in_batched[i]:  # it is the same in all of them
                args[i] = args[i][0]
        return args

    def rows_in(args):
        return [i == 0 if whole is None else whole[i] for i in range(len(args))]

    def placeholder(*args, rows=()):
        """Of one row: only its shapes are used."""
        return [jnp.zeros((*rows, size), dtype) for size in sizes]

    @custom_vmap
    def of_sequence(*args):
        return placeholder(rows=() if last_only else (len(args[0]),))

    @of_sequence.def_vmap
    def _(axis_size, in_batched, *args):
        args = in_rows(args, axis_size, in_batched)
        rows = [
            arg.reshape(-1, *arg.shape[2:]) if has else arg
            for arg, has in zip(args, rows_in(args), strict=True)
        ]
        results = function(*rows)
        if not last_only:
            results = [y.reshape(axis_size, -1, y.shape[-1]) for y in results]
        return results, [True] * len(sizes)

    once = custom_vmap(placeholder)

    @once.def_vmap
    def _(axis_size, in_batched, *args):
        return function(*in_rows(args, axis_size, in_batched)), [True] * len(sizes)

    if not in_sequences:
        return once
    call = custom_vmap(placeholder)

    @call.def_vmap
    def _(axis_size, in_batched, *args):
        if not in_batched[0]:
            others = [
                arg[0] if has else arg for arg, has in zip(args, in_batched, strict=True)
            ]
            return once(*others), [False] * len(sizes)
        results = of_sequence(*in_rows(args, axis_size, in_batched))
        return results, [not last_only] * len(sizes)

    return call
