"""NengoDL's simulator, with windowed memories applied to whole sequences."""

from collections import defaultdict

import nengo
from nengo.exceptions import ValidationError

from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.layers.lmu_cell_sequence import CellSequence
from lmu_nengo.memory.exact import Windowed
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.realization import find_realizable
from lmu_nengo.training._nengo_dl import nengo_dl
from lmu_nengo.training.backend.checks import (
    check_carried,
    check_finite,
    check_replicas,
    check_size,
    find_obstacle,
    find_sequences,
    refuse_loop,
    refuse_state,
)
from lmu_nengo.training.backend.graph import Graph, WindowedGraph, count_replicas
from lmu_nengo.training.backend.operators import (
    SimRandom,
    SimSequence,
    SimWindow,
    windowed_networks,
)
from lmu_nengo.training.backend.spikes import INTEGRATING, use_spikes
from lmu_nengo.training.shuffling import fit_in_order


class Simulator(nengo_dl.Simulator):
    """
    `nengo_dl.Simulator` that also runs `lmu_nengo.Windowed` memories.

    Use it just as NengoDL's. It chooses how to treat time, and prints which way and why
    (unless ``progress_bar=False``). Inputs and targets keep their shape (batch, steps,
    size).
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
        synapses, leaky neurons that spike, learning rules and nodes that read the time
        are refused by name. SpikingRectifiedLinear and RegularSpiking neurons are not.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random.
    minibatch_size : int, optional
        Sequences in a batch. In the scope of a ``tf.distribute`` strategy, those of all
        replicas together, and a multiple of their number.
    spikes_in_training : bool
        Whether spiking neurons fire on the forward pass of training. If not, their rates
        are taken, as in NengoDL. The backward pass takes the rates in either case.
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
        network has a state, steps are to be unrolled, or the batch cannot be divided
        among replicas; in training, if the data have
        another number of steps or another size, or hold a NaN.
    """

    def __init__(
        self,
        network,
        dt=0.001,
        seed=None,
        minibatch_size=None,
        spikes_in_training=False,
        **kwargs,
    ):
        self.closed = None  # NengoDL looks it up at every other attribute
        self.spikes_in_training = spikes_in_training
        self.windows = [
            part
            for part in find_realizable(network)
            if isinstance(part.realization, Windowed)
        ]
        for part in self.windows:
            if isinstance(part, LMUCell):
                part.leave_out_unread(network)
        self.batch_size = minibatch_size or 1
        self.window_steps = self._window_steps()
        self.path, self.path_reason, self._incoming = self._choose_path(network)
        if kwargs.get("progress_bar", True):
            print(f"Time is treated {self.path}: {self.path_reason}.")
        unroll = kwargs.get("unroll_simulation", 1)
        if self.windows and unroll != 1:
            raise ValidationError(
                f"got {unroll}, expected 1: with a Windowed memory each batch is one "
                "simulation step. Leave it out, or realize(network, Linear()).",
                attr="unroll_simulation",
                obj=type(self),
            )
        rows = minibatch_size
        n_replicas = count_replicas()
        if n_replicas > 1:
            check_replicas(self.batch_size, n_replicas, seed, network)
            rows = self.batch_size // n_replicas
        if self.path == "all steps":
            rows = self.batch_size // n_replicas * self.window_steps
        if self.windows:
            windowed_networks.add(network)
        precision = nengo.rc.get("precision", "bits")
        try:
            super().__init__(network, dt=dt, seed=seed, minibatch_size=rows, **kwargs)
        finally:
            windowed_networks.discard(network)
            # NengoDL leaves core Nengo in single precision if it cannot build
            nengo.rc.set("precision", "bits", precision)
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
        refuse_loop(network)
        sequences = find_sequences(network)
        for node in sequences:
            if isinstance(node.output, CellSequence):
                node.output.check_hidden_type()
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
        for ensemble in network.all_ensembles:
            if type(ensemble.neuron_type) in INTEGRATING:
                return "all steps", f"{ensemble} integrates", None
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
        graph = self.tensor_graph
        # NengoDL makes the graph itself; here is the first chance to make it ours
        graph.__class__ = WindowedGraph if self.windows else Graph
        graph.prepare(self.batch_size, self._iterations)
        if self.windows or graph.n_replicas > 1:
            self.minibatch_size = self.batch_size
            stateful = nengo_dl.config.get_setting(self.model, "stateful", False)
            self.stateful = stateful and graph.n_replicas == 1
        if self.windows:
            refuse_state(graph.plan)
            sequences = [
                op
                for op in self.model.operators
                if isinstance(op, (SimWindow, SimSequence)) and self.stateful
            ]
            graph.prepare_windows(self.window_steps, self.path, check_carried(sequences))
        nodes = {self.model.sig[n]["out"]: n for n in self.model.toplevel.all_nodes}
        for place, op in enumerate(self.model.operators):
            if isinstance(op, SimWindow):
                op.graph = graph
                op.node = nodes[op.output]
                op.incoming = self._incoming
            elif isinstance(op, SimSequence):
                op.n_steps = self.window_steps
            elif isinstance(op, SimRandom):
                op.graph = graph
                op.place = place
        n_steps = self.window_steps if self.path == "all steps" else None
        use_spikes(graph.op_builder, n_steps, self.spikes_in_training)
        super()._build_keras(progress)
        fit = self.keras_model.fit  # NengoDL checks the data before it calls it
        self.keras_model.fit = lambda **kwargs: fit_in_order(fit, self.seed, **kwargs)

    def _iterations(self):
        """Batches trained so far; ``None`` before ``compile``."""
        optimizer = getattr(self.keras_model, "optimizer", None)
        return None if optimizer is None else optimizer.iterations

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
                node.output.update(dict(zip(names, values, strict=True)))

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
