"""Export a Nengo network as a flat NIR graph, and import any flat graph as a network.

The exported graph has one ``CubaLIF`` with one matrix back to it.

In steps of ``dt``, with ``a = exp(-dt / tau)`` for the lowpass between neurons, Nengo's
current ``J`` and `StepLIF` neurons are

    ``J[t] = a J[t-1] + (1 - a) (encode u[t] + bias + recurrent z[t-1])``,
    ``v[t] = (1 - b) v[t-1] + b J[t]``,   ``b = dt / tau_rc``,

``z`` their spikes of 1. ``CubaLIF`` computes this if ``tau_syn = dt / (1 - a)``,
``tau_mem = tau_rc``, ``w_in = tau_syn / dt``, ``r = tau_mem / dt`` and all matrices are
multiplied by ``(1 - a) b``. All neurons are in one node, so that every simulator gives
every connection the same delay of one step, in whatever order it computes nodes.
"""

import importlib.metadata
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_positive, show
from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.file import read_nir
from lmu_nengo.targets.nir.neurons import CUBA_LIF, CubaLIF
from lmu_nengo.targets.nir.paths import Paths, plain, without_averages
from lmu_nengo.targets.nir.preparation import (
    NirPreparation,
    find_tau,
    is_constant_node,
    layer_synapses,
)
from lmu_nengo.targets.nir.reference import execution_plan

if TYPE_CHECKING:
    import nir


@dataclass(frozen=True, eq=False)
class Flat:
    """
    A network as matrices between inputs and neurons, in Nengo's units.

    Parameters
    ----------
    paths : Paths
        Of the built network.
    inputs : dict of {nengo.Node: slice}
        Input nodes that reach neurons, and their columns.
    neurons : dict of {nengo.Ensemble: slice}
        Ensembles, and their rows.
    constants : set of nengo.Node
        Nodes that became part of the bias.
    encode : ndarray of shape (n, n_inputs)
        From inputs to currents, before the synapse.
    bias : ndarray of shape (n,)
        Constant currents.
    recurrent : ndarray of shape (n, n)
        From spikes of 1 to currents, before the synapse.
    spike : ndarray of shape (n,)
        Size of each neuron's spikes in Nengo.
    tau, tau_rc, dt : float
        Time constants of synapse and membrane, and step, in seconds.
    """

    paths: Paths
    inputs: dict
    neurons: dict
    constants: set
    encode: np.ndarray
    bias: np.ndarray
    recurrent: np.ndarray
    spike: np.ndarray
    tau: float
    tau_rc: float
    dt: float

    def graph(self, readout=None):
        """
        The NIR graph.

        Parameters
        ----------
        readout : tuple of (ndarray of shape (size, n), ndarray of shape (size,)), optional
            Matrix and bias from spikes of 1 to the output. ``None`` gives all spikes out.

        Returns
        -------
        graph : nir.NIRGraph
            ``input -> encode -> neurons -> recurrent -> neurons -> (readout ->) output``.
        """
        nir = need("nir", "nir")
        n = len(self.bias)
        left = np.exp(-self.dt / self.tau)
        scale = (1 - left) * self.dt / self.tau_rc
        tau_syn = self.dt / (1 - left)

        def f(value):
            return np.asarray(value, dtype=np.float32)

        same = np.ones(n)
        nodes = {
            "input": nir.Input({"input": np.array([self.encode.shape[1]])}),
            "encode": nir.Affine(f(scale * self.encode), f(scale * self.bias)),
            "neurons": nir.CubaLIF(
                tau_syn=f(tau_syn * same),
                tau_mem=f(self.tau_rc * same),
                r=f(self.tau_rc / self.dt * same),
                v_leak=f(0 * same),
                v_threshold=f(same),
                v_reset=f(0 * same),
                w_in=f(tau_syn / self.dt * same),
            ),
            "recurrent": nir.Affine(f(scale * self.recurrent), f(0 * same)),
        }
        # the output's edge last: read by Norse alone, the node computed last is the output
        edges = [
            ("input", "encode"),
            ("encode", "neurons"),
            ("neurons", "recurrent"),
            ("recurrent", "neurons"),
        ]
        last, size = "neurons", n
        if readout is not None:
            nodes["readout"] = nir.Affine(f(readout[0]), f(readout[1]))
            edges.append(("neurons", "readout"))
            last, size = "readout", len(readout[1])
        nodes["output"] = nir.Output({"output": np.array([size])})
        edges.append((last, "output"))
        version = importlib.metadata.version("lmu-nengo")
        metadata = {"dt": self.dt, "made_by": f"lmu_nengo {version}"}
        return nir.NIRGraph(nodes, edges, metadata=metadata)


def flatten(network, dt, driven=frozenset()) -> Flat:
    """
    Build a prepared network, and extract its matrices.

    Parameters
    ----------
    network : nengo.Network
        The copy that `NirPreparation.prepare` has made.
    dt : float
        Step in seconds.
    driven : set of nengo.Node
        Constant nodes that are inputs nevertheless.

    Returns
    -------
    flat : Flat
        The matrices.
    """
    model = nengo.builder.Model(dt=dt)
    model.build(network)
    paths = Paths(network, model, layers=layer_synapses(network))
    tau = find_tau(network)
    neurons, n = {}, 0
    for ensemble in network.all_ensembles:
        neurons[ensemble] = slice(n, n + ensemble.n_neurons)
        n += ensemble.n_neurons
    bias, spike = np.zeros(n), np.zeros(n)
    recurrent, columns, constants = np.zeros((n, n)), {}, set()
    for ensemble, rows in neurons.items():
        bias[rows] = model.params[ensemble].bias
        spike[rows] = ensemble.neuron_type.amplitude / dt
        for (source, synapses), matrix in paths.into_neurons(ensemble).items():
            if source in neurons:
                recurrent[rows, neurons[source]] += matrix
            elif is_constant_node(source) and source not in driven:
                bias[rows] += matrix @ source.output
                constants.add(source)
            else:
                columns.setdefault(source, np.zeros((n, source.size_out)))
                columns[source][rows] += matrix
            if plain(synapses) not in ((), (nengo.Lowpass(tau),)):
                raise ValidationError(
                    f"every path to {ensemble} must have the synapse Lowpass({tau:g}), but "
                    f"one has {synapses}.",
                    attr="network",
                )
    inputs, d = {}, 0
    for node in columns:
        inputs[node] = slice(d, d + node.size_out)
        d += node.size_out
    encode = np.hstack(list(columns.values())) if columns else np.zeros((n, 1))
    first = next(iter(neurons)).neuron_type
    return Flat(
        paths=paths,
        inputs=inputs,
        neurons=neurons,
        constants=constants,
        encode=encode,
        bias=bias,
        recurrent=recurrent * spike,
        spike=spike,
        tau=tau,
        tau_rc=first.tau_rc,
        dt=dt,
    )


def export_nir(
    network: nengo.Network,
    output: nengo.Node | None = None,
    dt: float = 0.001,
    seed: int | None = None,
    inputs: Iterable[nengo.Node] = (),
) -> "nir.NIRGraph":
    """
    Export a network as a flat NIR graph; `write_nir` writes it to a file.

    Parameters
    ----------
    network : nengo.Network
        The network, as for ``targets.run(network, "norse", ...)``.
    output : nengo.Node, optional
        The output of the graph: a node that is linear in the spikes of the present step.
        The synapse that averages the spikes of a cell is left out: filter the output
        where you read it. By default all spikes are the output.
    dt : float
        Step in seconds that the file is made for. NIR stores it as metadata only.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    inputs : iterable of nengo.Node
        Constant nodes that are inputs of the graph. Those that are zero always are;
        others become a part of the biases.

    Returns
    -------
    graph : nir.NIRGraph
        Its input is that of all input nodes, in the order in which they were created.

    Raises
    ------
    ValidationError
        If the network does not fit, or the output is not a linear function of spikes.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import LegendreMemory, Spiking
    >>> from lmu_nengo.targets.nir import export_nir
    >>> with nengo.Network(seed=0) as network:
    ...     u = nengo.Node(lambda t: t < 0.1)
    ...     memory = LegendreMemory(0.1, 3, realization=Spiking(60))
    ...     connection = nengo.Connection(u, memory.input, synapse=None)
    >>> graph = export_nir(network)
    >>> sorted(graph.nodes)
    ['encode', 'input', 'neurons', 'output', 'recurrent']
    """
    need("nir", "nir")
    several = isinstance(inputs, Iterable) and not isinstance(inputs, np.ndarray)
    if not several or not all(isinstance(node, nengo.Node) for node in inputs):
        message = f"must be a list of nodes, got {show(inputs)}."
        raise ValidationError(message, attr="inputs")
    prepared = NirPreparation.prepare(network, dt, seed)
    driven = {prepared.objects.get(node, node) for node in inputs}
    for node in prepared.network.all_nodes:
        if is_constant_node(node) and not np.any(node.output):
            driven.add(node)
    flat = flatten(prepared.network, dt, driven)
    if output is None:
        return flat.graph()
    if not isinstance(output, nengo.Node) or output not in prepared.objects:
        raise ValidationError(
            f"must be a node of the network, got {output!r}.", attr="output"
        )
    weight = np.zeros((output.size_out, len(flat.bias)))
    bias = np.zeros(output.size_out)
    paths = flat.paths.into_node(prepared.objects[output])
    for (source, passed), matrix in paths.items():
        synapses = without_averages(passed)  # left to the reader of the output
        if source in flat.neurons and not synapses:
            rows = flat.neurons[source]
            weight[:, rows] += matrix * flat.spike[rows]
        elif source not in flat.neurons and is_constant_node(source) and not synapses:
            bias += matrix @ source.output
        else:
            raise ValidationError(
                f"must be a linear function of spikes without a synapse, but {output} gets "
                f"{source} through {synapses or 'no synapse'}. Realize the memory with "
                'Spiking(..., output="spikes").',
                attr="output",
            )
    return flat.graph((weight, bias))


def import_nir(
    graph: "str | os.PathLike[str] | nir.NIRGraph", dt: float = 0.001, label: str = "nir"
) -> nengo.Network:
    """
    Import a NIR file or graph as a Nengo network that fires the same spikes.

    Parameters
    ----------
    graph : str or Path or nir.NIRGraph
        File, or graph, which must be flat.
    dt : float
        Step in seconds that it will be run with.
    label : str
        Name of the network.

    Returns
    -------
    network : nengo.Network
        Connect to the node ``network.input`` and read from ``network.output`` with
        ``synapse=None``; ``network.neurons`` holds the ensemble of each ``CubaLIF`` by
        name. A spike is 1 in its step, as in NIR.

    Raises
    ------
    ValidationError
        If the file or the graph is not valid.

    Examples
    --------
    >>> import nir
    >>> import numpy as np
    >>> from lmu_nengo.targets.nir import import_nir
    >>> nodes = {
    ...     "input": nir.Input({"input": np.array([1])}),
    ...     "double": nir.Linear(np.array([[2.0]])),
    ...     "output": nir.Output({"output": np.array([1])}),
    ... }
    >>> graph = nir.NIRGraph(nodes, [("input", "double"), ("double", "output")])
    >>> network = import_nir(graph)
    >>> network.output
    <Node 'output' at 0x...>
    """
    dt = check_positive(dt, "dt")
    graph = execution_plan(graph if hasattr(graph, "nodes") else read_nir(graph))
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
