"""Run NIR graphs in PyTorch packages, and networks whose neurons are such a graph."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import nengo
import numpy as np
from nengo.exceptions import SimulatorClosed, ValidationError

# nengo.Simulator itself is refused by Nengo GUI while it reads a script
from nengo.simulator import Simulator as NengoSimulator
from numpy.typing import ArrayLike

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_choice, check_integer, check_positive
from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.graph import flatten
from lmu_nengo.targets.nir.paths import ReadOut
from lmu_nengo.targets.nir.preparation import NirPreparation
from lmu_nengo.targets.nir.reference import Result, check_input, execution_plan

if TYPE_CHECKING:
    import nir

CHUNK = 500  # steps whose spikes are kept at a time


class Runner:
    """
    Steps a graph in a package based on PyTorch, and records all spikes.

    Parameters
    ----------
    module : torch.nn.Module
        ``module(x, state)`` returns the output and the next state; each node of the graph
        is an attribute of the module.
    names : list of str
        Nodes that spike.
    dtype : {"float32", "float64"}
        Precision of the module.
    """

    def __init__(self, module, names, dtype):
        self.module, self.names = module, names
        self.state, self.fired = None, {}
        self.torch, self.dtype = need("torch", "norse"), dtype
        for name in names:
            getattr(module, name).register_forward_hook(self._hook(name))

    def _hook(self, name):
        def keep(module, inputs, outputs):
            self.fired[name] = outputs[0]

        return keep

    def run(self, x):
        """
        Continue from the present state for some steps.

        Parameters
        ----------
        x : ndarray of shape (n, n_steps, size)
            Inputs, side by side.

        Returns
        -------
        output : ndarray of shape (n, n_steps, size)
            Output of the graph.
        spikes : dict of {str: ndarray of bool of shape (n, n_steps, n_neurons)}
            By node.
        """
        torch = self.torch
        outputs, spikes = [], {name: [] for name in self.names}
        x = torch.as_tensor(np.ascontiguousarray(x, dtype=self.dtype))
        with torch.no_grad():
            for t in range(x.shape[1]):
                output, self.state = self.module(x[:, t], self.state)
                outputs.append(output.numpy().copy())
                for name in self.names:
                    spikes[name].append(self.fired[name].numpy() != 0)
        stacked = {name: np.stack(own, axis=1) for name, own in spikes.items()}
        return np.stack(outputs, axis=1), stacked


def run_graph(
    graph: "nir.NIRGraph",
    x: ArrayLike,
    make_module: Callable,
    dt: float = 0.001,
    dtype: str = "float64",
) -> Result:
    """
    Run a graph in a package based on PyTorch; compare the result with `simulate_graph`.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat: Input, Output, Affine, Linear and CubaLIF nodes.
    x : array_like of shape (n_steps, size) or (n, n_steps, size)
        Input, or several inputs that are run side by side.
    make_module : callable
        ``lmu_nengo.targets.nir.norse.make_module``, that of ``spikingjelly``, or another
        function of a graph, dt and dtype that returns a torch module: ``module(x, state)``
        returns the output and the next state, and each node is an attribute of it.
    dt : float
        Step in seconds.
    dtype : {"float32", "float64"}
        Precision.

    Returns
    -------
    result : Result
        Output and spikes.

    Raises
    ------
    ValidationError
        If the graph or an argument does not fit, or the package is not installed.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo import LegendreMemory, Spiking
    >>> from lmu_nengo.targets.nir import export_nir, norse, run_graph
    >>> with nengo.Network(seed=0) as network:
    ...     u = nengo.Node(lambda t: 0.0, size_out=1)
    ...     memory = LegendreMemory(0.1, 3, realization=Spiking(60))
    ...     connection = nengo.Connection(u, memory.input, synapse=None)
    >>> graph = export_nir(network)
    >>> result = run_graph(graph, np.zeros((20, 1)), norse.make_module)
    >>> result.spikes["neurons"].shape
    (20, 60)
    """
    plan, dt = execution_plan(graph), check_positive(dt, "dt")
    x = check_input(plan, x)
    runner = Runner(make_module(graph, dt, dtype), plan.neurons, dtype)
    output, spikes = runner.run(x if x.ndim == 3 else x[None])
    if x.ndim == 2:
        output, spikes = output[0], {name: own[0] for name, own in spikes.items()}
    return Result(output, spikes)


class NirSimulator:
    """
    Runs a prepared network in a package that runs NIR graphs.

    Parameters
    ----------
    prepared : Prepared
        The copy.
    dt : float
        Step in seconds.
    seed : int or None
        Seed of input processes that have none.
    make_module : callable
        Makes the package's module of a graph, dt and dtype.
    inputs : dict of {nengo.Node: ndarray of shape (n, n_steps, size)} or None
        Sequences that replace the output of input nodes of the user's network.
    minibatch_size : int
        Sequences that are run side by side.
    dtype : {"float32", "float64"}
        Precision.

    Attributes
    ----------
    data : dict
        Values by probe of the copy.
    graph : nir.NIRGraph
        What is run.
    counts : ndarray of int of shape (n_neurons,)
        Spikes of each neuron so far.
    n_steps : int
        Steps so far.
    """

    def __init__(self, prepared, dt, seed, make_module, inputs, minibatch_size, dtype):
        self.dt, self.closed = dt, False
        self.n_steps = 0
        self.network = prepared.network
        self.inputs = self._check_inputs(prepared, inputs)
        self.flat = flatten(self.network, dt, set(self.inputs or ()))
        self.graph = self.flat.graph()
        self.counts = np.zeros(len(self.flat.spike), dtype=int)
        readouts = {p: self._paths(p) for p in self.network.all_probes}
        nodes = {source for terms, _ in readouts.values() for source, *_ in terms}
        nodes = [node for node in self.network.all_nodes if node in nodes]
        self.sources = list(dict.fromkeys([*self.flat.inputs, *nodes]))
        self._own_inputs(seed)
        n = 1
        if self.inputs is not None:
            minibatch_size = check_integer(minibatch_size, "minibatch_size")
            n = len(next(iter(self.inputs.values())))
        starts = range(0, n, minibatch_size)
        self.batches = [slice(i, min(i + minibatch_size, n)) for i in starts]
        self.runners = [
            Runner(make_module(self.graph, dt, dtype), ["neurons"], dtype)
            for _ in self.batches
        ]
        self.readouts = [
            {p: ReadOut(*terms, dt) for p, terms in readouts.items()} for _ in self.batches
        ]
        self.last = [None] * len(self.batches)
        self.n = n
        self._recorded = {p: [] for p in readouts}
        self.data = {}

    def _paths(self, probe):
        """What `ReadOut` needs for a probe."""
        paths, target = self.flat.paths, probe.target
        if isinstance(target, nengo.ensemble.Neurons):
            found = {(target.ensemble, ()): np.eye(target.size_out)}
        elif isinstance(target, nengo.Connection):
            found = paths.along(target)
        else:
            found = paths.into_node(target)
        own = () if probe.synapse is None else (probe.synapse,)
        rows = slice(None) if probe.slice is None else probe.slice
        terms = []
        for (source, synapses), matrix in found.items():
            if source in self.flat.neurons:
                matrix = matrix * self.flat.spike[self.flat.neurons[source]]
            terms.append((source, np.atleast_2d(matrix[rows]), synapses + own))
        return terms, probe.size_in

    def _own_inputs(self, seed):
        """A simulator of the input nodes alone."""
        with plain_config(), nengo.Network(seed=seed, add_to_container=False) as alone:
            self.probes = {}
            for node in self.sources:
                copy = nengo.Node(node.output, size_out=node.size_out, seed=node.seed)
                self.probes[node] = nengo.Probe(copy)
        self.source = NengoSimulator(alone, dt=self.dt, seed=seed, progress_bar=False)

    def _check_inputs(self, prepared, inputs):
        """Inputs by node of the copy, or None."""
        if inputs is None:
            return None
        shapes = {np.shape(x)[:2] for x in inputs.values()}
        if len(shapes) != 1 or 0 in min(shapes):
            raise ValidationError(
                "arrays must have the shape (n, n_steps, size), with the same n and "
                f"n_steps for all nodes, got {[np.shape(x) for x in inputs.values()]}.",
                attr="inputs",
            )
        by_copy = {}
        for node, x in inputs.items():
            copy = prepared.objects.get(node) if isinstance(node, nengo.Node) else None
            x = np.asarray(x, dtype=np.float64)
            is_input = copy is not None and copy.size_in == 0
            if not is_input or x.ndim != 3 or x.shape[2] != copy.size_out:
                raise ValidationError(
                    "each key must be an input node of the network, and its array must "
                    f"have the shape (n, n_steps, size of the node), got {node} with "
                    f"{x.shape}.",
                    attr="inputs",
                )
            if not np.all(np.isfinite(x)):
                raise ValidationError(
                    f"the array for {node} must be finite, it has NaN or infinity.",
                    attr="inputs",
                )
            by_copy[copy] = x
        return by_copy

    def run(self, duration):
        """Run for some seconds."""
        n_steps = round(check_positive(duration, "duration") / self.dt)
        if self.closed:
            raise SimulatorClosed("Simulator cannot run because it is closed.")
        end = self.n_steps + n_steps
        if self.inputs is not None:
            longest = next(iter(self.inputs.values())).shape[1]
            if end > longest:
                raise ValidationError(
                    f"{end} steps in all are more than the {longest} steps of the inputs.",
                    attr="duration",
                )
        while self.n_steps < end:
            self._run_steps(min(CHUNK, end - self.n_steps))
        for probe, parts in self._recorded.items():
            values = np.concatenate(parts, axis=1)
            parts[:] = [values]
            if probe.sample_every is not None:
                period = probe.sample_every / self.dt
                values = values[:, np.arange(1, end + 1) % period < 1]
            self.data[probe] = values if self.inputs is not None else values[0]

    def _run_steps(self, n_steps):
        own = slice(self.n_steps, self.n_steps + n_steps)
        self.source.run_steps(n_steps, progress_bar=False)
        plain = {node: self.source.data[p][own] for node, p in self.probes.items()}
        found = {probe: [] for probe in self._recorded}
        for i, batch in enumerate(self.batches):
            size = batch.stop - batch.start
            values = {}
            for node, x in plain.items():
                if self.inputs is not None and node in self.inputs:
                    values[node] = self.inputs[node][batch, own]
                else:
                    values[node] = np.broadcast_to(x, (size, *x.shape))
            inputs = [values[node] for node in self.flat.inputs]
            u = np.concatenate(inputs, axis=2) if inputs else np.zeros((size, n_steps, 1))
            if self.last[i] is None:
                self.last[i] = np.zeros((size, u.shape[2]))
            # a synapse takes a step in Nengo, none in a CubaLIF
            late = np.concatenate([self.last[i][:, None], u[:, :-1]], axis=1)
            self.last[i] = u[:, -1]
            _, spikes = self.runners[i].run(late)
            fired = spikes["neurons"]
            self.counts += np.count_nonzero(fired, axis=(0, 1))
            for ensemble, rows in self.flat.neurons.items():
                values[ensemble] = fired[..., rows]
            for probe, readout in self.readouts[i].items():
                found[probe].append(readout.run(values))
        for probe, parts in found.items():
            self._recorded[probe].append(np.concatenate(parts, axis=0))
        self.n_steps += n_steps

    def trange(self):
        """Times of the steps in seconds."""
        return self.dt * np.arange(1, self.n_steps + 1)

    def close(self):
        """Free the modules; the data stay."""
        self.source.close()
        self.runners, self.closed = [], True


class NirTarget(NirPreparation):
    """
    Simulator of a target that runs NIR graphs.

    Parameters
    ----------
    network : nengo.Network
        The network; it stays as it is.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random for which the network has no seed.
    count_spikes : bool
        As for the other targets; here spikes are always counted.
    **options
        ``inputs``: a dictionary from input nodes to arrays of shape (n, n_steps, size),
        sequences that replace the nodes' own output, each run from a silent start;
        ``data[probe]`` then has the shape (n, n_steps, size).
        ``minibatch_size``: the number of sequences run side by side, 64 by default.
        ``dtype``: the precision, "float64" by default; with "float32" the spikes depend on
        the order of sums.

    Attributes
    ----------
    graph : nir.NIRGraph
        What is run; its output is all spikes.

    Raises
    ------
    ValidationError
        If the network or an argument does not fit, or the package is not installed.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo import LegendreMemory, Spiking
    >>> from lmu_nengo.targets.nir import norse
    >>> with nengo.Network(seed=0) as network:
    ...     u = nengo.Node(lambda t: 0.0, size_out=1)
    ...     memory = LegendreMemory(0.1, 3, realization=Spiking(60))
    ...     connection = nengo.Connection(u, memory.input, synapse=None)
    ...     m = nengo.Probe(memory.output)
    >>> with norse.Simulator(network, inputs={u: np.zeros((2, 50, 1))}) as sim:
    ...     sim.run(0.05)
    >>> sim.data[m].shape
    (2, 50, 3)
    """

    @classmethod
    def make_counter(cls, network):
        """None: spikes are counted as they come out of the package."""
        return None

    def build(self, prepared, dt, seed, inputs=None, minibatch_size=64, dtype="float64"):
        """Make a `NirSimulator`."""
        check_choice(dtype, ("float32", "float64"), "dtype", obj=type(self))
        return NirSimulator(
            prepared, dt, seed, self.make_module, inputs, minibatch_size, dtype
        )

    @property
    def graph(self):
        """The NIR graph that is run."""
        return self.simulator.graph

    @staticmethod
    def make_module(graph, dt, dtype):
        """Torch module of a graph."""
        raise NotImplementedError

    def counts(self):
        """Spikes of each neuron, and the neurons and outputs that each leads to."""
        weights = self.graph.nodes["recurrent"].weight
        yield self.simulator.counts, np.count_nonzero(weights, axis=0)
