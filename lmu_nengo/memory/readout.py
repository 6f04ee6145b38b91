"""Read-outs of a memory in neurons: given or learned functions of its window."""

from collections.abc import Callable, Iterable

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._nengo import add_to_context, plain_config
from lmu_nengo._validation import (
    LARGEST_STATE,
    MOST_NEURONS,
    check_array,
    check_instance,
    check_integer,
    check_positive,
    check_synapse,
    is_finite,
    show,
)
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.nef.input_model import SIGMAS, Band, InputModel, band_covariance
from lmu_nengo.nef.populations import GOLDEN, quantiles, share_neurons
from lmu_nengo.signal.legendre import delay_decoders

N_SAMPLES = 4000  # expected windows that are sampled
SMALLEST = 0.02  # range of the smallest component kept, relative to the largest
QUADRATIC = 0.01  # relative error of a quadratic fit below which a function is quadratic

# default arguments; these objects of Nengo are immutable
LIF = nengo.LIF()
RATES = nengo.dists.Uniform(200, 400)
CURVED = nengo.dists.Uniform(0, 0.9)  # positive decoders for convex functions
# so that neurons are never all active: learning is slow if they have much in common
SPARSE = nengo.dists.Uniform(-0.3, 0.3)
SOLVER = nengo.solvers.LstsqL2(reg=5e-3)
LEARNING_RATE = 2e-4


class WindowFunction(nengo.Network):
    """
    Any function of the memory's window, decoded from one ensemble of neurons.

    The ensemble holds the window's values at some points, as principal components under
    the expected input. Its encoders point in the directions in which the function is
    curved, so that a quadratic one, such as the product of two values or the energy,
    becomes a sum of squares of single numbers, as in `nengo.networks.Product`; for other
    functions, half of them point to expected windows. Nengo finds the decoders.

    Accuracy degrades with the number of components, for values beyond 3.5 times their
    expected root mean square, and, with LIF neurons, for signals that change between two
    spikes of a neuron. Linear functions need no neurons: connect from ``memory.output``,
    with `delay_decoders` as transform; coefficient 0 of a channel is its window's mean.

    Parameters
    ----------
    memory : LegendreMemory
        The memory to read, in any realization. The read-out connects itself to it.
    function : callable
        Takes an array of shape ``(n_channels, n_points)``, a row for each channel, and
        returns a number or a vector.
    points : array_like of shape (n_points,)
        Points at which the window is read: delay / theta, each in [0, 1]. Point 0 is the
        present input itself, ``memory.input``, where the coefficients are least accurate.
    n_neurons : int
        Number of neurons.
    channels : list of int, optional
        Channels of the memory that the function takes; ``None`` is all.
    components : int, optional
        Number of principal components that the ensemble holds. ``None`` leaves out those
        whose range is below 2% of the largest.
    expected_input : Band or nengo.Process, optional
        Input that each channel will get, independently of the others; see `Spiking`.
    neuron_type : nengo.neurons.NeuronType
        Any neuron type.
    max_rates, intercepts : nengo.dists.Distribution
        As for `nengo.Ensemble`, with a radius of 3.5 root mean squares; Uniform
        ones are spread evenly. Intercepts close to 1 make the decoders of neurons that do
        not saturate inaccurate.
    solver : nengo.solvers.Solver
        Finds the decoders.
    synapse : float or nengo.synapses.Synapse, optional
        Synapse between the ensemble and ``.output``. ``None`` leaves the filtering of the
        spikes to the connections from the output.
    label, seed, add_to_container : optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        The window's values at the points, channel after channel.
    ensemble : nengo.Ensemble
        The neurons.
    output : nengo.Node
        The function's value.

    Raises
    ------
    ValidationError
        If an argument is out of range, or the function fails on an expected window or on
        one of zeros, or does not always return the same number of finite values.

    Examples
    --------
    The energy of the last second, from 500 neurons:

    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo import Band, LegendreMemory
    >>> from lmu_nengo.memory import WindowFunction
    >>> with nengo.Network(seed=0) as model:
    ...     memory = LegendreMemory(theta=1.0, order=6)
    ...     energy = WindowFunction(
    ...         memory,
    ...         function=lambda window: np.mean(window**2),
    ...         points=np.linspace(0.1, 1, 10),
    ...         n_neurons=500,
    ...         expected_input=Band(frequency=1.0, rms=0.3),
    ...     )
    >>> energy.output.size_out
    1
    """

    def __init__(
        self,
        memory: LegendreMemory,
        function: Callable,
        points: ArrayLike,
        n_neurons: int,
        channels: Iterable[int] | None = None,
        components: int | None = None,
        expected_input: Band | nengo.Process | None = None,
        neuron_type: nengo.neurons.NeuronType = LIF,
        max_rates: nengo.dists.Distribution = RATES,
        intercepts: nengo.dists.Distribution = CURVED,
        solver: nengo.solvers.Solver = SOLVER,
        synapse: float | nengo.synapses.Synapse | None = None,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        n_neurons = check_integer(n_neurons, "n_neurons", high=MOST_NEURONS, obj=type(self))
        check_synapse(synapse, obj=type(self))
        channels = check_channels(memory, channels)
        decoders = window_decoders(memory, points)
        shape = (len(channels), len(decoders))
        samples = expected_values(memory, decoders, len(channels), expected_input)
        targets = evaluate(function, samples.reshape(-1, *shape))
        transform, inverse = principal_components(samples, components)
        states = samples @ inverse.T

        super().__init__(label=label, seed=seed, add_to_container=False)
        with plain_config(), self:
            self.input = nengo.Node(size_in=samples.shape[1], label="input")
            self.output = nengo.Node(size_in=targets.shape[1], label="output")
            connect_values(memory, channels, decoders, self.input)
            neurons = max_rates, intercepts, neuron_type
            turned = curvature(states, targets)
            self.ensemble = add_population(n_neurons, states, *neurons, *turned)
            nengo.Connection(self.input, self.ensemble, transform=inverse, synapse=None)
            nengo.Connection(
                self.ensemble,
                self.output,
                function=lambda x: np.ravel(function((transform @ x).reshape(shape))),
                solver=solver,
                synapse=synapse,
            )
        add_to_context(self, add_to_container)


class LearnedReadout(nengo.Network):
    """
    A function of the memory's state that is learned while the network runs.

    An ensemble holds the principal components of the coefficients under the expected
    input. Its decoders start at zero and follow `nengo.PES`, the prescribed error
    sensitivity rule. Two connections make it learn::

        nengo.Connection(readout.output, readout.error, synapse=None)
        nengo.Connection(target, readout.error, transform=-1, synapse=None)

    With too high a rate the decoders fit the last seconds only, and the output is worse
    once learning stops. More components take longer to learn.

    Parameters
    ----------
    memory : LegendreMemory
        The memory to read, in any realization. The read-out connects itself to it.
    n_neurons : int
        Number of neurons.
    size_out : int
        Size of the output.
    learning_rate : float
        As for `nengo.PES`.
    components : int, optional
        As for `WindowFunction`, but of the coefficients.
    expected_input : Band or nengo.Process, optional
        As for `WindowFunction`.
    neuron_type : nengo.neurons.NeuronType
        Any neuron type.
    max_rates, intercepts : nengo.dists.Distribution
        As for `WindowFunction`.
    synapse : float or nengo.synapses.Synapse, optional
        Synapse between the ensemble and ``.output``. Learning compensates its delay.
    label, seed, add_to_container : optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        The coefficients, channel after channel.
    ensemble : nengo.Ensemble
        The neurons.
    output : nengo.Node
        The learned function's value.
    error : nengo.Node
        Takes the output minus the target.
    stop : nengo.Node
        Learning stops while its input is above 0.5.

    Raises
    ------
    ValidationError
        If an argument is out of range.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.memory import LearnedReadout
    >>> with nengo.Network(seed=0) as model:
    ...     memory = LegendreMemory(theta=1.0, order=6)
    ...     readout = LearnedReadout(memory, n_neurons=100, size_out=2)
    >>> readout.error.size_in
    2
    """

    def __init__(
        self,
        memory: LegendreMemory,
        n_neurons: int,
        size_out: int = 1,
        learning_rate: float = LEARNING_RATE,
        components: int | None = None,
        expected_input: Band | nengo.Process | None = None,
        neuron_type: nengo.neurons.NeuronType = LIF,
        max_rates: nengo.dists.Distribution = RATES,
        intercepts: nengo.dists.Distribution = SPARSE,
        synapse: float | nengo.synapses.Synapse | None = 0.01,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        n_neurons = check_integer(n_neurons, "n_neurons", high=MOST_NEURONS, obj=type(self))
        size_out = check_integer(size_out, "size_out", high=LARGEST_STATE, obj=type(self))
        check_positive(learning_rate, "learning_rate", unit="1/s", obj=type(self))
        check_synapse(synapse, obj=type(self))
        channels = check_channels(memory, None)
        decoders = np.eye(memory.order, memory.order + 1, 1)  # the coefficients themselves
        samples = expected_values(memory, decoders, len(channels), expected_input)
        _, inverse = principal_components(samples, components)

        super().__init__(label=label, seed=seed, add_to_container=False)
        with plain_config(), self:
            self.input = nengo.Node(size_in=samples.shape[1], label="input")
            self.output = nengo.Node(size_in=size_out, label="output")
            self.error = nengo.Node(size_in=size_out, label="error")
            self.stop = nengo.Node(size_in=1, label="stop")
            connect_values(memory, channels, decoders, self.input)
            neurons = max_rates, intercepts, neuron_type
            self.ensemble = add_population(n_neurons, samples @ inverse.T, *neurons)
            nengo.Connection(self.input, self.ensemble, transform=inverse, synapse=None)
            learned = nengo.Connection(
                self.ensemble,
                self.output,
                function=lambda x: np.zeros(size_out),
                learning_rule_type=nengo.PES(learning_rate),
                synapse=synapse,
            )
            gate = nengo.Node(unless_stopped, size_in=1 + size_out, label="gate")
            nengo.Connection(self.stop, gate[0], synapse=None)
            nengo.Connection(self.error, gate[1:], synapse=None)
            nengo.Connection(gate, learned.learning_rule, synapse=None)
        add_to_context(self, add_to_container)


def unless_stopped(t, x):
    """Return all values but the first, or zeros if that is above 0.5."""
    return x[1:] * (x[0] <= 0.5)


unless_stopped.is_jax_function = True  # for lmu_nengo.engine, which compiles it


def check_channels(memory, channels):
    """Return the channels of a memory as a list (None is all), or raise ValidationError."""
    allowed = "a LegendreMemory (of an LMUCell, its .memory)"
    check_instance(memory, LegendreMemory, "memory", allowed)
    if channels is None:
        return list(range(memory.memory_d))
    is_several = isinstance(channels, (list, tuple, range, np.ndarray))
    if (
        not is_several
        or not np.ndim(np.asarray(channels, dtype=object))
        or not len(channels)
        or not all(is_finite(c) and c in range(memory.memory_d) for c in channels)
    ):
        message = f"must be a list of some of 0 to {memory.memory_d - 1}, got "
        message += f"{show(channels)}."
        raise ValidationError(message, attr="channels")
    return list(channels)


def window_decoders(memory, points):
    """Decoders (n_points, 1 + order) of one channel's input and coefficients."""
    points = np.atleast_1d(check_array(points, "points", (...,)))
    decoders = delay_decoders(memory.order, points)
    present = (points == 0)[:, None]
    return np.hstack([present, np.where(present, 0, decoders)])


def connect_values(memory, channels, decoders, node):
    """Connect inputs and coefficients to a node, through the same decoders for each."""
    for i, channel in enumerate(channels):
        values = node[i * len(decoders) : (i + 1) * len(decoders)]
        coefficients = memory.output[memory.channels()[channel]]
        if decoders[:, 0].any():
            nengo.Connection(
                memory.input[channel], values, transform=decoders[:, :1], synapse=None
            )
        nengo.Connection(coefficients, values, transform=decoders[:, 1:], synapse=None)


def expected_values(memory, decoders, n_channels, expected_input):
    """Decoded values (n_samples, n_channels * n_points), each channel drawn on its own."""
    Ad, Bd = memory.discrete()
    expected = InputModel(expected_input, memory.theta, Ad, Bd, memory.dt)
    rng = np.random.RandomState(0)
    if expected.is_band:
        # the input is a state as well, one that forgets at once
        A, B = np.zeros((memory.order + 1, memory.order + 1)), np.vstack([1.0, Bd])
        A[1:, 1:] = Ad
        covariance = band_covariance(A, B, expected.frequency, memory.dt)
        covariance = np.mean(expected.u**2) * decoders @ covariance @ decoders.T
        mean = np.zeros(len(covariance))
        size = (N_SAMPLES, n_channels)
        values = rng.multivariate_normal(mean, covariance, size, check_valid="ignore")
    else:
        u = expected.u[-len(expected.settled) :]
        values = np.hstack([u, expected.settled]) @ decoders.T
        values = values[rng.randint(len(values), size=(N_SAMPLES, n_channels))]
    return values.reshape(N_SAMPLES, -1)


def principal_components(samples, n_components=None):
    """Matrices from components, whose range is 1, to values and back; largest first."""
    axes = np.linalg.svd(samples, full_matrices=False)[2]
    components = np.abs(samples @ axes.T)
    rms = np.sqrt(np.mean(components**2, axis=0))
    ranges = np.minimum(SIGMAS * rms, components.max(axis=0))
    if n_components is None:
        n_components = np.count_nonzero(ranges > SMALLEST * ranges.max())
    elif check_integer(n_components, "components") > len(ranges):
        raise ValidationError(
            f"must be at most the number of values, {len(ranges)}, got {n_components}.",
            attr="components",
        )
    axes, ranges = axes[:n_components], ranges[:n_components]
    return axes.T * ranges, axes / ranges[:, None]


def evaluate(function, windows):
    """Return values (n_windows, size) of the function, or raise ValidationError."""
    values, size = [], None
    # the first window is zero, as before any input
    for window in np.concatenate([np.zeros_like(windows[:1]), windows]):
        try:
            with np.errstate(all="ignore"):
                value = np.asarray(function(window.copy()), dtype=np.float64)
        except Exception as error:
            raise ValidationError(
                f"fails for a window of shape (n_channels, n_points) = {window.shape}: "
                f"{type(error).__name__}: {error}",
                attr="function",
            ) from error
        size = value.size if size is None else size
        if value.ndim > 1 or value.size != size or not size or not np.isfinite(value).all():
            raise ValidationError(
                "must return a finite number, or a vector of as many finite numbers for "
                f"every window, one of zeros included; got {value!r} for {window!r}.",
                attr="function",
            )
        values.append(value.ravel())
    return np.array(values[1:])


def curvature(states, targets):
    """
    Directions in which a function is curved, from the closest quadratic function.

    These are eigenvectors of the second derivatives, and slopes: unit vectors of shape
    (n_directions, n_components). Also returns how much the function changes along each,
    and the share of neurons whose encoders should be expected states.
    """
    targets = targets - targets.mean(axis=0)
    targets = targets / np.maximum(targets.std(axis=0), 1e-12)
    size = states.shape[1]
    i, j = np.triu_indices(size)
    features = [np.ones((len(states), 1)), states, states[:, i] * states[:, j]]
    fit, *_ = np.linalg.lstsq(np.hstack(features), targets, rcond=None)
    error = np.std(targets - np.hstack(features) @ fit)
    directions, weights = [], []
    for slope, second in zip(fit[1 : size + 1].T, fit[size + 1 :].T, strict=True):
        form = np.zeros((size, size))
        form[i, j] = second / 2
        values, vectors = np.linalg.eigh(form + form.T)
        directions += [*vectors.T, slope / max(np.linalg.norm(slope), 1e-12)]
        weights += [*np.abs(values) * np.mean(states**2), np.std(states @ slope)]
    weights = np.array(weights)
    matter = weights > QUADRATIC * max(weights.max(), 1e-12)
    if not matter.any():
        return np.zeros((0, size)), weights[matter], 1.0
    return np.array(directions)[matter], weights[matter], 0.5 * (error > QUADRATIC)


def add_population(n_neurons, states, max_rates, intercepts, neuron_type, *turned):
    """Add an ensemble; encoders are states, or directions from `curvature`."""
    directions, weights, rest = turned or ((), (), 1.0)
    n_rest = round(rest * n_neurons)
    used = np.argsort(weights)[::-1][: n_neurons - n_rest]
    shares = share_neurons(n_neurons - n_rest, np.take(weights, used)) if len(used) else []
    rng = np.random.RandomState(0)
    norms = np.linalg.norm(states, axis=1)
    encoders = [states[rng.choice(len(states), n_rest, p=norms / norms.sum())]]
    places = [(np.arange(n_rest) + 0.5) / n_rest]
    for k, share in zip(used, shares, strict=True):
        signs = np.where(np.arange(share) % 2 == 0, 1.0, -1.0)
        encoders.append(signs[:, None] * directions[k])
        places.append((np.arange(share) + 0.5) / share)
    return nengo.Ensemble(
        n_neurons,
        states.shape[1],
        encoders=np.vstack(encoders),
        eval_points=states,
        max_rates=quantiles(max_rates, (0.5 + GOLDEN * np.arange(n_neurons)) % 1),
        intercepts=quantiles(intercepts, np.concatenate(places)),
        neuron_type=neuron_type,
        label="population",
    )
