"""Equal operators as one: their signals are put side by side in merged ones."""

import copy
import itertools
from collections import defaultdict

import numpy as np
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import Copy, DotInc, Operator
from nengo.builder.processes import SimProcess
from nengo.builder.signal import Signal
from nengo.synapses import LinearFilter

from lmu_nengo.engine.registry import find
from lmu_nengo.engine.values import unit_of


class Places:
    """
    Where base signals are, which may be parts of merged ones.

    Nengo's optimizer merges what it can as a whole in one order. What is left is arranged
    here for the operators in which it matters. The signals and operators of Nengo's model
    stay as they are: an operator whose signals move is replaced by a copy.

    Attributes
    ----------
    members : dict of {Signal: list of Signal}
        The base signals in each merged one, in order.
    """

    def __init__(self):
        self.members: dict[Signal, list[Signal]] = {}
        self._places: dict[Signal, tuple[Signal, int]] = {}
        self._moved: dict[Signal, Signal] = {}

    def put(self, bases: list[Signal]) -> None:
        """Put base signals side by side."""
        flat = np.concatenate([np.ravel(base.initial_value) for base in bases])
        merged = Signal(flat, name=f"{len(bases)} signals from {bases[0].name}")
        self.members[merged] = bases
        start = 0
        for base in bases:
            self._places[base] = merged, start
            start += base.size

    def signal(self, signal: Signal) -> Signal:
        """A signal as a part of a merged one, or as it is."""
        if signal.base not in self._places:
            return signal
        if signal not in self._moved:
            merged, start = self._places[signal.base]
            first = start + signal.elemoffset
            self._moved[signal] = view(merged, first, signal.shape, signal.elemstrides)
        return self._moved[signal]

    def operator(self, op: Operator) -> Operator:
        """An operator on the signals as they are placed now."""
        places = self._places
        if not any(signal.base in places for signal in op.all_signals):
            return op
        moved = copy.copy(op)
        for role in "sets", "incs", "reads", "updates":
            setattr(moved, role, [self.signal(signal) for signal in getattr(op, role)])
        moved.origin = getattr(op, "origin", op)
        return moved


def view(base: Signal, start: int, shape, elemstrides=None) -> Signal:
    """A part of a base signal, of the given shape."""
    array = base.initial_value.base
    strides = None
    if elemstrides is not None:
        strides = tuple(stride * array.itemsize for stride in elemstrides)
    offset = start * array.itemsize
    part = np.ndarray(shape, array.dtype, array, offset, strides)
    return Signal(part, name=base.name, base=base, offset=offset)


def group(order: list[Operator], rounds: dict, stays) -> tuple[list[Operator], Places]:
    """
    Merge equal neurons and synapses, and put what products read and write side by side.

    Parameters
    ----------
    order : list of Operator
        Nengo's operators.
    rounds : dict of {Operator: int}
        As `schedule` gives them; those of new operators are added.
    stays : function
        Whether an operator stays as it is: it calls Python, or reads what must not move.

    Returns
    -------
    operators : list of Operator
        The operators, in the same order.
    places : Places
        Where their signals are.
    """
    places = Places()
    runs = []
    equal = defaultdict(dict)
    for op in order:
        if not stays(op) and (key := _kind(op)) is not None:
            equal[key, rounds[op]][op] = _roles(op)
    for signals in equal.values():
        runs += _arrange(signals, places)
    for end in 0, 1:  # what products write that read the same, and the other way round
        shared, seen = defaultdict(dict), set()
        for op in order:
            if type(op) is DotInc and op.X.ndim == op.Y.ndim == 1:
                ends = op.X, op.Y
                base, other = places.signal(ends[end]).base, ends[1 - end]
                if other not in seen:
                    shared[base, rounds[op]][op] = [other]
                    seen.add(other)
        for signals in shared.values():
            _arrange(signals, places)
    copies = defaultdict(dict)
    for op in order:
        if _is_copy(op) and not stays(op):
            base = places.signal(op.dst).base
            copies[base, rounds[op]][op] = [op.dst, op.src]
    for signals in copies.values():
        runs += _arrange(signals, places)
    merged = {run[0]: run for run in runs}
    replaced = {op for run in runs for op in run[1:]}

    result = []
    for op in order:
        if op in replaced:
            continue
        new = places.operator(op)
        if op in merged:
            new = _one([places.operator(other) for other in merged[op]])
        rounds[new] = rounds[op]
        result.append(new)
    return result, places


def _kind(op):
    """What must be equal so that operators can be one; None if they cannot."""
    if isinstance(op, SimNeurons) and not op.state_extra:
        is_plain = all(signal.shape == op.J.shape for signal in op.sets)
        return (SimNeurons, op.neurons) if is_plain else None
    if isinstance(op, SimProcess) and isinstance(op.process, LinearFilter):
        is_first_order = len(op.state) == 1 and len(op.state["X"].initial_value) == 1
        is_plain = op.input is not None and op.input.ndim == 1
        if is_first_order and is_plain and find(op.process, "make_step"):
            return SimProcess, op.process, op.mode
    return None


def _roles(op):
    """The signals of an operator for neurons or a synapse, in a fixed order."""
    if isinstance(op, SimNeurons):
        return [op.J, *op.sets]
    return [op.input, op.output, op.state["X"]]


def _is_copy(op):
    return (
        isinstance(op, Copy)
        and not op.inc
        and op.src_slice is None
        and op.dst_slice is None
        and op.src.shape == op.dst.shape
        and op.src.ndim == 1
    )


def _arrange(signals, places):
    """
    Put the signals of operators side by side, in the same order in each role.

    Parameters
    ----------
    signals : dict of {Operator: list of Signal}
        For each operator, its signals by role.
    places : Places
        Where they are put.

    Returns
    -------
    runs : list of list of Operator
        Operators for which this is possible, in this order.
    """
    rows, alike = {}, defaultdict(list)
    for op, row in signals.items():
        rows[op] = [places.signal(signal) for signal in row]
        if None not in map(unit_of, rows[op]):
            # bases that have their place already, and None for those that may be moved
            fixed = [None if _is_free(s, places) else s.base for s in rows[op]]
            alike[tuple(fixed)].append(op)
    runs = []
    for fixed, ops in alike.items():
        stay = [i for i, base in enumerate(fixed) if base is not None]
        if stay:
            ops.sort(key=lambda op: unit_of(rows[op][stay[0]]).start)
        for run in _runs(ops, rows, stay):
            columns = [
                column
                for i, column in enumerate(zip(*map(rows.get, run), strict=True))
                if i not in stay
            ]
            moved = [signal for column in columns for signal in column]
            if len(run) > 1 and len(set(moved)) == len(moved):
                for column in columns:
                    places.put(list(column))
                runs.append(run)
    return runs


def _runs(ops, rows, stay):
    """Divide operators where those of their signals that stay are not side by side."""
    runs = [[ops[0]]]
    for before, after in itertools.pairwise(ops):
        pairs = [(unit_of(rows[before][i]), unit_of(rows[after][i])) for i in stay]
        if all(a.stop == b.start for a, b in pairs):
            runs[-1].append(after)
        else:
            runs.append([after])
    return runs


def _is_free(signal, places):
    """Whether a signal is a whole base that has no place yet."""
    return not signal.is_view and signal not in places.members and signal.size > 0


def _one(ops):
    """One operator for several whose signals are side by side."""
    one = copy.copy(ops[0])
    for role in "sets", "incs", "reads", "updates":
        columns = zip(*(getattr(op, role) for op in ops), strict=True)
        setattr(one, role, [_together(column) for column in columns])
    return one


def _together(signals):
    first, last = unit_of(signals[0]), unit_of(signals[-1])
    if first == last:  # all read the same, such as the time
        return signals[0]
    size = last.stop - first.start
    shape = (1, size) if signals[0].ndim == 2 else (size,)
    return view(first.base, first.start, shape)
