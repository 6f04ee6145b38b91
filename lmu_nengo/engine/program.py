"""A network as one pure function of its constants, state and inputs."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import Copy, Operator
from nengo.builder.signal import Signal
from nengo.neurons import RectifiedLinear

from lmu_nengo.engine.calls import called, chained
from lmu_nengo.engine.inputs import Callback, Fed, Functions, StepNumber
from lmu_nengo.engine.products.grouping import group
from lmu_nengo.engine.products.layout import Layout
from lmu_nengo.engine.products.matrices import find_layout, plan
from lmu_nengo.engine.products.merging import LinearInc, merge, schedule
from lmu_nengo.engine.registry import lowering, register
from lmu_nengo.engine.values import Unit, Values, unit_of


class Feed(Operator):
    """Set a signal, whose value is given for each step, before all else."""

    def __init__(self, signal):
        super().__init__()
        self.sets, self.incs, self.reads, self.updates = [signal], [], [], []


@register(Feed)
def _feed(op, builder):
    (signal,) = op.sets
    source = builder.input(Fed(unit_of(signal), np.asarray(signal.initial_value)))
    return lambda values: values.set(signal, values.inputs[source])


class Builder:
    """
    What the functions that lower operators use; see `lmu_nengo.engine.register`.

    Parameters
    ----------
    order : list of Operator
        Nengo's operators, each after those on which it depends.
    dependents : dict
        The operators that depend on each.
    fed : list of Signal
        Constant signals that are given for each step instead.
    dt : float
        Step in seconds.
    dtype : dtype
        Type of all floating-point numbers.
    free : iterable of Signal
        Base signals that are never written, but differ from call to call: they are a part
        of the state, of which each is one unit.

    Attributes
    ----------
    operators : list of Operator
        The operators as they are lowered: products are `LinearInc`.
    inputs : list
        What is computed outside, ahead of each run; see `lmu_nengo.engine.inputs`.
    callbacks : list of Callback
        Python functions that are called in each step.
    called : dict of {Operator: None}
        The operators that they belong to.
    places : Places
        Where Nengo's signals are.
    functions : Functions
        Python functions of time alone, which are called ahead.
    step_number : StepNumber
        The input that counts the steps.
    sequence : Signal
        The number of the sequence, which is passed on from one callback to the next.
    constants : dict
        Functions that make the arrays that do not change, by key.
    layouts : dict of {Unit: Layout}
        The order in which signals of neurons are kept.
    aliases : dict of {Unit: Unit}
        For parts of bases that are not carried, others that always have the same values.
    carried_instead : dict of {Signal: tuple}
        For what is carried instead of a part of a base, that part and how it is computed.
    cuts : dict of {Signal: list of int}
        Where the initial values of a base are divided.
    """

    def __init__(
        self,
        order: list[Operator],
        dependents: dict,
        fed: list,
        dt: float,
        dtype,
        free: Iterable[Signal] = (),
    ):
        self.dt, self.dtype, self.free = dt, dtype, frozenset(free)
        self.step_number = StepNumber()
        self.inputs: list[Any] = [self.step_number]
        self.callbacks: list[Callback] = []
        self.functions = Functions(dt)
        self.sequence = Signal(np.array(0), name="number of the sequence")
        self.constants: dict[Any, Callable] = {}
        self.layouts: dict[Unit, Layout] = {}
        self.aliases: dict[Unit, Unit] = {}
        self.carried_instead: dict[Signal, tuple[Unit, Callable]] = {}
        self.called = called(order)
        rounds = schedule(order, chained(order, dependents))
        stays = self.called.keys() | {
            op for op in order if isinstance(op, Copy) and op.src.base in self.free
        }
        order, self.places = group(order, rounds, stays.__contains__)
        origins = {op: getattr(op, "origin", op) for op in order}
        self.called = dict.fromkeys(op for op in order if origins[op] in self.called)
        feeds = [Feed(self.places.signal(signal)) for signal in fed]
        bases = dict.fromkeys(
            signal.base for op in (*feeds, *order) for signal in op.all_signals
        )
        bases[self.sequence] = None
        self._written = defaultdict(list, {self.sequence: [Unit(self.sequence, 0, 1)]})
        for op in (*feeds, *order):
            for signal in (*op.sets, *op.incs, *op.updates):
                self._written[signal.base].append(self._extent(signal))
        self._starts, position = {0: 0, 1: 1}, 2  # parameters[0] is 0, parameters[1] is 1
        for base in bases:
            whole = Unit(base, 0, base.size)
            if base not in self.free and whole not in self._written[base]:
                self._starts[base] = position
                position += len(flat_values(base))
        merged = merge(order, rounds, self.is_constant_signal, self.source_of)
        self.operators = [*feeds, *merged]  # Nengo's graph does not know the feeds
        cuts = {base: {0, base.size} for base in bases if not base.sparse}
        for op in self.operators:
            if isinstance(op, SimNeurons):
                self._find_layout(op)
            if isinstance(op, SimNeurons | Feed):
                for unit in map(unit_of, (*op.reads, *op.sets)):
                    cuts[unit.base] |= {unit.start, unit.stop}
        self.cuts = {base: sorted(places) for base, places in cuts.items()}

    @staticmethod
    def _extent(signal):
        """The part of its base that a signal lies in."""
        return unit_of(signal) or Unit(signal.base, 0, signal.base.size)

    def is_constant(self, unit: Unit) -> bool:
        """Whether a part of a base is never written."""
        return unit.base not in self.free and not any(
            other.start < unit.stop and unit.start < other.stop
            for other in self._written[unit.base]
        )

    def is_constant_signal(self, signal) -> bool:
        """Whether a signal is never written."""
        return signal.sparse or self.is_constant(self._extent(signal))

    def source_of(self, base) -> int:
        """Where a constant base starts in the vector of parameters, or 0 or 1 is."""
        return self._starts[base]

    def parameters(self) -> np.ndarray:
        """Make the vector of parameters: 0, 1, and all constant bases."""
        bases = list(self._starts)[2:]
        return np.concatenate([[0, 1], *map(flat_values, bases)]).astype(self.dtype)

    def constant(self, key: Any, make: Callable) -> None:
        """
        Register an array that does not change from step to step.

        Parameters
        ----------
        key : hashable
            Its key in ``values.constants``.
        make : function
            ``make(parameters)`` makes it from the vector of all parameters.
        """
        self.constants[key] = make

    def input(self, source: Any) -> Any:
        """Register something that is computed outside; it is the key of its values."""
        self.inputs.append(source)
        return source

    def callback(
        self,
        make: Callable,
        reads: list,
        results: list,
        op: Operator,
        is_batched: bool = True,
    ) -> Callable:
        """
        Register a Python function that is called in each step.

        Parameters
        ----------
        make : function
            ``make(rng)`` gives the function for one sequence: ``function(t, *args)``
            returns a sequence of arrays.
        reads : list of Signal
            The signals whose values the function gets, as copies.
        results : list of Signal
            Signals that have the shapes of what it returns.
        op : Operator
            The operator that it belongs to.
        is_batched : bool
            Whether it is called for each sequence of a batch; else once, for all of them.

        Returns
        -------
        call : function
            ``call(values)`` calls it in a step, and returns the arrays.
        """
        types = [
            jax.ShapeDtypeStruct(signal.shape, self.dtype_of(signal)) for signal in results
        ]
        dtypes = [signal.dtype for signal in reads]
        callback = Callback(make, dtypes, types, self.dt, op, is_batched)
        self.callbacks.append(callback)

        def call(values):
            number, sequence = values.inputs[self.step_number], values.read(self.sequence)
            sequence, *arrays = callback(number, sequence, *map(values.read, reads))
            values.set(self.sequence, sequence)
            return arrays

        return call

    def instead_of(self, signal: Signal, recover: Callable) -> Signal:
        """
        Carry other numbers than those of a signal from step to step.

        Parameters
        ----------
        signal : Signal
            A contiguous signal, which starts with the same values.
        recover : function
            Computes the values of the signal from those that are carried, element by
            element; it takes arrays of NumPy and of JAX.

        Returns
        -------
        carried : Signal
            A signal of the same shape.
        """
        carried = Signal(np.array(signal.initial_value), name=f"instead of {signal.name}")
        unit = unit_of(carried)
        self.cuts[carried], self._written[carried] = [0, carried.size], [unit]
        if (layout := self.layouts.get(unit_of(signal))) is not None:
            self.layouts[unit] = layout
        self.carried_instead[carried] = unit_of(signal), recover
        return carried

    def same(self, signal: Signal, other: Signal) -> None:
        """Carry one signal for two that start and end each step with the same values."""
        if np.array_equal(np.ravel(signal.initial_value), np.ravel(other.initial_value)):
            self.aliases[unit_of(signal)] = unit_of(other)

    def dtype_of(self, signal):
        """The type in which the values of a signal are computed."""
        is_float = np.issubdtype(signal.dtype, np.floating)
        return self.dtype if is_float else np.dtype(np.int32)

    def product(self, op: LinearInc) -> Callable:
        """Lower a product with a constant matrix."""
        x, y = self._neurons_around(op.x), self._neurons_around(op.y)
        if 2 * (op.y.stop - op.y.start) < y.stop - y.start:
            y = op.y  # mostly zeros would be added
        shape = y.stop - y.start, x.stop - x.start
        matrix = op.matrix.within(op.y.start - y.start, op.x.start - x.start, shape)
        x_layout, y_layout = self.layouts.get(x), self.layouts.get(y)
        sources, product = plan(matrix, x_layout, y_layout, self.source_of(0))
        self.constant(op, lambda parameters: parameters[sources])

        def step(values):
            value = product(values.constants[op], values.read_unit(x, x_layout))
            values.inc_unit(y, value)

        return step

    def _neurons_around(self, unit):
        """The population in blocks that a unit is a part of, or the unit itself."""
        for other in self.layouts:
            is_part = other.start <= unit.start and unit.stop <= other.stop
            if other.base is unit.base and is_part:
                return other
        return unit

    def _find_layout(self, op):
        J = unit_of(op.J)
        layout = (
            self.layouts.get(J)  # the one of the neurons that these read
            or self._layout_by(J, "y", 0)
            or self._layout_by(unit_of(op.output), "x", 1)
        )
        if layout is not None:
            layout.is_costly |= not isinstance(op.neurons, RectifiedLinear)
            for unit in map(unit_of, (op.J, *op.sets)):
                if unit.stop - unit.start == layout.size:
                    self.layouts[unit] = layout

    def _layout_by(self, unit, end, axis):
        """The layout of the largest product that starts ("x") or ends ("y") at a unit."""
        products = [
            op.matrix
            for op in self.operators
            if isinstance(op, LinearInc) and getattr(op, end) == unit
        ]
        if not products:
            return None
        return find_layout(max(products, key=lambda m: len(m.rows)).blocks()[axis])


def flat_values(base) -> np.ndarray:
    """The initial values of a base signal, or the non-zeros of a sparse one."""
    value = base.initial_value
    if base.sparse:
        value = value.tocoo().data if hasattr(value, "tocoo") else value.data
    return np.ravel(value)


class Program:
    """
    A network as one pure function of its constants, state and inputs.

    Parameters
    ----------
    builder : Builder
        What the operators are lowered with.
    outputs : list of Signal
        What each step gives.
    find_lowering : function
        Gives the function that lowers an operator; by default what is registered.

    Attributes
    ----------
    state : list of Unit
        What is carried from one step to the next.
    """

    def __init__(self, builder: Builder, outputs: list, find_lowering: Callable = lowering):
        self.builder = builder
        self.outputs = [builder.places.signal(signal) for signal in outputs]
        self._steps = [find_lowering(op)(op, builder) for op in builder.operators]
        self.state: list[Unit] = []
        jax.eval_shape(self._find_state)

    def _find_state(self):
        """Find what is read before it is set, in a step on abstract arrays."""
        builder, found = self.builder, {}

        def load(unit, layout):
            unit = builder.aliases.get(unit, unit)
            if builder.is_constant(unit):
                builder.constant((unit, layout), self._unit_constant(unit, layout))
            else:
                found[unit] = True
            shape = (unit.stop - unit.start,) if layout is None else layout.shape
            return jnp.zeros(shape, self.builder.dtype_of(unit.base))

        parameters = builder.parameters()
        constants = {key: make(parameters) for key, make in builder.constants.items()}
        inputs = {s: jnp.zeros(s.shape, s.dtype or builder.dtype) for s in builder.inputs}
        values = Values(load, builder.cuts, constants, inputs, builder.dtype)
        self._advance(values)
        while len(found) > len(self.state):  # what is carried may read more
            self.state = list(found)
            for unit in self.state:
                values.read_unit(unit, builder.layouts.get(unit))

    def _unit_constant(self, unit, layout):
        start = self.builder.source_of(unit.base)

        def make(parameters):
            flat = parameters[start + unit.start : start + unit.stop]
            return flat if layout is None else layout.pack(flat)

        return make

    def _advance(self, values):
        for step in self._steps:
            step(values)
        return [values.read(signal) for signal in self.outputs]

    def constants(self, parameters) -> dict:
        """
        Arrange the parameters as the step uses them.

        Parameters
        ----------
        parameters : array of shape (n_parameters,)
            As `Builder.parameters` gives them.

        Returns
        -------
        constants : dict
            The arrays.
        """
        return {key: make(parameters) for key, make in self.builder.constants.items()}

    def initial_state(self, values_of: Callable) -> list[np.ndarray]:
        """
        Arrange the values of signals as the state of the step.

        Parameters
        ----------
        values_of : function
            Gives the values of a base signal, of shape (..., size).

        Returns
        -------
        state : list of ndarray
            One for each unit of ``state``.
        """

        def values_at(base):
            if base in self.builder.carried_instead:
                unit, _ = self.builder.carried_instead[base]
                return values_at(unit.base)[..., unit.start : unit.stop]
            members = self.builder.places.members.get(base)
            if members is None:
                return values_of(base)
            return np.concatenate(list(map(values_of, members)), axis=-1)

        state = []
        for unit in self.state:
            flat = values_at(unit.base)[..., unit.start : unit.stop]
            layout = self.builder.layouts.get(unit)
            array = flat if layout is None else layout.pack(flat, flat.ndim - 1)
            state.append(array.astype(self.builder.dtype_of(unit.base)))
        return state

    def unpack_state(self, unit: Unit, array) -> np.ndarray:
        """Give an array of the state in the order of its signal; the last axis is flat."""
        layout = self.builder.layouts.get(unit)
        return array if layout is None else layout.unpack(array)

    def step(self, constants: dict, state: list, inputs: list) -> tuple[list, list]:
        """
        Advance by one step.

        Parameters
        ----------
        constants : dict
            As `constants` gives them.
        state : list of array
            As `initial_state` or the previous step gives it.
        inputs : list of array
            The values in this step of each of ``builder.inputs``.

        Returns
        -------
        state : list of array
            What the next step starts from.
        outputs : list of array
            The values of the outputs at the end of the step.
        """
        layouts = self.builder.layouts
        stored = dict(zip(self.state, state, strict=True))

        def load(unit, layout):
            unit = self.builder.aliases.get(unit, unit)
            if unit not in stored:
                return constants[unit, layout]
            array, kept = stored[unit], layouts.get(unit)
            if kept is layout:
                return array
            flat = array if kept is None else kept.unpack(array)
            return flat if layout is None else layout.pack(flat)

        now = dict(zip(self.builder.inputs, inputs, strict=True))
        values = Values(load, self.builder.cuts, constants, now, self.builder.dtype)
        outputs = self._advance(values)
        return [values.read_unit(unit, layouts.get(unit)) for unit in self.state], outputs
