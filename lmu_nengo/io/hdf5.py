"""HDF5 files from elsewhere: what is read of them is checked first.

A file is opened from memory. No link is followed and no other file opened, the amount of
data is limited, and all numbers must be finite.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.io.arrays import DamagedFileError, check_regular

LARGEST = 2**28
TEXT_LIMIT = 200  # characters of a name
NODE_LIMIT = 1000  # members of a group
DEPTH_LIMIT = 10
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}  # HDF5's own


@contextmanager
def read_hdf5(
    path: str | os.PathLike[str], content: bytes | None = None, largest: int = LARGEST
) -> Iterator["Reader"]:
    """
    Open an HDF5 file for reading.

    Parameters
    ----------
    path : str or path-like
        The file.
    content : bytes, optional
        Its content, if it has been read already.
    largest : int
        Largest size in bytes of the file, and of all its arrays unpacked.

    Yields
    ------
    reader : Reader
        Reads its groups; ``reader.file`` is the outermost one.

    Raises
    ------
    ValidationError
        If the file cannot be read.
    DamagedFileError
        If it is damaged, too large, or no HDF5 file; also for what is raised while it is
        open because of damage.

    Examples
    --------
    >>> from lmu_nengo.io.hdf5 import read_hdf5
    >>> with read_hdf5("weights.h5", b"nothing") as reader:
    ...     pass
    Traceback (most recent call last):
        ...
    lmu_nengo.io.arrays.DamagedFileError: path: weights.h5 is damaged or not a file of...
    """
    import h5py

    content = read_content(path, largest) if content is None else content
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            yield Reader(h5py, path, file, largest)
    except ValidationError:
        raise
    # h5py has no error of its own: damage shows as any of these
    except (
        AttributeError,
        ImportError,
        KeyError,
        MemoryError,
        OSError,
        OverflowError,
        RecursionError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise DamagedFileError(path, f"{error!s:.300}") from error


def read_content(path: str | os.PathLike[str], largest: int) -> bytes:
    """
    Read a regular file of limited size.

    Parameters
    ----------
    path : str or path-like
        The file.
    largest : int
        Its largest size in bytes.

    Returns
    -------
    content : bytes
        What is in it.

    Raises
    ------
    ValidationError
        If it cannot be read.
    DamagedFileError
        If it is larger, or no regular file.

    Examples
    --------
    >>> import tempfile
    >>> from lmu_nengo.io.hdf5 import read_content
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     read_content(file.name, largest=10)
    b''
    """
    try:
        check_regular(path)
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ValidationError(f"cannot read {path}: {reason}.", attr="path") from error
    if len(content) > largest:
        raise DamagedFileError(
            path,
            f"it is larger than {largest:,} bytes; if you trust it, increase largest",
        )
    return content


class Reader:
    """
    Reads the parts of a file that are expected.

    Parameters
    ----------
    h5py : module
        Reads HDF5.
    path : str or Path
        Name of the file, for errors.
    file : h5py.File
        The file, opened.
    left : int
        Bytes that may still be unpacked.
    """

    def __init__(self, h5py, path, file, left):
        self.h5py, self.path, self.file, self.left = h5py, path, file, left

    def refuse(self, message):
        """Raise DamagedFileError."""
        raise DamagedFileError(self.path, message)

    def has(self, group, name) -> bool:
        """Whether a group has a member, wherever it is."""
        return group.id.links.exists(name.encode())

    def names(self, group) -> list[str]:
        """Names of the members of a group."""
        if len(group) > NODE_LIMIT:
            self.refuse(
                f"{group.name} may have {NODE_LIMIT} members at most, it has {len(group)}"
            )
        return list(group)

    def member(self, group, name, what):
        """A member of a group which is in this file."""
        if len(name) > TEXT_LIMIT:
            self.refuse(f"names may have {TEXT_LIMIT} characters, one has {len(name)}")
        links = group.id.links  # h5py's own `in` would open what a link names
        if not links.exists(name.encode()):
            self.refuse(f"{group.name} has no {name!r}, the file is incomplete")
        if links.get_info(name.encode()).type != self.h5py.h5l.TYPE_HARD:
            self.refuse(f"{group.name}/{name} is a link; links are not followed")
        found = group[name]
        if not isinstance(found, what):
            self.refuse(
                f"{group.name}/{name} must be a {what.__name__}, not a "
                f"{type(found).__name__}"
            )
        return found

    def group(self, group, name):
        """A group in a group."""
        return self.member(group, name, self.h5py.Group)

    def dataset(self, group, name):
        """A dataset that may be read."""
        found = self.member(group, name, self.h5py.Dataset)
        place = f"{group.name}/{name}"
        if found.external or found.is_virtual:
            self.refuse(f"{place} is stored in another file; other files are not read")
        if found.shape is None:
            self.refuse(f"{place} is empty")
        properties = found.id.get_create_plist()
        for i in range(properties.get_nfilters()):
            code = properties.get_filter(i)[0]
            if code not in FILTERS:
                self.refuse(f"{place} is compressed by filter {code}; use gzip or lzf")
        chunk = found.chunks or ()
        if found.chunks and np.prod(chunk, dtype=object) > 2**24:
            self.refuse(f"{place} has chunks of {chunk} numbers, which are too large")
        self.left -= int(np.prod(found.shape, dtype=object)) * found.dtype.itemsize
        if self.left < 0:
            self.refuse(
                f"{place} of shape {found.shape} is too large to unpack; if you trust the "
                "file, increase largest"
            )
        return found

    def array(self, group, name) -> np.ndarray:
        """An array of finite numbers."""
        found = self.dataset(group, name)
        if found.dtype.kind not in "fiu":
            self.refuse(f"{group.name}/{name} must be numbers, not {found.dtype}")
        value = np.asarray(found[()])
        if not np.all(np.isfinite(value)):
            self.refuse(f"{group.name}/{name} must be finite")
        return value

    def text(self, group, name) -> str:
        """A string."""
        found = self.dataset(group, name)
        if found.shape != () or not self.h5py.check_string_dtype(found.dtype):
            self.refuse(f"{group.name}/{name} must be a string")
        return self.decoded(found[()])

    def value(self, group, name) -> str | np.ndarray:
        """A string or an array."""
        found = self.member(group, name, self.h5py.Dataset)
        is_text = self.h5py.check_string_dtype(found.dtype)
        return self.text(group, name) if is_text else self.array(group, name)

    def decoded(self, text) -> str:
        """A string of limited length."""
        text = text.decode() if isinstance(text, bytes) else str(text)
        if len(text) > TEXT_LIMIT:
            self.refuse(f"strings may have {TEXT_LIMIT} characters, one has {len(text)}")
        return text

    def arrays(self, group, owners=()) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
        """All arrays in a group and its groups, with the names that lead to each."""
        if len(owners) > DEPTH_LIMIT:
            self.refuse(f"groups may be nested {DEPTH_LIMIT} times, {group.name} is deeper")
        for name in self.names(group):
            if isinstance(self.member(group, name, object), self.h5py.Group):
                yield from self.arrays(self.group(group, name), (*owners, name))
            else:
                yield (*owners, name), self.array(group, name)
