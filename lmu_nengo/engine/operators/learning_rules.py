"""Learning rules: by how much weights or encoders change in a step."""

import jax.numpy as jnp
import numpy as np
from nengo.builder.learning_rules import SimBCM, SimOja, SimPES, SimRLS, SimVoja

from lmu_nengo.engine.registry import register


@register(SimPES)
def pes(op, builder):
    """``delta = -(learning_rate dt / n) error activities^T``."""
    rate = -op.learning_rate * builder.dt / op.pre_filtered.shape[0]

    def step(values):
        error, activities = values.read(op.error), values.read(op.pre_filtered)
        values.set(op.delta, jnp.outer(rate * error, activities))

    return step


@register(SimBCM)
def bcm(op, builder):
    """``delta = learning_rate dt post (post - theta) pre^T``."""
    rate = op.learning_rate * builder.dt

    def step(values):
        pre, post, theta = map(values.read, op.reads)
        values.set(op.delta, jnp.outer(rate * post * (post - theta), pre))

    return step


@register(SimOja)
def oja(op, builder):
    """``delta = learning_rate dt (post pre^T - beta post^2 weights)``."""
    rate = op.learning_rate * builder.dt

    def step(values):
        pre, post, weights = map(values.read, op.reads)
        forgotten = -op.beta * weights * (rate * post * post)[:, None]
        values.set(op.delta, forgotten + jnp.outer(rate * post, pre))

    return step


@register(SimVoja)
def voja(op, builder):
    """``delta = learning_rate dt learning post (scale x^T - encoders)``."""
    rate = op.learning_rate * builder.dt
    scale = np.asarray(op.scale, builder.dtype)[:, None]

    def step(values):
        x, post, encoders, learning = map(values.read, op.reads)
        change = scale * jnp.outer(post, x) - post[:, None] * encoders
        values.set(op.delta, rate * learning * change)

    return step


@register(SimRLS)
def rls(op, builder):
    """Recursive least squares: the inverse of the activities' correlations is kept."""

    def step(values):
        r, error = map(values.read, op.reads)
        P = values.read(op.inv_gamma)
        Pr = P @ r
        scale = 1 / (1 + r @ Pr)
        values.set(op.inv_gamma, P - Pr[:, None] * (Pr[None, :] * scale))
        values.set(op.delta, error[:, None] * (-scale * Pr[None, :]))

    return step
