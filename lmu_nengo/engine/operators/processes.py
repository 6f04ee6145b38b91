"""Processes: evaluated ahead if they have no input, else called unless JAX can run them."""

import numpy as np
from nengo.builder.processes import SimProcess

from lmu_nengo.engine.inputs import DETERMINISTIC, ProcessOfTime, call_each
from lmu_nengo.engine.registry import METHODS, find, register
from lmu_nengo.engine.values import unit_of


@register(SimProcess)
def sim_process(op, builder):
    """``output = process(t, input)``, as an assignment, an increment or an update."""
    if op in builder.called:
        return _called(op, builder)
    lower = find(op.process, "make_step") or ahead
    return lower(op, builder)


def write(values, op, y) -> None:
    """Give the output of a process to its signal."""
    (values.inc if op.mode == "inc" else values.set)(op.output, y)


def own_function(op, builder, rng):
    """The process' own function of time, with its state."""
    return _make(op, builder, rng, (0,))[0]


def _make(op, builder, rng, shape_in):
    """The process' own function for one sequence, and its state."""
    state = {name: np.array(signal.initial_value) for name, signal in op.state.items()}
    return op.process.make_step(shape_in, op.output.shape, builder.dt, rng, state), state


def ahead(op, builder, make=None):
    """
    Evaluate a process without input ahead of the steps that need it.

    Parameters
    ----------
    op : SimProcess
        The operator.
    builder : Builder
        What it is lowered with.
    make : function, optional
        As for `ProcessOfTime`; default: call the process' own function step by step.

    Returns
    -------
    step : function
        The operator as a part of the program.
    """

    def step_by_step(rng):
        function, shape = own_function(op, builder, rng), op.output.shape
        return lambda *steps: call_each(function, shape, builder.dt, *steps)

    is_batched = op.process.seed is None and not isinstance(op.process, DETERMINISTIC)
    unit, shape = unit_of(op.output), op.output.shape
    source = builder.input(ProcessOfTime(make or step_by_step, unit, shape, op, is_batched))
    return lambda values: write(values, op, values.inputs[source])


def _called(op, builder):
    inputs = [] if op.input is None else [op.input]
    shape_in = (0,) if op.input is None else op.input.shape
    state = list(op.state.values())

    def make(rng):
        function, kept = _make(op, builder, rng, shape_in)

        def call(t, *args):
            for array, value in zip(kept.values(), args[len(inputs) :], strict=True):
                array[...] = value
            return function(t, *args[: len(inputs)]), *kept.values()

        return call

    call = builder.callback(make, [*inputs, *state], [op.output, *state], op)

    def step(values):
        y, *new = call(values)
        write(values, op, y)
        for signal, value in zip(state, new, strict=True):
            values.set(signal, value)

    return step


def _own_step(op, builder):
    """A process with ``make_jax_step``: ``y, state = step(t, x, **state)``, made of JAX."""
    if op.input is None:
        return ahead(op, builder)
    function = op.process.make_jax_step(op.input.shape, op.output.shape, builder.dt)

    def step(values):
        t = values.inputs[builder.step_number].astype(builder.dtype) * builder.dt
        state = {name: values.read(signal) for name, signal in op.state.items()}
        y, state = function(t, values.read(op.input), **state)
        write(values, op, y)
        for name, signal in op.state.items():
            values.set(signal, state[name])

    return step


METHODS["make_jax_step"] = _own_step
