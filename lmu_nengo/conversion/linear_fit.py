"""Read-outs in closed form, by ridge regression."""

from collections.abc import Mapping, Sequence

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._nengo import copy_network
from lmu_nengo._validation import check_array, check_integer, install_hint, show
from lmu_nengo.conversion.sequences import check_inputs, record
from lmu_nengo.layers.readout import Readout
from lmu_nengo.memory.network import LegendreMemory, find_memories
from lmu_nengo.memory.realization import find_realizable
from lmu_nengo.nef.input_model import simulate_sequences
from lmu_nengo.signal.padding import pad_front

# strengths that cross-validation chooses from, for each row and unit of mean variance
ALPHAS = tuple(np.logspace(-8, 2, 21))
FOLDS = 5


def fit_readout(
    network: nengo.Network,
    x: ArrayLike | Sequence[ArrayLike] | Mapping,
    y: ArrayLike | Sequence[ArrayLike],
    source: nengo.base.NengoObject | nengo.Network | None = None,
    skip: int = 0,
    read: int = 1,
    alphas: Sequence[float] = ALPHAS,
    label: str | None = "readout",
) -> Readout:
    """
    Add a linear read-out that is fitted in closed form, by ridge regression.

    A copy of the network is run on the data in its present realization: exact memories give
    their exact states (`Windowed` as `Linear`), spiking ones the states that their neurons
    hold, noise included. The read-out is made in the current network and connected to what
    it reads. Its strength of regularization is chosen by cross-validation: leaving out one
    sequence for answers at the end of sequences, five folds of sequences (of parts, if
    there is only one sequence) for answers at each step.

    Parameters
    ----------
    network : nengo.Network
        A memory, cell or other network with the nodes ``.input`` and ``.output``, or a
        network that contains one.
    x : array_like of shape (n, n_steps, size), list of arrays (n_steps, size), or dict
        Sequences for ``network.input``, or {nengo.Node: sequences} for nodes of the network
        that have no input. Those of a list may differ in length.
    y : array_like of shape (n, size_out) or (n, n_steps, size_out), or list of arrays
        Answers at the end of each sequence; or at each of its steps, in the form of
        ``x``.
    source : nengo.Node or Ensemble or Neurons or Network, optional
        What is read: a node, the activities of neurons, or the ``.output`` of a network.
        ``None`` is ``network.output``, or else the only memory.
    skip : int
        Steps at the beginning of each sequence that are left out if there are answers at
        each step. Padding is left out anyway.
    read : int
        Steps at the end of each sequence that have its answer, if there is one. Several
        are useful for neurons that spike.
    alphas : sequence of float
        Strengths to choose from, for each row of data and unit of the states' mean
        variance.
    label : str, optional
        Name of the read-out.

    Returns
    -------
    readout : Readout
        With nodes ``.input`` and ``.output``, and the chosen ``.alpha``. Training can
        start from it.

    Raises
    ------
    ValidationError
        If the data do not fit the network or each other, there is no current network, or
        scikit-learn is not installed.

    See Also
    --------
    lmu_nengo.estimators : classifiers and regressors made of a memory and a read-out.

    Examples
    --------
    The mean of the last 50 ms, learned from 20 sequences of noise:

    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo import LegendreMemory, fit_readout
    >>> x = np.random.RandomState(0).randn(20, 500, 1)
    >>> window = np.ones(50) / 50
    >>> y = np.apply_along_axis(lambda u: np.convolve(u, window)[:500], 1, x)
    >>> with nengo.Network() as network:
    ...     memory = LegendreMemory(theta=0.05, order=6)
    ...     readout = fit_readout(memory, x, y, skip=50)
    >>> readout.weights.round(1) + 0.0
    array([[1., 0., 0., 0., 0., 0.]])
    """
    skip = check_integer(skip, "skip", low=0)
    read = check_integer(read, "read")
    if not nengo.Network.context:
        raise ValidationError(
            "there is no current network. Call fit_readout inside `with network:`, as you "
            "would make any object of Nengo.",
            attr="network",
        )
    source = find_source(network, source)
    inputs, lengths = as_inputs(network, x)
    n, n_steps = next(iter(inputs.values())).shape[:2]
    alphas = check_alphas(alphas)
    y, at_each_step = as_answers(y, lengths, n_steps)
    if read > lengths.min():
        raise ValidationError(
            f"must be at most the length of the shortest sequence, {lengths.min()}, got "
            f"{read}.",
            attr="read",
        )
    states = run(network, inputs, source)
    steps = np.arange(n_steps)
    if at_each_step:
        used = steps >= (n_steps - lengths + skip)[:, None]
        if not used.any():
            raise ValidationError(
                f"must be below the length of the longest sequence, {lengths.max()}, got "
                f"{skip}.",
                attr="skip",
            )
    else:
        used = np.broadcast_to(steps >= n_steps - read, (n, n_steps))
        y = np.broadcast_to(y[:, None], (n, n_steps, y.shape[1]))
    sequence = np.broadcast_to(np.arange(n)[:, None], used.shape)[used]
    weights, bias, alpha, _ = ridge(states[used], y[used], sequence, alphas)
    readout = Readout(weights, bias, label=label)
    readout.alpha = alpha
    nengo.Connection(source, readout.input, synapse=None)
    return readout


def find_source(network, source):
    """Return the node or neurons to read, or raise ValidationError."""
    if source is None:
        source = getattr(network, "output", None)
    if source is None:
        memories = find_memories(network)
        if len(memories) != 1:
            raise ValidationError(
                f"{network} has no node `.output` and {len(memories)} memories. Say what "
                "to read: source=cell.output, for instance.",
                attr="source",
            )
        source = memories[0]
    if isinstance(source, nengo.Network):
        source = getattr(source, "output", source)
    if isinstance(source, nengo.Ensemble):
        source = source.neurons
    if not isinstance(source, nengo.Node | nengo.ensemble.Neurons):
        raise ValidationError(
            "must be a node, an ensemble, neurons or a network with a node `.output`, got "
            f"{source!r}.",
            attr="source",
        )
    return source


def as_inputs(network, x):
    """Sequences by node, padded at the front, and the steps of each sequence."""
    if not isinstance(x, Mapping):
        node = getattr(network, "input", None)
        if not isinstance(node, nengo.Node):
            raise ValidationError(
                f"{network} has no node `.input`. Pass {{node: sequences}} for its nodes "
                "that have no input.",
                attr="x",
            )
        x = {node: x}
    padded = {node: pad_front(values) for node, values in x.items()}
    inputs = {node: values for node, (values, _) in padded.items()}
    lengths = [lengths for _, lengths in padded.values()]
    if not inputs or any(not np.array_equal(lengths[0], other) for other in lengths):
        raise ValidationError(
            "must have sequences for at least one node, and the same number of sequences "
            "of the same lengths for all nodes.",
            attr="x",
        )
    return inputs, lengths[0]


def check_alphas(alphas):
    """Strengths of the regularization as an array, or ValidationError is raised."""
    alphas = np.atleast_1d(check_array(alphas, "alphas", (...,)))
    if alphas.ndim != 1 or not np.all(alphas > 0):
        message = f"must be a list of positive numbers, got {show(alphas)}."
        raise ValidationError(message, attr="alphas")
    return alphas


def as_answers(y, lengths, n_steps):
    """Answers (n, size) or (n, n_steps, size), and whether they are at each step."""
    if not isinstance(y, list | tuple):
        y = check_array(y, "y", (...,))
        y = y if y.ndim else [y]
    if not all(np.ndim(each) == 2 for each in y):
        y = check_array(y, "y", (...,))
        if y.ndim != 2 or len(y) != len(lengths):
            raise ValidationError(
                "must be of shape (n, size_out) or (n, n_steps, size_out) for "
                f"{len(lengths)} sequences, got an array of shape {y.shape}.",
                attr="y",
            )
        return y, False
    y, y_lengths = pad_front(y, n_steps)
    if not np.array_equal(y_lengths, lengths):
        raise ValidationError(
            "must have an answer for each step of each sequence: the lengths of x and y "
            "differ.",
            attr="y",
        )
    return y, True


def run(network, inputs, source):
    """States (n, n_steps, size) of what is read."""
    is_memory = isinstance(network, LegendreMemory)
    if is_memory and source is network.output and not network.realization.is_spiking:
        (u,) = inputs.values()
        if u.shape[2] != network.memory_d:
            raise ValidationError(
                f"must have {network.memory_d} columns, one for each channel of the "
                f"memory, got {u.shape[2]}.",
                attr="x",
            )
        return exact_states(u, *network.discrete(network.realization.discretizer))
    copy, objects = copy_network(network)
    # neurons are no objects of their own in a copy
    is_neurons = isinstance(source, nengo.ensemble.Neurons)
    key = source.ensemble if is_neurons else source
    if key not in objects:
        raise ValidationError(f"must be part of {network}, got {source}.", attr="source")
    for part in find_realizable(copy):
        if part.realization.is_windowed:
            part.realize(part.realization.step_by_step())
    data = {}
    with copy:
        for node, values in inputs.items():
            if node is getattr(network, "input", None) and node.size_in:
                data[stimulus := nengo.Node(np.zeros(node.size_in))] = values
                nengo.Connection(stimulus, objects[node], synapse=None)
            else:
                data[objects[node]] = values
        probe = nengo.Probe(objects[key].neurons if is_neurons else objects[key])
    check_inputs(copy, data)
    dt = min((memory.dt for memory in find_memories(copy)), default=0.001)
    (states,) = record(copy, data, [probe], dt)
    return states


def exact_states(u, Ad, Bd):
    """States (n, n_steps, size * order) of memories under ``u`` (n, n_steps, size)."""
    n, n_steps, size = u.shape
    m = simulate_sequences(Ad, Bd, u.transpose(0, 2, 1).reshape(n * size, n_steps))
    return m.reshape(n, size, n_steps, -1).transpose(0, 2, 1, 3).reshape(n, n_steps, -1)


def ridge(states, y, sequence, alphas=ALPHAS):
    """
    Ridge regression, its strength chosen by cross-validation.

    Parameters
    ----------
    states : ndarray of shape (n_rows, size_in)
        States.
    y : ndarray of shape (n_rows, size_out)
        Answers.
    sequence : ndarray of shape (n_rows,)
        The sequence that each row is from, in order.
    alphas : sequence of float
        Strengths to choose from, for each row and unit of the states' mean variance.

    Returns
    -------
    weights : ndarray of shape (size_out, size_in)
        Weights of the states.
    bias : ndarray of shape (size_out,)
        Bias.
    alpha : float
        The chosen strength.
    error : float
        Mean squared error in cross-validation.
    """
    try:
        from sklearn.linear_model import RidgeCV
        from sklearn.model_selection import GroupKFold, KFold
    except ImportError as error:
        raise ValidationError(
            f"scikit-learn cannot be imported ({error}). {install_hint('sklearn')}",
            attr="sklearn",
        ) from error
    n_rows, n_sequences = len(states), len(np.unique(sequence))
    mean = states.mean(axis=0)
    # one for all states: those that hardly change are not blown up
    spread = np.sqrt(np.mean(np.var(states, axis=0))) or 1.0
    scaled = (states - mean) / spread
    if n_sequences == n_rows:
        cv, scoring = None, None  # leaves out one row
    elif n_sequences > 1:
        folds = GroupKFold(min(FOLDS, n_sequences))
        cv, scoring = list(folds.split(scaled, groups=sequence)), "neg_mean_squared_error"
    else:
        cv, scoring = KFold(min(FOLDS, n_rows)), "neg_mean_squared_error"
    model = RidgeCV(np.multiply(alphas, n_rows), cv=cv, scoring=scoring).fit(scaled, y)
    weights = np.reshape(model.coef_, (y.shape[1], -1)) / spread
    bias = np.reshape(model.intercept_, -1) - weights @ mean
    return weights, bias, float(model.alpha_ / n_rows), -float(model.best_score_)
