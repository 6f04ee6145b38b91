"""Models of keras-lmu as networks: read from files or layers, without importing Keras."""

import io
import json
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_positive
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
    layers = read(source, config)
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
    last = activation(layers[-1])
    if last == "softmax":
        warnings.warn(
            f"the softmax of {layers[-1]} is left out, which changes no decision: apply "
            "scipy.special.softmax to the outputs for its probabilities.",
            stacklevel=2,
        )
    return network


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
    size, n_hidden, n_memory = below.size_out, units(layer), memory_d * order
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
    return layers


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
        import h5py
    except ImportError as error:
        raise ValidationError(
            f"needs h5py, which cannot be imported ({error}): pip install h5py.",
            attr="source",
        ) from error
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))["config"]
                content = io.BytesIO(archive.read("model.weights.h5"))
            with h5py.File(content, "r") as file:
                return in_order(file, config)
        with h5py.File(path, "r") as file:
            if "model_config" in file.attrs:
                config = json.loads(file.attrs["model_config"])["config"]
                return by_name(file["model_weights"], config)
            if config is None:
                raise ValidationError(
                    f"must be given, as {path} holds weights only: what "
                    "model.get_config() returns.",
                    attr="config",
                )
            return in_order(file, config)
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error}.", attr="source") from error
    except (KeyError, ValueError) as error:
        raise ValidationError(
            f"{path} is not a model that Keras saved ({error}).", attr="source"
        ) from error


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


def in_order(file, config) -> list[KerasLayer]:
    """Layers of the present format, which counts them by class and their weights."""
    seen, layers = Counter(), []
    for outer, settings in described(config):
        group = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", outer)
        group = group.lower()
        seen[group] += 1
        if seen[group] > 1:
            group = f"{group}_{seen[group] - 1}"
        kind, settings = unwrapped(outer, settings)
        arrays = numbered(file["layers"].get(group, {}))
        own = [array for path, array in arrays if "hidden_cell" not in path]
        hidden = [array for path, array in arrays if "hidden_cell" in path]
        names = ["kernel", "bias"]
        if kind in MEMORIES:
            present = {
                "bias": settings.get("use_bias"),
                "theta_inv": settings.get("trainable_theta"),
                "recurrent_kernel": settings.get("memory_to_memory"),
            }
            names = ["kernel", *(name for name, is_there in present.items() if is_there)]
        cell = settings.get("hidden_cell") or {"class_name": ""}
        middle = [] if cell["class_name"] == "Dense" else ["recurrent_kernel"]
        layers.append(
            KerasLayer(
                kind,
                settings,
                dict(zip(names, own, strict=False)),
                dict(zip(["kernel", *middle, "bias"], hidden, strict=False)),
            )
        )
    return layers


def numbered(group) -> list[tuple[list[str], np.ndarray]]:
    """Arrays of a group, with the names of the groups they are in, in their order."""
    found = []

    def visit(name, item):
        if hasattr(item, "shape"):
            *owners, number = name.split("/")
            found.append((owners, int(number), np.asarray(item, dtype=float)))

    if hasattr(group, "visititems"):
        group.visititems(visit)
    return [(owners, array) for owners, _, array in sorted(found, key=lambda x: x[:2])]


def by_name(group, config) -> list[KerasLayer]:
    """Layers of the older format, in which layers and weights have their names."""
    layers = []
    for outer, settings in described(config):
        named = []

        def visit(name, item, named=named):
            if hasattr(item, "shape"):
                named.append((name.partition(":")[0], np.asarray(item)))

        if settings["name"] in group:
            group[settings["name"]].visititems(visit)
        kind, settings = unwrapped(outer, settings)
        layers.append(KerasLayer(kind, settings, *by_owner(named, settings)))
    return layers
