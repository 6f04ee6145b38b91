"""Python functions of nodes."""

import functools
from collections.abc import Callable

import jax.numpy as jnp
from nengo.builder.operator import SimPyFunc
from nengo.builder.probe import SimProbe

from lmu_nengo.engine.calls import is_jax_function
from lmu_nengo.engine.inputs import checked
from lmu_nengo.engine.registry import register
from lmu_nengo.engine.values import unit_of


def jax_function(function: Callable) -> Callable:
    """
    Mark a node's function as one of JAX's, to be compiled with the network.

    Parameters
    ----------
    function : callable
        Function of the time in seconds (a scalar array) and, if the node has an input, of
        an array of shape (size_in,), made of `jax.numpy` operations alone.

    Returns
    -------
    function : callable
        A function that does the same. In other simulators it is called like any other.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import nengo
    >>> from lmu_nengo import engine
    >>> @engine.jax_function
    ... def square(t, x):
    ...     return jnp.square(x)
    >>> with nengo.Network() as network:
    ...     node = nengo.Node(square, size_in=1, size_out=1)
    """

    @functools.wraps(function)
    def marked(*args):
        return function(*args)

    marked.is_jax_function = True
    return marked


@register(SimProbe)
def probe(op, builder):
    """Nothing: probes are read at the end of a step."""
    return lambda values: None


@register(SimPyFunc)
def py_func(op, builder):
    """``output = fn(t, x)``: traced, evaluated ahead, or called in each step."""
    if is_jax_function(op.fn):
        return _traced(op)
    if op in builder.called:
        return _called(op, builder)
    return _ahead(op, builder)


def _traced(op):
    def step(values):
        y = op.fn(*map(values.read, op.reads))
        if op.output is not None:
            values.set(op.output, jnp.asarray(y))

    return step


def _ahead(op, builder):
    function = op.fn if op.t is not None else lambda t: op.fn()
    if op.output is None:
        builder.input(builder.functions.add(function, None, None))
        return lambda values: None
    unit, shape = unit_of(op.output), op.output.shape
    source = builder.input(builder.functions.add(function, unit, shape))
    return lambda values: values.set(op.output, values.inputs[source])


def _called(op, builder):
    def function(t, *x):
        y = op.fn(*(x if op.t is None else (t, *x)))
        return [checked(op.fn, y, result.shape) for result in op.sets]

    reads = [] if op.x is None else [op.x]
    call = builder.callback(
        lambda rng: function, reads, op.sets, op, is_batched=op.x is not None
    )

    def step(values):
        for signal, y in zip(op.sets, call(values), strict=True):
            values.set(signal, y)

    return step
