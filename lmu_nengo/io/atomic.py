"""Files that are written completely or not at all."""

import os
from pathlib import Path

from nengo.exceptions import ValidationError


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
    path = Path(path)
    if not path.parent.is_dir():
        raise ValidationError(
            f"cannot write {path}: the folder {path.parent} does not exist. Create it "
            "first.",
            attr="path",
        )
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(temporary, path)
    except OSError as error:
        raise ValidationError(f"cannot write {path}: {error}.", attr="path") from error
    finally:
        temporary.unlink(missing_ok=True)
