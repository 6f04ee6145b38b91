"""Neuron types: pure functions ``(output, state) = f(neurons, dt, J, **state)``."""

import jax.numpy as jnp
from nengo.builder.neurons import SimNeurons
from nengo.neurons import LIF, SpikingRectifiedLinear

from lmu_nengo.engine.registry import find, register
from lmu_nengo.engine.values import Value, unit_of


@register(SimNeurons)
def sim_neurons(op, builder):
    """``output, state = neurons(J, state)``, in the order in which neurons are kept."""
    function = find(op.neurons, "step")
    if function is None or op.state_extra:
        raise NotImplementedError  # TODO callback
    layout = builder.layouts.get(unit_of(op.J))
    J, output = unit_of(op.J), unit_of(op.output)
    units = {name: unit_of(signal) for name, signal in op.state.items()}

    def write(values, unit, array):
        if layout is None:
            values.set_unit(unit, Value(array))
        else:
            values.set_unit(unit, Value(packed=array, layout=layout))

    def step(values):
        state = {name: values.read_unit(unit, layout) for name, unit in units.items()}
        y, state = function(op.neurons, builder.dt, values.read_unit(J, layout), **state)
        write(values, output, y)
        for name, unit in units.items():
            write(values, unit, state[name])

    return step


@register(SpikingRectifiedLinear)
def spiking_rectified_linear(neurons, dt, J, voltage):
    """Integrate the rectified current; give a spike for each unit."""
    voltage = voltage + jnp.maximum(J, 0) * dt
    n_spikes = jnp.floor(voltage)
    return neurons.amplitude / dt * n_spikes, {"voltage": voltage - n_spikes}


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
