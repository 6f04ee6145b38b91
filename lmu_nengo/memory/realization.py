"""What a realization is, and networks whose realization can be swapped."""

import nengo
from nengo.exceptions import ValidationError


class Realization:
    """
    Base class of the ways to compute a memory.

    Subclasses have a method ``make(memory)``, and say what they are by these attributes.

    Attributes
    ----------
    is_windowed : bool
        Whether all time steps are computed at once, by `lmu_nengo.training.Simulator`.
    is_spiking : bool
        Whether the memory consists of neurons. Such a realization also has the attributes
        ``n_neurons``, ``neuron_type``, ``synapse`` and ``output`` of `Spiking`.
    discretizer : {"zoh", "euler", "bilinear"}
        See `lmu_nengo.signal.discretize`.
    """

    is_windowed = False
    is_spiking = False
    discretizer = "zoh"

    def __deepcopy__(self, memo):
        return self  # it is immutable; copies of Nengo's solvers are not equal to them

    def make(self, memory):
        """
        Add the objects that compute a memory to the current network.

        Parameters
        ----------
        memory : LegendreMemory
            The memory. Its ``input`` and ``output`` nodes exist already.

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

    Attributes
    ----------
    realization : Linear or Windowed or Spiking
        The present realization.
    set_aside : list of nengo.Network
        Networks that compute this one step by step, and that the present realization
        replaces by something else. They are not among the subnetworks meanwhile.
    """

    set_aside = ()

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
        """Return a network of the objects that compute this one, or raise."""
        raise NotImplementedError

    def _swap(self, realization, inside):
        """Replace the objects that compute the network now."""
        raise NotImplementedError


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
            f"{network} contains no LegendreMemory, LMUCell or LSTM to realize.",
            attr="network",
        )
    insides = [part._make(realization) for part in found]
    for part, inside in zip(found, insides, strict=True):
        part._swap(realization, inside)


def find_realizable(network) -> list[RealizableNetwork]:
    """Return the outermost realizable networks in ``network``, itself included."""
    if isinstance(network, RealizableNetwork):
        return [network]
    return [part for net in network.networks for part in find_realizable(net)]


def find_networks(network) -> list[nengo.Network]:
    """
    Return ``network`` and its subnetworks, whatever their realization.

    Unlike ``network.all_networks``, they include those that a windowed cell sets aside.
    """
    subnetworks = [*network.networks, *getattr(network, "set_aside", ())]
    return [network, *(part for net in subnetworks for part in find_networks(net))]


def find_ensembles(network) -> list[nengo.Ensemble]:
    """Return all ensembles in ``network``, whatever the realization of its parts."""
    return [ens for net in find_networks(network) for ens in net.ensembles]


def refuse_start(memory, realization):
    """Raise ValidationError for a memory whose state is set from outside."""
    if memory.start is not None:
        raise ValidationError(
            f"{type(realization).__name__} cannot realize {memory}, which was made with "
            "start=True. Use Linear() or Windowed().",
            attr="start",
            obj=realization,
        )
