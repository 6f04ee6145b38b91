"""What a network is made of, as numbers and text, and a network made of it again.

Nothing in a file is executed: only the classes in `KINDS` are made, by their constructors.
"""

import dataclasses
import inspect
import math
from collections.abc import Iterable, Iterator
from typing import Any

import nengo
import numpy as np
from nengo.base import ObjView
from nengo.exceptions import ValidationError
from nengo.params import BoolParam
from nengo.solvers import NoSolver
from nengo.utils import least_squares_solvers

from lmu_nengo._nengo import plain_config
from lmu_nengo.layers import (
    LSTM,
    Bidirectional,
    EncoderDecoder,
    LMUCell,
    Parallel,
    Readout,
    Stack,
)
from lmu_nengo.memory import LegendreMemory, Linear, Spiking, Windowed
from lmu_nengo.memory.realization import RealizableNetwork
from lmu_nengo.nef.input_model import Band, Recording
from lmu_nengo.processes.regularization import Dropout, GaussianNoise

LAYERS = {
    kind.__name__: kind
    for kind in (
        *(LegendreMemory, LMUCell, LSTM, Readout),
        *(Stack, Parallel, Bidirectional, EncoderDecoder),
    )
}
VALUES = {
    kind.__name__: kind
    for kind in (
        *(Linear, Windowed, Spiking, Band, Recording, Dropout, GaussianNoise),
        *(nengo.LIF, nengo.LIFRate, nengo.AdaptiveLIF, nengo.AdaptiveLIFRate),
        *(nengo.RectifiedLinear, nengo.SpikingRectifiedLinear, nengo.Sigmoid, nengo.Tanh),
        *(nengo.RegularSpiking, nengo.PoissonSpiking, nengo.StochasticSpiking),
        *(nengo.Lowpass, nengo.Alpha, nengo.LinearFilter, nengo.synapses.Triangle),
        *(nengo.dists.Uniform, nengo.dists.Gaussian, nengo.dists.Choice),
        *(nengo.dists.UniformHypersphere, nengo.dists.ScatteredHypersphere),
        *(nengo.dists.CosineSimilarity, nengo.dists.QuasirandomSequence),
        *(nengo.solvers.LstsqL2, nengo.solvers.Lstsq, nengo.solvers.LstsqL2nz),
        *(least_squares_solvers.Cholesky, least_squares_solvers.SVD),
        *(least_squares_solvers.LSMRScipy, least_squares_solvers.Conjgrad),
        *(nengo.processes.PresentInput, nengo.processes.WhiteSignal),
        *(nengo.processes.WhiteNoise, nengo.processes.FilteredNoise),
    )
}
CONFIGURED = (nengo.Ensemble, nengo.Connection, nengo.ensemble.Neurons, nengo.Probe)
ENSEMBLE = (
    *("n_neurons", "dimensions", "radius", "encoders", "intercepts", "max_rates"),
    *("eval_points", "n_eval_points", "neuron_type", "gain", "bias", "noise"),
    *("normalize_encoders", "label", "seed"),
)


class NoRecipe(Exception):
    """Something has no description; the text says what."""


def describe(network: nengo.Network) -> tuple[dict, dict[str, np.ndarray]]:
    """
    Describe a network.

    Parameters
    ----------
    network : nengo.Network
        The network.

    Returns
    -------
    recipe : dict
        What JSON can represent.
    arrays : dict of {str: ndarray}
        The arrays that it refers to. Weights are zero in it: they are saved apart.

    Raises
    ------
    NoRecipe
        If something in it is not known, such as a Python function.
    """
    writer = Writer(network)
    recipe = writer.network(network)
    recipe["probes"] = [writer.probe(probe) for probe in network.all_probes]
    recipe["names"] = {
        name: writer.places[value]
        for name, value in vars(network).items()
        if name[0] != "_" and is_part(value) and value in writer.places
    }
    return recipe, writer.arrays


def is_part(value) -> bool:
    """Whether something is an object of Nengo or a network."""
    return isinstance(value, nengo.base.NengoObject | nengo.Network)


def rebuild(
    recipe: dict,
    arrays: dict[str, np.ndarray],
    shapes: Iterable[tuple[int, ...]] | None = None,
) -> nengo.Network:
    """
    Make a network that was described.

    Parameters
    ----------
    recipe : dict
        What `describe` returned.
    arrays : dict of {str: ndarray}
        Its arrays.
    shapes : iterable of tuple of int, optional
        Shapes of all arrays of the file that the recipe is from, which bound what weights
        may be made. By default nothing does.

    Returns
    -------
    network : nengo.Network
        The network; its weights are zero. Names under which the network had its parts as
        attributes are those of the parts again.
    """
    most = math.inf if shapes is None else sum(map(math.prod, shapes))
    reader = Reader(arrays, most)
    with plain_config():
        network = reader.network(recipe)
        found = {place: part for part, place in places_of(network).items()}
        with network:
            for probe in recipe["probes"]:
                target, number = reader.part(probe["target"], found), probe["number"]
                found[f"probes[{number}]"] = nengo.Probe(
                    target, **{k: reader.value(v) for k, v in probe["args"].items()}
                )
    for name, place in recipe["names"].items():
        if getattr(network, name, found[place]) is not found[place]:
            raise ValueError(f"the name {name!r:.40} is taken")
        setattr(network, name, found[place])
    return network


def referred(recipe: Any) -> Iterator[str]:
    """
    Names of the arrays that a recipe refers to.

    Parameters
    ----------
    recipe : object
        A recipe, or any other value of JSON.

    Yields
    ------
    name : str
        Name of an array.

    Examples
    --------
    >>> from lmu_nengo.io.recipe import referred
    >>> list(referred({"args": {"gain": {"array": "array0"}}}))
    ['array0']
    """
    left = [recipe]
    while left:
        value = left.pop()
        if isinstance(value, dict) and isinstance(value.get("array"), str):
            yield value["array"]
        elif isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value


def places_of(network, name="network"):
    """Every part of a network and where it is."""
    places = {network: name}
    for kind in ("ensembles", "nodes", "connections"):
        for i, part in enumerate(getattr(network, kind)):
            places[part] = f"{name}.{kind}[{i}]"
    for i, part in enumerate(network.networks):
        places |= places_of(part, f"{name}.networks[{i}]")
    return places


class Writer:
    """Turns the parts of a network into text; arrays are kept apart."""

    def __init__(self, network):
        self.arrays = {}
        self.probes = network.all_probes
        self.places = places_of(network)
        self.places |= {p: f"probes[{i}]" for i, p in enumerate(self.probes)}

    def value(self, value) -> Any:
        """Describe an argument."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.integer | np.floating | np.bool_):
            return value.item()
        if isinstance(value, np.ndarray):
            key = f"array{len(self.arrays)}"
            self.arrays[key] = value
            return {"array": key}
        if isinstance(value, list | tuple):
            return {type(value).__name__: [self.value(part) for part in value]}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {"dict": {key: self.value(part) for key, part in value.items()}}
        name = type(value).__name__
        if VALUES.get(name) is not type(value):
            raise NoRecipe(f"{value!r} is not known")
        if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value) if field.init]
        else:
            parameters = inspect.signature(type(value).__init__).parameters.values()
            kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            names = [p.name for p in parameters if p.kind not in kinds][1:]
        try:
            args = {name: self.value(getattr(value, name)) for name in names}
        except AttributeError as error:
            raise NoRecipe(f"{value!r} does not keep its arguments") from error
        return {"type": name, "args": args}

    def values(self, part, names):
        """Describe attributes."""
        return {name: self.value(getattr(part, name)) for name in names}

    def network(self, network) -> dict:
        """Describe a network or a layer."""
        kind = type(network).__name__
        if LAYERS.get(kind) is type(network):
            return {"kind": kind, **self.layer(network)}
        if type(network) is not nengo.Network:
            raise NoRecipe(f"networks of type {kind} are not known")
        settings = {}
        for part in CONFIGURED:
            params = network.config.params
            for name in ("trainable", "keep_history"):
                if part in params and name in params[part].extra_params:
                    value = getattr(network.config[part], name)
                    settings.setdefault(part.__name__, {})[name] = value
        return {
            "kind": "Network",
            "args": self.values(network, ("label", "seed")),
            "networks": [self.network(part) for part in network.networks],
            "ensembles": [self.values(ens, ENSEMBLE) for ens in network.ensembles],
            "nodes": [self.node(node) for node in network.nodes],
            "connections": [self.connection(conn) for conn in network.connections],
            "config": settings,
        }

    def layer(self, layer) -> dict:
        """Describe a layer of this package."""
        args = self.values(layer, ("label", "seed"))
        if isinstance(layer, RealizableNetwork):
            args["realization"] = self.value(layer.realization)
        if isinstance(layer, LegendreMemory):
            args |= self.values(layer, ("theta", "order", "memory_d", "dt"))
            args["start"] = layer.start is not None
            return {"args": args, "expected": self.value(layer.expected_input)}
        if isinstance(layer, LSTM):
            shape = layer.weights["kernel"].shape
            args |= {"input_d": shape[1], "hidden_d": shape[0] // 4}
            return {"args": args}
        if isinstance(layer, LMUCell):
            memory = layer.memory
            args |= self.values(layer, ("input_d", "hidden_d", "dt"))
            args |= self.values(memory, ("theta", "order", "memory_d"))
            args["start"] = layer.start is not None
            trainable = sorted(layer.trainable) if layer._names_trainable else None
            args["trainable"] = self.value(trainable)
            if not isinstance(layer.hidden, nengo.Ensemble):
                raise NoRecipe(f"the function {layer.hidden_type!r} is not known")
            args["hidden_type"] = self.value(layer.hidden.neuron_type)
            inner = {**layer.paths, "activity": layer.activity}
            return {
                "args": args,
                "paths": {
                    name: list(value.shape)
                    for name, value in layer.weights.items()
                    if name not in ("theta", "A", "B")
                },
                "gain": self.value(layer.hidden.gain),
                "synapses": {k: self.value(conn.synapse) for k, conn in inner.items()},
                "expected": self.value(memory.expected_input),
            }
        if isinstance(layer, Readout):
            args = self.values(layer, ("label", "alpha"))
            return {"args": args, "weights": list(layer.weights.shape)}
        for name in ("residual", "dropout", "n_source"):
            if hasattr(layer, name):
                args[name] = self.value(getattr(layer, name))
        return {"args": args, "layers": [self.network(part) for part in layer.layers]}

    def node(self, node) -> dict:
        """Describe a node."""
        if callable(node.output):
            raise NoRecipe(f"{node} computes a Python function")
        return self.values(node, ("output", "size_in", "size_out", "label", "seed"))

    def place(self, obj) -> str:
        """Say where an object is."""
        if isinstance(obj, nengo.ensemble.Neurons):
            return f"{self.places[obj.ensemble]}.neurons"
        return self.places[obj]

    def end(self, obj, indices, size):
        """Describe an end of a connection: where it is, and which elements of it."""
        taken = np.arange(size)[indices].tolist()
        return [self.place(obj), None if taken == list(range(size)) else taken]

    def connection(self, conn) -> dict:
        """Describe a connection."""
        is_decoded = isinstance(conn.pre_obj, nengo.Ensemble)
        frozen = isinstance(conn.solver, NoSolver) and conn.solver.values is not None
        if conn.learning_rule_type is not None:
            raise NoRecipe(f"{conn} has a learning rule")
        if conn.function is not None and not frozen:
            raise NoRecipe(f"{conn} computes a Python function")
        args = self.values(conn, ("synapse", "label", "seed"))
        if frozen:
            args["decoders"] = list(conn.solver.values.shape)
        else:
            args["solver"] = self.value(conn.solver) if is_decoded else None
            transform = conn.transform
            if not isinstance(transform, nengo.transforms.NoTransform):
                if not isinstance(transform, nengo.Dense):
                    raise NoRecipe(f"{conn} has a transform of another type than Dense")
                init = transform.init
                drawn = isinstance(init, nengo.dists.Distribution)
                args["transform"] = self.value(init) if drawn else None
                if not drawn:
                    args["zeros"] = list(np.shape(init))
        return {
            "pre": self.end(conn.pre_obj, conn.pre_slice, conn.pre_obj.size_out),
            "post": self.end(conn.post_obj, conn.post_slice, conn.post_obj.size_in),
            "args": args,
        }

    def probe(self, probe) -> dict:
        """Describe a probe."""
        target, indices = probe.obj, None
        if isinstance(probe.target, ObjView):
            indices = np.arange(target.size_out)[probe.slice].tolist()
        return {
            "target": [self.place(target), indices],
            "number": self.probes.index(probe),
            "args": self.values(
                probe, ("attr", "synapse", "sample_every", "label", "seed")
            ),
        }


class Reader:
    """Makes the parts of a network from text and arrays."""

    def __init__(self, arrays, most):
        self.arrays, self.left = arrays, most

    def count(self, *shapes):
        """Count weights; all together, they may be as many as were saved."""
        self.left -= sum(math.prod(shape) for shape in shapes)
        if self.left < 0 or any(n < 0 for shape in shapes for n in shape):
            raise ValueError(f"weights of shapes {shapes!s:.80} were not saved")

    def zeros(self, *shapes):
        """Make arrays of zeros."""
        self.count(*shapes)
        return [np.zeros(shape) for shape in shapes]

    def value(self, value) -> Any:
        """Make an argument."""
        if not isinstance(value, dict):
            return value
        if "array" in value:
            return self.arrays[value["array"]]
        if "dict" in value:
            return {key: self.value(part) for key, part in value["dict"].items()}
        for kind in (list, tuple):
            if kind.__name__ in value:
                return kind(map(self.value, value[kind.__name__]))
        args = {name: self.value(part) for name, part in value["args"].items()}
        return VALUES[value["type"]](**args)

    def network(self, recipe, **options):
        """Make a network or a layer."""
        args = {name: self.value(part) for name, part in recipe["args"].items()}
        if recipe["kind"] in LAYERS:
            return self.layer(recipe, LAYERS[recipe["kind"]], args, **options)
        with nengo.Network(**args, **options) as network:
            for part in CONFIGURED:
                own = recipe["config"].get(part.__name__, {})
                if own and part not in network.config.params:
                    network.config.configures(part)
                for name, value in own.items():
                    network.config[part].set_param(
                        name, BoolParam(name, default=value, optional=name == "trainable")
                    )
            for part in recipe["networks"]:
                self.network(part)
            for part in recipe["ensembles"]:
                nengo.Ensemble(**{k: self.value(v) for k, v in part.items()})
            for part in recipe["nodes"]:
                node = {k: self.value(v) for k, v in part.items()}
                if node["output"] is None or node["size_in"] == 0:
                    del node["size_out"]
                nengo.Node(**node)
            found = {place: part for part, place in places_of(network).items()}
            for part in recipe["connections"]:
                self.connection(part, found)
        return network

    def layer(self, recipe, kind, args, **options):
        """Make a layer of this package."""
        if "layers" in recipe:
            layers = [
                self.network(part, add_to_container=False) for part in recipe["layers"]
            ]
            several = kind in (Stack, Parallel)
            return (
                kind(layers, **args, **options)
                if several
                else kind(*layers, **args, **options)
            )
        if kind is Readout:
            n, alpha = recipe["weights"][0], args.pop("alpha")
            layer = kind(*self.zeros(recipe["weights"], (n,)), **args, **options)
            layer.alpha = alpha
            return layer
        realization = args.pop("realization")
        if kind is LSTM:
            self.count((4 * args["hidden_d"], args["input_d"] + args["hidden_d"] + 1))
        else:
            self.count((args["order"], args["order"] + 1))
        if kind is LSTM:
            return kind(**args, realization=realization, **options)
        if kind is LMUCell:
            made = self.zeros(*recipe["paths"].values())
            paths = dict(zip(recipe["paths"], made, strict=True))
            absent = dict.fromkeys(
                name
                for name in inspect.signature(LMUCell.__init__).parameters
                if name.endswith(("_encoders", "_kernel")) or name == "bias"
            )
            layer = kind(**args, **{**absent, **paths}, **options)
            layer.hidden.gain = self.value(recipe["gain"])
            inner = {**layer.paths, "activity": layer.activity}
            for name, synapse in recipe["synapses"].items():
                inner[name].synapse = self.value(synapse)
            memory = layer.memory
        else:
            memory = layer = kind(**args, **options)
        memory.expected_input = self.value(recipe["expected"])
        layer.realize(realization)
        return layer

    def part(self, end, found):
        """Make an end of a connection."""
        place, indices = end
        part = found[place.removesuffix(".neurons")]
        part = part.neurons if place.endswith(".neurons") else part
        return part if indices is None else part[indices]

    def connection(self, recipe, found):
        """Make a connection."""
        args = {name: self.value(part) for name, part in recipe["args"].items()}
        if "decoders" in args:
            shape = args.pop("decoders")
            args["solver"] = NoSolver(*self.zeros(shape))
            args["function"] = lambda x: np.zeros(shape[1])
        if "zeros" in args:
            (args["transform"],) = self.zeros(args.pop("zeros"))
        if args.get("solver", 0) is None:
            del args["solver"]
        ends = (self.part(recipe[end], found) for end in ("pre", "post"))
        nengo.Connection(*ends, **args)


def check_recipe(recipe, arrays, expected, structure) -> nengo.Network:
    """Return the network that is made of a recipe, or raise `NoRecipe` if it is another."""
    try:
        network = rebuild(recipe, arrays)
        made = structure(network)
    except (KeyError, TypeError, ValidationError, ValueError) as error:
        raise NoRecipe(f"{type(error).__name__}: {error}") from error
    for old, new in zip(expected, made, strict=False):
        if old != new:
            raise NoRecipe(f"{old} would become {new}")
    if len(made) != len(expected):
        raise NoRecipe("parts were added inside of layers")
    return network
