"""Sequences of different lengths: padded at the front, with weights for their losses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_integer, show


@dataclass
class Batch:
    """
    Data of one shape, and what each part of it counts.

    Parameters
    ----------
    x : dict of {str: ndarray of shape (n, n_steps, size)}
        Inputs by name of the node, with zeros before each sequence.
    y : dict of {str: ndarray} or None
        Targets by name of the probe, of shapes (n, n_steps, size) and (n, 1, size).
    weights : dict of {str: ndarray of shape (n, n_steps) or (n, 1)} or None
        What each target counts: 0 for what was added; the mean is 1.
    lengths : ndarray of int of shape (n_sequences,)
        Steps of each sequence. What follows them in ``x`` fills the last batch.
    """

    x: dict
    y: dict | None
    weights: dict | None
    lengths: np.ndarray


def as_given(value, attr):
    """An array of integers or booleans, or ValidationError is raised."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biu" and not np.array_equal(array, array != 0):
        message = f"must be an array of integers or booleans, got {show(value)}."
        raise ValidationError(message, attr=attr)
    return array


def is_ragged(x: Any) -> bool:
    """Whether something is a list of sequences, of shape (n_steps, size) each."""
    return isinstance(x, list | tuple) and bool(x) and all(np.ndim(part) == 2 for part in x)


def by_probe(class_weight: Mapping, probes: list, kind: type) -> Mapping:
    """
    Weights of classes by probe, from those or from weights for the only probe.

    Parameters
    ----------
    class_weight : dict
        {class: weight} or {probe: {class: weight}}.
    probes : list
        Those with targets.
    kind : type
        Named in errors.

    Returns
    -------
    class_weight : dict
        {probe: {class: weight}}.

    Raises
    ------
    ValidationError
        If there are several probes, and it is not said which is meant.
    """
    if all(isinstance(own, Mapping) for own in class_weight.values()):
        return class_weight
    if len(probes) != 1:
        raise ValidationError(
            "must be {probe: {class: weight}} if several probes have targets.",
            attr="class_weight",
            obj=kind,
        )
    return {probes[0]: class_weight}


def make_batch(
    x: Mapping,
    y: Mapping | None = None,
    lengths: Any = None,
    mask: Any = None,
    skip: int | None = None,
    class_weight: Mapping | None = None,
    n_steps: int | None = None,
    multiple: int = 1,
) -> Batch:
    """
    Pad sequences at the front, and weight what is a loss.

    Parameters
    ----------
    x : dict of {str: list of ndarray or ndarray}
        Inputs: a list of sequences of shape (n_steps, size), or an array.
    y : dict of {str: list of ndarray or ndarray}, optional
        Targets: the same for targets of each step; arrays of shape (n, 1, size) for those
        of the last step.
    lengths : array_like of int of shape (n,), optional
        Steps of each sequence in arrays, from the first one on.
    mask : array_like of bool of shape (n, n_steps), optional
        Which steps of arrays belong to the sequence; they must be successive.
    skip : int, optional
        Steps at the start of each sequence that are left out of the losses.
    class_weight : dict of {str: dict of {int: float}}, optional
        For probes with classes as targets, what each class counts; others count 1.
    n_steps : int, optional
        Steps to pad to; by default those of the longest sequence.
    multiple : int
        Sequences of zeros that count nothing are added up to a multiple of this.

    Returns
    -------
    batch : Batch
        Arrays.

    Raises
    ------
    ValidationError
        If sizes or lengths do not fit.
    """
    spans = find_spans(x, lengths, mask)
    sequences = {name: cut(values, spans, name) for name, values in x.items()}
    if not sequences:
        raise ValidationError("must be given for sequences of different lengths.", "x")
    own = np.array([len(part) for part in next(iter(sequences.values()))])
    for name, parts in sequences.items():
        check_lengths(name, [len(part) for part in parts], own)
    longest = int(own.max())
    n_steps = longest if n_steps is None else n_steps
    if longest > n_steps:
        raise ValidationError(
            f"the longest sequence has {longest} steps, more than the {n_steps} for which "
            f"the memory is realized. Use Windowed(n_steps={longest}).",
            attr="x",
        )
    n = len(own)
    n_filled = -(-n // multiple) * multiple
    padded = {k: padded_front(parts, n_steps, n_filled) for k, parts in sequences.items()}
    if y is None:
        return Batch(padded, None, None, own)
    skip = check_integer(skip or 0, "skip", low=0)
    inside = np.arange(n_steps) >= n_steps - own[:, None] + skip
    targets, weights = {}, {}
    for name, values in y.items():
        is_last = not is_ragged(values) and np.shape(values)[1:2] == (1,) and n_steps > 1
        if is_last:
            if len(values) != n:
                raise ValidationError(
                    f"must have {n} targets, one for each sequence, got {len(values)}.",
                    attr=name,
                )
            targets[name] = filled(np.asarray(values), n_filled)
            counts = np.ones((n, 1))
        else:
            parts = cut(values, spans, name)
            check_lengths(name, [len(part) for part in parts], own)
            targets[name] = padded_front(parts, n_steps, n_filled)
            counts = inside.astype(float)
        if class_weight and name in class_weight:
            counts = counts * weights_of(targets[name][:n], class_weight[name], name)
        if not counts.any():
            raise ValidationError(
                f"leaves nothing of any sequence: the longest has {longest} steps, got "
                f"{skip}.",
                attr="skip",
            )
        weights[name] = filled(counts * n_filled * counts.shape[1] / counts.sum(), n_filled)
    return Batch(padded, targets, weights, own)


def find_spans(x, lengths, mask):
    """Where each sequence is in arrays, as slices; None if they are whole."""
    if lengths is None and mask is None:
        return None
    if lengths is not None and mask is not None:
        raise ValidationError("cannot be given together with mask.", attr="lengths")
    ragged = any(is_ragged(values) for values in x.values())
    shape = () if ragged else np.shape(next(iter(x.values()), ()))[:2]
    if len(shape) < 2:
        raise ValidationError(
            "can be given for arrays of shape (n, n_steps, size) only; lists of sequences "
            "have lengths of their own.",
            attr="lengths" if mask is None else "mask",
        )
    if mask is not None:
        mask = as_given(mask, "mask").astype(bool)
        if mask.shape != shape or not mask.any(axis=1).all():
            raise ValidationError(
                f"must have the shape {shape}, with at least one step of each sequence, "
                f"got the shape {mask.shape}.",
                attr="mask",
            )
        starts = mask.argmax(axis=1)
        stops = shape[1] - mask[:, ::-1].argmax(axis=1)
        if (stops - starts != mask.sum(axis=1)).any():
            raise ValidationError(
                "the steps of each sequence must be successive. Leave gaps in, or fill "
                "them by interpolation.",
                attr="mask",
            )
        return [slice(*ends) for ends in zip(starts, stops, strict=True)]
    lengths = as_given(lengths, "lengths")
    is_valid = lengths.shape == shape[:1] and np.issubdtype(lengths.dtype, np.integer)
    if not is_valid or lengths.min() < 1 or lengths.max() > shape[1]:
        raise ValidationError(
            f"must be {shape[0]} integers from 1 to {shape[1]}, got {lengths!r}.",
            attr="lengths",
        )
    return [slice(0, length) for length in lengths]


def cut(values, spans, name) -> list[np.ndarray]:
    """Sequences as a list of arrays of shape (n_steps, size)."""
    if is_ragged(values):
        parts = [np.asarray(part) for part in values]
    else:
        values = np.asarray(values)
        if values.ndim != 3 or (spans is not None and len(values) != len(spans)):
            n = "n" if spans is None else len(spans)
            raise ValidationError(
                f"must be a list of arrays of shape (n_steps, size), or an array of shape "
                f"({n}, n_steps, size), got the shape {values.shape}.",
                attr=name,
            )
        parts = list(values)
        if spans is not None:
            parts = [part[span] for part, span in zip(parts, spans, strict=True)]
    sizes = {part.shape[1] for part in parts}
    if len(sizes) > 1 or not all(map(len, parts)):
        raise ValidationError(
            f"all sequences must have at least one step, and the same size in each, got "
            f"the sizes {sorted(sizes)}.",
            attr=name,
        )
    return parts


def check_lengths(name, found, expected):
    """Raise ValidationError unless sequences are as long as those of the input."""
    if not np.array_equal(found, expected):
        raise ValidationError(
            "must have as many steps as the input, sequence by sequence, or one target for "
            f"each sequence, of shape (n, 1, size); got {np.asarray(found)}, expected "
            f"{expected}.",
            attr=name,
        )


def padded_front(parts, n_steps, n) -> np.ndarray:
    """Sequences that end at the same step, in an array of ``n`` rows."""
    array = np.zeros((n, n_steps, parts[0].shape[1]), parts[0].dtype)
    for row, part in zip(array, parts, strict=False):
        row[n_steps - len(part) :] = part
    return array


def filled(values, n) -> np.ndarray:
    """An array with zeros after its rows."""
    rest = np.zeros((n - len(values), *values.shape[1:]), values.dtype)
    return np.concatenate([values, rest])


def weights_of(targets, by_class, name) -> np.ndarray:
    """What each target counts by its class: an integer, or the largest of several."""
    sparse = targets.shape[-1] == 1
    classes = targets[..., 0] if sparse else targets.argmax(axis=-1)
    if not np.array_equal(classes, np.round(classes)):
        raise ValidationError(
            "needs targets that are classes: integers of shape (n, n_steps, 1), or one "
            f"column for each class, but those of {name} are not.",
            attr="class_weight",
        )
    weights = np.ones(classes.shape)
    for number, weight in by_class.items():
        weights[classes == number] = weight
    return weights
