"""Python functions of nodes."""

from collections.abc import Callable

import jax.numpy as jnp
from nengo.builder.operator import SimPyFunc
from nengo.builder.probe import SimProbe

from lmu_nengo.engine.inputs import Ahead, checked
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
        The same function. In other simulators it is called like any other.

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
    function.is_jax_function = True
    return function


@register(SimProbe)
def probe(op, builder):
    """Nothing: probes are read at the end of a step."""
    return lambda values: None


@register(SimPyFunc)
def py_func(op, builder):
    """``output = fn(t, x)``: traced, evaluated ahead, or called in each step."""
    if getattr(op.fn, "is_jax_function", False):
        return _traced(op)
    if op.x is None:
        return _ahead(op, builder)
    return _called(op, builder)


def _traced(op):
    def step(values):
        args = [values.read(signal) for signal in (op.t, op.x) if signal is not None]
        y = op.fn(*args)
        if op.output is not None:
            values.set(op.output, jnp.asarray(y))

    return step


def _ahead(op, builder):
    def function(t):
        args = () if op.t is None else (t,)
        if op.output is None:
            op.fn(*args)
            return 0
        return checked(op.fn, *args)

    unit = None if op.output is None else unit_of(op.output)
    shape = () if op.output is None else op.output.shape
    source = builder.input(Ahead(lambda rng: function, unit, shape, builder.dt, op))
    if op.output is None:
        return lambda values: None
    return lambda values: values.set(op.output, values.inputs[source])


def _called(op, builder):
    def function(t, x):
        args = (x,) if op.t is None else (t, x)
        if op.output is None:
            op.fn(*args)
            return ()
        return (checked(op.fn, *args),)

    results = [] if op.output is None else [op.output]
    call = builder.callback(lambda rng: function, results, op)

    def step(values):
        for y in call(values, values.read(op.x)):
            values.set(op.output, y)

    return step
