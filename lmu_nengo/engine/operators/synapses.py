"""Synapses: linear filters by their state space, and the triangular one."""

import jax.numpy as jnp
import numpy as np
from nengo.synapses import LinearFilter, Triangle

from lmu_nengo.engine.operators.processes import write
from lmu_nengo.engine.registry import register


@register(LinearFilter)
def linear_filter(op, builder):
    """``x = A x + B u``; ``y = C x``, or ``y = C x + D u`` of the state before."""
    X = op.state["X"]
    shape = op.input.shape
    system = op.process.make_step(
        shape, shape, builder.dt, None, {"X": np.array(X.initial_value)}
    )
    if isinstance(system, LinearFilter.NoX):
        return lambda values: write(values, op, system.d * values.read(op.input))

    if isinstance(system, LinearFilter.OneX):

        def step(values):
            x = system.a * values.read(X) + system.b * values.read(op.input)
            values.set(X, x)
            write(values, op, x[0])

        return step

    A, B, C = (
        np.asarray(matrix, builder.dtype) for matrix in (system.A, system.B, system.C)
    )
    D = system.D.item()

    def step(values):
        u, x = values.read(op.input), values.read(X)
        new = jnp.tensordot(A, x, 1) + B * u
        write(values, op, jnp.tensordot(C, x if D else new, 1)[0] + D * u)
        values.set(X, new)

    return step


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
