"""Settings of a training in its checkpoint: a resume with others is refused."""

import json
from pathlib import Path
from typing import Any

from nengo.exceptions import ValidationError

from lmu_nengo._validation import show


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
    >>> from lmu_nengo.training.plan.saved_settings import check_settings
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
