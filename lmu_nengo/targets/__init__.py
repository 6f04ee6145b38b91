"""
Where a network runs: core Nengo, NengoDL, NengoOCL, Loihi, Norse, SpikingJelly.

Importing this package imports no backend.
"""

import importlib.util

import nengo
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_choice, check_positive
from lmu_nengo.targets.base import Limit, Prepared, TargetSimulator, refuse_limits

# what each target imports when it is used
BACKENDS = {
    "core": "nengo",
    "dl": "nengo_dl",
    "ocl": "nengo_ocl",
    "loihi": "nengo_loihi",
    "norse": "norse",
    "spikingjelly": "spikingjelly",
}
NAMES = tuple(BACKENDS)

__all__ = [
    "BACKENDS",
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


def load(target):
    """
    The module of a target, with its ``check``, ``prepare`` and ``Simulator``.

    Parameters
    ----------
    target : {"core", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.

    Returns
    -------
    module : module
        Imports its backend only when it is used.

    Raises
    ------
    ValidationError
        If there is no such target.
    """
    check_choice(target, NAMES, "target")
    package = "nir." if target in ("norse", "spikingjelly") else ""
    return importlib.import_module(f"lmu_nengo.targets.{package}{target}")


def installed(target) -> bool:
    """
    Whether a target's backend is installed; nothing is imported.

    Parameters
    ----------
    target : {"core", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.

    Returns
    -------
    installed : bool
        Whether there is such a package.

    Raises
    ------
    ValidationError
        If there is no such target.
    """
    check_choice(target, NAMES, "target")
    return importlib.util.find_spec(BACKENDS[target]) is not None


def check(network, target, dt=0.001):
    """
    Every limit of a target that a network breaks, before anything is built.

    What `prepare` mends is no broken limit.

    Parameters
    ----------
    network : nengo.Network
        The network.
    target : {"core", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.
    dt : float
        Step in seconds.

    Returns
    -------
    limits : list of Limit
        Each with the value and the limit; empty if the network fits.

    Raises
    ------
    ValidationError
        If there is no such target, or the arguments are of the wrong kind.
    """
    module = load(target)
    return module.check(check_network(network), check_positive(dt, "dt"))


def prepare(network, target, dt=0.001, seed=None):
    """
    A copy of a network, adapted to a target.

    Parameters
    ----------
    network : nengo.Network
        The network; it is left as it is.
    target : {"core", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of what the target's neurons are fitted with, where the network has none.

    Returns
    -------
    prepared : Prepared
        The copy, which object became which, and what was changed and why.

    Raises
    ------
    ValidationError
        If the target cannot hold the network; every broken limit is named.
    """
    limits = check(network, target, dt)
    refuse_limits(limits, target, network)
    return load(target).prepare(network, dt=dt, seed=seed)


def run(network, target, duration, dt=0.001, seed=None, **options):
    """
    Run a network on a target.

    Parameters
    ----------
    network : nengo.Network
        The network; it is left as it is.
    target : {"core", "dl", "ocl", "loihi", "norse", "spikingjelly"}
        Name of the target.
    duration : float
        Seconds to simulate.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random, where the network has none.
    **options
        For the target's ``Simulator``.

    Returns
    -------
    simulator : TargetSimulator
        Closed; ``simulator.data[probe]`` has the values of the network's probes,
        ``simulator.trange()`` the times in seconds.

    Raises
    ------
    ValidationError
        If the target cannot hold the network, an argument is out of range, or its backend
        is not installed.
    """
    duration = check_positive(duration, "duration")
    module = load(target)
    check_network(network)
    with module.Simulator(
        network, dt=check_positive(dt, "dt"), seed=seed, **options
    ) as sim:
        sim.run(duration)
    return sim


def check_network(network):
    """Return ``network``, or raise ValidationError if it is none."""
    if not isinstance(network, nengo.Network):
        raise ValidationError(f"got {network!r}, expected a nengo.Network.", attr="network")
    return network
