"""Populations of neurons that hold the state of a memory, and how far they lead it."""

from dataclasses import replace

import nengo
import numpy as np

from lmu_nengo.poles import loop_poles
from lmu_nengo.principle3 import Mapping, principle3

GOLDEN = 0.6180339887498949  # its multiples fill [0, 1) evenly
LEAD_STEPS = 5000  # least steps of the trajectory on which a lead is measured
LEAD_WINDOWS = 5


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


def spread(distribution, places):
    """Quantiles of a `nengo.dists.Uniform`; other distributions are left to Nengo."""
    if not isinstance(distribution, nengo.dists.Uniform):
        return distribution
    return distribution.low + (distribution.high - distribution.low) * places


def add_population(n_neurons, trajectory, spiking, index, label):
    """
    Add the ensemble that holds one or more dimensions of the state.

    In one dimension intercepts and rates are spread evenly over their distributions
    instead of drawn from them, encoders alternate, and so the decoded value is smooth. In
    more, encoders and evaluation points are states of the expected trajectory.

    Parameters
    ----------
    n_neurons : int
        Neurons of the ensemble.
    trajectory : ndarray of shape (n_steps, size)
        Expected states, scaled so that each dimension's range is 1.
    spiking : Spiking
        Neuron type, rates and intercepts.
    index : int
        Number of the population, so that no two are alike.
    label : str
        Name of the ensemble.

    Returns
    -------
    ensemble : nengo.Ensemble
        In the current network.
    """
    size = trajectory.shape[1]
    if size == 1:
        i = np.arange(n_neurons)
        return nengo.Ensemble(
            n_neurons,
            1,
            encoders=np.where(i % 2 == 0, 1.0, -1.0)[:, None],
            intercepts=spread(spiking.intercepts, (i + 0.5) / n_neurons),
            max_rates=spread(spiking.max_rates, (0.5 + GOLDEN * (i + index)) % 1),
            eval_points=np.linspace(-1, 1, 501)[:, None],
            neuron_type=spiking.neuron_type,
            label=label,
        )
    norms = np.linalg.norm(trajectory, axis=1)
    radius = max(norms.max(), 1.0)
    rng = np.random.RandomState(index)
    # a tenth are axes: each dimension alone, to its full range
    directions = trajectory[rng.choice(len(norms), n_neurons, p=norms / norms.sum())]
    axes = np.arange(n_neurons) % 10 == 0
    directions[axes] = np.eye(size)[rng.randint(size, size=axes.sum())]
    signs = np.where(np.arange(n_neurons) % 2 == 0, 1.0, -1.0)[:, None]
    return nengo.Ensemble(
        n_neurons,
        size,
        radius=radius,
        encoders=directions * signs,
        intercepts=spiking.intercepts,
        max_rates=spiking.max_rates,
        eval_points=trajectory[rng.choice(len(norms), 2000)],
        neuron_type=spiking.neuron_type,
        label=label,
    )


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
    with nengo.Network(seed=0, add_to_container=False) as network:
        source = nengo.Node(nengo.processes.PresentInput(states, dt))
        decoded = nengo.Node(size_in=states.shape[1])
        for i, (group, share) in enumerate(zip(groups, shares, strict=True)):
            n_neurons = min(share, 100 * (group.stop - group.start))
            population = add_population(n_neurons, states[:, group], spiking, i, None)
            nengo.Connection(source[group], population, synapse=None)
            nengo.Connection(
                population, decoded[group], synapse=None, solver=spiking.solver
            )
        probe = nengo.Probe(decoded)
    with nengo.Simulator(network, dt=dt, progress_bar=False) as sim:
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
