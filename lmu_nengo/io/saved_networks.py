"""Save the parameters of a network to a file, and load them into a rebuilt network."""

import inspect
import json
import os
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.solvers import NoSolver

from lmu_nengo._validation import check_network, check_path, show
from lmu_nengo.io.archive import check_finite, read_expected, read_header, write_archive
from lmu_nengo.io.arrays import DamagedFileError, read_arrays
from lmu_nengo.io.description import details, first_difference
from lmu_nengo.io.recipe import NoRecipe, check_recipe, rebuild, referred
from lmu_nengo.io.recipe import describe as describe_network
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.memory.realization import RealizableNetwork
from lmu_nengo.processes.sequence import Sequence

FORMAT = "lmu_nengo network"
ENSEMBLE = ("encoders", "gain", "bias")
FROZEN = "decoders"
RECIPE = "recipe/"
DETAILS = "details/"


def save_network(
    network: nengo.Network,
    path: str | os.PathLike[str],
    settings: dict[str, Any] | None = None,
) -> None:
    """
    Save the parameters of a network and the settings it was built with.

    All arrays are saved: transforms of connections; encoders, gains and biases of
    ensembles; frozen decoders; the state space of memories; the weights of `LMUCell` and
    `LSTM`. Whatever Nengo draws or solves when a simulator is built is not saved; it
    follows from the seeds. So is how the network is built, unless it contains Python
    functions or objects of other packages.

    Parameters
    ----------
    network : nengo.Network
        The network, in any realization.
    path : str or path-like
        The file, ending in ``.npz``; it is written atomically.
    settings : dict, optional
        Arguments of your function that builds the network, if `load_network` needs one.
        JSON must be able to represent them; tuples are loaded as lists.

    Raises
    ------
    ValidationError
        If JSON cannot represent the settings, the folder does not exist, a connection has
        a transform that is neither a matrix nor a number, or a number is not finite.

    See Also
    --------
    load_network : Build the network again and load its parameters.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import nengo
    >>> import lmu_nengo
    >>> def build(theta):
    ...     with nengo.Network(seed=0) as network:
    ...         network.memory = lmu_nengo.LegendreMemory(theta, order=6)
    ...     return network
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "memory.npz")
    ...     lmu_nengo.save_network(build(theta=0.5), path)
    ...     network = lmu_nengo.load_network(path)
    >>> network.memory.theta
    0.5
    """
    check_network(network)
    check_path(path)
    settings = {} if settings is None else settings
    if not isinstance(settings, dict) or not is_json(settings):
        raise ValidationError(
            "must be a dictionary of numbers, text, lists and dictionaries, whose keys are "
            f"the argument names of your building function, got {settings!r}.",
            attr="settings",
        )
    arrays = {
        f"{name}/{key}": value
        for name, part in parts(network)
        for key, value in parameters_of(part).items()
    }
    check_finite(arrays)
    lines = structure(network)
    described, told = details(network, dict(parts(network)))
    header = {"settings": settings, "structure": lines, "details": described}
    arrays |= {f"{DETAILS}{key}": value for key, value in told.items()}
    try:
        recipe, own = describe_network(network)
        made = check_recipe(recipe, own, lines, structure)
        difference = difference_from(described, told, made)
        if difference:
            raise NoRecipe(f"it would have another {difference}")
        header["recipe"] = recipe
        arrays |= {f"{RECIPE}{key}": value for key, value in own.items()}
    except NoRecipe as error:
        header["no_recipe"] = str(error)
    write_archive(path, FORMAT, header, arrays)


def load_network(
    path: str | os.PathLike[str], build: Callable[..., Any] | None = None
) -> Any:
    """
    Build a network again and load the parameters that were saved.

    Parameters
    ----------
    path : str or path-like
        A file that `save_network` wrote.
    build : callable, optional
        Called as ``build(**settings)`` with the saved settings. It returns the network,
        or an object whose attribute ``network`` is the network. By default the network is
        made of what the file says about it, which is enough for nodes without a Python
        function, ensembles, connections, probes and the layers of this package.

    Returns
    -------
    built : object
        What ``build`` returned, or the network. It has the attributes that were parts of
        the saved network, such as ``network.probe``.

    Raises
    ------
    ValidationError
        If the file is damaged or contains something else, or if ``build`` returns a
        network other than the one that was saved, or is needed and was not given.

    See Also
    --------
    save_network : Save the parameters of a network.

    Examples
    --------
    A network is refused if it is not built like the one that was saved:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import nengo
    >>> import lmu_nengo
    >>> def build(order=6):
    ...     with nengo.Network(seed=0) as network:
    ...         network.memory = lmu_nengo.LegendreMemory(0.5, order)
    ...     return network
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "memory.npz")
    ...     lmu_nengo.save_network(build(), path)
    ...     lmu_nengo.load_network(path, lambda: build(order=8))
    Traceback (most recent call last):
        ...
    nengo.exceptions.ValidationError: build: must return the network that was saved in...
    """
    check_path(path)
    if not (build is None or callable(build)):
        message = f"must be a function that builds the network, got {show(build)}."
        raise ValidationError(message, attr="build")
    header, shapes = read_header(path, FORMAT, {"settings": dict, "structure": list})
    built = rebuilt(path, header, shapes) if build is None else call(build, header)
    network = getattr(built, "network", built)
    if not isinstance(network, nengo.Network):
        raise ValidationError(
            "must return a nengo.Network, or an object whose attribute `network` is one, "
            f"got {built!r}.",
            attr="build",
        )
    check_structure(path, header["structure"], structure(network))
    own = [f"{RECIPE}{key}" for key in referred(header.get("recipe"))]
    own += [f"{DETAILS}{key}" for key in referred(header.get("details"))]
    needed = {name: shapes.get(name, ()) for name in own}
    for name, part in parts(network):
        needed |= shapes_of(path, name, part, shapes)
    arrays = real(path, read_expected(path, needed))
    for name, part in parts(network):
        values = under(f"{name}/", arrays)
        if not values:
            continue
        try:
            set_parameters(part, values)
        except (ValidationError, ValueError) as error:
            raise DamagedFileError(path, f"{name}: {error}") from error
    if "details" in header:
        check_details(path, header["details"], under(DETAILS, arrays), network)
    return built


def check_details(path, saved, arrays, network):
    """Raise ValidationError at the first difference that the structure does not show."""
    difference = difference_from(saved, arrays, network)
    if difference:
        raise ValidationError(
            f"must return the network that was saved in {path}. Saved: {difference}.",
            attr="build",
        )


def difference_from(saved, arrays, network):
    """Say how a network differs from one that `details` described; None if it does not."""
    own, own_arrays = details(network, dict(parts(network)))
    saved, own = (json.loads(json.dumps(each)) for each in (saved, own))
    return first_difference(saved, own, arrays, own_arrays)


def rebuilt(path, header, shapes):
    """The network that a file describes; what is in it is not trusted."""
    if not isinstance(header.get("recipe"), dict):
        reason = header.get("no_recipe", "the file is from an earlier version")
        raise ValidationError(
            f"must be given for {path}, which does not say how to build the network: "
            f"{reason}.",
            attr="build",
        )
    arrays = real(path, read_arrays(path, [k for k in shapes if k.startswith(RECIPE)]))
    try:
        # a forged description makes constructors raise anything
        return rebuild(header["recipe"], under(RECIPE, arrays), list(shapes.values()))
    except Exception as error:
        raise ValidationError(
            f"{path} does not say how to build a network with this version of lmu_nengo "
            f"({error!r:.300}). Give build, a function that builds it.",
            attr="path",
        ) from error


def call(build, header):
    """Call the user's function with the saved settings."""
    settings = header["settings"]
    try:
        inspect.signature(build).bind(**settings)
    except TypeError as error:
        raise ValidationError(
            f"must take the saved settings as arguments, {settings}, but {show(build)} "
            f"does not ({error}).",
            attr="build",
        ) from error
    except ValueError:  # it has no signature
        pass
    return build(**settings)


def under(start, arrays):
    """Arrays whose names begin so, by the rest of their names."""
    return {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}


def real(path, arrays):
    """Arrays, of real numbers or booleans, or DamagedFileError is raised."""
    for name, value in arrays.items():
        if value.dtype.kind not in "biuf":
            raise DamagedFileError(path, f"{name} must be real numbers, got {show(value)}")
    return arrays


def shapes_of(path, name, part, shapes):
    """Shapes that the parameters of a part must have, of those that a file may give."""
    present = {key: np.shape(value) for key, value in parameters_of(part).items()}
    given, start = under(f"{name}/", shapes), f"{name}/"
    if isinstance(part, nengo.Ensemble):
        size = part.n_neurons
        present |= {"encoders": (size, part.dimensions)} if "encoders" in given else {}
        if "gain" in given or "bias" in given:  # both or none
            present |= {"gain": (size,), "bias": (size,)}
    elif isinstance(part, nengo.Connection) and FROZEN in given:
        decoded = isinstance(part.pre_obj, nengo.Ensemble)
        present = {FROZEN: (part.pre_obj.n_neurons, part.size_out)} if decoded else {}
    elif isinstance(part, nengo.Connection) and "transform" in given:
        full = part.size_out, part.size_mid
        allowed = present.get("transform", full), full, ()
        shape = given["transform"]
        present["transform"] = shape if shape in allowed else allowed[0]
    return {start + key: shape for key, shape in present.items()}


def is_json(settings: dict) -> bool:
    """Whether JSON represents a dictionary whose keys are all text."""
    try:
        json.dumps(settings)
    except (TypeError, ValueError):
        return False
    return all(isinstance(key, str) for key in settings)


def parts(network: nengo.Network, name: str = "network") -> Iterator[tuple[str, Any]]:
    """All objects that may have parameters, with the path to each; not inside memories."""
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
    """One line for each part; networks with equal lines have the same architecture."""
    return [f"{name}: {describe(part)}" for name, part in parts(network)]


def describe(part):
    """Describe what the parameters of a part depend on."""
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
    """Raise ValidationError at the first difference between two structures."""
    for old, new in zip_longest(saved, built, fillvalue="nothing"):
        if old != new:
            raise ValidationError(
                f"must return the network that was saved in {path}. Saved: {old}; built: "
                f"{new}.",
                attr="build",
            )


def parameters_of(part):
    """Arrays of a part by name."""
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
            "must be a matrix or a number for the network to be saved, got "
            f"{type(transform).__name__}.",
            attr="transform",
            obj=part,
        )
    is_drawn = isinstance(transform.init, nengo.dists.Distribution)
    return {} if is_drawn else {"transform": transform.init}


def set_parameters(part, values):
    """Set the arrays of a part that `parameters_of` returned."""
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
