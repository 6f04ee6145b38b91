"""A NIR graph computed in NumPy, as the reference for all simulators of NIR graphs.

NIR's equations are continuous in time and imply no order of computation. Here every node is
computed once in each step, from its sources' values of the same step; only a matrix that
leads from neurons back to the same neurons takes a step, as it does in the simulators.
Neurons are integrated by explicit Euler steps from a state of zero.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike, DTypeLike

from lmu_nengo._validation import check_array, check_mapping, check_positive, show
from lmu_nengo.targets.nir.neurons import CUBA_LIF, cuba_lif_step

if TYPE_CHECKING:
    import nir

MATRICES = ("Affine", "Linear")
KINDS = ("Input", "Output", "CubaLIF", *MATRICES)


@dataclass(frozen=True, eq=False)
class ExecutionPlan:
    """
    A graph whose numbers and edges were all checked, in the order of computation.

    Parameters
    ----------
    order : list of str
        Names of all nodes except the matrices that lead back, each after its sources.
    kinds : dict of {str: str}
        Type of each node.
    arrays : dict of {str: dict of {str: ndarray}}
        Parameters of each node.
    sources : dict of {str: list of str}
        Where a node's input comes from.
    back : dict of {str: list of str}
        Matrices that lead from neurons back to the same neurons.
    sizes : dict of {str: int}
        Size of each node's output.
    """

    order: list
    kinds: dict
    arrays: dict
    sources: dict
    back: dict
    sizes: dict

    def only(self, kind):
        """Name of the only node of a kind."""
        return next(name for name, other in self.kinds.items() if other == kind)

    @property
    def neurons(self):
        """Names of the nodes that spike, in order."""
        return [name for name in self.order if self.kinds[name] == "CubaLIF"]


def execution_plan(graph: "nir.NIRGraph") -> ExecutionPlan:
    """
    Check a graph, and put its nodes in the order of computation.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat: Input, Output, Affine, Linear and CubaLIF.

    Returns
    -------
    plan : ExecutionPlan
        What to compute.

    Raises
    ------
    ValidationError
        If a node is nested, unknown or not finite, shapes or edges do not fit, or there is
        a loop other than CubaLIF -> Affine or Linear -> the same CubaLIF.
    """
    nodes, edges = (getattr(graph, name, None) for name in ("nodes", "edges"))
    if not isinstance(nodes, dict) or not isinstance(edges, list | set | tuple):
        message = f"must be a NIRGraph, got {show(graph)}."
        raise ValidationError(message, attr="graph")
    kinds, arrays, sizes = {}, {}, {}
    for name, node in graph.nodes.items():
        kinds[name] = type(node).__name__
        arrays[name], sizes[name] = _numbers(name, node, kinds[name])
    for kind in ("Input", "Output"):
        count = list(kinds.values()).count(kind)
        if count != 1:
            raise _invalid(f"a graph must have one {kind} node, this one has {count}.")
    sources, targets = _edges(graph.edges, kinds)
    back = {name: [] for name in kinds}
    for name, kind in kinds.items():
        if kind in MATRICES and sources[name] == targets[name]:
            (neurons,) = sources[name] if len(sources[name]) == 1 else (None,)
            if kinds.get(neurons) == "CubaLIF":
                back[neurons].append(name)
                sources[neurons] = [other for other in sources[neurons] if other != name]
    leads_back = {name for names in back.values() for name in names}
    for name, kind in kinds.items():
        for other in sources[name] + back[name]:
            size = _size_in(name, kind, arrays, sizes)
            if sizes[other] != size:
                raise _invalid(
                    f"the node {other!r} has {sizes[other]} outputs, but {name!r} takes "
                    f"{size}."
                )
        if kind != "Input" and not sources[name]:
            raise _invalid(f"no edge leads to {name!r}.")
        if kind == "Output" and len(sources[name]) > 1:
            raise _invalid(
                f"{len(sources[name])} edges lead to {name!r}, but an Output takes one."
            )
        if kind != "Output" and not targets[name]:
            raise _invalid(f"no edge starts at {name!r}.")
    order, waiting = [], [name for name in kinds if name not in leads_back]
    while waiting:
        ready = [n for n in waiting if all(s in order for s in sources[n])]
        if not ready:
            raise _invalid(
                f"{waiting} form a loop. The only loop allowed is CubaLIF -> Affine -> the "
                "same CubaLIF: put recurrently connected neurons into one CubaLIF.",
            )
        order += ready
        waiting = [name for name in waiting if name not in ready]
    return ExecutionPlan(order, kinds, arrays, sources, back, sizes)


def _invalid(message):
    return ValidationError(message, attr="graph")


def _numbers(name, node, kind):
    """Arrays of a node, all finite, and the size of its output."""
    if kind not in KINDS:
        what = "a nested graph" if kind == "NIRGraph" else f"a node of type {kind}"
        raise _invalid(
            f"{name!r} is {what}, but the graph must be flat, with nodes of type "
            f"{', '.join(KINDS)}. Simulators of NIR silently compute nested recurrent "
            "graphs wrongly."
        )
    if kind in ("Input", "Output"):
        attr = f"{kind.lower()}_type"
        shape = np.ravel(getattr(node, attr)[kind.lower()])
        if shape.dtype.kind not in "iu" or len(shape) != 1 or shape[0] < 1:
            raise _invalid(f"{name!r} must have the shape (size,), got {shape}.")
        return {}, int(shape[0])
    fields = CUBA_LIF if kind == "CubaLIF" else ("weight", "bias")[: 1 + (kind == "Affine")]
    arrays = {}
    for field in fields:
        array = np.asarray(getattr(node, field))
        if array.dtype.kind not in "fiu" or not np.all(np.isfinite(array)):
            raise _invalid(f"{field} of {name!r} must be finite numbers.")
        arrays[field] = array
    if kind == "CubaLIF":
        shapes = {array.shape for array in arrays.values()}
        if len(shapes) != 1 or len(min(shapes)) != 1 or min(shapes)[0] < 1:
            raise _invalid(
                f"all arrays of {name!r} must have one shape (n,), got {shapes}."
            )
        for field in ("tau_syn", "tau_mem"):
            if np.any(arrays[field] <= 0):
                raise _invalid(f"{field} of {name!r} must be positive (seconds).")
        return arrays, len(arrays["tau_mem"])
    shape = arrays["weight"].shape
    if len(shape) != 2 or 0 in shape:
        raise _invalid(f"weight of {name!r} must have the shape (out, in), got {shape}.")
    if kind == "Affine" and arrays["bias"].shape != shape[:1]:
        raise _invalid(
            f"bias of {name!r} must have the shape {shape[:1]}, got {arrays['bias'].shape}."
        )
    return arrays, shape[0]


def _edges(edges, kinds):
    """Sources and targets of each node."""
    sources, targets = ({name: [] for name in kinds} for _ in range(2))
    for edge in edges:
        for end in edge:
            if end not in kinds:
                raise _invalid(
                    f"edge {tuple(edge)} refers to {end!r}, but there is no such node."
                )
        before, after = edge
        if after in targets[before]:
            raise _invalid(f"edge {tuple(edge)} occurs twice.")
        if kinds[after] == "Input" or kinds[before] == "Output":
            raise _invalid(
                f"edge {tuple(edge)} leads to the Input or starts at the Output."
            )
        sources[after].append(before)
        targets[before].append(after)
    return sources, targets


def _size_in(name, kind, arrays, sizes):
    return arrays[name]["weight"].shape[1] if kind in MATRICES else sizes[name]


@dataclass(frozen=True, eq=False)
class Result:
    """
    Output and spikes of a graph for an input.

    Parameters
    ----------
    output : ndarray of shape (..., n_steps, size)
        Of the Output node.
    spikes : dict of {str: ndarray of bool of shape (..., n_steps, n)}
        Of each node that spikes.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.targets.nir import Result
    >>> result = Result(np.zeros((100, 1)), {"neurons": np.zeros((100, 20), dtype=bool)})
    >>> result.spikes["neurons"].shape
    (100, 20)
    """

    output: np.ndarray
    spikes: dict


def simulate_graph(
    graph: "nir.NIRGraph",
    x: ArrayLike,
    dt: float = 0.001,
    dtype: DTypeLike = np.float64,
    follow: dict | None = None,
) -> Result:
    """
    Compute a graph in NumPy.

    A recurrent graph of many neurons is chaotic: a single spike that rounding shifts by a
    step shifts others, and after a second or so the spikes of two correct simulators differ
    widely. Therefore compare in double precision; or let the reference ``follow`` the
    simulator's spikes, and compare its prediction of each next step.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat: Input, Output, Affine, Linear and CubaLIF nodes.
    x : array_like of shape (n_steps, size) or (n, n_steps, size)
        Input, or several inputs that are run side by side.
    dt : float
        Step in seconds, no longer than any time constant.
    dtype : dtype
        Precision.
    follow : dict of {str: ndarray of bool of shape (..., n_steps, n)}, optional
        Spikes of all nodes that spike, which are used for resets, matrices and output.

    Returns
    -------
    result : Result
        Output and spikes; with ``follow``, the spikes that each step should have had
        after all given before it.

    Raises
    ------
    ValidationError
        If the graph or an argument does not fit.

    Examples
    --------
    A matrix without neurons:

    >>> import nir
    >>> import numpy as np
    >>> from lmu_nengo.targets.nir import simulate_graph
    >>> nodes = {
    ...     "input": nir.Input({"input": np.array([1])}),
    ...     "double": nir.Linear(np.array([[2.0]])),
    ...     "output": nir.Output({"output": np.array([1])}),
    ... }
    >>> graph = nir.NIRGraph(nodes, [("input", "double"), ("double", "output")])
    >>> simulate_graph(graph, [[1.0], [3.0]]).output
    array([[2.],
           [6.]])
    """
    graph, dt = execution_plan(graph), check_positive(dt, "dt")
    try:
        dtype = np.dtype(dtype).type
    except TypeError:
        dtype = None
    if dtype not in (np.float32, np.float64):
        raise ValidationError(f"must be float32 or float64, got {dtype}.", attr="dtype")
    if follow is not None:
        check_mapping(follow, "follow", "spikes by the names of neurons")
    x = check_input(graph, x).astype(dtype)
    for name in graph.neurons:
        shortest = min(graph.arrays[name][field].min() for field in ("tau_syn", "tau_mem"))
        if dt > shortest:
            raise ValidationError(
                f"a step of {dt:g} s is longer than the time constant of {shortest:g} s of "
                f"{name!r}. Use a smaller dt.",
                attr="dt",
            )
    arrays = {
        name: {field: array.astype(dtype) for field, array in own.items()}
        for name, own in graph.arrays.items()
    }
    lead = x.shape[:-2]
    states = {n: np.zeros((2, *lead, graph.sizes[n]), dtype) for n in graph.neurons}
    before = {name: 0.0 for names in graph.back.values() for name in names}
    spikes = {
        name: np.zeros((*x.shape[:-1], graph.sizes[name]), bool) for name in graph.neurons
    }
    if follow is not None:
        agreement(follow, spikes)  # checks names and shapes
    output = np.zeros((*x.shape[:-1], graph.sizes[graph.only("Output")]), dtype)

    def matrix(name, value):
        return value @ arrays[name]["weight"].T + arrays[name].get("bias", dtype(0))

    dt = dtype(dt)
    for t in range(x.shape[-2]):
        values = {}
        for name in graph.order:
            kind = graph.kinds[name]
            if kind == "Input":
                values[name] = x[..., t, :]
                continue
            value = sum(values[other] for other in graph.sources[name])
            if kind in MATRICES:
                value = matrix(name, value)
            elif kind == "CubaLIF":
                value = value + sum(before[other] for other in graph.back[name])
                given = None if follow is None else follow[name][..., t, :]
                parameters = (arrays[name][f] for f in CUBA_LIF)
                fired = cuba_lif_step(value, *states[name], dt, *parameters, given)
                spikes[name][..., t, :] = fired
                value = (fired if given is None else given).astype(dtype)
                for other in graph.back[name]:
                    before[other] = matrix(other, value)
            values[name] = value
        output[..., t, :] = values[graph.only("Output")]
    return Result(output, spikes)


def check_input(graph, x):
    """Return an input of a graph as an array, or raise ValidationError."""
    size = graph.sizes[graph.only("Input")]
    x = check_array(x, "x", (..., "n_steps", size), finite=False)
    if x.ndim not in (2, 3) or x.shape[-1] != size or x.dtype.kind not in "fiub":
        raise ValidationError(
            f"must be numbers of shape (n_steps, {size}) or (n, n_steps, {size}), got "
            f"{x.dtype} of shape {x.shape}.",
            attr="x",
        )
    if not np.all(np.isfinite(x)):
        raise ValidationError("must be finite, got NaN or infinity.", attr="x")
    return x


def agreement(spikes: dict | ArrayLike, reference: dict | ArrayLike) -> float:
    """
    Compute the share of spikes on which two simulators agree.

    Of all pairs of a neuron and a step in which either simulator has a spike, the share in
    which both have one.

    Parameters
    ----------
    spikes, reference : dict of {str: ndarray}, or ndarrays of one shape
        Spikes of every node, as in `Result`; non-zero values are spikes.

    Returns
    -------
    share : float
        1 if all spikes are equal.

    Raises
    ------
    ValidationError
        If names or shapes differ.

    Examples
    --------
    >>> from lmu_nengo.targets.nir import agreement
    >>> agreement([[1, 0, 1]], [[1, 1, 1]])  # 2 of 3 spikes
    0.6666666666666666
    """
    if isinstance(reference, dict):
        check_mapping(spikes, "spikes", "spikes by the names of neurons")
    else:
        spikes = check_array(as_numbers(spikes), "spikes", (...,), empty=True)
        reference = check_array(as_numbers(reference), "reference", (...,), empty=True)
        spikes, reference = {"spikes": spikes}, {"spikes": reference}
    shapes = [{n: np.shape(s) for n, s in part.items()} for part in (spikes, reference)]
    if shapes[0] != shapes[1]:
        raise ValidationError(
            f"names and shapes must be those of the reference, {shapes[1]}, got "
            f"{shapes[0]}.",
            attr="spikes",
        )
    both = either = 0
    for name, own in reference.items():
        one, other = np.asarray(spikes[name]) != 0, np.asarray(own) != 0
        both += np.count_nonzero(one & other)
        either += np.count_nonzero(one | other)
    return float(both / either) if either else 1.0


def as_numbers(spikes):
    """Whether there are spikes, as numbers; anything else as it is."""
    is_flags = isinstance(spikes, np.ndarray) and spikes.dtype == bool
    return spikes.astype(np.float64) if is_flags else spikes
