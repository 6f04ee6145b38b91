"""From a Nengo network to a flat NIR graph: one ``CubaLIF`` with one matrix back.

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
from dataclasses import dataclass

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_positive
from lmu_nengo.targets.base import need, refuse_limits
from lmu_nengo.targets.nir.paths import Paths
from lmu_nengo.targets.nir.preparation import check, find_tau, is_constant_node, prepare


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
        nir = need("nir", "norse")
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


def flatten(network, dt) -> Flat:
    """
    Build a prepared network, and take its matrices.

    Parameters
    ----------
    network : nengo.Network
        The copy that `lmu_nengo.targets.nir.preparation.prepare` returned.
    dt : float
        Step in seconds.

    Returns
    -------
    flat : Flat
        The matrices.
    """
    model = nengo.builder.Model(dt=dt)
    model.build(network)
    paths, tau = Paths(network, model), find_tau(network)
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
            elif is_constant_node(source):
                bias[rows] += matrix @ source.output
                constants.add(source)
            else:
                columns.setdefault(source, np.zeros((n, source.size_out)))
                columns[source][rows] += matrix
            if synapses not in ((), (nengo.Lowpass(tau),)):
                raise ValidationError(
                    f"{synapses} lie on a path to {ensemble}, expected Lowpass({tau:g}).",
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


def export_nir(network, output=None, dt=0.001, seed=None):
    """
    Export a network as a flat NIR graph; `write_nir` puts it in a file.

    Parameters
    ----------
    network : nengo.Network
        The network, as for ``targets.run(network, "norse", ...)``.
    output : nengo.Node, optional
        What the graph gives out: a node that is linear in the spikes of the step. Filter
        it where you read it. ``None`` gives all spikes out.
    dt : float
        Step in seconds that the file is made for. NIR has no place for it but metadata.
    seed : int, optional
        Seed of what the network leaves open.

    Returns
    -------
    graph : nir.NIRGraph
        Its input is that of all input nodes that change, in the order of ``metadata``.

    Raises
    ------
    ValidationError
        If the network does not fit, or the output needs more than spikes.
    """
    dt = check_positive(dt, "dt")
    need("nir", "norse")
    refuse_limits(check(network, dt), "NIR", network)
    prepared = prepare(network, dt, seed)
    flat = flatten(prepared.network, dt)
    if output is None:
        return flat.graph()
    if not isinstance(output, nengo.Node) or output not in prepared.objects:
        raise ValidationError(
            f"got {output!r}, expected a node of the network.", attr="output"
        )
    weight = np.zeros((output.size_out, len(flat.bias)))
    bias = np.zeros(output.size_out)
    paths = flat.paths.into_node(prepared.objects[output])
    for (source, synapses), matrix in paths.items():
        if source in flat.neurons and not synapses:
            rows = flat.neurons[source]
            weight[:, rows] += matrix * flat.spike[rows]
        elif source not in flat.neurons and is_constant_node(source) and not synapses:
            bias += matrix @ source.output
        else:
            raise ValidationError(
                f"{output} gets {source} through {synapses or 'no synapse'}, expected only "
                "spikes, without a synapse. A memory's output is that with "
                'Spiking(..., output="spikes").',
                attr="output",
            )
    return flat.graph((weight, bias))
