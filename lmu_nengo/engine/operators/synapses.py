"""Synapses: linear filters by their state space, and the triangular one."""

import jax.numpy as jnp
import numpy as np
from nengo.synapses import LinearFilter, Triangle

from lmu_nengo.engine.operators.processes import write
from lmu_nengo.engine.registry import register


@register(LinearFilter)
def linear_filter(op, builder):
    """Filter the input."""
    X, shape = op.state["X"], op.input.shape
    advance = filtered(op.process, X, shape, builder)
    system = system_of(op.process, X, shape, builder.dt)
    if isinstance(system, LinearFilter.OneX) and op.mode == "update":
        builder.same(op.output, X)
    return lambda values: write(values, op, advance(values, values.read(op.input)))


def system_of(synapse: LinearFilter, X, shape: tuple[int, ...], dt: float):
    """Nengo's own step of a linear filter, which has the matrices."""
    return synapse.make_step(shape, shape, dt, None, {"X": np.array(X.initial_value)})


def filtered(synapse: LinearFilter, X, shape: tuple[int, ...], builder):
    """
    Make the step of a linear filter.

    ``x = A x + B u``; ``y = C x``, or ``y = C x + D u`` of the state before.

    Parameters
    ----------
    synapse : LinearFilter
        The filter.
    X : Signal
        Its state.
    shape : tuple of int
        Shape of the input.
    builder : Builder
        What it is lowered with.

    Returns
    -------
    advance : function
        ``advance(values, u)`` sets the state, and returns the output.
    """
    system = system_of(synapse, X, shape, builder.dt)
    if isinstance(system, LinearFilter.NoX):
        return lambda values, u: system.d * u

    if isinstance(system, LinearFilter.OneX):

        def advance(values, u):
            x = system.a * values.read(X) + system.b * u
            values.set(X, x)
            return x[0]

        return advance

    A, B, C = (
        np.asarray(matrix, builder.dtype) for matrix in (system.A, system.B, system.C)
    )
    D = system.D.item()

    def advance(values, u):
        x = values.read(X)
        new = jnp.tensordot(A, x, 1) + B * u
        values.set(X, new)
        return jnp.tensordot(C, x if D else new, 1)[0] + D * u

    return advance


@register(Triangle)
def triangle(op, builder):
    """``Y`` loses a share of each of the last inputs, and gains the new one."""
    X, Y, newest = (op.state[name] for name in ("X", "Y", "Xi"))
    n_taps = len(X.initial_value)
    lost = 1 / (n_taps * (n_taps + 1) / 2)
    gained = n_taps * lost

    def step(values):
        u, x = values.read(op.input), values.read(X)
        y = values.read(Y) + gained * u - x.sum(axis=0)
        index = (values.read(newest) + 1) % n_taps
        values.set(newest, index)
        values.set(X, x.at[index[0].astype(int)].set(lost * u))
        values.set(Y, y)
        write(values, op, y)

    return step
