"""The file of a checkpoint, as both ways to train have it."""

import json
import math
import os
from pathlib import Path
from typing import Any

from nengo.exceptions import ValidationError

from lmu_nengo._validation import show
from lmu_nengo._warnings import warn
from lmu_nengo.io.archive import read_archive
from lmu_nengo.io.arrays import DamagedFileError

KEYS = {"epoch": int, "settings": object, "seed": int, "history": dict}


def as_json(settings: Any, obj: Any = None) -> Any:
    """Settings as JSON gives them back, or ValidationError is raised."""
    try:
        return json.loads(json.dumps(settings))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(
            f"must be a dictionary of numbers, text, lists and dictionaries, got "
            f"{show(settings)}.",
            attr="settings",
            obj=obj,
        ) from error


def check_settings(path: str | Path, saved: Any, now: Any, obj: Any = None) -> None:
    """
    Raise ValidationError if a file was written with other settings, naming them.

    Parameters
    ----------
    path : str or Path
        The file.
    saved, now : dict or None
        Settings of the file and of this run, as JSON gives them.
    obj : object, optional
        Object to be named in the error.

    Raises
    ------
    ValidationError
        If they differ.

    Examples
    --------
    >>> from lmu_nengo.training.plan.checkpoint_file import check_settings
    >>> check_settings("a.npz", {"epochs": 4, "seed": 0}, {"epochs": 8, "seed": 0})
    Traceback (most recent call last):
        ...
    nengo.exceptions.ValidationError: settings: a.npz was written with epochs 4, not 8. \
Use the same settings, or start without resuming.
    """
    saved, now = flat(saved or {}), flat(now or {})
    others = [
        f"{name} {show(saved.get(name))}, not {show(now.get(name))}"
        for name in sorted(saved.keys() | now.keys())
        if saved.get(name) != now.get(name)
    ]
    if others:
        raise ValidationError(
            f"{path} was written with {'; '.join(others)}. Use the same settings, or start "
            "without resuming.",
            attr="settings",
            obj=obj,
        )


def flat(settings, name="settings"):
    """Settings in dictionaries of dictionaries, by names such as ``preset.rate``."""
    if not isinstance(settings, dict):
        return {name: settings}
    start = "" if name == "settings" else f"{name}."
    parts = [flat(value, f"{start}{key}") for key, value in settings.items()]
    return {key: value for part in parts for key, value in part.items()}


def read_newest(path, previous, format, keys, writes, obj):
    """
    Read a checkpoint, or with a warning that of the previous epoch.

    Parameters
    ----------
    path, previous : Path
        The newest file, and that of the epoch before.
    format : str
        What they must contain.
    keys : dict of {str: type}
        What their headers must contain.
    writes : bool
        Whether this process writes the file: then the previous file takes the place of a
        damaged one, so that the next save does not replace it.
    obj : object
        Object to be named in an error.

    Returns
    -------
    header : dict of {str: object}
        The header.
    saved : dict of {str: ndarray}
        The arrays.

    Raises
    ------
    ValidationError
        If neither can be read.
    """
    if not path.is_file():
        return read_archive(previous, format, keys)
    try:
        return read_archive(path, format, keys)
    except ValidationError as error:
        try:
            found = read_archive(previous, format, keys)
        except ValidationError as other:
            raise ValidationError(
                f"{error} The file of the previous epoch cannot be used either: {other} "
                "Start without resuming.",
                attr="path",
                obj=obj,
            ) from error
        warn(f"{error} Training resumes from {previous}, one epoch earlier.")
        if writes:
            os.replace(previous, path)
        return found


def values_of(path, saved, header, needed, obj):
    """
    Take the values from a checkpoint, checked.

    Parameters
    ----------
    path : Path
        The file.
    saved : dict of {str: ndarray}
        Its arrays.
    header : dict
        Its header.
    needed : dict of {str: list of (tuple, dtype)}
        Shape and type of each value, by group; the first group is that of the weights.
    obj : object
        Object to be named in an error.

    Returns
    -------
    values : dict of {str: list of ndarray}
        The values by group; as ``"best"`` the weights of the best epoch, or an empty list.

    Raises
    ------
    ValidationError
        If the file is of another network or optimizer, or is damaged.
    """
    weights = next(iter(needed))
    check_names(path, saved, header, weights)
    values = {group: numbered(saved, group) for group in needed}
    for group, parts in needed.items():
        found, shapes = [x.shape for x in values[group]], [shape for shape, _ in parts]
        if found != shapes:
            raise ValidationError(
                f"{path} is from another network or optimizer: its {group} have the shapes "
                f"{found}, but {shapes} are needed. Build the network that was saved, or "
                "start without resuming.",
                attr="path",
                obj=obj,
            )
    values["best"] = numbered(saved, "best")
    for group, found in values.items():
        for i, value in enumerate(found):
            shape, dtype = needed.get(group, needed[weights])[i]
            if (value.shape, value.dtype) != (shape, dtype):
                reason = f"{group}/{i} must be of shape {shape} and type {dtype}, got "
                raise DamagedFileError(path, reason + show(value))
    return values


def numbered(saved, group):
    """Arrays ``group/0``, ``group/1``... of a file, as a list."""
    names = [name for name in saved if name.startswith(f"{group}/")]
    return [saved[f"{group}/{i}"] for i in range(len(names))]


def check_names(path, saved, header, weights):
    """
    Raise DamagedFileError unless arrays are numbered, and a file is consistent.

    Parameters
    ----------
    path : str or Path
        The file.
    saved : dict of {str: ndarray}
        Its arrays.
    header : dict
        Its header.
    weights : str
        Group of the weights, as many of which are those of the best epoch.
    """
    groups = {weights: 0, "optimizer": 0, "best": 0}
    for name in saved:
        group, _, number = name.partition("/")
        if group not in groups or number != str(groups[group]):
            raise DamagedFileError(path, f"{name} does not belong there")
        groups[group] += 1
    if groups["best"] not in (0, groups[weights]):
        reason = f"best/{groups['best']} is missing or does not belong there"
        raise DamagedFileError(path, reason)
    seconds = header.get("seconds", 0.0)
    if not isinstance(seconds, float) or not 0 <= seconds < math.inf:
        raise DamagedFileError(path, f"seconds are {show(seconds)}")
    n_epochs = header["epoch"]
    for name, values in header["history"].items():
        numbers = isinstance(values, list) and all(isinstance(v, float) for v in values)
        if not numbers or len(values) != n_epochs:
            reason = f"{name!r} of its history must be {n_epochs} numbers"
            raise DamagedFileError(path, f"{reason}, got {show(values)}")
    if n_epochs < 0 or not 0 <= header["seed"] < 2**32:
        reason = f"epoch {show(n_epochs)} with seed {show(header['seed'])}"
        raise DamagedFileError(path, reason)
