"""What a network has to keep in memory: its parameters and its state."""

import nengo
import numpy as np

from lmu_nengo._validation import check_integer, check_network, check_positive
from lmu_nengo.conversion.operations import dense_operations
from lmu_nengo.processes.regularization import TrainingOnly
from lmu_nengo.processes.sequence import Sequence


def footprint(network: nengo.Network, dt: float = 0.001, n_bytes: int = 4) -> int:
    """
    Memory footprint as NeuroBench defines it: the bytes of parameters and state.

    Parameters are the weights that `dense_operations` counts, zeros among them, and one
    bias for each neuron; gains can be folded into the weights. State are the variables of
    the neurons, such as a voltage, those of the synapses (a delay of one step keeps one
    value), and those of processes, such as the cells of an `LSTM`. What exists only within
    a step, such as the outputs of neurons, is not counted, nor are indices of sparse
    matrices, and learning rules.

    Parameters
    ----------
    network : nengo.Network
        The network, without a `Windowed` memory.
    dt : float
        Step in seconds, on which the state of some synapses depends.
    n_bytes : int
        Bytes of a number.

    Returns
    -------
    footprint : int
        Bytes.

    Raises
    ------
    ValidationError
        If a connection has a transform other than Dense or Sparse, such as a convolution,
        or an argument is out of range.

    See Also
    --------
    dense_operations : the number of weights.

    References
    ----------
    Yik et al., "The NeuroBench framework for benchmarking neuromorphic computing
    algorithms and systems", Nature Communications 2025.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.conversion import footprint
    >>> with nengo.Network() as network:
    ...     memory = LegendreMemory(theta=0.1, order=6)
    >>> footprint(network)  # 6 x 6 + 6 weights and 6 coefficients, 4 bytes each
    192
    """
    check_network(network)
    dt = check_positive(dt, "dt")
    n_bytes = check_integer(n_bytes, "n_bytes")
    numbers = dense_operations(network)
    for ens in network.all_ensembles:
        if not isinstance(ens.neuron_type, nengo.Direct):
            numbers += ens.n_neurons * (1 + len(ens.neuron_type.state))  # 1: the bias
    for conn in network.all_connections:
        if conn.synapse is not None:
            by_neuron = conn.solver.weights and isinstance(conn.post_obj, nengo.Ensemble)
            size = conn.post_obj.n_neurons if by_neuron else conn.size_out
            numbers += max(size, _state_size(conn.synapse, size, size, dt))
    for node in network.all_nodes:
        process = node.output
        # nodes without an input are the world, not the network
        if isinstance(process, nengo.Process) and node.size_in > 0:
            if isinstance(process, Sequence):
                arrays = process.parameters.values()
                numbers += sum(np.size(array) for array in arrays if np.ndim(array) == 1)
            if not isinstance(process, TrainingOnly):
                numbers += _state_size(process, node.size_in, node.size_out, dt)
    return int(numbers) * n_bytes


def _state_size(process, size_in, size_out, dt):
    """How many numbers a process or synapse keeps from one step to the next."""
    state = process.make_state((size_in,), (size_out,), dt)
    return sum(np.size(array) for array in state.values())
