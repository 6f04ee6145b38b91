"""Order the operators that Nengo's builder and optimizer made, and merge equal ones."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import (
    BsrDotInc,
    Copy,
    DotInc,
    ElementwiseInc,
    Operator,
    SparseDotInc,
)
from nengo.builder.processes import SimProcess
from scipy.sparse import bsr_array

from lmu_nengo.engine.products.matrices import Matrix
from lmu_nengo.engine.values import Unit, elements_of, unit_of

OVERHEAD = 1000  # multiplications that take as long as it takes to start a product


class LinearInc(Operator):
    """
    ``Y += A X`` with a constant ``A``: one or several of Nengo's operators.

    Parameters
    ----------
    operators : list of Operator
        They read one base, increment one base, and do not depend on each other.

    Attributes
    ----------
    x, y : Unit
        What is read and incremented.
    matrix : Matrix
        The non-zeros of ``A``.
    """

    def __init__(self, operators: list[Operator], source_of: Callable):
        super().__init__(tag=operators[0].tag)
        self.operators = operators
        self.sets, self.updates = [], []
        self.incs = [op.incs[0] for op in operators]
        self.reads = [op.reads[-1] for op in operators]
        self.x = _union([unit_of(signal) for signal in self.reads])
        self.y = _union([unit_of(signal) for signal in self.incs])
        rows, cols, sources = [], [], []
        for op, x, y in zip(operators, self.reads, self.incs, strict=True):
            row, col, source = _nonzeros(op, source_of)
            rows.append(row + unit_of(y).start - self.y.start)
            cols.append(col + unit_of(x).start - self.x.start)
            sources.append(source)
        shape = self.y.stop - self.y.start, self.x.stop - self.x.start
        self.matrix = Matrix(*map(np.concatenate, (rows, cols, sources)), shape)


def _union(units: list[Unit]) -> Unit:
    starts, stops = [unit.start for unit in units], [unit.stop for unit in units]
    return Unit(units[0].base, min(starts), max(stops))


def _nonzeros(op, source_of):
    """Rows, columns and sources of the non-zeros of an operator's matrix."""
    if isinstance(op, Copy):
        index = np.arange(op.src.size)
        cols = index if op.src_slice is None else index[op.src_slice]
        index = np.arange(op.dst.size)
        rows = index if op.dst_slice is None else index[op.dst_slice]
        return rows, cols, np.full(len(rows), source_of(1))
    A = op.reads[0]
    if A.sparse:
        rows, cols, values = coordinates(A.initial_value)
        elements = np.arange(len(values))
    else:
        elements, values = elements_of(A), np.asarray(A.initial_value)
        if isinstance(op, BsrDotInc):
            shape = op.Y.size, op.X.size
            matrix = bsr_array((elements + 1, op.indices, op.indptr), shape).tocoo()
            elements = matrix.data[matrix.data > 0] - 1
            rows, cols = matrix.row[matrix.data > 0], matrix.col[matrix.data > 0]
            values = A.base.initial_value.ravel()[elements]
        elif isinstance(op, ElementwiseInc):
            rows = cols = np.arange(op.Y.size)
            elements = np.broadcast_to(elements, op.Y.shape).ravel()
            values = np.broadcast_to(values, op.Y.shape).ravel()
        else:
            rows, cols = (index.ravel() for index in np.indices(values.shape))
            elements, values = elements.ravel(), values.ravel()
    used = values != 0
    return rows[used], cols[used], source_of(A.base) + elements[used]


def coordinates(matrix):
    """Rows, columns and values of a sparse matrix as a signal holds it."""
    if hasattr(matrix, "indices") and not hasattr(matrix, "tocoo"):  # Nengo's own
        return matrix.indices[:, 0], matrix.indices[:, 1], matrix.data
    matrix = matrix.tocoo()
    return matrix.row, matrix.col, matrix.data


def is_linear(op: Operator, is_constant: Callable) -> bool:
    """Whether an operator is a product of a vector with a constant matrix."""
    if isinstance(op, Copy):
        if not op.inc:
            return False
        slices = op.src_slice, op.dst_slice
        if any(np.asarray(s).dtype == bool for s in slices if s is not None):
            return False
        if (
            op.src.ndim != 1
            or op.dst.ndim != 1
            or (all(s is None for s in slices) and op.src.shape != op.dst.shape)
        ):
            return False
    elif type(op) in (DotInc, SparseDotInc, BsrDotInc, ElementwiseInc):
        if not is_constant(op.A) or op.X.ndim != 1 or op.Y.ndim != 1:
            return False
        if isinstance(op, ElementwiseInc) and op.X.size != op.Y.size:
            return False
        if type(op) is DotInc and op.A.shape != (op.Y.size, op.X.size):
            return False
    else:
        return False
    return unit_of(op.reads[-1]) is not None and unit_of(op.incs[0]) is not None


def schedule(order: list[Operator], dependents: dict) -> dict[Operator, int]:
    """
    Give each operator a round, so that equal ones fall into the same.

    Parameters
    ----------
    order : list of Operator
        Nengo's operators, each after those on which it depends.
    dependents : dict
        The operators that depend on each.

    Returns
    -------
    rounds : dict of {Operator: int}
        Operators of one round do not depend on each other. Neurons wait until there is
        nothing else to do, and synapses until there are no neurons.
    """
    waiting = dict.fromkeys(order, 0)
    for op in order:
        for dependent in dependents.get(op, ()):
            if dependent in waiting:
                waiting[dependent] += 1
    ready: list[list[Operator]] = [[] for _ in range(4)]
    for op in order:
        if waiting[op] == 0:
            ready[_turn(op)].append(op)
    rounds: dict[Operator, int] = {}
    number = 0
    while any(ready):
        turn = next(i for i, ops in enumerate(ready) if ops)
        ops, ready[turn] = ready[turn], []
        rounds.update(dict.fromkeys(ops, number))
        number += 1
        for op in ops:
            for dependent in dependents.get(op, ()):
                if dependent in waiting:
                    waiting[dependent] -= 1
                    if waiting[dependent] == 0:
                        ready[_turn(dependent)].append(dependent)
    return rounds


def _turn(op):
    if isinstance(op, SimNeurons):
        return 2
    if isinstance(op, SimProcess):
        return 0 if op.input is None else 3
    return 1 if isinstance(op, DotInc | ElementwiseInc) else 0


def merge(
    order: list[Operator], rounds: dict, is_constant: Callable, source_of: Callable
) -> list[Operator]:
    """
    Merge products that read and increment the same bases and can be computed together.

    Parameters
    ----------
    order : list of Operator
        Nengo's operators, each after those on which it depends.
    rounds : dict of {Operator: int}
        As `schedule` gives them.
    is_constant : function
        Whether a signal is never written.
    source_of : function
        Where the values of a constant base start in the vector of parameters.

    Returns
    -------
    operators : list of Operator
        Each after those on which it depends; products are `LinearInc`.
    """
    groups = defaultdict(list)
    for op in order:
        if is_linear(op, is_constant):
            x, y = unit_of(op.reads[-1]), unit_of(op.incs[0])
            groups[rounds[op], x.base, y.base].append(op)
        else:
            groups[op].append(op)
    merged = []
    for key, group in groups.items():
        if not isinstance(key, tuple):
            merged.append((rounds[key], key))
        elif len(group) > 1 and _is_worthwhile(product := LinearInc(group, source_of)):
            merged.append((key[0], product))
        else:
            for op in group:
                is_plain = isinstance(op, Copy | ElementwiseInc)
                if not is_plain and not _has_duplicates(
                    product := LinearInc([op], source_of)
                ):
                    op = product
                merged.append((key[0], op))
    return [op for _, op in sorted(merged, key=lambda pair: pair[0])]


def _is_worthwhile(product):
    """Whether one product is about as cheap as the several that it consists of."""
    if _has_duplicates(product):
        return False
    apart = 2 * len(product.matrix.rows) + OVERHEAD * len(product.operators)
    return product.matrix.cost() <= apart


def _has_duplicates(product):
    matrix = product.matrix
    places = matrix.rows * matrix.shape[1] + matrix.cols
    return len(np.unique(places)) < len(places)
