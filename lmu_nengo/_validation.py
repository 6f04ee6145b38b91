"""Checks of arguments; each message says what was given, what is allowed and what to do."""

import numpy as np
from nengo.exceptions import ValidationError


def check_integer(value, attr, low=1, advice="", obj=None):
    """Return ``value`` as an int of at least ``low``, or raise ValidationError."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < low:
        raise ValidationError(
            f"got {value!r}, expected an integer of at least {low}. {advice}".rstrip(),
            attr=attr,
            obj=obj,
        )
    return int(value)


def check_positive(value, attr, unit="s", advice="", obj=None):
    """Return ``value`` as a finite float above zero, or raise ValidationError."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not np.isfinite(value) or value <= 0:
        raise ValidationError(
            f"got {value!r}, expected a finite number of {unit} above 0. {advice}".rstrip(),
            attr=attr,
            obj=obj,
        )
    return float(value)


def check_choice(value, choices, attr, obj=None):
    """Return ``value`` if it is one of ``choices``, or raise ValidationError."""
    if value not in choices:
        raise ValidationError(
            f"got {value!r}, expected one of {', '.join(map(repr, choices))}.",
            attr=attr,
            obj=obj,
        )
    return value
