"""Arrays and a JSON header in one npz file, without pickle."""

import io
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

from lmu_nengo.io.arrays import DamagedFileError, read_arrays
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


def read_archive(
    path: str | os.PathLike[str], format: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """
    Read a file that `write_archive` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.
    format : str
        What it must contain.

    Returns
    -------
    header : dict of {str: object}
        Its header.
    arrays : dict of {str: ndarray}
        Its arrays.

    Raises
    ------
    ValidationError
        If the file cannot be read, is damaged, or contains something else.

    Examples
    --------
    See `write_archive`.

    >>> read_archive("missing.npz", "weights")
    Traceback (most recent call last):
        ...
    nengo.exceptions.ValidationError: path: cannot read missing.npz: No such file or...
    """
    arrays = read_arrays(path)
    try:
        header = json.loads(str(arrays.pop(HEADER)))
        found = header["format"], header["version"]
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
    if listed != list(arrays):
        names = listed if isinstance(listed, list) else []
        missing = [name for name in names if name not in arrays]
        more = [name for name in arrays if name not in names]
        reason = "its list of arrays is not that of its arrays"
        reason += f"; missing: {missing}" * bool(missing)
        reason += f"; not listed: {more}" * bool(more)
        raise DamagedFileError(path, reason)
    return header, arrays
