"""How far the decoded output of neurons is ahead of the state that drives them."""

import hashlib
from dataclasses import replace

import nengo
import numpy as np
from nengo.neurons import RatesToSpikesNeuronType

from lmu_nengo.nef.mapping import Mapping, principle3
from lmu_nengo.nef.populations import Neurons
from lmu_nengo.nef.stability import loop_poles

SEGMENT = 5000  # steps; those of longer trajectories are run side by side
SEED = 924231286  # of initial voltages; the documented results were measured with it
CACHE_SIZE = 100

_measured = {}  # leads by what they depend on


def measure_lead(neurons: Neurons, states, dt: float) -> float:
    """
    Return the seconds by which the decoded state is ahead of the state.

    Leaky neurons near their threshold respond to the slope of their input as well as to
    its value. The populations are run on a trajectory of the state, and the error of the
    decoded state is regressed on the slope. Results are kept for the next call.

    Parameters
    ----------
    neurons : Neurons
        The populations.
    states : ndarray of shape (n_steps, state_d)
        Trajectory of the state, scaled so that each dimension's range is 1.
    dt : float
        Time step in seconds.

    Returns
    -------
    lead : float
        In seconds. Zero where it is not above three times its standard error, and for
        neurons without a leak or adaptation.
    """
    if has_no_lead(neurons.neuron_type):
        return 0.0
    digest = hashlib.blake2b(np.ascontiguousarray(states))
    for array in (neurons.encoders, neurons.gain, neurons.bias, neurons.decoders):
        digest.update(np.ascontiguousarray(array))
    key = digest.digest(), neurons.neuron_type, dt
    if key not in _measured:
        while len(_measured) >= CACHE_SIZE:
            del _measured[next(iter(_measured))]
        _measured[key] = regress_lead(states, run_neurons(neurons, states, dt), dt)
    return _measured[key]


def has_no_lead(neuron_type) -> bool:
    """Whether neurons answer to the value of their input only: rates without a state."""
    if isinstance(neuron_type, RatesToSpikesNeuronType):
        neuron_type = neuron_type.base_type
    return not neuron_type.state or type(neuron_type) is nengo.SpikingRectifiedLinear


def run_neurons(neurons, states, dt):
    """Decoded values (n_steps, state_d) of populations that are driven by a trajectory."""
    n_neurons, size = neurons.encoders.shape
    starts = np.arange(0, len(states), SEGMENT)
    steps = np.arange(min(SEGMENT, len(states)))[:, None] + starts
    drive = states[np.minimum(steps, len(states) - 1)].astype(np.float32)
    kinds = [neurons.neuron_type]
    if isinstance(kinds[0], RatesToSpikesNeuronType):
        kinds.insert(0, kinds[0].base_type)
    rng, n = np.random.RandomState(SEED), len(starts) * n_neurons
    stages = [
        (kind, kind.make_state(n, rng, drive.dtype), np.zeros(n, drive.dtype))
        for kind in kinds
    ]
    encoders = (neurons.encoders * neurons.gain[:, None]).T.astype(drive.dtype)
    bias = neurons.bias.astype(drive.dtype)
    decoders = neurons.decoders.T.astype(drive.dtype)
    decoded = np.empty_like(drive)
    for x, y in zip(drive, decoded, strict=True):
        J = (x @ encoders + bias).ravel()
        for kind, state, output in stages:
            kind.step(dt, J, output, **state)
            J = output
        y[:] = J.reshape(-1, n_neurons) @ decoders
    decoded = decoded.transpose(1, 0, 2).reshape(-1, size)
    return decoded[: len(states)].astype(np.float64)


def regress_lead(states, decoded, dt):
    """Lead in seconds, or zero where it is not above three times its standard error."""
    slope = np.diff(states, axis=0, prepend=states[:1]) / dt
    if not slope.any():
        return 0.0
    # spikes are noisy at high frequencies: look at the time scale of the state itself
    tau = np.std(states) / np.std(slope)
    both = nengo.Lowpass(tau).filt(np.hstack([decoded - states, slope]), dt=dt, y0=0)
    error, slope = (part.ravel() for part in np.hsplit(both, 2))
    lead = slope @ error / (slope @ slope)
    correlated_steps = max(1, 2 * tau / dt)
    standard_error = np.sqrt(correlated_steps) * np.std(error - lead * slope)
    standard_error /= np.linalg.norm(slope)
    return float(lead) if lead > 3 * standard_error else 0.0


def safe_lead(lead: float, Ad, synapse, dt: float) -> float:
    """
    Return the largest lead, up to the measured one, that may be mapped for.

    A lead shrinks to about half when the state swings widely, and neurons that lead less
    than was mapped for take damping from the memory. At least half of the memory's own
    damping is left then, and the recurrent matrix grows by no more than a half.

    Parameters
    ----------
    lead : float
        The measured lead in seconds.
    Ad : ndarray of shape (size, size)
        Discrete state matrix.
    synapse : float or nengo.synapses.Synapse
        The recurrent synapse.
    dt : float
        Time step in seconds.

    Returns
    -------
    lead : float
        Between zero and the measured lead.
    """
    Bd = np.zeros((len(Ad), 1))
    limit = (1 + np.abs(np.linalg.eigvals(Ad)).max()) / 2

    largest = 1.5 * np.linalg.norm(principle3(Ad, Bd, synapse, dt).recurrent, 2)

    def is_safe(mapped):
        mapping: Mapping = principle3(Ad, Bd, synapse, dt, mapped)
        real = principle3(Ad, Bd, synapse, dt, lead / 2)
        loop = replace(mapping, num=real.num, den=real.den)
        if np.linalg.norm(mapping.recurrent, 2) > largest:
            return False  # modes as fast as the lead, which blow up
        return np.abs(loop_poles(loop)).max() <= limit

    if lead == 0 or is_safe(lead):
        return lead
    low, high = 0.0, lead
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if is_safe(middle) else (low, middle)
    return low
