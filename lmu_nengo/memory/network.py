"""The Legendre memory as a Nengo network."""

import nengo
import numpy as np
from nengo.builder import Builder
from nengo.builder.network import build_network
from nengo.exceptions import ValidationError
from nengo.params import BoolParam
from numpy.typing import ArrayLike

from lmu_nengo._nengo import add_to_context, plain_config
from lmu_nengo._validation import (
    LARGEST_STATE,
    check_array,
    check_dt,
    check_flag,
    check_integer,
    check_network,
    check_order,
    check_positive,
    show,
)
from lmu_nengo.memory.exact import Linear
from lmu_nengo.memory.realization import (
    RealizableNetwork,
    Realization,
)
from lmu_nengo.signal.discretization import discretize
from lmu_nengo.signal.legendre import state_space


class LegendreMemory(RealizableNetwork):
    """
    A sliding window of its input, kept as Legendre coefficients: ``theta m' = A m + B u``.

    Connect to ``.input`` and read the coefficients from ``.output``, with ordinary
    connections and probes. The same memory can be realized exactly and step by step
    (`Linear`), exactly and for all time steps at once (`Windowed`, for training), or in
    neurons (`Spiking`); `realize` swaps one for another.

    Accuracy degrades for frequencies above ``order / (6 theta)`` Hz: see `order_for`.

    Parameters
    ----------
    theta : float
        Length of the window in seconds, at least ``dt``.
    order : int
        Number of Legendre polynomials per channel. From order 6 on, frequencies up to
        ``order / (6 theta)`` Hz are kept within 5% at delays of a tenth of theta and more,
        and within 1% at theta; much higher ones are lost.
    memory_d : int
        Number of channels. Each has a window of its own.
    realization : Linear or Windowed or Spiking, optional
        How the memory is computed; ``None`` is ``Linear()``.
    dt : float
        Time step in seconds for which the memory is made. A simulator with another time
        step is refused.
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
        Its input is added to the state in each step; of size ``memory_d * order``.
    realization : Linear or Windowed or Spiking
        The present realization.
    expected_input : Recording or None
        Data that the input is expected to be like, as `lmu_nengo.calibrate` sets it;
        `Spiking` uses it unless it has an expected input of its own.
    population_transform : ndarray of shape (memory_d, state_d, order) or None
        Matrix c turns the coefficients of channel c into the values that its populations
        hold, over the range for which their decoders were solved. None unless the memory
        is realized in neurons.
    matrices : tuple of (ndarray, ndarray)
        ``A`` and ``B`` for ``theta`` = 1 s, of shapes (order, order) and (order, 1).

    Raises
    ------
    ValidationError
        If an argument is out of range, or ``theta`` is shorter than ``dt``.

    Notes
    -----
    NengoDL does not train anything inside the memory.

    References
    ----------
    Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time
    Representation in Recurrent Neural Networks", NeurIPS 2019.

    Examples
    --------
    A delay of half a second, read from a memory of one second:

    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo import LegendreMemory, delay_decoders
    >>> with nengo.Network() as model:
    ...     source = nengo.Node(lambda t: np.sin(2 * np.pi * t))
    ...     memory = LegendreMemory(theta=1.0, order=6)
    ...     connection = nengo.Connection(source, memory.input, synapse=None)
    ...     probe = nengo.Probe(memory.output)
    >>> with nengo.Simulator(model, progress_bar=False) as sim:
    ...     sim.run(2.25)
    >>> delayed = sim.data[probe] @ delay_decoders(6, 0.5).T
    >>> delayed[-1].round(1)  # sin(2 pi 1.75)
    array([-1.])
    """

    def __init__(
        self,
        theta: float,
        order: int,
        memory_d: int = 1,
        realization: Realization | None = None,
        dt: float = 0.001,
        start: bool = False,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        theta = check_positive(theta, "theta", obj=type(self))
        order = check_order(order, obj=type(self))
        most = LARGEST_STATE // order
        memory_d = check_integer(memory_d, "memory_d", high=most, obj=type(self))
        dt = check_positive(dt, "dt", obj=type(self))
        check_flag(start, "start", obj=type(self))
        if theta < dt:
            raise ValidationError(
                f"must be at least one time step (dt={dt:g} s), got {theta:g} s. theta is "
                "in seconds: multiply a window counted in steps by dt.",
                attr="theta",
                obj=type(self),
            )
        super().__init__(label=label, seed=seed, add_to_container=False)
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
        self.expected_input = None
        self.realization = self.population_transform = None
        self.realize(Linear() if realization is None else realization)
        add_to_context(self, add_to_container)

    def _make(self, realization):
        """Return a network of the objects that compute the memory, or raise."""
        if not isinstance(realization, Realization):
            raise ValidationError(
                "must be Linear(), Windowed(n_steps) or Spiking(n_neurons), got "
                f"{realization!r}.",
                attr="realization",
                obj=self,
            )
        with plain_config(), nengo.Network(add_to_container=False) as inside:
            inside.population_transform = realization.make(self)
        return inside

    def _swap(self, realization, inside):
        """Replace the objects that compute the memory now."""
        for kind, objects in self.objects.items():
            kept = (self.input, self.output, self.start)
            objects[:] = [obj for obj in objects if obj in kept]
            objects.extend(inside.objects[kind])
        self.population_transform = inside.population_transform
        self.realization = realization

    def discrete(self, discretizer: str = "zoh") -> tuple[np.ndarray, np.ndarray]:
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

    def set_state_space(self, theta: float, A: ArrayLike, B: ArrayLike) -> None:
        """
        Set a trained window length and trained matrices; `realize` then uses them.

        Parameters
        ----------
        theta : float
            Length of the window in seconds.
        A, B : ndarray of shapes (order, order) and (order, 1)
            State space for ``theta`` = 1 s.

        Raises
        ------
        ValidationError
            If they are not finite, have another shape, or ``theta`` is not positive.
        """
        theta = check_array(theta, "theta", (...,), obj=self)
        if theta.size != 1:
            message = f"must be one number of seconds, got {show(theta)}."
            raise ValidationError(message, attr="theta", obj=self)
        theta = check_positive(theta.item(), "theta", obj=self)
        A = check_array(A, "A", (self.order, self.order), obj=self)
        B = check_array(B, "B", (self.order, 1), obj=self)
        unchanged = zip((A, B), self.matrices, strict=True)
        self._trained |= not all(np.array_equal(new, old) for new, old in unchanged)
        self.theta = theta
        self.matrices = A, B

    def going_on_from(self, m: ArrayLike, discretizer: str = "zoh") -> np.ndarray:
        """
        Return the input of ``.start`` in the first step with which the memory resumes.

        Parameters
        ----------
        m : array_like of shape (..., memory_d * order)
            The state after the previous step.
        discretizer : {"zoh", "euler", "bilinear"}
            That of the realization.

        Returns
        -------
        start : ndarray of shape (..., memory_d * order)
            ``Ad m`` of each channel.
        """
        Ad, _ = self.discrete(discretizer)
        m = check_array(m, "m", (..., self.output.size_out), obj=self)
        return (m.reshape(*m.shape[:-1], -1, self.order) @ Ad.T).reshape(m.shape)

    def channels(self) -> list[slice]:
        """Return slices of ``.output``, one for each channel."""
        starts = range(0, self.memory_d * self.order, self.order)
        return [slice(start, start + self.order) for start in starts]


@Builder.register(LegendreMemory)
def build_memory(model, memory, progress=None):
    """Build the network, unless the simulator has another time step."""
    check_dt(model.dt, memory)
    build_network(model, memory, progress)


def find_memories(network: nengo.Network) -> list[LegendreMemory]:
    """
    Find all `LegendreMemory` in a network, itself included.

    Parameters
    ----------
    network : nengo.Network
        Searched with all its subnetworks.

    Returns
    -------
    memories : list of LegendreMemory
        Those of cells included.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LMUCell
    >>> from lmu_nengo.memory import find_memories
    >>> with nengo.Network(seed=0) as model:
    ...     cell = LMUCell(1, memory_d=1, theta=0.1, order=3, hidden_d=5)
    >>> find_memories(model) == [cell.memory]
    True
    """
    check_network(network)
    return [
        net for net in [network, *network.all_networks] if isinstance(net, LegendreMemory)
    ]
