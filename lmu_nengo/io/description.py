"""What the outputs of a network depend on besides its parameters, to be compared."""

import inspect
from collections.abc import Mapping
from typing import Any

import nengo
import numpy as np
from nengo.solvers import NoSolver

from lmu_nengo.io.recipe import NoRecipe, Writer
from lmu_nengo.layers import LSTM, LMUCell
from lmu_nengo.memory import LegendreMemory
from lmu_nengo.processes.sequence import Sequence

TOLERANCE = 1e-6  # relative: another machine may round differently
N_POINTS = 16  # at which functions are compared
LARGEST = 4096  # numbers of an array that are compared
INPUT = "an input"  # which may be another one each time
DEPTH = 4  # of objects in objects


def details(network: nengo.Network, parts: Mapping) -> tuple[dict, dict[str, np.ndarray]]:
    """
    Describe what the outputs of a network depend on besides its parameters.

    Functions are described by their values at some points. Functions of nodes, which may
    depend on time or have a state, are described by their names only.

    Parameters
    ----------
    network : nengo.Network
        The network.
    parts : dict of {str: object}
        Its parts by name.

    Returns
    -------
    description : dict
        For JSON.
    arrays : dict of {str: ndarray}
        The arrays that it refers to.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.io.description import details
    >>> with nengo.Network() as network:
    ...     node = nengo.Node([1.0, 2.0])
    >>> description, arrays = details(network, {"node": node})
    >>> description["node"]["output"], arrays
    ({'array': 'array0'}, {'array0': array([1., 2.])})
    """
    teller = Teller(network)
    found = {name: teller.part(part) for name, part in parts.items()}
    if teller.draws:
        nets = [network, *network.all_networks]
        found["seeds of networks"] = {str(i): net.seed for i, net in enumerate(nets)}
    return found, teller.arrays


def first_difference(
    saved: Any, built: Any, saved_arrays: Mapping, built_arrays: Mapping, name: str = ""
) -> str | None:
    """
    Say where two descriptions differ.

    Parameters
    ----------
    saved, built : object
        Descriptions, as JSON gives them.
    saved_arrays, built_arrays : dict of {str: ndarray}
        Their arrays.
    name : str
        Where the descriptions are.

    Returns
    -------
    difference : str or None
        The first difference.

    Examples
    --------
    >>> from lmu_nengo.io.description import first_difference
    >>> first_difference({"a": {"radius": 1.0}}, {"a": {"radius": 2.0}}, {}, {})
    'a.radius 1.0; built: 2.0'
    """
    if any(isinstance(each, str) and each == INPUT for each in (saved, built)):
        return None
    arrays = saved_arrays, built_arrays
    are_arrays = [
        is_reference(each, own) for each, own in zip((saved, built), arrays, strict=True)
    ]
    if all(are_arrays):
        one, other = saved_arrays[saved["array"]], built_arrays[built["array"]]
        if one.shape == other.shape and is_close(one, other):
            return None
        return f"{name} {shown(one)}; built: {shown(other)}"
    if isinstance(saved, dict) and isinstance(built, dict) and not any(are_arrays):
        for key in [*saved, *(key for key in built if key not in saved)]:
            inner = f"{name}.{key}".lstrip(".")
            if key not in saved or key not in built:
                values = (each.get(key, "nothing") for each in (saved, built))
                return "{} {!s:.200}; built: {!s:.200}".format(inner, *values)
            found = first_difference(saved[key], built[key], *arrays, inner)
            if found:
                return found
        return None
    if isinstance(saved, list) and isinstance(built, list) and len(saved) == len(built):
        for i, (one, other) in enumerate(zip(saved, built, strict=True)):
            found = first_difference(one, other, *arrays, f"{name}[{i}]")
            if found:
                return found
        return None
    numbers = all(type(each) in (int, float) for each in (saved, built))
    if saved == built or (numbers and is_close(saved, built)):
        return None
    return f"{name} {saved!s:.200}; built: {built!s:.200}"


def is_reference(value, arrays):
    """Whether a value stands for an array."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("array"), str)
        and value["array"] in arrays
    )


def is_close(one, other):
    """Whether numbers are equal but for rounding."""
    scale = np.max(np.abs(other), initial=0.0)
    return bool(np.allclose(one, other, TOLERANCE, TOLERANCE * scale, equal_nan=True))


def shown(array):
    """An array in a few words."""
    if array.size <= 4:
        return str(array.tolist())
    return f"an array of shape {array.shape}"


class Teller(Writer):
    """
    Describes parts, also what could not be made again.

    Parameters
    ----------
    network : nengo.Network
        The network.

    Attributes
    ----------
    draws : bool
        Whether something in it depends on a seed.
    """

    def __init__(self, network):
        super().__init__(network)
        self.draws = False
        self.depth = 0

    def value(self, value) -> Any:
        """Describe a value."""
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in "biuf":
                return {"text": f"{value!s:.200}"}
            if value.size > LARGEST:
                sample = value.ravel()[:: -(-value.size // LARGEST)]
                return {"shape": list(value.shape), "sample": self.value(sample.copy())}
        try:
            return super().value(value)
        except NoRecipe:
            return self.unknown(value)

    def unknown(self, value):
        """Describe what the library does not know, by its type and simple attributes."""
        if inspect.isroutine(value) or isinstance(value, type):
            return {"name": getattr(value, "__qualname__", repr(type(value)))}
        own = {"type": type(value).__qualname__}
        if self.depth < DEPTH and not isinstance(value, dict | list | tuple | set):
            self.depth += 1
            fields = getattr(value, "__dict__", {})
            own["args"] = {
                name.lstrip("_"): self.value(field)
                for name, field in sorted(fields.items())
                if not callable(field)
            }
            self.depth -= 1
        return own

    def part(self, part) -> dict:
        """Describe a part."""
        if isinstance(part, LegendreMemory):
            return self.memory(part)
        if isinstance(part, LMUCell):
            inner = {**part.paths, "activity": part.activity}
            own = self.memory(part.memory)
            own["hidden_type"] = self.hidden_type(part.hidden_type)
            own["gain"] = self.value(getattr(part.hidden, "gain", None))
            own["synapses"] = {k: self.value(conn.synapse) for k, conn in inner.items()}
            return own
        if isinstance(part, LSTM):
            return {}
        if isinstance(part, nengo.Ensemble):
            return self.ensemble(part)
        if isinstance(part, nengo.Node):
            if part.size_in == 0 and not isinstance(part.output, np.ndarray):
                return {"output": INPUT}
            return {"output": self.output(part.output)}
        return self.any_connection(part)

    def memory(self, memory):
        """Describe how a memory is computed; all exact ways are the same."""
        realization = memory.realization.step_by_step()
        own = {"realization": self.value(realization), "start": memory.start is not None}
        if realization.is_spiking:
            own["expected_input"] = self.value(memory.expected_input)
            self.draws = True
        return own

    def hidden_type(self, kind):
        """Describe a neuron type or a function."""
        if isinstance(kind, nengo.neurons.NeuronType):
            self.draws |= kind.spiking
            return self.value(kind)
        return {"name": getattr(kind, "__qualname__", type(kind).__qualname__)}

    def ensemble(self, ens):
        """Describe an ensemble."""
        names = ["radius", "eval_points", "n_eval_points", "noise", "neuron_type"]
        arrays = {n: isinstance(getattr(ens, n), np.ndarray) for n in ("encoders", "gain")}
        if not arrays["encoders"]:
            names.append("encoders")
        if not arrays["gain"] or not isinstance(ens.bias, np.ndarray):
            names += ["gain", "bias", "intercepts", "max_rates"]
        own = self.values(ens, names)
        is_drawn = len(names) > 5 or ens.noise is not None or ens.neuron_type.spiking
        if is_drawn:
            self.draws, own["seed"] = True, ens.seed
        return own

    def output(self, output):
        """Describe what a node does; the parameters of a `Sequence` are saved."""
        if isinstance(output, Sequence):
            fields = {k: v for k, v in vars(output).items() if not callable(v)}
            kinds = (int, float, np.integer, np.floating)
            simple = {k: self.value(v) for k, v in fields.items() if isinstance(v, kinds)}
            return {"type": type(output).__qualname__, "args": simple}
        if callable(output) and not isinstance(output, nengo.Process):
            return {"name": getattr(output, "__qualname__", type(output).__qualname__)}
        return self.value(output)

    def any_connection(self, conn):
        """Describe a connection, but for its ends and its matrix."""
        transform = getattr(conn.transform, "init", None)
        own = {
            "transform": type(conn.transform).__name__,
            "learning_rule": self.value(conn.learning_rule_type),
        }
        if isinstance(transform, nengo.dists.Distribution):
            own |= {"drawn": self.value(transform), "seed": conn.seed}
            self.draws = True
        frozen = isinstance(conn.solver, NoSolver) and conn.solver.values is not None
        if frozen:
            return {"frozen": True, "learning_rule": own["learning_rule"]}
        if isinstance(conn.pre_obj, nengo.Ensemble):
            own |= self.values(conn, ("solver", "eval_points", "scale_eval_points"))
        if conn.function is not None:
            own["function"] = self.function(conn)
        return own

    def function(self, conn):
        """Describe the function of a connection by its values."""
        if isinstance(conn.function, np.ndarray):
            return self.value(conn.function)
        points = np.random.RandomState(0).uniform(-1, 1, (N_POINTS, conn.size_in))
        try:
            values = [np.ravel(conn.function(point)) for point in points]
            return self.value(np.array(values, dtype=float))
        except Exception:  # it may be defined elsewhere only
            return self.unknown(conn.function)
