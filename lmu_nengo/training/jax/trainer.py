"""Training of Nengo networks with JAX alone."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import nengo
import numpy as np
import optax
from nengo.exceptions import SimulationError, ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import (
    check_flag,
    check_integer,
    check_mapping,
    check_network,
    check_positive,
    check_seed,
    show,
)
from lmu_nengo._warnings import warn
from lmu_nengo.engine.devices import Devices, choose_devices
from lmu_nengo.training.jax.batches import Batches
from lmu_nengo.training.jax.data import check_callbacks, order_of
from lmu_nengo.training.jax.history import History
from lmu_nengo.training.jax.network.model import Built
from lmu_nengo.training.jax.network.program import Forward
from lmu_nengo.training.jax.network.spikes import check_surrogate
from lmu_nengo.training.jax.network.writing import write
from lmu_nengo.training.jax.objective import find_objective, find_optimizer
from lmu_nengo.training.jax.reader import Reader
from lmu_nengo.training.jax.steps import Steps, predictor
from lmu_nengo.training.plan.checks import warn_of_theta, warn_of_untrained
from lmu_nengo.training.plan.paths import make_plan

NOT_FINITE = (
    "The loss is {} in epoch {}. The network stays as it was before this call: make a new "
    "trainer of it, with a smaller learning rate, or with bounded gradients: "
    "optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.001)). Through spikes, take "
    "the surrogate 'triangle' if the neurons are leaky."
)


class Trainer:
    """
    Train a Nengo network with JAX, without TensorFlow or NengoDL.

    It has the words of `nengo_dl.Simulator`, trains the same parameters, and computes the
    same. Inputs are arrays of shape (batch, steps, size) by node, targets by probe. It
    chooses how to treat time and prints its choice, unless ``progress_bar=False``:

    - ``"last step"``: if a memory is `lmu_nengo.Windowed`, no probe keeps its history
      (``configure_settings(keep_history=False)``) and only linear connections lead to the
      memories. The memory is applied to the data once, before training;
    - ``"all steps"``: with a windowed memory otherwise, time is folded into the batch;
    - ``"step by step"``: without a windowed memory, through time, synapses and spikes.

    Parameters
    ----------
    network : nengo.Network
        The network; training changes it, unless ``write_back`` is False.
    dt : float
        Simulation step in seconds.
    seed : int, optional
        Seed of the order of the data, dropout and noise. The same seed gives the same
        result, bit for bit.
    minibatch_size : int
        Sequences in a batch.
    surrogate : str or function
        How gradients get through spikes. ``"rates"``: training computes the rates of
        spiking neurons, as NengoDL does. ``"triangle"``, ``"fast_sigmoid"``, ``"arctan"``,
        ``"straight_through"``, or a function of the voltage beyond the threshold: neurons
        spike in training, step by step, and this stands for the derivative of a spike.
    spikes_in_training : bool
        With ``surrogate="rates"``, whether spiking neurons fire on the forward pass of
        training, while the backward pass uses their rates.
    write_back : bool
        Whether ``fit`` writes the trained parameters into the network when it ends.
    progress_bar : bool
        Whether the path and the epochs are printed.
    devices : list of jax.Device, optional
        A batch is divided among them; by default all of JAX's, or as many as a batch can
        be divided by.

    Attributes
    ----------
    path : {"step by step", "all steps", "last step"}
        How time is treated.
    path_reason : str
        Why.
    parameters : list of array
        What is trained, in the order of ``places``.
    places : list of tuple of (object, str)
        Objects and names of what is trained, such as ``(connection, "weights")``.

    Raises
    ------
    ValidationError
        If an argument is out of range, or the network cannot be trained in this way.

    See Also
    --------
    Simulator : The same with NengoDL.

    Examples
    --------
    A memory learns to give back its input of 20 steps before:

    >>> import nengo
    >>> import numpy as np
    >>> import lmu_nengo
    >>> from lmu_nengo.training import Trainer
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
    >>> trainer = Trainer(model, seed=0, progress_bar=False)
    >>> trainer.compile("sgd", loss={probe: "mse"})
    >>> before = trainer.evaluate(x, {probe: y})["loss"]
    >>> history = trainer.fit(x, {probe: y}, epochs=20)
    >>> history.history["loss"][-1] < before
    True
    >>> lmu_nengo.realize(model, lmu_nengo.Linear())  # now it runs anywhere
    """

    def __init__(
        self,
        network: nengo.Network,
        dt: float = 0.001,
        seed: int | None = None,
        minibatch_size: int = 1,
        surrogate: str | Callable = "rates",
        spikes_in_training: bool = False,
        write_back: bool = True,
        progress_bar: bool = True,
        devices: list | None = None,
    ):
        check_network(network)
        self.dt = check_positive(dt, "dt", obj=type(self))
        self.minibatch_size = check_integer(
            minibatch_size, "minibatch_size", obj=type(self)
        )
        check_seed(seed, obj=type(self))
        for attr, flag in (
            ("spikes_in_training", spikes_in_training),
            ("write_back", write_back),
            ("progress_bar", progress_bar),
        ):
            check_flag(flag, attr, obj=type(self))
        self.network, self.write_back, self.progress_bar = network, write_back, progress_bar
        drawn = int(np.random.default_rng().integers(2**31))
        self.seed = drawn if seed is None else int(seed)
        self.plan = make_plan(network)
        self.built = Built(network, self.dt, self.plan)
        options = dict(
            spikes_in_training=spikes_in_training,
            surrogate=check_surrogate(surrogate, type(self)),
        )
        if options["surrogate"] is not None and self.plan.n_steps is not None:
            raise ValidationError(
                "must be 'rates' with Windowed memories, as gradients through spikes go "
                f"step by step, got {surrogate!r}. Call realize(network, Linear()) or "
                "realize(network, Spiking()) first.",
                attr="surrogate",
                obj=type(self),
            )
        forward = {
            is_training: Forward(self.built, is_training, **options)
            for is_training in (True, False)
        }
        self.places = list(self.built.trained)
        self.devices = Devices(choose_devices(devices, self.minibatch_size, True))
        if self.devices.is_shared and seed is None:
            raise ValidationError(
                "must be given if several processes train one network.",
                attr="seed",
                obj=type(self),
            )
        self.parameters = [
            self.devices.put(np.asarray(signal.initial_value, np.float32))
            for signal in self.built.trained.values()
        ]
        probes = self.built.model.probes
        keeps = dict(zip(probes, forward[True].keeps, strict=True))
        args = network, forward[True].nodes, keeps, self.plan.n_steps, type(self)
        self.reader = Reader(*args)
        self.batches = Batches(forward, self.devices, self.minibatch_size)
        self.iterations = 0
        self.optimizer_state: Any = None
        self._steps: Steps | None = None
        self._predict = predictor(forward[False])
        if progress_bar:
            print(f"Training path: {self.path} ({self.path_reason}).")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing is kept open."""

    @property
    def path(self) -> str:
        """How time is treated."""
        return self.plan.path

    @property
    def path_reason(self) -> str:
        """Why time is treated in this way."""
        return self.plan.reason

    @property
    def n_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(int(np.prod(x.shape)) for x in self.parameters)

    def compile(
        self,
        optimizer: str | optax.GradientTransformation = "adam",
        loss: Mapping | str | Callable = "mse",
        metrics: Mapping | str | None = None,
        loss_weights: Mapping | None = None,
        change_inputs: Callable | None = None,
    ) -> None:
        """
        Choose optimizer, losses and metrics.

        Parameters
        ----------
        optimizer : str or optax.GradientTransformation
            ``"adam"`` or ``"sgd"`` with the settings of Keras, or any of optax, with or
            without a schedule.
        loss : dict of {nengo.Probe: str or function}
            ``"mse"``, ``"mae"``, ``"sparse_categorical_crossentropy"``,
            ``"categorical_crossentropy"`` (both of outputs before the softmax), or a
            function ``loss(y_true, y_pred)`` of JAX arrays of shape (batch, steps, size)
            that returns a number or an array of shape (batch, steps). One loss is that of
            the first probe.
        metrics : dict of {nengo.Probe: str or function or list of these}, optional
            The same, and ``"accuracy"``.
        loss_weights : dict of {nengo.Probe: float}, optional
            Factors of the losses, by default 1.
        change_inputs : function, optional
            Changes the inputs of a batch before each step of training:
            ``change_inputs(inputs, loss)`` gets arrays by number, and the loss of the batch
            outside of training as a function of them, and returns such arrays. They are
            those of ``features(x)``: with ``"last step"``, the last values and the
            coefficients of the memories.

        Raises
        ------
        ValidationError
            If a name is not known.
        """
        probes = self.reader.probes
        optimizer = find_optimizer(optimizer, type(self))
        objective = find_objective(loss, metrics, loss_weights, probes, type(self))
        needing = objective.needing
        self.reader.needing = {probe for i, probe in enumerate(probes) if i in needing}
        forward = self.batches.forward
        self._steps = Steps(forward, *objective, optimizer, change_inputs)
        self.optimizer_state = jax.jit(optimizer.init)(self.parameters)
        self.iterations = 0

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        epochs: int = 1,
        initial_epoch: int = 0,
        validation_data: tuple | None = None,
        callbacks: Iterable = (),
        shuffle: bool = True,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        skip: int = 0,
        sample_weight: Mapping | ArrayLike | None = None,
        class_weight: Mapping | None = None,
    ) -> History:
        """
        Train; the network then has the trained parameters, unless it was declined.

        Each epoch trains on whole batches, in an order that follows from the seed and the
        number of the epoch; what is left after the last whole batch is left out.

        Parameters
        ----------
        x : array or list or dict of {nengo.Node: array or list}
            Inputs of shape (n, n_steps, size), or lists of sequences of shape (n_steps,
            size), which are padded at the front and count as long as they are.
        y : dict of {nengo.Probe: array or list}
            Targets, of shape (n, n_steps, size), or (n, 1, size) for probes that keep no
            history. Classes have the size 1.
        epochs : int
            Number of the epoch to end with.
        initial_epoch : int
            Epochs that have been trained before.
        validation_data : tuple of (x, y), optional
            Evaluated after each epoch.
        callbacks : iterable of function
            Called as ``callback(epoch, logs)`` after each epoch; if one returns True,
            training ends. See `Checkpoint` and `EarlyStopping`.
        shuffle : bool
            Whether the order of the data changes from epoch to epoch.
        lengths : array_like of int of shape (n,), optional
            Steps of each sequence in arrays of shape (n, n_steps, size), from the first.
        mask : array_like of bool of shape (n, n_steps), optional
            Instead of ``lengths``: which steps belong to the sequence.
        skip : int
            Steps at the start of each sequence that are left out of the losses of probes
            with targets for each step.
        sample_weight : array or dict of {nengo.Probe: array}, optional
            What each sequence counts, of shape (n,), or each step, (n, n_steps).
        class_weight : dict, optional
            What each class counts, {class: weight}; for several probes with classes as
            targets {probe: {class: weight}}.

        Returns
        -------
        history : History
            The losses and metrics of each epoch, in ``history.history``.

        Raises
        ------
        ValidationError
            If the data do not fit, or ``compile`` has not been called.
        SimulationError
            If the loss is not finite; the network stays as it was.
        """
        self.need_compiled()
        epochs = check_integer(epochs, "epochs", high=2**31 - 1, obj=type(self))
        initial_epoch = check_integer(initial_epoch, "initial_epoch", low=0, obj=type(self))
        callbacks = check_callbacks(callbacks, type(self))
        check_flag(shuffle, "shuffle", obj=type(self))
        skip = check_integer(skip, "skip", low=0, high=2**31 - 1, obj=type(self))
        if class_weight is not None:
            check_mapping(class_weight, "class_weight", "weights by class", type(self))
        given = dict(lengths=lengths, mask=mask, skip=skip or None)
        data = self.reader.read(x, y, sample_weight, class_weight, **given)
        warn_of_theta(self.network, data.n_steps)
        warn_of_untrained(self.network)
        validation = None
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise ValidationError(
                    "must be a tuple of inputs and targets (x, y), got "
                    f"{show(validation_data)}.",
                    attr="validation_data",
                    obj=type(self),
                )
            validation = self.reader.read(*validation_data, skip=skip or None)
            validation = self.batches.ahead(validation)
        batch = self.minibatch_size
        if data.n < batch:
            raise ValidationError(
                f"must have at least {batch} sequences, a batch, got {data.n}. Use a "
                "smaller minibatch_size.",
                attr="x",
                obj=type(self),
            )
        data = self.batches.ahead(data)
        history, is_lost = History(), False
        for callback in callbacks:
            if hasattr(callback, "on_train_begin"):
                callback.on_train_begin(self, initial_epoch)
        try:
            for epoch in range(initial_epoch, epochs):
                start = time.perf_counter()
                logs = self._train_epoch(data, order_of(data.n, self.seed, epoch, shuffle))
                if is_lost := not np.isfinite(logs["loss"]):
                    raise SimulationError(NOT_FINITE.format(logs["loss"], epoch + 1))
                if validation is not None:
                    found = self._evaluate(validation)
                    logs.update({f"val_{name}": value for name, value in found.items()})
                history.add(epoch, logs)
                if self.progress_bar:
                    seconds = time.perf_counter() - start
                    values = ", ".join(f"{k} {v:.4g}" for k, v in logs.items())
                    print(f"Epoch {epoch + 1}/{epochs}, {seconds:.1f} s: {values}")
                if any([callback(epoch, logs) is True for callback in callbacks]):
                    break
        finally:  # what was trained until then is kept
            if not is_lost:
                self.write()
        return history

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        lengths: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        skip: int = 0,
    ) -> dict[str, float]:
        """
        Compute losses and metrics.

        Parameters
        ----------
        x, y, lengths, mask, skip : optional
            As for ``fit``.

        Returns
        -------
        values : dict of {str: float}
            By name.
        """
        self.need_compiled()
        skip = check_integer(skip, "skip", low=0, high=2**31 - 1, obj=type(self))
        given = dict(lengths=lengths, mask=mask, skip=skip or None)
        return self._evaluate(self.reader.read(x, y, **given))

    def predict(
        self, x: Any, lengths: ArrayLike | None = None, mask: ArrayLike | None = None
    ) -> dict[nengo.Probe, Any]:
        """
        Compute what the probes show.

        Parameters
        ----------
        x, lengths, mask : optional
            As for ``fit``. There may be any number of sequences.

        Returns
        -------
        values : dict of {nengo.Probe: ndarray or list of ndarray}
            Arrays of shape (n, n_steps, size), or (n, 1, size) for probes that keep no
            history. For sequences of different lengths a list of arrays of shape (n_steps,
            size) instead of the former.
        """
        given = dict(lengths=lengths, mask=mask)
        data = self.reader.read(x, need_targets=False, **given)
        found = [
            self._predict(*self._arguments(data, rows, is_training=False))
            for rows in data.parts(self.minibatch_size)
        ]
        values = {
            probe: np.concatenate([self.devices.get(part[i]) for part in found])
            for i, probe in enumerate(self.reader.keeps)
        }
        if data.lengths is None:
            return values
        return {
            probe: [y[-n:] for y, n in zip(values[probe], data.lengths, strict=True)]
            if keep
            else values[probe]
            for probe, keep in self.reader.keeps.items()
        }

    def gradients(self, x: Any, y: Any) -> dict[tuple, np.ndarray]:
        """
        Compute the gradients of the loss of one batch, as in training.

        Parameters
        ----------
        x, y : optional
            As for ``fit``.

        Returns
        -------
        gradients : dict of {tuple of (object, str): ndarray}
            By the places of what is trained.
        """
        self.need_compiled()
        data = self.reader.read(x, y)
        args = self._arguments(data, slice(0, data.n), is_training=True)
        found = self._steps.gradients(*args)
        return dict(zip(self.places, map(self.devices.get, found), strict=True))

    def features(self, x: Any) -> dict[int, np.ndarray]:
        """
        Compute of inputs what does not depend on what is trained.

        Parameters
        ----------
        x : optional
            As for ``fit``.

        Returns
        -------
        features : dict of {int: ndarray of shape (n, ...)}
            With ``"last step"``, the last values of each input node, of shape (n, size),
            and its coefficients in each memory that it reaches, of shape (n, size, order).
            Otherwise the inputs themselves.
        """
        data = self.reader.read(x, need_targets=False)
        return jax.tree.map(np.asarray, self.batches.features(data.arrays["x"]))

    def freeze_params(self, objs: Any = None) -> None:
        """
        Write the present parameters into the network.

        ``fit`` does so, unless ``write_back`` is False.

        Parameters
        ----------
        objs : nengo.Network or Ensemble or Connection, or list of them, optional
            What to write to; by default everything that is trained.
        """
        write(self, objs)

    def write(self) -> None:
        """Write what is trained into the network, unless ``write_back`` is False."""
        if not self.write_back:
            return
        if not all(bool(jnp.isfinite(x).all()) for x in self.parameters):
            warn(
                "the trained parameters were not written into the network (they are not "
                "finite). What is run or saved next is what was there before."
            )
            return
        write(self)

    def need_compiled(self) -> None:
        """Raise ValidationError unless ``compile`` has been called."""
        if self._steps is None:
            raise ValidationError(
                "must be chosen before: call compile(optimizer, loss=...).",
                attr="optimizer",
                obj=type(self),
            )

    def _arguments(self, data, rows, is_training):
        """What a compiled function gets for some sequences."""
        args = self.batches.arguments(data, rows, is_training, self.seed)
        return self.parameters, *args

    def _train_epoch(self, data, order):
        """Train on all whole batches; return what is logged."""
        batch = self.minibatch_size
        n_batches, total = len(order) // batch, 0
        order = order[: n_batches * batch].reshape(n_batches, batch)
        for *args, n in self.batches.chunks(data, order, self.seed):
            self.parameters, self.optimizer_state, _, logs = self._steps.train(
                self.parameters, self.optimizer_state, np.int32(self.iterations), *args, n
            )
            self.iterations += int(n)
            total = total + logs
        means = (self.devices.get(total) / n_batches).tolist()
        return dict(zip(self._steps.logs, means, strict=True))

    def _evaluate(self, data):
        """Losses and metrics of all data: means over batches, by their size."""
        total = 0
        for rows in data.parts(self.minibatch_size):
            logs = self._steps.evaluate(*self._arguments(data, rows, is_training=False))
            total = total + self.devices.get(logs) * (rows.stop - rows.start)
        return dict(zip(self._steps.logs, (total / data.n).tolist(), strict=True))
