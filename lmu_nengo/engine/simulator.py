"""Nengo's simulator, compiled."""

import math
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import jax
import nengo
import numpy as np
from nengo.builder import Model
from nengo.exceptions import SimulatorClosed, ValidationError
from nengo.simulator import Simulator as NengoSimulator
from nengo.utils.progress import Progress, ProgressBar, ProgressTracker

from lmu_nengo._nengo import ordered_optimizer
from lmu_nengo._validation import (
    check_array,
    check_choice,
    check_flag,
    check_instance,
    check_integer,
    check_mapping,
    check_memory,
    check_non_negative,
    check_positive,
    check_seed,
    check_sequence,
)
from lmu_nengo._warnings import warn
from lmu_nengo.engine import operators as _operators  # noqa: F401  registers them
from lmu_nengo.engine.calls import describe
from lmu_nengo.engine.devices import BY_FIRST, WHOLE, Devices, choose_devices
from lmu_nengo.engine.inputs import drawing, keeps_state, random_generator
from lmu_nengo.engine.loop import Loop
from lmu_nengo.engine.program import Builder, Program
from lmu_nengo.engine.recording import Data, Recording
from lmu_nengo.engine.values import unit_of

SECONDS = 0.3  # between two updates of the progress bar
MOST_SEQUENCES = 10**6  # in a batch
MOST_STEPS = 2**53  # their time is exact


def check_bar(value, obj):
    """Raise ValidationError unless a value is what Nengo takes as a progress bar."""
    kinds = bool, np.bool_, type(None), ProgressBar
    allowed = "True, False, None or a progress bar of Nengo"
    check_instance(value, kinds, "progress_bar", allowed, obj=obj)


class Simulator(NengoSimulator):
    """
    Run a Nengo network as one compiled JAX program.

    Parameters
    ----------
    network : nengo.Network or None
        The network. If None, ``model`` is run.
    dt : float
        Step in seconds.
    seed : int, optional
        Seed of everything random during the run, as in Nengo.
    model : nengo.builder.Model, optional
        A model that is built already.
    progress_bar : bool or ProgressBar
        Whether and how progress is shown.
    optimize : bool
        Whether Nengo's optimizer merges operators first.
    minibatch_size : int, optional
        Number of sequences that are run side by side. All data then have a leading axis of
        this length.
    precision : {"float32", "float64"}
        Type of all floating-point numbers.
    devices : list of jax.Device, optional
        The batch is divided among them; default: all of JAX's. In one process, only as
        many are used as the batch can be divided by. If they belong to several
        processes, all of these make the same calls with the same arguments and get the
        same data.

    Attributes
    ----------
    data : Mapping
        ``data[probe]`` has the shape (n_samples, size), or (minibatch_size, n_samples,
        size); ``data[obj]`` has the parameters with which an object was built.

    Raises
    ------
    ValidationError
        If an argument is out of range.
    BuildError
        If the network contains an operator that the engine does not know.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo import engine
    >>> with nengo.Network(seed=0) as network:
    ...     stimulus = nengo.Node([0.5])
    ...     ensemble = nengo.Ensemble(50, 1)
    ...     connection = nengo.Connection(stimulus, ensemble)
    ...     probe = nengo.Probe(ensemble, synapse=0.01)
    >>> with engine.Simulator(network, progress_bar=False) as sim:
    ...     sim.run(0.1)
    >>> sim.data[probe].shape
    (100, 1)
    """

    def __init__(
        self,
        network: nengo.Network | None,
        dt: float = 0.001,
        seed: int | None = None,
        model: nengo.builder.Model | None = None,
        progress_bar: Any = True,
        optimize: bool = True,
        minibatch_size: int | None = None,
        precision: str = "float32",
        devices: list | None = None,
    ):
        self.closed = True
        check_choice(precision, ("float32", "float64"), "precision", type(self))
        own = {"obj": type(self)}
        if minibatch_size is not None:
            check_integer(minibatch_size, "minibatch_size", high=MOST_SEQUENCES, **own)
        kinds = nengo.Network if model is None else (nengo.Network, type(None))
        check_instance(network, kinds, "network", "a nengo.Network", **own)
        if model is not None:
            check_instance(model, Model, "model", "a nengo.builder.Model", **own)
        check_positive(dt, "dt", **own)
        check_seed(seed, obj=type(self))
        check_bar(progress_bar, obj=type(self))
        check_flag(optimize, "optimize", **own)
        self.minibatch_size, self.precision = minibatch_size, precision
        self._usable_devices, self._program, self._loop = devices, None, None
        with ordered_optimizer():  # the same network is the same program
            super().__init__(
                network,
                dt=dt,
                seed=seed,
                model=model,
                progress_bar=progress_bar,
                optimize=optimize,
            )

    def _prepare(self):
        """Lower the network's operators."""
        model = self.model
        constant = [
            signals["out"]
            for node, signals in model.sig.items()
            if isinstance(node, nengo.Node) and isinstance(node.output, np.ndarray)
        ]
        with self._x64():
            builder = Builder(
                self._step_order, self.dg, constant, model.dt, np.dtype(self.precision)
            )
            outputs = [model.sig[probe]["in"] for probe in model.probes]
            self._program = Program(builder, outputs)
            self._devices = self._choose_devices(builder)
            size = sum(unit.stop - unit.start for unit in self._program.state)
            advice = "Use a smaller batch."
            shape = self.minibatch_size or 1, size
            check_memory(shape, "a state", "minibatch_size", advice, obj=type(self))
            periods = [self._period(probe) for probe in model.probes]
            self._loop = Loop(self._program, self.minibatch_size, self._devices, periods)
            constants = self._program.constants(builder.parameters())
            self._constants = [self._devices.put(x) for x in constants.values()]
        if builder.callbacks:
            warn(
                "some of the network runs in Python, step by step, which is slower than "
                f"what is compiled: {describe(builder.called)}. Mark functions made of "
                "jax.numpy operations alone with lmu_nengo.engine.jax_function, or use "
                "Nengo's own objects."
            )
        self._host_parts = [*builder.inputs, *builder.callbacks]
        self._sources = {source.unit: source for source in builder.inputs if source.unit}
        self._pushed: dict[nengo.Node, Any] = {}
        kept = [part.op for part in self._host_parts if keeps_state(part.op)]
        self._in_python = list(dict.fromkeys(map(drawing, kept)))

    @contextmanager
    def _x64(self):
        """Allow 64 bits where they are used, in this thread and in those of callbacks."""
        is_double = self.precision == "float64"
        before = jax.config.jax_enable_x64
        with jax.enable_x64(is_double):
            if is_double and self._program and self._program.builder.callbacks:
                jax.config.update("jax_enable_x64", True)
            try:
                yield
            finally:
                jax.config.update("jax_enable_x64", before)

    def _choose_devices(self, builder):
        devices = Devices(
            choose_devices(
                self._usable_devices,
                self.minibatch_size,
                is_divisible=not builder.callbacks,  # which keep one state
            )
        )
        network = self.model.toplevel
        if devices.is_shared and network is not None and network.seed is None:
            raise ValidationError(
                "must be given if several processes run one network, as each of them "
                "builds it.",
                "seed",
                network,
            )
        return devices

    def reset(self, seed: int | None = None) -> None:
        """
        Start again.

        Parameters
        ----------
        seed : int, optional
            A new seed for everything random during the run.
        """
        if self.closed:
            raise SimulatorClosed("Cannot reset closed Simulator.")
        if seed is not None:
            self.seed = check_seed(seed, obj=type(self))
        if self._loop is None:
            self.data = Data(self._sim_data)
            self._prepare()
        for signal in self._signals:
            self._signals.reset(signal)
        rngs = self._random_generators()
        for part in self._host_parts:
            op = getattr(part.op, "origin", part.op)
            part.reset(rngs.get(op, [None] * (self.minibatch_size or 1)))
        self._load_state({})
        self._n_steps, self._time = 0, 0.0
        self._rate = 1000.0  # steps per second
        self.clear_probes()

    def _random_generators(self):
        """For each operator that needs one, a random number generator for each sequence."""
        rngs: dict[Any, list] = {}
        for sequence in range(self.minibatch_size or 1):
            if sequence == 1 and not rngs:  # nothing is random
                break
            seeds = self.seed if sequence == 0 else [self.seed % 2**32, sequence]
            rng = np.random.RandomState(seeds)
            for op in self._step_order:
                own = random_generator(op, rng, sequence)
                if own is not None:
                    rngs.setdefault(op, []).append(own)
        return rngs

    def _load_state(self, carried):
        """Start from what `_carried` gave, or else from Nengo's signals."""
        batch = () if self.minibatch_size is None else (self.minibatch_size,)

        def values_of(base):
            values = carried.get(base)
            if base is self._program.builder.sequence and batch:
                values = np.arange(self.minibatch_size)[:, None]
            elif values is None:
                values = np.ravel(self._signals.get(base, base.initial_value))
            return np.broadcast_to(values, (*batch, base.size))

        state = self._program.initial_state(values_of)
        with self._x64():
            self._state = [
                self._devices.put(x, BY_FIRST if batch else WHOLE) for x in state
            ]

    def _carried(self):
        """The values of what is carried, of shape (size,) or (minibatch_size, size)."""
        carried, builder = {}, self._program.builder
        for unit, array in zip(self._program.state, self._state, strict=True):
            values = self._program.unpack_state(unit, self._devices.get(array))
            if unit.base in builder.carried_instead:
                unit, recover = builder.carried_instead[unit.base]
                values = recover(np.asarray(values))
            if unit.base not in carried:
                initial = np.ravel(unit.base.initial_value).astype(values.dtype)
                shape = (*values.shape[:-1], unit.base.size)
                carried[unit.base] = np.broadcast_to(initial, shape).copy()
            carried[unit.base][..., unit.start : unit.stop] = values
        for unit, other in builder.aliases.items():
            if other.base in carried:
                whole = carried.setdefault(
                    unit.base, np.zeros((*values.shape[:-1], unit.base.size), values.dtype)
                )
                whole[..., unit.start : unit.stop] = carried[other.base][
                    ..., other.start : other.stop
                ]
        for merged, bases in builder.places.members.items():
            if merged in carried:
                stops = np.cumsum([base.size for base in bases])[:-1]
                parts = np.split(carried.pop(merged), stops, axis=-1)
                carried.update(zip(bases, parts, strict=True))
        return carried

    def __getstate__(self):
        """Keep what is needed to go on, but for what is compiled and the devices."""
        return {
            "model": self.model,
            "seed": self.seed,
            "progress_bar": self.progress_bar,
            "optimize": self.optimize,
            "minibatch_size": self.minibatch_size,
            "precision": self.precision,
            "n_steps": self.n_steps,
            "carried": {} if self.closed else self._carried(),
            "closed": self.closed,
        }

    def __setstate__(self, state):
        recordings = {
            probe: state["model"].params[probe] for probe in state["model"].probes
        }
        self.__init__(
            None,
            seed=state["seed"],
            model=state["model"],
            progress_bar=state["progress_bar"],
            optimize=False,  # the model has been optimized
            minibatch_size=state["minibatch_size"],
            precision=state["precision"],
        )
        self.optimize = state["optimize"]
        self._sim_data.update(recordings)
        self._load_state(state["carried"])
        self._n_steps, self._time = state["n_steps"], state["n_steps"] * self.dt
        if state["closed"]:
            self.close()

    @property
    def signals(self):
        """
        Nengo's signals, with their values after the last step (of the first sequence).

        Only what is carried from step to step is up to date, and the time.
        """
        if self._signals is not None and self._loop is not None:
            present = {
                base: values if self.minibatch_size is None else values[0]
                for base, values in self._carried().items()
            }
            present |= {self.model.step: self._n_steps, self.model.time: self._time}
            for base, values in present.items():
                if base in self._signals:
                    self._signals[base][...] = np.reshape(values, base.shape)
        return self._signals

    @signals.setter
    def signals(self, signals):
        self._signals = signals

    def clear_probes(self) -> None:
        """Forget what the probes recorded."""
        for probe in self.model.probes:
            signal = self.model.sig[probe]["in"]
            self._sim_data[probe] = Recording(
                signal.shape, self._program.builder.dtype_of(signal), self.minibatch_size
            )
        self.data.reset()

    def step(self) -> None:
        """Advance by one step."""
        self.run_steps(1, progress_bar=False)

    def run(self, time_in_seconds: float, progress_bar=None, data: Mapping | None = None):
        """
        Run for some time, rounded to whole steps.

        Parameters
        ----------
        time_in_seconds : float
            How long.
        progress_bar : bool or ProgressBar, optional
            Instead of the simulator's own.
        data : dict of {nengo.Node: array_like}, optional
            As for `run_steps`.

        Raises
        ------
        ValidationError
            If the time is negative, or the data do not fit.
        """
        check_non_negative(time_in_seconds, "time_in_seconds", obj=self)
        n_steps = int(np.round(float(time_in_seconds) / self.dt))
        if n_steps == 0:
            warn(
                f"{time_in_seconds} results in running for 0 timesteps. Simulator still at "
                f"time {self.time}."
            )
        else:
            self.run_steps(n_steps, progress_bar=progress_bar, data=data)

    def run_steps(self, steps: int, progress_bar=None, data: Mapping | None = None) -> None:
        """
        Run some steps.

        Parameters
        ----------
        steps : int
            Number of steps.
        progress_bar : bool or ProgressBar, optional
            Instead of the simulator's own.
        data : dict of {nengo.Node: array_like}, optional
            What nodes without input give instead of their own output: arrays of shape
            (steps, size), or (minibatch_size, steps, size).

        Raises
        ------
        SimulatorClosed
            If the simulator is closed.
        ValidationError
            If the data do not fit.
        FloatingPointError
            If something becomes NaN. What was recorded before is kept.
        """
        if self.closed:
            raise SimulatorClosed("Simulator cannot run because it is closed.")
        steps = check_integer(steps, "steps", high=MOST_STEPS, obj=self)
        check_bar(progress_bar, obj=self)
        given = self._check_data(data, steps)
        if progress_bar is None:
            progress_bar = self.progress_bar
        self._check_recorded(steps)
        progress = Progress("Simulating", "Simulation", steps)
        with ProgressTracker(progress_bar, progress) as tracker, self._x64():
            capacity, done = self._loop.capacity(steps), 0
            while done < steps:
                n_steps = min(steps - done, capacity)
                if not self._devices.is_shared:  # processes need not be equally fast
                    n_steps = min(n_steps, max(1, int(self._rate * SECONDS)))
                start = time.perf_counter() - self._loop.seconds_compiling
                now = {source: x[done : done + n_steps] for source, x in given.items()}
                self._run_chunk(n_steps, capacity, now)
                elapsed = time.perf_counter() - self._loop.seconds_compiling - start
                self._rate = min(n_steps / elapsed, 4 * self._rate)
                done += n_steps
                tracker.total_progress.step(n_steps)

    def _check_recorded(self, n_steps):
        """Refuse what could not be recorded, before anything runs."""
        probes = self.model.probes
        size = math.ceil(sum(probe.size_in / self._period(probe) for probe in probes))
        check_memory(
            (self.minibatch_size or 1, n_steps, size),
            "recordings",
            "steps",
            "Run fewer steps at a time with clear_probes() in between, or give the probes "
            "a longer sample_every.",
            obj=self,
        )

    def push(self, data: Mapping) -> dict[nengo.Probe, np.ndarray]:
        """
        Advance by one step, and return what the probes show without recording it.

        A step costs much less than by `run_steps`, and nothing accumulates in memory.

        Parameters
        ----------
        data : dict of {nengo.Node: array_like}
            What nodes without input give in this step instead of their own output: arrays
            of shape (size,), or (minibatch_size, size).

        Returns
        -------
        values : dict of {nengo.Probe: ndarray}
            For each probe, whatever its ``sample_every``, an array of shape (size,), or
            (minibatch_size, size).

        Raises
        ------
        SimulatorClosed
            If the simulator is closed.
        ValidationError
            If the data do not fit.
        """
        if self.closed:
            raise SimulatorClosed("Simulator cannot run because it is closed.")
        check_mapping(data, "data", "samples by node", obj=self)
        given = {}
        for node, x in data.items():
            source = self._pushed.get(node)
            if source is None:
                self._check_node(node)
                source = self._pushed[node] = self._sources[self._output_of(node)]
            given[source] = self._check_step(node, x)
        number, is_batched, inputs = self._n_steps + 1, [], []
        for source in self._program.builder.inputs:
            if source in given:
                x, varies = given[source], self.minibatch_size is not None
            else:
                x, varies = source.values(number, 1)[0], source.is_batched
                if varies and self.minibatch_size is None:
                    x, varies = x[0], False
            inputs.append(np.asarray(x, source.dtype or self.precision))
            is_batched.append(varies)
        args = self._constants, self._state, inputs, tuple(is_batched)
        if self.precision == "float64":
            with self._x64():
                self._state, outputs = self._call(self._loop.step, *args)
        else:
            self._state, outputs = self._call(self._loop.step, *args)
        values = [self._devices.get(output) for output in outputs]
        self._n_steps, self._time = number, number * self.dt
        return dict(zip(self.model.probes, values, strict=True))

    def _check_step(self, node, x):
        """The values of a node for one step, checked."""
        batch = () if self.minibatch_size is None else (self.minibatch_size,)
        return check_array(
            x, "data", (*batch, node.size_out), f"They are for {node}.", self
        )

    def get_state(self, is_complete: bool = True) -> list[np.ndarray]:
        """
        Return what the next step starts from, exactly.

        Parameters
        ----------
        is_complete : bool
            Whether to refuse a network whose state is not in these arrays alone.

        Returns
        -------
        arrays : list of ndarray
            Arrays whose meaning depends on the network and on this version of the engine;
            with a batch, the first axis is the sequence.

        Raises
        ------
        ValidationError
            If a process or neurons keep the state of a random number generator.
            Functions of nodes are taken to have no state of their own.
        """
        if check_flag(is_complete, "is_complete", obj=self) and self._in_python:
            raise ValidationError(
                "cannot be saved: random numbers are drawn in the network, by "
                f"{', '.join(self._in_python)}.",
                "state",
                self,
            )
        return [self._devices.get(x).copy() for x in self._state]

    def set_state(self, arrays: list[np.ndarray], n_steps: int) -> None:
        """
        Go on from what `get_state` returned.

        Parameters
        ----------
        arrays : list of ndarray
            The state.
        n_steps : int
            The number of steps up to then.

        Raises
        ------
        ValidationError
            If the arrays are not those of this network.
        """
        check_sequence(arrays, "arrays", np.ndarray, "arrays", obj=self)
        n_steps = check_integer(n_steps, "n_steps", low=0, high=MOST_STEPS, obj=self)
        shapes = [(x.shape, x.dtype) for x in arrays]
        expected = [(x.shape, x.dtype) for x in self._state]
        if shapes != expected:
            raise ValidationError(
                f"must be arrays of shapes and types {expected}, got {shapes}. Use the "
                "network, minibatch_size and precision that the state was taken from.",
                "arrays",
                self,
            )
        spec = WHOLE if self.minibatch_size is None else BY_FIRST
        with self._x64():
            self._state = [self._devices.put(x.copy(), spec) for x in arrays]
        self._n_steps, self._time = n_steps, n_steps * self.dt

    def _run_chunk(self, n_steps, capacity, given):
        first = self._n_steps + 1

        def padded(x):
            return np.concatenate(
                [x, np.zeros((capacity - n_steps, *x.shape[1:]), x.dtype)]
            )

        inputs, is_batched = [], []
        for source in self._program.builder.inputs:
            is_given = source in given
            x = given[source] if is_given else source.values(first, n_steps)
            varies = is_given or source.is_batched
            if self.minibatch_size is None:
                x = x[:, 0] if source.is_batched and not is_given else x
                varies = False
            inputs.append(padded(np.asarray(x, source.dtype or self.precision)))
            is_batched.append(varies)
        numbers = np.arange(first, first + n_steps)
        kept = [self._is_kept(probe, numbers) for probe in self.model.probes]
        slots = [padded(np.cumsum(k) - k).astype(np.int32) for k in kept]

        args = inputs, slots, tuple(is_batched)
        state, outputs, is_number = self._advance(*args, n_steps)
        if not is_number:
            n_steps, (state, outputs, _) = self._until_nan(args, n_steps)
        self._state = state
        for probe, output, k in zip(self.model.probes, outputs, kept, strict=True):
            values = self._devices.get(output)[: np.count_nonzero(k[:n_steps])]
            if self.minibatch_size is not None:
                values = np.moveaxis(values, 0, 1)
            self._sim_data[probe].extend(values.copy())
        self._n_steps += n_steps
        self._time = self._n_steps * self.dt
        if not is_number:
            raise FloatingPointError(
                f"a value became NaN in step {self._n_steps + 1} (at "
                f"{self._time + self.dt:g} s). The data up to the step before are kept."
            )

    def _until_nan(self, args, n_steps):
        """Find the last step before a value becomes NaN; run up to it."""
        low, high = 0, n_steps  # all is well after low, not after high
        if self._program.builder.callbacks:
            high = 1  # Python's functions cannot be called a second time
        while high - low > 1:
            middle = (low + high) // 2
            is_number = self._advance(*args, middle)[2]
            low, high = (middle, high) if is_number else (low, middle)
        return low, self._advance(*args, low)

    def _period(self, probe):
        """The steps from one that a probe records to the next."""
        return 1 if probe.sample_every is None else probe.sample_every / self.dt

    def _is_kept(self, probe, numbers):
        """Whether a probe records each of some steps, by Nengo's rule."""
        return numbers % self._period(probe) < 1

    def _advance(self, inputs, slots, is_batched, n_steps):
        args = self._constants, self._state, inputs, slots, n_steps, is_batched
        return jax.block_until_ready(self._call(self._loop.run, *args))

    def _call(self, function, *args):
        """Call what is compiled; an error in one of Python's functions is raised."""
        try:
            return function(*args)
        except Exception:
            for callback in self._program.builder.callbacks:
                if callback.error is not None:
                    error, callback.error = callback.error, None
                    raise error from None
            raise

    def _check_data(self, data, n_steps):
        """Check the data for nodes; give them by input, steps first."""
        if data is None:
            return {}
        check_mapping(data, "data", "arrays by node", obj=self)
        for node in data:
            self._check_node(node)
        batch = () if self.minibatch_size is None else (self.minibatch_size,)
        given = {}
        for node, values in data.items():
            try:
                values = np.asarray(values)
            except ValueError:  # rows of different lengths
                values = np.asarray(None)
            expected = *batch, n_steps, node.size_out
            axes = "(minibatch_size, steps, size)" if batch else "(steps, size)"
            problem = None
            if values.dtype.kind not in "fiub":
                problem = f"must be real numbers, got {values.dtype}"
            elif values.shape != expected:
                problem = f"must have the shape {axes} = {expected}, got {values.shape}"
            elif not np.isfinite(values).all():
                n_bad = np.count_nonzero(~np.isfinite(values))
                problem = f"must be finite, but {n_bad} values are not"
            if problem:
                raise ValidationError(f"the data for {node} {problem}.", "data", self)
            source = self._sources[self._output_of(node)]
            given[source] = np.moveaxis(values, 1, 0) if batch else values
        return given

    def _output_of(self, node):
        """Where the output of a node is in the program."""
        return unit_of(self._program.builder.places.signal(self.model.sig[node]["out"]))

    def _check_node(self, node):
        is_node = isinstance(node, nengo.Node) and node in self.model.sig
        if not is_node or node.size_in > 0 or node.size_out == 0:
            raise ValidationError(
                "can only be given for nodes of this network that have no input, got "
                f"{node!r}.",
                "data",
                self,
            )
        if self._output_of(node) not in self._sources:
            raise ValidationError(
                f"cannot be given for {node}, whose output is computed in the program, or "
                "by a function that is called in each step because it may share state with "
                "others. Make its output a constant.",
                "data",
                self,
            )

    def _probe_step_time(self):
        """Nengo's signals of step and time are not used."""
