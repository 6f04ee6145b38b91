"""NengoDL's simulator, with windowed memories applied to whole sequences."""

import logging
from collections import defaultdict

import nengo
import numpy as np
import tensorflow as tf
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import SimPyFunc, TimeUpdate
from nengo.builder.processes import SimProcess
from nengo.exceptions import ValidationError

from lmu_nengo.cell import LMUCell
from lmu_nengo.memory import find_memories, find_realizable
from lmu_nengo.realizations import Windowed
from lmu_nengo.sequences import Sequence
from lmu_nengo.training.compat import nengo_dl
from lmu_nengo.training.operators import (
    RowsDotBuilder,
    SimSequence,
    SimWindow,
    windowed_networks,
)

logger = logging.getLogger(__name__)


class Simulator(nengo_dl.Simulator):
    """
    `nengo_dl.Simulator` that also runs `lmu_nengo.Windowed` memories.

    Use it just as NengoDL's. Inputs and targets keep their shape (batch, steps, size).
    With windowed memories every batch is one simulation step, taken in one of two ways:

    - ``"last step"``, the faster: if no probe keeps its history
      (``nengo_dl.configure_settings(keep_history=False)``) and only linear connections
      lead to the memories, each batch is one row per sequence;
    - ``"all steps"``: otherwise time is folded into the batch, one row per sequence and
      step.

    Without a windowed memory it is NengoDL's simulator, ``"step by step"``.

    Parameters
    ----------
    network : nengo.Network
        The network. With windowed memories, nothing else in it may have a state:
        synapses, spiking neurons, learning rules and nodes that read the time are
        refused by name.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random.
    minibatch_size : int, optional
        Sequences in a batch.
    **kwargs
        As for `nengo_dl.Simulator`.

    Attributes
    ----------
    path : {"step by step", "all steps", "last step"}
        How time is treated.
    path_reason : str
        Why.

    Raises
    ------
    ValidationError
        If windowed memories disagree on the number of steps, something else in the
        network has a state, or steps are to be unrolled; in training, if the data have
        another number of steps or another size, or hold a NaN.
    """

    def __init__(self, network, dt=0.001, seed=None, minibatch_size=None, **kwargs):
        self.closed = None  # NengoDL looks it up at every other attribute
        self.windows = [
            part
            for part in find_realizable(network)
            if isinstance(part.realization, Windowed)
        ]
        self.batch_size = minibatch_size or 1
        self.window_steps = self._window_steps()
        self.path, self.path_reason, self._incoming = self._choose_path(network)
        logger.info("%s: %s", self.path, self.path_reason)
        unroll = kwargs.get("unroll_simulation", 1)
        if self.windows and unroll != 1:
            raise ValidationError(
                f"got {unroll}, expected 1: with a Windowed memory each batch is one "
                "simulation step. Leave it out, or realize(network, Linear()).",
                attr="unroll_simulation",
                obj=type(self).__name__,
            )
        rows = minibatch_size
        if self.path == "all steps":
            rows = self.batch_size * self.window_steps
        if self.windows:
            windowed_networks.add(network)
        try:
            super().__init__(network, dt=dt, seed=seed, minibatch_size=rows, **kwargs)
        finally:
            windowed_networks.discard(network)
        self.data.minibatched = minibatch_size is not None

    def _window_steps(self):
        steps = {memory.realization.n_steps for memory in self.windows}
        if len(steps) > 1:
            raise ValidationError(
                f"windowed memories for {sorted(steps)} steps in one network, expected "
                "one number. Give each Windowed(n_steps) the length of the sequences.",
                attr="n_steps",
                obj=self.windows[0],
            )
        return steps.pop() if steps else None

    def _choose_path(self, network):
        """Choose how time is treated; return path, reason and what leads to what."""
        if not self.windows:
            return "step by step", "no memory is Windowed", None
        sequences = find_sequences(network)
        loops = [
            f"{part.feedback} in {part}"
            for part in self.windows
            if isinstance(part, LMUCell) and part.feedback
        ]
        if loops:
            reason = f"step by step inside one operator: {'; '.join(loops)}"
            return "all steps", reason, None
        if sequences:
            return "all steps", f"{sequences[0]} takes whole sequences", None
        for probe in network.all_probes:
            if nengo_dl.config.get_setting(network, "keep_history", True, probe):
                return "all steps", f"{probe} keeps its history", None
        incoming = defaultdict(list)
        for conn in network.all_connections:
            incoming[conn.post_obj].append(conn)
        for memory in find_memories(network):
            obstacle = find_obstacle(memory.input, incoming)
            if obstacle is not None:
                return "all steps", f"{obstacle} leads to {memory}", None
        reason = "no probe keeps its history, memories are fed linearly"
        return "last step", reason, incoming

    @nengo_dl.simulator.with_self
    def _build_keras(self, progress=None):
        if self.windows:
            graph = self.tensor_graph
            refuse_state(graph.plan)
            self.minibatch_size = self.batch_size
            self.stateful = False
            # NengoDL makes the graph itself; here is the first chance to make it ours
            graph.__class__ = WindowedGraph
            graph.prepare(self.batch_size, self.window_steps, self.path)
            memories = find_memories(self.model.toplevel)
            nodes = {self.model.sig[n]["out"]: n for m in memories for n in m.nodes}
            for op in self.model.operators:
                if isinstance(op, SimWindow):
                    op.graph = graph
                    op.node = nodes[op.output]
                    op.incoming = self._incoming
                elif isinstance(op, SimSequence):
                    op.n_steps = self.window_steps
        super()._build_keras(progress)

    def freeze_params(self, objs):
        """
        Write the trained parameters back into the network.

        Parameters
        ----------
        objs : nengo.Network or Ensemble or Connection, or list of them
            What to write to, as for `nengo_dl.Simulator.freeze_params`.
        """
        super().freeze_params(objs)
        for obj in objs if isinstance(objs, (list, tuple)) else [objs]:
            for node in find_sequences(obj) if isinstance(obj, nengo.Network) else []:
                names = sorted(node.output.trainable)
                values = self.data.get_params(*((node.output, name) for name in names))
                node.output.parameters.update(zip(names, values, strict=True))

    def _check_data(self, data, batch_size=None, n_steps=None, nodes=True):
        if isinstance(data, dict):
            sizes = {self.get_name(node): node.size_out for node in self.node_inputs}
            for name, x in data.items():
                check_finite(name, x)
                if nodes and name in sizes and len(x.shape) == 3:
                    check_size(name, x.shape[2], sizes[name])
                    if self.windows:
                        self._check_steps(x.shape[1], name)
        if self.windows and n_steps is not None:
            self._check_steps(n_steps, "n_steps")
            n_steps = None
        super()._check_data(data, batch_size=batch_size, n_steps=n_steps, nodes=nodes)

    def _check_steps(self, steps, name):
        if steps != self.window_steps:
            raise ValidationError(
                f"got {steps} steps, expected {self.window_steps}, for which the memory "
                "was built. Use Windowed(n_steps) with the length of the sequences, or "
                "realize(network, Linear()) for any length.",
                attr=name,
            )


class WindowedGraph(nengo_dl.tensor_graph.TensorGraph):
    """NengoDL's graph, run for one step on rows made of whole sequences."""

    def prepare(self, batch_size, n_steps, path):
        """Set how rows are made; before the graph is built."""
        self.batch_size = batch_size
        self.n_steps = n_steps
        self.path = path
        self.use_loop = False
        for builder in self.op_builder.op_builds.values():
            if type(builder) is nengo_dl.op_builders.DotIncBuilder:
                builder.__class__ = RowsDotBuilder

    def build_inputs(self):
        """Keras inputs of shape (batch, n_steps, size) for each input node."""
        inputs = {
            node: tf.keras.layers.Input(
                shape=(self.n_steps, node.size_out),
                batch_size=self.batch_size,
                dtype=self.dtype,
                name=self.io_names[node],
            )
            for node in self.invariant_inputs
        }
        n_steps = tf.keras.layers.Input(
            shape=(1,), batch_size=self.batch_size, dtype="int32", name="n_steps"
        )
        return inputs, n_steps

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs, training=None, progress=None, stateful=False):
        """Fold sequences into rows, run one step, unfold what the probes show."""
        *sequences, n_steps = inputs
        if self.path == "last step":  # latest first: NengoDL takes step 0 of each row
            rows = [tf.reverse(x, [1]) for x in sequences]
        else:
            rows = [tf.reshape(x, (-1, 1, x.shape[-1])) for x in sequences]
        *probed, _ = super().call([*rows, n_steps], training, progress, stateful)
        outputs = [
            self.unfold(p, x) for p, x in zip(self.model.probes, probed, strict=True)
        ]
        return [*outputs, tf.fill((self.batch_size,), self.n_steps)]

    def unfold(self, probe, x):
        """From rows (rows, 1, size) to (batch, steps, size)."""
        if not self.model.sig[probe]["in"].minibatched:
            return x
        x = tf.reshape(x, (self.batch_size, -1, x.shape[-1]))
        keep = nengo_dl.config.get_setting(self.model, "keep_history", True, probe)
        return x if keep else x[:, -1:]

    def build_post(self):
        """Make one input function for each sequence, not for each row."""
        rows, self.minibatch_size = self.minibatch_size, self.batch_size
        try:
            super().build_post()
        finally:
            self.minibatch_size = rows


def find_sequences(network):
    """Nodes that hold a `Sequence`."""
    return [node for node in network.all_nodes if isinstance(node.output, Sequence)]


def find_obstacle(node, incoming):
    """What keeps a memory's input from being a linear function of input nodes, if any."""
    if node.size_in == 0:
        return None
    if not isinstance(node, nengo.Node) or node.output is not None:
        return node
    for conn in incoming[node]:
        plain = isinstance(
            conn.transform, (nengo.Dense, nengo.transforms.NoTransform)
        ) and isinstance(conn.pre_obj, nengo.Node)
        if not plain or conn.synapse or conn.function or conn.learning_rule:
            return conn
        obstacle = find_obstacle(conn.pre_obj, incoming)
        if obstacle is not None:
            return obstacle
    return None


def refuse_state(plan):
    """Raise ValidationError for the first operator that needs to go step by step."""
    for op in (op for operators in plan for op in operators):
        time = {SimPyFunc: "t", nengo_dl.tensor_node.SimTensorNode: "time"}.get(type(op))
        if time and getattr(op, time) is not None:
            reason = "reads the time"
        elif has_state(op):
            reason = "has a state"
        else:
            continue
        raise ValidationError(
            f"{op} {reason}, so it cannot run for all time steps at once beside a "
            "Windowed memory. Use synapse=None, rate neurons and Windowed memories "
            "for training, or realize(network, Linear()) to go step by step.",
            attr="network",
        )


def has_state(op):
    """Whether an operator's output depends on earlier steps."""
    if isinstance(op, TimeUpdate):
        return False
    if isinstance(op, SimNeurons):
        return bool(nengo_dl.compat.neuron_state(op))
    return bool(op.updates) or isinstance(op, SimProcess)


def check_size(name, size, expected):
    """Raise ValidationError if an input node gets data of another size."""
    if size != expected:
        raise ValidationError(
            f"got {size} dimensions, expected {expected}, the size of the node. The "
            "shape of data is (batch, steps, size).",
            attr=name,
        )


def check_finite(name, x):
    """Raise ValidationError if an array holds NaN or infinity."""
    if isinstance(x, np.ndarray) and not np.all(np.isfinite(x)):
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValidationError(
            f"got {x[first]} at {first} (sequence, step, dimension), expected finite "
            "numbers. Clean the data before training.",
            attr=name,
        )
