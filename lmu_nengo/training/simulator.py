"""NengoDL's simulator, with windowed memories applied to whole sequences."""

from collections.abc import Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import nengo
import numpy as np
import tensorflow as tf
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import check_flag, check_integer, check_mapping
from lmu_nengo._warnings import warn
from lmu_nengo.layers.lmu_cell import STATE_SPACE
from lmu_nengo.training import _nengo_dl
from lmu_nengo.training.backend.arguments import (
    check_objects,
    check_run,
    check_settings,
)
from lmu_nengo.training.backend.checks import (
    check_replicas,
    check_target,
    refuse_reversed,
)
from lmu_nengo.training.backend.graph import Graph, WindowedGraph, count_replicas
from lmu_nengo.training.backend.operators import Model
from lmu_nengo.training.lengths import by_probe, is_ragged, make_batch
from lmu_nengo.training.plan.checks import (
    check_numbers,
    check_size,
    warn_of_theta,
    warn_of_untrained,
    warn_of_zeros,
)
from lmu_nengo.training.plan.operators import LOG_THETA
from lmu_nengo.training.plan.paths import make_plan
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
        The network; building the simulator does not change it, but training does. With
        windowed memories, nothing else in it may have a state: synapses, leaky neurons
        that spike, learning rules and nodes that read the time are refused by name.
        SpikingRectifiedLinear and RegularSpiking neurons are allowed.
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
    write_back : bool
        Whether ``fit`` writes the trained parameters into the network when it ends, so
        that what is used afterwards is what was trained. If not, they are lost when the
        simulator is closed, unless ``freeze_params`` is called.
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
        write_back: bool = True,
        **kwargs: Any,
    ):
        self.closed = None  # NengoDL looks it up at every other attribute
        flags = dict(spikes_in_training=spikes_in_training, write_back=write_back)
        check_settings(network, dt, seed, minibatch_size, **flags)
        self.spikes_in_training, self.write_back = spikes_in_training, write_back
        self._running = False
        refuse_reversed(network)
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
    def steps_in_one(self) -> int:
        """Steps that one step of NengoDL's graph stands for."""
        return 1 if self.plan.n_steps is None else self.plan.n_steps

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

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        n_steps: int | None = None,
        stateful: bool = False,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        skip: int = 0,
        class_weight: Mapping | None = None,
        **kwargs: Any,
    ) -> tf.keras.callbacks.History:
        """
        Train; the network then has the trained parameters, unless it was declined.

        Parameters
        ----------
        x, y : array or list or dict
            Inputs and targets, as for `nengo_dl.Simulator.fit`; or, for a node and a
            probe, lists of sequences of shape (n_steps, size). Targets of the last step
            have the shape (n, 1, size).
        n_steps, stateful : optional
            As for `nengo_dl.Simulator.fit`.
        lengths, mask, skip, class_weight : optional
            As for `Trainer.fit`.
        **kwargs
            As for Keras: ``epochs``, ``validation_data``, of the same form as ``x`` and
            ``y``, ``callbacks``...

        Returns
        -------
        history : tf.keras.callbacks.History
            The losses of each epoch.

        Raises
        ------
        ValidationError
            If lengths or sizes do not fit, or nothing is left of any sequence.
        """
        check_run(x, n_steps, stateful)
        check_run(y)
        skip = check_integer(skip, "skip", low=0, high=2**31 - 1)
        is_missing = y is None or (isinstance(y, Mapping) and not y)
        if is_missing and not hasattr(x, "element_spec"):
            raise ValidationError("must be given: targets by probe.", attr="y")
        if class_weight is not None:
            check_mapping(class_weight, "class_weight", "weights by class")
        options = dict(lengths=lengths, mask=mask, skip=skip or None)
        batch = self._batch(x, y, class_weight=class_weight, **options)
        if batch is not None:
            x, y = batch.x, batch.y
            self._set_weights(kwargs, batch)
            validation = kwargs.get("validation_data")
            if isinstance(validation, tuple | list) and len(validation) == 2:
                own = self._batch(*validation, skip=skip or None, is_needed=True)
                kwargs["validation_data"] = own.x, own.y, own.weights
        if length := self._length_of(x):
            warn_of_theta(self.model.toplevel, length)
        warn_of_untrained(self.model.toplevel)
        try:
            history = super().fit(x, y, n_steps=n_steps, stateful=stateful, **kwargs)
        except KeyboardInterrupt:  # what was trained until then is kept
            self.write()
            raise
        self.write()
        return history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        n_steps: int | None = None,
        stateful: bool = False,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        skip: int = 0,
        **kwargs: Any,
    ) -> dict[str, float]:
        """
        Compute losses and metrics.

        Parameters
        ----------
        x, y, n_steps, stateful, lengths, mask, skip : optional
            As for ``fit``.
        **kwargs
            As for Keras.

        Returns
        -------
        values : dict of {str: float}
            By name.
        """
        check_run(x, n_steps, stateful)
        check_run(y)
        skip = check_integer(skip, "skip", low=0, high=2**31 - 1)
        batch = self._batch(x, y, lengths=lengths, mask=mask, skip=skip or None)
        if batch is not None:
            x, y = batch.x, batch.y
            self._set_weights(kwargs, batch)
        return super().evaluate(x, y, n_steps=n_steps, stateful=stateful, **kwargs)

    def predict(
        self,
        x: Any = None,
        n_steps: int | None = None,
        stateful: bool = False,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        **kwargs: Any,
    ) -> dict[nengo.Probe, Any]:
        """
        Compute what the probes show.

        Parameters
        ----------
        x, n_steps, stateful, lengths, mask : optional
            As for ``fit``. There may be any number of sequences of different lengths.
        **kwargs
            As for Keras.

        Returns
        -------
        values : dict of {nengo.Probe: ndarray or list of ndarray}
            Arrays of shape (n, n_steps, size), or (n, 1, size) for probes that keep no
            history. For sequences of different lengths a list of arrays of shape (n_steps,
            size) instead of the former.
        """
        check_run(x, n_steps, stateful)
        batch = self._batch(x, lengths=lengths, mask=mask)
        if batch is None:
            return super().predict(x, n_steps=n_steps, stateful=stateful, **kwargs)
        n_steps = next(iter(batch.x.values())).shape[1]
        values = super().predict(batch.x, stateful=stateful, **kwargs)

        def own(array):
            array = array[: len(batch.lengths)]
            if array.shape[1] != n_steps:
                return array
            return [y[-n:] for y, n in zip(array, batch.lengths, strict=True)]

        return {probe: own(array) for probe, array in values.items()}

    def _batch(self, x, y=None, class_weight=None, is_needed=False, **options):
        """Data padded and weighted; None for arrays without any option."""
        nodes = list(self.node_inputs)
        if is_ragged(x):
            x = {nodes[0]: x}
        if is_ragged(y):
            y = {self.model.probes[0]: y}
        values = list(x.values()) if isinstance(x, dict) else []
        given = any(option is not None for option in options.values())
        if not (given or class_weight or is_needed or any(map(is_ragged, values))):
            return None
        y = self.by_name(y, self.model.probes)
        if class_weight:
            class_weight = by_probe(class_weight, list(y or ()), type(self))
            class_weight = self.by_name(class_weight, self.model.probes)
        batch = make_batch(
            self.by_name(x, nodes),
            y,
            class_weight=class_weight,
            n_steps=self.plan.n_steps,
            multiple=self.minibatch_size,
            **options,
        )
        if len(set(batch.lengths)) > 1:
            warn_of_zeros(self.model.toplevel)
        return batch

    def _set_weights(self, kwargs, batch):
        """Give Keras the weights of a batch."""
        if kwargs.get("sample_weight") is not None:
            raise ValidationError(
                "cannot be combined with sequences of different lengths, skip or "
                "class_weight, which weight the samples themselves.",
                attr="sample_weight",
                obj=type(self),
            )
        kwargs["sample_weight"] = batch.weights

    def _length_of(self, x):
        """Steps of the sequences in the data, or None."""
        values = next(iter(x.values()), None) if isinstance(x, dict) else x
        return np.shape(values)[1] if np.ndim(values) == 3 else self.plan.n_steps

    def run_steps(self, n_steps: int, *args: Any, **kwargs: Any) -> None:
        """
        Run some steps, as `nengo_dl.Simulator.run_steps`.

        Steps count also where no state is kept.

        Parameters
        ----------
        n_steps : int
            Number of steps.
        *args, **kwargs
            ``data``, ``progress_bar``, ``stateful``.
        """
        data = args[0] if args else kwargs.get("data")
        check_run(data, check_integer(n_steps, "n_steps"))
        self._running = True
        try:
            super().run_steps(n_steps, *args, **kwargs)
        finally:
            self._running = False

    def predict_on_batch(
        self, x: Any = None, n_steps: int | None = None, stateful: bool = False, **kwargs
    ) -> dict[nengo.Probe, np.ndarray]:
        """Compute what the probes show for one batch, as `nengo_dl.Simulator` does."""
        values = super().predict_on_batch(x, n_steps=n_steps, stateful=stateful, **kwargs)
        if self._running and not self.stateful:
            self.count_steps(self.n_steps + n_steps)  # NengoDL looks it up next
        return values

    def load_params(self, *args, **kwargs) -> None:
        """Load parameters as `nengo_dl.Simulator` does, into the network as well."""
        super().load_params(*args, **kwargs)
        self.write()

    def write(self) -> None:
        """Write what is trained into the network, unless ``write_back`` is False."""
        if not self.write_back:
            return
        network, problem = self.model.toplevel, None
        if not all(np.isfinite(w).all() for w in self.keras_model.trainable_weights):
            problem = "they are not finite"
        else:
            try:
                objects = [*network.all_ensembles, *network.all_connections]
                trained = [obj for obj in objects if self._is_trained(obj)]
                with kept_shapes(trained):
                    super().freeze_params(trained)
                self._write_own(network)
            except (KeyError, NotImplementedError, ValueError) as error:
                problem = f"{type(error).__name__}: {error}"
        if problem:
            warn(
                f"the trained parameters were not written into the network ({problem}). "
                "What is run or saved next is what was there before."
            )

    def _is_trained(self, obj):
        """Whether the parameters of an ensemble or a connection are trained."""
        places = [(obj, "weights")]
        if isinstance(obj, nengo.Ensemble):
            places = [(obj, "encoders"), (obj.neurons, "bias")]
        signals = [self.model.sig[owner].get(name) for owner, name in places]
        return any(getattr(signal, "trainable", False) for signal in signals)

    def freeze_params(self, objs) -> None:
        """
        Write the present parameters into the network, also those that are not trained.

        ``fit`` does so with those that are.

        Parameters
        ----------
        objs : nengo.Network or Ensemble or Connection, or list of them
            What to write to, as for `nengo_dl.Simulator.freeze_params`.
        """
        objs = objs if isinstance(objs, (list, tuple)) else [objs]
        check_objects(objs)
        networks = [obj for obj in objs if isinstance(obj, nengo.Network)]
        own = {self.model.toplevel, *self.model.toplevel.all_networks}
        if not own.issuperset(networks):
            raise ValidationError(
                "must be the network of this simulator or parts of it.", "objs", type(self)
            )
        single = [obj for obj in objs if obj not in networks]
        inside = []
        for network in networks:
            found = [*network.all_ensembles, *network.all_connections]
            # what another realization has added since then has no parameters here
            inside += [obj for obj in found if obj in self.model.params]
        with kept_shapes([*single, *inside]):
            super().freeze_params(single)
            for obj, params in zip(inside, self.get_nengo_params(inside), strict=True):
                for name, value in params.items():
                    setattr(obj, name, value)
        for network in networks:
            self._write_own(network)

    def _write_own(self, network):
        """Write parameters that are not those of connections or ensembles."""
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
        names = sorted(LOG_THETA if name == "theta" else name for name in names)
        values = self.data.get_params(*((owner, name) for name in names))
        trained = dict(zip(names, values, strict=True))
        if LOG_THETA in trained:
            trained["theta"] = np.exp(trained.pop(LOG_THETA), dtype=np.float64)
        return trained

    def check_data(self, data, n_steps, is_input):
        """Check sizes, and that numbers are finite."""
        check_flag(is_input, "is_input")
        if n_steps is not None:
            n_steps = check_integer(n_steps, "n_steps")
        is_windowed = self.plan.n_steps is not None
        if isinstance(data, dict):
            sizes = {self.get_name(node): node.size_out for node in self.node_inputs}
            for name, x in data.items():
                check_numbers(name, x, self.tensor_graph.dtype)
                if is_input and name in sizes and len(x.shape) == 3:
                    check_size(name, x.shape[2], sizes[name])
                    if is_windowed:
                        self._check_steps(x.shape[1], name)
            if is_input and "n_steps" in data:
                self._shown = int(data["n_steps"][0, 0])
            elif not is_input:
                self._check_targets(data)
        if is_windowed and n_steps is not None:
            self._check_steps(n_steps, "n_steps")
            return None
        return n_steps

    def _check_targets(self, data):
        """Check that targets have the shape of what the probes show."""
        for probe in self.model.probes:
            name = self.get_name(probe)
            loss = (self.losses or {}).get(name)
            if loss is None or name not in data or len(data[name].shape) != 3:
                continue
            keeps = _nengo_dl.get_setting(self.model, "keep_history", True, probe)
            n_steps = self._shown if keeps else 1
            check_target(name, data[name].shape, n_steps, probe.size_in, loss)

    def _check_steps(self, steps, name):
        if steps != self.plan.n_steps:
            raise ValidationError(
                f"the data must have {self.plan.n_steps} steps, for which the memory was "
                f"built, got {steps}. Use Windowed(n_steps) with the length of the "
                "sequences, or realize(network, Linear()) for any length.",
                attr=name,
            )


@contextmanager
def kept_shapes(objects):
    """Let matrices of one element stay matrices, which NengoDL makes numbers of."""
    matrices = [
        obj
        for obj in objects
        if isinstance(obj, nengo.Connection)
        and isinstance(obj.transform, nengo.Dense)
        and np.shape(obj.transform.init) == (1, 1)
    ]
    yield
    for conn in matrices:
        if isinstance(conn.transform, nengo.Dense) and np.ndim(conn.transform.init) == 0:
            conn.transform = np.reshape(conn.transform.init, (1, 1))


class KerasModel(tf.keras.Model):
    """The Keras model of a simulator; its order of the data follows from the seed."""

    def fit(self, **kwargs):
        """Train; NengoDL has checked the data."""
        seed = self.get_layer("TensorGraph").seed
        return fit_in_order(super().fit, seed, **kwargs)
