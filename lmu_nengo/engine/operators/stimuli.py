"""Nengo's own processes without input: many steps at once, with the same numbers."""

import numpy as np
from nengo.dists import Gaussian, Uniform
from nengo.processes import FilteredNoise, Piecewise, PresentInput, WhiteNoise, WhiteSignal
from nengo.synapses import LinearFilter

from lmu_nengo.engine.inputs import ProcessOfTime, times
from lmu_nengo.engine.operators.processes import ahead, own_function, write
from lmu_nengo.engine.operators.synapses import filtered
from lmu_nengo.engine.registry import find, register


def _is_stream(dist) -> bool:
    """Whether a distribution gives many samples at once as it gives them one by one."""
    return type(dist) is Gaussian or (type(dist) is Uniform and not dist.integer)


def _white_noise(process, shape, dt, rng):
    """All numbers of some steps, drawn at once."""
    scale = 1 / np.sqrt(dt) if process.scale else 1

    def values(first, n_steps):
        return scale * process.dist.sample(n=n_steps, d=shape[0], rng=rng)

    return values


@register(WhiteNoise)
def white_noise(op, builder):
    """Draw the numbers of many steps at once."""
    if not _is_stream(op.process.dist):
        return ahead(op, builder)

    def make(rng):
        return _white_noise(op.process, op.output.shape, builder.dt, rng)

    return ahead(op, builder, make)


@register(FilteredNoise)
def filtered_noise(op, builder):
    """Draw the numbers of many steps at once; the filter is compiled."""
    process, shape = op.process, op.output.shape
    is_linear = isinstance(process.synapse, LinearFilter)
    if not (_is_stream(process.dist) and is_linear and find(process.synapse, "make_step")):
        return ahead(op, builder)

    def make(rng):
        return _white_noise(process, shape, builder.dt, rng)

    noise = builder.input(ProcessOfTime(make, None, shape, op, process.seed is None))
    advance = filtered(process.synapse, op.state["X"], shape, builder)
    return lambda values: write(values, op, advance(values, values.inputs[noise]))


@register(WhiteSignal)
def white_signal(op, builder):
    """Look its period up in a table."""
    dt = builder.dt

    def make(rng):
        step = own_function(op, builder, rng)
        n_samples = 2 * int(np.ceil(op.process.period / dt / 2))
        table = np.array([step(i * dt) for i in range(n_samples)])

        def values(first, n_steps):
            return table[np.arange(first, first + n_steps) % n_samples]

        return values

    return ahead(op, builder, make)


@register(PresentInput)
def present_input(op, builder):
    """Look the inputs of many steps up at once."""
    inputs = op.process.inputs.reshape(len(op.process.inputs), -1)
    duration = float(op.process.presentation_time)

    def values(first, n_steps):
        t = np.array(times(first, n_steps, builder.dt))
        index = ((t - builder.dt) / duration + 1e-7).astype(int)
        return inputs[index % len(inputs)]

    return ahead(op, builder, lambda rng: values)


@register(Piecewise)
def piecewise(op, builder):
    """Look the values of many steps up at once, if they are constants."""
    starts, pieces = zip(*sorted(op.process.data.items()), strict=True)
    if op.process.interpolation != "zero" or any(map(callable, pieces)):
        return ahead(op, builder)
    table = np.array([np.zeros(op.output.shape), *pieces])

    def values(first, n_steps):
        t = np.array(times(first, n_steps, builder.dt))
        return table[np.searchsorted(starts, t + 0.5 * builder.dt)]

    return ahead(op, builder, lambda rng: values)
