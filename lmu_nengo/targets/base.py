"""What all targets share: limits, adapted copies, and results by the user's own probes."""

import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import nengo
import numpy as np
from nengo.exceptions import BuildError, NengoException, ValidationError

from lmu_nengo._nengo import copy_network
from lmu_nengo._validation import (
    check_flag,
    check_memory,
    check_non_negative,
    check_positive,
    check_seed,
    install_hint,
    is_same_dt,
)
from lmu_nengo._warnings import warn
from lmu_nengo.conversion.operations import fan_out
from lmu_nengo.conversion.report import SpikeCounter
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.ranges import Excursion, RangeMonitor
from lmu_nengo.memory.realization import find_realizable


@dataclass(frozen=True)
class Limit:
    """
    A limit of a target that a network exceeds; ``print(limit)`` says what to do.

    Parameters
    ----------
    name : str
        What is limited.
    value : object
        What the network has.
    limit : object
        What the target allows.
    where : object
        The part of the network; ``None`` means all of it.
    advice : str
        What to do, in full sentences.

    Examples
    --------
    >>> from lmu_nengo.targets import Limit
    >>> print(Limit("cores", 5000, "at most 4096", advice="Use fewer neurons."))
    cores: 5000 (allowed: at most 4096). Use fewer neurons.
    """

    name: str
    value: object
    limit: object
    where: object = None
    advice: str = ""

    def __str__(self):
        where = "" if self.where is None else f" of {describe(self.where)}"
        text = f"{self.name}{where}: {self.value} (allowed: {self.limit})."
        return f"{text} {self.advice}".rstrip()


def describe(part) -> str:
    """Name a part of a network, without the address in memory if it has no label."""
    is_named = getattr(part, "label", None) is not None
    if is_named or not isinstance(part, nengo.Network | nengo.Node | nengo.Ensemble):
        return str(part)
    return f"an unlabeled {type(part).__name__}"


@dataclass(frozen=True)
class Prepared:
    """
    A copy of a network, adapted to a target; see `lmu_nengo.targets.prepare`.

    Parameters
    ----------
    network : nengo.Network
        The copy.
    objects : dict
        For each network, node, ensemble, connection and probe of the original, the
        corresponding object of the copy.
    changes : list of str
        What was changed, and why.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Windowed, targets
    >>> with nengo.Network() as network:
    ...     memory = LegendreMemory(0.1, 6, realization=Windowed(100), label="memory")
    >>> prepared = targets.prepare(network, "core")
    >>> prepared.objects[memory].realization
    Linear(discretizer='zoh')
    """

    network: nengo.Network
    objects: dict
    changes: list


def need(module: str, extra: str):
    """
    Import a backend.

    Parameters
    ----------
    module : str
        Name of the module.
    extra : str
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
            f"{module} cannot be imported ({error}). {install_hint(extra)}", attr=extra
        ) from error


@contextmanager
def without_modules(*names: str):
    """
    Hide modules that are not imported yet while a backend is imported.

    Some backends import TensorFlow, which takes seconds, only if it is installed. They
    would also do so before `lmu_nengo.training` can choose the Keras that NengoDL needs.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def step_by_step(network: nengo.Network) -> Prepared:
    """
    Copy a network for a simulator that goes step by step.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.

    Returns
    -------
    prepared : Prepared
        The copy; `Windowed` memories and cells are realized as `Linear` in it.
    """
    copy, objects = copy_network(network)
    prepared = Prepared(copy, objects, [])
    for part in find_realizable(copy):
        if part.realization.is_windowed:
            part.realize(part.realization.step_by_step())
            prepared.changes.append(
                f"{describe(part)} is realized as Linear, because Windowed cannot go step "
                "by step."
            )
    return prepared


class ProbeData(Mapping):
    """
    Recorded values by the probes of the user's network.

    Parameters
    ----------
    objects : dict
        The copy of each original object.
    data : Mapping
        Values by the probes of the copy.
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


class TargetSimulator(ABC):
    """
    A simulator that runs an adapted copy of a network on a target.

    The steps are the same for all targets: the network is copied, windowed memories are
    realized step by step, the target's limits are checked, the copy is adapted, and the
    backend's simulator is built. A target's own class says what is special to it:
    `find_limits`, `adapt` and `build`. When it is closed, it warns of spiking memories
    whose populations left the range for which their decoders were solved.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    count_spikes : bool
        Whether to count spikes, for ``spikes`` and ``synaptic_operations``.
    **options
        Further options of the backend's simulator.

    Attributes
    ----------
    data : Mapping
        ``data[probe]`` holds the values of a probe of the user's network, of shape
        (n_steps, size).
    changes : list of str
        What was changed in the copy, and why.
    simulator : nengo.Simulator or similar
        The backend's simulator.

    Raises
    ------
    ValidationError
        If the network does not fit, or the backend is not installed.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, targets
    >>> with nengo.Network() as network:
    ...     memory = LegendreMemory(0.1, 6)
    ...     m = nengo.Probe(memory.output)
    >>> with targets.load("core").Simulator(network) as sim:
    ...     sim.run(0.02)
    ...     sim.run(0.03)
    >>> sim.data[m].shape
    (50, 6)
    """

    target: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()  # modules of the backend
    records_every_step: ClassVar[bool] = False  # whatever a probe's sample_every

    def __init__(
        self,
        network: nengo.Network,
        dt: float = 0.001,
        seed: int | None = None,
        count_spikes: bool = False,
        **options: Any,
    ):
        self.import_backend()
        check_flag(count_spikes, "count_spikes", obj=type(self))
        check_seed(seed, obj=type(self))
        prepared = self.prepare(network, dt, seed)
        self.changes, self._dt = prepared.changes, dt
        self._network = prepared.network
        self._originals = {copy: obj for obj, copy in prepared.objects.items()}
        self._monitor = RangeMonitor(prepared.network, self.records_every_step)
        self._counter = self.make_counter(prepared.network) if count_spikes else None
        try:
            self.simulator = self.build(prepared, dt, seed, **options)
        except NengoException:
            raise
        except (ArithmeticError, ValueError) as error:
            raise BuildError(
                f"the target {self.target!r} cannot build the network for dt={dt:g}: "
                f"{error}"
            ) from error
        self.data = ProbeData(prepared.objects, self.simulator.data)

    @classmethod
    def check(cls, network: nengo.Network, dt: float = 0.001) -> list[Limit]:
        """Every limit that a network exceeds; see `lmu_nengo.targets.check`."""
        return cls._copy_and_check(network, dt)[1]

    @classmethod
    def prepare(
        cls, network: nengo.Network, dt: float = 0.001, seed: int | None = None
    ) -> Prepared:
        """Adapted copy of a network; see `lmu_nengo.targets.prepare`."""
        check_seed(seed)
        prepared, limits = cls._copy_and_check(network, dt)
        if limits:
            raise ValidationError(
                f"the target {cls.target!r} cannot run this network:\n- "
                + "\n- ".join(map(str, limits)),
                attr="network",
                obj=network,
            )
        cls.adapt(prepared, dt, seed)
        return prepared

    @classmethod
    def _copy_and_check(cls, network, dt):
        """A step-by-step copy, and its limits in terms of the original."""
        if not isinstance(network, nengo.Network):
            raise ValidationError(
                f"must be a nengo.Network, got {network!r}.", attr="network"
            )
        dt = check_positive(dt, "dt")
        prepared = step_by_step(network)
        original = {copy: obj for obj, copy in prepared.objects.items()}
        limits = [
            *check_steps(prepared.network, dt),
            *cls.find_limits(prepared.network, dt),
        ]
        return prepared, [
            replace(limit, where=original.get(limit.where, limit.where)) for limit in limits
        ]

    @classmethod
    def import_backend(cls) -> None:
        """Import the backend, or raise ValidationError if it is not installed."""
        for module in cls.requires:
            need(module, cls.target)

    @classmethod
    def find_limits(cls, network: nengo.Network, dt: float) -> Iterator[Limit]:
        """Yield the limits of this target that a step-by-step copy exceeds."""
        return iter(())

    @classmethod
    def adapt(cls, prepared: Prepared, dt: float, seed: int | None) -> None:
        """Adapt a step-by-step copy to this target, in place."""
        return

    @classmethod
    def make_counter(cls, network: nengo.Network) -> SpikeCounter | None:
        """Count spikes by nodes in the network; None for backends that count them."""
        return SpikeCounter(network)

    @abstractmethod
    def build(self, prepared: Prepared, dt: float, seed: int | None, **options: Any) -> Any:
        """Make the backend's simulator of an adapted copy."""

    def run(self, duration: float) -> None:
        """
        Run.

        Parameters
        ----------
        duration : float
            Time to simulate in seconds.

        Raises
        ------
        ValidationError
            If it is negative or not finite, or what is recorded needs too much memory.
        """
        duration = check_non_negative(duration, "duration", obj=type(self))
        probes = self._originals.keys() & set(self._network.all_probes)
        n_steps, size = round(duration / self._dt), sum(p.size_in for p in probes)
        advice = "Run for less time at once."
        shape = n_steps, max(1, size)
        check_memory(shape, "recordings", "duration", advice, obj=type(self))
        self.simulator.run(duration)

    def trange(self) -> np.ndarray:
        """
        Times of the steps.

        Returns
        -------
        times : ndarray of shape (n_steps,)
            In seconds; the first is ``dt``.
        """
        return self.simulator.trange()

    @property
    def spikes(self) -> int:
        """Spikes so far; requires ``count_spikes=True``."""
        return round(sum(counts.sum() for counts, _ in self.counts()))

    @property
    def synaptic_operations(self) -> float:
        """Operations that these spikes caused; see `lmu_nengo.conversion.fan_out`."""
        return float(sum((counts @ costs).sum() for counts, costs in self.counts()))

    def counts(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each population: spikes of each neuron, and operations per spike."""
        if self._counter is None:
            raise ValidationError(
                "spikes were not counted. Create the simulator with count_spikes=True.",
                attr="count_spikes",
                obj=type(self),
            )
        counts = self._counter.counts(self.simulator.data, self.simulator.dt)
        for ensemble, spikes in counts.items():
            yield spikes, fan_out(self._network, ensemble)

    def excursions(self) -> list[Excursion]:
        """
        Spiking memories whose populations left their range so far.

        Returns
        -------
        excursions : list of Excursion
            Empty if all stayed in the range for which their decoders were solved.
        """
        return [
            replace(each, memory=self._originals.get(each.memory, each.memory))
            for each in self._monitor.excursions(self.simulator.data, self.simulator.dt)
        ]

    def close(self) -> None:
        """Free what the backend holds; the data remain."""
        for excursion in self.excursions():
            warn(str(excursion))
        self.simulator.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def check_steps(network, dt) -> Iterator[Limit]:
    """Yield a limit for each memory that was made for another step."""
    for memory in find_memories(network):
        if not is_same_dt(dt, memory.dt):
            yield Limit(
                "step",
                f"{dt:g} s",
                f"{memory.dt:g} s",
                memory,
                "Use the same dt for both: LegendreMemory(..., dt=...) and "
                "run(..., dt=...).",
            )
