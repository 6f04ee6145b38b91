"""NengoDL's simulator, with windowed memories applied to whole sequences."""

from functools import partial
from typing import Any

import nengo
import tensorflow as tf
from nengo.exceptions import ValidationError

from lmu_nengo.layers.lmu_cell import STATE_SPACE
from lmu_nengo.training import _nengo_dl
from lmu_nengo.training.backend.checks import check_finite, check_replicas, check_size
from lmu_nengo.training.backend.graph import Graph, WindowedGraph, count_replicas
from lmu_nengo.training.backend.operators import Model
from lmu_nengo.training.backend.plan import make_plan
from lmu_nengo.training.shuffling import fit_in_order


class Simulator(_nengo_dl.Simulator):
    """
    `nengo_dl.Simulator` that also runs `lmu_nengo.Windowed` memories.

    Use it just as NengoDL's. Inputs and targets keep their shape (batch, steps, size). It
    chooses how to treat time and prints its choice, unless ``progress_bar=False``. With
    windowed memories every batch is one simulation step, computed in one of two ways:

    - ``"last step"``, the faster: if no probe keeps its history
      (``nengo_dl.configure_settings(keep_history=False)``) and only linear connections
      lead to the memories, each batch is one row per sequence;
    - ``"all steps"``: otherwise time is folded into the batch, one row per sequence and
      step.

    Without a windowed memory it is NengoDL's simulator, ``"step by step"``.

    Parameters
    ----------
    network : nengo.Network
        The network; building the simulator does not change it. With windowed memories,
        nothing else in it may have a state: synapses, leaky neurons that spike, learning
        rules and nodes that read the time are refused by name. SpikingRectifiedLinear and
        RegularSpiking neurons are allowed.
    dt : float
        Simulation step in seconds.
    seed : int, optional
        Seed of everything random.
    minibatch_size : int, optional
        Sequences in a batch. In the scope of a ``tf.distribute`` strategy, those of all
        replicas together, and a multiple of their number.
    spikes_in_training : bool
        Whether spiking neurons fire on the forward pass of training. If not, their rates
        are used, as in NengoDL. The backward pass uses the rates in either case.
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

    See Also
    --------
    Checkpoint : Resumes interrupted training.

    Examples
    --------
    A memory learns to give back its input of 20 steps before:

    >>> import nengo
    >>> import numpy as np
    >>> import lmu_nengo
    >>> from lmu_nengo.training import Simulator
    >>> with nengo.Network(seed=0) as model:
    ...     u = nengo.Node([0])
    ...     memory = lmu_nengo.LegendreMemory(theta=0.02, order=6)
    ...     connection = nengo.Connection(u, memory.input, synapse=None)
    ...     delayed = nengo.Node(size_in=1)
    ...     readout = nengo.Connection(
    ...         memory.output, delayed, transform=np.zeros((1, 6)), synapse=None
    ...     )
    ...     probe = nengo.Probe(delayed)
    >>> signal = nengo.processes.WhiteSignal(1.0, high=20, rms=0.5, y0=0, seed=0)
    >>> x = signal.run(1.0).reshape(1, 1000, 1)
    >>> y = np.roll(x, 20, axis=1)
    >>> lmu_nengo.realize(model, lmu_nengo.Windowed(n_steps=1000))
    >>> with Simulator(model, seed=0, progress_bar=False) as sim:
    ...     sim.compile("sgd", loss={probe: "mse"})
    ...     before = sim.evaluate(x, {probe: y}, verbose=0)["loss"]
    ...     history = sim.fit(x, {probe: y}, epochs=20, verbose=0)
    ...     sim.freeze_params(model)
    >>> history.history["loss"][-1] < before
    True
    >>> lmu_nengo.realize(model, lmu_nengo.Linear())  # now it runs anywhere
    """

    def __init__(
        self,
        network: nengo.Network,
        dt: float = 0.001,
        seed: int | None = None,
        minibatch_size: int | None = None,
        spikes_in_training: bool = False,
        **kwargs: Any,
    ):
        self.closed = None  # NengoDL looks it up at every other attribute
        self.spikes_in_training = spikes_in_training
        self.plan = make_plan(network)
        unroll = kwargs.get("unroll_simulation", 1)
        if self.plan.n_steps is not None and unroll != 1:
            raise ValidationError(
                "must be 1 with a Windowed memory, as each batch is one simulation step, "
                f"got {unroll}. Leave it out, or call realize(network, Linear()).",
                attr="unroll_simulation",
                obj=type(self),
            )
        n_replicas = count_replicas()
        if n_replicas > 1:
            check_replicas(minibatch_size or 1, n_replicas, seed, network)
        if kwargs.get("progress_bar", True):
            print(f"Training path: {self.path} ({self.path_reason}).")
        super().__init__(
            network,
            dt=dt,
            seed=seed,
            minibatch_size=minibatch_size,
            make_model=partial(Model, plan=self.plan),
            make_graph=self._make_graph,
            **kwargs,
        )

    @property
    def path(self) -> str:
        """How time is treated."""
        return self.plan.path

    @property
    def path_reason(self) -> str:
        """Why time is treated in this way."""
        return self.plan.reason

    def _make_graph(self, *args):
        """Make NengoDL's graph, or the one for whole sequences."""
        options = dict(
            iterations=self._iterations, spikes_in_training=self.spikes_in_training
        )
        is_windowed = self.plan.n_steps is not None
        if is_windowed or count_replicas() > 1:
            stateful = _nengo_dl.get_setting(self.model, "stateful", False)
            self.stateful = stateful and count_replicas() == 1
        if is_windowed:
            return WindowedGraph(*args, stateful=self.stateful, **options)
        return Graph(*args, **options)

    def _iterations(self):
        """Batches trained so far; ``None`` before ``compile``."""
        optimizer = getattr(self.keras_model, "optimizer", None)
        return None if optimizer is None else optimizer.iterations

    def make_keras_model(self, inputs, outputs):
        """Make the Keras model, which shuffles arrays in an order that can be repeated."""
        return KerasModel(inputs=inputs, outputs=outputs, name="keras_model")

    def freeze_params(self, objs) -> None:
        """
        Write the trained parameters back into the network.

        Parameters
        ----------
        objs : nengo.Network or Ensemble or Connection, or list of them
            What to write to, as for `nengo_dl.Simulator.freeze_params`.
        """
        super().freeze_params(objs)
        objs = objs if isinstance(objs, (list, tuple)) else [objs]
        networks = [obj for obj in objs if isinstance(obj, nengo.Network)]
        for network in networks:
            nodes = set(network.all_nodes)
            for process, node in self.plan.nodes.items():
                if node in nodes and process.trainable:
                    process.update(self._trained(process, process.trainable))
            cells = {network, *network.all_networks} & self.plan.cells.keys()
            for cell in cells:
                # its paths are connections, which NengoDL has frozen
                trained = self._trained(cell, cell.trainable.intersection(STATE_SPACE))
                cell.weights = {**cell.weights, **trained}

    def _trained(self, owner, names):
        """Present values of parameters that are not those of connections or neurons."""
        names = sorted(names)
        values = self.data.get_params(*((owner, name) for name in names))
        return dict(zip(names, values, strict=True))

    def check_data(self, data, n_steps, is_input):
        """Check sizes, and that numbers are finite."""
        is_windowed = self.plan.n_steps is not None
        if isinstance(data, dict):
            sizes = {self.get_name(node): node.size_out for node in self.node_inputs}
            for name, x in data.items():
                check_finite(name, x)
                if is_input and name in sizes and len(x.shape) == 3:
                    check_size(name, x.shape[2], sizes[name])
                    if is_windowed:
                        self._check_steps(x.shape[1], name)
        if is_windowed and n_steps is not None:
            self._check_steps(n_steps, "n_steps")
            return None
        return n_steps

    def _check_steps(self, steps, name):
        if steps != self.plan.n_steps:
            raise ValidationError(
                f"the data must have {self.plan.n_steps} steps, for which the memory was "
                f"built, got {steps}. Use Windowed(n_steps) with the length of the "
                "sequences, or realize(network, Linear()) for any length.",
                attr=name,
            )


class KerasModel(tf.keras.Model):
    """The Keras model of a simulator; its order of the data follows from the seed."""

    def fit(self, **kwargs):
        """Train; NengoDL has checked the data."""
        seed = self.get_layer("TensorGraph").seed
        return fit_in_order(super().fit, seed, **kwargs)
