"""Spiking neurons in training: rates, or spikes with a surrogate of their derivative."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import nengo
from nengo.exceptions import ValidationError

from lmu_nengo._validation import show
from lmu_nengo.engine.operators.neurons import lif_rate
from lmu_nengo.engine.registry import find

# derivative of a spike by the voltage, as a function of the voltage beyond the threshold
SURROGATES = {
    "triangle": lambda v: jnp.maximum(1 - jnp.abs(v), 0),
    "fast_sigmoid": lambda v: 1 / (1 + 10 * jnp.abs(v)) ** 2,
    "arctan": lambda v: 1 / (1 + (jnp.pi * v) ** 2),
    "straight_through": jnp.ones_like,
}
# neurons that draw their spikes at random, or count them, from rates that they get
FROM_RATES = (nengo.RegularSpiking, nengo.StochasticSpiking)


def check_surrogate(surrogate, obj) -> Callable | None:
    """The derivative of a spike, by name or as it is; None for the rates."""
    if callable(surrogate):
        return surrogate
    if isinstance(surrogate, str) and surrogate == "rates":
        return None
    if not isinstance(surrogate, str) or surrogate not in SURROGATES:
        names = ", ".join(map(repr, ("rates", *SURROGATES)))
        raise ValidationError(
            f"must be one of {names} or a function of the voltage beyond the threshold, "
            f"got {show(surrogate)}.",
            attr="surrogate",
            obj=obj,
        )
    return SURROGATES[surrogate]


def rates_of(neurons, dt, J, state):
    """
    What spiking neurons give on average at a constant input.

    Parameters
    ----------
    neurons : NeuronType
        The type.
    dt : float
        Step in seconds.
    J : array
        Input of the neurons: a current, or a rate if the type makes spikes of rates.
    state : dict of {str: array}
        The state of the neurons.

    Returns
    -------
    rates : array
        The rates.
    state : dict of {str: array}
        What of the state changes.
    """
    if isinstance(neurons, FROM_RATES):
        return neurons.amplitude * J, {}
    if isinstance(neurons, nengo.AdaptiveLIF):
        y, _ = lif_rate(neurons, dt, J - state["adaptation"])
        adaptation = state["adaptation"]
        change = dt / neurons.tau_n * (neurons.inc_n * y - adaptation)
        return y, {"adaptation": adaptation + change}
    if isinstance(neurons, nengo.LIF):
        return lif_rate(neurons, dt, J)[0], {}
    return neurons.amplitude * jnp.maximum(J, 0), {}


def has_rates(neurons) -> bool:
    """Whether `rates_of` knows a neuron type."""
    kinds = *FROM_RATES, nengo.LIF, nengo.SpikingRectifiedLinear
    return isinstance(neurons, kinds)


def straight_through(rates, spikes):
    """Spikes, with the gradient of the rates."""
    return rates + jax.lax.stop_gradient(spikes - rates)


def fire(increments, voltage):
    """
    Spikes of integrate-and-fire neurons in all steps.

    Parameters
    ----------
    increments : array of shape (batch, n_steps, n_neurons)
        What is added to the voltage in each step; each whole unit is a spike.
    voltage : array of shape (n_neurons,)
        Initial voltage.

    Returns
    -------
    spikes : array of shape (batch, n_steps, n_neurons)
        Number of spikes in each step.
    """
    total = jnp.floor(voltage + jnp.cumsum(increments, axis=1))
    return jnp.diff(total, axis=1, prepend=0)


def surrogate_step(neurons, derivative) -> Callable:
    """
    Make the step of a spiking neuron type that can be differentiated.

    Parameters
    ----------
    neurons : NeuronType
        The type.
    derivative : function
        Derivative of a spike by the voltage, relative to the threshold.

    Returns
    -------
    step : function
        ``output, state = step(neurons, dt, J, **state)``, as in
        `lmu_nengo.engine.operators.neurons`.

    Raises
    ------
    ValidationError
        If there is none for this type.
    """
    spikes = counted(derivative)
    if isinstance(neurons, nengo.AdaptiveLIF):

        def adaptive(neurons, dt, J, adaptation, **state):
            y, state = _lif(spikes, neurons, dt, J - adaptation, **state)
            change = dt / neurons.tau_n * (neurons.inc_n * y - adaptation)
            return y, {**state, "adaptation": adaptation + change}

        return adaptive
    if isinstance(neurons, nengo.LIF):
        return lambda neurons, dt, J, **state: _lif(spikes, neurons, dt, J, **state)
    if isinstance(neurons, nengo.SpikingRectifiedLinear):

        def integrate(neurons, dt, J, voltage):
            total = voltage + jnp.maximum(J, 0) * dt
            n = spikes(total)
            return neurons.amplitude / dt * n, {"voltage": total - n}

        return integrate
    if type(neurons) is nengo.RegularSpiking:

        def regular(neurons, dt, J, voltage):
            total = voltage + J * dt
            n = spikes(total)
            return neurons.amplitude / dt * n, {"voltage": total - n}

        return regular
    raise ValidationError(
        f"is not known for neurons of type {type(neurons).__name__}. Use "
        "surrogate='rates', or LIF, AdaptiveLIF, SpikingRectifiedLinear or "
        "RegularSpiking neurons.",
        attr="surrogate",
    )


def _lif(spikes, neurons, dt, J, voltage, refractory_time):
    """Leaky integrate-and-fire; the gradient goes through the reset, not its time."""
    stop = jax.lax.stop_gradient
    refractory_time = stop(refractory_time) - dt
    active = jnp.clip(dt - refractory_time, 0, dt)
    voltage = voltage - (J - voltage) * jnp.expm1(-active / neurons.tau_rc)
    n = jnp.minimum(spikes(voltage), 1.0)
    has_spiked = stop(voltage) > 1
    # where nothing spiked, the time since the spike is not a number
    v, current = (jnp.where(has_spiked, stop(x), y) for x, y in ((voltage, 1), (J, 2)))
    passed = dt + neurons.tau_rc * jnp.log1p(-(v - 1) / (current - 1))
    kept = jnp.where(has_spiked, neurons.tau_ref + passed, refractory_time)
    # zero after a spike; and what a spike has of the gradient, the voltage has no more:
    # else all steps between two spikes would count in full, and loops would explode
    voltage = jnp.maximum(voltage - n * stop(voltage), neurons.min_voltage)
    return neurons.amplitude / dt * n, {"voltage": voltage, "refractory_time": kept}


def counted(derivative):
    """The whole units of a voltage that is at least 0, with a surrogate derivative."""

    @jax.custom_jvp
    def spikes(voltage):
        return jnp.floor(jnp.maximum(voltage, 0))

    @spikes.defjvp
    def _(primals, tangents):
        (voltage,), (tangent,) = primals, tangents
        nearest = jnp.maximum(jnp.round(voltage), 1)
        return spikes(voltage), derivative(voltage - nearest) * tangent

    return spikes


def is_spiking(neurons) -> bool:
    """Whether a neuron type gives spikes that the engine can compute."""
    return bool(neurons.spiking) and find(neurons, "step") is not None
