"""How often values are zero, counted while a network runs."""

from collections.abc import Callable, Iterable

import nengo
import numpy as np
from nengo.ensemble import Neurons

from lmu_nengo._nengo import plain_config


class Activity(nengo.Process):
    """
    Counts, for each value, the steps in which it is not zero.

    The output is the number of such steps so far. For spiking neurons it is followed by the
    number of steps with more than one spike, and by the largest absolute value.

    Parameters
    ----------
    size : int
        Number of values.
    amplitude : float, optional
        Amplitude of spiking neurons, whose spikes are ``amplitude / dt``.
    """

    def __init__(self, size: int, amplitude: float | None = None):
        counts = 1 if amplitude is None else 3
        super().__init__(default_size_in=size, default_size_out=counts * size)
        self.amplitude = amplitude

    def make_state(self, shape_in, shape_out, dt, dtype=None):
        """Nothing counted."""
        names = ("active",) if self.amplitude is None else ("active", "several", "largest")
        return {name: np.zeros(shape_in, dtype=dtype) for name in names}

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Count one step."""
        active = state["active"]
        if self.amplitude is None:

            def step(t, x):
                active[...] += x != 0
                return active

            return step

        several, largest, two_spikes = state["several"], state["largest"], self._two(dt)

        def step(t, x):
            x = np.abs(x)
            active[...] += x > 0
            several[...] += x > two_spikes
            np.maximum(largest, x, out=largest)
            return np.concatenate([active, several, largest])

        return step

    def make_jax_step(
        self, shape_in: tuple[int, ...], shape_out: tuple[int, ...], dt: float
    ) -> Callable:
        """Do the same in `lmu_nengo.engine`."""
        import jax.numpy as jnp

        if self.amplitude is None:

            def step(t, x, active):
                active = active + (x != 0)
                return active, {"active": active}

            return step

        two_spikes = self._two(dt)

        def step(t, x, active, several, largest):
            x = jnp.abs(x)
            active, several = active + (x > 0), several + (x > two_spikes)
            largest = jnp.maximum(largest, x)
            state = {"active": active, "several": several, "largest": largest}
            return jnp.concatenate([active, several, largest]), state

        return step

    def _two(self, dt):
        """Between the height of one spike and that of two."""
        return 1.5 * self.amplitude / dt


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
            amplitude = None
            if isinstance(source, Neurons) and source.ensemble.neuron_type.spiking:
                amplitude = getattr(source.ensemble.neuron_type, "amplitude", 1.0)
            activity = nengo.Node(Activity(source.size_out, amplitude))
            nengo.Connection(source, activity, synapse=None)
            probes[source] = nengo.Probe(activity, sample_every=sample_every)
    network.networks.append(counting)
    return probes
