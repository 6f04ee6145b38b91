"""The parts of Nengo's private interface that this package uses, in one place."""

import warnings
from contextlib import contextmanager

import nengo
from nengo.builder import optimizer
from nengo.config import Config
from nengo.utils.graphs import BidirectionalDAG
from nengo.utils.stdlib import OrderedSet

from lmu_nengo._validation import check_flag


def add_to_context(network, add_to_container=None):
    """
    Add a finished network to the surrounding one, as ``nengo.Network(...)`` does at once.

    A network that is added last leaves nothing behind if an argument is refused.
    """
    check_flag(add_to_container, "add_to_container", allow_none=True, obj=network)
    if add_to_container or (add_to_container is None and nengo.Network.context):
        nengo.Network.add(network)


@contextmanager
def plain_config():
    """Use Nengo's own defaults, whatever the surrounding networks configure."""
    surrounding = list(Config.context)
    Config.context.clear()
    try:
        yield
    finally:
        for config in surrounding:
            Config.context.append(config)


class _OrderedGraph(BidirectionalDAG):
    """Nengo's graph of operators, which keeps the order of edges when it merges some."""

    def merge(self, vertices, merged_vertex):
        for edges, reverse in (
            (self.forward, self.backward),
            (self.backward, self.forward),
        ):
            edges[merged_vertex] = OrderedSet()
            for vertex in vertices:
                edges[merged_vertex].update(edges.pop(vertex))
            for other in edges[merged_vertex]:
                reverse[other].difference_update(vertices)
                reverse[other].add(merged_vertex)


class _OrderedMergePass(optimizer.OpMergePass):
    """Nengo's pass over all operators, in their order rather than that of a set."""

    def __init__(self, dg):
        super().__init__(dg)
        self.dg = _OrderedGraph(dg)
        self.might_merge = OrderedSet(dg)


@contextmanager
def ordered_optimizer():
    """
    Let Nengo's optimizer merge operators in the same order in every process.

    The order of a set of objects follows their addresses in memory.
    """
    own = optimizer.OpMergePass
    optimizer.OpMergePass = _OrderedMergePass
    try:
        yield
    finally:
        optimizer.OpMergePass = own


def synapse_state_space(synapse, dt):
    """Discrete matrices A, B, C and D with which Nengo runs a linear filter."""
    return synapse._get_ss(dt)


def copy_network(network):
    """
    Copy a network.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.

    Returns
    -------
    copy : nengo.Network
        The copy, which is not added to any other network.
    objects : dict
        The copy of each network, node, ensemble, connection and probe, by the original.
    """
    with warnings.catch_warnings():
        # copying a node without a function sets its size_out, which Nengo warns about
        warnings.filterwarnings("ignore", "'Node.size_out' is being overwritten")
        copy = network.copy(add_to_container=False)

    def parts(net):
        return [net, *net.all_networks, *net.all_objects, *net.all_probes]

    return copy, dict(zip(parts(network), parts(copy), strict=True))
