"""A memory in pairs of spiking populations that share one error, for few spikes.

Two populations hold each dimension ``x`` of the state: one fires for positive values, one
for negative ones. With Nengo's rectified currents, the silent one keeps a voltage between
0 and 1 for as long as the other fires: an error that lasts. Here the currents are not
rectified, and a spike of one population raises the voltages of the other by as much as it
lowers its own. The voltages of a pair then add up to a constant, and differ by what is
left of the integral of ``x``, between -1/2 and 1/2 of a spike. Such a pair is a network of
Boerlin, Machens and Deneve (PLoS Computational Biology 2013) with one dimension, and a
delta-sigma modulator of first order.

The finer the spikes, the faster they follow each other and the less of their error passes
the memory: for a spike of dimension i that is worth ``q_i``, the variance goes as
``q_i^3`` and the number of spikes as ``1 / q_i``. Of all ``q`` with the same number of
spikes, ``q_i ~ (size_i / noise_i)^(1/4)`` has the least error. The coordinates are those
in which covariance and noise are both diagonal.
"""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.params import NdarrayParam, NumberParam
from scipy import sparse
from scipy.linalg import solve_discrete_lyapunov

from lmu_nengo.memory.realization import Realization
from lmu_nengo.nef import Coordinates, principle3

UNUSED = 1e-7  # share of the variance below which a direction is left out
SIZES = np.unique(np.round(1.25 ** np.arange(60)).astype(int))  # of populations
CHEAPEST = 1e-8  # cost of the cheapest direction over that of the dearest


class IntegrateAndFire(nengo.SpikingRectifiedLinear):
    """
    Integrate-and-fire neurons whose current may be negative, with one spike a step.

    The voltage is the integral of the current, less the spikes; it fires at 1. This is the
    neuron of most conversions to spiking networks (Rueckauer et al. 2017, "reset by
    subtraction"). `nengo.SpikingRectifiedLinear` ignores negative currents instead, and
    fires several times in a step.

    Parameters
    ----------
    amplitude : float
        Scales the output.
    min_voltage : float
        Minimum of the voltage.
    most : ndarray of int, optional
        Largest number of spikes in a step, by neuron; by default 1. A neuron with n times
        the current and up to n spikes fires as often as n neurons together whose initial
        voltages are spread evenly, ``(i + 1/2) / n``, if its own is 1/2.
    initial_state : dict of {str: nengo.dists.Distribution or array_like}, optional
        Initial ``voltage``.
    """

    min_voltage = NumberParam("min_voltage")
    most = NdarrayParam("most", shape=("*",))

    def __init__(self, amplitude=1.0, min_voltage=-np.inf, most=(1,), initial_state=None):
        super().__init__(amplitude, initial_state)
        self.min_voltage, self.most = min_voltage, most

    def step(self, dt, J, output, voltage):
        """Integrate the current; fire where the voltage has reached 1."""
        voltage += J * dt
        spikes = np.clip(np.floor(voltage), 0, self.most)
        output[...] = self.amplitude / dt * spikes
        voltage -= spikes
        np.maximum(voltage, self.min_voltage, out=voltage)


def register_in_engine():
    """Teach `lmu_nengo.engine` the neuron type."""
    import jax.numpy as jnp

    from lmu_nengo import engine

    @engine.register(IntegrateAndFire)
    def integrate_and_fire(neurons, dt, J, voltage):
        voltage = voltage + J * dt
        spikes = jnp.clip(jnp.floor(voltage), 0, neurons.most.astype(voltage.dtype))
        left = jnp.maximum(voltage - spikes, neurons.min_voltage)
        return neurons.amplitude / dt * spikes, {"voltage": left}


@dataclass(frozen=True, eq=False)
class Pairs(Realization):
    """
    Pairs of populations of `IntegrateAndFire` neurons that hold the state.

    Its output is the state that drives the neurons: their spikes and the input, filtered by
    the synapse. It is one step later than that of `lmu_nengo.Linear`.

    Parameters
    ----------
    spikes : float
        Spikes that an expected sequence is to cost.
    expected : ndarray of shape (n_sequences, n_steps)
        Inputs like those that the memory will get, each from a silent memory on.
    worth : ndarray of shape (order, order)
        Quadratic form: what an error of the state at the end of a sequence costs.
    synapse : float
        Time constant of the recurrent connection's lowpass, in seconds.
    margin : float
        Highest rate that the neurons of a dimension can have, over the highest expected.
    counted : bool
        Whether each population is computed as one neuron that fires as often as all of
        them together: the same spikes in a fraction of the time.
    """

    spikes: float
    expected: np.ndarray
    worth: np.ndarray
    synapse: float = 0.2
    margin: float = 2.0
    counted: bool = False
    is_spiking = True

    def make(self, memory) -> None:
        """Add the objects that compute a memory to the current network."""
        Ad, Bd = memory.discrete()
        dt = memory.dt
        covariance = np.zeros_like(Ad)
        for m in states(Ad, Bd, self.expected):
            covariance += m.T @ m / self.expected.size
        noise = noise_energy(Ad, self.worth, np.exp(-dt / self.synapse))
        transform, inverse, cost = diagonalize(covariance, noise)
        coordinates = Coordinates(transform, inverse, Ad, Bd)
        sizes, largest = np.zeros((2, len(cost)))
        for m in states(Ad, Bd, self.expected):
            magnitudes = np.abs(m @ inverse.T)
            sizes += magnitudes.mean(axis=0)
            largest = np.maximum(largest, magnitudes.max(axis=0))
        quanta = (sizes / cost) ** 0.25
        quanta *= (sizes / quanta).sum() / self.spikes
        # few different sizes of populations, one after the other, are run fastest
        needed = np.ceil(self.margin * largest / quanta)
        n_each = SIZES[np.searchsorted(SIZES, needed)]
        order = np.argsort(n_each, kind="stable")
        coordinates = Coordinates(transform[:, order], inverse[order], Ad, Bd)
        self._add(memory, coordinates, quanta[order], n_each[order])

    def _add(self, memory, coordinates, quanta, n_each):
        """Add the neurons and their connections."""
        size, dt = len(quanta), memory.dt
        mapping = principle3(coordinates.Ax, coordinates.Bx, self.synapse, dt)
        state = nengo.Node(size_in=size, label="state")
        current = nengo.Node(size_in=2 * size, label="current of each population")
        fired = nengo.Node(size_in=2 * size, label="fired")
        both = nengo.Node(size_in=size + 1, label="decoded and input")

        def connect(pre, post, transform=1.0, synapse=None):
            nengo.Connection(pre, post, transform=transform, synapse=synapse)

        # population 2 i fires for positive values of dimension i, 2 i + 1 for negative ones
        population, pair = np.arange(2 * size), np.arange(2 * size) // 2
        sign = 1 - 2 * (population % 2)
        connect(
            state, current, _sparse(sign / (n_each * quanta)[pair] / dt, population, pair)
        )
        other = _sparse(1 / n_each[pair], population, population + sign)
        connect(fired, current, other, synapse=0)  # one step
        if self.counted:
            n_own = n_each[pair]
            counters = nengo.Ensemble(
                2 * size,
                1,
                neuron_type=IntegrateAndFire(
                    most=n_own, initial_state={"voltage": np.full(2 * size, 0.5)}
                ),
                gain=np.ones(2 * size),
                bias=np.zeros(2 * size),
                label="counters",
            ).neurons
            connect(current, counters, _sparse(n_own, population, population))
            connect(counters, fired)
        for n in [] if self.counted else np.unique(n_each):
            own = slice(*(2 * np.flatnonzero(n_each == n)[[0, -1]] + [0, 2]))
            n_neurons = n * (own.stop - own.start)
            # evenly spread, so that the neurons of a population fire in turn
            voltage = np.tile((np.arange(n) + 0.5) / n, own.stop - own.start)
            neurons = nengo.Ensemble(
                n_neurons,
                1,
                neuron_type=IntegrateAndFire(initial_state={"voltage": voltage}),
                gain=np.ones(n_neurons),
                bias=np.zeros(n_neurons),
                label="pairs",
            ).neurons
            index = np.arange(n_neurons)
            connect(current[own], neurons, _sparse(np.ones(n_neurons), index, index // n))
            connect(neurons, fired[own], _sparse(np.ones(n_neurons), index // n, index))
        connect(fired, both[:size], _sparse(sign * dt * quanta[pair], pair, population))
        connect(memory.input, both[size:])
        transform = np.hstack([mapping.recurrent, mapping.input_transform])
        connect(both, state, transform, synapse=self.synapse)
        connect(state, memory.output, coordinates.transform)


def _sparse(values, rows, columns):
    """Transform with one value in each row or in each column."""
    shape = rows.max() + 1, columns.max() + 1
    return nengo.Sparse(shape, init=sparse.csr_matrix((values, (rows, columns)), shape))


def states(Ad, Bd, inputs):
    """States of shape (n_sequences, order) after each step, from a state of zero on."""
    m = np.zeros((len(inputs), len(Ad)))
    for u in inputs.T:
        m = m @ Ad.T + u[:, None] * Bd[:, 0]
        yield m


def diagonalize(covariance, noise):
    """
    Coordinates with a covariance of 1 in which the cost of noise is diagonal.

    Parameters
    ----------
    covariance, noise : ndarray of shape (order, order)
        Mean of ``m m^T``, and what noise in the coefficients costs.

    Returns
    -------
    transform, inverse : ndarray of shape (order, size) and (size, order)
        ``m = transform @ x``, ``x = inverse @ m``; directions in which the state
        hardly ever moves are left out.
    cost : ndarray of shape (size,)
        What noise in each coordinate costs.
    """
    scale = np.sqrt(np.diag(covariance))
    variances, axes = np.linalg.eigh(covariance / np.outer(scale, scale))
    used = variances > UNUSED * variances.max()
    spread, axes = np.sqrt(variances[used]), axes[:, used]
    white = scale[:, None] * axes * spread
    cost, rotation = np.linalg.eigh(white.T @ noise @ white)
    inverse = rotation.T @ (axes / spread).T / scale
    return white @ rotation, inverse, np.maximum(cost, CHEAPEST * cost.max())


def noise_energy(Ad, worth, kept):
    """
    What errors of the integrals of the state cost at the end.

    An error ``v[t]`` of the integral is an error ``v[t] - v[t - 1]`` of the decoded state.
    As ``m[t + 1] = kept m[t] + (Ad - kept) decoded[t]``, the last one changes the state by
    ``(Ad - kept) v``, and an earlier one by ``(Ad - 1) (Ad - kept) v`` times a power of
    ``Ad``.

    Parameters
    ----------
    Ad : ndarray of shape (order, order)
        Discrete state matrix.
    worth : ndarray of shape (order, order)
        What an error of the state costs at the end.
    kept : float
        Share of its value that the synapse keeps in a step.

    Returns
    -------
    energy : ndarray of shape (order, order)
        Sum of the costs over all steps, for errors that are independent in each of them.
    """
    one = np.eye(len(Ad))
    last = Ad - kept * one
    earlier = (Ad - one) @ last
    later = solve_discrete_lyapunov(Ad.T, worth)
    return last.T @ worth @ last + earlier.T @ later @ earlier
