"""Populations of neurons that hold the state of a memory, and how far they lead it."""

from dataclasses import dataclass, replace

import nengo
import numpy as np
from nengo.exceptions import ValidationError

# nengo.Simulator itself is refused by Nengo GUI while it reads a script
from nengo.simulator import Simulator

from lmu_nengo.nef.mapping import Mapping, principle3
from lmu_nengo.nef.stability import loop_poles

GOLDEN = 0.6180339887498949  # its multiples fill [0, 1) evenly
LEAD_STEPS = 5000  # least steps of the trajectory on which a lead is measured
LEAD_WINDOWS = 5
DENSE = 30_000  # entries of an ensemble's encoders, most of them zeros


class Staggered(nengo.dists.Distribution):
    """
    Numbers in [0, 1), evenly spread, as is every run of them: for first voltages.

    Neurons that integrate, fire and get the same current keep the distances between their
    phases for good. Spread evenly, they fire in turn, and the noise of n of them falls as
    1/n instead of 1/sqrt(n).
    """

    def sample(self, n, d=None, rng=np.random):
        """Multiples of the golden ratio, of shape (n,) or (n, d); ``rng`` is not used."""
        values = GOLDEN * np.arange(n) % 1
        return values if d is None else np.repeat(values[:, None], d, axis=1)


def fit_for_purpose(neuron_type, max_rates=None, intercepts=None, size=1):
    """
    Neuron type, rates and intercepts, with the measured defaults for what is None.

    Integrate-and-fire neurons are linear, so that one tuning curve in either direction of
    a dimension is enough: all are alike, always active in their range, and staggered.
    Others need many.

    Parameters
    ----------
    neuron_type : nengo.neurons.NeuronType
        If it is SpikingRectifiedLinear without first voltages, it gets staggered ones.
    max_rates, intercepts : nengo.dists.Distribution, optional
        As for `nengo.Ensemble`.
    size : int
        Dimensions of a population.

    Returns
    -------
    neuron_type : nengo.neurons.NeuronType
        With first voltages.
    max_rates, intercepts : nengo.dists.Distribution
        In Hz, and in ranges.
    """
    is_linear = type(neuron_type) is nengo.SpikingRectifiedLinear and size == 1
    if is_linear and "voltage" not in (neuron_type.initial_state or {}):
        neuron_type = nengo.SpikingRectifiedLinear(
            amplitude=neuron_type.amplitude, initial_state={"voltage": Staggered()}
        )
    if max_rates is None:
        ends = (300, 300) if is_linear else (200, 400)
        max_rates = nengo.dists.Uniform(*ends)
    if intercepts is None:
        ends = (-1.5, -1.5) if is_linear else (-1.5, 1)
        intercepts = nengo.dists.Uniform(*ends)
    return neuron_type, max_rates, intercepts


def share_neurons(n_neurons: int, weights) -> np.ndarray:
    """
    Share neurons out: one half equally, the other in proportion to weights.

    With noise that falls as 1/n, the sum of ``weights**2 / n`` is least where n is in
    proportion to the weights; the equal half keeps every dimension's range smooth.

    Parameters
    ----------
    n_neurons : int
        Neurons in all, at least one for each weight.
    weights : array_like of shape (size,)
        Root of what each contributes to the squared error; not all zero.

    Returns
    -------
    shares : ndarray of int of shape (size,)
        At least 1 each.
    """
    weights = np.asarray(weights, dtype=np.float64)
    wanted = n_neurons * (0.5 / len(weights) + 0.5 * weights / weights.sum())
    wanted = np.maximum(wanted, 1)
    edges = np.round(np.cumsum(wanted) * n_neurons / wanted.sum()).astype(int)
    shares = np.maximum(np.diff(edges, prepend=0), 1)
    while shares.sum() > n_neurons:
        shares[np.argmax(shares)] -= 1
    return shares


@dataclass(frozen=True, eq=False)
class Neurons:
    """
    Populations side by side: what drives each neuron, and what it says about the state.

    Parameters
    ----------
    neuron_type : nengo.neurons.NeuronType
        Type of all of them.
    encoders : ndarray of shape (n_neurons, size)
        Unit vectors; zero outside the dimensions of a neuron's own population.
    gain, bias : ndarray of shape (n_neurons,)
        The current is ``gain * (encoders @ x) + bias``.
    decoders : ndarray of shape (size, n_neurons)
        Zero outside a neuron's own population.
    population_d : int
        Dimensions of each population, the last excepted.
    """

    neuron_type: nengo.neurons.NeuronType
    encoders: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    decoders: np.ndarray
    population_d: int

    def connect(self, state, decoded, label=None):
        """
        Add them to the current network, between two nodes.

        One ensemble holds as many dimensions as make its dense encoders worth their zeros,
        so that a step is a few operations.

        Parameters
        ----------
        state, decoded : nengo.Node
            Of the size of the state: what the neurons are driven by, what they say.
        label : str, optional
            Name of the ensembles.
        """
        n_neurons, size = self.encoders.shape
        n_dense = np.sqrt(DENSE * size / n_neurons) // self.population_d
        n_dense = min(size, int(max(1, n_dense)) * self.population_d)
        for i in range(0, size, n_dense):
            rows = slice(i, i + n_dense)
            own = self.encoders[:, rows].any(axis=1)
            ensemble = nengo.Ensemble(
                own.sum(),
                min(n_dense, size - i),
                neuron_type=self.neuron_type,
                encoders=self.encoders[own, rows],
                normalize_encoders=False,
                gain=self.gain[own],
                bias=self.bias[own],
                label=label,
            )
            nengo.Connection(state[rows], ensemble, synapse=None)
            nengo.Connection(
                ensemble.neurons,
                decoded[rows],
                transform=self.decoders[rows, own],
                synapse=None,
            )


def make_neurons(trajectory, groups, shares, spiking) -> Neurons:
    """
    Choose the neurons that hold a state, and solve for their decoders.

    In a population of one dimension intercepts and rates are spread evenly over their
    distributions instead of drawn from them, encoders alternate, and so the decoded value
    is smooth. In more, encoders and evaluation points are taken from the expected
    trajectory and its surroundings.

    Parameters
    ----------
    trajectory : ndarray of shape (n_steps, size)
        Expected states, scaled so that each dimension's range is 1.
    groups : list of slice
        Dimensions of each population.
    shares : ndarray of int
        Neurons of each population.
    spiking : Spiking
        Neuron type, rates, intercepts and solver.

    Returns
    -------
    neurons : Neurons
        Populations in the order of the groups.
    """
    neuron_type, max_rates, intercepts = fit_for_purpose(
        spiking.neuron_type, spiking.max_rates, spiking.intercepts, spiking.ensemble_d
    )
    total, size = sum(shares), trajectory.shape[1]
    encoders, decoders = np.zeros((total, size)), np.zeros((size, total))
    gains, biases = np.zeros((2, total))
    ends = np.cumsum(shares)
    for index, (group, end) in enumerate(zip(groups, ends, strict=True)):
        own = slice(end - shares[index], end)
        rng = np.random.RandomState(index)
        i = np.arange(shares[index])
        directions, points = _directions(trajectory[:, group], len(i), rng)
        if group.stop - group.start == 1:
            places = (i + 0.5) / len(i), (0.5 + GOLDEN * (i + index)) % 1
        else:
            places = rng.rand(2, len(i))
        gain, bias = neuron_type.gain_bias(
            *(
                nengo.dists.get_samples(quantiles(distribution, where), len(i), rng=rng)
                for distribution, where in zip(
                    (max_rates, intercepts), places[::-1], strict=True
                )
            )
        )
        if not np.all(np.isfinite(gain) & (gain > 0)):
            raise ValidationError(
                f"{neuron_type!r} has no positive gain for some of the intercepts "
                f"{intercepts!r} and rates {max_rates!r}. Take intercepts "
                "below 1, and rates in the neuron type's range.",
                attr="intercepts",
                obj=spiking,
            )
        activities = neuron_type.rates(points @ directions.T, gain, bias)
        encoders[own, group], gains[own], biases[own] = directions, gain, bias
        decoders[group, own] = spiking.solver(activities, points, rng=rng)[0].T
    population_d = groups[0].stop - groups[0].start
    return Neurons(neuron_type, encoders, gains, biases, decoders, population_d)


def _directions(states, n_neurons, rng):
    """Encoders (over the range) and evaluation points of one population."""
    signs = np.where(np.arange(n_neurons) % 2 == 0, 1.0, -1.0)[:, None]
    size = states.shape[1]
    if size == 1:
        return signs, np.linspace(-1, 1, 501)[:, None]
    # half of the encoders are expected states, every tenth an axis, the others random
    choice = rng.choice(len(states), n_neurons)
    directions = rng.randn(n_neurons, size)
    expected = rng.rand(n_neurons) < 0.5
    directions[expected] = states[choice[expected]]
    directions[::10] = np.eye(size)[rng.randint(size, size=len(directions[::10]))]
    directions *= signs / np.linalg.norm(directions, axis=1, keepdims=True)
    # points beside and beyond the trajectory: else what leaves it does not come back
    points = states[rng.choice(len(states), 2000)] * rng.uniform(0, 1.4, (2000, 1))
    points += 0.3 * rng.randn(*points.shape)
    return directions / max(np.linalg.norm(states, axis=1).max(), 1.0), points


def quantiles(distribution, places):
    """Values of a `nengo.dists.Uniform` at places in [0, 1]; others are left to Nengo."""
    if not isinstance(distribution, nengo.dists.Uniform):
        return distribution
    return distribution.low + (distribution.high - distribution.low) * places


def measure_lead(trajectory, groups, shares, spiking, theta, dt) -> float:
    """
    Seconds by which the decoded state is ahead of the state.

    Leaky neurons near their threshold respond to the slope of their input as well as to
    its value. Nengo runs the populations on the expected trajectory, and the decoded
    error is regressed on the slope.

    Parameters
    ----------
    trajectory : ndarray of shape (n_steps, size)
        Expected states, scaled so that each dimension's range is 1.
    groups : list of slice
        Dimensions of each population.
    shares : ndarray of int
        Neurons of each population; no more than 100 a dimension are run.
    spiking : Spiking
        Neuron type, rates, intercepts and solver.
    theta : float
        Length of the window in seconds.
    dt : float
        Step in seconds.

    Returns
    -------
    lead : float
        Zero where it is not above three times its standard error.
    """
    states = trajectory[: max(LEAD_STEPS, round(LEAD_WINDOWS * theta / dt))]
    sizes = [group.stop - group.start for group in groups]
    neurons = make_neurons(
        states, groups, np.minimum(shares, 100 * np.array(sizes)), spiking
    )
    with nengo.Network(seed=0, add_to_container=False) as network:
        source = nengo.Node(nengo.processes.PresentInput(states, dt))
        decoded = nengo.Node(size_in=states.shape[1])
        neurons.connect(source, decoded)
        probe = nengo.Probe(decoded)
    with Simulator(network, dt=dt, progress_bar=False) as sim:
        sim.run_steps(len(states))
    slope = np.diff(states, axis=0, prepend=states[:1]) / dt
    if not slope.any():
        return 0.0
    # spikes are noisy at high frequencies: look at the time scale of the state itself
    tau = np.std(states) / np.std(slope)
    smooth = nengo.Lowpass(tau)
    error = smooth.filt(sim.data[probe] - states, dt=dt, y0=0).ravel()
    slope = smooth.filt(slope, dt=dt, y0=0).ravel()
    lead = slope @ error / (slope @ slope)
    correlated_steps = max(1, 2 * tau / dt)
    standard_error = np.sqrt(correlated_steps) * np.std(error - lead * slope)
    standard_error /= np.linalg.norm(slope)
    return float(lead) if lead > 3 * standard_error else 0.0


def safe_lead(lead, Ad, synapse, dt) -> float:
    """
    Largest lead up to the measured one that may be mapped for.

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
        Step in seconds.

    Returns
    -------
    lead : float
        Between zero and ``lead``.
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
