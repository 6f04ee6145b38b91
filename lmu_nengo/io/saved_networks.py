"""Trained networks in a file: their parameters, and what to build them from."""

import json

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.solvers import NoSolver

from lmu_nengo.io import archive
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.memory.realization import RealizableNetwork
from lmu_nengo.processes.sequence import Sequence

ENSEMBLE = ("encoders", "gain", "bias")
FROZEN = "decoders"


def save_network(network, path, settings=None):
    """
    Save the parameters of a network, and what it was built from.

    Saved are all arrays: connections' transforms, ensembles' encoders, gain and bias,
    decoders that were frozen, the state space of memories, the weights of `LMUCell` and
    `LSTM`. What is drawn or solved anew in each simulator is not; it follows from the
    seeds. After training, call ``sim.freeze_params(network)`` first.

    Parameters
    ----------
    network : nengo.Network
        The network, in any realization.
    path : str or Path
        The file, ending in ``.npz``; it is written in one stroke.
    settings : dict, optional
        Arguments of the function that builds the network, for JSON; tuples come back as
        lists.

    Raises
    ------
    ValidationError
        If the settings are not for JSON, the folder does not exist, or a connection has
        another transform than a matrix.
    """
    settings = {} if settings is None else settings
    is_dict = isinstance(settings, dict) and all(isinstance(k, str) for k in settings)
    try:
        text = json.dumps(settings) if is_dict else None
    except (TypeError, ValueError):
        text = None
    if text is None:
        raise ValidationError(
            f"got {settings!r}, expected a dict of numbers, text, lists and dicts, by the "
            "names of the arguments of your building function.",
            attr="settings",
        )
    arrays = {
        f"parameters/{name}/{key}": value
        for name, part in parts(network)
        for key, value in parameters_of(part).items()
    }
    archive.write(path, {"settings": text, "structure": structure(network), **arrays})


def load_network(path, build):
    """
    Build a network again and give it the parameters that were saved.

    Parameters
    ----------
    path : str or Path
        What `save_network` wrote.
    build : callable
        Called with the settings in the file, ``build(**settings)``; gives the network,
        or an object with the network as its attribute ``network``.

    Returns
    -------
    built : object
        What ``build`` gave.

    Raises
    ------
    ValidationError
        If the file is damaged or of another kind, or ``build`` gives another network
        than the one that was saved.
    """
    saved = archive.read(path)
    if not {"settings", "structure"} <= saved.keys():
        raise ValidationError(
            f"{path} holds {sorted(saved)[:5]}..., expected what save_network wrote.",
            attr="path",
        )
    built = build(**json.loads(str(saved["settings"])))
    network = getattr(built, "network", built)
    if not isinstance(network, nengo.Network):
        raise ValidationError(
            f"it gave {built!r}, expected a nengo.Network, or an object with one as its "
            "attribute network.",
            attr="build",
        )
    check_structure(path, saved["structure"].tolist(), structure(network))
    for name, part in parts(network):
        start = f"parameters/{name}/"
        values = {k.removeprefix(start): v for k, v in saved.items() if k.startswith(start)}
        if values:
            set_parameters(part, values)
    return built


def parts(network, name="network"):
    """Everything with parameters, by a name that tells its place; no memory's inside."""
    weighted = isinstance(network, RealizableNetwork) and hasattr(network, "weights")
    if weighted or isinstance(network, LegendreMemory):
        yield name, network
        return
    for i, net in enumerate(network.networks):
        yield from parts(net, f"{name}.networks[{i}]")
    for kind in ("ensembles", "nodes", "connections"):
        for i, obj in enumerate(getattr(network, kind)):
            yield f"{name}.{kind}[{i}]", obj


def structure(network):
    """One line for each part of a network; the same lines, the same architecture."""
    return [f"{name}: {describe(part)}" for name, part in parts(network)]


def describe(part):
    """Describe all of a part that its parameters must fit."""
    kind = type(part).__name__
    if isinstance(part, LegendreMemory):
        return f"{kind} of order {part.order}, memory_d {part.memory_d}, dt {part.dt:g}"
    if isinstance(part, nengo.Network):
        shapes = {key: np.shape(value) for key, value in sorted(part.weights.items())}
        neurons = getattr(getattr(part, "hidden", None), "neuron_type", "")
        return f"{kind} {shapes} {neurons!r}"
    if isinstance(part, nengo.Ensemble):
        sizes = f"{part.n_neurons} neurons, {part.dimensions} dimensions"
        return f"{kind} of {sizes}, {part.neuron_type!r}"
    if isinstance(part, nengo.Node):
        does = type(part.output).__name__ if part.size_in else "input"
        return f"{kind} from {part.size_in} to {part.size_out}, {does}"
    pre, post = part.pre_obj, part.post_obj
    size_out, size_in = pre.size_out, getattr(post, "size_in", 0)
    taken = np.arange(size_out)[part.pre_slice], np.arange(size_in)[part.post_slice]
    ends = [
        f"{type(obj).__name__}({size}){'' if len(x) == size else x.tolist()}"
        for obj, size, x in zip((pre, post), (size_out, size_in), taken, strict=True)
    ]
    return f"{kind} {' -> '.join(ends)}, synapse {part.synapse!r}"


def check_structure(path, saved, built):
    """Raise ValidationError at the first difference of two structures."""
    if saved == built:
        return
    longest = max(len(saved), len(built))
    for old, new in zip(
        *(lines + ["nothing"] * (longest - len(lines)) for lines in (saved, built)),
        strict=True,
    ):
        if old != new:
            raise ValidationError(
                f"{path} holds {old}; build gives {new}. Build the network that was saved.",
                attr="build",
            )


def parameters_of(part):
    """Arrays of a part, by name."""
    if isinstance(part, LegendreMemory):
        A, B = part.matrices
        return {"theta": part.theta, "A": A, "B": B}
    if isinstance(part, nengo.Network):
        return part.weights
    if isinstance(part, nengo.Ensemble):
        values = {name: getattr(part, name) for name in ENSEMBLE}
        values = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
        return {**values, "normalize_encoders": part.normalize_encoders}
    if isinstance(part, nengo.Node):
        return part.output.parameters if isinstance(part.output, Sequence) else {}
    if isinstance(part.solver, NoSolver) and part.solver.values is not None:
        return {FROZEN: part.solver.values}
    transform = part.transform
    if isinstance(transform, nengo.transforms.NoTransform):
        return {}
    if not isinstance(transform, nengo.Dense):
        raise ValidationError(
            f"got a {type(transform).__name__}, expected a matrix or a number: others "
            "cannot be saved.",
            attr="transform",
            obj=part,
        )
    is_drawn = isinstance(transform.init, nengo.dists.Distribution)
    return {} if is_drawn else {"transform": transform.init}


def set_parameters(part, values):
    """Give a part what `parameters_of` gave."""
    if isinstance(part, LegendreMemory):
        present = parameters_of(part)
        if not all(np.array_equal(values[name], present[name]) for name in present):
            part.set_state_space(**values)
            part.realize(part.realization)
    elif isinstance(part, nengo.Network):
        part.weights = values
    elif isinstance(part, nengo.Ensemble):
        part.normalize_encoders = bool(values.pop("normalize_encoders"))
        for name, value in values.items():
            setattr(part, name, value)
        if "gain" in values and "bias" in values:
            part.max_rates = nengo.Ensemble.max_rates.default
            part.intercepts = nengo.Ensemble.intercepts.default
    elif isinstance(part, nengo.Node):
        part.output.parameters.update(values)
    elif FROZEN in values:
        size = values[FROZEN].shape[1]
        part.solver = NoSolver(values[FROZEN])
        part.function = lambda x: np.zeros(size)  # replaced by the decoders
        part.transform = None
    else:
        part.transform = values["transform"]
