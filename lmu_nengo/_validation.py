"""Checks of arguments: each message says what is allowed, what was given and what to do."""

import numpy as np
from nengo.exceptions import ValidationError


def check_integer(value, attr, low=1, advice="", obj=None):
    """Return ``value`` as an int of at least ``low``, or raise ValidationError."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < low:
        message = f"must be an integer of at least {low}, got {value!r}. {advice}"
        raise ValidationError(message.rstrip(), attr=attr, obj=obj)
    return int(value)


def check_positive(value, attr, unit="seconds", advice="", obj=None):
    """Return ``value`` as a finite float above zero, or raise ValidationError."""
    if not is_finite(value) or value <= 0:
        unit = f" ({unit})" if unit else ""
        message = f"must be positive and finite{unit}, got {value!r}. {advice}"
        raise ValidationError(message.rstrip(), attr=attr, obj=obj)
    return float(value)


def check_non_negative(value, attr, unit="seconds", advice="", obj=None):
    """Return ``value`` as a finite float of at least zero, or raise ValidationError."""
    if not is_finite(value) or value < 0:
        unit = f" ({unit})" if unit else ""
        message = f"must be non-negative and finite{unit}, got {value!r}. {advice}"
        raise ValidationError(message.rstrip(), attr=attr, obj=obj)
    return float(value)


def check_choice(value, choices, attr, obj=None):
    """Return ``value`` if it is one of ``choices``, or raise ValidationError."""
    if value not in choices:
        message = f"must be one of {', '.join(map(repr, choices))}, got {value!r}."
        raise ValidationError(message, attr=attr, obj=obj)
    return value


def check_dt(dt, part):
    """Raise ValidationError if a simulator's step is not the one of ``part.dt``."""
    if not is_same_dt(dt, part.dt):
        label = getattr(part, "label", None)
        name = f"{type(part).__name__} {label!r}" if label else type(part).__name__
        raise ValidationError(
            f"the simulator's time step is dt={dt:g} s, but {name} was made for "
            f"dt={part.dt:g} s. Pass the same dt to both.",
            attr="dt",
            obj=part,
        )


def is_same_dt(dt, other):
    """Whether two time steps are the same, apart from rounding."""
    return bool(np.isclose(dt, other, rtol=1e-9, atol=0))


def is_finite(value):
    """Whether ``value`` is a finite real number (booleans are not numbers)."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return is_number and bool(np.isfinite(value))


def install_hint(extra) -> str:
    """How to install an extra: the package is used from a clone of its repository."""
    return f'Install it in your clone of lmu_nengo with: pip install -e ".[{extra}]"'
