"""
Run a network elsewhere: core Nengo, JAX, NengoDL, NengoOCL, Loihi and NIR simulators.

Importing this package imports no backend.
"""

import importlib
import importlib.util
from types import ModuleType
from typing import Any

import nengo

from lmu_nengo._validation import (
    check_choice,
    check_network,
    check_positive,
    check_seed,
)
from lmu_nengo.targets.base import Limit, Prepared, TargetSimulator

# module of each target, and the backend that it imports when it is used
TARGETS = {
    "core": ("core", "nengo"),
    "jax": ("jax", "jax"),
    "dl": ("dl", "nengo_dl"),
    "ocl": ("ocl", "nengo_ocl"),
    "loihi": ("loihi", "nengo_loihi"),
    "norse": ("nir.norse", "norse"),
    "spikingjelly": ("nir.spikingjelly", "spikingjelly"),
}
NAMES = tuple(TARGETS)

__all__ = [
    "NAMES",
    "Limit",
    "Prepared",
    "TargetSimulator",
    "check",
    "installed",
    "load",
    "prepare",
    "run",
]


def load(target: str) -> ModuleType:
    """
    Load the module of a target, which has its ``Simulator``.

    Parameters
    ----------
    target : {"core", "jax", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.

    Returns
    -------
    module : module
        It imports its backend when it is used.

    Raises
    ------
    ValidationError
        If there is no such target.

    Examples
    --------
    >>> from lmu_nengo import targets
    >>> targets.load("core").Simulator
    <class 'lmu_nengo.targets.core.Simulator'>
    """
    module, _ = TARGETS[check_choice(target, NAMES, "target")]
    return importlib.import_module(f"lmu_nengo.targets.{module}")


def installed(target: str) -> bool:
    """
    Whether the backend of a target is installed; nothing is imported.

    Parameters
    ----------
    target : {"core", "jax", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.

    Returns
    -------
    installed : bool
        Whether Python finds its package.

    Raises
    ------
    ValidationError
        If there is no such target.

    Examples
    --------
    >>> from lmu_nengo import targets
    >>> targets.installed("core")
    True
    """
    _, backend = TARGETS[check_choice(target, NAMES, "target")]
    return importlib.util.find_spec(backend) is not None


def check(network: nengo.Network, target: str, dt: float = 0.001) -> list[Limit]:
    """
    List every limit of a target that a network exceeds, before anything is built.

    What `prepare` adapts by itself is not listed.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    target : {"core", "jax", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.
    dt : float
        Step in seconds.

    Returns
    -------
    limits : list of Limit
        Each with the value and what is allowed; empty if the network fits.

    Raises
    ------
    ValidationError
        If there is no such target, or the arguments are of the wrong type.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import targets
    >>> with nengo.Network() as network:
    ...     hidden = nengo.Ensemble(10, 1, neuron_type=nengo.AdaptiveLIF(), label="hidden")
    >>> targets.check(network, "core")
    []
    >>> [(limit.name, limit.value) for limit in targets.check(network, "loihi")]
    [('neuron type', 'AdaptiveLIF')]
    """
    check_network(network)
    return load(target).Simulator.check(network, check_positive(dt, "dt"))


def prepare(
    network: nengo.Network, target: str, dt: float = 0.001, seed: int | None = None
) -> Prepared:
    """
    Make a copy of a network that is adapted to a target.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    target : {"core", "jax", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed for fitting the target's neurons if the network has no seed.

    Returns
    -------
    prepared : Prepared
        The copy, the objects of the copy by those of the original, and what was changed
        and why.

    Raises
    ------
    ValidationError
        If the target cannot run the network; every limit that it exceeds is named.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Windowed, targets
    >>> with nengo.Network() as network:
    ...     memory = LegendreMemory(0.1, 6, realization=Windowed(100), label="memory")
    >>> for change in targets.prepare(network, "core").changes:
    ...     print(change)
    <LegendreMemory "memory"> is realized as Linear, because Windowed cannot go step by
    step.
    """
    check_network(network)
    return load(target).Simulator.prepare(
        network, check_positive(dt, "dt"), check_seed(seed)
    )


def run(
    network: nengo.Network,
    target: str,
    duration: float,
    dt: float = 0.001,
    seed: int | None = None,
    **options: Any,
) -> TargetSimulator:
    """
    Run a network on a target.

    A warning says if populations of a spiking memory left the range for which their
    decoders were solved.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    target : {"core", "jax", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.
    duration : float
        Time to simulate in seconds.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    **options
        For the target's ``Simulator``, for example ``count_spikes=True``.

    Returns
    -------
    simulator : TargetSimulator
        It is closed; ``simulator.data[probe]`` holds the values of the network's probes,
        ``simulator.trange()`` the times in seconds.

    Raises
    ------
    ValidationError
        If the target cannot run the network, an argument is out of range, or the backend
        is not installed.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Spiking, targets
    >>> with nengo.Network(seed=0) as network:
    ...     memory = LegendreMemory(0.1, 3, realization=Spiking(60, lead=0))
    ...     m = nengo.Probe(memory.output)
    >>> sim = targets.run(network, "core", 0.05, count_spikes=True)
    >>> sim.data[m].shape
    (50, 3)
    >>> sim.spikes > 0
    True
    """
    duration = check_positive(duration, "duration")
    check_positive(dt, "dt")
    check_seed(seed)
    check_network(network)
    with load(target).Simulator(network, dt=dt, seed=seed, **options) as sim:
        sim.run(duration)
    return sim
