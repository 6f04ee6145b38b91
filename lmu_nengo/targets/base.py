"""What all targets share: limits, copies of networks, results by the user's probes."""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import plain_config
from lmu_nengo.conversion.operations import fan_out
from lmu_nengo.memory.exact import Linear, Windowed
from lmu_nengo.memory.realization import find_realizable


@dataclass(frozen=True)
class Limit:
    """
    A limit of a target that a network breaks.

    Parameters
    ----------
    name : str
        What is limited.
    value : object
        What the network has.
    limit : object
        What the target can hold.
    where : object
        The part of the network, or None for all of it.
    advice : str
        What to do.
    """

    name: str
    value: object
    limit: object
    where: object = None
    advice: str = ""

    def __str__(self):
        where = "" if self.where is None else f" ({self.where})"
        text = f"{self.name}: {self.value}, limit {self.limit}{where}."
        return f"{text} {self.advice}".rstrip()


@dataclass(frozen=True)
class Prepared:
    """
    A copy of a network, adapted to a target.

    Parameters
    ----------
    network : nengo.Network
        The copy.
    objects : dict
        For each network, node, ensemble, connection and probe of the original that is
        still there, the one in the copy.
    changes : list of str
        What was changed, and why.
    """

    network: nengo.Network
    objects: dict
    changes: list


def refuse_limits(limits, target, network):
    """Raise ValidationError that names every limit, if there is any."""
    if limits:
        raise ValidationError(
            f"{target} cannot hold the network:\n- " + "\n- ".join(map(str, limits)),
            attr="network",
            obj=network,
        )


def need(module, target):
    """
    Import a backend.

    Parameters
    ----------
    module : str
        Name of the module.
    target : str
        The extra that installs it.

    Returns
    -------
    module : module
        The backend.

    Raises
    ------
    ValidationError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValidationError(
            f"{error}. The target {target!r} needs {module}; install it with "
            f'pip install "lmu-nengo[{target}]".',
            attr="target",
        ) from error


def copy_network(network):
    """
    Copy a network.

    Parameters
    ----------
    network : nengo.Network
        The network.

    Returns
    -------
    prepared : Prepared
        The copy, without changes.
    """
    with warnings.catch_warnings():
        # on nodes without output, whose sizes copying sets anew
        warnings.filterwarnings("ignore", "'Node.size_out' is being overwritten")
        copy = network.copy(add_to_container=False)
    originals = [network, *network.all_networks, *network.all_objects, *network.all_probes]
    copies = [copy, *copy.all_networks, *copy.all_objects, *copy.all_probes]
    return Prepared(copy, dict(zip(originals, copies, strict=True)), [])


def step_by_step(network):
    """Copy a network; memories and cells made for whole windows become linear."""
    prepared = copy_network(network)
    for part in find_realizable(prepared.network):
        if isinstance(part.realization, Windowed):
            part.realize(Linear(part.realization.discretizer))
            prepared.changes.append(f"{part} is Linear(): Windowed cannot go step by step")
    return prepared


class ProbeData(Mapping):
    """
    What probes recorded, by the probes of the user's network.

    Parameters
    ----------
    objects : dict
        Original object -> object of the copy.
    data : Mapping
        By objects of the copy.
    """

    def __init__(self, objects, data):
        self.objects = objects
        self.data = data

    def __getitem__(self, key):
        return self.data[self.objects.get(key, key)]

    def __iter__(self):
        return (key for key, copy in self.objects.items() if copy in self.data)

    def __len__(self):
        return sum(1 for _ in self)


def add_spike_probes(prepared):
    """
    Add probes on all spiking neurons of a copy.

    Parameters
    ----------
    prepared : Prepared
        The copy.

    Returns
    -------
    costs : dict of {nengo.Probe: ndarray of shape (n_neurons,)}
        Synaptic operations that a spike of each neuron causes.
    """
    network = prepared.network
    spiking = [ens for ens in network.all_ensembles if ens.neuron_type.spiking]
    # with a seed of its own, and last, it leaves the seeds of all others as they are
    with plain_config(), nengo.Network(seed=0, add_to_container=False) as counting:
        probes = [nengo.Probe(ens.neurons) for ens in spiking]
    costs = [fan_out(network, ens) for ens in spiking]
    network.networks.append(counting)
    return dict(zip(probes, costs, strict=True))


class TargetSimulator:
    """
    A simulator of a copy of the user's network, in Nengo's own style.

    Parameters
    ----------
    prepared : Prepared
        The copy that it runs.
    simulator : nengo.Simulator or the like
        Runs it.
    costs : dict, optional
        What `add_spike_probes` gave.

    Attributes
    ----------
    data : Mapping
        ``data[probe]``: values of a probe of the user's network, shape (steps, size).
    changes : list of str
        What was changed in the copy, and why.
    """

    def __init__(self, prepared, simulator, costs=None):
        self.changes = prepared.changes
        self.simulator = simulator
        self.costs = costs
        self.data = ProbeData(prepared.objects, simulator.data)

    def run(self, duration):
        """
        Run.

        Parameters
        ----------
        duration : float
            Seconds to simulate.
        """
        self.simulator.run(duration)

    def trange(self):
        """
        Times of the steps.

        Returns
        -------
        times : ndarray of shape (steps,)
            In seconds; the first is ``dt``.
        """
        return self.simulator.trange()

    @property
    def spikes(self) -> int:
        """Spikes so far, if it was made with ``count_spikes=True``."""
        return round(sum(counts.sum() for counts, _ in self._counts()))

    @property
    def synaptic_operations(self) -> float:
        """Weights that these spikes met; see `lmu_nengo.conversion.operations.fan_out`."""
        return float(sum(counts @ cost for counts, cost in self._counts()))

    def _counts(self):
        """Spikes of each neuron of an ensemble, and what each costs."""
        if self.costs is None:
            raise ValidationError(
                "spikes were not counted; give the simulator count_spikes=True.",
                attr="count_spikes",
                obj=type(self),
            )
        for probe, cost in self.costs.items():
            amplitude = getattr(probe.target.ensemble.neuron_type, "amplitude", 1)
            spike = amplitude / self.simulator.dt
            yield np.abs(self.simulator.data[probe]).sum(axis=0) / spike, cost

    def close(self):
        """Free what the backend holds; the data stay."""
        self.simulator.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
