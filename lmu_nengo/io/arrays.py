"""Arrays in npz files from elsewhere, which are checked before they are read."""

import io
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from nengo.exceptions import ValidationError
from numpy.lib import format as npy

LONGEST_HEADER = 2**16  # of an array; NumPy writes 128 bytes


class DamagedFileError(ValidationError):
    """
    A file is damaged, forged, or not what it should be.

    Parameters
    ----------
    path : str or path-like
        The file.
    reason : str
        What is wrong with it.

    Examples
    --------
    >>> from lmu_nengo.io import DamagedFileError
    >>> str(DamagedFileError("weights.npz", "it is empty"))[:50]
    'path: weights.npz is damaged or not a file of this'
    """

    def __init__(self, path: str | os.PathLike[str], reason: str):
        super().__init__(
            f"{path} is damaged or not a file of this kind ({reason}). Use a backup, or "
            "write the file again.",
            attr="path",
        )


def read_arrays(
    path: str | os.PathLike[str],
    names: Iterable[str] | None = None,
    most_bytes: int | None = None,
) -> dict[str, np.ndarray]:
    """
    Read arrays of finite numbers and of text from an ``.npz`` file.

    The sizes that the file declares are checked before anything is allocated, and the
    checksums of all that is read afterwards. Nothing is unpickled.

    Parameters
    ----------
    path : str or path-like
        The file.
    names : iterable of str, optional
        Arrays to read. By default all of them.
    most_bytes : int, optional
        How much memory they may take together. By default as much as the file itself, so
        that they cannot be compressed.

    Returns
    -------
    arrays : dict of {str: ndarray}
        By name.

    Raises
    ------
    ValidationError
        If the file cannot be read.
    DamagedFileError
        If it is damaged or no npz file, lacks an array, has numbers that are not finite,
        or would take more memory.

    See Also
    --------
    read_shapes : What a file declares.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from lmu_nengo.io.arrays import read_arrays
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npz")
    ...     np.savez(path, bias=[0.5, 1.0])
    ...     read_arrays(path)
    {'bias': array([0.5, 1. ])}
    """
    with _opened(path) as file:
        members = _members(path, file, names)
        total = sum(
            _declared(path, file, name, info).n_bytes for name, info in members.items()
        )
        most = os.path.getsize(path) if most_bytes is None else most_bytes
        if total > most:
            reason = f"it declares {total:,} bytes of arrays, at most {most:,} are allowed"
            reason += ", as many as the file has" * (most_bytes is None)
            raise DamagedFileError(path, reason)
        # reading a whole member is what checks its checksum; np.load may read less
        arrays = {
            name: np.load(io.BytesIO(file.read(info)), allow_pickle=False)
            for name, info in members.items()
        }
    for name, value in arrays.items():
        if value.dtype.kind in "fc" and not np.all(np.isfinite(value)):
            n = np.count_nonzero(~np.isfinite(value))
            raise DamagedFileError(path, f"{name} has {n} numbers that are not finite")
    return arrays


def read_shapes(path: str | os.PathLike[str]) -> dict[str, tuple[int, ...]]:
    """
    Read which arrays an ``.npz`` file declares, but not the arrays.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    shapes : dict of {str: tuple of int}
        Shape of each array.

    Raises
    ------
    ValidationError
        If the file cannot be read.
    DamagedFileError
        If it is damaged or no npz file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from lmu_nengo.io.arrays import read_shapes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npz")
    ...     np.savez(path, bias=[0.5, 1.0])
    ...     read_shapes(path)
    {'bias': (2,)}
    """
    with _opened(path) as file:
        return {
            name: _declared(path, file, name, info).shape
            for name, info in _members(path, file).items()
        }


@contextmanager
def _opened(path):
    """Open a zip file; what is raised on a damaged one becomes a DamagedFileError."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as file:
            yield file
    except OSError as error:
        reason = error.strerror or error
        raise ValidationError(f"cannot read {path}: {reason}.", attr="path") from error
    except DamagedFileError:
        raise
    # what zipfile and NumPy raise on a damaged file
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        EOFError,
        MemoryError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
    ) as error:
        raise DamagedFileError(path, str(error) or type(error).__name__) from error


def check_regular(path):
    """Raise DamagedFileError for devices, pipes and folders, which have no end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DamagedFileError(path, "it is not a regular file")


def _members(path, file, names=None):
    """Members of a zip file that are to be read, by the names of their arrays."""
    members = {}
    for info in file.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in members:
            what = "twice" if name in members else "which is no array"
            raise DamagedFileError(path, f"it contains {info.filename!r} {what}")
        members[name] = info
    if names is None:
        return members
    names = list(names)
    if missing := [name for name in names if name not in members]:
        raise DamagedFileError(
            path,
            f"it must contain the arrays {', '.join(names)}, {', '.join(missing)} missing; "
            f"got {', '.join(members) or 'none'}",
        )
    return {name: members[name] for name in names}


class Declared(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    n_bytes: int


def _declared(path, file, name, info):
    """What an array declares, which must fit the size of the member."""
    with file.open(info) as member:
        start = io.BytesIO(member.read(min(info.file_size, LONGEST_HEADER)))
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(start)
    if version not in read:
        raise DamagedFileError(path, f"{name} is of version {version} of NumPy's format")
    shape, _, dtype = read[version](start)
    if dtype.hasobject:
        raise DamagedFileError(path, f"{name} contains Python objects")
    if dtype.kind not in "biufcU":
        raise DamagedFileError(path, f"{name} has neither numbers nor text, but {dtype}")
    n_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or start.tell() + n_bytes != info.file_size:
        raise DamagedFileError(
            path,
            f"{name} declares {n_bytes:,} bytes, but holds "
            f"{info.file_size - start.tell():,}",
        )
    return Declared(shape, n_bytes)
