"""Files that are written completely or not at all."""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_instance, check_path

ABANDONED = 3600  # seconds after which nobody writes a temporary file any more


def write_atomically(
    path: str | os.PathLike[str],
    content: bytes,
    previous: str | os.PathLike[str] | None = None,
) -> None:
    """
    Write a file so that an interruption never leaves a part of it under its name.

    The content goes to a temporary file in the same folder, which is flushed to the disk
    and then renamed.

    Parameters
    ----------
    path : str or path-like
        The file; one that exists already is replaced.
    content : bytes
        All that the file will contain.
    previous : str or path-like, optional
        A file that exists already gets this name instead of being replaced.

    Raises
    ------
    ValidationError
        If the folder does not exist, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lmu_nengo.io import write_atomically
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "result.json")
    ...     write_atomically(path, b'{"nrmse": 0.01}')
    ...     print(path.read_text())
    {"nrmse": 0.01}
    """
    path = Path(check_path(path))
    if previous is not None:
        check_path(previous, "previous")
    check_instance(content, (bytes, bytearray, memoryview), "content", "bytes")
    if not path.parent.is_dir():
        raise ValidationError(
            f"cannot write {path}: the folder {path.parent} does not exist. Create it "
            "first.",
            attr="path",
        )
    temporary = None
    try:
        # a name that nobody has, in a new file: no other writer and no link interferes
        descriptor, temporary = tempfile.mkstemp(f".{path.name}.tmp", dir=path.parent)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, present_mode(path))
        if previous is not None and path.exists():
            keep(path, previous)
        os.replace(temporary, path)
        remove_old(path)
    except OSError as error:
        raise ValidationError(
            f"cannot write {path}: {error.strerror or error}. What was there before stays "
            "as it was. Free some space, or choose a folder that can be written.",
            attr="path",
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def keep(path, previous):
    """Give a file a second name; where the file system has none, its only name."""
    link = path.with_name(f".{path.name}.tmp{os.urandom(8).hex()}")
    try:
        os.link(path, link, follow_symlinks=False)
    except OSError:
        os.replace(path, previous)
        return
    try:  # there is no moment without the file
        os.replace(link, previous)
    finally:
        with suppress(FileNotFoundError):  # it is left if both are one file already
            os.unlink(link)


def remove_old(path):
    """Remove the temporary files of writers of a file that were killed."""
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            is_temporary = entry.name.startswith(f".{path.name}.tmp")
            age = time.time() - entry.stat(follow_symlinks=False).st_mtime
            if is_temporary and age > ABANDONED:
                with suppress(OSError):
                    os.unlink(entry.path)


def present_mode(path):
    """Permissions of a file, or those of a new one."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
