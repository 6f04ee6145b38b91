"""Arrays and a JSON header in one npz file, without pickle."""

import io
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo._validation import show
from lmu_nengo.io.arrays import DamagedFileError, read_arrays, read_shapes
from lmu_nengo.io.atomic import write_atomically

HEADER = "header"
VERSION = 1


def write_archive(
    path: str | os.PathLike[str],
    format: str,
    header: Mapping[str, Any],
    arrays: Mapping[str, ArrayLike],
    previous: str | os.PathLike[str] | None = None,
) -> None:
    """
    Write arrays and a header to an ordinary ``.npz`` file, atomically.

    The header is stored as JSON, in a text array named ``header``. The checksums of the
    zip format protect the arrays.

    Parameters
    ----------
    path : str or path-like
        The file; one that exists already is replaced.
    format : str
        What the file contains; `read_archive` refuses any other.
    header : dict of {str: object}
        Values that JSON can represent.
    arrays : dict of {str: array_like}
        Arrays of numbers or text.
    previous : str or path-like, optional
        A file that exists already gets this name instead of being replaced.

    Raises
    ------
    ValidationError
        If the folder does not exist, the file cannot be written, or an array contains
        objects.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lmu_nengo.io.archive import read_archive, write_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npz")
    ...     write_archive(path, "weights", {"epoch": 3}, {"bias": [0.5, 1.0]})
    ...     header, arrays = read_archive(path, "weights")
    >>> header["epoch"], arrays["bias"]
    (3, array([0.5, 1. ]))
    """
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    for name, value in arrays.items():
        if value.dtype.hasobject:
            raise ValidationError(
                f"must be an array of numbers or text, got {value!r:.80}.", attr=name
            )
    # the zip format protects its arrays, but not the list of them
    header = {"format": format, "version": VERSION, "arrays": list(arrays), **header}
    buffer = io.BytesIO()
    np.savez(buffer, **{HEADER: json.dumps(header), **arrays})
    write_atomically(path, buffer.getvalue(), previous)


def check_finite(arrays: Mapping[str, ArrayLike]) -> None:
    """
    Raise ValidationError if there are numbers that are not finite.

    Parameters
    ----------
    arrays : dict of {str: array_like}
        Arrays that are to be written.

    Raises
    ------
    ValidationError
        If one contains NaN or infinity, as it could not be read.

    Examples
    --------
    >>> from lmu_nengo.io.archive import check_finite
    >>> check_finite({"bias": [0.5, 1.0]})
    """
    for name, value in arrays.items():
        value = np.asarray(value)
        if value.dtype.kind in "fc" and not np.all(np.isfinite(value)):
            raise ValidationError(
                f"must be finite to be saved, got {show(value)}. Has the training, or the "
                "simulation, diverged?",
                attr=name,
            )


def read_archive(
    path: str | os.PathLike[str], format: str, keys: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """
    Read a file that `write_archive` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.
    format : str
        What it must contain.
    keys : dict of {str: type or union of types}, optional
        What the header must contain.

    Returns
    -------
    header : dict of {str: object}
        Its header.
    arrays : dict of {str: ndarray}
        Its arrays.

    Raises
    ------
    ValidationError
        If the file cannot be read, or contains something else.
    DamagedFileError
        If it is damaged.

    See Also
    --------
    read_header : What is known before the arrays are read.

    Examples
    --------
    See `write_archive`.

    >>> read_archive("missing.npz", "weights")
    Traceback (most recent call last):
        ...
    nengo.exceptions.ValidationError: path: cannot read missing.npz: No such file or...
    """
    header, shapes = read_header(path, format, keys)
    return header, read_expected(path, shapes)


def read_header(
    path: str | os.PathLike[str], format: str, keys: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """
    Read the header of a file that `write_archive` wrote, and the shapes of its arrays.

    Parameters
    ----------
    path : str or path-like
        The file.
    format : str
        What it must contain.
    keys : dict of {str: type or union of types}, optional
        What the header must contain.

    Returns
    -------
    header : dict of {str: object}
        Its header.
    shapes : dict of {str: tuple of int}
        Shape of each array.

    Raises
    ------
    ValidationError
        If the file cannot be read, or contains something else.
    DamagedFileError
        If it is damaged, or its header lacks a key or has another type for it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lmu_nengo.io.archive import read_header, write_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npz")
    ...     write_archive(path, "weights", {"epoch": 3}, {"bias": [0.5, 1.0]})
    ...     header, shapes = read_header(path, "weights", {"epoch": int})
    >>> header["epoch"], shapes
    (3, {'bias': (2,)})
    """
    shapes = read_shapes(path)
    try:
        del shapes[HEADER]
        header = json.loads(str(read_arrays(path, [HEADER])[HEADER]))
        found = header["format"], header["version"]
    except DamagedFileError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError):
        found = None
    if found != (format, VERSION):
        got = "no header" if found is None else f"{found[0]!s:.40} version {found[1]!s:.40}"
        raise ValidationError(
            f"{path} must contain {format!r} version {VERSION}, got {got}. Files written "
            "before lmu_nengo 0.2 have no header; write them again.",
            attr="path",
        )
    listed = header.pop("arrays", None)
    if listed != list(shapes):
        names = listed if isinstance(listed, list) else []
        missing = [name for name in names if name not in list(shapes)]
        more = [name for name in shapes if name not in names]
        reason = "its list of arrays is not that of its arrays"
        reason += f"; missing: {missing}" * bool(missing)
        reason += f"; not listed: {more}" * bool(more)
        raise DamagedFileError(path, reason)
    for key, kinds in ({} if keys is None else keys).items():
        value = header.get(key)
        is_number = not (isinstance(value, bool) and kinds is int)
        if key not in header or not (isinstance(value, kinds) and is_number):
            got = show(value) if key in header else "nothing"
            allowed = getattr(kinds, "__name__", str(kinds))
            reason = f"{key!r} in its header must be {allowed}, got {got}"
            raise DamagedFileError(path, reason)
    return header, shapes


def read_expected(
    path: str | os.PathLike[str], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """
    Read the arrays of a file that `write_archive` wrote, which must be these.

    Parameters
    ----------
    path : str or path-like
        The file.
    shapes : dict of {str: tuple of int}
        Shape of each array.

    Returns
    -------
    arrays : dict of {str: ndarray}
        The arrays.

    Raises
    ------
    DamagedFileError
        If an array is missing, has another shape, is not finite, or is one too many.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lmu_nengo.io.archive import read_expected, write_archive
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npz")
    ...     write_archive(path, "weights", {}, {"bias": [0.5, 1.0]})
    ...     read_expected(path, {"bias": (2,)})
    {'bias': array([0.5, 1. ])}
    """
    found = read_shapes(path)
    found.pop(HEADER, None)
    for name in [*shapes, *found]:
        wanted, got = shapes.get(name), found.get(name)
        if wanted != got:
            reason = f"must be of shape {wanted}, got {got}"
            reason = "is missing" if got is None else reason
            reason = "does not belong there" if wanted is None else reason
            raise DamagedFileError(path, f"{name} {reason}")
    return read_arrays(path, shapes)
