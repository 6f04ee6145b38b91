"""Populations of neurons that hold the state of a memory."""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.neurons import RatesToSpikesNeuronType
from numpy.typing import ArrayLike

from lmu_nengo._validation import (
    MOST_NEURONS,
    check_array,
    check_instance,
    check_integer,
    check_memory,
    check_sequence,
)

GOLDEN = 0.6180339887498949  # its multiples fill [0, 1) evenly
ENTRIES = 30_000  # of an ensemble's encoders, most of them zeros


class Staggered(nengo.dists.Distribution):
    """
    Numbers in [0, 1), evenly spread, as is every run of them: for initial voltages.

    Integrate-and-fire neurons that get the same current keep the distances between their
    phases for good. Spread evenly, they fire in turn, and the noise of n of them falls as
    1/n instead of 1/sqrt(n).

    Examples
    --------
    >>> from lmu_nengo.nef import Staggered
    >>> Staggered().sample(4).round(2)
    array([0.  , 0.62, 0.24, 0.85])
    """

    def sample(self, n: int, d: int | None = None, rng=np.random) -> np.ndarray:
        """Multiples of the golden ratio, of shape (n,) or (n, d); ``rng`` is not used."""
        values = GOLDEN * np.arange(n) % 1
        return values if d is None else np.repeat(values[:, None], d, axis=1)


def fit_for_purpose(neuron_type, max_rates=None, intercepts=None, size=1):
    """
    Replace what is None by the defaults that were measured to be best.

    Integrate-and-fire neurons are linear, so one tuning curve in either direction of a
    dimension is enough: all are alike, always active in their range, and staggered.
    Other neurons need many.

    Parameters
    ----------
    neuron_type : nengo.neurons.NeuronType
        SpikingRectifiedLinear without initial voltages gets staggered ones.
    max_rates, intercepts : nengo.dists.Distribution, optional
        As for `nengo.Ensemble`.
    size : int
        Dimensions of a population.

    Returns
    -------
    neuron_type : nengo.neurons.NeuronType
        With initial voltages.
    max_rates, intercepts : nengo.dists.Distribution
        In Hz, and in units of a dimension's range.
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
    Populations side by side: encoders, gains, biases and decoders of their neurons.

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
        Dimensions of each population; the last one may have fewer.
    initial_state : dict of {str: ndarray of shape (n_neurons,)}, optional
        Initial states that differ from the neuron type's.

    Examples
    --------
    See `make_neurons`.

    >>> from lmu_nengo.nef import Neurons
    >>> [field for field in Neurons.__dataclass_fields__][:3]
    ['neuron_type', 'encoders', 'gain']
    """

    neuron_type: nengo.neurons.NeuronType
    encoders: np.ndarray
    gain: np.ndarray
    bias: np.ndarray
    decoders: np.ndarray
    population_d: int
    initial_state: dict | None = None

    def connect(
        self,
        state: nengo.Node,
        decoded: nengo.Node,
        start: int = 0,
        label: str | None = None,
    ) -> None:
        """
        Add them to the current network, between two nodes.

        One ensemble holds as many dimensions as keep its encoders, mostly zeros, small.

        Parameters
        ----------
        state, decoded : nengo.Node
            Node that drives the neurons, and node that gets what they decode.
        start : int
            First of the nodes' dimensions that belongs to these neurons.
        label : str, optional
            Label of the ensembles.
        """
        n_neurons, size = self.encoders.shape
        n_dense = dense_dimensions(n_neurons, size, self.population_d)
        for i in range(0, size, n_dense):
            rows = slice(i, i + n_dense)
            outside = slice(start + i, start + min(i + n_dense, size))
            own = self.encoders[:, rows].any(axis=1)
            ensemble = nengo.Ensemble(
                own.sum(),
                min(n_dense, size - i),
                neuron_type=starting_at(
                    self.neuron_type,
                    {k: v[own] for k, v in (self.initial_state or {}).items()},
                ),
                encoders=self.encoders[own, rows],
                normalize_encoders=False,
                gain=self.gain[own],
                bias=self.bias[own],
                label=label,
            )
            nengo.Connection(state[outside], ensemble, synapse=None)
            nengo.Connection(
                ensemble.neurons,
                decoded[outside],
                transform=self.decoders[rows, own],
                synapse=None,
            )


def rate_type(neuron_type):
    """Return the neuron type, or that of the rates from which it makes spikes."""
    is_pair = isinstance(neuron_type, RatesToSpikesNeuronType)
    return neuron_type.base_type if is_pair else neuron_type


def starting_at(neuron_type, initial_state):
    """Return the neuron type, or a like one with initial states, also of its base type."""
    if not initial_state:
        return neuron_type
    parts = neuron_type.__getstate__()
    own = {k: v for k, v in initial_state.items() if k in neuron_type.state}
    if own:
        parts["initial_state"] = {**(neuron_type.initial_state or {}), **own}
    if isinstance(neuron_type, RatesToSpikesNeuronType):
        others = {k: v for k, v in initial_state.items() if k not in own}
        parts["base_type"] = starting_at(neuron_type.base_type, others)
    changed = object.__new__(type(neuron_type))
    changed.__setstate__(parts)
    return changed


def dense_dimensions(n_neurons: int, size: int, population_d: int) -> int:
    """Return how many dimensions share an ensemble: whole populations, at least one."""
    n_dense = np.sqrt(ENTRIES * size / n_neurons) // population_d
    return min(size, int(max(1, n_dense)) * population_d)


def side_by_side(channels) -> Neurons:
    """Return the neurons of several channels as those of one state, one after the other."""
    first = channels[0]
    n_neurons = [len(neurons.gain) for neurons in channels]
    size = len(first.decoders)
    encoders = np.zeros((sum(n_neurons), len(channels) * size))
    decoders = np.zeros(encoders.shape[::-1])
    end = np.cumsum(n_neurons)
    for c, neurons in enumerate(channels):
        own, rows = slice(end[c] - n_neurons[c], end[c]), slice(c * size, (c + 1) * size)
        encoders[own, rows], decoders[rows, own] = neurons.encoders, neurons.decoders
    gain, bias = (
        np.concatenate([getattr(n, x) for n in channels]) for x in ("gain", "bias")
    )
    start = {
        name: np.concatenate([neurons.initial_state[name] for neurons in channels])
        for name in first.initial_state or {}
    }
    return Neurons(
        first.neuron_type, encoders, gain, bias, decoders, first.population_d, start
    )


def make_neurons(
    trajectory: np.ndarray,
    groups: list,
    shares: ArrayLike,
    neuron_type: nengo.neurons.NeuronType,
    max_rates: nengo.dists.Distribution,
    intercepts: nengo.dists.Distribution,
    solver: nengo.solvers.Solver | None,
    obj: object = None,
) -> Neurons:
    """
    Choose the neurons that hold a state, and solve for their decoders.

    Parameters
    ----------
    trajectory : ndarray of shape (n_steps, size)
        Expected states, scaled so that each dimension's range is 1.
    groups : list of slice
        Dimensions of each population.
    shares : array_like of int
        Neurons of each population.
    neuron_type : nengo.neurons.NeuronType
        Type of the neurons.
    max_rates, intercepts : nengo.dists.Distribution
        As for `nengo.Ensemble`; Uniform ones are spread evenly.
    solver : nengo.solvers.Solver or None
        Finds decoders for the neurons' rates. None leaves them at zero.
    obj : object, optional
        Object to be named in an error.

    Returns
    -------
    neurons : Neurons
        The populations in the order of the groups.

    Raises
    ------
    ValidationError
        If neurons of the type cannot have such rates and intercepts.

    Examples
    --------
    Fifty neurons for each of two dimensions:

    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.nef import make_neurons
    >>> neurons = make_neurons(
    ...     trajectory=np.zeros((1, 2)),
    ...     groups=[slice(0, 1), slice(1, 2)],
    ...     shares=[50, 50],
    ...     neuron_type=nengo.LIF(),
    ...     max_rates=nengo.dists.Uniform(200, 400),
    ...     intercepts=nengo.dists.Uniform(-1.5, 1),
    ...     solver=nengo.solvers.LstsqL2(reg=0.002),
    ... )
    >>> neurons.decoders.shape
    (2, 100)
    """
    trajectory = check_array(trajectory, "trajectory", ("n_steps", "size"), obj=obj)
    check_sequence(groups, "groups", slice, "slices", obj=obj)
    shares = check_shares(shares, groups, obj)
    kinds = nengo.neurons.NeuronType, "neuron_type", "a neuron type of Nengo"
    check_instance(neuron_type, *kinds, obj=obj)
    for name, value in (("max_rates", max_rates), ("intercepts", intercepts)):
        check_instance(value, nengo.dists.Distribution, name, "a distribution", obj=obj)
    allowed = "a solver of Nengo or None"
    check_instance(solver, (nengo.solvers.Solver, type(None)), "solver", allowed, obj=obj)
    total, size = sum(shares), trajectory.shape[1]
    advice = "Use fewer neurons."
    check_memory((total, size), "encoders", "shares", advice, obj=obj)
    shape = max(501, len(trajectory)), max(shares)
    check_memory(shape, "activities", "n_neurons", advice, obj=obj, copies=4)
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
                f"{intercepts!r} and rates {max_rates!r}. Use intercepts below 1, and "
                "rates that the neuron type can reach.",
                attr="intercepts",
                obj=obj,
            )
        encoders[own, group], gains[own], biases[own] = directions, gain, bias
        if solver is None:
            continue
        activities = neuron_type.rates(points @ directions.T, gain, bias)
        decoders[group, own] = solver(activities, points, rng=rng)[0].T
    population_d = groups[0].stop - groups[0].start
    return Neurons(neuron_type, encoders, gains, biases, decoders, population_d)


def check_shares(shares, groups, obj):
    """Return the numbers of neurons of some populations, or raise ValidationError."""
    try:
        shares = [check_integer(n, "shares", high=MOST_NEURONS) for n in shares]
    except TypeError:
        shares = []
    if len(shares) != len(groups):
        raise ValidationError(
            f"must be {len(groups)} integers, one for each population, got {shares}.",
            attr="shares",
            obj=obj,
        )
    return shares


def _directions(states, n_neurons, rng):
    """Encoders (divided by the range) and evaluation points of one population."""
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
    # points beside and beyond the trajectory, so that a state that leaves it comes back
    points = states[rng.choice(len(states), 2000)] * rng.uniform(0, 1.4, (2000, 1))
    points += 0.3 * rng.randn(*points.shape)
    return directions / max(np.linalg.norm(states, axis=1).max(), 1.0), points


def quantiles(distribution, places):
    """Values of a Uniform distribution at places in [0, 1]; others are left to Nengo."""
    if not isinstance(distribution, nengo.dists.Uniform):
        return distribution
    return distribution.low + (distribution.high - distribution.low) * places
