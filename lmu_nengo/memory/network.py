"""The Legendre memory as a Nengo network, and swapping the way it is realized."""

from contextlib import contextmanager

import nengo
import numpy as np
from nengo.builder import Builder
from nengo.builder.network import build_network
from nengo.config import Config
from nengo.exceptions import ValidationError
from nengo.params import BoolParam

from lmu_nengo._validation import check_integer, check_positive
from lmu_nengo.memory.exact import Linear, Realization
from lmu_nengo.signal.discretization import discretize
from lmu_nengo.signal.legendre import state_space


class Realizable(nengo.Network):
    """A network with an exact, a windowed and perhaps a spiking way to compute it."""

    def realize(self, realization):
        """
        Swap the way the network is computed, in place.

        ``.input``, ``.output``, seeds and everything outside stay as they were.

        Parameters
        ----------
        realization : Linear or Windowed or Spiking
            The new realization.

        Raises
        ------
        ValidationError
            If it is not a realization, or does not fit; the network then keeps the one it
            has.
        """
        self._swap(realization, self._make(realization))

    def _make(self, realization):
        """Objects that compute the network, or ValidationError."""
        raise NotImplementedError

    def _swap(self, realization, inside):
        """Put objects in the place of those that compute the network now."""
        raise NotImplementedError


class LegendreMemory(Realizable):
    """
    A sliding window of its input, kept as Legendre coefficients: ``theta m' = A m + B u``.

    Connect to ``.input``, read the coefficients from ``.output``, both with ordinary
    connections and probes. The same memory can be realized exactly and step by step
    (`Linear`), exactly and for all time steps at once (`Windowed`, for training), or in
    neurons (`Spiking`); `realize` swaps one for another.

    Parameters
    ----------
    theta : float
        Length of the window in seconds, at least ``dt``.
    order : int
        Number of Legendre polynomials per channel, at least 1. From order 6 on,
        frequencies up to ``order / (6 theta)`` Hz are kept within 5% at delays of a
        tenth of theta and more, within 1% at theta; much higher ones are lost.
    memory_d : int
        Number of channels; each has a memory of its own.
    realization : Linear or Windowed or Spiking, optional
        How the memory is computed; ``None`` is ``Linear()``.
    dt : float
        Step in seconds for which the memory is made. A simulator with another step is
        refused.
    start : bool
        Whether there is a node ``.start`` through which the state can be set.
    label : str, optional
        Name of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    input : nengo.Node
        Takes the input ``u``, of size ``memory_d``.
    output : nengo.Node
        Gives the coefficients ``m``, of size ``memory_d * order``, channel after
        channel.
    start : nengo.Node or None
        What it gets in a step is added to the state of that step; of size
        ``memory_d * order``.
    realization : Linear or Windowed or Spiking
        The present realization.
    matrices : tuple of (ndarray, ndarray)
        ``A`` and ``B`` for ``theta`` = 1 s, of shapes (order, order) and (order, 1).

    Raises
    ------
    ValidationError
        If an argument is out of range, or ``theta`` is shorter than ``dt``.

    Notes
    -----
    NengoDL leaves everything inside the memory as it is when it trains.

    References
    ----------
    Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time
    Representation in Recurrent Neural Networks", NeurIPS 2019.
    """

    def __init__(
        self,
        theta,
        order,
        memory_d=1,
        realization=None,
        dt=0.001,
        start=False,
        label=None,
        seed=None,
        add_to_container=None,
    ):
        theta = check_positive(theta, "theta", obj=type(self))
        order = check_integer(order, "order", obj=type(self))
        memory_d = check_integer(memory_d, "memory_d", obj=type(self))
        dt = check_positive(dt, "dt", obj=type(self))
        if theta < dt:
            raise ValidationError(
                f"got {theta:g} s, expected at least one step, dt={dt:g} s. theta is in "
                "seconds: multiply a window counted in steps by dt.",
                attr="theta",
                obj=type(self),
            )
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        self.theta = theta
        self.order = order
        self.memory_d = memory_d
        self.dt = dt
        for kind in (nengo.Ensemble, nengo.ensemble.Neurons, nengo.Connection):
            if kind not in self.config.params:
                self.config.configures(kind)
            self.config[kind].set_param(
                "trainable", BoolParam("trainable", default=False, optional=True)
            )
        with self:
            self.input = nengo.Node(size_in=memory_d, label="input")
            self.output = nengo.Node(size_in=memory_d * order, label="output")
            self.start = None
            if start:
                self.start = nengo.Node(size_in=memory_d * order, label="start")
        self.matrices = state_space(1.0, order)
        self._trained = False
        self.realization = None
        self.realize(Linear() if realization is None else realization)

    def _make(self, realization):
        """Objects that compute the memory, or ValidationError."""
        if not isinstance(realization, Realization):
            raise ValidationError(
                f"got {realization!r}, expected a Linear(), Windowed(n_steps) or "
                "Spiking(n_neurons).",
                attr="realization",
                obj=self,
            )
        with plain_config(), nengo.Network(add_to_container=False) as inside:
            realization.make(self)
        return inside

    def _swap(self, realization, inside):
        """Put objects in the place of those that compute the memory now."""
        for kind, objects in self.objects.items():
            kept = (self.input, self.output, self.start)
            objects[:] = [obj for obj in objects if obj in kept]
            objects.extend(inside.objects[kind])
        self.realization = realization

    def discrete(self, discretizer="zoh"):
        """
        Discrete state space of one channel.

        Parameters
        ----------
        discretizer : {"zoh", "euler", "bilinear"}
            See `lmu_nengo.signal.discretize`.

        Returns
        -------
        Ad : ndarray of shape (order, order)
            Discrete state matrix for the memory's ``dt``.
        Bd : ndarray of shape (order, 1)
            Discrete input matrix.
        """
        A, B = state_space(self.theta, self.order)
        if self._trained:
            A, B = (matrix / self.theta for matrix in self.matrices)
        return discretize(A, B, self.dt, discretizer)

    def set_state_space(self, theta, A, B):
        """
        Take a trained window length and matrices; `realize` puts them to use.

        Parameters
        ----------
        theta : float
            Length of the window in seconds.
        A, B : ndarray of shapes (order, order) and (order, 1)
            State space for ``theta`` = 1 s.
        """
        theta = check_positive(float(np.squeeze(theta)), "theta", obj=self)
        unchanged = zip((A, B), self.matrices, strict=True)
        self._trained |= not all(np.array_equal(new, old) for new, old in unchanged)
        self.theta = theta
        self.matrices = (np.array(A, dtype=float), np.array(B, dtype=float))

    def going_on_from(self, m, discretizer="zoh"):
        """
        What ``.start`` must get in the first step so that the memory goes on from ``m``.

        Parameters
        ----------
        m : array_like of shape (..., memory_d * order)
            The memory after the step before.
        discretizer : {"zoh", "euler", "bilinear"}
            As in the realization.

        Returns
        -------
        start : ndarray of shape (..., memory_d * order)
            ``Ad m`` of each channel.
        """
        Ad, _ = self.discrete(discretizer)
        m = np.asarray(m)
        return (m.reshape(*m.shape[:-1], -1, self.order) @ Ad.T).reshape(m.shape)

    def channels(self):
        """Slices of ``.output``, one for each channel."""
        starts = range(0, self.memory_d * self.order, self.order)
        return [slice(start, start + self.order) for start in starts]


@contextmanager
def plain_config():
    """Nengo's own defaults, whatever the surrounding networks configure."""
    surrounding = list(Config.context)
    Config.context.clear()
    try:
        yield
    finally:
        for config in surrounding:
            Config.context.append(config)


@Builder.register(LegendreMemory)
def build_memory(model, memory, progress=None):
    """Build the network, unless the simulator's step is not the memory's."""
    if not np.isclose(model.dt, memory.dt, rtol=1e-9, atol=0):
        raise ValidationError(
            f"the simulator's step is dt={model.dt:g} s, the memory was made for "
            f"dt={memory.dt:g} s. Give both the same: LegendreMemory(..., dt=...), "
            "Simulator(..., dt=...).",
            attr="dt",
            obj=memory,
        )
    build_network(model, memory, progress)


def realize(network, realization):
    """
    Swap the realization of every memory in a network, in place.

    Parameters
    ----------
    network : nengo.Network
        Searched with all its subnetworks.
    realization : Linear or Windowed or Spiking
        The new realization. ``Spiking.n_neurons`` counts for each memory.

    Raises
    ------
    ValidationError
        If the network holds no memory, or the realization does not fit one; all
        memories then keep what they have.
    """
    found = find_realizable(network)
    if not found:
        raise ValidationError(
            f"{network} holds no LegendreMemory, expected at least one.", attr="network"
        )
    insides = [part._make(realization) for part in found]
    for part, inside in zip(found, insides, strict=True):
        part._swap(realization, inside)


def find_realizable(network):
    """All `Realizable` in ``network``, itself included, but none inside another."""
    if isinstance(network, Realizable):
        return [network]
    return [part for net in network.networks for part in find_realizable(net)]


def find_memories(network):
    """All `LegendreMemory` in ``network`` and its subnetworks, itself included."""
    networks = [network, *network.all_networks]
    return [net for net in networks if isinstance(net, LegendreMemory)]
