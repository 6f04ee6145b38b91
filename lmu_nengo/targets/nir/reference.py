"""What a NIR file says, computed in NumPy, and whether a simulator computes the same.

NIR's equations are continuous and name no order. Here every node is computed once in each
step, from its sources' values of the same step; only a matrix that leads from neurons
back to the same neurons takes a step, as it does in the simulators. Neurons go by explicit
Euler steps from a state of zero.
"""

from dataclasses import dataclass

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_positive
from lmu_nengo.targets.nir.neurons import CUBA_LIF, cuba_lif_step

MATRICES = ("Affine", "Linear")
KINDS = ("Input", "Output", "CubaLIF", *MATRICES)


@dataclass(frozen=True, eq=False)
class Plan:
    """
    A graph whose every number and edge was checked, in the order of its computation.

    Parameters
    ----------
    order : list of str
        Names of all nodes but the matrices that lead back; each after its sources.
    kinds : dict of {str: str}
        Type of each node.
    arrays : dict of {str: dict of {str: ndarray}}
        Numbers of each node.
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


def plan(graph) -> Plan:
    """
    Check a graph, and put its nodes in order.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat: Input, Output, Affine, Linear and CubaLIF.

    Returns
    -------
    plan : Plan
        What to compute.

    Raises
    ------
    ValidationError
        If a node is nested, unknown or not finite, shapes or edges do not fit, or a loop
        is not one of neurons, one matrix, and the same neurons.
    """
    kinds, arrays, sizes = {}, {}, {}
    for name, node in graph.nodes.items():
        kinds[name] = type(node).__name__
        arrays[name], sizes[name] = _numbers(name, node, kinds[name])
    for kind in ("Input", "Output"):
        count = list(kinds.values()).count(kind)
        if count != 1:
            raise _invalid(f"the graph has {count} {kind} nodes, expected one.")
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
                    f"{other!r} gives {sizes[other]} values, {name!r} takes {size}."
                )
        if kind != "Input" and not sources[name]:
            raise _invalid(f"nothing leads to {name!r}.")
        if kind == "Output" and len(sources[name]) > 1:
            raise _invalid(f"{len(sources[name])} nodes lead to {name!r}, expected one.")
        if kind != "Output" and not targets[name]:
            raise _invalid(f"nothing leads on from {name!r}.")
    order, waiting = [], [name for name in kinds if name not in leads_back]
    while waiting:
        ready = [n for n in waiting if all(s in order for s in sources[n])]
        if not ready:
            raise _invalid(
                f"{waiting} form a loop. Only CubaLIF -> Affine -> the same CubaLIF may: "
                "put neurons that lead to each other into one CubaLIF.",
            )
        order += ready
        waiting = [name for name in waiting if name not in ready]
    return Plan(order, kinds, arrays, sources, back, sizes)


def _invalid(message):
    return ValidationError(message, attr="graph")


def _numbers(name, node, kind):
    """Arrays of a node, all finite, and the size of its output."""
    if kind not in KINDS:
        what = "a nested graph" if kind == "NIRGraph" else f"a node of type {kind}"
        raise _invalid(
            f"{name!r} is {what}, expected a flat graph of {', '.join(KINDS)}. Simulators "
            "compute nested recurrent graphs wrongly without saying so."
        )
    if kind in ("Input", "Output"):
        attr = f"{kind.lower()}_type"
        shape = np.ravel(getattr(node, attr)[kind.lower()])
        if shape.dtype.kind not in "iu" or len(shape) != 1 or shape[0] < 1:
            raise _invalid(f"{name!r} has shape {shape}, expected (size,).")
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
            raise _invalid(f"arrays of {name!r} have shapes {shapes}, expected one (n,).")
        for field in ("tau_syn", "tau_mem"):
            if np.any(arrays[field] <= 0):
                raise _invalid(f"{field} of {name!r} must be above 0 seconds.")
        return arrays, len(arrays["tau_mem"])
    shape = arrays["weight"].shape
    if len(shape) != 2 or 0 in shape:
        raise _invalid(f"weight of {name!r} has shape {shape}, expected (out, in).")
    if kind == "Affine" and arrays["bias"].shape != shape[:1]:
        raise _invalid(
            f"bias of {name!r} has shape {arrays['bias'].shape}, expected {shape[:1]}."
        )
    return arrays, shape[0]


def _edges(edges, kinds):
    """Sources and targets of each node."""
    sources, targets = ({name: [] for name in kinds} for _ in range(2))
    for edge in edges:
        for end in edge:
            if end not in kinds:
                raise _invalid(f"edge {tuple(edge)} names {end!r}, which is no node.")
        before, after = edge
        if after in targets[before]:
            raise _invalid(f"edge {tuple(edge)} is there twice.")
        if kinds[after] == "Input" or kinds[before] == "Output":
            raise _invalid(f"edge {tuple(edge)} leads into the Input or from the Output.")
        sources[after].append(before)
        targets[before].append(after)
    return sources, targets


def _size_in(name, kind, arrays, sizes):
    return arrays[name]["weight"].shape[1] if kind in MATRICES else sizes[name]


@dataclass(frozen=True, eq=False)
class Result:
    """
    What a graph gave for an input.

    Parameters
    ----------
    output : ndarray of shape (..., n_steps, size)
        Of the Output node.
    spikes : dict of {str: ndarray of bool of shape (..., n_steps, n)}
        Of each node that spikes.
    """

    output: np.ndarray
    spikes: dict


def simulate(graph, x, dt=0.001, dtype=np.float64, follow=None) -> Result:
    """
    Compute what a file says.

    A recurrent graph of many neurons is chaotic: a single spike that rounding moves by a
    step moves others, and after a second or so spikes differ widely, however right both
    simulators are. Compare in double precision; or let the reference ``follow`` the
    simulator's spikes, and compare what it says of each next one.

    Parameters
    ----------
    graph : nir.NIRGraph
        See `plan`.
    x : array_like of shape (n_steps, size) or (n, n_steps, size)
        Input, or several that are run side by side.
    dt : float
        Step in seconds, no longer than any time constant.
    dtype : dtype
        Precision.
    follow : dict of {str: ndarray of bool of shape (..., n_steps, n)}, optional
        Spikes of all nodes that spike, which resets, matrices and output go by.

    Returns
    -------
    result : Result
        Output and spikes; with ``follow``, the spikes that each step should have had
        after all given before it.

    Raises
    ------
    ValidationError
        If the graph or an argument does not fit.
    """
    graph, dt = plan(graph), check_positive(dt, "dt")
    x = check_input(graph, x).astype(dtype)
    for name in graph.neurons:
        shortest = min(graph.arrays[name][field].min() for field in ("tau_syn", "tau_mem"))
        if dt > shortest:
            raise ValidationError(
                f"got {dt:g} s, but {name!r} has a time constant of {shortest:g} s, and "
                "steps must not be longer.",
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
    """Return an input for a `Plan` as an array, or raise ValidationError."""
    x, size = np.asarray(x), graph.sizes[graph.only("Input")]
    if x.ndim not in (2, 3) or x.shape[-1] != size or x.dtype.kind not in "fiub":
        raise ValidationError(
            f"got {x.dtype} of shape {x.shape}, expected numbers of shape (n_steps, "
            f"{size}) or (n, n_steps, {size}).",
            attr="x",
        )
    if not np.all(np.isfinite(x)):
        raise ValidationError("got an input that is not finite.", attr="x")
    return x


def agreement(spikes, reference) -> float:
    """
    Share of spikes on which two simulators agree.

    Of all pairs of a neuron and a step in which either has a spike, the share in which
    both have.

    Parameters
    ----------
    spikes, reference : dict of {str: ndarray}, or ndarrays of one shape
        Spikes of every node, as in `Result`; what is not zero is a spike.

    Returns
    -------
    share : float
        1 if all are equal.

    Raises
    ------
    ValidationError
        If names or shapes differ.
    """
    if not isinstance(reference, dict):
        spikes, reference = {"spikes": spikes}, {"spikes": reference}
    shapes = [{n: np.shape(s) for n, s in part.items()} for part in (spikes, reference)]
    if shapes[0] != shapes[1]:
        raise ValidationError(
            f"got {shapes[0]}, expected the reference's {shapes[1]}.", attr="spikes"
        )
    both = either = 0
    for name, own in reference.items():
        one, other = np.asarray(spikes[name]) != 0, np.asarray(own) != 0
        both += np.count_nonzero(one & other)
        either += np.count_nonzero(one | other)
    return both / either if either else 1.0
