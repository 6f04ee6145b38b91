"""Data by node and by probe, checked and in batches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import show
from lmu_nengo.training.plan.checks import check_numbers, check_size


@dataclass
class Data:
    """
    Data of one shape.

    Parameters
    ----------
    arrays : dict of {str: dict of {int: ndarray}}
        ``"x"`` by the number of the node, or ``"features"`` that have been computed of
        it; ``"y"`` and ``"weights"`` by the number of the probe. The first axis is the
        sequence.
    n, n_steps : int
        Number of sequences and steps.
    lengths : ndarray of int or None
        Steps of each sequence, if they differ.
    """

    arrays: dict
    n: int
    n_steps: int
    lengths: np.ndarray | None = None

    def take(self, rows) -> dict:
        """The arrays of some sequences: a slice, or numbers of any shape."""
        return {
            group: {i: array[rows] for i, array in arrays.items()}
            for group, arrays in self.arrays.items()
        }

    def parts(self, size: int) -> list[slice]:
        """Slices of ``size`` sequences, of which the last may be shorter."""
        return [slice(i, min(i + size, self.n)) for i in range(0, self.n, size)]


def names_of(objects: list, kind: str) -> dict:
    """Different names of nodes or probes: their labels, where they have any."""
    names: dict = {}
    for obj in objects:
        first = name = obj.label or kind
        number = 1
        while name in names.values():
            name = f"{first}_{number}"
            number += 1
        names[obj] = name
    return names


def by_object(data: Any, names: dict, attr: str, obj) -> dict:
    """
    Data by node or probe.

    Parameters
    ----------
    data : array_like or dict of {object or str: array_like} or None
        Data by node or probe or their names; one array is for the first.
    names : dict of {object: str}
        The nodes or probes that may be named.
    attr : str
        Name of the argument.
    obj : type
        Named in errors.

    Returns
    -------
    data : dict of {object: array_like}
        By node or probe.

    Raises
    ------
    ValidationError
        If something else is named.
    """
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        data = {next(iter(names)): data}
    found = {}
    by_name = {name: key for key, name in names.items()}
    for key, values in data.items():
        place = by_name.get(key) if isinstance(key, str) else key
        if not isinstance(place, nengo.Node | nengo.Probe) or place not in names:
            allowed = ", ".join(map(repr, names.values()))
            raise ValidationError(
                f"must be given for {allowed}, got {show(key)}.", attr=attr, obj=obj
            )
        found[place] = values
    return found


def as_array(values: Any) -> np.ndarray:
    """An array, of objects if it is none of numbers."""
    try:
        return np.asarray(values)
    except ValueError:  # rows of different lengths
        return np.asarray(None)


def check_weights(given: dict, shapes: dict, n: int, obj) -> dict:
    """Weights of samples by probe, as arrays (n, n_steps) of float32."""
    found = {}
    for probe, value in given.items():
        steps, values = shapes[probe][0], as_array(value)
        if values.shape not in ((n,), (n, steps)) or values.dtype.kind not in "fiub":
            raise ValidationError(
                f"must be numbers of shape ({n},) or ({n}, {steps}), got {show(value)}.",
                attr="sample_weight",
                obj=obj,
            )
        check_numbers("sample_weight", values, "float32")
        found[probe] = np.broadcast_to(values.reshape(n, -1).astype(np.float32), (n, steps))
    return found


def check_callbacks(callbacks: Any, obj) -> list:
    """Functions that are called after each epoch, or ValidationError is raised."""
    is_several = np.iterable(callbacks) and not isinstance(callbacks, str | bytes)
    found = list(callbacks) if is_several else [None]
    if not all(map(callable, found)):
        raise ValidationError(
            "must be a list of functions that take the epoch's number and its values, got "
            f"{show(callbacks)}.",
            attr="callbacks",
            obj=obj,
        )
    return found


def check_inputs(x: dict, names: dict, n_steps: int | None, obj) -> dict:
    """Inputs as arrays of float32, all with as many sequences and steps."""
    found, shape = {}, None
    for node, values in x.items():
        given, values, name = values, as_array(values), names[node]
        if values.ndim != 3 or values.dtype.kind not in "fiub" or not values.size:
            raise ValidationError(
                f"must be numbers of shape (n, n_steps, size), got {show(given)}.",
                attr=name,
                obj=obj,
            )
        check_numbers(name, values, "float32")
        check_size(name, values.shape[2], node.size_out)
        if shape is not None and values.shape[:2] != shape:
            raise ValidationError(
                f"must have {shape[0]} sequences of {shape[1]} steps like the other "
                f"inputs, got {values.shape[:2]}.",
                attr=name,
                obj=obj,
            )
        shape = values.shape[:2]
        if n_steps is not None and shape[1] != n_steps:
            raise ValidationError(
                f"the data must have {n_steps} steps, for which the memory was built, got "
                f"{shape[1]}. Use Windowed(n_steps) with the length of the sequences, or "
                "realize(network, Linear()) for any length.",
                attr=name,
                obj=obj,
            )
        found[node] = values.astype(np.float32, copy=False)
    if not found:
        allowed = ", ".join(map(repr, names.values()))
        raise ValidationError(
            f"must hold arrays for at least one of the nodes {allowed}.", attr="x", obj=obj
        )
    return found


def check_targets(y: dict, names: dict, shapes: dict, n: int, obj) -> dict:
    """Targets as arrays of float32 or int32, one for each sequence and step."""
    found = {}
    for probe, values in y.items():
        given, values = values, as_array(values)
        steps, size = shapes[probe]
        fits = values.ndim == 3 and values.shape[:2] == (n, steps)
        if not fits or values.shape[2] not in (1, size) or values.dtype.kind not in "fiub":
            raise ValidationError(
                f"must be numbers of shape ({n}, {steps}, {size}), or ({n}, {steps}, 1) "
                f"for classes, got {show(given)}. A probe that keeps no history has one "
                "step.",
                attr=names[probe],
                obj=obj,
            )
        check_numbers(names[probe], values, "float32")
        kind = np.float32 if values.dtype.kind == "f" else np.int32
        found[probe] = values.astype(kind, copy=False)
    return found


def order_of(n: int, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
    """The order of ``n`` sequences in an epoch, which follows from the seed."""
    if not shuffle:
        return np.arange(n)
    return np.random.default_rng([seed, epoch]).permutation(n)
