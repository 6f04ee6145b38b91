"""How often values are zero, counted while a network runs."""

from collections.abc import Callable, Iterable

import nengo
import numpy as np

from lmu_nengo._nengo import plain_config


class Activity(nengo.Process):
    """
    Counts, for each value, the steps in which it is not zero.

    The output holds three numbers for each value: the number of steps so far with a value
    other than 0, the number of steps with more than one spike, and the largest absolute
    value.

    Parameters
    ----------
    size : int
        Number of values.
    amplitude : float
        Amplitude of the neurons: one spike is ``amplitude / dt``.
    """

    def __init__(self, size: int, amplitude: float = 1.0):
        super().__init__(default_size_in=size, default_size_out=3 * size)
        self.amplitude = amplitude

    def make_state(self, shape_in, shape_out, dt, dtype=None):
        """Nothing counted."""
        return {"counts": np.zeros((3, *shape_in), dtype=dtype)}

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Count one step."""
        counts, two_spikes = state["counts"], 1.5 * self.amplitude / dt

        def step(t, x):
            x = np.abs(x)
            counts[0] += x > 0
            counts[1] += x > two_spikes
            np.maximum(counts[2], x, out=counts[2])
            return counts.ravel()

        return step

    def make_jax_step(
        self, shape_in: tuple[int, ...], shape_out: tuple[int, ...], dt: float
    ) -> Callable:
        """Do the same in `lmu_nengo.engine`."""
        import jax.numpy as jnp

        two_spikes = 1.5 * self.amplitude / dt

        def step(t, x, counts):
            x = jnp.abs(x)
            active, several, largest = counts
            largest = jnp.maximum(largest, x)
            counts = jnp.stack([active + (x > 0), several + (x > two_spikes), largest])
            return counts.reshape(-1), {"counts": counts}

        return step


def probe_activity(
    network: nengo.Network, sources: Iterable, sample_every: float | None = None
) -> dict:
    """
    Add a probe of the activity of nodes and neurons.

    As with `SpikeCounter`, what is added is in a network of its own, with its own seed.

    Parameters
    ----------
    network : nengo.Network
        The network; the counting network is added to it.
    sources : iterable of nengo.Node or nengo.ensemble.Neurons
        Whose outputs to count.
    sample_every : float, optional
        Sampling interval of the probes in seconds; ``None`` is every step.

    Returns
    -------
    probes : dict of {nengo.Node or nengo.ensemble.Neurons: nengo.Probe}
        Their values have the size of an `Activity`.
    """
    probes = {}
    with plain_config(), nengo.Network(seed=0, add_to_container=False) as counting:
        counting.label = "activity"
        for source in sources:
            kind = getattr(getattr(source, "ensemble", None), "neuron_type", None)
            amplitude = getattr(kind, "amplitude", 1.0)
            activity = nengo.Node(Activity(source.size_out, amplitude))
            nengo.Connection(source, activity, synapse=None)
            probes[source] = nengo.Probe(activity, sample_every=sample_every)
    network.networks.append(counting)
    return probes
