"""The linear paths of a Nengo network: from inputs and spikes to neurons and probes.

Everything between neurons that is linear comes down to matrices, each with the synapses
that lie on its path.
"""

from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.transforms import Dense, NoTransform, Sparse

from lmu_nengo.nef.synapses import discrete_synapse
from lmu_nengo.processes.regularization import TrainingOnly
from lmu_nengo.targets.base import Limit


class Average(nengo.Lowpass):
    """The synapse that averages the spikes of a layer, unless a memory does so later."""


@dataclass(frozen=True)
class LayerSynapses:
    """
    Connections of layers whose synapses need not be those of the network.

    Parameters
    ----------
    steps : set of nengo.Connection
        What feeds back in a cell: from neurons to neurons it takes one step in any case.
    averages : set of nengo.Connection
        Average the spikes of a layer.
    filters : set of nengo.Connection
        Those of memories, which average spikes themselves.
    """

    steps: frozenset = frozenset()
    averages: frozenset = frozenset()
    filters: frozenset = frozenset()

    def of(self, conn) -> tuple:
        """The synapses of a connection, as a path passes them."""
        if conn.synapse is None or conn in self.steps:
            return ()
        if conn in self.averages and isinstance(conn.synapse, nengo.Lowpass):
            return (Average(conn.synapse.tau),)
        return (conn.synapse,)


def without_averages(synapses: tuple) -> tuple:
    """The synapses of a path that a memory filters again."""
    return tuple(s for s in synapses if not isinstance(s, Average))


def plain(synapses: tuple) -> tuple:
    """The synapses of a path, whatever they belong to."""
    return tuple(nengo.Lowpass(s.tau) if isinstance(s, Average) else s for s in synapses)


class Paths:
    """
    Finds what reaches an object: {(source, synapses): matrix}.

    A source is an input node or an ensemble (for its spikes, as Nengo scales them);
    ``synapses`` is a tuple in the order in which they are passed.

    Parameters
    ----------
    network : nengo.Network
        The network.
    model : nengo.builder.Model, optional
        In which the network was built. Without one, matrices are None and only the paths
        are looked at.
    boxes : dict of {nengo.Node: (object, tuple)}, optional
        Nodes at which to stop, with the source and the synapses that stand for them.
    layers : LayerSynapses, optional
        The synapses that belong to layers; by default, none does.

    Attributes
    ----------
    limits : list of Limit
        What was met and is not linear.
    """

    def __init__(self, network, model=None, boxes=None, layers=None):
        self.model = model
        self.boxes, self.layers = boxes or {}, layers or LayerSynapses()
        self.limits = []
        self._nodes = {}
        self._open = []
        self._incoming = {}
        for conn in network.all_connections:
            self._incoming.setdefault(conn.post_obj, []).append(conn)

    def into_neurons(self, ensemble):
        """Paths to the neurons' current; without their bias."""
        found = {}
        encoders = gain = None
        if self.model is not None:
            built = self.model.params[ensemble]
            encoders, gain = built.scaled_encoders, built.gain[:, None]
        for conn in self._incoming.get(ensemble, ()):
            solved = isinstance(conn.pre_obj, nengo.Ensemble) and conn.solver.weights
            _add(found, self.along(conn), None if solved else encoders)
        for conn in self._incoming.get(ensemble.neurons, ()):
            paths = self.along(conn)
            if gain is not None:
                paths = {key: gain * matrix for key, matrix in paths.items()}
            _add(found, paths)
        return found

    def into_node(self, node):
        """Paths to a node's output."""
        if node in self._nodes:
            return self._nodes[node]
        if node in self.boxes:
            return {self.boxes[node]: None}
        is_linear = node.output is None or isinstance(node.output, TrainingOnly)
        if node in self._open:
            self._limit("loop without neurons", "recurrent", "none", node)
            return {}
        if node.size_in == 0 and node.output is not None:
            found = {(node, ()): None if self.model is None else np.eye(node.size_out)}
        elif not is_linear:
            self._limit("node", f"computes {node.output!r}", "only linear nodes", node)
            found = {}
        else:
            self._open.append(node)
            found = {}
            for conn in self._incoming.get(node, ()):
                _add(found, self.along(conn))
            self._open.pop()
        self._nodes[node] = found
        return found

    def along(self, conn):
        """Paths to what a connection gives, in its target's full size."""
        pre = conn.pre_obj
        if isinstance(pre, nengo.Node):
            if conn.function is not None:
                self._limit("function of a node", conn.function, "None", conn)
                return {}
            paths = self.into_node(pre)
        elif isinstance(pre, nengo.Ensemble | nengo.ensemble.Neurons):
            source = pre if isinstance(pre, nengo.Ensemble) else pre.ensemble
            eye = None if self.model is None else np.eye(source.n_neurons)
            paths = {(source, ()): eye}
        else:
            self._limit("source", f"{pre!r}", "nodes and neurons", conn)
            return {}
        if conn.learning_rule_type is not None:
            self._limit("learning rule", conn.learning_rule_type, "None", conn)
        if not isinstance(conn.transform, Dense | NoTransform | Sparse):
            self._limit("transform", conn.transform, "Dense or Sparse", conn)
            return {}
        synapses = self.layers.of(conn)
        if conn in self.layers.filters:
            shorter = {}
            for (source, passed), matrix in paths.items():
                _add(shorter, {(source, without_averages(passed)): matrix})
            paths = shorter
        if self.model is None:
            return {(source, passed + synapses): None for source, passed in paths}
        weights = self._weights(conn)
        return {
            (source, passed + synapses): weights @ matrix
            for (source, passed), matrix in paths.items()
        }

    def _weights(self, conn):
        """Matrix of a connection, from all of its source to all of its target."""
        weights = self.model.params[conn].weights
        if hasattr(weights, "toarray"):
            weights = weights.toarray()
        is_decoded = isinstance(conn.pre_obj, nengo.Ensemble)
        if weights is None:
            weights = 1.0
        if np.ndim(weights) < 2:
            weights = np.eye(conn.size_mid) * weights
        if is_decoded and isinstance(conn.post_obj, nengo.Ensemble) and conn.solver.weights:
            return weights
        n_in = weights.shape[1] if is_decoded else conn.pre_obj.size_out
        full = np.zeros((conn.post_obj.size_in, n_in))
        pre_slice = slice(None) if is_decoded else conn.pre_slice
        rows = np.atleast_1d(np.arange(len(full))[conn.post_slice])
        columns = np.atleast_1d(np.arange(n_in)[pre_slice])
        np.add.at(full, np.ix_(rows, columns), weights)
        return full

    def _limit(self, name, value, limit, where):
        advice = "Only what is linear lies between neurons on this target."
        if self.model is not None:
            raise ValidationError(f"{name}: {value}, expected {limit}.", attr=str(where))
        self.limits.append(Limit(name, value, limit, where, advice))


def _add(found, paths, matrix=None):
    """Add paths, each multiplied by a matrix, to those found."""
    for key, value in paths.items():
        if value is not None and matrix is not None:
            value = matrix @ value
        before = found.get(key)
        found[key] = value if before is None else before + value


class ReadOut:
    """
    Values of a probe, from inputs and spikes, through whatever synapses lie between.

    Parameters
    ----------
    terms : list of tuple of (object, ndarray, tuple)
        Source, matrix and synapses of each path.
    size : int
        Of the values.
    dt : float
        Step in seconds.
    """

    def __init__(self, terms, size, dt):
        self.size = size
        self.terms = [
            (source, matrix.astype(np.float32), [discrete_synapse(s, dt) for s in synapses])
            for source, matrix, synapses in terms
        ]
        self.states = [[None] * len(filters) for _, _, filters in self.terms]

    def run(self, values):
        """Next values, of shape (n, n_steps, size), from those of all sources."""
        from scipy.signal import lfilter

        n, n_steps = next(iter(values.values())).shape[:2]
        total = np.zeros((n, n_steps, self.size))
        for (source, matrix, filters), states in zip(self.terms, self.states, strict=True):
            value = values[source].astype(np.float32) @ matrix.T
            value = value.astype(np.float64)
            for i, (num, den) in enumerate(filters):
                if states[i] is None:
                    length = max(len(num), len(den)) - 1
                    states[i] = np.zeros((n, length, self.size))
                value, states[i] = lfilter(num, den, value, axis=1, zi=states[i])
            total += value
        return total
