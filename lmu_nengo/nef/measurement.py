"""Measure how neurons follow a moving state, and solve for decoders that fit."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import nengo
import numpy as np
from nengo.neurons import RatesToSpikesNeuronType

from lmu_nengo.nef.populations import Neurons, rate_type
from lmu_nengo.nef.response import Response

SEGMENT = 5000  # steps; those of longer trajectories are run side by side
SEED = 924231286  # of initial voltages; the documented results were measured with it
CACHE_SIZE = 100
SWEEP = 0.9  # share of a dimension's range that is crossed slowly; the rest is trajectory
WARM_UP = 2.0  # seconds before a segment counts
SETTLING = 5.0  # seconds at a state of zero before neurons start
SAMPLES = 10  # of the filtered activities in the filter's time constant
TIME_CONSTANTS = np.geomspace(0.1, 20, 40)  # of what fades, in the state's own time scale
WORTH = 0.8  # a term that fades must reduce the squared error to less than this share
AT_REST = 6  # powers of the state, from 0 on, that describe decoders' errors at rest
STATIC = (  # types with a state whose rates tell what they do
    nengo.LIF,
    nengo.SpikingRectifiedLinear,
)

_measured = {}  # results by what they depend on


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
    key = "lead", *_dependencies(neurons, states), dt
    if key not in _measured:
        _keep(key, regress_lead(states, run_neurons(neurons, states, dt), dt))
    return _measured[key]


def measure_noise(neurons: Neurons, states, dt: float) -> np.ndarray:
    """
    Return the errors of the decoded state that are not a lead.

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
    noise : ndarray of shape (n_steps, state_d)
        In each step; zero for neurons that have no state. Kept for the next call.
    """
    if not rate_type(neurons.neuron_type).state:
        return np.zeros_like(states)
    key = "noise", *_dependencies(neurons, states), dt
    if key not in _measured:
        decoded = run_neurons(neurons, states, dt)
        slope = np.diff(states, axis=0, prepend=states[:1]) / dt
        noise = decoded - states - regress_lead(states, decoded, dt) * slope
        _keep(key, noise)
    return _measured[key]


def has_no_lead(neuron_type) -> bool:
    """Whether neurons answer to the value of their input only: rates without a state."""
    kind = rate_type(neuron_type)
    return not kind.state or type(kind) is nengo.SpikingRectifiedLinear


def follows_rates(neuron_type) -> bool:
    """
    Whether the rates at constant input tell what neurons do, but for a lead.

    A type with a state can say so itself, by an attribute ``follows_rates``.
    """
    kind = rate_type(neuron_type)
    return not kind.state or getattr(kind, "follows_rates", type(kind) in STATIC)


def run_neurons(neurons, states, dt):
    """Decoded values (n_steps, state_d) of populations that are driven by a trajectory."""
    starts = np.arange(0, len(states), SEGMENT)
    steps = np.arange(min(SEGMENT, len(states)))[:, None] + starts
    drive = states[np.minimum(steps, len(states) - 1)]
    decoders = neurons.decoders.T.astype(np.float32)
    run = Run(neurons, len(starts))
    decoded = np.array([output @ decoders for output in run.outputs(drive, dt)])
    decoded = decoded.transpose(1, 0, 2).reshape(-1, states.shape[1])
    return decoded[: len(states)].astype(np.float64)


class Run:
    """
    Populations that are run on several trajectories side by side, in 32 bits.

    Parameters
    ----------
    neurons : Neurons
        The populations.
    n_trajectories : int
        Number of trajectories.
    """

    def __init__(self, neurons: Neurons, n_trajectories: int):
        self.neurons = neurons
        kinds = [neurons.neuron_type]
        if isinstance(kinds[0], RatesToSpikesNeuronType):
            kinds.insert(0, kinds[0].base_type)
        n, rng = n_trajectories * len(neurons.gain), np.random.RandomState(SEED)
        self.stages = [
            (kind, kind.make_state(n, rng, np.float32), np.zeros(n, np.float32))
            for kind in kinds
        ]
        for name, start in (neurons.initial_state or {}).items():
            for _, state, _ in self.stages:
                if name in state:
                    state[name][:] = np.tile(start, n_trajectories)

    def outputs(self, drive: np.ndarray, dt: float) -> Iterator[np.ndarray]:
        """
        Yield the neurons' output of each step, of shape (n_trajectories, n_neurons).

        Parameters
        ----------
        drive : ndarray of shape (n_steps, n_trajectories, state_d)
            The trajectories.
        dt : float
            Time step in seconds.
        """
        neurons = self.neurons
        encoders = (neurons.encoders * neurons.gain[:, None]).T.astype(np.float32)
        bias = neurons.bias.astype(np.float32)
        for x in drive.astype(np.float32):
            J = (x @ encoders + bias).ravel()
            for kind, state, output in self.stages:
                kind.step(dt, J, output, **state)
                J = output
            yield J.reshape(len(x), -1)


def regress_lead(states, decoded, dt):
    """Lead in seconds, or zero where it is not above three times its standard error."""
    slope = np.diff(states, axis=0, prepend=states[:1]) / dt
    if not slope.any():
        return 0.0
    # spikes are noisy at high frequencies: look at the time scale of the state itself
    lowpass = nengo.Lowpass(np.std(states) / np.std(slope))
    error, slope = (lowpass.filt(x, dt=dt, y0=0) for x in (decoded - states, slope))
    for i, x in enumerate(states.T):  # what decoders get wrong at rest is no lead
        at_rest = lowpass.filt(x[:, None] ** np.arange(AT_REST), dt=dt, y0=0)
        for part in (error, slope):
            part[:, i] -= at_rest @ np.linalg.lstsq(at_rest, part[:, i], rcond=None)[0]
    error, slope = error.ravel(), slope.ravel()
    lead = slope @ error / (slope @ slope)
    correlated_steps = max(1, 2 * lowpass.tau / dt)
    standard_error = np.sqrt(correlated_steps) * np.std(error - lead * slope)
    standard_error /= np.linalg.norm(slope)
    return float(lead) if lead > 3 * standard_error else 0.0


def fit_response(
    neurons: Neurons,
    states: np.ndarray,
    dt: float,
    solver: nengo.solvers.Solver,
    response: Response | None = None,
) -> tuple[Neurons, Response]:
    """
    Solve for decoders of neurons of any type, whose activity may depend on the past.

    The populations are run on a trajectory of the state. Of all responses H, the one is
    chosen for which ``H x`` can be decoded from their activities with the least error
    relative to its size; an onset that fades must be worth it. Results are kept for the
    next call.

    Parameters
    ----------
    neurons : Neurons
        The populations; their decoders are not used.
    states : ndarray of shape (n_steps, state_d)
        Trajectory of the state, scaled so that each dimension's range is 1.
    dt : float
        Time step in seconds.
    solver : nengo.solvers.Solver
        Finds the decoders.
    response : Response, optional
        Response to decode. ``None`` finds the best one.

    Returns
    -------
    neurons : Neurons
        With decoders of ``H x``, and initial states that are settled at a state of zero.
    response : Response
        The response H.
    """
    same = *_dependencies(neurons, states), dt, solver
    if (*same, response) not in _measured:
        settled = replace(neurons, initial_state=settle(neurons, dt))
        tau = time_scale(states, dt)
        drive = segments(states, round(WARM_UP / dt))
        every = max(1, round(tau / dt / SAMPLES))
        keep = slice(round(WARM_UP / dt), None, every)
        activity = record(settled, drive, dt, tau, keep)

        def filtered(x):
            return lowpass(x, tau, dt)[keep].reshape(-1, x.shape[2])

        if response is None:
            terms = [filtered(term) for term in departures(drive, dt, tau)]
            response = best_response(neurons, activity, terms, solver, tau)
        wanted = filtered(respond(response, drive, dt))
        decoders = np.zeros_like(neurons.decoders)
        for group, own in populations(neurons):
            decoders[group, own] = solver(activity[:, own], wanted[:, group])[0].T
        fitted = replace(settled, decoders=decoders)
        for given in (None, response):
            _keep((*same, given), (fitted, response))
    return _measured[*same, response]


def settle(neurons, dt):
    """States that all neurons begin with alike, as adaptation, after a while at zero."""
    run = Run(neurons, 1)
    begin = [{k: np.copy(v) for k, v in s.items() if k != "rng"} for _, s, _ in run.stages]
    rest = np.zeros((round(SETTLING / dt), 1, len(neurons.decoders)))
    for _ in run.outputs(rest, dt):
        pass
    given = neurons.neuron_type.initial_state or {}
    return {
        name: state[name].astype(np.float64)
        for (_, state, _), first in zip(run.stages, begin, strict=True)
        for name in first
        if np.ptp(first[name]) == 0 and name not in given
    }


def time_scale(states, dt):
    """Standard deviation over that of the slope, in seconds."""
    return np.std(states) / np.std(np.diff(states, axis=0) / dt)


def segments(states, warm_up):
    """
    A trajectory in segments side by side, of shape (n_steps, n_segments, state_d).

    It goes there, and back with the sign changed. Then all dimensions cross their range
    slowly, so that a state that leaves its trajectory is decoded too.
    """
    ramp = np.linspace(-1, 1, len(states))[:, None]
    passes = []
    for x in (states, -states[::-1], SWEEP * ramp + (1 - SWEEP) * states):
        x = np.pad(x, ((warm_up, -len(x) % SEGMENT), (0, 0)), mode="reflect")
        starts = np.arange(0, len(x) - warm_up, SEGMENT)
        passes.append(x[np.arange(warm_up + SEGMENT)[:, None] + starts])
    return np.concatenate(passes, axis=1)


def record(neurons, drive, dt, tau, keep):
    """Activities (samples, n_neurons) of neurons, through a lowpass."""
    kept = np.exp(-dt / tau)
    value, samples = 0.0, []
    wanted = set(range(len(drive))[keep])
    for i, output in enumerate(Run(neurons, drive.shape[1]).outputs(drive, dt)):
        value = kept * value + (1 - kept) * output
        if i in wanted:
            samples.append(value)
    return np.concatenate(samples).astype(np.float64)


def lowpass(x, tau, dt):
    """Lowpass without a delay along the first axis, settled at the first value."""
    from scipy.signal import lfilter  # takes a second to import

    kept = np.exp(-dt / tau)
    return x[0] + lfilter([1 - kept], [1, -kept], x - x[0], axis=0)


def respond(response, x, dt):
    """What ideal neurons with a response decode."""
    slope = np.diff(x, axis=0, prepend=x[:1]) / dt
    y = x + response.lead * slope
    return y + response.onset * (x - lowpass(x, response.tau, dt)) if response.fades else y


def departures(x, dt, tau):
    """Terms of a response: the state, its slope, and onsets by their time constants."""
    yield x
    yield respond(Response(lead=1.0), x, dt) - x
    for T in TIME_CONSTANTS * tau:
        yield respond(Response(onset=1.0, tau=T), x, dt) - x


def best_response(neurons, activity, terms, solver, tau):
    """Response that can be decoded from activities with the least relative error."""
    power = error = 0.0
    for group, own in populations(neurons):
        y = np.stack([term[:, group] for term in terms], axis=-1)
        wanted = y.reshape(len(y), -1)
        rest = wanted - activity[:, own] @ solver(activity[:, own], wanted)[0]
        rest = rest.reshape(-1, len(terms))
        power = power + y.reshape(-1, len(terms)).T @ y.reshape(-1, len(terms))
        error = error + rest.T @ rest
    best, least = least_error(error, power, [0, 1])
    found = Response(lead=best[1])
    for i, T in enumerate(TIME_CONSTANTS * tau):
        best, relative = least_error(error, power, [0, 1, i + 2])
        if relative < WORTH * least:
            found = Response(*best[1:], float(T))
            least = relative / WORTH  # the next one need only be better
    return found


def least_error(error, power, terms):
    """Weights of terms, the first being 1, of the least relative error, and this error."""
    from scipy.linalg import eigh

    values, vectors = eigh(*(x[np.ix_(terms, terms)] for x in (error, power)))
    return (vectors[:, 0] / vectors[0, 0]).tolist(), values[0]


def populations(neurons):
    """Dimensions and neurons of each population."""
    size = len(neurons.decoders)
    for i in range(0, size, neurons.population_d):
        group = slice(i, min(i + neurons.population_d, size))
        yield group, np.flatnonzero(neurons.encoders[:, group].any(axis=1))


def _dependencies(neurons, states):
    """What a measurement depends on: arrays in a few bytes, and the neuron type."""
    digest = hashlib.blake2b(np.ascontiguousarray(states))
    for array in (neurons.encoders, neurons.gain, neurons.bias, neurons.decoders):
        digest.update(np.ascontiguousarray(array))
    kind = neurons.neuron_type  # equal if its parameters are; it may have attributes too
    own = [f"{k}={v!r}" for k, v in sorted(vars(kind).items()) if not k.startswith("_")]
    return digest.digest(), kind, *own


def _keep(key, result):
    """Keep a result, and forget the oldest ones."""
    while len(_measured) >= CACHE_SIZE:
        del _measured[next(iter(_measured))]
    _measured[key] = result
