"""What a step of a network costs: multiply-accumulates, and operations per spike."""

import nengo
import numpy as np
import scipy.sparse
from nengo.exceptions import ValidationError
from nengo.transforms import SparseMatrix

from lmu_nengo._validation import check_instance, check_network
from lmu_nengo.memory.network import find_memories
from lmu_nengo.processes.regularization import TrainingOnly
from lmu_nengo.processes.sequence import Sequence


def rate_operations(network: nengo.Network) -> int:
    """
    Multiply-accumulates of one step if all neurons were rate neurons.

    It counts the non-zero weights of all connections and encoders, except weights of 1 in
    one-to-one connections, and the weights of an `LSTM`. A memory counts as `Linear`,
    ``order**2 + order`` for each channel, however it is realized.

    Parameters
    ----------
    network : nengo.Network
        The network, before or after `to_spiking`, without a `Windowed` memory.

    Returns
    -------
    operations : int
        Multiply-accumulates.

    Raises
    ------
    ValidationError
        If a connection has a transform other than Dense or Sparse, such as a convolution.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory
    >>> from lmu_nengo.conversion import rate_operations
    >>> with nengo.Network() as network:
    ...     memory = LegendreMemory(theta=0.1, order=6)
    ...     readout = nengo.Node(size_in=2)
    ...     connection = nengo.Connection(
    ...         memory.output, readout, transform=[[1] * 6, [2] * 6]
    ...     )
    >>> rate_operations(network)  # 6 x 6 + 6 of the memory, 2 x 6 of the readout
    54
    """
    check_network(network)
    memories = find_memories(network)
    inside = {obj for memory in memories for obj in memory.all_objects}
    total = sum(memory.memory_d * memory.order * (memory.order + 1) for memory in memories)
    for conn in network.all_connections:
        if conn not in inside:
            total += count(weights_of(conn))
    encoded = [ens for ens in network.all_ensembles if ens not in inside]
    return total + encoding(network, encoded) + sequences(network, inside)


def remaining_operations(network: nengo.Network) -> int:
    """
    Multiply-accumulates of one step that spikes do not replace.

    Like `rate_operations`, but with the memories as they are realized, and only where a
    weight multiplies a value rather than a spike: inputs, functions, rates, and sums of
    spikes. All values count as non-zero: this is the most that the effective
    multiply-accumulates of a `SpikingReport` can be, as long as no neuron fires several
    times in a step.

    Parameters
    ----------
    network : nengo.Network
        The network, without a `Windowed` memory.

    Returns
    -------
    operations : int
        Multiply-accumulates.

    Raises
    ------
    ValidationError
        If a connection has a transform other than Dense or Sparse, such as a convolution.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.conversion import remaining_operations
    >>> with nengo.Network() as network:
    ...     u = nengo.Node([1.0])
    ...     layer = nengo.Ensemble(10, 1, neuron_type=nengo.LIF())
    ...     into = nengo.Connection(u, layer.neurons, transform=np.full((10, 1), 2.0))
    ...     out = nengo.Connection(
    ...         layer.neurons, nengo.Node(size_in=1), transform=np.full((1, 10), 0.5)
    ...     )
    >>> remaining_operations(network)  # the input's weights; spikes need only additions
    10
    """
    check_network(network)
    by_source, others = value_operations(network)
    return int(sum(each.sum() for each in by_source.values())) + others


def dense_operations(network: nengo.Network) -> int:
    """
    Synaptic operations of one step if nothing that is zero were skipped.

    This is what NeuroBench calls dense: all weights of the network as it is, those that are
    zero as well, whatever values they multiply. It is the number of weights: of connections
    (decoders and transform as one matrix), encoders and LSTMs. Weights of 1 from one to one
    are none; of a Sparse transform, the entries it stores are counted.

    Parameters
    ----------
    network : nengo.Network
        The network, without a `Windowed` memory.

    Returns
    -------
    operations : int
        Multiply-accumulates, or additions where spikes are multiplied.

    Raises
    ------
    ValidationError
        If a connection has a transform other than Dense or Sparse, such as a convolution.

    See Also
    --------
    rate_operations : without zero weights, and with all memories linear.

    References
    ----------
    Yik et al., "The NeuroBench framework for benchmarking neuromorphic computing
    algorithms and systems", Nature Communications 2025.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.conversion import dense_operations, rate_operations
    >>> with nengo.Network() as network:
    ...     layer = nengo.Ensemble(3, 1, neuron_type=nengo.LIF())
    ...     out = nengo.Node(size_in=2)
    ...     weights = [[1, 0, 2], [3, 4, 0]]
    ...     connection = nengo.Connection(layer.neurons, out, transform=weights)
    >>> dense_operations(network), rate_operations(network)
    (6, 4)
    """
    check_network(network)
    total = sum(stored(weights_of(conn)) for conn in network.all_connections)
    total += encoding(network, network.all_ensembles, np.size)
    return int(total + sequences(network, number=np.size))


def connection_sparsity(network: nengo.Network) -> float:
    """
    Share of the weights that are zero, as NeuroBench defines it.

    Parameters
    ----------
    network : nengo.Network
        The network, without a `Windowed` memory.

    Returns
    -------
    sparsity : float
        From 0 to 1; 0 without weights.

    Raises
    ------
    ValidationError
        If a connection has a transform other than Dense or Sparse, such as a convolution.

    See Also
    --------
    dense_operations : the number of weights.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.conversion import connection_sparsity
    >>> with nengo.Network() as network:
    ...     a, b = nengo.Node(size_in=3), nengo.Node(size_in=2)
    ...     connection = nengo.Connection(a, b, transform=[[1, 0, 2], [3, 4, 5]])
    >>> round(connection_sparsity(network), 3)
    0.167
    """
    check_network(network)
    total = sum(count(weights_of(conn)) for conn in network.all_connections)
    total += encoding(network, network.all_ensembles) + sequences(network)
    dense = dense_operations(network)
    return float(1 - total / dense) if dense else 0.0


def fan_out(network: nengo.Network, ensemble: nengo.Ensemble) -> np.ndarray:
    """
    Synaptic operations caused by a spike of each neuron.

    These are the non-zero weights that multiply the spike, decoders for instance. Nodes
    that pass their input on (also `Dropout` and `GaussianNoise`, which act in training
    only) and one-to-one connections, scaled or not, are followed to the weights behind
    them, since both can be folded into one matrix. Where the path ends there, a spike costs
    one operation.

    Parameters
    ----------
    network : nengo.Network
        The network that the ensemble is in.
    ensemble : nengo.Ensemble
        The neurons.

    Returns
    -------
    fan_out : ndarray of shape (n_neurons,)
        Operations per spike.

    Raises
    ------
    ValidationError
        If a connection on the way has a transform other than Dense or Sparse.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.conversion import fan_out
    >>> with nengo.Network() as network:
    ...     layer = nengo.Ensemble(3, 1, neuron_type=nengo.LIF())
    ...     out = nengo.Node(size_in=2)
    ...     weights = [[1, 0, 2], [3, 4, 0]]
    ...     connection = nengo.Connection(layer.neurons, out, transform=weights)
    >>> fan_out(network, layer)
    array([2., 1., 1.])
    """
    check_network(network)
    check_instance(ensemble, nengo.Ensemble, "ensemble", "a nengo.Ensemble")
    outgoing = {}
    for conn in network.all_connections:
        outgoing.setdefault(ends(conn)[0], []).append(conn)

    def cost(obj, path):
        total = np.zeros(obj.size_out)
        for conn in outgoing.get(obj, []):
            weights, post = weights_of(conn), ends(conn)[1]
            if not is_linear(conn):  # the spike has to reach the function
                each = 1
            elif weights.ndim == 2:
                each = nonzero(weights).sum(axis=0)
            elif not passes_on(post) or post not in outgoing:
                each = weights != 0
            elif post not in path:
                each = (weights != 0) * cost(post, (*path, post))[rows(conn)]
            else:  # a loop
                each = 0
            np.add.at(total, columns(conn), each)
        return total

    return cost(ensemble.neurons, (ensemble.neurons,))


def value_operations(network):
    """
    Multiply-accumulates of one step, by the output of nodes and neurons that they take.

    Spikes are no values. Apart are those of which no output can be named: weights behind
    functions, encoders and LSTMs.
    """
    values = find_values(network)
    by_source = {}
    others = encoding(network, network.all_ensembles) + sequences(network)
    for conn in network.all_connections:
        weights = weights_of(conn)
        if not is_linear(conn):
            others += count(weights)
            continue
        source, _ = ends(conn)
        used = columns(conn)
        if weights.ndim == 1:
            each = ((weights != 0) & (weights != 1)).astype(int)
        else:
            each = nonzero(weights).sum(axis=0)
        total = by_source.setdefault(source, np.zeros(len(values[source]), dtype=int))
        np.add.at(total, used, each * values[source][used])
    origins = find_origins(network)
    merged = {}
    for source, each in by_source.items():
        origin = origins.get(source, source)
        merged[origin] = merged.get(origin, 0) + each
    return {source: each for source, each in merged.items() if each.any()}, int(others)


def find_origins(network):
    """For nodes that only repeat another object's output: that object."""
    incoming = {}
    for conn in network.all_connections:
        incoming.setdefault(conn.post_obj, []).append(conn)
    repeated = {}
    for node in filter(passes_on, network.all_nodes):
        if len(incoming.get(node, [])) == 1 and repeats(incoming[node][0]):
            repeated[node] = ends(incoming[node][0])[0]
    origins = {}
    for node in repeated:
        origin, path = node, set()
        while origin in repeated and origin not in path:
            path.add(origin)
            origin = repeated[origin]
        origins[node] = origin
    return origins


def repeats(conn):
    """Whether all values of a source arrive at once and in order, scaled at most."""
    source, post = ends(conn)
    weights = weights_of(conn)
    return (
        is_linear(conn)
        and conn.synapse is None
        and weights.ndim == 1
        and weights.all()
        and np.array_equal(columns(conn), np.arange(source.size_out))
        and np.array_equal(rows(conn), np.arange(post.size_in))
    )


def find_values(network):
    """For every node and all neurons: which of its outputs are more than single spikes."""
    values = {}
    for node in network.all_nodes:
        values[node] = np.full(node.size_out, not passes_on(node))
    for ens in network.all_ensembles:
        values[ens.neurons] = np.full(ens.n_neurons, not ens.neuron_type.spiking)
    changed = True
    while changed:
        changed = False
        for conn in network.all_connections:
            source, post = ends(conn)
            if not passes_on(post):
                continue
            new = nonzero(weights_of(conn))
            if new.ndim == 2:
                new = new.sum(axis=1) > 0
            elif is_linear(conn):
                new = new & values[source][columns(conn)]
            old = values[post].copy()
            values[post][rows(conn)] |= new
            changed |= not np.array_equal(old, values[post])
    return values


def passes_on(obj):
    """Whether an object is a node whose output is its input, outside of training."""
    return isinstance(obj, nengo.Node) and (
        obj.output is None or isinstance(obj.output, TrainingOnly)
    )


def ends(conn):
    """Where a connection gets its values, and where it leads; neurons for ensembles."""
    source = conn.pre_obj.neurons if is_decoded(conn) else conn.pre_obj
    if isinstance(source, nengo.Ensemble):  # Direct
        source = source.neurons
    return source, conn.post_obj


def is_decoded(conn):
    """Whether a connection's weights include decoders."""
    pre = conn.pre_obj
    return isinstance(pre, nengo.Ensemble) and not isinstance(pre.neuron_type, nengo.Direct)


def is_linear(conn):
    """Whether a connection is nothing but weights on its source's outputs."""
    if is_decoded(conn):
        return True
    return conn.function is None and not isinstance(conn.pre_obj, nengo.Ensemble)


def columns(conn):
    """Indices of the source's outputs that a linear connection takes."""
    if is_decoded(conn):
        return np.arange(conn.pre_obj.n_neurons)
    return np.arange(conn.pre_obj.size_out)[conn.pre_slice]


def rows(conn):
    """Indices of the inputs that a connection leads to."""
    return np.arange(conn.post_obj.size_in)[conn.post_slice]


def weights_of(conn):
    """Weights of shape (size_out, columns), dense or sparse; a vector if one to one."""
    transform, size = conn.transform, conn.size_mid
    if isinstance(transform, nengo.transforms.NoTransform):
        weights = np.ones(size)
    elif isinstance(transform, nengo.Dense):
        weights = transform.init
        if isinstance(weights, nengo.dists.Distribution):
            weights = np.ones(transform.init_shape)
    elif isinstance(transform, nengo.Sparse):
        weights = transform.sample(rng=np.random.RandomState(0))
        if isinstance(weights, SparseMatrix):  # Nengo's own, rather than SciPy's
            weights = weights.allocate()
        weights = scipy.sparse.csc_array(weights)
    else:
        raise ValidationError(
            f"the operations of {transform!r} cannot be counted, only those of Dense and "
            "Sparse transforms.",
            attr="transform",
            obj=conn,
        )
    if weights.ndim == 0:
        weights = np.full(size, weights)
    if not is_decoded(conn):
        return weights
    n_neurons = conn.pre_obj.n_neurons
    if conn.solver.weights and isinstance(conn.post_obj, nengo.Ensemble):
        return np.ones((conn.post_obj.n_neurons, n_neurons))
    decoders = np.ones((size, n_neurons))
    if isinstance(conn.solver, nengo.solvers.NoSolver):
        values = conn.solver.values
        decoders = np.zeros_like(decoders) if values is None else np.transpose(values)
    weights = np.diag(weights) if weights.ndim == 1 else weights
    return np.asarray(nonzero(weights).astype(int) @ (decoders != 0))  # only zeros matter


def nonzero(weights):
    """Where weights are not zero; sparse if they are sparse."""
    return weights.astype(bool)


def count(weights):
    """Multiply-accumulates of weights; none for weights of 1 from one to one."""
    if weights.ndim == 1:
        return np.count_nonzero((weights != 0) & (weights != 1))
    return int(nonzero(weights).sum())


def stored(weights):
    """Number of weights, including zeros; none for weights of 1 from one to one."""
    if scipy.sparse.issparse(weights):
        return weights.nnz
    return np.count_nonzero(weights != 1) if weights.ndim == 1 else weights.size


def encoding(network, ensembles, number=np.count_nonzero):
    """Multiply-accumulates of the encoders of those ensembles that get an input."""
    encoded = {
        conn.post_obj
        for conn in network.all_connections
        if not (is_decoded(conn) and conn.solver.weights)
    }
    total = 0
    for ens in encoded & set(ensembles):
        if isinstance(ens.neuron_type, nengo.Direct):
            continue
        drawn = isinstance(ens.encoders, nengo.dists.Distribution)
        size = ens.n_neurons * ens.dimensions
        total += size if drawn else number(ens.encoders)
    return total


def sequences(network, inside=(), number=np.count_nonzero):
    """Multiply-accumulates of `Sequence` processes with weight matrices, except inside."""
    nodes = [node for node in network.all_nodes if node not in inside]
    found = [node.output for node in nodes if isinstance(node.output, Sequence)]
    matrices = [p for sequence in found for p in sequence.parameters.values()]
    return sum(number(matrix) for matrix in matrices if np.ndim(matrix) == 2)
