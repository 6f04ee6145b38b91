"""From a NIR graph to a Nengo network that fires the same spikes."""

import nengo
import numpy as np

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_positive
from lmu_nengo.targets.nir.file import read_nir
from lmu_nengo.targets.nir.neurons import CUBA_LIF, CubaLIF
from lmu_nengo.targets.nir.reference import plan


def import_nir(graph, dt=0.001, label="nir"):
    """
    Make a Nengo network of a NIR file.

    Parameters
    ----------
    graph : str or Path or nir.NIRGraph
        File, or graph, as for `lmu_nengo.targets.nir.reference.plan`.
    dt : float
        Step in seconds that it will be run with.
    label : str
        Name of the network.

    Returns
    -------
    network : nengo.Network
        ``network.input`` and ``network.output`` are nodes, to be connected and probed with
        ``synapse=None``; ``network.neurons`` has an ensemble of each ``CubaLIF`` by name.
        Every spike is 1 in its step, as in NIR.

    Raises
    ------
    ValidationError
        If the file or the graph is not valid.
    """
    dt = check_positive(dt, "dt")
    graph = plan(graph if hasattr(graph, "nodes") else read_nir(graph))
    ends, starts = {}, {}  # where a node's input goes, where its output comes from
    with plain_config(), nengo.Network(label=label, add_to_container=False) as network:
        network.neurons = {}
        for name, kind in graph.kinds.items():
            arrays = graph.arrays[name]
            if kind == "CubaLIF":
                n = graph.sizes[name]
                parameters = {field: arrays[field].astype(np.float64) for field in CUBA_LIF}
                ensemble = nengo.Ensemble(
                    n,
                    1,
                    neuron_type=CubaLIF(**parameters, amplitude=dt),
                    gain=np.ones(n),
                    bias=np.zeros(n),
                    encoders=np.ones((n, 1)),
                    label=name,
                )
                network.neurons[name] = ensemble
                starts[name] = ends[name] = ensemble.neurons
                continue
            starts[name] = ends[name] = nengo.Node(size_in=graph.sizes[name], label=name)
            if "bias" in arrays:
                bias = nengo.Node(arrays["bias"].astype(np.float64), label=f"{name} bias")
                nengo.Connection(bias, starts[name], synapse=None)
        for name in graph.kinds:
            weight = graph.arrays[name].get("weight")
            transform = {} if weight is None else {"transform": weight.astype(np.float64)}
            for other in graph.sources[name]:
                nengo.Connection(starts[other], ends[name], synapse=None, **transform)
            for other in graph.back[name]:
                nengo.Connection(starts[other], ends[name], synapse=0)  # one step
        network.input = starts[graph.only("Input")]
        network.output = starts[graph.only("Output")]
    return network
