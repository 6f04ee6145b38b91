"""Arrays in one file that is whole or refused: npz with a digest, written in one stroke."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
from nengo.exceptions import ValidationError

DIGEST_SIZE = 64  # characters of a SHA-256 in hexadecimal


def write(path, arrays, previous=None):
    """
    Write arrays to a file; whatever happens, no half-written file has its name.

    The file is an ordinary ``.npz``. Its comment, the last 64 bytes, is the SHA-256 of
    all that comes before: it finds damage, not forgery.

    Parameters
    ----------
    path : str or Path
        The file.
    arrays : dict of {str: array or str}
        What to write.
    previous : Path, optional
        New name for a file that is there already; it is replaced otherwise.

    Raises
    ------
    ValidationError
        If the folder does not exist, or something is not an array of numbers or text.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ValidationError(
            f"got {path}, but there is no folder {path.parent}. Make it first.",
            attr="path",
        )
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    for name, value in arrays.items():
        if value.dtype.hasobject:
            raise ValidationError(
                f"got objects, expected an array of numbers or text: {value!r:.80}.",
                attr=name,
            )
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a") as file:
        file.comment = bytes(DIGEST_SIZE)
    content = buffer.getvalue()[:-DIGEST_SIZE]
    unfinished = path.with_name(f"{path.name}.unfinished")
    with open(unfinished, "wb") as file:
        file.write(content)
        file.write(hashlib.sha256(content).hexdigest().encode())
        file.flush()
        os.fsync(file.fileno())
    if previous is not None and path.exists():
        os.replace(path, previous)
    os.replace(unfinished, path)


def read(path):
    """
    Read what `write` wrote.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    arrays : dict of {str: ndarray}
        Its arrays.

    Raises
    ------
    ValidationError
        If the file cannot be read, or is not as it was written.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error}.", attr="path") from error
    digest = hashlib.sha256(content[:-DIGEST_SIZE]).hexdigest()
    if digest.encode() != content[-DIGEST_SIZE:]:
        raise ValidationError(
            f"{path} is damaged, or was not written by lmu_nengo: its digest is not that "
            "of its content. Use a copy, or write it anew.",
            attr="path",
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as saved:
        return {name: saved[name] for name in saved}
