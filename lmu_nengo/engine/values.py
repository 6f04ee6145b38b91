"""What the signals of a network are worth during one step of a program."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np


class Unit(NamedTuple):
    """A contiguous part of the flattened array of a base signal."""

    base: object
    start: int
    stop: int


def unit_of(signal) -> Unit | None:
    """Where a signal lies in its base; None if its elements are not contiguous."""
    if signal.size == 0:
        return Unit(signal.base, 0, 0)
    expected = 1
    for length, stride in zip(signal.shape[::-1], signal.elemstrides[::-1], strict=True):
        if length != 1 and stride != expected:
            return None
        expected *= length
    start = signal.elemoffset
    return Unit(signal.base, start, start + signal.size)


def elements_of(signal) -> np.ndarray:
    """Indices of a signal's elements in the flattened array of its base."""
    index = np.full(signal.shape, signal.elemoffset)
    for axis, stride in enumerate(signal.elemstrides):
        steps = [1] * index.ndim
        steps[axis] = -1
        index = index + stride * np.arange(signal.shape[axis]).reshape(steps)
    return index


class Value:
    """
    A flat array, or the same array with its neurons in blocks.

    Parameters
    ----------
    flat : array, optional
        The values in the order of the signal.
    packed : array, optional
        The values in the order of ``layout``.
    layout : Layout, optional
        The order of ``packed``.
    """

    def __init__(self, flat=None, packed=None, layout=None):
        self._flat, self._packed, self._layout = flat, packed, layout

    def flat(self):
        """The values in the order of the signal, of shape (size,)."""
        if self._flat is None:
            self._flat = self._layout.unpack(self._packed)
        return self._flat

    def packed(self, layout):
        """The values in blocks, of ``layout.shape``."""
        if self._layout is not layout:
            return layout.pack(self.flat())
        return self._packed


class Slice(Value):
    """A part of a value, which is computed when it is read."""

    def __init__(self, whole: Value, start: int, stop: int):
        super().__init__()
        self._whole, self._start, self._stop = whole, start, stop

    def flat(self):
        """The values of the part, of shape (stop - start,)."""
        return self._whole.flat()[self._start : self._stop]

    def packed(self, layout):
        """The values in blocks, of ``layout.shape``."""
        return layout.pack(self.flat())


class Initial(Value):
    """
    The value that a part of a base has when the step begins.

    Parameters
    ----------
    unit : Unit
        The part.
    load : function
        ``load(unit, layout)`` gives its values in the order of ``layout``, or flat.
    """

    def __init__(self, unit: Unit, load: Callable):
        super().__init__()
        self.unit, self.load = unit, load

    def flat(self):
        return self.load(self.unit, None)

    def packed(self, layout):
        return self.load(self.unit, layout)


class Part(NamedTuple):
    """Values of a contiguous part of a base: the sum of its terms."""

    start: int
    stop: int
    terms: tuple[Value, ...]


class Values:
    """
    The values of all signals during one step.

    Operators read, set and increment signals here as Nengo's operators do in a SignalDict.
    Arrays are immutable in JAX, and signals are often views of large merged ones.
    Therefore a base is kept in parts, each a sum of what was added to it, which are only
    put together when they are read: most increments then cost nothing.

    Parameters
    ----------
    load : function
        ``load(unit, layout)`` gives the value with which a part starts the step.
    cuts : dict
        For each base, where its initial values are divided, in ascending order.
    constants : dict
        What `Builder.constant` was given, by key.
    inputs : dict
        This step's values of what is computed outside, by key.
    dtype : dtype
        Type of all floating-point numbers.
    """

    def __init__(self, load, cuts, constants, inputs, dtype):
        self.constants, self.inputs, self.dtype = constants, inputs, dtype
        self._load, self._cuts = load, cuts
        self._parts: dict = {}

    def parts(self, base) -> list[Part]:
        """The parts of a base, in order."""
        if base not in self._parts:
            cuts = self._cuts[base]
            self._parts[base] = [
                Part(start, stop, (Initial(Unit(base, start, stop), self._load),))
                for start, stop in itertools.pairwise(cuts)
            ]
        return self._parts[base]

    def _divide(self, unit):
        """Make the boundaries of a unit those of parts; return its parts' slice."""
        parts = self.parts(unit.base)
        for cut in unit.start, unit.stop:
            for i, (start, stop, terms) in enumerate(parts):
                if start < cut < stop:
                    parts[i : i + 1] = [
                        Part(a, b, tuple(Slice(t, a - start, b - start) for t in terms))
                        for a, b in ((start, cut), (cut, stop))
                    ]
                    break
        first = next(i for i, part in enumerate(parts) if part.start == unit.start)
        last = next(i for i, part in enumerate(parts) if part.stop == unit.stop)
        return slice(first, last + 1)

    def read_unit(self, unit: Unit, layout=None):
        """The values of a part, flat or in the order of ``layout``."""
        if unit.start == unit.stop:
            return jnp.zeros(0, self.dtype)
        pieces = []
        for start, stop, terms in self.parts(unit.base):
            if stop <= unit.start or start >= unit.stop:
                continue
            whole = (start, stop) == (unit.start, unit.stop)
            if layout is not None and whole:
                return self._total([t.packed(layout) for t in terms], layout.shape)
            total = self._total([term.flat() for term in terms], (stop - start,))
            low, high = max(start, unit.start), min(stop, unit.stop)
            pieces.append(total[low - start : high - start])
        flat = pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)
        return flat if layout is None else layout.pack(flat)

    def _total(self, arrays, shape):
        if not arrays:
            return jnp.zeros(shape, self.dtype)
        total = arrays[0]
        for array in arrays[1:]:
            total = total + array
        return total

    def read(self, signal):
        """
        Read a signal.

        Parameters
        ----------
        signal : nengo.builder.Signal
            The signal.

        Returns
        -------
        value : array of the signal's shape
            What it is worth now.
        """
        unit = unit_of(signal)
        if unit is None:
            whole = self.read_unit(Unit(signal.base, 0, signal.base.size))
            return whole[elements_of(signal)]
        return self.read_unit(unit).reshape(signal.shape)

    def read_value(self, signal) -> Value:
        """Read a contiguous signal as a `Value`: to move it costs nothing."""
        unit = unit_of(signal)
        for start, stop, terms in self.parts(unit.base):
            if (start, stop) == (unit.start, unit.stop) and len(terms) == 1:
                return terms[0]
        return Value(self.read_unit(unit))

    def set(self, signal, value) -> None:
        """
        Assign to a signal.

        Parameters
        ----------
        signal : nengo.builder.Signal
            The signal.
        value : array or float or Value
            What it is worth from now on; it is broadcast to the signal's shape.
        """
        self._write(signal, value, False)

    def inc(self, signal, value) -> None:
        """
        Add to a signal.

        Parameters
        ----------
        signal : nengo.builder.Signal
            The signal.
        value : array or float or Value
            What is added; it is broadcast to the signal's shape.
        """
        self._write(signal, value, True)

    def clear(self, signal) -> None:
        """Set a signal to zero, at no cost."""
        unit = unit_of(signal)
        if unit is None:
            self.set(signal, 0)
        elif unit.start < unit.stop:
            where = self._divide(unit)
            self.parts(unit.base)[where] = [Part(unit.start, unit.stop, ())]

    def _write(self, signal, value, is_increment):
        unit = unit_of(signal)
        if isinstance(value, Value):
            self._write_unit(unit, value, is_increment)
        else:
            value = jnp.broadcast_to(jnp.asarray(value, self._dtype(signal)), signal.shape)
            if unit is None:
                whole = Unit(signal.base, 0, signal.base.size)
                flat = self.read_unit(whole)
                at = flat.at[elements_of(signal)]
                flat = at.add(value) if is_increment else at.set(value)
                self._parts[signal.base] = [Part(0, whole.stop, (Value(flat),))]
            else:
                self._write_unit(unit, Value(value.reshape(-1)), is_increment)

    def set_unit(self, unit: Unit, value: Value) -> None:
        """Assign to a part of a base."""
        self._write_unit(unit, value, False)

    def inc_unit(self, unit: Unit, value: Value) -> None:
        """Add to a part of a base."""
        self._write_unit(unit, value, True)

    def _write_unit(self, unit, value, is_increment):
        if unit.start == unit.stop:
            return
        where = self._divide(unit)
        parts = self.parts(unit.base)
        if not is_increment:
            parts[where] = [Part(unit.start, unit.stop, (value,))]
        elif where.stop - where.start == 1:
            part = parts[where][0]
            parts[where] = [part._replace(terms=(*part.terms, value))]
        elif not any(part.terms for part in parts[where]):
            parts[where] = [Part(unit.start, unit.stop, (value,))]
        else:
            flat = value.flat()
            parts[where] = [
                part._replace(
                    terms=(
                        *part.terms,
                        Value(flat[part.start - unit.start : part.stop - unit.start]),
                    )
                )
                for part in parts[where]
            ]

    def _dtype(self, signal):
        is_float = np.issubdtype(signal.dtype, np.floating)
        return self.dtype if is_float else jnp.int32
