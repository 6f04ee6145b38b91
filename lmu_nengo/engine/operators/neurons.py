"""
Neuron types: pure functions ``(output, state) = f(neurons, dt, J, **state)``.

Where the state of a type includes a random number generator, the function gets numbers of
[0, 1) instead, one for each neuron.
"""

import jax.numpy as jnp
import numpy as np
from nengo.builder.neurons import SimNeurons
from nengo.neurons import (
    LIF,
    AdaptiveLIF,
    AdaptiveLIFRate,
    Izhikevich,
    LIFRate,
    RectifiedLinear,
    RegularSpiking,
    Sigmoid,
    SpikingRectifiedLinear,
    StochasticSpiking,
    Tanh,
)

from lmu_nengo.engine.inputs import Uniform
from lmu_nengo.engine.registry import find, register
from lmu_nengo.engine.values import Value, unit_of


@register(SimNeurons)
def sim_neurons(op, builder):
    """``output, state = neurons(J, state)``, in the order in which neurons are kept."""
    if op in builder.called:
        return _called(op, builder)
    function = find(op.neurons, "step")
    is_plain = all(signal.shape == op.J.shape for signal in op.sets)
    layout = builder.layouts.get(unit_of(op.J)) if is_plain else None
    drawn = {name: builder.input(Uniform(name, op.J.shape, op)) for name in op.state_extra}

    def read(values, signal):
        if layout is None:
            return values.read(signal)
        return values.read_unit(unit_of(signal), layout)

    def write(values, signal, array):
        if layout is None:
            values.set(signal, array)
        else:
            values.set_unit(unit_of(signal), Value(packed=array, layout=layout))

    if function is spiking_rectified_linear and is_plain:
        voltage = op.state["voltage"]
        start = voltage.initial_value.astype(builder.dtype)
        if unit_of(voltage) and (start >= 0).all() and (start < 1).all():
            total = builder.instead_of(voltage, _rest)

            def step(values):
                rest = _rest(read(values, total))
                y, new = _integrate(op.neurons, builder.dt, read(values, op.J), rest)
                write(values, op.output, y)
                write(values, total, new)
                write(values, voltage, _rest(new))

            return step

    def step(values):
        state = {name: read(values, signal) for name, signal in op.state.items()}
        for name, source in drawn.items():
            numbers = values.inputs[source]
            state[name] = numbers if layout is None else layout.pack(numbers)
        y, state = function(op.neurons, builder.dt, read(values, op.J), **state)
        write(values, op.output, y)
        for name, signal in op.state.items():
            write(values, signal, state[name])

    return step


def _called(op, builder):
    """Neurons that only NumPy can run."""
    names = list(op.state)

    def make(rngs):
        def call(t, J, output, *state):
            kept = dict(zip(names, state, strict=True))
            op.neurons.step(builder.dt, J, output, **kept, **rngs)
            return output, *state

        return call

    signals = [op.output, *op.state.values()]
    call = builder.callback(make, [op.J, *signals], signals, op)

    def step(values):
        for signal, array in zip(signals, call(values), strict=True):
            values.set(signal, array)

    return step


@register(RectifiedLinear)
def rectified_linear(neurons, dt, J):
    """Rectify the current."""
    return neurons.amplitude * jnp.maximum(J, 0), {}


@register(SpikingRectifiedLinear)
def spiking_rectified_linear(neurons, dt, J, voltage):
    """Integrate the rectified current; give a spike for each unit."""
    output, total = _integrate(neurons, dt, J, voltage)
    return output, {"voltage": _rest(total)}


def _integrate(neurons, dt, J, voltage):
    """
    The output and the total, of which the spikes have not been taken off yet.

    To carry the total instead of the voltage saves a pass through the memory: both the
    output and the next total are computed of it.
    """
    total = voltage + jnp.maximum(J, 0) * dt
    return neurons.amplitude / dt * jnp.floor(total), total


def _rest(total):
    return total - (np if isinstance(total, np.ndarray) else jnp).floor(total)


@register(Sigmoid)
def sigmoid(neurons, dt, J):
    """A logistic function."""
    return 1 / neurons.tau_ref / (1 + jnp.exp(-J)), {}


@register(Tanh)
def tanh(neurons, dt, J):
    """A hyperbolic tangent."""
    return 1 / neurons.tau_ref * jnp.tanh(J), {}


@register(LIFRate)
def lif_rate(neurons, dt, J):
    """The rates of leaky integrate-and-fire neurons."""
    is_below = J <= 1  # False for NaN, which stays
    above = jnp.where(is_below, 1, J - 1)
    rate = neurons.amplitude / (neurons.tau_ref + neurons.tau_rc * jnp.log1p(1 / above))
    return jnp.where(is_below, 0, rate), {}


@register(LIF)
def lif(neurons, dt, J, voltage, refractory_time):
    """Leaky integrate-and-fire."""
    refractory_time = refractory_time - dt
    active = jnp.clip(dt - refractory_time, 0, dt)
    voltage = voltage - (J - voltage) * _expm1(-active / neurons.tau_rc)
    has_spiked = voltage > 1
    passed = dt + neurons.tau_rc * _log1p(-(voltage - 1) / (J - 1))
    state = {
        "voltage": jnp.where(has_spiked, 0, jnp.maximum(voltage, neurons.min_voltage)),
        "refractory_time": jnp.where(has_spiked, neurons.tau_ref + passed, refractory_time),
    }
    return jnp.where(has_spiked, neurons.amplitude / dt, 0), state


def _expm1(x):
    """``exp(x) - 1``; in 32 bits without the digits that no time in 32 bits has."""
    return jnp.expm1(x) if x.dtype == jnp.float64 else jnp.exp(x) - 1


def _log1p(x):
    """``log(1 + x)``; likewise."""
    return jnp.log1p(x) if x.dtype == jnp.float64 else jnp.log(1 + x)


@register(AdaptiveLIFRate)
def adaptive_lif_rate(neurons, dt, J, adaptation):
    """The rates of adaptive leaky integrate-and-fire neurons."""
    output, _ = lif_rate(neurons, dt, J - adaptation)
    return output, {"adaptation": _adapted(neurons, dt, output, adaptation)}


@register(AdaptiveLIF)
def adaptive_lif(neurons, dt, J, adaptation, **state):
    """Adaptive leaky integrate-and-fire."""
    output, state = lif(neurons, dt, J - adaptation, **state)
    return output, {**state, "adaptation": _adapted(neurons, dt, output, adaptation)}


def _adapted(neurons, dt, output, adaptation):
    return adaptation + dt / neurons.tau_n * (neurons.inc_n * output - adaptation)


@register(Izhikevich)
def izhikevich(neurons, dt, J, voltage, recovery):
    """Izhikevich's model."""
    J = jnp.maximum(J, -30)  # as in Nengo: lower ones are not stable
    slope = (0.04 * voltage**2 + 5 * voltage + 140 - recovery + J) * 1000
    voltage = voltage + slope * dt
    has_spiked = voltage >= 30
    voltage = jnp.where(has_spiked, neurons.reset_voltage, voltage)
    slope = neurons.tau_recovery * (neurons.coupling * voltage - recovery) * 1000
    recovery = recovery + slope * dt
    recovery = jnp.where(has_spiked, recovery + neurons.reset_recovery, recovery)
    output = jnp.where(has_spiked, 1 / dt, 0)
    return output, {"voltage": voltage, "recovery": recovery}


@register(RegularSpiking)
def regular_spiking(neurons, dt, J, voltage):
    """Integrate the rate; give a spike for each unit."""
    voltage = voltage + dt * J
    n_spikes = jnp.floor(voltage)
    return neurons.amplitude / dt * n_spikes, {"voltage": voltage - n_spikes}


@register(StochasticSpiking)
def stochastic_spiking(neurons, dt, J, rng):
    """Round the expected number of spikes up with the probability of its fraction."""
    expected = dt * (jnp.abs(J) if neurons.negative else J)
    n_spikes = jnp.trunc(expected)
    n_spikes = n_spikes + (rng < expected - n_spikes)
    output = neurons.amplitude / dt * n_spikes
    return output * jnp.sign(J) if neurons.negative else output, {}
