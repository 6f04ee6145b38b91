"""Checks of arguments: each message says what is allowed, what was given and what to do."""

import math
import os
import reprlib
from collections.abc import Mapping

import nengo
import numpy as np
from nengo.exceptions import ValidationError

LARGEST = 1e150  # whose square is finite
LARGEST_ORDER = 4000  # its state matrix is discretized in a minute
MOST_NEURONS = 10**7
LARGEST_STATE = 10**6  # coefficients of all channels of a memory
LARGEST_BYTES = 2**34  # of one array


def check_integer(value, attr, low=1, high=None, advice="", obj=None):
    """Return ``value`` as an int from ``low`` to ``high``, or raise ValidationError."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_integer or value < low or (high is not None and value > high):
        too_high = is_integer and value >= low
        allowed = f"of at most {high}" if too_high else f"of at least {low}"
        message = f"must be an integer {allowed}, got {show(value)}. {advice}"
        raise ValidationError(message.rstrip(), attr=attr, obj=obj)
    return int(value)


def check_order(value, attr="order", obj=None):
    """Return a number of Legendre polynomials as an int, or raise ValidationError."""
    return check_integer(value, attr, high=LARGEST_ORDER, obj=obj)


def check_memory(shape, what, attr, advice, obj=None, copies=1):
    """
    Raise ValidationError if there is not enough memory for arrays of numbers.

    Parameters
    ----------
    shape : iterable of int
        Shape of an array.
    what : str
        What the array is.
    attr : str
        Name of the argument that asks for it.
    advice : str
        What to do.
    obj : object, optional
        Object to be named in the error.
    copies : int
        How many such arrays there are at once.
    """
    n_bytes = 8 * copies * math.prod(float(n) for n in shape)
    if n_bytes < 2**27:  # what is free is not looked up for it
        return
    free = free_memory()
    if n_bytes > min(LARGEST_BYTES, free):
        sizes = " x ".join(f"{n:,}" for n in shape)
        several = f", and {copies} of them" * (copies > 1)
        limit = f", of which {free / 2**30:,.1f} are free" * (n_bytes <= LARGEST_BYTES)
        raise ValidationError(
            f"needs {what} of {sizes} numbers{several}: {n_bytes / 2**30:,.1f} GiB{limit}. "
            f"{advice}",
            attr=attr,
            obj=obj,
        )


def free_memory():
    """Bytes that this process can still use; infinity where the system does not tell."""
    free = math.inf
    try:
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            with open("/proc/self/statm") as file:
                free = limit - int(file.read().split()[0]) * resource.getpagesize()
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":") for line in file)
        free = min(free, 1024 * int(lines["MemAvailable"].split()[0]))
    except (ImportError, OSError, KeyError, ValueError):
        pass
    return free


def check_network(network):
    """Return a nengo.Network, or raise ValidationError."""
    return check_instance(network, nengo.Network, "network", "a nengo.Network")


def check_path(value, attr="path"):
    """Return a path that is not empty, or raise ValidationError."""
    is_path = isinstance(value, (str, os.PathLike)) and os.fspath(value)
    if not is_path or "\0" in str(value):
        message = f"must be the path of a file or folder, got {show(value)}."
        raise ValidationError(message, attr=attr)
    return value


def check_seed(value, attr="seed", obj=None):
    """Return a seed, an int or None, or raise ValidationError."""
    if value is None:
        return None
    return check_integer(value, attr, low=0, high=2**32 - 1, obj=obj)


def check_flag(value, attr, allow_none=False, obj=None):
    """Return a boolean, or raise ValidationError."""
    if isinstance(value, (bool, np.bool_)) or (allow_none and value is None):
        return value
    allowed = "True, False or None" if allow_none else "True or False"
    raise ValidationError(f"must be {allowed}, got {show(value)}.", attr=attr, obj=obj)


def check_synapse(value, attr="synapse", obj=None):
    """Return a synapse or None as Nengo takes it, or raise ValidationError."""
    if value is None or isinstance(value, nengo.synapses.Synapse):
        return value
    return check_non_negative(value, attr, obj=obj)


def check_array(value, attr, shape, advice="", obj=None, finite=True, empty=False):
    """
    Return ``value`` as an array of finite float64, or raise ValidationError.

    Parameters
    ----------
    value : array_like
        What was given.
    attr : str
        Name of the argument.
    shape : tuple of int or str or Ellipsis
        Lengths of the axes; a name stands for any length of at least 1, and an ellipsis
        at the beginning for any axes.
    advice : str
        What to do.
    obj : object, optional
        Object to be named in the error.
    finite : bool
        Whether all numbers must be finite.
    empty : bool
        Whether there may be none.
    """
    try:
        array = np.asarray(value)
        is_real = array.dtype.kind in "fiu"
        array = array.astype(np.float64) if is_real else array
    except (TypeError, ValueError, OverflowError):
        is_real = False
    leading = len(shape) > 0 and shape[0] is ...
    axes = shape[1:] if leading else shape
    fits = (
        is_real and (array.size > 0 or empty) and (not finite or np.all(np.isfinite(array)))
    )
    if fits:
        own = array.shape[array.ndim - len(axes) :] if leading else array.shape
        fits = len(own) == len(axes) and all(
            isinstance(want, str) or n == want for n, want in zip(own, axes, strict=True)
        )
    if not fits:
        wanted = ", ".join("..." if n is ... else str(n) for n in shape)
        wanted += "," if len(shape) == 1 else ""
        kind = "a finite number"
        if shape:
            kind = (
                "finite numbers, at least one"
                if axes == ()
                else f"finite numbers of shape ({wanted})"
            )
        kind = kind if finite else kind.replace("finite ", "")
        message = f"must be {kind}, got {show(value)}. {advice}"
        raise ValidationError(message.rstrip(), attr=attr, obj=obj)
    return array


def check_state_space(A, B, a="Ad", b="Bd", n_inputs="size_in"):
    """Return state and input matrix as arrays that fit, or raise ValidationError."""
    A = check_array(A, a, ("order", "order"))
    if len(A) != A.shape[1]:
        raise ValidationError(f"must be of shape (order, order), got {A.shape}.", attr=a)
    return A, check_array(B, b, (len(A), n_inputs), f"It must fit {a}.")


def check_instance(value, kinds, attr, allowed, obj=None):
    """Return ``value`` if it is an instance of ``kinds``, or raise ValidationError."""
    if not isinstance(value, kinds):
        message = f"must be {allowed}, got {show(value)}."
        if isinstance(value, type):
            message += " That is a class: pass an instance, with parentheses."
        raise ValidationError(message, attr=attr, obj=obj)
    return value


def show(value):
    """Describe a value in a few words."""
    if isinstance(value, np.ndarray) and value.size != 1:
        finite = value.dtype.kind not in "fc" or np.all(np.isfinite(value))
        values = "" if finite else ", not all finite"
        return f"an array of shape {value.shape} and type {value.dtype}{values}"
    return SHORT.repr(value)


SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 60


def check_sequence(value, attr, kinds, allowed, obj=None):
    """Return a list or tuple of instances of ``kinds``, or raise ValidationError."""
    several = isinstance(value, (list, tuple))
    if not several or not value or not all(isinstance(part, kinds) for part in value):
        message = f"must be a list of {allowed}, got {show(value)}."
        raise ValidationError(message, attr=attr, obj=obj)
    return value


def check_mapping(value, attr, allowed, obj=None):
    """Return a dictionary or another mapping, or raise ValidationError."""
    return check_instance(value, Mapping, attr, f"a dictionary of {allowed}", obj=obj)


def check_text(value, attr, obj=None):
    """Return text or None, or raise ValidationError."""
    return check_instance(value, (str, type(None)), attr, "text or None", obj=obj)


def check_positive(value, attr, unit="seconds", advice="", obj=None):
    """Return ``value`` as a finite float above zero, or raise ValidationError."""
    if not is_finite(value) or value <= 0:
        unit = f" ({unit})" if unit else ""
        message = f"must be positive and finite{unit}, got {show(value)}. {advice}"
        raise ValidationError(message.rstrip(), attr=attr, obj=obj)
    return float(value)


def check_non_negative(value, attr, unit="seconds", advice="", obj=None):
    """Return ``value`` as a finite float of at least zero, or raise ValidationError."""
    if not is_finite(value) or value < 0:
        unit = f" ({unit})" if unit else ""
        message = f"must be non-negative and finite{unit}, got {show(value)}. {advice}"
        raise ValidationError(message.rstrip(), attr=attr, obj=obj)
    return float(value)


def check_choice(value, choices, attr, obj=None):
    """Return ``value`` if it is one of ``choices``, or raise ValidationError."""
    if not any(isinstance(value, type(c)) and value == c for c in choices):
        message = f"must be one of {', '.join(map(repr, choices))}, got {show(value)}."
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
    kinds = int, float, np.integer, np.floating
    if not isinstance(value, kinds) or isinstance(value, bool):
        return False
    try:
        return bool(abs(float(value)) < LARGEST)
    except OverflowError:  # an int beyond all floating-point numbers
        return False


def install_hint(extra) -> str:
    """How to install an extra: the package is used from a clone of its repository."""
    return f'Install it in your clone of lmu_nengo with: pip install -e ".[{extra}]"'
