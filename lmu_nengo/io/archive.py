"""Arrays and a JSON header in one npz file, without pickle."""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from nengo.exceptions import ValidationError
from numpy.typing import ArrayLike

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
    try:
        with zipfile.ZipFile(path) as file:
            # reading a whole member is what checks its checksum; np.load may read less
            members = {name: file.read(name) for name in file.namelist()}
        arrays = {
            name.removesuffix(".npy"): np.load(io.BytesIO(content), allow_pickle=False)
            for name, content in members.items()
        }
    except OSError as error:
        reason = error.strerror or error
        raise ValidationError(f"cannot read {path}: {reason}.", attr="path") from error
    # what zipfile and NumPy raise on a damaged file
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        MemoryError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ValidationError(
            f"{path} is damaged or not an npz file ({error}). Use a backup, or write the "
            "file again.",
            attr="path",
        ) from error
    try:
        header = json.loads(str(arrays.pop(HEADER)))
        found = header["format"], header["version"]
    except (KeyError, ValueError):
        found = None
    if found != (format, VERSION):
        got = "no header" if found is None else "{} version {}".format(*found)
        raise ValidationError(
            f"{path} must contain {format!r} version {VERSION}, got {got}. Files written "
            "before lmu_nengo 0.2 have no header; write them again.",
            attr="path",
        )
    missing = [name for name in header.pop("arrays") if name not in arrays]
    if missing:
        raise ValidationError(
            f"{path} is damaged (it does not contain the arrays {missing}). Use a backup, "
            "or write the file again.",
            attr="path",
        )
    return header, arrays
