"""Whether the populations of spiking memories stay in the range they were solved for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_array, check_instance, check_mapping, check_positive
from lmu_nengo.memory.network import LegendreMemory, find_memories

TOLERANCE = 1.1  # decoders still hold a little outside, and spikes are noisy
SAMPLES = 10  # in the time of a Legendre polynomial's smallest detail, theta / order
ADVICE = (
    "Decoded values are inaccurate there. Pass Spiking(..., radius=...) for a larger "
    "input, or describe the input by Spiking(..., expected_input=...) or "
    "lmu_nengo.calibrate(network, inputs)."
)


@dataclass(frozen=True)
class Excursion:
    """
    How a population of a memory left its range; ``print(excursion)`` is the warning.

    Parameters
    ----------
    memory : LegendreMemory
        The memory.
    channel, dimension : int
        The population that went farthest.
    largest : float
        Its largest magnitude, over the range for which its decoders were solved.
    seconds : float
        Time in which any population of the memory was outside, in simulated seconds, of
        all sequences together.
    duration : float
        Simulated time of all sequences in seconds.

    Examples
    --------
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.memory import Excursion
    >>> memory = LegendreMemory(1.0, 6, label="memory", add_to_container=False)
    >>> str(Excursion(memory, 0, 2, 1.84, 0.42, 20.0))[:60]
    'LegendreMemory "memory": population 2 reached 1.84 times the'
    """

    memory: LegendreMemory
    channel: int
    dimension: int
    largest: float
    seconds: float
    duration: float

    def __str__(self):
        name = f'LegendreMemory "{self.memory.label}"' if self.memory.label else None
        where = f"population {self.dimension}"
        if self.memory.memory_d > 1:
            where += f" of channel {self.channel}"
        return (
            f"{name or 'An unlabeled LegendreMemory'}: {where} reached {self.largest:.3g} "
            f"times the range for which its decoders were solved; the memory was out of "
            f"range for {self.seconds:.3g} s of {self.duration:.3g} s "
            f"({self.seconds / self.duration:.2%}). {ADVICE}"
        )


def excess(memory: LegendreMemory, m: ArrayLike) -> np.ndarray:
    """
    Return the values of a memory's populations, over their ranges.

    Parameters
    ----------
    memory : LegendreMemory
        A memory that is realized in neurons.
    m : array_like of shape (..., memory_d * order)
        Its coefficients.

    Returns
    -------
    values : ndarray of shape (..., memory_d, state_d)
        Magnitudes; above 1 the decoders are beyond what they were solved for.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo import LegendreMemory, Spiking
    >>> from lmu_nengo.memory import excess
    >>> memory = LegendreMemory(1.0, 6, realization=Spiking(600), add_to_container=False)
    >>> excess(memory, np.zeros(6)).shape
    (1, 6)
    """
    check_instance(memory, LegendreMemory, "memory", "a LegendreMemory")
    if memory.population_transform is None:
        raise ValidationError(
            "must be realized in neurons. Call memory.realize(lmu_nengo.Spiking(...)) "
            "first.",
            attr="memory",
        )
    m = check_array(m, "m", (..., memory.output.size_in), finite=False)
    m = m.reshape(*m.shape[:-1], memory.memory_d, memory.order)
    return np.abs(np.einsum("...cj,cij->...ci", m, memory.population_transform))


class RangeMonitor:
    """
    Records whether the populations of spiking memories leave their range.

    It adds a probe of each memory's output to a network; create it before the simulator.
    The probes are in a network of their own, so that the seeds of all other objects stay
    as they were.

    Parameters
    ----------
    network : nengo.Network
        The network; a network with the probes is added to it.
    every_step : bool
        Whether to record every step, for simulators that know no other interval. By
        default the interval is a tenth of ``theta / order``.

    Attributes
    ----------
    probes : dict of {nengo.Probe: LegendreMemory}
        The probes, and what they are of.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Spiking
    >>> from lmu_nengo.memory import RangeMonitor
    >>> with nengo.Network(seed=0) as network:
    ...     u = nengo.Node([3.0])
    ...     memory = LegendreMemory(0.1, 2, realization=Spiking(100), label="memory")
    ...     connection = nengo.Connection(u, memory.input, synapse=None)
    >>> monitor = RangeMonitor(network)
    >>> with nengo.Simulator(network, progress_bar=False) as sim:
    ...     sim.run(0.5)
    >>> (excursion,) = monitor.excursions(sim.data, sim.dt)
    >>> excursion.largest > 1.5
    True
    """

    def __init__(self, network: nengo.Network, every_step: bool = False):
        self.probes = {}
        with plain_config(), nengo.Network(seed=0, add_to_container=False) as probes:
            probes.label = "range monitor"
            for memory in find_memories(network):
                if memory.population_transform is None:
                    continue
                interval = memory.theta / memory.order / SAMPLES
                is_short = every_step or interval <= memory.dt
                # spikes are filtered as the memory does it
                spikes = memory.realization.output == "spikes"
                probe = nengo.Probe(
                    memory.output,
                    sample_every=None if is_short else interval,
                    synapse=memory.realization.synapse_for(memory) if spikes else None,
                )
                self.probes[probe] = memory
        if self.probes:
            network.networks.append(probes)

    def excursions(self, data: Mapping, dt: float) -> list[Excursion]:
        """
        Find the memories whose populations left their range by more than a tenth.

        Parameters
        ----------
        data : Mapping of {nengo.Probe: ndarray of shape (..., n_samples, size)}
            What the probes recorded: ``sim.data`` of any simulator.
        dt : float
            Step of the simulator in seconds.

        Returns
        -------
        excursions : list of Excursion
            Empty if all stayed inside.
        """
        check_mapping(data, "data", "arrays by probe", obj=type(self))
        dt = check_positive(dt, "dt", obj=type(self))
        found = []
        for probe, memory in self.probes.items():
            if probe not in data:  # nothing was run
                continue
            m = np.asarray(data[probe])
            if not m.size:
                continue
            values = excess(memory, m)
            values = values.reshape(-1, *values.shape[-2:])
            is_outside = (values > TOLERANCE).any(axis=(1, 2))
            if is_outside.any():
                channel, dimension = np.unravel_index(
                    values.max(axis=0).argmax(), values.shape[1:]
                )
                every = dt if probe.sample_every is None else probe.sample_every
                found.append(
                    Excursion(
                        memory,
                        int(channel),
                        int(dimension),
                        float(values.max()),
                        float(np.count_nonzero(is_outside) * every),
                        len(values) * every,
                    )
                )
        return found


def merge_excursions(excursions: Iterable[Excursion], duration: float) -> list[Excursion]:
    """
    Merge what was found in several runs of the same network.

    Parameters
    ----------
    excursions : iterable of Excursion
        Of all runs.
    duration : float
        Simulated time of all runs in seconds, those without excursions included.

    Returns
    -------
    merged : list of Excursion
        One for each memory.
    """
    merged = {}
    for each in excursions:
        known = merged.get(each.memory, replace(each, seconds=0.0))
        farthest = max(known, each, key=lambda one: one.largest)
        seconds = known.seconds + each.seconds
        merged[each.memory] = replace(farthest, seconds=seconds, duration=duration)
    return list(merged.values())
