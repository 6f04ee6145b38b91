"""What a realization is, and networks whose realization can be swapped."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_network


class Realization:
    """
    Base class of the ways to compute a memory.

    Subclasses have a method ``make(memory)``, and say what they are by these attributes.

    Attributes
    ----------
    is_windowed : bool
        Whether all time steps are computed at once, by `lmu_nengo.training`.
    is_spiking : bool
        Whether the memory consists of neurons. Such a realization also has the attributes
        ``n_neurons``, ``neuron_type``, ``synapse`` and ``output`` of `Spiking`, and its
        method ``synapse_for``.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.

    Examples
    --------
    >>> from lmu_nengo import Linear, Spiking, Windowed
    >>> [r.is_windowed for r in (Linear(), Windowed(n_steps=100), Spiking(n_neurons=100))]
    [False, True, False]
    >>> Windowed(n_steps=100, discretizer="euler").step_by_step()
    Linear(discretizer='euler')
    """

    is_windowed = False
    is_spiking = False
    discretizer = "zoh"

    def __deepcopy__(self, memo):
        return self  # it is immutable; copies of Nengo's solvers are not equal to them

    def make(self, memory: "RealizableNetwork") -> np.ndarray | None:
        """
        Add the objects that compute a memory to the current network.

        Parameters
        ----------
        memory : LegendreMemory
            The memory. Its ``input`` and ``output`` nodes exist already.

        Returns
        -------
        population_transform : ndarray of shape (memory_d, state_d, order) or None
            For neurons, the attribute of this name of `LegendreMemory`.

        Raises
        ------
        ValidationError
            If the realization does not fit the memory.
        """
        raise NotImplementedError

    def step_by_step(self) -> "Realization":
        """Return the realization to use in a simulator that goes step by step."""
        return self


class RealizableNetwork(nengo.Network):
    """
    Base class of networks that can be realized in several ways.

    These are `LegendreMemory`, `LMUCell` and `LSTM`.

    Parameters
    ----------
    label : str, optional
        Label of the network.
    seed : int, optional
        Seed of the network.
    add_to_container : bool, optional
        As for `nengo.Network`.

    Attributes
    ----------
    realization : Linear or Windowed or Spiking
        The present realization.

    Examples
    --------
    >>> from lmu_nengo import LegendreMemory, LSTM, LMUCell
    >>> from lmu_nengo.memory import RealizableNetwork
    >>> all(issubclass(kind, RealizableNetwork) for kind in (LegendreMemory, LMUCell, LSTM))
    True
    """

    def __init__(
        self,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ):
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)

    def realize(self, realization: Realization) -> None:
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
        """Return a network of the objects that compute this one, or raise."""
        raise NotImplementedError

    def _swap(self, realization, inside):
        """Replace the objects that compute the network now."""
        raise NotImplementedError


def realize(network: nengo.Network, realization: Realization) -> None:
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

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Spiking, realize
    >>> with nengo.Network(seed=0) as model:
    ...     memory = LegendreMemory(theta=0.1, order=3)
    >>> realize(model, Spiking(n_neurons=90))
    >>> sum(ensemble.n_neurons for ensemble in model.all_ensembles)
    90
    """
    found = find_realizable(network)
    if not found:
        raise ValidationError(
            f"{network} contains no LegendreMemory, LMUCell or LSTM to realize.",
            attr="network",
        )
    insides = [part._make(realization) for part in found]
    for part, inside in zip(found, insides, strict=True):
        part._swap(realization, inside)


def find_realizable(network: nengo.Network) -> list[RealizableNetwork]:
    """
    Find the outermost realizable networks in a network, itself included.

    Parameters
    ----------
    network : nengo.Network
        Searched with all its subnetworks.

    Returns
    -------
    found : list of RealizableNetwork
        A memory inside a cell is not listed, as the cell is.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, LMUCell
    >>> from lmu_nengo.memory import find_realizable
    >>> with nengo.Network(seed=0) as model:
    ...     memory = LegendreMemory(theta=0.1, order=3, label="memory")
    ...     cell = LMUCell(1, memory_d=1, theta=0.1, order=3, hidden_d=5, label="cell")
    >>> [part.label for part in find_realizable(model)]
    ['memory', 'cell']
    """
    check_network(network)
    if isinstance(network, RealizableNetwork):
        return [network]
    return [part for net in network.networks for part in find_realizable(net)]


def refuse_start(memory, realization):
    """Raise ValidationError for a memory whose state is set from outside."""
    if memory.start is not None:
        raise ValidationError(
            f"{type(realization).__name__} cannot realize {memory}, which was made with "
            "start=True. Use Linear() or Windowed(n_steps).",
            attr="start",
            obj=realization,
        )
