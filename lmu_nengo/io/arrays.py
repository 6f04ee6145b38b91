"""Arrays in npz files from elsewhere, which are checked before they are read."""

import io
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from nengo.exceptions import ValidationError
from numpy.lib import format as npy

MOST_BYTES = 2**31  # of all arrays of a file
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
    most_bytes: int = MOST_BYTES,
) -> dict[str, np.ndarray]:
    """
    Read arrays of numbers and text from an ``.npz`` file.

    The sizes that the file declares are checked before anything is allocated, and the
    checksums of all that is read afterwards. Nothing is unpickled.

    Parameters
    ----------
    path : str or path-like
        The file.
    names : iterable of str, optional
        Arrays to read. By default all of them.
    most_bytes : int
        How much memory they may take together.

    Returns
    -------
    arrays : dict of {str: ndarray}
        By name.

    Raises
    ------
    ValidationError
        If the file cannot be read.
    DamagedFileError
        If it is damaged or no npz file, lacks an array, or would take more memory.

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
    path = Path(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise DamagedFileError(path, "it is not a regular file")
        with zipfile.ZipFile(path) as file:
            members = _members(path, file, names)
            total = sum(
                _declared_bytes(path, file, name, info) for name, info in members.items()
            )
            if total > most_bytes:
                reason = f"it declares {total / 2**30:,.1f} GiB of arrays, at most "
                reason += f"{most_bytes / 2**30:.1f} are allowed"
                raise DamagedFileError(path, reason)
            # reading a whole member is what checks its checksum; np.load may read less
            return {
                name: np.load(io.BytesIO(file.read(info)), allow_pickle=False)
                for name, info in members.items()
            }
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


def _members(path, file, names):
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


def _declared_bytes(path, file, name, info):
    """Bytes of an array by its header, which must be those of the member."""
    with file.open(info) as member:
        start = io.BytesIO(member.read(min(info.file_size, LONGEST_HEADER)))
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(start)
    if version not in read:
        raise DamagedFileError(path, f"{name} is of version {version} of NumPy's format")
    shape, _, dtype = read[version](start)
    if dtype.hasobject:
        raise DamagedFileError(path, f"{name} contains Python objects")
    n_bytes = math.prod(shape) * dtype.itemsize
    if start.tell() + n_bytes != info.file_size:
        raise DamagedFileError(
            path,
            f"{name} declares {n_bytes:,} bytes, but holds "
            f"{info.file_size - start.tell():,}",
        )
    return n_bytes
