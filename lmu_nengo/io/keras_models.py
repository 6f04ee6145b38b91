"""Models of keras-lmu as networks: read from files or layers, without importing Keras."""

import io
import json
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_integer, check_path, check_positive, show
from lmu_nengo._warnings import warn
from lmu_nengo.io.arrays import DamagedFileError
from lmu_nengo.io.hdf5 import LARGEST, read_content, read_hdf5
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.memory.exact import Linear
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.processes.regularization import Dropout

MEMORIES = ("LMU", "LMUFeedforward", "LMUCell")
NEURONS = {
    "tanh": nengo.Tanh(tau_ref=1),
    "relu": nengo.RectifiedLinear(),
    "sigmoid": nengo.Sigmoid(tau_ref=1),
}
LINEAR = ("linear", None)
KNOWN = "LMU, LMUFeedforward, RNN of an LMUCell, Dense, Dropout and InputLayer"


@dataclass
class KerasLayer:
    """
    A layer of a Keras model: its class, its settings, and its weights.

    Parameters
    ----------
    kind : str
        Name of the class.
    config : dict
        What ``get_config`` returns.
    own, hidden : dict of {str: ndarray}
        Weights of the layer, and of its hidden cell, by Keras' names.
    """

    kind: str
    config: dict
    own: dict
    hidden: dict

    def __str__(self):
        return f"{self.kind} {self.config.get('name', '')!r}"


def from_keras_lmu(
    source: Any, config: Mapping | None = None, dt: float = 0.001
) -> nengo.Network:
    """
    Turn a trained model of keras-lmu into a network with the same outputs.

    Neither Keras nor keras-lmu is imported. ``theta``, in steps, becomes ``theta * dt``
    seconds, so that one time step of the data is one step of the simulation.

    Parameters
    ----------
    source : str or path-like or keras.Model or keras.Layer or list of keras.Layer
        A file that ``model.save`` or ``model.save_weights`` wrote, ending in ``.keras``,
        ``.h5`` or ``.weights.h5`` (these need the package h5py); or a model or layers in
        this process. Layers are `LMU`, `LMUFeedforward`, or an `RNN` of an `LMUCell`, and
        `Dense` and `Dropout` layers after or before them.
    config : dict, optional
        The settings of the model, which a ``.weights.h5`` file does not hold: what
        ``model.get_config()`` returned, also as read from JSON.
    dt : float
        Step of the simulation in seconds.

    Returns
    -------
    network : nengo.Network
        ``.input`` is a node of zeros, for which data are given; ``.output`` the node of
        the last layer and ``.probe`` a probe on it, with an output for each step;
        ``.layers`` holds the `LMUCell`, `LegendreMemory` or node of each layer.

    Raises
    ------
    ValidationError
        If the file cannot be read, or the model contains something that has no
        counterpart, which is named.

    Warns
    -----
    UserWarning
        If the last layer has a softmax, which is left out: the largest output stays the
        largest, and ``scipy.special.softmax`` of the outputs gives the probabilities.

    See Also
    --------
    lmu_nengo.to_spiking : Continue from here to spikes.
    lmu_nengo.Stream : Run it sample by sample.

    Examples
    --------
    What a layer tells about itself is enough:

    >>> import numpy as np
    >>> from types import SimpleNamespace as Some
    >>> from lmu_nengo import from_keras_lmu
    >>> class LMUFeedforward:  # stands for a layer of keras-lmu
    ...     weights = [
    ...         Some(path="lmu/kernel", numpy=lambda: np.ones((2, 1))),
    ...         Some(path="lmu/dense/kernel", numpy=lambda: np.ones((6, 4))),
    ...         Some(path="lmu/dense/bias", numpy=lambda: np.zeros(4)),
    ...     ]
    ...
    ...     def get_config(self):
    ...         hidden = {"name": "dense", "units": 4, "activation": "relu"}
    ...         return {
    ...             "memory_d": 1,
    ...             "order": 6,
    ...             "theta": 20,
    ...             "hidden_cell": {"class_name": "Dense", "config": hidden},
    ...         }
    >>> network = from_keras_lmu(LMUFeedforward())
    >>> network.input.size_out, network.output.size_out, network.layers[0].memory.theta
    (2, 4, 0.02)
    """
    dt = check_positive(dt, "dt")
    if config is not None and not isinstance(config, Mapping):
        raise ValidationError(
            f"must be what model.get_config() returns, got {show(config)}.", attr="config"
        )
    try:
        network, last = build_network(read(source, config), dt)
    except ValidationError:
        raise
    # settings that Keras did not write
    except (
        ArithmeticError,
        AttributeError,
        IndexError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        reason = f"{type(error).__name__}: {error!s:.200}"
        if isinstance(source, str | os.PathLike):
            raise DamagedFileError(source, reason) from error
        raise ValidationError(
            f"its settings and weights are not those of keras-lmu ({reason}).",
            attr="source",
        ) from error
    if activation(last) == "softmax":
        warn(
            f"the softmax of {last} is left out, which changes no decision: apply "
            "scipy.special.softmax to the outputs for its probabilities."
        )
    return network


def build_network(layers, dt):
    """The network of some layers, and the last of them."""
    kinds = [layer.kind for layer in layers]
    if not any(kind in MEMORIES for kind in kinds):
        raise ValidationError(
            f"must contain a layer of keras-lmu, got {kinds}.", attr="source"
        )
    network = nengo.Network(label="from keras-lmu", seed=0, add_to_container=False)
    with plain_config(), network:
        first = next(layer for layer in layers if layer.own)
        size = first.own["kernel"].shape[0] - hidden_rows(first)
        below = network.input = nengo.Node(np.zeros(size), label="input")
        network.layers = []
        for layer in layers:
            build = BUILD.get(layer.kind)
            if build is None:
                raise ValidationError(
                    f"{layer} has no counterpart. Models may contain {KNOWN}.",
                    attr="source",
                )
            part, below = build(layer, below, dt)
            network.layers.append(part)
        network.output = nengo.Node(size_in=below.size_out, label="output")
        nengo.Connection(below, network.output, synapse=None)
        network.probe = nengo.Probe(network.output)
    return network, layers[-1]


def check_shapes(layer, shapes):
    """Raise ValidationError unless arrays have the shapes that the settings say."""
    for name, (array, shape) in shapes.items():
        fits = array.ndim == len(shape) and all(
            want in (None, n) for n, want in zip(array.shape, shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise ValidationError(
                f"{name} of {layer} must be of shape ({wanted}), got {array.shape}.",
                attr="source",
            )


def hidden_rows(layer):
    """Rows of the kernel that take the hidden state."""
    feeds = layer.kind in MEMORIES and layer.config.get("hidden_to_memory")
    return units(layer) if feeds else 0


def units(layer):
    """Size of the hidden state."""
    return layer.hidden["kernel"].shape[1] if layer.hidden else 0


def activation(layer):
    """Name of an activation."""
    name = layer.config.get("activation")
    if isinstance(name, Mapping):  # a registered function
        name = name.get("config", name.get("class_name"))
    return name


def build_memory(layer, below, dt):
    """Add a layer of keras-lmu; return what it became, and its output."""
    config, own, hidden = layer.config, layer.own, layer.hidden
    memory_d, order, cell = config["memory_d"], config["order"], config.get("hidden_cell")
    theta = config["theta"] * dt
    if "theta_inv" in own:  # trained
        theta = dt / float(own["theta_inv"])
    if cell is not None and cell["class_name"] not in ("SimpleRNNCell", "Dense"):
        raise ValidationError(
            f"the hidden cell of {layer} must be a SimpleRNNCell or Dense, got "
            f"{cell['class_name']}.",
            attr="source",
        )
    kind = None if cell is None else activation(KerasLayer("", cell["config"], {}, {}))
    if kind not in (*NEURONS, *LINEAR):
        raise ValidationError(
            f"the activation of the hidden cell of {layer} must be one of "
            f"{', '.join(NEURONS)} and linear, got {kind!r}.",
            attr="source",
        )
    if cell is None and config.get("input_to_hidden"):
        raise ValidationError(
            f"{layer} has no hidden cell, so that input_to_hidden must be False.",
            attr="source",
        )
    memory_d, order = (check_integer(x, "source") for x in (memory_d, order))
    size, n_memory = below.size_out, memory_d * order
    expected = {"kernel": (own["kernel"], (None, memory_d))}
    for name, shape in (("recurrent_kernel", (n_memory, memory_d)), ("bias", (memory_d,))):
        if name in own:
            expected[name] = own[name], shape
    if cell is not None:
        rows = n_memory + (size if config.get("input_to_hidden") else 0)
        expected["the hidden kernel"] = hidden["kernel"], (rows, None)
    check_shapes(layer, expected)
    n_hidden = units(layer)
    encoders = own["kernel"].T
    paths = {
        "input_encoders": encoders[:, :size],
        "hidden_encoders": encoders[:, size:],
        "memory_encoders": own.get("recurrent_kernel", np.zeros((0, 0))).T,
    }
    if cell is not None:
        kernel = hidden["kernel"].T
        paths |= {
            "memory_kernel": kernel[:, :n_memory],
            "input_kernel": kernel[:, n_memory:],
            "hidden_kernel": hidden.get("recurrent_kernel", np.zeros((0, 0))).T,
            "bias": hidden.get("bias", np.zeros(0)),
        }
    paths = {name: array if array.size else None for name, array in paths.items()}
    sizes = dict(memory_d=memory_d, order=order, theta=theta, dt=dt)
    realization = Linear(config.get("discretizer", "zoh"))
    label = config.get("name")
    if kind in NEURONS:
        sizes |= dict(hidden_d=n_hidden, hidden_type=NEURONS[kind], label=label)
        part = LMUCell(size, **sizes, **paths, realization=realization)
        u, output = part.u, part.output
        nengo.Connection(below, part.input, synapse=None)
    else:
        part, u, output = linear_cell(
            below, n_hidden, paths, LegendreMemory(**sizes, realization=realization)
        )
    if "bias" in own:
        nengo.Connection(nengo.Node(own["bias"], label="memory bias"), u, synapse=None)
    return part, output


def linear_cell(x, hidden_d, paths, memory):
    """Connect a memory as a cell whose hidden state is linear, or that has none."""
    u, m = memory.input, memory.output
    h = nengo.Node(size_in=hidden_d, label="h") if hidden_d else None
    ends = {
        "input_encoders": (x, u),
        "hidden_encoders": (h, u),
        "memory_encoders": (m, u),
        "input_kernel": (x, h),
        "hidden_kernel": (h, h),
        "memory_kernel": (m, h),
    }
    late = ("hidden_encoders", "memory_encoders", "hidden_kernel")
    for name, (pre, post) in ends.items():
        if paths.get(name) is not None:
            synapse = 0 if name in late else None  # feedback arrives in the next step
            nengo.Connection(pre, post, transform=paths[name], synapse=synapse, label=name)
    if paths.get("bias") is not None:
        nengo.Connection(nengo.Node(paths["bias"], label="bias"), h, synapse=None)
    return memory, u, m if h is None else h


def build_dense(layer, below, dt):
    """Add a Dense layer."""
    check_shapes(layer, {"kernel": (layer.own["kernel"], (below.size_out, None))})
    kind, weights = activation(layer), layer.own["kernel"].T
    bias = layer.own.get("bias", np.zeros(len(weights)))
    output = nengo.Node(size_in=len(weights), label=layer.config.get("name"))
    if kind in (*LINEAR, "softmax"):
        nengo.Connection(below, output, transform=weights, synapse=None)
        nengo.Connection(nengo.Node(bias, label="bias"), output, synapse=None)
        return output, output
    if kind not in NEURONS:
        raise ValidationError(
            f"the activation of {layer} must be one of {', '.join(NEURONS)}, softmax and "
            f"linear, got {kind!r}.",
            attr="source",
        )
    ensemble = nengo.Ensemble(
        len(weights),
        1,
        neuron_type=NEURONS[kind],
        gain=np.ones(len(weights)),
        bias=bias,
        label=layer.config.get("name"),
    )
    nengo.Connection(below, ensemble.neurons, transform=weights, synapse=None)
    nengo.Connection(ensemble.neurons, output, synapse=None)
    return ensemble, output


def build_dropout(layer, below, dt):
    """Add a Dropout layer, which acts in training only."""
    if not layer.config["rate"]:
        return below, below
    drop = nengo.Node(Dropout(layer.config["rate"], below.size_out), label="dropout")
    nengo.Connection(below, drop, synapse=None)
    return drop, drop


BUILD = {
    **dict.fromkeys(MEMORIES, build_memory),
    "Dense": build_dense,
    "Dropout": build_dropout,
}


def read(source, config) -> list[KerasLayer]:
    """Layers of a file, or of a model in this process, without those of the input."""
    if isinstance(source, str | os.PathLike):
        layers = read_file(source, config)
    else:
        layers = getattr(source, "layers", None) or source
        layers = layers if isinstance(layers, list | tuple) else [layers]
        layers = [read_layer(layer) for layer in layers]
    layers = [layer for layer in layers if layer.kind != "InputLayer"]
    for layer in layers:
        if layer.kind in (*MEMORIES, "Dense") and not layer.own:
            raise ValidationError(
                f"{layer} has no weights yet. Call the model on data, or load its weights, "
                "first.",
                attr="source",
            )
        if layer.kind in (*MEMORIES, "Dense"):
            check_names(layer)
    return layers


def check_names(layer):
    """Raise ValidationError unless a layer has the weights that its settings say."""
    names, of_hidden = weights_of(layer.kind, layer.config)
    found = [*layer.own, *(f"hidden {name}" for name in layer.hidden)]
    needed = [*names, *(f"hidden {name}" for name in of_hidden)]
    if sorted(found) != sorted(needed):
        missing = [name for name in needed if name not in found]
        more = [name for name in found if name not in needed]
        raise ValidationError(
            f"{layer} must have the weights {', '.join(needed)}; missing: "
            f"{', '.join(missing) or 'none'}; too many: {', '.join(more) or 'none'}.",
            attr="source",
        )


def read_layer(layer) -> KerasLayer:
    """Read a Keras layer in this process."""
    if not hasattr(layer, "get_config"):
        raise ValidationError(
            "must be the path of a file, a Keras model, a layer, or a list of layers, got "
            f"{layer!r}.",
            attr="source",
        )
    kind, config = unwrapped(type(layer).__name__, layer.get_config())
    paths = [getattr(w, "path", None) or w.name for w in layer.weights]
    named = [
        (path.partition(":")[0], w.numpy())
        for path, w in zip(paths, layer.weights, strict=True)
    ]
    return KerasLayer(kind, config, *by_owner(named, config))


def unwrapped(kind, config):
    """Class and settings of a layer; of its cell for an RNN of an LMUCell."""
    cell = config.get("cell")
    if kind == "RNN" and cell and class_name(cell) in MEMORIES:
        return class_name(cell), cell["config"]
    return kind, config


def by_owner(named, config):
    """Divide weights with paths into those of a layer and of its hidden cell."""
    cell = config.get("hidden_cell") or {"config": {}}
    own, hidden = {}, {}
    for path, array in named:
        *owners, name = path.split("/")
        is_hidden = owners and owners[-1] == cell["config"].get("name")
        (hidden if is_hidden else own)[name] = np.asarray(array, dtype=float)
    return own, hidden


def read_file(path, config) -> list[KerasLayer]:
    """Read what Keras wrote."""
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise ValidationError(
            f"needs h5py, which cannot be imported ({error}): pip install h5py.",
            attr="source",
        ) from error
    check_path(path, "source")
    content = read_content(path, LARGEST)
    inner = members(path, content)
    if inner is not None:
        text, content = inner
        config = parsed(path, text)
    with read_hdf5(path, content) as reader:
        stored = reader.file.attrs.get("model_config") if inner is None else None
        if stored is not None:
            config = parsed(path, stored)
        if config is None:
            raise ValidationError(
                f"must be given, as {path} holds weights only: what model.get_config() "
                "returns.",
                attr="config",
            )
        older = stored is not None
        return (by_name if older else in_order)(reader, described(config))


def members(path, content) -> tuple[bytes, bytes] | None:
    """Settings and weights in a .keras file; None if it is no zip file."""
    file = io.BytesIO(content)
    if not zipfile.is_zipfile(file):
        return None
    names = "config.json", "model.weights.h5"
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = [archive.getinfo(name).file_size for name in names]
            if sum(sizes) > len(content):  # Keras does not compress
                reason = f"its members declare {sum(sizes):,} bytes, but it has fewer"
                raise DamagedFileError(path, reason)
            return tuple(archive.read(name) for name in names)
    except DamagedFileError:
        raise
    # what zipfile raises on a damaged file
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        EOFError,
        KeyError,
        MemoryError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise DamagedFileError(path, f"{error!s:.200}") from error


def parsed(path, text) -> dict:
    """Settings of a model, from JSON."""
    try:
        return json.loads(text)["config"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        reason = f"it has no settings of a model ({type(error).__name__}: {error!s:.100})"
        raise DamagedFileError(path, reason) from error


def described(config) -> list[tuple[str, dict]]:
    """Class and settings of each layer of a model."""
    layers = config.get("layers")
    if layers is None:
        raise ValidationError(
            "must be what get_config() of a model returns, with the key 'layers', got the "
            f"keys {sorted(config)}.",
            attr="config",
        )
    return [(class_name(layer), layer["config"]) for layer in layers]


def class_name(serialized) -> str:
    """Name of a class, without the package under which it was registered."""
    return serialized["class_name"].rpartition(">")[2]


def in_order(reader, layers) -> list[KerasLayer]:
    """Layers of the present format, which counts them by class and their weights."""
    seen, found = Counter(), []
    outermost = reader.group(reader.file, "layers")
    for outer, settings in layers:
        group = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", outer)
        group = group.lower()
        seen[group] += 1
        if seen[group] > 1:
            group = f"{group}_{seen[group] - 1}"
        kind, settings = unwrapped(outer, settings)
        arrays = []
        if reader.has(outermost, group):
            arrays = numbered(reader, reader.group(outermost, group))
        own = [array for path, array in arrays if "hidden_cell" not in path]
        hidden = [array for path, array in arrays if "hidden_cell" in path]
        names, of_hidden = weights_of(kind, settings)
        is_known = kind in (*MEMORIES, "Dense") and arrays
        if is_known and (len(own), len(hidden)) != (len(names), len(of_hidden)):
            reader.refuse(
                f"layer {settings.get('name')!r} must have the weights {names} and, in its "
                f"hidden cell, {of_hidden}; got {len(own)} and {len(hidden)}"
            )
        named = (
            dict(zip(*pairs, strict=False)) for pairs in ((names, own), (of_hidden, hidden))
        )
        found.append(KerasLayer(kind, settings, *named))
    return found


def weights_of(kind, settings) -> tuple[list[str], list[str]]:
    """Names of the weights of a layer and of its hidden cell, in Keras' order."""
    if kind not in MEMORIES:
        bias = kind == "Dense" and settings.get("use_bias", True)
        return (["kernel"] + ["bias"] * bias) * (kind == "Dense"), []
    present = {
        "kernel": True,
        "bias": settings.get("use_bias"),
        "theta_inv": settings.get("trainable_theta"),
        "recurrent_kernel": settings.get("memory_to_memory"),
    }
    cell = settings.get("hidden_cell")
    hidden = {
        "kernel": cell,
        "recurrent_kernel": cell and cell["class_name"] != "Dense",
        "bias": cell and cell["config"].get("use_bias", True),
    }
    own, of_hidden = ([k for k, v in x.items() if v] for x in (present, hidden))
    return own, of_hidden


def numbered(reader, group) -> list[tuple[list[str], np.ndarray]]:
    """Arrays of a group, with the names of the groups they are in, in their order."""
    found = []
    for (*owners, number), array in reader.arrays(group):
        if not number.isdecimal():
            reader.refuse(f"{group.name} has weights that are called {number!r}")
        found.append((owners, int(number), array.astype(float)))
    return [(owners, array) for owners, _, array in sorted(found, key=lambda x: x[:2])]


def by_name(reader, layers) -> list[KerasLayer]:
    """Layers of the older format, in which layers and weights have their names."""
    found, group = [], reader.group(reader.file, "model_weights")
    for outer, settings in layers:
        named = []
        if reader.has(group, name := str(settings.get("name"))):
            own = reader.arrays(reader.group(group, name))
            named = [("/".join(path).partition(":")[0], array) for path, array in own]
        kind, settings = unwrapped(outer, settings)
        found.append(KerasLayer(kind, settings, *by_owner(named, settings)))
    return found
